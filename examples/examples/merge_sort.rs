//! Sorts the numbers in a file by a parallel merge sort: tasks that call tasks and wait for them.
//!
//! ```text
//! cargo run --release -p raykit-examples --example merge_sort -- numbers.txt 2_000_000   # makes the file
//! cargo run --release -p raykit-examples --example merge_sort -- numbers.txt
//! ```

use anyhow::{Context as _, ensure};
use raykit::prelude::*;
use raykit_examples::{arguments, number, random_numbers, refuse, write_lines};
use std::time::Instant;

const USAGE: &str = "\
usage: merge_sort FILE [N]
Sorts the numbers in FILE, one a line, into FILE.sorted. With N, writes N random ones to FILE first.";

/// So many numbers are sorted in one go.
const LEAF_LEN: usize = 1 << 15;

#[remote]
fn sort(mut numbers: Vec<u64>) -> raykit::Result<Vec<u64>> {
    if numbers.len() <= LEAF_LEN {
        numbers.sort_unstable();
        return Ok(numbers);
    }
    let right = sort::remote(numbers.split_off(numbers.len() / 2));
    let left = sort::remote(numbers);
    // `shared` is the stored value itself, where `get` is a copy.
    Ok(merge(&left.shared()?, &right.shared()?))
}

fn merge<'a>(mut left: &'a [u64], mut right: &'a [u64]) -> Vec<u64> {
    let mut merged = Vec::with_capacity(left.len() + right.len());
    while let (Some(a), Some(b)) = (left.first(), right.first()) {
        let from = if a <= b { &mut left } else { &mut right };
        merged.push(from[0]);
        *from = &from[1..];
    }
    [left, right].into_iter().for_each(|rest| merged.extend_from_slice(rest));
    merged
}

fn main() -> anyhow::Result<()> {
    let [path, n] = arguments(USAGE);
    let path = path.unwrap_or_else(|| refuse(USAGE, "FILE is missing"));
    if n.is_some() {
        write_lines(&path, random_numbers().take(number(n, 0, USAGE)))?;
    }
    let read = std::fs::read_to_string(&path).context(path.clone())?;
    let parse = |(line, text): (usize, &str)| {
        text.trim().parse::<u64>().with_context(|| format!("{path}, line {}: `{text}`", line + 1))
    };
    let numbers = read.lines().enumerate().map(parse).collect::<anyhow::Result<Vec<u64>>>()?;
    let sum = |numbers: &[u64]| numbers.iter().fold(0_u64, |sum, n| sum.wrapping_add(*n));
    let (len, before) = (numbers.len(), sum(&numbers));

    let _ray = raykit::init()?;
    let begun = Instant::now();
    let sorted = sort::remote(numbers).shared()?;
    println!("{len} numbers sorted in {:.1?}", begun.elapsed());

    ensure!(sorted.is_sorted() && sorted.len() == len, "this is not sorted");
    ensure!(sum(&sorted) == before, "these are other numbers");
    write_lines(&format!("{path}.sorted"), sorted.iter())?;
    println!("checked, and written to {path}.sorted");
    Ok(())
}
