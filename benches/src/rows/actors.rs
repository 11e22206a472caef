//! Calls of actors: one by one, in bulk, forgotten, of very many actors, side by side.

use super::process::resident_bytes;
use crate::bench::{Bench, Goal, Line, Outcome, RAY, RAYKIT, Row, Unit, p50, timed};
use crate::child::{self, Errand};
use raykit::prelude::*;

const KAMEO: &str = "kameo";
const RACTOR: &str = "ractor";
const ACTIX: &str = "actix";

const LEVEL: Goal = Goal::AtLeast(1.0);
const ASKED: &[(&str, Goal)] =
    &[(KAMEO, LEVEL), (RACTOR, LEVEL), (ACTIX, LEVEL), (RAY, Goal::AtLeast(200.0))];

const fn line(key: &'static str, what: &'static str, peers: &'static [(&str, Goal)]) -> Line {
    Line { key, what, unit: Unit::Seconds, peers, under: None }
}

pub(crate) const ROW: Row = Row {
    name: "actor",
    lines: &[
        line("actor.async", "actor call, one by one from an async task, p50", ASKED),
        line("actor.task", "the same from a task (peers: from an async task)", ASKED),
        line("actor.main", "the same from main", ASKED),
        line(
            "actor.piped",
            "1 M calls, then all their results",
            &[
                (KAMEO, Goal::AtLeast(1.5)),
                (RACTOR, Goal::AtLeast(1.5)),
                (ACTIX, Goal::AtLeast(1.5)),
            ],
        ),
        line(
            "actor.told",
            "1 M calls whose result nobody wants",
            &[(KAMEO, LEVEL), (RACTOR, LEVEL)],
        ),
        Line {
            under: Some(2e-6),
            ..line("actor.made", "one of 100,000 actors: made, its constructor has run", &[])
        },
        line(
            "actor.asked",
            "one of 100,000 actors: made and called once",
            &[(KAMEO, Goal::None), (RACTOR, Goal::None)],
        ),
        Line {
            unit: Unit::Bytes,
            under: Some(1024.0),
            ..line("actor.bytes", "its memory", &[(KAMEO, Goal::None), (RACTOR, Goal::None)])
        },
        line("actor.reads", "20,000 `&self` calls of 20 us each", &[(ALONE, Goal::AtLeast(1.7))]),
    ],
    note: "a counter with one method, in a fresh process for each library and round. From an async task: a \
           task on the library's runtime awaits 20,000 calls in turn, raykit's of an `async fn`. From main: \
           the peers by `block_on`. 1 M calls: all are sent, then all results awaited; raykit from main, the \
           peers from a task on their runtime, kameo by `enqueue`, ractor by `send_message` with a reply \
           port, actix by `send` on the actor's own thread. 100,000 actors: made, called once each, all results awaited; resident memory grown through that; raykit in another fresh process, the peers before the other figures. Results nobody wants: until a last call has been \
           answered. Of both the middle of three in one process. Ray: 2,000 calls one by one from the driver. `&self` calls stand beside the same as \
           `&mut self`. The peers are built with the feature `actor-peers` and left out without it.",
    run,
};

/// The same calls, exclusive.
const ALONE: &str = "`&mut self`";

pub(crate) const CHILD: Errand = ("actor-raykit", raykit_child);
pub(crate) const MANY_CHILD: Errand = ("actor-raykit-many", many_child);

const CALLS: usize = 20_000;
const PIPED: usize = 1_000_000;
const ACTORS: usize = 100_000;

