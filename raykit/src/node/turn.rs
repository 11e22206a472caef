//! An actor's turn: a worker takes some calls out of the inbox and runs them; async methods go to
//! the runtime and come back when they have ended.

use super::cell::{Cell, Core};
use super::flight::{Lender, Lent};
use super::task::Task;
use super::{Node, current};
use crate::actor::inbox::{Kind, Need};
use crate::actor::state::Life;
use crate::base::limits::{ACTOR_TURN_CALLS, SLICE_US};
use crate::base::quiet::quietly;
use crate::object::error::{Error, ErrorKind};
use crate::sched::{Job, LaneId};
use crate::task::call::Returns;
use crate::task::function::Body;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

impl Cell {
    /// Sees that a turn, which is counted already, is taken.
    pub(super) fn schedule(self: &Arc<Cell>, node: &Arc<Node>) {
        if self.core.lock().inbox.first().is_some_and(|first| first.call.is_async()) {
            let cell = Arc::clone(self);
            return match node.is_own_runtime_thread() {
                // Whoever made the call may be about to await it.
                true => node.spawn_turn(move |node| cell.turn(node, false)),
                false => self.turn(node, false),
            };
        }
        // One that holds CPUs of its own runs on these.
        match self.options.num_cpus > 0.0 {
            true => node.pool.push_granted(Arc::clone(self) as Arc<dyn Job>),
            false => node.pool.push(Arc::clone(self) as Arc<dyn Job>, None),
        }
    }

    /// Queues a turn if there is something to do, be it only to end.
    pub(super) fn go_on(self: &Arc<Cell>, node: &Arc<Node>) {
        self.change(node, |_| ());
    }

    /// Calls `change` under the lock, and sees that what can run because of it does.
    pub(super) fn change(self: &Arc<Cell>, node: &Arc<Node>, change: impl FnOnce(&mut Core)) {
        let turn = {
            let mut core = self.core.lock();
            change(&mut core);
            let ends = core.should_end();
            core.queued += u32::from(ends);
            ends || core.wants_turn(self.turns_max)
        };
        if turn {
            self.schedule(node);
        }
    }

    /// One turn: some calls, until there is none that could run or others should have their turn. A
    /// thread that is not a worker on its own turn only starts async methods: no method of the
    /// user's runs there.
    fn turn(self: &Arc<Cell>, node: &Arc<Node>, on_worker: bool) {
        let until = Instant::now() + Duration::from_micros(SLICE_US);
        let mut batch: Vec<Arc<Task>> = Vec::new();
        let generation = {
            let mut core = self.core.lock();
            (core.queued, core.active) = (core.queued - 1, core.active + 1);
            core.generation
        };
        loop {
            let mut core = self.core.lock();
            if core.generation != generation {
                return; // the life in which this turn began is over
            }
            let sync = core.inbox.first().is_some_and(|first| !first.call.is_async());
            let late = Instant::now() >= until;
            if (late || (sync && !on_worker)) && core.is_alive() && core.inbox.could_start() {
                (core.queued, core.active) = (core.queued + 1, core.active - 1);
                drop(core);
                return match late && self.options.num_cpus == 0.0 {
                    true => node.pool.push_behind(Arc::clone(self) as Arc<dyn Job>),
                    false => self.schedule(node),
                };
            }
            let mail = match core.is_alive() && !node.is_closed() {
                true => core.inbox.start(),
                false => None,
            };
            let (Some(mail), Some(life)) = (mail, core.life.clone()) else {
                core.active -= 1;
                let ends = core.should_end();
                drop(core);
                if ends {
                    self.end_in_good_order(node);
                }
                return;
            };
            batch.push(mail.call);
            if batch[0].function.body.is_exclusive_sync() {
                self.take_followers(&mut core, &mut batch);
            }
            core.running.extend(batch.iter().cloned());
            let more = core.wants_turn(self.turns_max);
            drop(core);
            if more {
                self.schedule(node);
            }
            self.tell_of_room();
            self.run_batch(node, &life, mail.kind, &batch);
            quietly(|| batch.clear());
        }
    }

    fn take_followers(&self, core: &mut Core, batch: &mut Vec<Arc<Task>>) {
        let fits = |call: &Arc<Task>| call.function.body.is_exclusive_sync();
        while batch.len() < ACTOR_TURN_CALLS
            && let Some(next) = core.inbox.follow(fits)
        {
            batch.push(next);
        }
    }

