//! Tasks that leave, come back, and arrive from elsewhere.

use super::Node;
use super::claim::Claim;
use super::cluster::{Away, Cluster, Place, Post};
use super::mailbox::acting;
use super::order::Order;
use super::pack::{self, Called, To, Wanted};
use super::placed::Placed;
use super::post::wish;
use super::stream::Tap;
use super::submit::NewTask;
use super::task::{Mailbox, State, Task};
use super::{checkpoint, elsewhere, forward, names, slots};
use crate::actor::inbox::Caller;
use crate::base::id::next_sequence;
use crate::base::limits::LEAVING_BYTES_MAX;
use crate::base::{ObjectId, Strategy, TaskId};
use crate::object::error::{Error, ErrorKind};
use crate::object::raw::{Holder, RawRef};
use crate::object::slot::Watched;
use crate::object::value::Value;
use crate::proto::event::{Offer, Wish};
use crate::proto::wire::LeaseId;
use crate::sched::LaneId;
use crate::task::arg::Given;
use crate::task::call::Returns;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};

impl Task {
    /// Whether another node could run it as well.
    pub(super) fn may_leave(&self) -> bool {
        let heavy = |inputs: &crate::task::arg::Inputs| {
            let bytes = inputs.as_slice().iter().map(|input| match &input.0 {
                Given::Value(value) => value.bytes(),
                Given::Ref(reference) => carried(reference),
            });
            bytes.sum::<usize>() > LEAVING_BYTES_MAX
        };
        self.plain
            && self.mailbox.is_none()
            && self.pipe().is_none()
            && !self.has_arrived()
            && self.options().strategy == Strategy::Default
            && self.options().labels.is_empty()
            && !heavy(&self.inputs())
    }
}

/// What a task that leaves carries of an object: of one that many refer to a part, since a node
/// fetches it once for all of them.
fn carried(reference: &RawRef) -> usize {
    let bytes = match reference.outcome() {
        Some(Ok(payload)) => payload.value().bytes(),
        _ => 0,
    };
    bytes / Arc::strong_count(&reference.0).max(1)
}

/// What has come from another node to be done here.
pub(super) enum Arrived {
    Task(Arc<Task>),
    /// An actor that is being made.
    Actor(RawRef),
    /// A stream that the other node reads.
    Stream(RawRef),
    /// Something that is done at once, or goes on by itself.
    Word,
}

impl Node {
    /// Whether a ready task should not, or cannot, run here.
    pub(super) fn sends_away(&self, task: &Task) -> bool {
        if self.cluster.get().is_none() || task.has_arrived() || !task.function.is_mobile() {
            return false;
        }
        let options = task.options();
        options.strategy != Strategy::Default
            || !options.labels.is_empty()
            || options
                .request()
                .is_ok_and(|want| want.lacking(self.pool.budget().total()).is_some())
    }

    /// Offers a ready task to the cluster.
    pub(super) fn offer(self: &Arc<Node>, cluster: &Arc<Cluster>, task: &Arc<Task>) {
        let wish = wish(task.options().strategy);
        if let Some(lease) = self.send_away(cluster, task) {
            cluster.post(Post::Offer { lease, wish });
        }
    }

    /// Takes a queued task out of this node's hands and writes it down for another one.
    pub(super) fn send_away(
        self: &Arc<Node>,
        cluster: &Arc<Cluster>,
        task: &Arc<Task>,
    ) -> Option<LeaseId> {
        self.send_to(cluster, task, &To::Anyone)
    }

    /// The same, for whom it is.
    pub(super) fn send_to(
        self: &Arc<Node>,
        cluster: &Arc<Cluster>,
        task: &Arc<Task>,
        to: &To,
    ) -> Option<LeaseId> {
        let attempt = task.claim_at(task.ticket())?;
        self.write_away(cluster, task, attempt, to)
    }

    /// The same for one that was claimed.
    pub(super) fn write_away(
        self: &Arc<Node>,
        cluster: &Arc<Cluster>,
        task: &Arc<Task>,
        attempt: u32,
        to: &To,
    ) -> Option<LeaseId> {
        let lease = LeaseId { task: task.id(), attempt };
        let packed = cluster.lost().map_or_else(|| pack::call(self, task, to), Err);
        let written = packed.and_then(|(spec, refs)| {
            let (want, labels) = (task.options().request()?, task.options().needs()?);
            let (wish, holds) = (Wish::Anywhere, task.options().held);
            let offer = Offer { lease, want, wish, labels, holds, spec, refs: Vec::new() };
            Ok(Away { lease, task: Arc::clone(task), offer: Some(Box::new(offer)), refs })
        });
        match written {
            Ok(away) => {
                cluster.away.lock().insert(lease.task, away);
                // Cancelled before it stood in the table: nobody else will take it out.
                if task.is_settled() {
                    self.stop_away(task);
                }
                Some(lease)
            }
            Err(error) => {
                self.settle_away(task, Err(error.in_task(task.name(), task.id())));
                None
            }
        }
    }

