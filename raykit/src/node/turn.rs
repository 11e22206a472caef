//! An actor's turn: a worker takes some calls out of the inbox and runs them; async methods go to
//! the runtime and come back when they have ended.

use super::cell::{Cell, LANE};
use super::core::{Core, Turn};
use super::flight::{Lender, Lent};
use super::task::Task;
use super::{Node, current};
use crate::actor::inbox::{Kind, Need};
use crate::actor::state::Life;
use crate::base::clock;
use crate::base::limits::{ACTOR_TURN_CALLS, SLICE_US};
use crate::base::quiet::quietly;
use crate::base::thread;
use crate::object::error::{Error, ErrorKind};
use crate::sched::desk::Work;
use crate::sched::{Job, LaneId};
use crate::task::call::Returns;
use crate::task::function::Body;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a turn that has nothing left to do looks for a call, and how long it pauses between.
const LINGER_LOOKS: u32 = 64;
const LINGER_PAUSES: u32 = 16;

/// A turn that is being taken.
struct Taking {
    generation: u32,
    until: Instant,
    on_worker: bool,
    /// What ran last were `&mut self` calls.
    solo: bool,
    /// What runs, and what ran before that.
    batch: Vec<Arc<Task>>,
    before: Vec<Arc<Task>>,
}

/// What comes next in a turn.
enum Step {
    /// The batch runs on this state, and another turn should be queued.
    Run(Arc<Life>, Kind, Option<Turn>),
    /// There is nothing at the moment.
    Linger,
    /// Others should have their turn before this actor has another one.
    Behind,
    /// Another thread has to take the turn.
    Again(Turn),
    /// The life has ended.
    Over,
    /// There is nothing to do.
    Rest { ends: bool },
}

impl Cell {
    /// Sees that a turn, which is counted already, is taken.
    pub(super) fn schedule(self: &Arc<Cell>, node: &Arc<Node>, turn: Turn) {
        if turn == Turn::OfFutures {
            return self.turn(node, false);
        }
        let turn = Arc::clone(self) as Arc<dyn Job>;
        // One that holds CPUs of its own runs on these.
        match (self.desk(), self.options.holds_cpu()) {
            (Some(desk), holds) => {
                let turn = if holds { Work::Held(turn) } else { Work::Charged(turn) };
                let _ = desk.bring(turn); // where it closes, the node ends the actor
            }
            (None, true) => node.pool.push_granted(turn),
            (None, false) => node.pool.push(turn, None),
        }
    }

    /// The same, when the actor has had its turn and others have not.
    fn schedule_behind(self: &Arc<Cell>, node: &Arc<Node>) {
        match self.options.pinned {
            true => self.schedule(node, Turn::OfThreads),
            false => node.pool.push_behind(Arc::clone(self) as Arc<dyn Job>),
        }
    }

    /// Queues a turn if there is something to do, be it only to end.
    pub(super) fn go_on(self: &Arc<Cell>, node: &Arc<Node>) {
        self.change(node, |_| ());
    }

    /// Calls `change` under the lock, and sees that what can run because of it does.
    pub(super) fn change(self: &Arc<Cell>, node: &Arc<Node>, change: impl FnOnce(&mut Core)) {
        let turn = {
            let mut core = self.enter();
            change(&mut core);
            core.turn_to_go_on(self.turns_max)
        };
        if let Some(turn) = turn {
            self.schedule(node, turn);
        }
    }

    /// One turn: some calls, until there is none that could run or others should have their turn. A
    /// thread that is not a worker on its own turn only starts async methods: no method of the
    /// user's runs there.
    fn turn(self: &Arc<Cell>, node: &Arc<Node>, on_worker: bool) {
        let mut taking = Taking {
            generation: self.begin_turn(),
            until: clock::now() + Duration::from_micros(SLICE_US),
            on_worker,
            solo: false,
            batch: Vec::new(),
            before: Vec::new(),
        };
        let mut ran: Option<(Arc<Life>, Kind)> = None;
        loop {
            // Goes after the lock: it may be the last that has the state.
            let done = ran.take();
            match self.next_step(node, &mut taking, done.as_ref()) {
                Step::Run(life, kind, turn) => {
                    if let Some(turn) = turn {
                        self.schedule(node, turn);
                    }
                    self.tell_of_room();
                    self.door.hand_back(&mut taking.before, Task::is_spent);
                    quietly(|| taking.before.clear());
                    self.run_batch(node, &life, kind, &taking.batch);
                    ran = (!taking.batch[0].is_async()).then_some((life, kind));
                }
                Step::Linger => taking.solo = self.lingers(node),
                Step::Again(turn) => return self.schedule(node, turn),
                Step::Behind => return self.schedule_behind(node),
                Step::Over => return,
                Step::Rest { ends } => {
                    quietly(|| drop((done, taking, self.door.take_spent())));
                    return if ends {
                        self.end_in_good_order(node)
                    };
                }
            }
        }
    }

