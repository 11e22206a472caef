//! From a start to the first task for another process.

use super::worker::{self, nothing, only};
use crate::bench::{Bench, Goal, Line, Outcome, RAY, RAYKIT, Row, Unit, p50, timed};
use crate::child::{self, Errand};
use raykit::prelude::*;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

/// How often in a round.
const TIMES: usize = 5;
const LIMIT: Duration = secs(30);

pub(crate) const ROW: Row = Row {
    name: "join",
    lines: &[
        line("join.driver", "a program joins; its first task elsewhere is done"),
        line("join.node", "a node is started; the first task there is done"),
    ],
    note: "a head runs on this host. Joins: a fresh process, from before `init` until it has got an empty task \
           that the head has done. Started: from before the process is made until the head has got an \
           empty task that it has done. The median of 5 in each round. Ray: `ray.init` with an address, in a fresh \
           process, and `Cluster.add_node`.",
    run,
};

const fn line(key: &'static str, what: &'static str) -> Line {
    Line { key, what, unit: Unit::Seconds, peers: &[(RAY, Goal::None)], under: Some(0.1) }
}

pub(crate) const DRIVER: Errand = ("join-driver", driver);

fn driver() -> Outcome {
    let (seconds, done) = timed(|| -> raykit::Result<_> {
        let ray = raykit::init()?;
        // Numbers are given in order, the head's first.
        let head = raykit::nodes()?[0].id;
        nothing::options().strategy(only(head)).remote().get()?;
        Ok(ray)
    });
    let _ray = done?;
    child::say("join.driver", seconds);
    Ok(())
}

fn run(bench: &mut Bench) -> Outcome {
    let head = worker::head(Ipv4Addr::LOCALHOST)?;
    let _here = head.enter();
    for _ in 0..bench.rounds {
        let joined = p50(TIMES, || {
            let program = Command::new(std::env::current_exe()?);
            let said = child::output(worker::joining(program, DRIVER.0)?, LIMIT)?;
            Ok(said.trim().strip_prefix("join.driver ").ok_or("it said nothing")?.parse()?)
        })?;
        bench.record("join.driver", RAYKIT, joined);
        bench.record("join.node", RAYKIT, p50(TIMES, started)?);
    }
    Ok(())
}

fn started() -> Outcome<f64> {
    let known: Vec<_> = raykit::nodes()?.iter().map(|node| node.id).collect();
    let program = Command::new(std::env::current_exe()?);
    let mut child = None;
    let (seconds, done) = timed(|| -> Outcome {
        child = Some(worker::start(program)?);
        let begun = Instant::now();
        while begun.elapsed() < LIMIT {
            let new = raykit::nodes()?.iter().map(|node| node.id).find(|id| !known.contains(id));
            if let Some(id) = new {
                return Ok(nothing::options().strategy(only(id)).remote().get()?);
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Err("the node has not come".into())
    });
    child.as_mut().map_or(Ok(()), worker::end)?;
    done?;
    // Until the head has let it go.
    while raykit::nodes()?.len() > known.len() {
        std::thread::sleep(millis(1));
    }
    Ok(seconds)
}
