//! The hands of the cluster's brain: on the road's thread they feed it what has happened and do
//! what it says. Nothing of the user's runs here.

use super::Node;
use super::arrive::Arrived;
use super::burden::Burden;
use super::circle;
use super::cluster::{Away, Cluster, Fetch, Place, Post, owner_died};
use super::flow::{Flow, Inflow};
use super::left::{Apart, Arriving};
use super::order::Order;
use super::pack;
use super::post::Coming;
use super::survey::{self, Told};
use super::swarm::{Incoming, Swarm};
use super::task::Task;
use crate::base::moment::Moment;
use crate::base::quantity::Resources;
use crate::base::quiet::quietly;
use crate::base::{NodeId, ObjectId, Strategy, clock, maps::HashMap};
use crate::object::codec::Sealed;
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::raw::RawRef;
use crate::object::told;
use crate::object::value::Value;
use crate::proto::event::{Action, Event, Wish};
use crate::proto::machine::{Machine, Welcome};
use crate::proto::wire::{LeaseId, Load, Member};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::Wake as _;
use std::time::Instant;

/// What the hands need of the road; `net` has one, and tests another.
pub(super) trait Road {
    fn send(&mut self, to: NodeId, packet: Arc<[u8]>);
    fn connect(&mut self, to: NodeId, addresses: &[String]);
    fn disconnect(&mut self, from: NodeId);
    /// The same for one that was declared dead: nothing more comes of it.
    fn fence(&mut self, from: NodeId) {
        self.disconnect(from);
    }
    /// Gets bytes from another node, and posts them.
    fn fetch(&mut self, from: NodeId, what: Fetch);
    /// Asks another node something, and tells what comes of it.
    fn ask(&mut self, to: NodeId, request: Vec<u8>, told: Told);
}

pub(super) struct Hands {
    pub(super) node: Weak<Node>,
    pub(super) cluster: Arc<Cluster>,
    pub(super) machine: Machine,
    began: Instant,
    /// What the brain has claimed, by the names that other nodes know it by.
    pub(super) claims: HashMap<ObjectId, RawRef>,
    /// Names of objects of this process that are not this node's own.
    pub(super) aliases: HashMap<usize, ObjectId>,
    /// References that have just arrived, until the action that uses them is done.
    fresh: HashMap<ObjectId, RawRef>,
    /// Large values that others may fetch.
    pub(super) exports: HashMap<ObjectId, Arc<Sealed>>,
    pub(super) parked: HashMap<LeaseId, Vec<Option<Arc<Sealed>>>>,
    /// Nodes whose tasks have run here.
    pub(super) owners: BTreeSet<NodeId>,
    /// Tasks of other nodes that run here.
    pub(super) taken: HashMap<LeaseId, Arc<Task>>,
    burden: Burden,
    /// Actors that are being made for other nodes.
    pub(super) making: HashMap<LeaseId, RawRef>,
    /// Those of the tasks that give streams.
    pub(super) flows: HashMap<LeaseId, Arc<Flow>>,
    /// Own streams that run elsewhere.
    pub(super) inflows: HashMap<LeaseId, Arc<Inflow>>,
    /// Own tasks that have run, whose large results are on their way.
    pub(super) arriving: HashMap<LeaseId, Arriving>,
    /// Bytes that are on their way here, and how many links there have been to each node.
    pub(super) coming: HashMap<Fetch, Coming>,
    pub(super) links: HashMap<NodeId, u64>,
    /// Objects of other nodes that come in pieces, and own ones that go in pieces.
    pub(super) incoming: HashMap<ObjectId, Incoming>,
    pub(super) swarms: HashMap<ObjectId, Swarm>,
    /// Large values that lie on other nodes.
    pub(super) apart: Apart,
    load: Load,
}

impl Hands {
    pub(super) fn new(node: &Arc<Node>, cluster: &Arc<Cluster>, welcome: Welcome) -> Hands {
        cluster.brings_to(node.ledger);
        Hands {
            node: Arc::downgrade(node),
            cluster: Arc::clone(cluster),
            machine: Machine::new(node.id, welcome, Moment(0)),
            began: clock::now(),
            claims: HashMap::default(),
            aliases: HashMap::default(),
            fresh: HashMap::default(),
            exports: HashMap::default(),
            parked: HashMap::default(),
            owners: BTreeSet::new(),
            taken: HashMap::default(),
            burden: Burden::of(node.config.memory),
            making: HashMap::default(),
            flows: HashMap::default(),
            inflows: HashMap::default(),
            arriving: HashMap::default(),
            coming: HashMap::default(),
            links: HashMap::default(),
            incoming: HashMap::default(),
            swarms: HashMap::default(),
            apart: Apart::default(),
            load: Load::default(),
        }
    }

