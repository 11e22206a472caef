//! A million empty tasks.

use super::latency::empty;
use crate::bench::{Bench, Goal, Line, Outcome, RAY, RAYKIT, RAYON, Row, TOKIO, Unit, timed};
use crate::peers;

pub(crate) const ROW: Row = Row {
    name: "bulk",
    lines: &[
        Line {
            key: "bulk.got",
            what: "1 M empty tasks submitted, then all got",
            unit: Unit::Seconds,
            peers: &[
                (TOKIO, Goal::AtLeast(1.5)),
                (RAYON, Goal::AtLeast(0.5)),
                (RAY, Goal::AtLeast(500.0)),
            ],
            under: None,
        },
        Line {
            key: "bulk.dropped",
            what: "the references of these dropped",
            unit: Unit::Seconds,
            peers: &[],
            under: None,
        },
    ],
    note: "the main thread submits all, then gets all with one `get`; dropping the references is told \
           apart. tokio: `spawn` all from `block_on`, then await all, one worker for each core. rayon: \
           `spawn` all, the last one unparks the main thread; it keeps no results. Ray: 100,000 tasks, \
           the time taken ten times.",
    run,
};

const TASKS: usize = 1_000_000;

fn run(bench: &mut Bench) -> Outcome {
    let _ray = raykit::init()?;
    let runtime = peers::tokio::runtime()?;
    for _ in 0..bench.rounds {
        let (got, refs) = timed(|| {
            let refs: Vec<_> = (0..TASKS).map(|_| empty::remote()).collect();
            raykit::get(&refs).map(|_| refs)
        });
        bench.record("bulk.got", RAYKIT, got);
        let refs = refs?;
        bench.record("bulk.dropped", RAYKIT, timed(|| drop(refs)).0);
        bench.record("bulk.got", TOKIO, peers::tokio::spawn_and_await(&runtime, TASKS)?);
        bench.record("bulk.got", RAYON, peers::rayon::spawn_and_count(TASKS));
    }
    Ok(())
}
