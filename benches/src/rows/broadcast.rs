//! One object for several hosts.

use super::worker::{self, Worker, nothing};
use crate::bench::{Bench, Goal, Line, Outcome, RAYKIT, Row, Unit, timed};
use crate::hosts::{Hosts, Wire};
use raykit::prelude::*;

const ONE: &str = "one node";
const IN_TURN: &str = "one after another";
const NODES: u8 = 4;
/// Numbers in 100 MiB.
const LOAD: usize = (100 << 20) / 8;

pub(crate) const ROW: Row = Row {
    name: "broadcast",
    lines: &[Line {
        key: "broadcast.all",
        what: "100 MiB for 4 nodes, links of 1 Gbit/s",
        unit: Unit::Seconds,
        peers: &[(ONE, Goal::AtMost(2.0)), (IN_TURN, Goal::None)],
        under: None,
    }],
    note: "five network namespaces on a switch, a node of one CPU in each; both directions of each link are \
           held to 1 Gbit/s by `tc tbf`. A `Vec<f64>` is put at one, and a task on each of the others \
           reads its first number: four submitted, then all got; one; and four, each got before the next. \
           A new object each time.",
    run,
};

#[remote]
fn first(numbers: &[f64]) -> f64 {
    numbers[0]
}

fn run(bench: &mut Bench) -> Outcome {
    let hosts = Hosts::new(NODES + 1, Wire { mtu: 1_500, rate: Some("1gbit") })?;
    hosts.on(0, || {
        let head = worker::head(Hosts::address(0))?;
        let _here = head.enter();
        let exe = std::env::current_exe()?;
        let there = |at| Worker::by(hosts.command(at, &exe));
        let workers = (1..=NODES).map(there).collect::<Outcome<Vec<_>>>()?;
        for worker in &workers {
            nothing::options().strategy(worker.here()).remote().get()?;
        }
        for _ in 0..bench.rounds {
            bench.record("broadcast.all", ONE, seconds(&workers[..1], 1)?);
            bench.record("broadcast.all", RAYKIT, seconds(&workers, workers.len())?);
            bench.record("broadcast.all", IN_TURN, seconds(&workers, 1)?);
        }
        Ok(())
    })
}

/// Until all have read it, so many at a time.
fn seconds(workers: &[Worker], at_once: usize) -> Outcome<f64> {
    let stored = raykit::put(vec![1.5; LOAD])?;
    let (seconds, read) = timed(|| {
        workers.chunks(at_once).try_for_each(|some| {
            let call = |worker: &Worker| first::options().strategy(worker.here()).remote(&stored);
            raykit::get(&some.iter().map(call).collect::<Vec<_>>()).map(drop)
        })
    });
    read?;
    Ok(seconds)
}