    /// Does what is to be done at the start.
    pub(super) fn begin(&mut self, road: &mut dyn Road) {
        self.act(road);
        self.look(road);
    }

    pub(super) fn now(&self) -> Moment {
        Moment(clock::since(self.began).as_nanos() as u64)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let at = self.machine.deadline()?;
        self.began.checked_add(std::time::Duration::from_nanos(at.0))
    }

    /// Something has happened on the road.
    pub(super) fn happened(&mut self, event: Event, road: &mut dyn Road) {
        let (mut up, mut down) = (None, None);
        match event {
            Event::Up(node) => up = Some(node),
            Event::Down { peer, .. } => down = Some(peer),
            _ => {}
        }
        self.machine.handle(self.now(), event);
        self.act(road);
        up.into_iter().for_each(|node| self.linked(node, road));
        down.into_iter().for_each(|node| self.unreached(node, road));
        let asked = self.machine.is_asked();
        if asked && !self.cluster.wanted.swap(asked, Ordering::SeqCst) {
            // What is queued already was not worth a word before.
            self.look(road);
        }
        self.cluster.wanted.store(asked, Ordering::Relaxed);
    }

    pub(super) fn overdue(&mut self, road: &mut dyn Road) {
        self.machine.overdue(self.now());
        self.act(road);
        self.look_at_left(road);
    }

    /// The head's: a node may come in. What follows is done when the hands are rung.
    pub(super) fn admit(&mut self, member: Member) -> Welcome {
        self.machine.admit(self.now(), member)
    }

    /// Reads what was posted, and sees what there is to do.
    pub(super) fn rung(&mut self, road: &mut dyn Road) {
        loop {
            let posts = self.cluster.take_posts();
            if posts.is_empty() {
                break;
            }
            for post in posts {
                self.read(post, road);
            }
        }
        self.look(road);
        self.act(road);
        self.look_at_left(road);
    }

    /// Tells the brain what this node has to do and to give.
    fn look(&mut self, road: &mut dyn Road) {
        let Some(node) = self.node.upgrade() else { return };
        let load = Load {
            free: node.pool.budget().free(),
            queued: u32::try_from(node.pool.queued()).unwrap_or(u32::MAX),
            draining: node.is_closed() || self.cluster.is_draining(),
            suspect: false,
        };
        if load != self.load || load.queued > 0 {
            self.load = load.clone();
            self.happened(Event::Load(load), road);
        }
    }

    fn read(&mut self, post: Post, road: &mut dyn Road) {
        let event = match post {
            Post::Offer { lease, wish } => match self.offer(lease, wish) {
                Some(offer) => Event::Offer(offer),
                None => return,
            },
            Post::Call { lease, home } => {
                match self.offer(lease, Wish::At { node: home, soft: false }) {
                    Some(offer) => Event::Call(offer),
                    None => return,
                }
            }
            Post::Withdraw(lease) => {
                self.inflows.remove(&lease);
                Event::Withdraw(lease)
            }
            Post::Ran { lease, results } => {
                self.burden.end(lease);
                self.taken.remove(&lease);
                if !self.making.is_empty() {
                    let made = self.making.remove(&lease);
                    quietly(|| drop(made));
                }
                if !self.flows.is_empty() {
                    self.flows.remove(&lease);
                }
                self.owners.insert(lease.task.node);
                Event::Ran { lease, results: self.results(lease, results) }
            }
            Post::Item { lease, packed } => {
                let item = self.told(packed, |_, _| ());
                Event::Item { lease, item }
            }
            Post::Credit { lease, items } => Event::Credit { lease, items },
            Post::Sealed { object, packed } => {
                let outcome = self.told(packed, |hands, sealed| {
                    hands.exports.insert(object, sealed);
                });
                Event::Sealed { object, outcome }
            }
            Post::Dropped { object, generation } => {
                self.apart.forget(object);
                Event::Dropped { object, generation }
            }
            Post::Want(object) => return self.want(object, road),
            Post::Cancel(object) => Event::Cancel(object),
            Post::Fetched { what, bytes, got } => return self.fetched(what, bytes, got, road),
            Post::NewGroup { group, known, detached } => Event::NewGroup { group, known, detached },
            Post::EndGroup(group) => Event::EndGroup(group),
            Post::Reserved { group, attempt, bundle } => Event::Reserved { group, attempt, bundle },
            Post::Piece { asked, bytes } => return self.piece(&asked, bytes, road),
            Post::Ask { to, request, told } => return self.ask(to, request, told, road),
            Post::Leave(why) => Event::Leave(why),
        };
        self.happened(event, road);
    }

