//! `Cluster`: what the driver of a simulation does to its nodes.

use super::machine::Machine;
use super::time;
use crate::base::NodeId;
use crate::base::turns::{self, Run};
use crate::node::census::Filter;
use crate::node::web::Web;
use crate::node::{Node, explain, pretend};
use crate::object::Result;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

/// Rows of a report on what is waited for, for each node.
const ROWS_MAX: u32 = 20;

/// The cluster of a simulation, as its driver sees it: nodes come and go, and what is between them
/// breaks and heals, when the driver says so. Nodes are known by the id that
/// [`start`](Cluster::start) gives.
pub struct Cluster {
    run: Arc<Run>,
    web: Arc<Web>,
    head: NodeId,
    nodes: Mutex<BTreeMap<NodeId, Member>>,
}

struct Member {
    node: Arc<Node>,
    machine: Machine,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Runs,
    Paused,
    Killed,
}

impl Cluster {
    /// A cluster of one node, the head.
    pub(super) fn found(run: &Arc<Run>, web: &Arc<Web>, machine: Machine) -> Result<Cluster> {
        let node = pretend::start(web, machine.settings())?;
        let head = node.id;
        let first = Member { node, machine, fate: Fate::Runs };
        let nodes = Mutex::new(BTreeMap::from([(head, first)]));
        Ok(Cluster { run: Arc::clone(run), web: Arc::clone(web), head, nodes })
    }

    pub(super) fn head_node(&self) -> Option<Arc<Node>> {
        self.nodes.lock().get(&self.head).map(|member| Arc::clone(&member.node))
    }

    /// The node on which the driver runs.
    #[must_use]
    pub fn head(&self) -> NodeId {
        self.head
    }

