//! Actors that the cluster has placed: their handles belong to the node that has made them, their
//! state is wherever there was room for it. Calls that come before that is known wait here; when
//! the node that has the actor is lost, it is made again elsewhere as often as it may.

use super::berth::{At, Berth, Waits};
use super::claim::Claim;
use super::cluster::{Cluster, Foreign, Place, Post};
use super::far;
use super::forward::{answer, forward, handle, handle_in};
use super::mailbox::{acting, caller};
use super::order::{Order, WORD};
use super::pack::To;
use super::plan::Plan;
use super::post::wish;
use super::question::{Name, name_of};
use super::task::{Mailbox, Task};
use super::{Node, slots, submit};
use crate::actor::options::ActorOptions;
use crate::base::quiet::quietly;
use crate::base::{ActorId, NodeId, ObjectId, Strategy, TaskId};
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::raw::{Holder, RawRef, Stage};
use crate::object::slot::{Slot, Watched};
use crate::object::value::Value;
use crate::task::arg::Inputs;
use crate::task::call::{Results, Returns};
use crate::task::function::Function;
use crate::task::options::{Options, WhenFull};
use parking_lot::Mutex;
use std::any::Any;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};

/// What stands behind the handles of one such actor.
pub(crate) struct Placed {
    slot: Slot,
    pub(super) this: Weak<Placed>,
    node: Weak<Node>,
    constructor: &'static Function,
    pub(super) options: ActorOptions,
    /// The head has it made, and keeps it.
    pub(super) by_head: bool,
    pub(super) berth: Mutex<Berth>,
}

impl Holder for Placed {
    fn place(&self) -> &dyn Any {
        &self.slot
    }
    fn stage(&self) -> Stage {
        self.slot.stage()
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        let why = Error::new(ErrorKind::ActorDied, "nobody has a handle any more");
        let Some((at, waiting, inputs)) = self.berth.get_mut().end(&why, None) else { return };
        if let Some(node) = self.node.upgrade() {
            node.actors.bury(self.last_row(&at, &why));
            at.errand().iter().for_each(|task| {
                node.cancel(task);
            });
            node.actors.release(&node, self);
        }
        quietly(|| drop((at, waiting, inputs)));
    }
}

impl Placed {
    /// An actor of `node` that is to be made somewhere.
    pub(super) fn new(
        node: &Arc<Node>,
        constructor: &'static Function,
        options: ActorOptions,
        inputs: Inputs,
        by_head: bool,
    ) -> Arc<Placed> {
        let task = TaskId { node: node.id, sequence: crate::base::id::next_sequence() };
        let berth = Mutex::new(Berth::new(&options, inputs));
        Arc::new_cyclic(|this| Placed {
            slot: Slot::new(task.result(ObjectId::ACTOR), node.ledger),
            this: Weak::clone(this),
            node: Arc::downgrade(node),
            constructor,
            options,
            by_head,
            berth,
        })
    }

    pub(crate) fn id(&self) -> ActorId {
        far::actor_of(self.slot.id())
    }

