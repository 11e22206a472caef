//! A key-value store that is an actor, under load: `&self` reads side by side, `&mut self` alone.
//! In a cluster all drivers find the same one by its name, and what they have written outlives them.
//!
//! ```text
//! cargo run --release -p raykit-examples --example key_value_store -- 8 50_000
//! cargo run --release -p raykit-examples --example key_value_store -- worker --head   # and
//! RAYKIT_ADDRESS=127.0.0.1:7000 cargo run --release -p raykit-examples --example key_value_store
//! ```
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

use raykit::prelude::*;
use raykit_examples::{arguments, number};
use std::collections::HashMap;
use std::time::Instant;

const USAGE: &str = "usage: key_value_store [CLIENTS] [OPERATIONS]   (standard: 8 50_000)";
const KEYS: u64 = 100;
/// Calls that a client makes before it asks for their results.
const AT_ONCE: u64 = 100;

#[remote]
struct Store {
    values: HashMap<String, u64>,
}

#[remote]
impl Store {
    pub fn new() -> Self {
        Store { values: HashMap::new() }
    }

    pub fn get(&self, key: &str) -> Option<u64> {
        self.values.get(key).copied()
    }

    pub fn add(&mut self, key: String, by: u64) -> u64 {
        let value = self.values.entry(key).or_default();
        *value += by;
        *value
    }

    /// How many keys begin with this, and the sum of their values.
    pub fn total(&self, prefix: &str) -> (usize, u64) {
        let found = self.values.iter().filter(|(key, _)| key.starts_with(prefix));
        found.fold((0, 0), |(keys, sum), (_, value)| (keys + 1, sum + value))
    }
}

/// Every fourth operation is a write. Returns what was added.
#[remote]
fn client(store: StoreHandle, prefix: &str, client: u64, operations: u64) -> raykit::Result<u64> {
    let (mut added, mut number) = (0, 0);
    while number < operations {
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        for at in number..operations.min(number + AT_ONCE) {
            let key = format!("{prefix}key {}", (at * 7 + client) % KEYS);
            match at % 4 {
                0 => writes.push(store.add(key, at)),
                _ => reads.push(store.get(key)),
            }
            added += if at % 4 == 0 { at } else { 0 };
        }
        raykit::get((&reads, &writes))?;
        number += AT_ONCE;
    }
    Ok(added)
}

#[raykit::main]
fn main() -> raykit::Result<()> {
    let [clients, operations] = arguments(USAGE);
    let (clients, operations) = (number(clients, 8, USAGE), number(operations, 50_000, USAGE));
    let _ray = raykit::init()?;
    let store = Store::options().name("key-value store").detached().get_if_exists().remote();
    let (keys, _) = store.total("").get()?;
    println!("{keys} keys of earlier drivers are in the store");
    // No two drivers of a cluster have one id: the keys that begin with it are this one's own.
    let prefix = raykit::context().node_id().map_or_else(String::new, |node| format!("{node} "));

    let begun = Instant::now();
    let each = |at| (store.clone(), prefix.as_str(), at, operations);
    let added: u64 = raykit::get(&client::map((0..clients).map(each)))?.iter().sum();
    let seconds = begun.elapsed().as_secs_f64();

    let (keys, sum) = store.total(&prefix).get()?;
    assert_eq!(sum, added, "no write is lost, and none is done twice");
    let count = clients * operations;
    println!("{count} operations of {clients} clients, a quarter of them writes to {keys} keys");
    println!("{:.0} ms: {:.0} operations/s", seconds * 1e3, count as f64 / seconds);
    Ok(())
}
