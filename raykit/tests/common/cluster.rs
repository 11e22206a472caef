//! A cluster of real processes: the test program is the head, and started again the other nodes.

#![allow(dead_code, reason = "each test program uses a part of it")]
use crate::common::eventually;
use clap::{Args as _, FromArgMatches as _};
use raykit::{Config, NodeArgs, NodeId, Strategy};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// What says to a test program that it is a node, and of which head.
pub(crate) const NODE: &str = "RAYKIT_TEST_NODE";

/// The head, in this process, and how others join it.
pub(crate) struct Head {
    pub(crate) node: raykit::Node,
    pub(crate) address: String,
    pub(crate) token: String,
}

pub(crate) fn head(config: Config) -> Head {
    let node = config.head("127.0.0.1:0".parse().unwrap()).start().unwrap();
    let here = node.enter();
    let address = raykit::nodes().unwrap()[0].addresses[0].clone();
    let token = raykit::join_token(None).unwrap();
    drop(here);
    Head { node, address, token }
}

impl Head {
    /// Starts this program once more as a node: its test `a_node_of_the_tests` is what that does.
    pub(crate) fn node(&self, variables: &[(&str, String)]) -> Worker {
        let mut program = self.program();
        program.env(NODE, &self.address).envs(variables.iter().map(|(name, value)| (name, value)));
        let (mut child, id) = joins(program.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("node n")), "the node has joined");
        std::thread::spawn(move || lines.for_each(drop));
        Worker { child, id }
    }

    /// This program once more, to be a node of the cluster.
    fn program(&self) -> Command {
        let mut program = Command::new(std::env::current_exe().unwrap());
        program
            .args(["a_node_of_the_tests", "--exact", "--nocapture", "--test-threads=1"])
            .env("RAYKIT_TOKEN", &self.token);
        program
    }
}

/// Starts a program, and waits until it is a node.
fn joins(program: &mut Command) -> (Child, NodeId) {
    let known: Vec<NodeId> = raykit::nodes().unwrap().iter().map(|node| node.id).collect();
    let child = program.spawn().unwrap();
    let mut new = None;
    eventually("the node has come", || {
        let nodes = raykit::nodes().unwrap();
        new = nodes.iter().map(|node| node.id).find(|id| !known.contains(id));
        new.is_some()
    });
    (child, new.unwrap())
}

/// Is a node, with these settings, until the standard input ends.
pub(crate) fn be_node(config: Config) {
    let _ray = config.init().unwrap();
    println!("node {}", raykit::context().node_id().unwrap());
    std::io::stdin().lines().next();
}

/// A node in a process of its own. It ends when its standard input does.
pub(crate) struct Worker {
    pub(crate) child: Child,
    pub(crate) id: NodeId,
}

impl Worker {
    pub(crate) fn here(&self) -> Strategy {
        Strategy::Node { node: self.id, soft: false }
    }

    pub(crate) fn preferred(&self) -> Strategy {
        Strategy::Node { node: self.id, soft: true }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if std::thread::panicking() {
            // The test may have stopped it.
            let _ = Command::new("kill").args(["-CONT", &self.child.id().to_string()]).status();
        }
        let _ = self.child.wait();
    }
}

/// Is a node until it is told to go, or has no cluster any more.
pub(crate) fn be_worker() {
    let address = std::env::var("RAYKIT_TEST_HEAD").unwrap();
    let words = ["worker", "--join", &address, "--num-cpus", "2"];
    let matches = NodeArgs::augment_args(clap::Command::new("worker")).get_matches_from(words);
    NodeArgs::from_arg_matches(&matches).unwrap().run().unwrap();
}

/// A node that goes when it is told to, and its number.
pub(crate) fn told(head: &Head, variables: &[(&str, &str)]) -> (Child, NodeId) {
    let mut program = head.program();
    program.env(NODE, "worker").env("RAYKIT_TEST_HEAD", &head.address);
    joins(program.envs(variables.iter().copied()).stdout(Stdio::null()))
}

/// Sends a signal to that process.
pub(crate) fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
}

pub(crate) fn tell_to_go(child: &Child) {
    signal(child, "-TERM");
}
