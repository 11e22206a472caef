//! Waiting for some of many.

use super::latency::empty;
use crate::bench::{Bench, Goal, Line, Outcome, RAY, RAYKIT, Row, Unit, p50, timed};
use raykit::{ObjectRef, Ready};

const RAY_50: &[(&str, Goal)] = &[(RAY, Goal::AtLeast(50.0))];

pub(crate) const ROW: Row = Row {
    name: "wait",
    lines: &[
        Line {
            key: "wait.all",
            what: "wait for 1,000 of 1,000 ready references",
            unit: Unit::Seconds,
            peers: RAY_50,
            under: None,
        },
        Line {
            key: "wait.moved",
            what: "the same, the list moved in",
            unit: Unit::Seconds,
            peers: RAY_50,
            under: None,
        },
        Line {
            key: "wait.drain",
            what: "drain 1,000 ready references, one `wait` each",
            unit: Unit::Seconds,
            peers: RAY_50,
            under: None,
        },
        Line {
            key: "wait.completed",
            what: "drain 1,000 ready references, `as_completed`",
            unit: Unit::Seconds,
            peers: RAY_50,
            under: None,
        },
    ],
    note: "1,000 tasks that are done; `wait(&refs).at_least(1000)`, which clones \
           each; `wait(refs)` likewise, which moves the list; `wait(refs).at_most(1)` in a loop \
           that hands on what is pending; `as_completed(refs)`. Both drains stand beside Ray's \
           `ray.wait` in a loop. The median of 20 in each round.",
    run,
};

const REFS: usize = 1_000;

fn ready() -> raykit::Result<Vec<ObjectRef<()>>> {
    let refs: Vec<_> = (0..REFS).map(|_| empty::remote()).collect();
    raykit::get(&refs)?;
    Ok(refs)
}

fn all() -> Outcome<f64> {
    let refs = ready()?;
    whole(timed(|| raykit::wait(&refs).at_least(REFS).get()))
}

fn moved() -> Outcome<f64> {
    let refs = ready()?;
    whole(timed(|| raykit::wait(refs).at_least(REFS).get()))
}

/// The time, if all were found ready.
fn whole((seconds, found): (f64, raykit::Result<Ready<()>>)) -> Outcome<f64> {
    if found?.done.len() == REFS { Ok(seconds) } else { Err("some are not ready".into()) }
}

fn drain() -> Outcome<f64> {
    let mut left = ready()?;
    let (seconds, done) = timed(|| {
        while !left.is_empty() {
            let Ready { done, pending } =
                raykit::wait(std::mem::take(&mut left)).at_most(1).get()?;
            drop(done);
            left = pending;
        }
        Ok::<(), raykit::Error>(())
    });
    done?;
    Ok(seconds)
}

fn completed() -> Outcome<f64> {
    let refs = ready()?;
    let (seconds, count) = timed(|| raykit::as_completed(refs).count());
    if count == REFS { Ok(seconds) } else { Err("some are missing".into()) }
}

fn run(bench: &mut Bench) -> Outcome {
    let _ray = raykit::init()?;
    for _ in 0..bench.rounds {
        bench.record("wait.all", RAYKIT, p50(20, all)?);
        bench.record("wait.moved", RAYKIT, p50(20, moved)?);
        bench.record("wait.drain", RAYKIT, p50(20, drain)?);
        bench.record("wait.completed", RAYKIT, p50(20, completed)?);
    }
    Ok(())
}
