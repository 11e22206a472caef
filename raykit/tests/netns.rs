//! Clusters on two hosts, as far as the network is concerned: this test program is the head in one
//! network namespace, and started again the nodes in another one, behind a cable that is pulled.
//! It takes root; elsewhere these tests say so, and do nothing.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

mod common;
#[path = "common/netns.rs"]
mod netns;

use clap::{Args as _, FromArgMatches as _};
use common::{eventually, value};
use netns::{Pair, Side, attempt, leave_out};
use raykit::prelude::*;
use raykit::{Config, ErrorKind, NodeArgs, NodeId, Strategy};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::fd::AsFd as _;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longer than a silence that makes a node suspect, and much shorter than one that kills it.
const CUT: Duration = Duration::from_millis(3_000);

#[remote]
fn process() -> u32 {
    std::process::id()
}

#[remote]
fn until_cancelled() -> u32 {
    eventually("it is cancelled", || raykit::context().is_cancelled());
    std::process::id()
}

/// Does not end in that process. It says where it did.
#[remote]
fn elsewhere(than: u32) -> u32 {
    if std::process::id() == than {
        eventually("it is cancelled", || raykit::context().is_cancelled());
    }
    std::process::id()
}

#[remote]
fn ones(len: usize) -> Vec<f64> {
    vec![1.0; len]
}

#[remote]
fn counts(n: u64) -> impl Iterator<Item = u64> {
    0..n
}

#[remote]
struct Counter {
    n: i64,
}

#[remote]
impl Counter {
    pub fn new() -> Self {
        Counter { n: 0 }
    }
    pub fn add(&mut self, by: i64) -> (i64, u32) {
        self.n += by;
        (self.n, std::process::id())
    }
    #[remote(max_retries = 10)]
    pub fn add_surely(&mut self, by: i64) -> (i64, u32) {
        self.n += by;
        (self.n, std::process::id())
    }
}

/// What a node of these tests does, and says: it is told by the environment.
#[test]
fn a_node_of_the_tests() {
    let Ok(part) = std::env::var("RAYKIT_TEST_NODE") else { return };
    let address = std::env::var("RAYKIT_TEST_HEAD").unwrap();
    if part == "worker" {
        let words = ["worker", "--join", &address, "--num-cpus", "2"];
        let matches = NodeArgs::augment_args(clap::Command::new("worker")).get_matches_from(words);
        let ended = NodeArgs::from_arg_matches(&matches).unwrap().run();
        return println!("ended: {:?}", ended.map_err(|error| error.kind()));
    }
    let ray = Config::new().num_cpus(1).address(address).init().unwrap();
    let head = raykit::nodes().unwrap()[0].id; // numbers are given in order, the head's first
    let there = Strategy::Node { node: head, soft: false };
    let waits = until_cancelled::options().strategy(there).remote();
    println!("waits for {head}");
    println!("waited: {:?}", waits.get().map_err(|error| error.kind()));
    println!("alone: {:?}", process::remote().get().unwrap() == std::process::id());
    drop(ray);
}

/// The head, in this process and on side A.
struct Head<'a> {
    pair: &'a Pair,
    id: NodeId,
    address: String,
    token: String,
}

