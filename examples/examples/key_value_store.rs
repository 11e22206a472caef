//! A key-value store that is an actor, under load: `&self` reads side by side, `&mut self` alone.
//!
//! ```text
//! cargo run --release -p raykit-examples --example key_value_store -- 8 50_000
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

    pub fn total(&self) -> u64 {
        self.values.values().sum()
    }
}

/// Every fourth operation is a write. Returns what was added.
#[remote]
fn client(store: StoreHandle, client: u64, operations: u64) -> raykit::Result<u64> {
    let (mut added, mut number) = (0, 0);
    while number < operations {
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        for at in number..operations.min(number + AT_ONCE) {
            let key = format!("key {}", (at * 7 + client) % KEYS);
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

fn main() -> raykit::Result<()> {
    let [clients, operations] = arguments(USAGE);
    let (clients, operations) = (number(clients, 8, USAGE), number(operations, 50_000, USAGE));
    let _ray = raykit::init()?;
    let store = Store::remote();

    let begun = Instant::now();
    let all = client::map((0..clients).map(|at| (store.clone(), at, operations)));
    let added: u64 = raykit::get(&all)?.iter().sum();
    let seconds = begun.elapsed().as_secs_f64();

    assert_eq!(store.total().get()?, added, "no write is lost");
    let count = clients * operations;
    println!("{count} operations of {clients} clients, a quarter of them writes: all there");
    println!("{:.0} ms: {:.0} operations/s", seconds * 1e3, count as f64 / seconds);
    Ok(())
}
