//! Pi by throwing points at a square.

use crate::bench::{Bench, Goal, Line, Outcome, RAY, RAYKIT, RAYON, Row, Unit, timed};
use crate::inputs::Rng;
use ::rayon::prelude::*;
use raykit::prelude::*;

pub(crate) const ROW: Row = Row {
    name: "pi",
    lines: &[Line {
        key: "pi.all",
        what: "pi from 200 M points",
        unit: Unit::Seconds,
        peers: &[(RAYON, Goal::AtLeast(0.9)), (RAY, Goal::None)],
        under: None,
    }],
    note: "100 tasks of 2 M points each, SplitMix64. Ray: as many points with NumPy's PCG64, 10,000 at \
           a time.",
    run,
};

const TASKS: u64 = 100;
const POINTS: u64 = 2_000_000;

/// How many of the points lie in the circle; raykit and rayon call the same.
fn hits(seed: u64) -> u64 {
    let mut rng = Rng(seed << 32);
    (0..POINTS).map(|_| (rng.unit(), rng.unit())).filter(|(x, y)| x * x + y * y <= 1.0).count()
        as u64
}

#[remote]
fn throw(seed: u64) -> u64 {
    hits(seed)
}

fn run(bench: &mut Bench) -> Outcome {
    let _ray = raykit::init()?;
    for _ in 0..bench.rounds {
        let (seconds, ours) = timed(|| raykit::get(&throw::map(0..TASKS)));
        bench.record("pi.all", RAYKIT, seconds);
        let (seconds, theirs) = timed(|| (0..TASKS).into_par_iter().map(hits).sum::<u64>());
        bench.record("pi.all", RAYON, seconds);
        if ours?.iter().sum::<u64>() != theirs {
            return Err("raykit and rayon throw differently".into());
        }
    }
    Ok(())
}
