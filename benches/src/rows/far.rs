//! Empty tasks for another process.

use super::worker::{self, Worker, nothing};
use crate::bench::{Bench, Goal, Line, Outcome, RAY, RAYKIT, Row, Unit, p50, timed};
use crate::hosts::{Hosts, Wire};
use crate::peers::quic;
use crate::peers::rpc::{self, Place, TARPC, TONIC};
use crate::peers::ways::{self, BYTES, QUINN, UNIX};
use crate::served::Served;
use std::net::Ipv4Addr;

const STREAM: &str = "quinn stream";
const MILLION: usize = 1_000_000;
/// A million for the peers that are slower: so many, and their time as often.
const PEERS: [(&str, usize); 2] = [(TARPC, 200_000), (TONIC, 50_000)];
/// So many before those that count.
const WARM: usize = 500;
const CALLS: usize = 2_000;

const ONE: &[(&str, Goal)] = &[
    (QUINN, Goal::AtMost(2.0)),
    (UNIX, Goal::None),
    (TONIC, Goal::AtLeast(1.0)),
    (TARPC, Goal::AtLeast(1.0)),
    (RAY, Goal::AtLeast(80.0)),
];

const MANY: &[(&str, Goal)] = &[
    (STREAM, Goal::AtLeast(0.4)),
    (TARPC, Goal::AtLeast(1.2)),
    (TONIC, Goal::AtLeast(5.0)),
    (RAY, Goal::AtLeast(250.0)),
];

pub(crate) const ROW: Row = Row {
    name: "far",
    lines: &[
        line("far.one", "an empty task in another process, submit + get", ONE),
        line("far.many", "10,000 of them submitted, then all got", &[]),
        line("far.million", "1 M of them submitted, then all got", MANY),
        line("far.cable", "the same on another host, over QUIC", MANY),
    ],
    note: "two nodes of one CPU in processes of their own. One by one: the median of 2,000 in each round, \
           after 500. quinn and the Unix socket: 64 bytes there and back as in the row `control`, with a \
           thread hop at each end. tonic and tarpc: a unary call of a u64, awaited in turn, each end on \
           a runtime of one thread, which is where they are fastest, and without a hop. 10,000: the median \
           of 10. 1 M: the peers with 256 calls in flight; quinn one stream with as many callers of 64 \
           bytes; tarpc 200,000 and tonic 50,000, the time taken 5 and 20 times; Ray 10,000 tasks for \
           another node of a cluster on this host, the time taken 100 times. Another host: a network \
           namespace behind a veth cable of MTU 1,500, for the peers too, but for Ray.",
    run,
};

const fn line(
    key: &'static str,
    what: &'static str,
    peers: &'static [(&'static str, Goal)],
) -> Line {
    Line { key, what, unit: Unit::Seconds, peers, under: None }
}

fn run(bench: &mut Bench) -> Outcome {
    let peers = if rpc::there(bench, "far") { &PEERS[..] } else { &[] };
    for _ in 0..bench.rounds {
        raykit_here(bench)?;
        ways_here(bench)?;
        let stream = Served::here(quic::ECHO.0)?;
        bench.record("far.million", STREAM, quic::calls(&stream, MILLION)?);
        for (peer, calls) in peers {
            let server = rpc::serve(peer, Place::Here)?;
            bench.record("far.one", peer, rpc::calls(peer, &server, "one", CALLS)?);
            bench.record("far.million", peer, million(peer, &server, *calls)?);
        }
    }
    let hosts = Hosts::new(2, Wire { mtu: 1_500, rate: None })?;
    hosts.on(0, || (0..bench.rounds).try_for_each(|_| on_cable(bench, &hosts, peers)))
}

/// Seconds for a million, of which so many are done.
fn million(peer: &str, server: &Served, calls: usize) -> Outcome<f64> {
    Ok(rpc::calls(peer, server, "many", calls)? * MILLION as f64 / calls as f64)
}

fn raykit_here(bench: &mut Bench) -> Outcome {
    let head = worker::head(Ipv4Addr::LOCALHOST)?;
    let _here = head.enter();
    let worker = Worker::new()?;
    let there = || nothing::options().strategy(worker.here()).remote();
    let mut one = || {
        let (seconds, done) = timed(|| there().get());
        Ok(done.map(|()| seconds)?)
    };
    p50(WARM, &mut one)?;
    bench.record("far.one", RAYKIT, p50(CALLS, one)?);
    let ten_thousand = p50(10, || many(&worker, 10_000))?;
    bench.record("far.many", RAYKIT, ten_thousand);
    bench.record("far.million", RAYKIT, many(&worker, MILLION)?);
    Ok(())
}

fn many(worker: &Worker, tasks: usize) -> Outcome<f64> {
    let (seconds, done) = timed(|| {
        let there = || nothing::options().strategy(worker.here()).remote();
        let refs: Vec<_> = (0..tasks).map(|_| there()).collect();
        raykit::get(&refs)
    });
    Ok(done.map(|_| seconds)?)
}

fn ways_here(bench: &mut Bench) -> Outcome {
    for way in [QUINN, UNIX] {
        let (end, _other) = ways::open(way, super::control::ECHO.0)?;
        let mut ping = || {
            let (seconds, back) = timed(|| end.ping([7; BYTES]));
            back.map(|_| seconds)
        };
        p50(WARM, &mut ping)?;
        bench.record("far.one", way, p50(CALLS, ping)?);
    }
    Ok(())
}

fn on_cable(bench: &mut Bench, hosts: &Hosts, peers: &[(&'static str, usize)]) -> Outcome {
    let exe = std::env::current_exe()?;
    let served = |errand| Served::new(hosts.command(1, &exe), Hosts::address(1), errand);
    {
        let head = worker::head(Hosts::address(0))?;
        let _here = head.enter();
        let worker = Worker::by(hosts.command(1, &exe))?;
        many(&worker, 10_000)?;
        bench.record("far.cable", RAYKIT, many(&worker, MILLION)?);
    }
    bench.record("far.cable", STREAM, quic::calls(&served(quic::ECHO.0)?, MILLION)?);
    for (peer, calls) in peers {
        let server = rpc::serve(peer, Place::Over(hosts))?;
        bench.record("far.cable", peer, million(peer, &server, *calls)?);
    }
    Ok(())
}