    pub(super) fn type_name(&self) -> &'static str {
        (self.constructor.path)()
    }

    /// The name that it has here.
    pub(super) fn name(&self) -> Option<Name> {
        name_of(&self.options).filter(|_| !self.by_head)
    }

    /// What its handles hold, without holding it.
    pub(super) fn weak(&self) -> Weak<dyn Holder> {
        Weak::clone(&self.this) as Weak<dyn Holder>
    }

    /// Whether it lives without handles.
    pub(super) fn is_kept(&self) -> bool {
        self.options.detached && !self.by_head
    }

    fn label(&self) -> String {
        match &self.options.name {
            Some(name) => format!("actor `{name}` ({}, {})", self.type_name(), self.id()),
            None => format!("actor `{}` ({})", self.type_name(), self.id()),
        }
    }

    pub(super) fn died(&self, why: &str) -> Error {
        Error::new(ErrorKind::ActorDied, format!("{} {why}", self.label()))
    }

    /// How often it was made again.
    pub(super) fn restarts(&self) -> u64 {
        self.berth.lock().restarts.total()
    }

    pub(super) fn is_ended(&self) -> bool {
        self.berth.lock().is_ended()
    }

    /// The handle of the actor itself, if that is on this node and nothing waits here.
    pub(super) fn here(&self) -> Option<RawRef> {
        let there = self.there()?;
        there.peek::<Claim>().is_some().then_some(there)
    }

    /// The handle that other nodes may have in the place of this one: the actor's own, which spares
    /// their calls the way by this node, if the actor stays where it is.
    pub(super) fn direct(&self) -> Option<RawRef> {
        if self.options.max_restarts > 0 { self.here() } else { self.there() }
    }

    pub(super) fn there(&self) -> Option<RawRef> {
        self.berth.lock().there()
    }

    /// Has it made, the first time or again.
    pub(super) fn make(self: &Arc<Placed>, node: &Arc<Node>) {
        let inputs = {
            // Where there is no next time nothing is kept for it.
            let comes_back = self.options.max_restarts > 0 && !self.by_head;
            let kept = &mut self.berth.lock().inputs;
            if comes_back { kept.clone() } else { std::mem::take(kept) }
        };
        let mut options = Options::of_actor(&self.options);
        if self.by_head {
            options.strategy = Strategy::Default; // the head sees to it
        }
        options.name = Some(format!("{}::{}", self.type_name(), self.constructor.name).into());
        let mailbox = Arc::new(Creation(Weak::clone(&self.this), self.id())) as Arc<dyn Mailbox>;
        let task = submit::by_itself(node, &WORD, Some(Box::new(options)), inputs, mailbox);
        if let At::Nowhere(creation) = &mut self.berth.lock().at {
            *creation = Some(Arc::clone(&task));
        }
        node.await_arguments(&task);
        Arc::new(Arrival { placed: Weak::clone(&self.this), creation: task }).wake();
    }

    /// How the node that gets it makes it.
    fn plan(&self) -> Plan {
        let made = self.restarts();
        let mut options = self.options.clone();
        options.max_restarts = match self.options.restart_window {
            None => options.max_restarts.saturating_sub(u32::try_from(made).unwrap_or(u32::MAX)),
            Some(_) => options.max_restarts,
        };
        (options.known_as, options.lost_before) = (Some(self.id()), made);
        Plan { constructor: self.constructor, options, by_head: self.by_head }
    }

    /// Takes a call in.
    pub(super) fn take_in(
        self: &Arc<Placed>,
        node: &Arc<Node>,
        task: &Arc<Task>,
        order: Option<Order>,
    ) -> Result<()> {
        loop {
            let actor = {
                let mut berth = self.berth.lock();
                match &berth.at {
                    At::Ended(why, stillborn) => {
                        let ready = stillborn.as_ref().filter(|_| order == Some(Order::Ready));
                        return Err(ready.unwrap_or(why).clone());
                    }
                    At::There(actor, _) => actor.clone(),
                    At::Nowhere(_) if berth.stopping && order.is_none() => {
                        return Err(self.died("is stopping"));
                    }
                    At::Nowhere(_) => {
                        let full = berth.waiting.len() >= self.options.max_pending as usize;
                        if full && order.is_none() && task.options().when_full == WhenFull::Fail {
                            let text = format!(
                                "{} has {} calls waiting, its limit",
                                self.label(),
                                berth.waiting.len()
                            );
                            return Err(Error::new(ErrorKind::PendingCallsLimit, text));
                        }
                        let task = Arc::clone(task);
                        berth.waiting.push_back(Waits { task, order, caller: caller() });
                        return Ok(());
                    }
                }
            };
            match forward(node, &actor, task, order) {
                Ok(()) => return Ok(()),
                Err(gone) => self.fall(node, actor.id(), gone.message()),
            }
        }
    }

    /// It was made, there, or could not be.
    fn arrived_at(
        self: &Arc<Placed>,
        node: &Arc<Node>,
        creation: &Arc<Task>,
        made: Result<RawRef>,
    ) {
        let current = |berth: &Berth| berth.is_made_by(creation);
        let actor = match made {
            Ok(actor) => actor,
            Err(error) => {
                if current(&self.berth.lock()) {
                    let why = self.died(&format!("could not start: {error}"));
                    self.end(node, why, Some(error));
                }
                return;
            }
        };
        let ended = match actor.peek::<Claim>() {
            Some(claim) => claim.cell().ended(|| slots::open(node.id)),
            None => match actor.holder::<Foreign>() {
                Some(there) => RawRef(far::order(node, &there, Order::Ended) as Arc<dyn Holder>),
                None => return,
            },
        };
        loop {
            let next = {
                let mut berth = self.berth.lock();
                if !current(&berth) {
                    return;
                }
                berth.next(&actor, &ended)
            };
            let Some(waits) = next else { break };
            if waits.task.is_settled() {
                continue; // it was cancelled while it waited
            }
            let Waits { task, order, caller } = waits;
            let forwarded = acting(caller, || forward(node, &actor, &task, order));
            if let Err(gone) = forwarded {
                self.berth.lock().waiting.push_front(Waits { task, order, caller });
                return self.again(node, gone.message(), current);
            }
        }
        let placed = Weak::clone(&self.this);
        Arc::new(Over { placed, actor: actor.id(), ended }).wake();
    }

    /// The node that had it is gone.
    fn fall(self: &Arc<Placed>, node: &Arc<Node>, actor: ObjectId, why: &str) {
        self.again(node, why, |berth| berth.is_there(actor));
    }

    /// It is made again, if it may be and `current` says that nobody else has seen to it.
    fn again(self: &Arc<Placed>, node: &Arc<Node>, why: &str, current: impl Fn(&Berth) -> bool) {
        let alone = node.is_closed() || node.cluster.get().is_none_or(|c| c.lost().is_some());
        let (before, again) = {
            let mut berth = self.berth.lock();
            if !current(&berth) {
                return;
            }
            berth.lose(node.since_start(), !alone && !self.by_head)
        };
        quietly(|| drop(before));
        if again {
            tracing::warn!(actor = self.label(), why, "is made again elsewhere");
            return self.make(node);
        }
        self.end(node, self.died(&format!("is lost: {why}")), None);
    }

    /// It has ended for good.
    pub(super) fn end(
        self: &Arc<Placed>,
        node: &Arc<Node>,
        why: Error,
        stillborn: Option<Error>,
    ) -> bool {
        let ended = self.berth.lock().end(&why, stillborn.as_ref());
        let Some((at, waiting, inputs)) = ended else { return false };
        node.actors.bury(self.last_row(&at, &why));
        node.actors.release(node, self);
        for waits in waiting {
            match waits.order {
                // It is what was asked.
                Some(Order::Ended) => {
                    answer(node, &waits.task, Ok(Value::new(why.message().to_owned())));
                }
                order => {
                    let ready = stillborn.as_ref().filter(|_| order == Some(Order::Ready));
                    let error = ready.unwrap_or(&why).clone();
                    node.abort(&waits.task, error.in_task(waits.task.name(), waits.task.id()));
                }
            }
        }
        at.errand().iter().for_each(|task| {
            node.cancel(task);
        });
        quietly(|| drop((at, inputs)));
        true
    }

    /// Its node is closed.
    pub(super) fn close(self: &Arc<Placed>, node: &Arc<Node>) {
        self.end(node, self.died("ended: its node was closed"), None);
    }

    /// A call that its node's end has broken off: it comes again, in its old place, or fails.
    pub(super) fn comes_back(
        self: &Arc<Placed>,
        node: &Arc<Node>,
        task: &Arc<Task>,
        order: Option<Order>,
        lost: (NodeId, &str),
    ) {
        let (by, why) = lost;
        let there = self.there().filter(|there| there.id().node == by);
        if let Some(actor) = there {
            self.fall(node, actor.id(), why);
        }
        let lasting = matches!(order, Some(Order::Ready | Order::Ended));
        let again = lasting || order.is_none() && task.outlives_crash();
        if !again {
            let kind = match self.is_ended() {
                true => ErrorKind::ActorDied,
                false => ErrorKind::ActorUnavailable,
            };
            let text = format!("{by}, which had {}, is gone: {why}", self.label());
            return node.settle_away(task, Err(task.error(kind, text)));
        }
        task.attempt.fetch_add(1, Ordering::AcqRel);
        if !task.rest() {
            return node.count_finished(); // whoever aborted it has settled it
        }
        {
            let mut berth = self.berth.lock();
            if let At::Nowhere(_) = berth.at {
                let task = Arc::clone(task);
                return berth.wait_again(Waits { task, order, caller: caller() });
            }
        }
        let way = task.mailbox.clone();
        if let Some(Err(error)) = way.map(|way| way.post(node, task, true))
            && task.give_up()
        {
            node.finish_unrun(task, error.in_task(task.name(), task.id()));
        }
    }
}

