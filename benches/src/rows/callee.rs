//! Calls of an actor in another process.

use super::worker::{self, Worker};
use crate::bench::{Bench, Goal, Line, Outcome, RAY, RAYKIT, Row, Unit, p50, timed};
use crate::peers::rpc::{self, KAMEO, Place, TARPC, TONIC};
use raykit::prelude::*;
use std::net::Ipv4Addr;

const WARM: usize = 500;
const CALLS: usize = 2_000;
const MANY: usize = 100_000;

/// And how many calls are made for them.
const PEERS: [(&str, usize); 3] = [(TONIC, 50_000), (TARPC, 100_000), (KAMEO, 20_000)];

const AHEAD: &[(&str, Goal)] = &[
    (TONIC, Goal::AtLeast(1.0)),
    (TARPC, Goal::AtLeast(1.0)),
    (KAMEO, Goal::AtLeast(1.0)),
    (RAY, Goal::AtLeast(1.0)),
];

pub(crate) const ROW: Row = Row {
    name: "callee",
    lines: &[
        Line {
            key: "callee.one",
            what: "a call of an actor in another process, then its result",
            unit: Unit::Seconds,
            peers: AHEAD,
            under: None,
        },
        Line {
            key: "callee.many",
            what: "100,000 of them, then all results",
            unit: Unit::Seconds,
            peers: AHEAD,
            under: None,
        },
    ],
    note: "a counter that adds a u64. One by one: the median of 2,000 in each round, after 500, from main. \
           Many: after 10,000. tonic and tarpc as in the row `far`, with 256 in flight, 50,000 and \
           100,000 of them; kameo's remote actors by its libp2p over TCP, noise and yamux, each end on tokio's \
           runtime of all cores, 20,000 of them with 64 in flight, for more it refuses; Ray 10,000; the time taken as \
           often as that makes 100,000.",
    run,
};

#[remote]
struct Counter {
    n: u64,
}

#[expect(unreachable_pub, reason = "`pub` says which methods are remote")]
#[remote]
impl Counter {
    pub fn new() -> Self {
        Counter { n: 0 }
    }
    pub fn add(&mut self, by: u64) -> u64 {
        self.n += by;
        self.n
    }
}

fn run(bench: &mut Bench) -> Outcome {
    let peers = if rpc::there(bench, "callee") { &PEERS[..] } else { &[] };
    for _ in 0..bench.rounds {
        own(bench)?;
        for (peer, calls) in peers {
            let server = rpc::serve(peer, Place::Here)?;
            bench.record("callee.one", peer, rpc::calls(peer, &server, "one", CALLS)?);
            let many = rpc::calls(peer, &server, "many", *calls)?;
            bench.record("callee.many", peer, many * MANY as f64 / *calls as f64);
        }
    }
    Ok(())
}

fn own(bench: &mut Bench) -> Outcome {
    let head = worker::head(Ipv4Addr::LOCALHOST)?;
    let _here = head.enter();
    let worker = Worker::new()?;
    let counter = Counter::options().strategy(worker.here()).remote();
    let mut one = || {
        let (seconds, done) = timed(|| counter.add(1).get());
        Ok(done.map(|_| seconds)?)
    };
    p50(WARM, &mut one)?;
    bench.record("callee.one", RAYKIT, p50(CALLS, one)?);
    let many = |calls: usize| -> Outcome<f64> {
        let (seconds, done) = timed(|| {
            let refs: Vec<_> = (0..calls).map(|_| counter.add(1)).collect();
            raykit::get(&refs)
        });
        Ok(done.map(|_| seconds)?)
    };
    many(10_000)?;
    bench.record("callee.many", RAYKIT, many(MANY)?);
    Ok(())
}
