//! A tree of tasks: each calls some more and waits for them. Any depth works on any number of
//! cores.
//!
//! ```text
//! cargo run --release -p raykit-examples --example nested_tree -- 10 5
//! ```

use raykit::prelude::*;
use raykit_examples::{arguments, number};
use std::time::Instant;

const USAGE: &str = "usage: nested_tree [WIDTH] [DEPTH]   (standard: 10 5, which is 111,111 tasks)";

/// The number of nodes in the tree below, this one included.
#[remote]
fn tree(width: u32, depth: u32) -> raykit::Result<u64> {
    if depth == 0 {
        return Ok(1);
    }
    let children = tree::map((0..width).map(|_| (width, depth - 1)));
    Ok(1 + raykit::get(&children)?.iter().sum::<u64>())
}

fn main() -> raykit::Result<()> {
    let [width, depth] = arguments(USAGE);
    let (width, depth) = (number(width, 10_u32, USAGE), number(depth, 5_u32, USAGE));
    let _ray = raykit::init()?;

    let begun = Instant::now();
    let nodes = tree::remote(width, depth).get()?;
    let seconds = begun.elapsed().as_secs_f64();

    let expected: u64 = (0..=depth).map(|level| u64::from(width).pow(level)).sum();
    assert_eq!(nodes, expected);
    let stats = raykit::stats()?;
    println!(
        "{nodes} tasks in {:.0} ms: {:.0} tasks/s, on {} threads",
        seconds * 1e3,
        nodes as f64 / seconds,
        stats.threads
    );
    Ok(())
}
