//! From the end of a process until whoever waits for it knows.

use super::worker::Worker;
use crate::bench::{Bench, Line, Outcome, RAYKIT, Row, Unit, p50, timed};
use raykit::ErrorKind;
use raykit::prelude::*;
use std::net::Ipv4Addr;

/// How often in a round.
const TIMES: usize = 5;

pub(crate) const ROW: Row = Row {
    name: "death",
    lines: &[Line {
        key: "death.local",
        what: "a process of the host is killed; who waits for its task knows",
        unit: Unit::Seconds,
        peers: &[],
        under: Some(0.05),
    }],
    note: "from before SIGKILL until `get` of a task without retries that runs there has returned its error. The \
           median of 5 in each round.",
    run,
};

#[remote(max_retries = 0)]
fn stays() {
    while !raykit::context().is_cancelled() {
        std::thread::sleep(millis(1)); // a task that works
    }
}

#[remote]
fn nothing_more() {}

fn run(bench: &mut Bench) -> Outcome {
    let head = super::worker::head(Ipv4Addr::LOCALHOST)?;
    let _here = head.enter();
    for _ in 0..bench.rounds {
        let seconds = p50(TIMES, || {
            let mut worker = Worker::new()?;
            // It has begun to work, and has said all that a new node has to say.
            nothing_more::options().strategy(worker.here()).remote().get()?;
            let waits = stays::options().strategy(worker.here()).remote();
            std::thread::sleep(millis(50));
            let (seconds, gone) = timed(|| worker.kill().map(|()| waits.get()));
            match gone? {
                Err(error) if error.kind() == ErrorKind::NodeDied => Ok(seconds),
                other => Err(format!("not the death of the node: {other:?}").into()),
            }
        })?;
        bench.record("death.local", RAYKIT, seconds);
    }
    Ok(())
}
