//! A gibibyte for another process of this host.

use super::worker::{self, Worker, nothing};
use crate::bench::{Bench, Goal, Line, Outcome, RAY, RAYKIT, Row, Unit, p50, timed};
use crate::peers::mapped::{self, MAPPED};
use raykit::prelude::*;
use std::hint::black_box;
use std::net::Ipv4Addr;

const MEMCPY: &str = "memcpy";
/// Numbers in a gibibyte.
const GIB: usize = (1 << 30) / 8;
/// How often the time to the first byte is taken in a round.
const FIRSTS: usize = 20;

const COPIED: &[(&str, Goal)] = &[(MEMCPY, Goal::AtLeast(0.8)), (RAY, Goal::None)];

pub(crate) const ROW: Row = Row {
    name: "share",
    lines: &[
        Line {
            key: "share.fresh",
            what: "1 GiB made for another process, fresh memory",
            unit: Unit::SecondsOfGib,
            peers: COPIED,
            under: None,
        },
        Line {
            key: "share.warm",
            what: "the same, warm memory",
            unit: Unit::SecondsOfGib,
            peers: COPIED,
            under: None,
        },
        Line {
            key: "share.first",
            what: "until its first byte is read there",
            unit: Unit::Seconds,
            peers: &[(RAY, Goal::None)],
            under: Some(1e-3),
        },
        Line {
            key: "share.sum",
            what: "its sum there",
            unit: Unit::SecondsOfGib,
            peers: &[(MAPPED, Goal::AtLeast(0.8)), (RAY, Goal::None)],
            under: None,
        },
    ],
    note: "a head and a node of one CPU, each in a process of its own, made anew for each round. A `Vec<f64>` \
           of 1 GiB is put, and a task on the other node reads its first number: the time from the call \
           to the result, for the first object and for one after it. memcpy: into a new allocation, \
           and into the same again. The first byte: of an object that a third process has already, \
           the median of 20. The sum: in a task there, over the second object; and over as many numbers \
           in a memfd that this process has just mapped. Ray: `put`, and a task of a worker process that \
           has the reference.",
    run,
};

#[remote]
fn first(numbers: &[f64]) -> f64 {
    numbers[0]
}

/// Seconds for a sum of these, and of the same number in a file that was just mapped.
#[remote]
fn sums(numbers: &[f64]) -> Result<(f64, f64), String> {
    let sum = |numbers: &[f64]| {
        let (chunks, _) = numbers.as_chunks::<8>();
        let lanes = chunks.iter().fold([0.0; 8], |mut lanes, chunk| {
            lanes.iter_mut().zip(chunk).for_each(|(lane, number)| *lane += number);
            lanes
        });
        black_box(lanes.iter().sum::<f64>())
    };
    let (there, _) = timed(|| sum(black_box(numbers)));
    let mapped = mapped::with_numbers(numbers.len(), |numbers| timed(|| sum(black_box(numbers))).0);
    Ok((there, mapped.map_err(|error| error.to_string())?))
}

/// Holds an object, so that its node keeps it for others.
#[remote]
struct Holder {
    held: Vec<ObjectRef<Vec<f64>>>,
}

#[expect(unreachable_pub, reason = "`pub` says which methods are remote")]
#[remote]
impl Holder {
    pub fn new() -> Self {
        Holder { held: Vec::new() }
    }
    pub fn hold(&mut self, what: Vec<ObjectRef<Vec<f64>>>) -> usize {
        self.held = what;
        self.held.iter().filter(|one| one.view().is_ok()).count()
    }
}

#[remote]
fn holder() -> HolderHandle {
    Holder::remote()
}

fn run(bench: &mut Bench) -> Outcome {
    for _ in 0..bench.rounds {
        round(bench)?;
        let numbers = vec![1.5; GIB];
        let (fresh, mut copy) = timed(|| {
            let mut copy = Vec::with_capacity(GIB);
            copy.extend_from_slice(black_box(&numbers));
            copy
        });
        bench.record("share.fresh", MEMCPY, fresh);
        black_box(&mut copy);
        let (warm, ()) = timed(|| copy.copy_from_slice(black_box(&numbers)));
        bench.record("share.warm", MEMCPY, warm);
        black_box(&copy);
    }
    Ok(())
}

fn round(bench: &mut Bench) -> Outcome {
    let head = worker::head(Ipv4Addr::LOCALHOST)?;
    let _here = head.enter();
    let (worker, other) = (Worker::new()?, Worker::new()?);
    let holder = holder::options().strategy(other.here()).remote().get()?;
    nothing::options().strategy(worker.here()).remote().get()?;
    for key in ["share.fresh", "share.warm"] {
        let stored = raykit::put(vec![1.5; GIB])?;
        let call = || first::options().strategy(worker.here()).remote(&stored).get();
        let (seconds, read) = timed(call);
        if read? != 1.5 {
            return Err("the other process read something else".into());
        }
        bench.record(key, RAYKIT, seconds);
        if key == "share.warm" {
            let sums = sums::options().strategy(worker.here()).remote(&stored).get()?;
            bench.record("share.sum", RAYKIT, sums.0);
            bench.record("share.sum", MAPPED, sums.1);
        }
    }
    let stored = raykit::put(vec![1.5; GIB])?;
    if holder.hold(vec![stored.clone()]).get()? != 1 {
        return Err("the third process has not got it".into());
    }
    let seconds = p50(FIRSTS, || {
        let call = || first::options().strategy(worker.here()).remote(&stored).get();
        let (seconds, read) = timed(call);
        read?;
        // Until it has let go of it, and has to ask for it again.
        std::thread::sleep(millis(20));
        Ok(seconds)
    })?;
    bench.record("share.first", RAYKIT, seconds);
    Ok(())
}
