//! One empty task from the main thread.

use crate::bench::{Bench, Goal, Line, Outcome, RAY, RAYKIT, Row, Unit, cores, p50, timed};
use crate::peers::bare::{BARE, BarePool};
use raykit::prelude::*;

pub(crate) const ROW: Row = Row {
    name: "latency",
    lines: &[
        Line {
            key: "latency.back",
            what: "one empty task, back to back, p50",
            unit: Unit::Seconds,
            peers: &[(BARE, Goal::AtMost(2.0)), (RAY, Goal::AtLeast(300.0))],
            under: None,
        },
        Line {
            key: "latency.idle",
            what: "one empty task after 10 ms idle, p50",
            unit: Unit::Seconds,
            peers: &[(BARE, Goal::AtMost(1.2)), (RAY, Goal::None)],
            under: None,
        },
    ],
    note: "the main thread submits an empty task and gets it, 5,000 times back to back and 100 times \
           after a sleep of 10 ms; the bare pool is one crossbeam-deque queue of boxed closures whose \
           threads, and whose caller, park at once; it has as many threads.",
    run,
};

const BACK_TO_BACK: usize = 5_000;
const AFTER_IDLE: usize = 100;

#[remote]
pub(crate) fn empty() {}

fn run(bench: &mut Bench) -> Outcome {
    let _ray = raykit::init()?;
    let pool = BarePool::new(cores());
    for _ in 0..bench.rounds {
        let (back, idle) = both(|| Ok(empty::remote().get()?))?;
        bench.record("latency.back", RAYKIT, back);
        bench.record("latency.idle", RAYKIT, idle);
        let (back, idle) = both(|| {
            pool.call(|| ());
            Ok(())
        })?;
        bench.record("latency.back", BARE, back);
        bench.record("latency.idle", BARE, idle);
    }
    Ok(())
}

/// The median back to back and after idling.
fn both(call: impl Fn() -> Outcome) -> Outcome<(f64, f64)> {
    let once = || {
        let (seconds, done) = timed(&call);
        done.map(|()| seconds)
    };
    let back = p50(BACK_TO_BACK, once)?;
    let idle = p50(AFTER_IDLE, || {
        std::thread::sleep(millis(10));
        once()
    })?;
    Ok((back, idle))
}
