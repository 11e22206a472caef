//! Large objects: stored, shared, viewed, passed.

use crate::bench::{Bench, Goal, Line, Outcome, RAY, RAYKIT, Row, Unit, p50, timed};
use crate::child;
use raykit::prelude::*;
use std::hint::black_box;
use std::sync::Arc;

const MEMCPY: &str = "memcpy";
/// Numbers in a gibibyte, and in 100 MiB.
const GIB: usize = (1 << 30) / 8;
const PASSED: usize = (100 << 20) / 8;

pub(crate) const PUT: Row = Row {
    name: "put",
    lines: &[Line {
        key: "put.shared",
        what: "put + shared of 1 GiB",
        unit: Unit::Seconds,
        peers: &[(RAY, Goal::None)],
        under: Some(10e-6),
    }],
    note: "a `Vec<f64>` is moved into the store and got back shared; the median of 20 in \
           each round. Ray: `put` + `get` of a NumPy \
           array, which copies it into shared memory.",
    run: put_run,
};

const VIEWED: &[(&str, Goal)] = &[(MEMCPY, Goal::AtLeast(0.8))];

pub(crate) const VIEW: Row = Row {
    name: "view",
    lines: &[
        Line {
            key: "view.fresh",
            what: "put + view of 1 GiB, fresh memory",
            unit: Unit::SecondsOfGib,
            peers: VIEWED,
            under: None,
        },
        Line {
            key: "view.warm",
            what: "put + view of 1 GiB, warm memory",
            unit: Unit::SecondsOfGib,
            peers: VIEWED,
            under: None,
        },
    ],
    note: "in a fresh process for each round, a `Vec<f64>` is put and viewed, which writes its archive \
           into new memory; then dropped and viewed again, which writes into the memory that raykit \
           kept. memcpy, in a fresh process too: into a new allocation, then into the same again. \
           Each is sent twice in a row and the second counts: before the first, the host of a virtual \
           machine may have taken the free memory away. raykit asks for large pages, a plain `Vec` does not.",
    run: view_run,
};

pub(crate) const PASS: Row = Row {
    name: "pass",
    lines: &[Line {
        key: "pass.all",
        what: "100 MiB by reference to 100 tasks",
        unit: Unit::Seconds,
        peers: &[(RAY, Goal::AtLeast(100.0))],
        under: None,
    }],
    note: "each task reads the first and the last number through `&[f64]`; the time from the first \
           submission to the last result. The median of 20 in each round.",
    run: pass_run,
};

/// The value out of a share that nobody else has; else a new one.
fn reclaimed(shared: Arc<Vec<f64>>) -> Vec<f64> {
    Arc::try_unwrap(shared).unwrap_or_else(|_| vec![1.5; GIB])
}

fn put_run(bench: &mut Bench) -> Outcome {
    let _ray = raykit::init()?;
    let mut numbers = vec![1.5; GIB];
    for _ in 0..bench.rounds {
        let seconds = p50(20, || {
            let mine = std::mem::take(&mut numbers);
            let (seconds, both) = timed(|| {
                let reference = raykit::put(mine)?;
                let shared = reference.shared()?;
                Ok::<_, raykit::Error>((reference, shared))
            });
            let (reference, shared) = both?;
            drop(reference);
            numbers = reclaimed(shared);
            Ok(seconds)
        })?;
        bench.record("put.shared", RAYKIT, seconds);
    }
    Ok(())
}

fn view_run(bench: &mut Bench) -> Outcome {
    for _ in 0..bench.rounds {
        child::send_warm(bench, RAYKIT, "view")?;
        child::send_warm(bench, MEMCPY, "memcpy")?;
    }
    Ok(())
}

/// In a fresh process: put and view, twice.
pub(crate) fn view_errand() -> Outcome {
    let _ray = raykit::init()?;
    let mut numbers = vec![1.5; GIB];
    for state in ["view.fresh", "view.warm"] {
        let (seconds, both) = timed(|| {
            let reference = raykit::put(numbers)?;
            let view = reference.view()?;
            Ok::<_, raykit::Error>((reference, view))
        });
        let (reference, view) = both?;
        if view[GIB - 1] != 1.5 {
            return Err("the view is not what was put".into());
        }
        child::say(state, seconds);
        let shared = reference.shared()?;
        drop((reference, view));
        numbers = reclaimed(shared);
    }
    Ok(())
}

/// In a fresh process: copied into a new allocation, then into the same.
pub(crate) fn memcpy_errand() -> Outcome {
    let numbers = vec![1.5; GIB];
    let (fresh, mut copy) = timed(|| {
        let mut copy = Vec::with_capacity(GIB);
        copy.extend_from_slice(black_box(&numbers));
        copy
    });
    child::say("view.fresh", fresh);
    black_box(&mut copy);
    let (warm, ()) = timed(|| copy.copy_from_slice(black_box(&numbers)));
    child::say("view.warm", warm);
    black_box(&copy);
    Ok(())
}

#[remote]
fn ends(numbers: &[f64]) -> f64 {
    numbers.first().zip(numbers.last()).map_or(0.0, |(first, last)| first + last)
}

fn pass_run(bench: &mut Bench) -> Outcome {
    let _ray = raykit::init()?;
    let numbers = raykit::put(vec![1.5; PASSED])?;
    for _ in 0..bench.rounds {
        let seconds = p50(20, || {
            let (seconds, sums) = timed(|| {
                let refs: Vec<_> = (0..100).map(|_| ends::remote(&numbers)).collect();
                raykit::get(&refs)
            });
            let right = sums?.iter().all(|sum| *sum == 3.0);
            if right { Ok(seconds) } else { Err("a task read something else".into()) }
        })?;
        bench.record("pass.all", RAYKIT, seconds);
    }
    Ok(())
}