    fn ask(&mut self, to: NodeId, request: Vec<u8>, told: Told, road: &mut dyn Road) {
        if to != self.cluster.me {
            return road.ask(to, request, told);
        }
        let nothing = || Error::new(ErrorKind::NotRunning, "the node was closed");
        let answer = self.answer(self.cluster.me, &request).map(|bytes| survey::buffer(&bytes));
        told(answer.ok_or_else(nothing));
    }

    /// The answer to a request that is a question about the node's state.
    pub(super) fn answer(&mut self, by: NodeId, request: &[u8]) -> Option<Vec<u8>> {
        if let Some(answer) = self.answer_of_swarm(by, request) {
            return Some(answer);
        }
        let node = self.node.upgrade()?;
        let of_waits = || {
            let place = circle::Place {
                node: &node,
                cluster: &self.cluster,
                claims: &self.claims,
                taken: &self.taken,
                flows: &self.flows,
                holder: &|lease| self.machine.holder(lease),
            };
            circle::serve(&place, request)
        };
        survey::serve(&node, &self.claims, request).or_else(of_waits)
    }

    /// Does what the brain wants done.
    fn act(&mut self, road: &mut dyn Road) {
        while let Some(action) = self.machine.action() {
            self.perform(action, road);
        }
        // What nobody has taken is dropped, and its owner told.
        let fresh = std::mem::take(&mut self.fresh);
        quietly(|| drop(fresh));
        if self.cluster.is_draining() {
            self.cluster.set_owed(self.owed());
        }
    }

    fn perform(&mut self, action: Action, road: &mut dyn Road) {
        match action {
            Action::Send(to, packet) => road.send(to, packet),
            Action::Connect(to, addresses) => road.connect(to, &addresses),
            Action::Disconnect(from) if self.machine.is_dead(from) => road.fence(from),
            Action::Disconnect(from) => {
                road.disconnect(from);
                self.unreached(from, road); // nobody else says so
            }
            Action::Joined(member) => {
                let mut members = self.cluster.members.lock();
                if members.iter().all(|known| known.node != member.node) {
                    members.push(member);
                }
                drop(members);
                self.cluster.look_near();
            }
            Action::Gone { node, why } => self.gone(node, &why, road),
            Action::Alone { why } => self.alone(&why),
            other => {
                let Some(node) = self.node.upgrade() else { return };
                self.perform_on(&node, other, road);
            }
        }
    }

    fn perform_on(&mut self, node: &Arc<Node>, action: Action, road: &mut dyn Road) {
        match action {
            Action::Hold { object, generation } => {
                let reference = match object.node == self.cluster.me {
                    true => self.claims.get(&object).cloned(),
                    false => Some(self.hold(node, object, generation)),
                };
                if let Some(reference) = reference {
                    self.fresh.insert(object, reference);
                }
            }
            Action::Let(object) => self.let_go(object),
            Action::Cancel(object) => self.cancel_claimed(node, object),
            Action::Want(object) => {
                self.claims.get(&object).into_iter().for_each(RawRef::want);
            }
            Action::Watch(object) => self.watch(object),
            Action::Fill { object, outcome } => self.fill(object, outcome, road),
            Action::Run { lease, want, spec, refs } => {
                self.run(node, lease, &want, &spec, &refs, road);
            }
            Action::Item { lease, item } => self.item(node, lease, item),
            Action::Credit { lease, items } => {
                if let Some(flow) = self.flows.get(&lease) {
                    flow.credit(items);
                }
            }
            Action::Stop { lease } => {
                if let Some(flow) = self.flows.remove(&lease) {
                    flow.stop();
                    // The brain is told that it has ended, as of any other.
                    self.cluster.post(Post::Ran { lease, results: Vec::new() });
                }
                if let Some(task) = self.taken.remove(&lease) {
                    node.cancel(&task);
                }
                if let Some(actor) = self.making.remove(&lease) {
                    quietly(|| drop((node.obey(&actor, Order::Kill), actor)));
                }
            }
            Action::Keep(offer) => {
                if let Some(Away { task, .. }) = self.take_away(offer.lease) {
                    let way = task.mailbox.clone();
                    if !way.is_some_and(|way| way.stays(node, &task)) {
                        node.come_back(&task, Place::Here);
                    }
                }
            }
            Action::Settle { lease, by, results } => self.settle(node, lease, by, results, road),
            Action::TurnedDown { lease, why, .. } => self.turned_down(node, lease, &why),
            Action::Lost { lease, by, why } => self.lost(node, lease, by, &why),
            Action::Infeasible { lease, want } => self.infeasible(node, lease, &want),
            Action::Give { to, count } => self.give(node, to, count),
            Action::Unpark(lease) => drop(self.parked.remove(&lease)),
            Action::Reserve { group, attempt, bundle, want } => {
                node.reserve(group, attempt, bundle, want);
            }
            Action::Unreserve { group, attempt } => node.unreserve(group, attempt),
            Action::GroupLies { group, known } => node.group_lies(group, known),
            Action::GroupEnded { group, why } => node.group_ended(group, &why),
            Action::Send(..)
            | Action::Connect(..)
            | Action::Disconnect(_)
            | Action::Joined(_)
            | Action::Gone { .. }
            | Action::Alone { .. } => {}
        }
    }