    /// Runs calls that were taken out together: several exclusive ones, or one of another kind.
    fn run_batch(
        self: &Arc<Cell>,
        node: &Arc<Node>,
        life: &Arc<Life>,
        kind: Kind,
        batch: &[Arc<Task>],
    ) {
        if let [task] = batch
            && task.is_async()
        {
            return self.run_async(node, life, kind, task);
        }
        for task in batch {
            self.run_sync(node, life, task);
        }
        let mut core = self.core.lock();
        core.finish(life, kind, batch);
    }

    pub(super) fn run_sync(self: &Arc<Cell>, node: &Arc<Node>, life: &Arc<Life>, task: &Arc<Task>) {
        // After a crash the rest of a turn stands in line again, for the next life.
        if life.is_over() || !task.claim() {
            return;
        }
        if life.is_over() {
            let text = format!("{} starts again; the call was not begun", self.label());
            let error = task.error(ErrorKind::ActorUnavailable, text);
            return node.settle(task, Err(error));
        }
        let body = task.function.body;
        let attempt = task.attempt.load(Ordering::Acquire);
        let result = node.run_body(task, |call| match body {
            Body::Exclusive(body) => body(&mut life.exclusive()?, call),
            Body::Shared(body) => body(&life.shared()?, call),
            _ => Err(Error::new(ErrorKind::Config, "this is no method of an actor")),
        });
        if self.is_superseded(life, task, attempt) {
            return quietly(|| drop(result));
        }
        if let Some(error) = result.as_ref().err().filter(|error| error.is_panic()) {
            self.crash(node, Some(life), Some(task), error); // the state may be half changed
        }
        let result = Cell::changed(self, node, life, task, result);
        node.after_attempt(Arc::clone(task), result);
    }

    pub(super) fn run_async(
        self: &Arc<Cell>,
        node: &Arc<Node>,
        life: &Arc<Life>,
        kind: Kind,
        task: &Arc<Task>,
    ) {
        self.lend(node, life, kind, task, |lent| {
            node.run_async(Arc::clone(task), None, Some(lent));
        });
    }

    /// Lends the state to an async method that `run` begins.
    pub(super) fn lend(
        self: &Arc<Cell>,
        node: &Arc<Node>,
        life: &Arc<Life>,
        kind: Kind,
        task: &Arc<Task>,
        run: impl FnOnce(Lent),
    ) {
        let access = match kind.need {
            Need::Shared => life.shared(),
            Need::Exclusive => life.exclusive(),
        };
        match access {
            Ok(access) => {
                let cell = Arc::clone(self) as Arc<dyn Lender>;
                run(Lent { access, life: Arc::clone(life), cell });
            }
            Err(error) => {
                node.abort(task, error);
                Arc::clone(self).back(node, life, task);
            }
        }
    }
}

impl Lender for Cell {
    fn changed(
        &self,
        node: &Node,
        life: &Arc<Life>,
        task: &Task,
        result: Result<Returns, Error>,
    ) -> Result<Returns, Error> {
        Cell::changed(self, node, life, task, result)
    }

    fn is_superseded(&self, life: &Arc<Life>, task: &Arc<Task>, attempt: u32) -> bool {
        Cell::is_superseded(self, life, task, attempt)
    }

    fn crashed(
        self: Arc<Self>,
        node: &Arc<Node>,
        life: &Arc<Life>,
        task: &Arc<Task>,
        error: &Error,
    ) {
        self.crash(node, Some(life), Some(task), error);
    }

    fn back(self: Arc<Self>, node: &Arc<Node>, life: &Arc<Life>, task: &Arc<Task>) {
        let kind = self.kind(task);
        self.change(node, |core| core.finish(life, kind, std::slice::from_ref(task)));
    }
}

impl Job for Cell {
    fn run(self: Arc<Self>) {
        quietly(|| {
            let _ = current::with_node(|node| self.turn(node, true));
        });
    }

    /// The node is closed: it ends all its actors itself.
    fn abandon(&self) {}

    fn lane(&self) -> LaneId {
        self.lane
    }

    fn label(&self) -> String {
        Cell::label(self)
    }
}
