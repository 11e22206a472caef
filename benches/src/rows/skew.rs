//! All work at one of two nodes.

use super::worker::{self, Worker, nothing, only};
use crate::bench::{Bench, Goal, Line, Outcome, RAY, RAYKIT, Row, Unit, timed};
use crate::hosts::{Hosts, Wire};
use raykit::prelude::*;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

const PINNED: &str = "without stealing";
const TASKS: usize = 200;
const SPIN: Duration = Duration::from_millis(5);
const HEAVY: usize = 64;
/// Numbers in 4 MiB.
const LOAD: usize = (4 << 20) / 8;

pub(crate) const ROW: Row = Row {
    name: "skew",
    lines: &[
        Line {
            key: "skew.even",
            what: "200 tasks of 5 ms, all at one of 2 nodes",
            unit: Unit::Seconds,
            peers: &[(PINNED, Goal::AtLeast(1.8)), (RAY, Goal::None)],
            under: None,
        },
        Line {
            key: "skew.heavy",
            what: "64 tasks of 2 ms with 4 MiB each, 1 Gbit/s",
            unit: Unit::Seconds,
            peers: &[(PINNED, Goal::AtLeast(0.95))],
            under: None,
        },
    ],
    note: "two nodes of one CPU; all tasks are submitted at one of them, then all got. Without stealing: \
           the tasks may run there alone. Even: each spins for 5 ms; both nodes on this host. Heavy: each \
           reads an object of its own of 4 MiB and spins until 2 ms have passed; the other node is in a \
           network namespace behind a link of 1 Gbit/s (`tc tbf`), where an object takes 34 ms. Ray: a \
           cluster of two nodes of one CPU on this host.",
    run,
};

#[remote]
fn spin(micros: u64) {
    let end = Instant::now() + Duration::from_micros(micros);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

#[remote]
fn sum(numbers: &[f64], micros: u64) -> f64 {
    let end = Instant::now() + Duration::from_micros(micros);
    let sum = black_box(numbers.iter().sum::<f64>());
    while Instant::now() < end {
        std::hint::spin_loop();
    }
    sum
}

fn run(bench: &mut Bench) -> Outcome {
    even(bench)?;
    let hosts = Hosts::new(2, Wire { mtu: 1_500, rate: Some("1gbit") })?;
    hosts.on(0, || heavy(bench, &hosts))
}

fn even(bench: &mut Bench) -> Outcome {
    let head = worker::head(Ipv4Addr::LOCALHOST)?;
    let _here = head.enter();
    let worker = Worker::new()?;
    nothing::options().strategy(worker.here()).remote().get()?;
    let micros = SPIN.as_micros() as u64;
    let all = |pinned: bool| -> Outcome<f64> {
        let call = |_| match pinned {
            true => spin::options().strategy(only(head.id())).remote(micros),
            false => spin::remote(micros),
        };
        let (seconds, done) = timed(|| raykit::get(&(0..TASKS).map(call).collect::<Vec<_>>()));
        Ok(done.map(|_| seconds)?)
    };
    for _ in 0..bench.rounds {
        bench.record("skew.even", RAYKIT, all(false)?);
        bench.record("skew.even", PINNED, all(true)?);
    }
    Ok(())
}

fn heavy(bench: &mut Bench, hosts: &Hosts) -> Outcome {
    let head = worker::head(Hosts::address(0))?;
    let _here = head.enter();
    let worker = Worker::by(hosts.command(1, std::env::current_exe()?))?;
    nothing::options().strategy(worker.here()).remote().get()?;
    let all = |pinned: bool| -> Outcome<f64> {
        let stored =
            (0..HEAVY).map(|_| raykit::put(vec![1.5; LOAD])).collect::<Result<Vec<_>, _>>()?;
        let call = |object| match pinned {
            true => sum::options().strategy(only(head.id())).remote(object, 2_000),
            false => sum::remote(object, 2_000),
        };
        let (seconds, done) = timed(|| raykit::get(&stored.iter().map(call).collect::<Vec<_>>()));
        Ok(done.map(|_| seconds)?)
    };
    for _ in 0..bench.rounds {
        bench.record("skew.heavy", RAYKIT, all(false)?);
        bench.record("skew.heavy", PINNED, all(true)?);
    }
    Ok(())
}
