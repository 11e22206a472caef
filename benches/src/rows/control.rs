//! What a road for control between two processes of a host could be.

use crate::bench::{Bench, Goal, Line, Outcome, Row, Unit, p50, timed};
use crate::child::Errand;
use crate::peers::ways::{self, BYTES, EVENTFD, FUTEX, QUINN, UNIX};

/// So many before those that count, in which the connection is made.
const WARM: usize = 1_000;
const PINGS: usize = 5_000;

const WAYS: &[(&str, Goal)] =
    &[(QUINN, Goal::None), (UNIX, Goal::None), (EVENTFD, Goal::None), (FUTEX, Goal::None)];

pub(crate) const ROW: Row = Row {
    name: "control",
    lines: &[Line {
        key: "control.ping",
        what: "64 bytes to another process and back",
        unit: Unit::Seconds,
        peers: WAYS,
        under: None,
    }],
    note: "nothing of raykit's: what its road could be on one host. At each end a thread has the \
           connection and another one sends and hears, so that a message passes four threads each way. \
           quinn over loopback with its own settings, a Unix stream and a ring with two eventfds: the \
           connection's thread has a tokio runtime. The ring with a futex: it sleeps on that. Each has an \
           echoing process of its own; the median of 5,000, after 1,000, in each round.",
    run,
};

/// The other process.
pub(crate) const ECHO: Errand = ("control-echo", ways::echo);

fn run(bench: &mut Bench) -> Outcome {
    for _ in 0..bench.rounds {
        for way in ways::ALL {
            let (end, _other) = ways::open(way, ECHO.0)?;
            let mut ping = || {
                let (seconds, back) = timed(|| end.ping([7; BYTES]));
                match back? == [7; BYTES] {
                    true => Ok(seconds),
                    false => Err("something else has come back".into()),
                }
            };
            p50(WARM, &mut ping)?;
            bench.record("control.ping", way, p50(PINGS, &mut ping)?);
        }
    }
    Ok(())
}