    fn begin_turn(&self) -> u32 {
        let mut core = self.core.lock();
        (core.queued, core.active) = (core.queued - 1, core.active + 1);
        core.generation
    }

    /// Notes what was `done`, and says what comes next; `taking.batch` is what to run.
    fn next_step(
        &self,
        node: &Node,
        taking: &mut Taking,
        done: Option<&(Arc<Life>, Kind)>,
    ) -> Step {
        let mut core = self.enter();
        if let Some((life, kind)) = done {
            core.finish(life, *kind, &taking.batch);
        }
        if core.generation != taking.generation {
            return Step::Over; // the life in which this turn began is over
        }
        if core.solo && !core.goes_on_solo() {
            // Who has come since then has relied on this turn.
            core.solo = false;
            core.let_in(false);
        }
        let more = core.is_alive() && core.inbox.could_start();
        // The clock is not read for a turn that has just begun or is over.
        let late = more && !taking.batch.is_empty() && clock::now() >= taking.until;
        let turn = core.kind_of_turn();
        if late || (more && turn == Turn::OfThreads && !taking.on_worker) {
            (core.queued, core.active) = (core.queued + 1, core.active - 1);
            core.solo = false;
            let behind = late && !self.options.holds_cpu();
            return if behind { Step::Behind } else { Step::Again(turn) };
        }
        let mail = if more && !node.is_closed() { core.inbox.start() } else { None };
        let (Some(mail), Some(life)) = (mail, core.life.clone()) else {
            let waits = taking.solo && !core.closing && core.is_alive() && core.inbox.is_idle();
            if waits && clock::now() < taking.until {
                core.solo = true;
                return Step::Linger;
            }
            core.active -= 1;
            return Step::Rest { ends: core.should_end() };
        };
        std::mem::swap(&mut taking.batch, &mut taking.before);
        taking.batch.push(mail.call);
        taking.solo = taking.batch[0].function.body.is_exclusive_sync();
        core.solo = taking.solo;
        if taking.solo {
            self.take_followers(&mut core, &mut taking.batch);
        }
        if core.running.capacity() == 0 {
            core.running.reserve_exact(taking.batch.len()); // most actors have one call at a time
        }
        core.running.extend(taking.batch.iter().cloned());
        Step::Run(life, mail.kind, core.wants_turn(self.turns_max))
    }

    /// Looks for a moment whether another call comes: waking a thread for it would cost more. Not
    /// while others have work for this thread. Whether there is one.
    fn lingers(&self, node: &Node) -> bool {
        for look in 0..LINGER_LOOKS {
            if look % 16 == 0 {
                if node.pool.has_plain() {
                    return false;
                }
                thread::yield_now(); // the caller may need this very core
            }
            for _ in 0..LINGER_PAUSES {
                std::hint::spin_loop();
            }
            if self.door.is_busy() {
                return true;
            }
        }
        false
    }

    fn take_followers(&self, core: &mut Core, batch: &mut Vec<Arc<Task>>) {
        let fits = |call: &Arc<Task>| call.function.body.is_exclusive_sync();
        while batch.len() < ACTOR_TURN_CALLS
            && let Some(next) = core.inbox.follow(fits)
        {
            batch.push(next);
        }
    }

    /// Runs calls that were taken out together: several exclusive ones, or one of another kind. An
    /// async one is given back when it has ended; the others have ended when this returns.
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
    }

    pub(super) fn run_sync(self: &Arc<Cell>, node: &Arc<Node>, life: &Arc<Life>, task: &Arc<Task>) {
        // After a crash the rest of a turn stands in line again, for the next life: with another
        // ticket, so that this turn cannot begin it any more.
        let ticket = task.ticket();
        if life.is_over() {
            return;
        }
        let Some(attempt) = task.claim_at(ticket) else { return };
        if life.is_over() {
            if self.is_superseded(life, task, attempt) {
                return; // it is tried again
            }
            let text = format!("{} starts again; the call was not begun", self.label());
            let error = task.error(ErrorKind::ActorUnavailable, text);
            return node.settle(task, Err(error));
        }
        let body = task.function.body;
        let result = node.run_body(task, attempt, |call| match body {
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

    fn go_on(self: Arc<Self>, node: &Arc<Node>) {
        Cell::go_on(&self, node);
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
        LANE
    }

    fn label(&self) -> String {
        Cell::label(self)
    }
}