/// How often an actor is to be made once more whose node has died over it: as often as a task is
/// tried again that says nothing.
const CREATIONS_LOST_MAX: u32 = 3;

/// The way of the word that an actor is to be made.
struct Creation(Weak<Placed>, ActorId);

impl Creation {
    fn offer(&self, node: &Arc<Node>, task: &Arc<Task>) -> Option<()> {
        let placed = self.0.upgrade()?;
        let cluster: &Arc<Cluster> = node.cluster.get()?;
        let lease = node.send_to(cluster, task, &To::Create(Box::new(placed.plan())))?;
        cluster.post(match placed.by_head {
            true => Post::Call { lease, home: cluster.head() },
            false => Post::Offer { lease, wish: wish(placed.options.strategy) },
        });
        Some(())
    }
}

impl Mailbox for Creation {
    fn actor(&self) -> ActorId {
        self.1
    }

    fn post(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, _: bool) -> Result<()> {
        self.offer(node, task);
        Ok(())
    }

    /// Its arguments are there: it is offered no sooner, since it takes room where it goes.
    fn arrived(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>) {
        self.offer(node, task);
    }

    fn lost(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, by: NodeId, why: &str) {
        let soft = self.0.upgrade().is_some_and(|placed| !placed.by_head);
        if !soft {
            let text = format!("{by}, which was to make it, is gone: {why}");
            return node.settle_away(task, Err(task.error(ErrorKind::NodeDied, text)));
        }
        // What ends the processes that make it is not tried for ever.
        if task.attempt.fetch_add(1, Ordering::AcqRel) >= CREATIONS_LOST_MAX {
            let text = format!("each of several nodes that were to make it is gone, {by} the last");
            return node.settle_away(task, Err(task.error(ErrorKind::NodeDied, text)));
        }
        node.come_back(task, Place::Anywhere);
    }