fn run(bench: &mut Bench) -> Outcome {
    for _ in 0..bench.rounds {
        child::send(bench, RAYKIT, CHILD.0)?;
        child::send(bench, RAYKIT, MANY_CHILD.0)?;
        #[cfg(feature = "actor-peers")]
        for (peer, errand) in
            [(KAMEO, "actor-kameo"), (RACTOR, "actor-ractor"), (ACTIX, "actor-actix")]
        {
            child::send(bench, peer, errand)?;
        }
        let _ray = raykit::init()?;
        let worker = Worker::remote();
        let read = |worker: &WorkerHandle| (0..CALLS).map(|_| worker.read()).collect::<Vec<_>>();
        let write = |worker: &WorkerHandle| (0..CALLS).map(|_| worker.write()).collect::<Vec<_>>();
        let (alone, done) = timed(|| raykit::get(&write(&worker)));
        done?;
        let (beside, done) = timed(|| raykit::get(&read(&worker)));
        done?;
        bench.record("actor.reads", RAYKIT, beside);
        bench.record("actor.reads", ALONE, alone);
    }
    Ok(())
}

#[remote]
struct Counter {
    n: u64,
}

#[remote]
impl Counter {
    pub(crate) fn new() -> Self {
        Counter { n: 0 }
    }
    pub(crate) fn add(&mut self, by: u64) -> u64 {
        self.n += by;
        self.n
    }
    pub(crate) async fn add_async(&mut self, by: u64) -> u64 {
        self.n += by;
        self.n
    }
}

#[remote]
struct Worker {
    seed: u64,
}

/// About 20 us of work.
fn work(seed: u64) -> u64 {
    (0..6_000).fold(seed, |x, n| (x ^ n).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(7))
}

#[remote]
impl Worker {
    pub(crate) fn new() -> Self {
        Worker { seed: 1 }
    }
    pub(crate) fn read(&self) -> u64 {
        work(self.seed)
    }
    pub(crate) fn write(&mut self) -> u64 {
        work(self.seed)
    }
}

#[remote]
fn ask_from_task(counter: CounterHandle) -> raykit::Result<f64> {
    let once = || {
        let (seconds, answer) = timed(|| counter.add(1).get());
        Ok(answer.map(|_| seconds)?)
    };
    p50(CALLS, once).map_err(|error| std::io::Error::other(error).into())
}

#[remote]
async fn ask_from_async(counter: CounterHandle) -> raykit::Result<f64> {
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let begun = std::time::Instant::now();
        counter.add_async(1).await?;
        times.push(begun.elapsed().as_secs_f64());
    }
    Ok(crate::bench::median(times))
}

/// In a process of its own, where no memory is left over from anything else.
fn many_child() -> Outcome {
    let _ray = raykit::init()?;
    let before = resident_bytes()?;
    let (made, actors) = timed(|| {
        let actors: Vec<_> = (0..ACTORS).map(|_| Counter::remote()).collect();
        raykit::get(actors.iter().map(|actor| actor.ready()).collect::<Vec<_>>())?;
        Ok::<_, raykit::Error>(actors)
    });
    let actors = actors?;
    let (called, sums) =
        timed(|| raykit::get(actors.iter().map(|actor| actor.add(1)).collect::<Vec<_>>()));
    sums?;
    child::say("actor.made", made / ACTORS as f64);
    child::say("actor.asked", (made + called) / ACTORS as f64);
    child::say("actor.bytes", (resident_bytes()? - before) / actors.len() as f64);
    Ok(())
}

fn raykit_child() -> Outcome {
    let _ray = raykit::init()?;
    let counter = Counter::remote();
    counter.ready().get()?;
    child::say("actor.async", ask_from_async::remote(&counter).get()?);
    child::say("actor.task", ask_from_task::remote(&counter).get()?);
    let once = || {
        let (seconds, answer) = timed(|| counter.add(1).get());
        Ok(answer.map(|_| seconds)?)
    };
    child::say("actor.main", p50(CALLS, once)?);
    let piped = || {
        let (seconds, answers) = timed(|| {
            let refs: Vec<_> = (0..PIPED).map(|_| counter.add(1)).collect();
            raykit::get(&refs)
        });
        Ok(answers.map(|_| seconds)?)
    };
    child::say("actor.piped", p50(3, piped)?);
    let told = || {
        let (seconds, last) = timed(|| {
            (0..PIPED).for_each(|_| counter.add(1).forget());
            counter.add(0).get()
        });
        Ok(last.map(|_| seconds)?)
    };
    child::say("actor.told", p50(3, told)?);
    Ok(())
}
