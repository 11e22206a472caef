//! A million empty tasks.

use super::latency::empty;
use crate::bench::{Bench, Goal, Line, Outcome, RAY, RAYKIT, RAYON, Row, TOKIO, Unit, timed};
use crate::child::{self, Errand};
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
           apart. Each in a process of its own, the middle of three. tokio: `spawn` all from `block_on`, then await all, one worker for each core. rayon: \
           `spawn` all, the last one unparks the main thread; it keeps no results. Ray: 100,000 tasks, \
           the time taken ten times.",
    run,
};

const TASKS: usize = 1_000_000;

/// Each runs in a process of its own, so that none works in the memory and beside the threads that
/// another one has left behind. It runs three times there, and the middle one counts.
pub(crate) const RAYKIT_CHILD: Errand = ("bulk-raykit", raykit_child);
pub(crate) const TOKIO_CHILD: Errand = ("bulk-tokio", tokio_child);
pub(crate) const RAYON_CHILD: Errand = ("bulk-rayon", rayon_child);

fn run(bench: &mut Bench) -> Outcome {
    for _ in 0..bench.rounds {
        child::send(bench, RAYKIT, RAYKIT_CHILD.0)?;
        child::send(bench, TOKIO, TOKIO_CHILD.0)?;
        child::send(bench, RAYON, RAYON_CHILD.0)?;
    }
    Ok(())
}

fn middle(mut of_three: [f64; 3]) -> f64 {
    of_three.sort_by(f64::total_cmp);
    of_three[1]
}

fn raykit_child() -> Outcome {
    let _ray = raykit::init()?;
    let (mut all_got, mut all_dropped) = ([0.0; 3], [0.0; 3]);
    for (got, dropped) in all_got.iter_mut().zip(&mut all_dropped) {
        let (time, refs) = timed(|| {
            let refs: Vec<_> = (0..TASKS).map(|_| empty::remote()).collect();
            raykit::get(&refs).map(|_| refs)
        });
        *got = time;
        let refs = refs?;
        *dropped = timed(|| drop(refs)).0;
    }
    child::say("bulk.got", middle(all_got));
    child::say("bulk.dropped", middle(all_dropped));
    Ok(())
}

fn tokio_child() -> Outcome {
    let runtime = peers::tokio::runtime()?;
    let mut times = [0.0; 3];
    for time in &mut times {
        *time = peers::tokio::spawn_and_await(&runtime, TASKS)?;
    }
    child::say("bulk.got", middle(times));
    Ok(())
}

fn rayon_child() -> Outcome {
    child::say("bulk.got", middle([(); 3].map(|()| peers::rayon::spawn_and_count(TASKS))));
    Ok(())
}
