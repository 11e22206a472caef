//! Tasks that depend on tasks: a tree of calls, and a chain.

use crate::bench::{Bench, Goal, Line, Outcome, RAY, RAYKIT, Row, Unit, p50, timed};
use raykit::prelude::*;

pub(crate) const TREE: Row = Row {
    name: "nested",
    lines: &[Line {
        key: "nested.task",
        what: "nested tree of 111,111 tasks, per task",
        unit: Unit::Seconds,
        peers: &[(RAY, Goal::None)],
        under: Some(2e-6),
    }],
    note: "each task calls ten and gets them, five levels deep. Ray: four levels, 11,111 tasks.",
    run: tree_run,
};

pub(crate) const CHAIN: Row = Row {
    name: "chain",
    lines: &[Line {
        key: "chain.link",
        what: "chain of 1,000 dependent tasks, per link",
        unit: Unit::Seconds,
        peers: &[(RAY, Goal::None)],
        under: Some(3e-6),
    }],
    note: "each task takes the reference of the one before; all are submitted, then the last is got. \
           The median of ten chains in each round.",
    run: chain_run,
};

const TREE_TASKS: u64 = 111_111;
const LINKS: u64 = 1_000;

#[remote]
fn tree(depth: u32) -> raykit::Result<u64> {
    if depth == 0 {
        return Ok(1);
    }
    let children: Vec<_> = (0..10).map(|_| tree::remote(depth - 1)).collect();
    Ok(1 + raykit::get(&children)?.iter().sum::<u64>())
}

fn tree_run(bench: &mut Bench) -> Outcome {
    let _ray = raykit::init()?;
    for _ in 0..bench.rounds {
        let (seconds, count) = timed(|| tree::remote(5).get());
        if count? != TREE_TASKS {
            return Err("the tree has lost a task".into());
        }
        bench.record("nested.task", RAYKIT, seconds / TREE_TASKS as f64);
    }
    Ok(())
}

#[remote]
fn one_more(n: u64) -> u64 {
    n + 1
}

fn chain_run(bench: &mut Bench) -> Outcome {
    let _ray = raykit::init()?;
    for _ in 0..bench.rounds {
        let seconds = p50(10, || {
            let (seconds, end) = timed(|| {
                let first = one_more::remote(0);
                (1..LINKS).fold(first, |last, _| one_more::remote(last)).get()
            });
            if end? == LINKS { Ok(seconds) } else { Err("the chain has lost a link".into()) }
        })?;
        bench.record("chain.link", RAYKIT, seconds / LINKS as f64);
    }
    Ok(())
}
