//! Merge sort.

use crate::bench::{Bench, Goal, Line, Outcome, RAYKIT, RAYON, Row, Unit, timed};
use crate::inputs;
use raykit::prelude::*;

const IN_PLACE: &str = "rayon in place";

pub(crate) const ROW: Row = Row {
    name: "sort",
    lines: &[Line {
        key: "sort.all",
        what: "merge sort of 10 M u64",
        unit: Unit::Seconds,
        peers: &[(RAYON, Goal::AtLeast(0.9)), (IN_PLACE, Goal::None)],
        under: None,
    }],
    note: "halves down to 131,072 numbers, which `sort_unstable` sorts; raykit calls a task for one \
           half and sorts the other itself, rayon does the same with `join`; both hand on `Vec`s. \
           rayon in place: `join` on slices with one buffer, which tasks cannot do.",
    run,
};

const NUMBERS: usize = 10_000_000;
const LEAF: usize = 1 << 17;

/// Merges two sorted lists into `out`, which is as long as both.
fn merge(left: &[u64], right: &[u64], out: &mut [u64]) {
    let (mut at_left, mut at_right) = (0, 0);
    for place in out {
        let from_left = match (left.get(at_left), right.get(at_right)) {
            (Some(left), Some(right)) => left <= right,
            (left, _) => left.is_some(),
        };
        let (side, at) = if from_left { (left, &mut at_left) } else { (right, &mut at_right) };
        *place = side[*at];
        *at += 1;
    }
}

fn merged(left: &[u64], right: &[u64]) -> Vec<u64> {
    let mut out = vec![0; left.len() + right.len()];
    merge(left, right, &mut out);
    out
}

#[remote]
fn merge_sort(mut numbers: Vec<u64>) -> raykit::Result<Vec<u64>> {
    if numbers.len() <= LEAF {
        numbers.sort_unstable();
        return Ok(numbers);
    }
    let right = merge_sort::remote(numbers.split_off(numbers.len() / 2));
    let left = merge_sort(numbers)?;
    Ok(merged(&left, &right.shared()?))
}

fn with_rayon(mut numbers: Vec<u64>) -> Vec<u64> {
    if numbers.len() <= LEAF {
        numbers.sort_unstable();
        return numbers;
    }
    let right = numbers.split_off(numbers.len() / 2);
    let (left, right) = rayon::join(|| with_rayon(numbers), || with_rayon(right));
    merged(&left, &right)
}

fn in_place(numbers: &mut [u64], buffer: &mut [u64]) {
    if numbers.len() <= LEAF {
        return numbers.sort_unstable();
    }
    let middle = numbers.len() / 2;
    let (left, right) = numbers.split_at_mut(middle);
    let (left_buffer, right_buffer) = buffer.split_at_mut(middle);
    rayon::join(|| in_place(left, left_buffer), || in_place(right, right_buffer));
    merge(left, right, buffer);
    numbers.copy_from_slice(buffer);
}

fn run(bench: &mut Bench) -> Outcome {
    let _ray = raykit::init()?;
    let numbers = inputs::numbers(NUMBERS);
    for _ in 0..bench.rounds {
        let mine = numbers.clone();
        let (seconds, ours) = timed(|| merge_sort::remote(mine).shared());
        bench.record("sort.all", RAYKIT, seconds);
        let mine = numbers.clone();
        let (seconds, theirs) = timed(|| with_rayon(mine));
        bench.record("sort.all", RAYON, seconds);
        let mut mine = numbers.clone();
        let (seconds, ()) = timed(|| in_place(&mut mine, &mut vec![0; NUMBERS]));
        bench.record("sort.all", IN_PLACE, seconds);
        if !theirs.is_sorted() || *ours? != theirs || mine != theirs {
            return Err("the numbers are not sorted".into());
        }
    }
    Ok(())
}
