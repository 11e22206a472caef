//! One pretend process: a brain, the host around it, and a clock of its own that runs a little fast
//! or slow; and what can happen to it.

use super::faults::Fault;
use super::host::{Chore, Host};
use crate::base::NodeId;
use crate::base::moment::Moment;
use crate::proto::machine::{Machine, Welcome};
use crate::proto::wire::Bytes;
use std::collections::VecDeque;

#[derive(Clone, Debug)]
pub(super) enum Happening {
    Deliver {
        to: NodeId,
        from: NodeId,
        epoch: u64,
        packet: Bytes,
    },
    Up {
        node: NodeId,
        peer: NodeId,
        epoch: u64,
    },
    Down {
        node: NodeId,
        peer: NodeId,
        sure: bool,
    },
    Doubt {
        head: NodeId,
        node: NodeId,
        near: bool,
    },
    /// The brain's deadline may have come.
    Wake(NodeId),
    /// The brain takes in what lies in the inbox.
    Drain(NodeId),
    Chore(NodeId, Chore),
    Resume(NodeId),
    Fault(Fault),
    Enter(NodeId, Welcome),
    /// A trouble is over.
    Unblock(NodeId, NodeId),
    Unslow(NodeId, NodeId),
    /// A node is somebody else's from now on; and it does harm.
    Turn,
    Attack,
    Look,
}

impl Happening {
    /// The process that takes notice, if one does.
    pub(super) fn whose(&self) -> Option<NodeId> {
        match self {
            Happening::Deliver { to: node, .. }
            | Happening::Up { node, .. }
            | Happening::Down { node, .. }
            | Happening::Doubt { head: node, .. }
            | Happening::Wake(node)
            | Happening::Drain(node)
            | Happening::Chore(node, _) => Some(*node),
            _ => None,
        }
    }
}

pub(super) struct Node {
    pub(super) machine: Machine,
    pub(super) host: Host,
    /// The clock: where it began, and by how many millionths it is fast.
    base: u64,
    ppm: i64,
    /// What waits while the process stands still.
    pub(super) held: Option<VecDeque<Happening>>,
    pub(super) wake: Option<Moment>,
    /// It is about to take in what lies in the inbox.
    pub(super) due: bool,
    /// Looks in a row at which it was dead for the head, could reach it, and did not know.
    pub(super) unaware: u32,
    /// Since when it takes nothing new.
    pub(super) leaves: Option<Moment>,
    /// What it has just heard is from a node that was dead before.
    pub(super) deaf: bool,
    /// The highest version of the list of members that was seen here.
    pub(super) version: u64,
}

impl Node {
    pub(super) fn new(host: Host, welcome: Welcome, now: Moment, base: u64, ppm: i64) -> Node {
        let local = local(now, base, ppm);
        let machine = Machine::new(host.me, welcome, local);
        Node {
            machine,
            host,
            base,
            ppm,
            held: None,
            wake: None,
            due: false,
            unaware: 0,
            leaves: None,
            deaf: false,
            version: 0,
        }
    }

    /// What the clock of this process says.
    pub(super) fn local(&self, now: Moment) -> Moment {
        local(now, self.base, self.ppm)
    }

    /// When its clock will say that.
    pub(super) fn global(&self, at: Moment) -> Moment {
        let passed = i128::from(at.0.saturating_sub(self.base));
        Moment((passed * 1_000_000 / i128::from(1_000_000 + self.ppm)) as u64 + 1)
    }
}

fn local(now: Moment, base: u64, ppm: i64) -> Moment {
    let drift = i128::from(now.0) * i128::from(ppm) / 1_000_000;
    Moment((i128::from(base) + i128::from(now.0) + drift) as u64)
}