    /// The nodes that live, the head first; those that are paused included.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeId> {
        let nodes = self.nodes.lock();
        let alive = nodes.iter().filter(|(_, member)| member.fate != Fate::Killed);
        alive.map(|(id, _)| *id).collect()
    }

    /// A node joins. It is there when this returns.
    ///
    /// # Errors
    ///
    /// When the head cannot be reached, and for a machine that cannot be.
    pub fn start(&self, machine: Machine) -> Result<NodeId> {
        let node = pretend::start(&self.web, machine.settings())?;
        let id = node.id;
        self.nodes.lock().insert(id, Member { node, machine, fate: Fate::Runs });
        Ok(id)
    }

    fn change(&self, node: NodeId, change: impl FnOnce(&mut Member)) {
        match self.nodes.lock().get_mut(&node).filter(|member| member.fate != Fate::Killed) {
            Some(member) => change(member),
            None => panic!("{node} is no node of the simulation, or not any more"),
        }
    }

    /// The node's process ends at once and without a word; what it was doing is not undone, and
    /// goes no further. Others may notice at once, or only when they miss its signs of life: the
    /// seed decides.
    ///
    /// # Panics
    ///
    /// For the head, without which there is no cluster, and for a node that is gone.
    pub fn kill(&self, node: NodeId) {
        assert_ne!(node, self.head, "the driver runs on the head, which cannot be killed");
        self.change(node, |member| member.fate = Fate::Killed);
        self.run.stands_still(node.0, true);
        self.web.die(node);
    }

    /// The node's process stands still until [`resume`](Cluster::resume).
    ///
    /// # Panics
    ///
    /// For a node that is gone.
    pub fn pause(&self, node: NodeId) {
        self.change(node, |member| member.fate = Fate::Paused);
        self.run.stands_still(node.0, true);
        self.web.stop(node);
    }

    /// A node that was paused goes on.
    ///
    /// # Panics
    ///
    /// For a node that is gone.
    pub fn resume(&self, node: NodeId) {
        self.change(node, |member| member.fate = Fate::Runs);
        self.web.go_on(node);
        self.run.stands_still(node.0, false);
    }

    /// The node is told to go, as a worker by SIGTERM: it takes nothing new, ends what it has, and
    /// says goodbye. It has the five seconds of grace for each of the two. One that is paused goes
    /// on for that.
    ///
    /// # Errors
    ///
    /// Names the tasks that have not ended in time.
    ///
    /// # Panics
    ///
    /// For the head, and for a node that is gone.
    pub fn drain(&self, node: NodeId) -> Result<()> {
        assert_ne!(node, self.head, "the driver runs on the head, which cannot go");
        self.resume(node);
        let member = self.nodes.lock().remove(&node);
        member.map_or(Ok(()), |member| {
            if let Some(cluster) = member.node.cluster.get() {
                cluster.drain(member.machine.settings().grace);
            }
            turns::on_behalf(node.0, || member.node.close())
        })
    }

    /// Nothing goes between the two nodes until they are [healed](Cluster::heal); what is sent is
    /// held back, and lost when the link between them is given up.
    pub fn cut(&self, a: NodeId, b: NodeId) {
        self.web.cut(a, b);
    }

    /// Cuts these nodes off from all others.
    pub fn isolate(&self, nodes: &[NodeId]) {
        let others = self.nodes().into_iter().filter(|node| !nodes.contains(node));
        for other in others {
            nodes.iter().for_each(|node| self.cut(*node, other));
        }
    }

    /// Ends a cut.
    pub fn heal(&self, a: NodeId, b: NodeId) {
        self.web.heal(a, b);
    }

    /// Ends all cuts, and no road is slow any more.
    pub fn heal_all(&self) {
        self.web.heal_all();
    }

    /// The link between the two is lost with what is on its way; they may make another one.
    pub fn lose_link(&self, a: NodeId, b: NodeId) {
        self.web.lose(a, b);
    }

    /// What goes between the two takes so much longer from now on.
    pub fn slow(&self, a: NodeId, b: NodeId, longer: Duration) {
        self.web.slow(a, b, longer);
    }

    /// Lets time pass: the same as [`sleep`](super::sleep).
    pub fn sleep(&self, time: Duration) {
        time::sleep(time);
    }

    /// How long the simulation has been going on, by its own clock.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.run.elapsed()
    }

    /// A hash of everything that has happened: of two runs that have the same, one is the replay of
    /// the other.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.run.trace()
    }

    pub(super) fn machine(&self, node: NodeId) -> Option<Machine> {
        self.nodes.lock().get(&node).map(|member| member.machine.clone())
    }

    /// The tasks that have not ended, for whoever asks why nothing goes on.
    pub(super) fn report(&self) -> String {
        let mut text = String::new();
        let filter = Filter { state: None, name: None, limit: ROWS_MAX };
        for (id, member) in &*self.nodes.lock() {
            if member.fate != Fate::Runs {
                let _ = write!(text, "\n  {id} was {:?}", member.fate);
                continue;
            }
            for wait in explain::waits(&member.node, ROWS_MAX as usize) {
                let _ = write!(text, "\n  {id}: {wait}");
            }
            for row in member.node.tasks(&filter).rows {
                if row.error_type.is_none() {
                    let (name, state) = (&row.name, row.status.as_str());
                    let _ = write!(text, "\n  {id}: {} `{name}` is {state}", row.task_id);
                }
            }
        }
        text
    }

    /// Closes all nodes: those that live in good order, and of those that were killed what is left
    /// of their threads.
    pub(super) fn end(&self) {
        self.heal_all();
        let nodes = std::mem::take(&mut *self.nodes.lock());
        for (id, member) in &nodes {
            match member.fate {
                Fate::Paused => {
                    self.web.go_on(*id);
                    self.run.stands_still(id.0, false);
                }
                Fate::Killed => self.run.condemn(id.0),
                Fate::Runs => {}
            }
        }
        for (id, member) in nodes.into_iter().rev() {
            // Whatever has not ended in time is ended after this.
            let _ = turns::on_behalf(id.0, || member.node.close());
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("nodes", &self.nodes()).finish_non_exhaustive()
    }
}
