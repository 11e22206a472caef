//! Looks for waits that can never end because of waits on other nodes. A thread, which is there
//! while tasks of a node in a cluster wait, asks for each wait that has lasted a while what it
//! waits for, and what that waits for, from node to node (`circle`). A path that leads back to its
//! beginning twice, through the very same waits, was whole all the time in between, and can never
//! end. Of all waits on it the youngest fails, wherever it is: each node finds the same one.
//!
//! Chandy, Misra and Haas describe the search ("Distributed Deadlock Detection", ACM TOCS 1983);
//! there probes go from node to node, here one node asks, so that the others keep nothing.

use super::Node;
use super::circle::{Answer, At, Question, Step};
use super::graph::{Edge, since_epoch};
use super::request;
use super::survey::ask_one;
use crate::base::NodeId;
use crate::base::clock;
use crate::base::limits::{CIRCLE_ANSWER_MS, CIRCLE_NODES_MAX, CIRCLE_ROUND_MS, CIRCLE_WAITS_MAX};
use crate::base::maps::{HashMap, HashSet};
use crate::base::thread::{self, Condvar, JoinHandle};
use crate::proto::wire::{Reader, Wire};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The thread that looks, and what wakes it.
#[derive(Default)]
pub(crate) struct Watcher {
    /// It will look at what has come: nobody need wake it.
    awake: Arc<AtomicBool>,
    bell: Arc<Bell>,
    thread: Mutex<Option<JoinHandle>>,
}

#[derive(Default)]
struct Bell {
    /// Whether the node is closed.
    closed: Mutex<bool>,
    rung: Condvar,
}

impl Node {
    /// A wait has begun.
    pub(super) fn notice_wait(self: &Arc<Node>) {
        self.watcher.notice(self);
    }
}

impl Watcher {
    fn notice(&self, node: &Arc<Node>) {
        if self.awake.swap(true, Ordering::SeqCst) {
            return;
        }
        let mut thread = self.thread.lock();
        let closed = self.bell.closed.lock();
        if thread.is_some() || *closed {
            self.bell.rung.notify_all();
            return;
        }
        let rounds = Rounds {
            node: Arc::downgrade(node),
            me: node.id,
            awake: Arc::clone(&self.awake),
            bell: Arc::clone(&self.bell),
            found: HashMap::default(),
        };
        let name = format!("raykit-{}-watch", node.id);
        match thread::spawn(name, None, move || rounds.run()) {
            Ok(started) => *thread = Some(started),
            Err(error) => {
                self.awake.store(false, Ordering::SeqCst); // the next wait tries again
                tracing::warn!(%error, "no thread to look for waits that never end");
            }
        }
    }

    /// The node is closed.
    pub(super) fn close(&self) {
        *self.bell.closed.lock() = true;
        self.bell.rung.notify_all();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread.filter(|thread| !thread.is_this()) {
            thread.join();
        }
    }
}

struct Rounds {
    node: Weak<Node>,
    me: NodeId,
    awake: Arc<AtomicBool>,
    bell: Arc<Bell>,
    /// Circles of the round before, by the waits that they begin with.
    found: HashMap<u64, Vec<Step>>,
}

impl Rounds {
    fn run(mut self) {
        let pause = Duration::from_millis(CIRCLE_ROUND_MS);
        loop {
            let until = clock::now() + pause;
            let mut closed = self.bell.closed.lock();
            while !*closed && !self.bell.rung.wait_until(&mut closed, until).timed_out() {}
            while !*closed && !self.awake.load(Ordering::SeqCst) {
                self.bell.rung.wait(&mut closed);
            }
            if *closed {
                return;
            }
            drop(closed);
            let Some(node) = self.node.upgrade() else { return };
            self.round(&node);
        }
    }

    fn round(&mut self, node: &Arc<Node>) {
        // Before the look: what begins after it wakes this thread.
        self.awake.store(false, Ordering::SeqCst);
        let than = since_epoch().saturating_sub(CIRCLE_ROUND_MS * 1_000_000);
        let edges = node.graph.older(than, CIRCLE_WAITS_MAX);
        let waits = !edges.is_empty() || node.graph.any();
        self.awake.fetch_or(waits, Ordering::SeqCst);
        let mut found = HashMap::default();
        for edge in edges {
            let Some(circle) = circle(node, self.me, edge.number) else { continue };
            let same = self.found.get(&edge.number) == Some(&circle);
            if same && is_youngest(self.me, &edge, &circle) {
                edge.condemn(told(&circle));
            }
            found.insert(edge.number, circle);
        }
        self.found = found;
    }
}

/// The path from a wait of this node back to itself, by way of other nodes.
fn circle(node: &Node, me: NodeId, number: u64) -> Option<Vec<Step>> {
    let cluster = node.cluster.get().filter(|cluster| cluster.lost().is_none())?;
    let mut open = VecDeque::from([(me, At::Wait(number), Vec::new())]);
    let mut seen = HashSet::default();
    while let Some((to, at, path)) = open.pop_front() {
        if !seen.insert((to, at)) {
            continue;
        }
        if seen.len() > CIRCLE_NODES_MAX || cluster.lost().is_some() {
            return None;
        }
        let request = request::write(request::CIRCLE, &Question { at, by: me, goal: number });
        let limit = Duration::from_millis(CIRCLE_ANSWER_MS);
        // Who does not answer may be gone, and then the wait ends.
        let Ok(bytes) = ask_one(cluster, to, request, limit) else { continue };
        let Some(answer) = Answer::take(&mut Reader::new(&bytes)) else { continue };
        let along = |more: Vec<Step>| path.iter().cloned().chain(more).collect::<Vec<Step>>();
        // One that does not leave the node is `graph`'s.
        if let Some(closed) = answer.closed
            && !matches!(at, At::Wait(_))
        {
            return Some(along(closed));
        }
        open.extend(answer.ways.into_iter().map(|way| (way.to, way.at, along(way.path))));
    }
    None
}

/// Whether of all waits on the circle this one began last.
fn is_youngest(me: NodeId, edge: &Edge, circle: &[Step]) -> bool {
    let own = (edge.since, me, edge.number);
    circle
        .iter()
        .filter(|step| step.number > 0)
        .all(|step| (step.since, step.node, step.number) <= own)
}

/// `a` waits for `b` waits for `a`.
fn told(circle: &[Step]) -> String {
    let mut text = "a wait that can never end: ".to_owned();
    for (step, at) in circle.iter().zip(0..) {
        // A task that is lent stands there twice: as its owner has it, and where it runs.
        if at == 0 || circle[at - 1].task != step.task {
            let _ = write!(text, "task {} on {} waits for ", step.label, step.node);
        }
    }
    if let Some(first) = circle.first() {
        let _ = write!(text, "task {}", first.label);
    }
    text
}
