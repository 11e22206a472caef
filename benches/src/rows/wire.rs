//! A gibibyte for another host.

use super::worker::{self, Worker, nothing};
use crate::bench::{Bench, Goal, Line, Outcome, RAY, RAYKIT, Row, Unit, timed};
use crate::hosts::{Hosts, Wire};
use crate::peers::tcp::{self, TCP, TLS};
use crate::peers::{quic, ways::QUINN};
use crate::served::Served;
use raykit::prelude::*;

/// Numbers in a gibibyte.
const GIB: usize = (1 << 30) / 8;
const JUMBO: u32 = 65_535;
const PLAIN: u32 = 1_500;

const HELD: &[(&str, Goal)] = &[
    (QUINN, Goal::AtLeast(0.9)),
    (TLS, Goal::AtLeast(1.2)),
    (TCP, Goal::None),
    (RAY, Goal::AtLeast(2.0)),
];
const TOLD: &[(&str, Goal)] = &[(QUINN, Goal::None), (TLS, Goal::None), (TCP, Goal::None)];

pub(crate) const ROW: Row = Row {
    name: "wire",
    lines: &[
        line("wire.jumbo", "1 GiB read on another host, MTU 65,535", HELD),
        line("wire.jumbo.again", "the same object again", HELD),
        line("wire.plain", "1 GiB read on another host, MTU 1,500", TOLD),
        line("wire.plain.again", "the same object again", TOLD),
    ],
    note: "two network namespaces with a veth cable between them; a node of one CPU in each. A `Vec<f64>` of \
           1 GiB is put in one, and a task in the other reads its first number: from the call to the \
           result, so that writing the numbers down is in it; the object again: it is written down \
           already. The peers send 1 GiB from memory into memory that was used before, until the other \
           side says that it has all: quinn with the settings that were fastest (64 MiB windows, 4 MiB \
           socket buffers, datagrams as long as the MTU and 65,000 bytes at most, segmentation offload at \
           1,500, a first window of 1 MiB), TCP with rustls and without, both blocking. Each was done once \
           before. Ray: two nodes on this host, over loopback, `ray.get` in a task.",
    run,
};

const fn line(
    key: &'static str,
    what: &'static str,
    peers: &'static [(&'static str, Goal)],
) -> Line {
    Line { key, what, unit: Unit::SecondsOfGib, peers, under: None }
}

#[remote]
fn first(numbers: &[f64]) -> f64 {
    numbers[0]
}

fn run(bench: &mut Bench) -> Outcome {
    for (mtu, fresh, again) in
        [(JUMBO, "wire.jumbo", "wire.jumbo.again"), (PLAIN, "wire.plain", "wire.plain.again")]
    {
        let hosts = Hosts::new(2, Wire { mtu, rate: None })?;
        for _ in 0..bench.rounds {
            hosts.on(0, || round(bench, &hosts, mtu, [fresh, again]))?;
        }
    }
    Ok(())
}

fn round(bench: &mut Bench, hosts: &Hosts, mtu: u32, keys: [&'static str; 2]) -> Outcome {
    own(bench, hosts, keys)?;
    let load = bytes::Bytes::from(vec![3; 8 * GIB]);
    let exe = std::env::current_exe()?;
    let served = |errand: &str| {
        let mut program = hosts.command(1, &exe);
        program.env(quic::MTU, mtu.to_string());
        Served::new(program, Hosts::address(1), errand)
    };
    let mut record = |who, seconds: Outcome<Vec<f64>>| {
        let last = seconds?.pop().ok_or("nothing was sent")?;
        keys.iter().for_each(|key| bench.record(*key, who, last));
        Outcome::Ok(())
    };
    record(QUINN, quic::bulk(&served(quic::SINK.0)?, mtu, &load, 2))?;
    record(TLS, tcp::tls_bulk(&served(tcp::TLS_SINK.0)?, &load, 2))?;
    record(TCP, tcp::bulk(&served(tcp::SINK.0)?, &load, 2))
}

fn own(bench: &mut Bench, hosts: &Hosts, keys: [&'static str; 2]) -> Outcome {
    let head = worker::head(Hosts::address(0))?;
    let _here = head.enter();
    let worker = Worker::by(hosts.command(1, std::env::current_exe()?))?;
    nothing::options().strategy(worker.here()).remote().get()?;
    for warm in [false, true] {
        let stored = raykit::put(vec![1.5; GIB])?;
        for key in keys {
            let call = || first::options().strategy(worker.here()).remote(&stored).get();
            let (seconds, read) = timed(call);
            if read? != 1.5 {
                return Err("the other host read something else".into());
            }
            if warm {
                bench.record(key, RAYKIT, seconds);
            }
            // Until it has let go of it, and has to ask for it again.
            std::thread::sleep(millis(50));
        }
    }
    Ok(())
}