    /// A task that was away, or was to be, is for this node to run or to offer again.
    pub(super) fn come_back(self: &Arc<Node>, task: &Arc<Task>, place: Place) {
        match task.rest() {
            true if task.lacks_arguments() => {
                self.await_again(task, matches!(place, Place::Anywhere));
            }
            true if task.make_ready() => match place {
                Place::Here => self.enqueue_here(Arc::clone(task), None),
                Place::Anywhere => self.enqueue(Arc::clone(task), None),
            },
            true => {}
            // Whoever aborted it has settled it.
            false => self.count_finished(),
        }
    }

    /// What became of a task elsewhere.
    pub(super) fn settle_away(self: &Arc<Node>, task: &Arc<Task>, result: Result<Returns, Error>) {
        self.conclude(Arc::clone(task), result, false);
    }

    /// A task that is away is not wanted any more.
    pub(super) fn stop_away(self: &Arc<Node>, task: &Arc<Task>) {
        let Some(cluster) = self.cluster.get() else { return };
        let away = cluster.away.lock().remove(&task.id());
        if let Some(away) = away {
            cluster.post(Post::Withdraw(away.lease));
            let error = task.error(crate::object::ErrorKind::Cancelled, "");
            self.settle(task, Err(error));
        }
    }

    /// Does what another node wants done.
    pub(super) fn arrive(
        self: &Arc<Node>,
        cluster: &Arc<Cluster>,
        lease: LeaseId,
        wanted: Wanted,
    ) -> Arrived {
        match wanted {
            Wanted::Call(called) => Arrived::Task(self.arrive_call(cluster, lease, *called)),
            Wanted::Order(actor, order) => {
                let done = self.obey(&actor, order);
                Results::watch(cluster, lease, vec![done]);
                Arrived::Word
            }
            Wanted::Read(stream) if stream.peek::<Tap>().is_some() => Arrived::Stream(stream),
            Wanted::Read(_) => {
                let none = Error::new(ErrorKind::Encoding, "it is no stream of this node");
                Results::watch(cluster, lease, vec![slots::failed(none)]);
                Arrived::Word
            }
            Wanted::Ask(question) => {
                let answer = names::answer(self, lease.task.node, &question);
                Results::watch(cluster, lease, vec![answer]);
                Arrived::Word
            }
            Wanted::Create(plan, inputs) => {
                let by_head = plan.by_head;
                match self.make_for(*plan, inputs) {
                    Ok(actor) => {
                        let handle = slots::value(self.id, forward::handle(actor.clone()));
                        // Until it has what it asks for it takes room here.
                        let ready = (!by_head).then(|| self.obey(&actor, Order::Ready));
                        Made::watch(cluster, lease, handle, ready);
                        Arrived::Actor(actor)
                    }
                    Err(error) => {
                        Results::watch(cluster, lease, vec![slots::failed(error)]);
                        Arrived::Word
                    }
                }
            }
        }
    }

    /// Does something to an actor. What is there when that is done.
    pub(super) fn obey(self: &Arc<Node>, actor: &RawRef, order: Order) -> RawRef {
        if let Some(done) = elsewhere::order(actor, order) {
            return done;
        }
        let Some(claim) = actor.peek::<Claim>() else {
            return slots::failed(Error::new(ErrorKind::ActorNotFound, "it is no actor"));
        };
        let (cell, open) = (claim.cell(), || slots::open(self.id));
        let told = |said: bool| slots::value(self.id, Value::new(said));
        match order {
            Order::Ready => cell.ready(open),
            Order::Ended => cell.ended(open),
            Order::Kill => told(cell.end(cell.died("was killed"))),
            Order::KillAndRestart => told(cell.kill_and_restart()),
            Order::Stop => told(cell.stop()),
            Order::Checkpoint => checkpoint::of(cell),
        }
    }

