//! Nodes in processes of their own, for the rows of clusters.

use crate::bench::Outcome;
use crate::child::Errand;
use clap::{Args as _, FromArgMatches as _};
use raykit::prelude::*;
use raykit::{Config, Node, NodeArgs, NodeId, Strategy};
use rustix::process::{Pid, Signal, kill_process};
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A node of one CPU that others give tasks, until it is told to go.
pub(crate) const NODE: Errand = ("node", node);

fn node() -> Outcome {
    let head = std::env::var("RAYKIT_ADDRESS")?;
    let words = ["worker", "--join", &head, "--num-cpus", "1"];
    let matches =
        NodeArgs::augment_args(clap::Command::new("worker")).try_get_matches_from(words)?;
    Ok(NodeArgs::from_arg_matches(&matches)?.run()?)
}

/// A head of one CPU in this process.
pub(crate) fn head(listen: impl Into<IpAddr>) -> Outcome<Node> {
    Ok(Config::new().num_cpus(1).head((listen.into(), 0).into()).start()?)
}

/// This program again, which finds the head in force here.
pub(crate) fn joining(mut program: Command, errand: &str) -> Outcome<Command> {
    let nodes = raykit::nodes()?;
    let address = nodes.first().and_then(|node| node.addresses.first()).ok_or("no address")?;
    program
        .args(["--child", errand])
        .env("RAYKIT_ADDRESS", address)
        .env("RAYKIT_TOKEN", raykit::join_token(None)?);
    Ok(program)
}

/// Begins a node.
pub(crate) fn start(program: Command) -> Outcome<Child> {
    let mut program = joining(program, NODE.0)?;
    Ok(program.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?)
}

/// Tells a node to go, and waits until it has gone.
pub(crate) fn end(child: &mut Child) -> Outcome {
    if child.try_wait()?.is_some() {
        return Ok(()); // it has gone by itself
    }
    kill_process(Pid::from_child(child), Signal::TERM)?;
    child.wait()?;
    Ok(())
}

/// A node that has joined the head in force here.
pub(crate) struct Worker {
    child: Child,
    pub(crate) id: NodeId,
}

impl Worker {
    pub(crate) fn new() -> Outcome<Worker> {
        Worker::by(Command::new(std::env::current_exe()?))
    }

    /// `program` is this one, on whatever host.
    pub(crate) fn by(program: Command) -> Outcome<Worker> {
        let known: Vec<NodeId> = raykit::nodes()?.iter().map(|node| node.id).collect();
        let mut worker = Worker { child: start(program)?, id: known[0] };
        let begun = Instant::now();
        loop {
            let new = raykit::nodes()?.iter().map(|node| node.id).find(|id| !known.contains(id));
            if let Some(id) = new {
                worker.id = id;
                return Ok(worker);
            }
            if begun.elapsed() > secs(10) {
                return Err("the other process has not come".into());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) -> Outcome {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn here(&self) -> Strategy {
        only(self.id)
    }
}

/// That node and no other.
pub(crate) fn only(node: NodeId) -> Strategy {
    Strategy::Node { node, soft: false }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = end(&mut self.child);
    }
}

#[remote]
pub(crate) fn nothing() {}
