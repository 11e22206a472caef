//! What the brain hears and what it wants done: two closed lists, which are its whole contract.
//!
//! Whoever gives the brain an object's id in an event claims that object for it, until the action
//! `Let` says that the claim has ended. Whatever ids stand in an action are held by a `Hold`
//! before.

use super::wire::{Bytes, Group, LeaseId, Load, Member, Outcome};
use crate::base::labels::{Need, meet};
use crate::base::quantity::{Amount, Resources};
use crate::base::{NodeId, ObjectId, PlacementGroupId};
use std::sync::Arc;

/// A task for any node that has room, or for one in particular.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) lease: LeaseId,
    pub(crate) want: Resources,
    pub(crate) wish: Wish,
    /// What the labels of the node must be.
    pub(crate) labels: Arc<[Need]>,
    /// What it makes keeps what it asks for when it has run.
    pub(crate) holds: bool,
    /// The call, for whoever runs it.
    pub(crate) spec: Bytes,
    /// The references in that.
    pub(crate) refs: Vec<ObjectId>,
}

impl Offer {
    /// Whether a node like that could ever run it. What makes an actor that holds no CPU is charged
    /// one while it runs, and so are the methods of the actor.
    pub(crate) fn could_run_on(&self, total: &Resources, labels: &[(String, String)]) -> bool {
        let charged = self.holds && !self.want.has_cpu();
        self.want.fits(total)
            && (!charged || total.cpu >= Amount::ONE)
            && meet(labels, &self.labels)
    }
}

/// Where a task should run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Where there is room: nodes in use up to their half first, then the emptiest.
    Anywhere,
    /// Evenly over all.
    Spread,
    /// On this node, where large arguments lie, unless another one could begin at once.
    Near(NodeId),
    /// On this node. `soft`: elsewhere if that is gone.
    At { node: NodeId, soft: bool },
    /// Where that bundle of a placement group lies, or any of its bundles that has room.
    Group { group: PlacementGroupId, bundle: Option<u32> },
}

/// What the brain hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// There is a link to that node.
    Up(NodeId),
    /// There is none any more. `sure`: its process has said goodbye, or is certainly gone.
    Down { peer: NodeId, sure: bool },
    /// There are signs that the process of that node is gone. `near`: it is on this host, and has
    /// less time to say that it is not.
    Doubt { node: NodeId, near: bool },
    /// A packet has arrived.
    Arrived(NodeId, Bytes),
    /// What this node has to do and to give.
    Load(Load),
    /// A task that is not, or cannot be, run here. Its arguments are there: one that waits for
    /// another task would keep the room that this one needs.
    Offer(Box<Offer>),
    /// A call of an actor of another node, which goes there in the order of its caller's.
    Call(Box<Offer>),
    /// A task that was offered is not wanted any more.
    Withdraw(LeaseId),
    /// What was to be run has run.
    Ran { lease: LeaseId, results: Vec<Outcome> },
    /// The next item of a stream that runs here for another node.
    Item { lease: LeaseId, item: Outcome },
    /// So many items of an own stream that runs elsewhere are in line here.
    Credit { lease: LeaseId, items: u64 },
    /// What was to be run cannot be.
    Refused { lease: LeaseId, why: Bytes },
    /// An object of this node that others know of is there.
    Sealed { object: ObjectId, outcome: Outcome },
    /// Nobody here has a reference to another node's object any more, which was held `generation`
    /// times when the last one went.
    Dropped { object: ObjectId, generation: u64 },
    /// An object of another node is not wanted, and its task is to be cancelled.
    Cancel(ObjectId),
    /// An object of another node is waited for here.
    Want(ObjectId),
    /// The large results of a task that ran there are here now.
    Unpark { lease: LeaseId, by: NodeId },
    /// This node wants a placement group: where its bundles lie is not known yet. `detached`: it
    /// outlives this node.
    NewGroup { group: PlacementGroupId, known: Group, detached: bool },
    /// A placement group is not wanted any more.
    EndGroup(PlacementGroupId),
    /// What a bundle asks for is set aside.
    Reserved { group: PlacementGroupId, attempt: u64, bundle: u32 },
    /// This node goes, for this reason.
    Leave(String),
}

/// What the brain wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Send a packet. It may be lost.
    Send(NodeId, Bytes),
    /// Try to get a link to that node.
    Connect(NodeId, Vec<String>),
    /// Give up the link.
    Disconnect(NodeId),
    /// Run a task of another node here.
    Run { lease: LeaseId, want: Resources, spec: Bytes, refs: Vec<ObjectId> },
    /// What runs here for another node is not wanted any more.
    Stop { lease: LeaseId },
    /// Run an own task here after all.
    Keep(Box<Offer>),
    /// An own task has run, these are its results, and the node that ran it keeps the large ones.
    Settle { lease: LeaseId, by: NodeId, results: Vec<Outcome> },
    /// The next item of an own stream that runs elsewhere.
    Item { lease: LeaseId, item: Outcome },
    /// So many items of a stream that runs here are in line with its owner.
    Credit { lease: LeaseId, items: u64 },
    /// An own task was not begun there, and this is the error.
    TurnedDown { lease: LeaseId, by: NodeId, why: Bytes },
    /// The node that had an own task is gone.
    Lost { lease: LeaseId, by: NodeId, why: String },
    /// No node can ever run it.
    Infeasible { lease: LeaseId, want: Resources },
    /// Offer so many of the queued tasks to that node, which has room: of those that it can run.
    Give { to: NodeId, count: u32 },
    /// References to an object have arrived; `generation` is how often they have. If a node dies
    /// with its words under way, an own object may be named that is gone already.
    Hold { object: ObjectId, generation: u64 },
    /// The claim that came with an event has ended.
    Let(ObjectId),
    /// Another node has a reference to an object of this one: tell when it is there.
    Watch(ObjectId),
    /// A node that holds an object of this one has its task cancelled.
    Cancel(ObjectId),
    /// A node that holds an object of this one waits for it.
    Want(ObjectId),
    /// What became of an object of another node.
    Fill { object: ObjectId, outcome: Outcome },
    /// The large results of that call are not needed here any more.
    Unpark(LeaseId),
    /// Set aside what a bundle asks for, as soon as it is free.
    Reserve { group: PlacementGroupId, attempt: u64, bundle: u32, want: Resources },
    /// What was set aside at that attempt, or is to be, is free again.
    Unreserve { group: PlacementGroupId, attempt: u64 },
    /// A placement group lies there now; what was set aside here for it is for tasks that ask for
    /// it.
    GroupLies { group: PlacementGroupId, known: Group },
    /// There is no such group any more: what runs there ends.
    GroupEnded { group: PlacementGroupId, why: String },
    /// A node has come, or this one has heard of it.
    Joined(Member),
    /// A node is gone for good.
    Gone { node: NodeId, why: String },
    /// This node has no cluster any more, and why.
    Alone { why: String },
}
