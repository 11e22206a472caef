//! Hosts on a wire, as far as the network is concerned: network namespaces that are joined by `veth`
//! devices. It takes root. Everything is gone with [`Hosts`].

use crate::bench::Outcome;
use std::ffi::OsStr;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::process::{Command, Output};

/// What lies between hosts.
#[derive(Clone, Copy)]
pub(crate) struct Wire {
    pub(crate) mtu: u32,
    /// A limit of each host's link in both directions, in words of `tc`.
    pub(crate) rate: Option<&'static str>,
}

pub(crate) struct Hosts {
    name: String,
    count: u8,
}

const SWITCH: &str = "switch";

impl Hosts {
    /// So many hosts: two have a cable between them, more are on a switch.
    pub(crate) fn new(count: u8, wire: Wire) -> Outcome<Hosts> {
        let hosts = Hosts { name: format!("raykit-bench-{}", std::process::id()), count };
        let made = match (count, wire.rate) {
            (2, None) => hosts.cable(wire.mtu),
            _ => hosts.star(wire),
        };
        made.map_err(|error| format!("network namespaces are not to be had: {error}"))?;
        Ok(hosts)
    }

    pub(crate) fn address(at: u8) -> IpAddr {
        Ipv4Addr::new(10, 79, 0, at + 1).into()
    }

    fn namespace(&self, at: impl std::fmt::Display) -> String {
        format!("{}-{at}", self.name)
    }

    fn cable(&self, mtu: u32) -> Outcome {
        let (a, b) = (self.namespace(0), self.namespace(1));
        ip(&format!("netns add {a}"))?;
        ip(&format!("netns add {b}"))?;
        ip(&format!("link add cable netns {a} type veth peer name cable netns {b}"))?;
        (0..2).try_for_each(|at| self.up(at, mtu))
    }

    fn star(&self, wire: Wire) -> Outcome {
        let switch = self.namespace(SWITCH);
        ip(&format!("netns add {switch}"))?;
        ip(&format!("-n {switch} link add hub type bridge"))?;
        ip(&format!("-n {switch} link set hub mtu {} up", wire.mtu))?;
        for at in 0..self.count {
            let host = self.namespace(at);
            ip(&format!("netns add {host}"))?;
            ip(&format!(
                "link add cable netns {host} type veth peer name port{at} netns {switch}"
            ))?;
            ip(&format!("-n {switch} link set port{at} mtu {} master hub up", wire.mtu))?;
            self.up(at, wire.mtu)?;
            if let Some(rate) = wire.rate {
                for (space, device) in [(&host, "cable"), (&switch, &*format!("port{at}"))] {
                    let limit = format!(
                        "-n {space} qdisc add dev {device} root tbf rate {rate} burst 256kb latency 50ms"
                    );
                    attempt(Command::new("tc").args(limit.split(' ')))?;
                }
            }
        }
        Ok(())
    }

    fn up(&self, at: u8, mtu: u32) -> Outcome {
        let (host, address) = (self.namespace(at), Self::address(at));
        ip(&format!("-n {host} address add {address}/24 dev cable"))?;
        ip(&format!("-n {host} link set cable mtu {mtu} up"))?;
        ip(&format!("-n {host} link set lo up"))
    }

    /// A program that will run on that host.
    pub(crate) fn command(&self, at: u8, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(at)]).arg(program);
        command
    }

    /// Does something on that host, on a thread that stays there, as all do that it begins.
    pub(crate) fn on<T: Send>(
        &self,
        at: u8,
        what: impl FnOnce() -> Outcome<T> + Send,
    ) -> Outcome<T> {
        let there = || {
            let space = File::open(format!("/run/netns/{}", self.namespace(at)))?;
            let kind = Some(rustix::thread::LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(space.as_fd(), kind)?;
            what()
        };
        std::thread::scope(|scope| {
            scope.spawn(there).join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for at in 0..self.count {
            let _ = ip(&format!("netns del {}", self.namespace(at)));
        }
        let _ = ip(&format!("netns del {}", self.namespace(SWITCH)));
    }
}

fn ip(what: &str) -> Outcome {
    attempt(Command::new("ip").args(what.split(' ')))
}

/// Runs a command that prints nothing of interest; the error is what it says of its failure.
fn attempt(command: &mut Command) -> Outcome {
    match command.output()? {
        Output { status, .. } if status.success() => Ok(()),
        Output { status, stderr, .. } => {
            let said = String::from_utf8_lossy(&stderr);
            Err(format!("{command:?}: {status}: {}", said.trim()).into())
        }
    }
}
