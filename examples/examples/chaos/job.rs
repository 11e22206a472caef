//! The job: five kinds of work whose right sums are known. All of it runs on the workers.

use anyhow::{Result, ensure};
use raykit::ErrorKind;
use raykit::prelude::*;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A wait that takes longer says what it waits for, and ends the job.
const PATIENCE: std::time::Duration = secs(60);
/// Numbers in a large object: 256 KiB, which are fetched beside the word that they are there.
const LARGE: u64 = 32 << 10;
const STREAM_ITEMS: u64 = 1_000;

/// A number that one cannot guess, each time the same (splitmix64).
pub(crate) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A value, and how often the attempts at it were broken off.
type Found = (u64, u32);

#[remote(max_retries = 1_000)]
fn plain(x: u64) -> Found {
    let end = (0..20_000).fold(x, |y, _| mix(y)); // some time, in which the process may be killed
    std::hint::black_box(end);
    (mix(x), raykit::context().attempt())
}

/// Calls tasks and waits for them, on whatever node.
#[remote(max_retries = 1_000)]
fn nested(x: u64) -> raykit::Result<Found> {
    let parts = plain::map((0..4).map(|part| 4 * x + part));
    let add = |all: Found, one: Found| (all.0.wrapping_add(one.0), all.1 + one.1);
    Ok(raykit::get(&parts)?.into_iter().fold((0, raykit::context().attempt()), add))
}

#[remote(max_retries = 1_000)]
fn fill(x: u64) -> Vec<u64> {
    (0..LARGE).map(|at| x.wrapping_add(at)).collect()
}

#[remote(max_retries = 1_000)]
fn fold(numbers: &[u64]) -> Found {
    let sum = numbers.iter().fold(0_u64, |sum, x| sum.wrapping_add(*x));
    (sum, raykit::context().attempt())
}

#[remote]
fn items(from: u64, to: u64) -> impl Iterator<Item = u64> {
    (from..to).map(mix).inspect(|_| std::thread::sleep(millis(1)))
}

#[remote(num_cpus = 0.1, max_restarts = 1_000_000, max_retries = 1_000)]
pub(crate) struct Adder(u64);

#[remote]
impl Adder {
    pub fn new() -> Self {
        Adder(0)
    }
    /// The value, and which call of this life it is.
    pub fn value(&mut self, x: u64) -> (u64, u64) {
        self.0 += 1;
        std::thread::sleep(millis(1));
        (mix(x), self.0)
    }
}

/// What a part of the job has come to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    /// Attempts that were broken off and made again; of an actor its lives after the first.
    pub(crate) again: u64,
    pub(crate) sum: u64,
    pub(crate) right: u64,
}

impl Tally {
    fn add(&mut self, (value, attempts): Found, right: u64) {
        self.sum = self.sum.wrapping_add(value);
        self.right = self.right.wrapping_add(right);
        self.again += u64::from(attempts);
        self.calls += 1;
    }
}

/// Makes calls, so many of them at once, until `over`, and adds up what comes of them.
fn keep_up<T: Object>(
    over: &AtomicBool,
    at_once: usize,
    call: impl Fn(u64) -> ObjectRef<T>,
    mut done: impl FnMut(u64, T) -> Result<()>,
) -> Result<()> {
    let mut open = VecDeque::new();
    for x in 0.. {
        if over.load(Relaxed) {
            break;
        }
        open.push_back((x, call(x)));
        if open.len() == at_once
            && let Some((x, first)) = open.pop_front()
        {
            done(x, first.timeout(PATIENCE).get()?)?;
        }
    }
    open.into_iter().try_for_each(|(x, one)| done(x, one.timeout(PATIENCE).get()?))
}

fn tasks(over: &AtomicBool, seed: u64) -> Result<Tally> {
    let mut tally = Tally::default();
    keep_up(
        over,
        32,
        |x| plain::remote(seed + x),
        |x, found| {
            tally.add(found, mix(seed + x));
            Ok(())
        },
    )?;
    Ok(tally)
}

fn tasks_of_tasks(over: &AtomicBool, seed: u64) -> Result<Tally> {
    let mut tally = Tally::default();
    let right = |x: u64| (0..4).fold(0_u64, |sum, part| sum.wrapping_add(mix(4 * x + part)));
    keep_up(
        over,
        8,
        |x| nested::remote(seed + x),
        |x, found| {
            tally.add(found, right(seed + x));
            Ok(())
        },
    )?;
    Ok(tally)
}

/// A large result is the argument of the next task, on whatever node.
fn large_objects(over: &AtomicBool, seed: u64) -> Result<Tally> {
    let mut tally = Tally::default();
    let right = |x: u64| LARGE.wrapping_mul(x).wrapping_add(LARGE * (LARGE - 1) / 2);
    keep_up(
        over,
        4,
        |x| fold::remote(fill::remote(seed + x)),
        |x, found| {
            tally.add(found, right(seed + x));
            Ok(())
        },
    )?;
    Ok(tally)
}

/// Calls of one caller keep their order: each is one more than the one before, or begins a new life.
fn actor(over: &AtomicBool, seed: u64) -> Result<Tally> {
    let adder = Adder::remote();
    let (mut tally, mut before) = (Tally::default(), 0);
    keep_up(
        over,
        16,
        |x| adder.value(seed + x),
        |x, (value, at)| {
            ensure!(
                at == before + 1 || at == 1,
                "call {x}: number {at} of its life, after {before}"
            );
            before = at;
            tally.add((value, 0), mix(seed + x));
            Ok(())
        },
    )?;
    tally.again = adder.restarts();
    Ok(tally)
}

/// A stream ends with its process once an item was read: another one goes on from there.
fn stream(over: &AtomicBool, seed: u64) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut next = seed;
    while !over.load(Relaxed) {
        let end = next + STREAM_ITEMS;
        let mut stream = items::remote(next, end);
        while next < end {
            let item = stream.next().map(|item| item.timeout(PATIENCE).get());
            match item.expect("a stream that breaks off ends in its error") {
                Ok(value) => tally.add((value, 0), mix(next)),
                Err(error) if error.kind() == ErrorKind::NodeDied => {
                    tally.again += 1;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
            next += 1;
        }
    }
    Ok(tally)
}

/// One part of the job.
type Part = fn(&AtomicBool, u64) -> Result<Tally>;

pub(crate) const PARTS: [(&str, Part); 5] = [
    ("tasks", tasks),
    ("tasks that call tasks", tasks_of_tasks),
    ("large arguments and results", large_objects),
    ("calls of an actor", actor),
    ("items of streams", stream),
];