/// Runs a test on a thread that is on side A, as all are that it begins.
fn on_two_hosts(test: impl FnOnce(&Head<'_>) + Send) {
    let Some(pair) = Pair::new() else { return };
    let run = || {
        let kind = Some(rustix::thread::LinkNameSpaceType::Network);
        let space = File::open(format!("/run/netns/{}", pair.namespace(Side::A))).unwrap();
        rustix::thread::move_into_link_name_space(space.as_fd(), kind).unwrap();
        let listen = format!("{}:0", Pair::address(Side::A)).parse().unwrap();
        let node = Config::new().num_cpus(2).head(listen).start().unwrap();
        let _here = node.enter();
        let address = raykit::nodes().unwrap()[0].addresses[0].clone();
        let token = raykit::join_token(None).unwrap();
        test(&Head { pair: &pair, id: node.id(), address, token });
    };
    std::thread::scope(|scope| {
        let done = scope.spawn(run).join();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// A node in a process of its own.
struct Process {
    child: Child,
    id: NodeId,
    says: Receiver<String>,
}

impl Head<'_> {
    fn start(&self, side: Side, part: &str) -> Process {
        let known = nodes();
        let mut command = self.pair.command(side, std::env::current_exe().unwrap());
        command
            .args(["a_node_of_the_tests", "--exact", "--nocapture", "--test-threads=1"])
            .envs([("RAYKIT_TEST_NODE", part), ("RAYKIT_TEST_HEAD", &self.address)])
            .env("RAYKIT_TOKEN", &self.token)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (tell, says) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        let mut process = Process { child, id: self.id, says };
        eventually("the node has come", || {
            let new = nodes().into_iter().find(|id| !known.contains(id));
            process.id = new.unwrap_or(self.id);
            new.is_some()
        });
        process
    }

    fn worker(&self, side: Side) -> Process {
        let worker = self.start(side, "worker");
        let asked = process::options().strategy(worker.hard()).remote();
        assert_eq!(value(&asked).unwrap(), worker.child.id());
        worker
    }

    /// A driver on side B that waits for something which the head does for it.
    fn waiting_driver(&self) -> Process {
        let driver = self.start(Side::B, "driver");
        driver.says(&format!("waits for {}", self.id));
        driver
    }

    /// Lets the packets that come out of the cable there fall to the floor. `None` where there is no
    /// iptables: the reason is printed.
    fn drop_at(&self, side: Side, which: &[&str]) -> Option<()> {
        for protocol in ["udp", "tcp"] {
            let mut command = self.pair.command(side, "iptables");
            command
                .args(["-A", "INPUT", "-i", "cable", "-p", protocol])
                .args(which)
                .args(["-j", "DROP"]);
            if let Err(reason) = attempt(&mut command) {
                leave_out(&format!("packets cannot be dropped: {reason}"));
                return None;
            }
        }
        Some(())
    }
}

impl Process {
    fn hard(&self) -> Strategy {
        Strategy::Node { node: self.id, soft: false }
    }

    fn soft(&self) -> Strategy {
        Strategy::Node { node: self.id, soft: true }
    }

    /// Waits until the process says that.
    fn says(&self, what: &str) {
        loop {
            let line = self.says.recv_timeout(common::PATIENCE);
            match line {
                Ok(line) if line.contains(what) => return,
                Ok(_) => {}
                Err(error) => panic!("it never says `{what}`: {error}"),
            }
        }
    }

    fn ends(&mut self) {
        eventually("the process ends", || self.child.try_wait().unwrap().is_some());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn nodes() -> Vec<NodeId> {
    raykit::nodes().unwrap().iter().map(|node| node.id).collect()
}

/// Tasks, calls of an actor, a stream and a large result, begun before the network goes and while
/// it is away: all of it comes, in order and once.
fn nothing_is_lost(head: &Head<'_>, cut: impl FnOnce(), mend: impl FnOnce()) {
    let worker = head.worker(Side::B);
    let there = worker.child.id();
    let counter = Counter::options().strategy(worker.hard()).remote();
    assert_eq!(value(&counter.add(1)).unwrap(), (1, there));
    let once = || process::options().strategy(worker.hard()).max_retries(0).remote();
    let call = |_| (once(), counter.add(1));
    let large = ones::options().strategy(worker.hard()).max_retries(0).remote(4 << 20);
    let mut stream = counts::options().strategy(worker.hard()).max_retries(0).remote(10_000);
    assert_eq!(value(&stream.next().unwrap()).unwrap(), 0);
    let mut calls: Vec<_> = (0..200).map(call).collect();
    cut();
    calls.extend((0..200).map(call));
    let late = calls.last().unwrap().0.timeout(CUT).get();
    assert!(late.unwrap_err().is_timeout(), "nothing passes");
    mend();
    for (n, (task, call)) in (2..).zip(&calls) {
        assert_eq!(value(task).unwrap(), there);
        assert_eq!(value(call).unwrap(), (n, there), "each call has run once, in its turn");
    }
    assert_eq!(value(&large).unwrap().iter().sum::<f64>(), (4 << 20) as f64);
    let items: Vec<u64> = stream.map(|item| value(&item).unwrap()).collect();
    assert_eq!(items, (1..10_000).collect::<Vec<u64>>());
    assert_eq!(nodes(), [head.id, worker.id], "nobody was declared dead");
}

/// N4, P7, A10: a cable that is out for some seconds kills nobody.
#[test]
fn a_cable_that_is_out_for_some_seconds_costs_nothing() {
    on_two_hosts(|head| {
        let cable = |what: &str| head.pair.ip(Side::B, &format!("link set cable {what}"));
        nothing_is_lost(head, || cable("down"), || cable("up"));
    });
}

/// N4, N6, P7: one side cannot send for some seconds (the system says so), but hears.
#[test]
fn a_blackhole_for_some_seconds_costs_nothing() {
    on_two_hosts(|head| {
        let route = format!("blackhole {}/32", Pair::address(Side::A));
        let change = |verb: &str| head.pair.ip(Side::B, &format!("route {verb} {route}"));
        nothing_is_lost(head, || change("add"), || change("del"));
    });
}

/// N1, N3, N5, A4, P9, T1: a cable that is out for long is the death of the node behind it. What it
/// had runs elsewhere, who waits is told, and so it is on the far side. It comes back as a new one.
#[test]
fn a_cable_that_is_out_for_long_is_a_death() {
    on_two_hosts(|head| {
        let mut worker = head.worker(Side::B);
        let mut driver = head.waiting_driver();
        let (here, there) = (std::process::id(), worker.child.id());
        let counter = Counter::options().strategy(worker.soft()).max_restarts(1).remote();
        let settled = Counter::options().strategy(worker.soft()).remote();
        assert_eq!(value(&counter.add(5)).unwrap(), (5, there));
        assert_eq!(value(&settled.add(5)).unwrap(), (5, there));
        let again = elsewhere::options().strategy(worker.soft()).remote(there);
        let once = until_cancelled::options().strategy(worker.soft()).max_retries(0).remote();
        head.pair.ip(Side::A, "link set cable down");
        let waits = counter.add_surely(1);
        assert_eq!(value(&again).unwrap(), here);
        assert_eq!(value(&once).unwrap_err().kind(), ErrorKind::NodeDied);
        assert_eq!(value(&waits).unwrap(), (1, here), "it has begun anew, elsewhere");
        let ended = value(&settled.add(1)).unwrap_err();
        assert!(ended.is_actor_died(), "{ended}");
        eventually("both nodes are gone", || nodes() == [head.id]);
        worker.says("ended: Err(ClusterLost)");
        driver.says("waited: Err(ClusterLost)");
        driver.says("alone: true");
        worker.ends();
        driver.ends();
        head.pair.ip(Side::A, "link set cable up");
        let next = head.worker(Side::B);
        assert!(next.id > worker.id, "its number is used once");
        assert_eq!(nodes(), [head.id, next.id]);
        drop((counter, settled));
    });
}

/// N5, N6, N9, S7: the head does not hear a node that others hear and that hears the head. It is
/// dead for all, is told so or finds out, and ends.
#[test]
fn a_node_that_the_head_does_not_hear_is_dead_for_all() {
    on_two_hosts(|head| {
        let mut deaf = head.worker(Side::B);
        let third = head.worker(Side::A);
        let again = elsewhere::options().strategy(deaf.soft()).remote(deaf.child.id());
        let port = head.address.rsplit(':').next().unwrap();
        let Some(()) = head.drop_at(Side::A, &["--dport", port]) else { return };
        let once = until_cancelled::options().strategy(deaf.soft()).max_retries(0).remote();
        assert_ne!(value(&again).unwrap(), deaf.child.id());
        assert_eq!(value(&once).unwrap_err().kind(), ErrorKind::NodeDied);
        eventually("it is gone for the head", || nodes() == [head.id, third.id]);
        deaf.says("ended: Err(ClusterLost)");
        deaf.ends();
        let alive = process::options().strategy(third.hard()).remote();
        assert_eq!(value(&alive).unwrap(), third.child.id());
    });
}

/// N5, N6, P9: a node that does not hear the head has no cluster, although the head hears it. It
/// ends, which the head notices.
#[test]
fn a_node_that_hears_nothing_ends() {
    on_two_hosts(|head| {
        let mut worker = head.worker(Side::B);
        let mut driver = head.waiting_driver();
        let again = elsewhere::options().strategy(worker.soft()).remote(worker.child.id());
        let Some(()) = head.drop_at(Side::B, &[]) else { return };
        assert_eq!(value(&again).unwrap(), std::process::id());
        worker.says("ended: Err(ClusterLost)");
        driver.says("waited: Err(ClusterLost)");
        driver.says("alone: true");
        worker.ends();
        driver.ends();
        eventually("both nodes are gone", || nodes() == [head.id]);
    });
}