    fn may_move(&self) -> bool {
        true
    }

    fn stays(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>) -> bool {
        if let Some(placed) = self.0.upgrade() {
            let made = node.make_for(placed.plan(), task.inputs().clone());
            let value = made.map(|actor| Returns(Results::One(handle(actor))));
            node.settle_away(task, value);
        }
        true
    }
}

/// Waits until the actor was made.
struct Arrival {
    placed: Weak<Placed>,
    creation: Arc<Task>,
}

impl Wake for Arrival {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        let reference = RawRef(Arc::clone(&self.creation) as Arc<dyn Holder>);
        if reference.watch(&waker) != Watched::Ready {
            return;
        }
        let Some(placed) = self.placed.upgrade() else { return };
        let Some(node) = placed.node.upgrade() else { return };
        let made = match reference.outcome() {
            Some(Ok(payload)) => handle_in(payload.value()),
            Some(Err(error)) => Err(error.clone()),
            None => return,
        };
        placed.arrived_at(&node, &self.creation, made);
    }
}

/// Waits until the actor has ended.
struct Over {
    placed: Weak<Placed>,
    /// Not the handle, which would keep it alive.
    actor: ObjectId,
    ended: RawRef,
}

impl Wake for Over {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        if self.ended.watch(&waker) != Watched::Ready {
            return;
        }
        let Some(placed) = self.placed.upgrade() else { return };
        let Some(node) = placed.node.upgrade() else { return };
        match self.ended.outcome() {
            Some(Ok(payload)) => {
                let why = payload.get::<String>().unwrap_or_else(|_| "has ended".to_owned());
                placed.end(&node, Error::new(ErrorKind::ActorDied, why), None);
            }
            Some(Err(error)) => placed.fall(&node, self.actor, error.message()),
            None => {}
        }
    }
}