    /// Runs a call of another node. Its results are posted when they are there.
    fn arrive_call(
        self: &Arc<Node>,
        cluster: &Arc<Cluster>,
        lease: LeaseId,
        called: Called,
    ) -> Arc<Task> {
        let Called { function, options, inputs, deadline, attempt, method, .. } = called;
        let (actor, caller) = match method {
            Some((actor, caller)) => (Some(actor), caller),
            None => (None, Caller::Far(lease.task.node, lease.task.sequence)),
        };
        let here = actor.as_ref().and_then(|actor| actor.peek::<Claim>());
        let here = here.map(|claim| Arc::clone(claim.cell()) as Arc<dyn Mailbox>);
        // It may have been placed elsewhere: then the call goes on as one of this node's.
        let placed = actor.as_ref().and_then(|actor| actor.holder::<Placed>());
        let goes_on = placed.is_some();
        let mailbox = here.or_else(|| placed.map(|placed| placed as Arc<dyn Mailbox>));
        let reached = mailbox.is_some();
        let waits = inputs.references().any(|reference| !reference.is_ready());
        let referring = inputs.references().next().is_some();
        let priority = options.priority;
        let lane = match priority {
            Some(priority) => self.pool.lane_at(LaneId(0), priority).id,
            None => LaneId(0),
        };
        let new = NewTask {
            id: match goes_on {
                true => TaskId { node: self.id, sequence: next_sequence() },
                false => lease.task,
            },
            ledger: self.ledger,
            lane,
            state: if referring { State::Waiting } else { State::Queued },
            node: waits.then(|| Arc::clone(self)),
            mailbox,
            deadline,
            arrived: (!goes_on).then_some(caller),
        };
        let task = new.make(function, Some(Box::new(options)), inputs);
        task.attempt.store(attempt, Ordering::Relaxed);
        self.counters.submitted.add(1);
        #[cfg(feature = "cluster")]
        self.books.letters.called_by(lease.task.node);
        let refs = task.references();
        if task.pipe().is_none() {
            Results::watch(cluster, lease, refs);
        }
        if let Some(deadline) = deadline {
            self.timer.expire(self, &task, deadline, None);
        }
        if reached {
            acting(caller, || self.send(&task, waits));
        } else if actor.is_some() {
            let error = Error::new(ErrorKind::ActorNotFound, "it is no actor of this node");
            if task.give_up() {
                self.finish_unrun(&task, error);
            }
        } else if waits {
            self.await_arguments(&task);
        } else if referring {
            self.ready(Arc::clone(&task), None);
        } else {
            self.enqueue(Arc::clone(&task), None);
        }
        task
    }
}

/// Waits for the results of a task of another node.
struct Results {
    cluster: Arc<Cluster>,
    lease: LeaseId,
    refs: Vec<RawRef>,
}

impl Results {
    fn watch(cluster: &Arc<Cluster>, lease: LeaseId, refs: Vec<RawRef>) {
        Arc::new(Results { cluster: Arc::clone(cluster), lease, refs }).wake();
    }
}

impl Wake for Results {
    /// Goes on to the next result that is not there, and posts them when all are.
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        let open = self.refs.iter().any(|reference| reference.watch(&waker) == Watched::Kept);
        if !open {
            let lender = self.cluster.lender();
            let packed = |reference: &RawRef| {
                reference.outcome().map(|outcome| pack::outcome(outcome, lender))
            };
            let results = self.refs.iter().filter_map(packed).collect();
            self.cluster.post(Post::Ran { lease: self.lease, results });
        }
    }
}

/// Waits until an actor that another node wants has begun.
struct Made {
    results: Arc<Results>,
    ready: RawRef,
}

impl Made {
    fn watch(cluster: &Arc<Cluster>, lease: LeaseId, handle: RawRef, ready: Option<RawRef>) {
        let cluster = Arc::clone(cluster);
        let results = Arc::new(Results { cluster, lease, refs: vec![handle] });
        match ready {
            Some(ready) => Arc::new(Made { results, ready }).wake(),
            None => results.wake(),
        }
    }
}

impl Wake for Made {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        if self.ready.watch(&waker) == Watched::Ready {
            Arc::clone(&self.results).wake();
        }
    }
}

/// Posts what becomes of an object that other nodes wait for.
pub(super) fn watch(cluster: &Arc<Cluster>, object: ObjectId, reference: &RawRef) {
    let reference = Arc::downgrade(&reference.0);
    Arc::new(Seen { cluster: Arc::clone(cluster), object, reference }).wake();
}

struct Seen {
    cluster: Arc<Cluster>,
    object: ObjectId,
    /// Not kept by this: what is never wanted never wakes it.
    reference: Weak<dyn Holder>,
}

impl Wake for Seen {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        let Some(reference) = self.reference.upgrade().map(RawRef) else { return };
        if reference.observe(&waker) == Watched::Ready
            && let Some(outcome) = reference.outcome()
        {
            let packed = pack::outcome(outcome, self.cluster.lender());
            self.cluster.post(Post::Sealed { object: self.object, packed });
        }
    }
}
