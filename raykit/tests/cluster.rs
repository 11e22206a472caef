//! Clusters of real processes: this test program is the driver, and started again the nodes.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

mod common;

use common::eventually;
use raykit::prelude::*;
use raykit::{Config, ErrorKind, NodeId, Strategy};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

#[remote]
fn process(x: i64) -> (i64, u32) {
    (x, std::process::id())
}

#[remote]
fn sleepy(x: i64, ms: u64) -> i64 {
    std::thread::sleep(Duration::from_millis(ms));
    x
}

/// How many tasks run beside this one, once it is two.
#[remote]
fn waits_there() -> i64 {
    let busy = || raykit::stats().is_ok_and(|stats| stats.cpus_free == 0.0);
    eventually("both CPUs are in use", busy);
    2
}

#[remote]
fn sum(xs: &[f64]) -> f64 {
    xs.iter().sum()
}

#[remote]
fn ones(len: usize) -> Vec<f64> {
    vec![1.0; len]
}

#[remote]
fn dies(x: i64) -> i64 {
    if x > 0 {
        std::process::abort();
    }
    x
}

/// What a node of these tests does: it is told by the environment.
#[test]
fn a_node_of_the_tests() {
    let Ok(part) = std::env::var("RAYKIT_TEST_NODE") else { return };
    let result = match part.as_str() {
        "head" => Config::new().num_cpus(1).head("127.0.0.1:0".parse().unwrap()).init(),
        address => Config::new().num_cpus(2).address(address).init(),
    };
    let _ray = result.unwrap();
    println!("node {}", raykit::context().node_id().unwrap());
    std::io::stdin().lines().next();
}

/// A node in a process of its own. It ends when its standard input does.
struct Worker {
    child: Child,
    id: NodeId,
}

/// The head, in this process, and how others join it.
struct Head {
    node: raykit::Node,
    address: String,
    token: String,
}

fn head(cpus: usize) -> Head {
    let node = Config::new().num_cpus(cpus).head("127.0.0.1:0".parse().unwrap()).start().unwrap();
    let here = node.enter();
    let address = raykit::nodes().unwrap()[0].addresses[0].clone();
    let token = raykit::join_token(None).unwrap();
    drop(here);
    Head { node, address, token }
}

impl Head {
    fn worker(&self) -> Worker {
        let known: Vec<NodeId> = raykit::nodes().unwrap().iter().map(|node| node.id).collect();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["a_node_of_the_tests", "--exact", "--nocapture", "--test-threads=1"])
            .env("RAYKIT_TEST_NODE", &self.address)
            .env("RAYKIT_TOKEN", &self.token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut new = None;
        eventually("the node has come", || {
            let nodes = raykit::nodes().unwrap();
            new = nodes.iter().map(|node| node.id).find(|id| !known.contains(id));
            new.is_some()
        });
        let mut child = child;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("node n")), "the node has joined");
        std::thread::spawn(move || lines.for_each(drop));
        Worker { child, id: new.unwrap() }
    }
}

impl Worker {
    fn here(&self) -> Strategy {
        Strategy::Node { node: self.id, soft: false }
    }

    fn preferred(&self) -> Strategy {
        Strategy::Node { node: self.id, soft: true }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
fn tasks_run_in_other_processes() {
    let head = head(1);
    let _here = head.node.enter();
    let workers = [head.worker(), head.worker()];
    for worker in &workers {
        let asked = process::options().strategy(worker.here()).remote(3);
        assert_eq!(asked.get().unwrap(), (3, worker.child.id()));
    }
    let made = ones::options().strategy(workers[0].here()).remote(2_000_000);
    let added = sum::options().strategy(workers[1].here()).remote(&made);
    assert_eq!(added.get().unwrap(), 2_000_000.0);
    assert_eq!(raykit::nodes().unwrap().len(), 3);
}

/// T1, T9: what a killed process was running runs again elsewhere, within its retries.
#[test]
fn a_killed_process_is_noticed_and_its_tasks_run_again() {
    let head = head(1);
    let _here = head.node.enter();
    let mut worker = head.worker();
    let again = sleepy::options().strategy(worker.preferred()).remote(1, 1_000);
    let once = sleepy::options().strategy(worker.preferred()).max_retries(0).remote(2, 60_000);
    let begun = waits_there::options().strategy(worker.here()).num_cpus(0.0).remote();
    assert_eq!(begun.get().unwrap(), 2, "both have begun");
    worker.child.kill().unwrap();
    assert_eq!(again.get().unwrap(), 1);
    let error = once.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NodeDied, "{error}");
    assert!(error.to_string().contains("sleepy"), "{error}");
    eventually("the node is gone", || raykit::nodes().unwrap().len() == 1);
}

/// T3: a task that takes its process with it ends after its last attempt.
#[test]
fn a_task_that_always_kills_its_process_gives_up() {
    let head = head(1);
    let _here = head.node.enter();
    let workers = [head.worker(), head.worker()];
    let dead = dies::options().strategy(workers[0].here()).max_retries(0).remote(1);
    assert_eq!(dead.get().unwrap_err().kind(), ErrorKind::NodeDied);
    let alive = process::options().strategy(workers[1].here()).remote(1);
    assert_eq!(alive.get().unwrap().1, workers[1].child.id());
}

/// X1: who has no token, a wrong one, or one of another cluster is told so in one line.
#[test]
fn nobody_joins_without_the_right_token() {
    let (first, second) = (head(1), head(1));
    for token in ["", "rk1.node.nonsense", &second.token] {
        let refused = Config::new().num_cpus(1).address(&first.address).token(token).start();
        let error = refused.unwrap_err();
        assert!(!error.to_string().contains('\n'), "{error}");
        assert!(!token.is_empty() || error.to_string().contains("token"), "{error}");
    }
    let _here = first.node.enter();
    assert_eq!(raykit::nodes().unwrap().len(), 1);
}

/// H1: a head that ends takes the cluster with it, and whoever waits is told.
#[test]
fn the_end_of_the_head_is_the_end_of_the_cluster() {
    let head = head(1);
    let member =
        Config::new().num_cpus(1).address(&head.address).token(&head.token).start().unwrap();
    let here = member.enter();
    let far = Strategy::Node { node: head.node.id(), soft: false };
    let sure = process::options().strategy(far).remote(1);
    assert_eq!(sure.get().unwrap().1, std::process::id());
    let waits = sleepy::options().strategy(far).remote(1, 20_000);
    let Head { node, .. } = head;
    let closing = std::thread::spawn(move || node.shutdown());
    assert_eq!(waits.get().unwrap_err().kind(), ErrorKind::ClusterLost);
    let late = process::options().strategy(far).remote(1).get().unwrap_err();
    assert_eq!(late.kind(), ErrorKind::ClusterLost, "{late}");
    assert_eq!(process::remote(5).get().unwrap().0, 5, "alone it works on");
    drop(here);
    let _ = closing.join();
}
