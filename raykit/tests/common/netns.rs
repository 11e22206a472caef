//! Two network namespaces that are joined by a cable of their own, as two machines are: a pair of
//! `veth` devices. It takes root, and a kernel with both. Everything is gone with the `Pair`.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::Write as _;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// One end of the cable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Side {
    A,
    B,
}

pub(crate) struct Pair {
    /// What both namespaces' names begin with: no two tests of a host have the same.
    name: String,
}

/// Says what a test does not do here, past the capture of what tests print.
pub(crate) fn leave_out(reason: &str) {
    let _ = writeln!(std::io::stderr(), "left out: {reason}");
}

impl Pair {
    /// The two namespaces, with an address each and the cable plugged in. `None` where that cannot
    /// be: the reason is printed.
    pub(crate) fn new() -> Option<Pair> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let pair = Pair { name: format!("raykit-{}-{count}", std::process::id()) };
        let (a, b) = (pair.namespace(Side::A), pair.namespace(Side::B));
        let steps = [
            format!("netns add {a}"),
            format!("netns add {b}"),
            format!("link add cable netns {a} type veth peer name cable netns {b}"),
            format!("-n {a} address add {}/24 dev cable", Pair::address(Side::A)),
            format!("-n {b} address add {}/24 dev cable", Pair::address(Side::B)),
            format!("-n {a} link set lo up"),
            format!("-n {b} link set lo up"),
            format!("-n {a} link set cable up"),
            format!("-n {b} link set cable up"),
        ];
        for step in steps {
            if let Err(reason) = attempt(Command::new("ip").args(step.split(' '))) {
                leave_out(&format!("network namespaces are not to be had: {reason}"));
                return None; // what was made goes with `pair`
            }
        }
        Some(pair)
    }

    pub(crate) fn namespace(&self, side: Side) -> String {
        format!("{}-{side:?}", self.name).to_lowercase()
    }

    pub(crate) fn address(side: Side) -> &'static str {
        match side {
            Side::A => "10.77.0.1",
            Side::B => "10.77.0.2",
        }
    }

    /// A program that will run there.
    pub(crate) fn command(&self, side: Side, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(side)]).arg(program);
        command
    }

    /// Has `ip` change something there.
    pub(crate) fn ip(&self, side: Side, what: &str) {
        let mut command = Command::new("ip");
        command.args(["-n", &self.namespace(side)]).args(what.split(' '));
        attempt(&mut command).unwrap_or_else(|reason| panic!("{reason}"));
    }
}

/// Runs a command that prints nothing of interest; what it says of its failure.
pub(crate) fn attempt(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(Output { status, .. }) if status.success() => Ok(()),
        Ok(Output { status, stderr, .. }) => {
            let said = String::from_utf8_lossy(&stderr);
            Err(format!("{command:?}: {status}: {}", said.trim()))
        }
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for side in [Side::A, Side::B] {
            let _ = attempt(Command::new("ip").args(["netns", "del", &self.namespace(side)]));
        }
    }
}
