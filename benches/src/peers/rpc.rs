//! Calls between two processes as tonic, tarpc and kameo make them: a program of its own, `net-peers`,
//! which is left out where it was not built.

use crate::bench::{Bench, Outcome};
use crate::child;
use crate::hosts::Hosts;
use crate::served::Served;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

pub(crate) const TONIC: &str = "tonic";
pub(crate) const TARPC: &str = "tarpc";
pub(crate) const KAMEO: &str = "kameo remote";

const LIMIT: Duration = Duration::from_secs(120);

/// The program, or why it is not there.
pub(crate) fn program() -> Result<PathBuf, String> {
    let built =
        concat!(env!("CARGO_MANIFEST_DIR"), "/net-peers/target/release/raykit-bench-net-peers");
    let named = std::env::var_os("RAYKIT_BENCH_NET_PEERS").map(PathBuf::from);
    let program = named.unwrap_or_else(|| built.into());
    match program.exists() {
        true => Ok(program),
        false => Err(format!("{} is not there; README.md says how to build it", program.display())),
    }
}

/// Where a peer's server and its client run.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    Here,
    /// The server on host 1. The client runs where the caller is.
    Over(&'a Hosts),
}

/// Serves calls of `peer`.
pub(crate) fn serve(peer: &str, place: Place<'_>) -> Outcome<Served> {
    let (mut program, listen): (_, IpAddr) = match place {
        Place::Here => (Command::new(program()?), Ipv4Addr::LOCALHOST.into()),
        Place::Over(hosts) => (hosts.command(1, program()?), Hosts::address(1)),
    };
    program.args(["serve", word(peer), &listen.to_string()]);
    Served::by(program)
}

/// The median time of so many calls, one by one (`one`), or the seconds for all of them with 256 in
/// flight (`many`).
pub(crate) fn calls(peer: &str, served: &Served, how: &str, calls: usize) -> Outcome<f64> {
    let mut command = Command::new(program()?);
    command.args([how, word(peer), &served.line, &calls.to_string()]);
    Ok(child::output(command, LIMIT)?.trim().parse()?)
}

fn word(peer: &str) -> &str {
    peer.split(' ').next().unwrap_or(peer)
}

/// Says once that these peers are not there. Whether they are.
pub(crate) fn there(bench: &mut Bench, row: &str) -> bool {
    match program() {
        Ok(_) => true,
        Err(reason) => {
            bench.fault(format!("{row}: tonic, tarpc and kameo are left out: {reason}"));
            false
        }
    }
}