    /// Nobody will ever run an own task.
    fn infeasible(&mut self, node: &Arc<Node>, lease: LeaseId, want: &Resources) {
        let Some(away) = self.take_away(lease) else { return };
        let text = match away.task.options().strategy {
            Strategy::Group { group, .. } => format!(
                "asks for a bundle of {group}, and there is no such placement group, or not any more"
            ),
            _ => format!("asks for {want}, and no node of the cluster has that"),
        };
        let error = away.task.error(ErrorKind::Unschedulable, text);
        node.settle_away(&away.task, Err(error));
    }

    /// Begins what another node wants run.
    fn run(
        &mut self,
        node: &Arc<Node>,
        lease: LeaseId,
        want: &Resources,
        spec: &[u8],
        refs: &[ObjectId],
        road: &mut dyn Road,
    ) {
        let refs = self.burden.take(lease, spec.len()).and_then(|()| self.arrived(refs));
        let called = refs.and_then(|refs| pack::read_call(spec, &refs, want, lease.task.node));
        let called = match called {
            Ok(called) => called,
            Err(error) => {
                self.burden.end(lease);
                let why = told::write(&error).map(|sealed| Arc::from(sealed.bytes()));
                let why = why.unwrap_or_else(|_| Arc::from([]));
                return self.happened(Event::Refused { lease, why }, road);
            }
        };
        // The word of a placement group may be under way here, or that of its end at the owner's.
        let unheard = !node.pool.budget().knows(want);
        if (unheard || self.cluster.is_draining()) && called.may_move() {
            // Nothing is wrong with it: its owner has it run elsewhere.
            self.burden.end(lease);
            return self.happened(Event::Refused { lease, why: Arc::from([]) }, road);
        }
        self.lie_apart(lease.task.node, &called);
        let task = match node.arrive(&self.cluster, lease, called) {
            Arrived::Task(task) => task,
            Arrived::Actor(actor) => return drop(self.making.insert(lease, actor)),
            Arrived::Stream(stream) => {
                if let Some(flow) = Flow::of(&self.cluster, lease, stream) {
                    self.flows.insert(lease, Arc::clone(&flow));
                    flow.wake();
                }
                return;
            }
            Arrived::Word => return,
        };
        if task.pipe().is_some() {
            let flow = Flow::new(&self.cluster, lease, &task);
            self.flows.insert(lease, Arc::clone(&flow));
            flow.wake();
        }
        self.taken.insert(lease, task);
    }

    fn hold(&self, node: &Arc<Node>, object: ObjectId, generation: u64) -> RawRef {
        let reference = self.cluster.hold(node, object, generation);
        if self.machine.is_dead(object.node) {
            reference.seal(Err(owner_died(object, "it was declared dead")));
        }
        reference
    }

    fn let_go(&mut self, object: ObjectId) {
        self.exports.remove(&object);
        self.swarms.remove(&object);
        if let Some(reference) = self.claims.remove(&object) {
            self.aliases.remove(&reference.address());
            quietly(|| drop(reference));
        }
    }

    /// Has the hands told when an object is there that others wait for.
    fn watch(&self, object: ObjectId) {
        if object.is_actor() || object.is_stream() {
            return; // it is there, and has no value
        }
        if let Some(reference) = self.claims.get(&object) {
            super::arrive::watch(&self.cluster, object, reference);
        }
    }

    /// A value that has come, with its references.
    pub(super) fn value(&self, bytes: &[u8], refs: &[ObjectId]) -> Result<Value> {
        Ok(Value::Sealed(Arc::new(Sealed::from_parts(bytes, self.arrived(refs)?))))
    }

    pub(super) fn arrived(&self, refs: &[ObjectId]) -> Result<Vec<RawRef>> {
        let missing = || Error::new(ErrorKind::Encoding, "a reference in a value has not come");
        refs.iter().map(|object| self.fresh.get(object).cloned().ok_or_else(missing)).collect()
    }

    pub(super) fn error(&self, bytes: &[u8], refs: &[ObjectId]) -> Error {
        match self.arrived(refs) {
            Ok(refs) => told::read(bytes, refs),
            Err(error) => error,
        }
    }
}
