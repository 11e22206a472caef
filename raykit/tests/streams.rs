//! Streams: functions and methods that give their results one after the other.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

mod common;

use common::{all_clear, node};
use raykit::prelude::*;
use std::num::ParseIntError;

#[remote]
fn count(n: u64) -> impl Iterator<Item = u64> {
    0..n
}

#[remote]
fn parse(text: &str) -> impl Iterator<Item = Result<u64, ParseIntError>> {
    text.split(' ').map(str::parse)
}

#[test]
fn a_stream_gives_its_items_in_order() {
    let node = node(2);
    let _here = node.enter();
    let all: Vec<u64> = count::remote(5_000).map(|item| item.get().unwrap()).collect();
    assert_eq!(all, (0..5_000).collect::<Vec<_>>());
    let first: Vec<_> = parse::remote("1 2 x 4").collect();
    assert_eq!(first.len(), 3);
    assert!(first[2].get().is_err());
    drop(first);
    all_clear(2);
}
