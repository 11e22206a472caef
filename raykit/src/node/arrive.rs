//! Tasks that leave, come back, and arrive from elsewhere.

use super::Node;
use super::actors::Claim;
use super::cluster::{Away, Cluster, Post};
use super::far::Order;
use super::pack::{self, Called, To, Wanted};
use super::submit::NewTask;
use super::task::{Mailbox, State, Task};
use super::{checkpoint, slots};
use crate::actor::inbox::Caller;
use crate::base::ObjectId;
use crate::base::limits::LEAVING_BYTES_MAX;
use crate::object::error::{Error, ErrorKind};
use crate::object::raw::RawRef;
use crate::object::slot::Watched;
use crate::object::value::Value;
use crate::proto::event::Wish;
use crate::proto::wire::LeaseId;
use crate::sched::LaneId;
use crate::task::arg::Given;
use crate::task::call::Returns;
use crate::task::options::Strategy;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Wake, Waker};

/// Where a task goes that has come back.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Here,
    /// As if it were new.
    Anywhere,
}

impl Task {
    /// Whether another node could run it as well.
    pub(super) fn may_leave(&self) -> bool {
        let heavy = |inputs: &crate::task::arg::Inputs| {
            let bytes = inputs.as_slice().iter().map(|input| match &input.0 {
                Given::Value(value) => value.bytes(),
                Given::Ref(_) => 0,
            });
            bytes.sum::<usize>() > LEAVING_BYTES_MAX
        };
        self.plain
            && self.mailbox.is_none()
            && self.pipe().is_none()
            && !self.has_arrived()
            && self.options().strategy == Strategy::Default
            && !heavy(&self.inputs())
    }
}

impl Node {
    /// Whether a ready task should not, or cannot, run here.
    pub(super) fn sends_away(&self, task: &Task) -> bool {
        if self.cluster.get().is_none() || task.has_arrived() || !task.function.is_mobile() {
            return false;
        }
        let options = task.options();
        options.strategy != Strategy::Default
            || options
                .request()
                .is_ok_and(|want| want.lacking(self.pool.budget().total()).is_some())
    }

    /// Offers a ready task to the cluster.
    pub(super) fn offer(self: &Arc<Node>, cluster: &Arc<Cluster>, task: &Arc<Task>) {
        let wish = match task.options().strategy {
            Strategy::Spread => Wish::Spread,
            Strategy::Node { node, soft } => Wish::At { node, soft },
            Strategy::Default => Wish::Anywhere,
        };
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
        self.send_to(cluster, task, None)
    }

    /// The same, for an actor of another node.
    pub(super) fn send_to(
        self: &Arc<Node>,
        cluster: &Arc<Cluster>,
        task: &Arc<Task>,
        to: To,
    ) -> Option<LeaseId> {
        let attempt = task.claim_at(task.ticket())?;
        let lease = LeaseId { task: task.id(), attempt };
        let packed = cluster.lost().map_or_else(|| pack::call(self, task, &to), Err);
        let written = packed.and_then(|(spec, refs)| {
            let want = task.options().request()?;
            Ok(Away { lease, task: Arc::clone(task), want, spec, refs })
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
        self.after_attempt(Arc::clone(task), result);
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

    /// Does what another node wants done. The task, if it is one.
    pub(super) fn arrive(
        self: &Arc<Node>,
        cluster: &Arc<Cluster>,
        lease: LeaseId,
        wanted: Wanted,
    ) -> Option<Arc<Task>> {
        match wanted {
            Wanted::Call(called) => Some(self.arrive_call(cluster, lease, *called)),
            Wanted::Order(actor, order) => {
                let done = self.obey(&actor, order);
                Results::watch(cluster, lease, vec![done]);
                None
            }
        }
    }

    /// Does something to an actor. What is there when that is done.
    fn obey(self: &Arc<Node>, actor: &RawRef, order: Order) -> RawRef {
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
        let Called { function, options, inputs, deadline, attempt, method } = called;
        let (actor, caller) = match method {
            Some((actor, caller)) => (Some(actor), caller),
            None => (None, Caller::Far(lease.task.node, lease.task.sequence)),
        };
        let cell = actor.as_ref().and_then(|actor| actor.peek::<Claim>()).map(Claim::cell);
        let waits = inputs.references().any(|reference| !reference.is_ready());
        let referring = inputs.references().next().is_some();
        let priority = options.priority;
        let lane = match priority {
            Some(priority) => self.pool.lane_at(LaneId(0), priority).id,
            None => LaneId(0),
        };
        let new = NewTask {
            id: lease.task,
            ledger: self.ledger,
            lane,
            state: if referring { State::Waiting } else { State::Queued },
            node: waits.then(|| Arc::clone(self)),
            mailbox: cell.map(|cell| Arc::clone(cell) as Arc<dyn Mailbox>),
            deadline,
            arrived: Some(caller),
        };
        let task = new.make(function, Some(Box::new(options)), inputs);
        task.attempt.store(attempt, Ordering::Relaxed);
        self.counters.submitted.add(1);
        let refs = task.references();
        if task.pipe().is_none() {
            Results::watch(cluster, lease, refs);
        }
        if let Some(deadline) = deadline {
            self.timer.expire(self, &task, deadline, None);
        }
        if cell.is_some() {
            self.send(&task, waits);
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
            let packed = |reference: &RawRef| reference.outcome().map(pack::outcome);
            let results = self.refs.iter().filter_map(packed).collect();
            self.cluster.post(Post::Ran { lease: self.lease, results });
        }
    }
}

/// Posts what becomes of an object that other nodes wait for.
pub(super) fn watch(cluster: &Arc<Cluster>, object: ObjectId, reference: RawRef) {
    Arc::new(Seen { cluster: Arc::clone(cluster), object, reference }).wake();
}

struct Seen {
    cluster: Arc<Cluster>,
    object: ObjectId,
    reference: RawRef,
}

impl Wake for Seen {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        if self.reference.watch(&waker) == Watched::Ready
            && let Some(outcome) = self.reference.outcome()
        {
            let packed = pack::outcome(outcome);
            self.cluster.post(Post::Sealed { object: self.object, packed });
        }
    }
}
