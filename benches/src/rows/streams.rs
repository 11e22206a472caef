//! A million numbers from one thread to another.

use crate::bench::{Bench, Goal, Line, Outcome, RAYKIT, Row, TOKIO, Unit, p50, timed};
use crate::peers::tokio::runtime;
use raykit::prelude::*;

const STD: &str = "std channel";

pub(crate) const ROW: Row = Row {
    name: "stream",
    lines: &[Line {
        key: "stream.items",
        what: "1 M items through the stream of a task",
        unit: Unit::Seconds,
        peers: &[(TOKIO, Goal::AtMost(3.0)), (STD, Goal::AtMost(3.0))],
        under: None,
    }],
    note: "a task gives 1 M u64 one by one and main gets each by its reference; beside it, as many through a \
           bounded channel of 1,000 places between two threads: tokio's, with blocking ends, and std's (the \
           code of crossbeam-channel). The median of three in each round.",
    run,
};

const ITEMS: u64 = 1_000_000;
const PLACES: usize = 1_000;
const SUM: u64 = ITEMS * (ITEMS - 1) / 2;

#[remote]
fn numbers() -> impl Iterator<Item = u64> {
    0..ITEMS
}

fn checked((seconds, sum): (f64, Outcome<u64>)) -> Outcome<f64> {
    match sum? {
        SUM => Ok(seconds),
        other => Err(format!("the sum is {other}").into()),
    }
}

fn run(bench: &mut Bench) -> Outcome {
    let _ray = raykit::init()?;
    let runtime = runtime()?;
    for _ in 0..bench.rounds {
        let stream =
            || checked(timed(|| numbers::remote().try_fold(0, |sum, item| Ok(sum + item.get()?))));
        bench.record("stream.items", RAYKIT, p50(3, stream)?);
        let tokio = || {
            checked(timed(|| {
                let (sender, mut receiver) = tokio::sync::mpsc::channel(PLACES);
                let sends = runtime.spawn_blocking(move || {
                    (0..ITEMS).all(|item| sender.blocking_send(item).is_ok())
                });
                let sum = std::iter::from_fn(|| receiver.blocking_recv()).sum();
                runtime.block_on(sends)?;
                Ok(sum)
            }))
        };
        bench.record("stream.items", TOKIO, p50(3, tokio)?);
        let channel = || {
            checked(timed(|| {
                let (sender, receiver) = std::sync::mpsc::sync_channel(PLACES);
                let sends =
                    std::thread::spawn(move || (0..ITEMS).all(|item| sender.send(item).is_ok()));
                let sum = receiver.iter().sum();
                sends.join().map_err(|_| "the sender panicked")?;
                Ok(sum)
            }))
        };
        bench.record("stream.items", STD, p50(3, channel)?);
    }
    Ok(())
}
