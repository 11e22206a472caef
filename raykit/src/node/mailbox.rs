//! An actor as its calls see it: how they come in, and how one is begun by whoever waits for it.

use super::cell::Cell;
use super::core::{Core, Stage};
use super::door::Met;
use super::graph::Wait;
use super::task::{Mailbox, State, Task};
use super::{Node, current};
use super::{fetch, flight};
use crate::actor::inbox::{Caller, Mail, Need};
use crate::actor::state::{Life, State as ActorState};
use crate::base::ActorId;
use crate::base::clock;
use crate::base::limits::{ACTOR_TURN_CALLS, LOOK_AGAIN_MS};
use crate::base::quantity::Resources;
use crate::base::quiet::quietly;
use crate::object::error::{Error, ErrorKind};
use crate::object::raw::{Holder, RawRef};
use crate::sched::Worker;
use crate::sched::desk::Desk;
use crate::task::options::WhenFull;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::Context;
use std::time::{Duration, Instant};

impl Cell {
    /// A call was taken out of the inbox.
    pub(super) fn tell_of_room(&self) {
        if self.options.max_pending < u32::MAX {
            self.room.notify_all();
        }
    }

    /// Waits until calls were taken out of the full inbox, for which one of those that run has to
    /// end.
    fn wait_for_room(&self, busy: Vec<RawRef>) -> Result<(), Error> {
        let worker = crate::sched::worker::current();
        let parked = |until: Option<Instant>| {
            let mut core = self.core.lock();
            let is_full = |core: &Core| {
                core.inbox.len() >= self.options.max_pending as usize
                    && !core.stopping
                    && !matches!(core.stage, Stage::Ended(_))
            };
            if !is_full(&core) {
                return true;
            }
            let until =
                until.unwrap_or_else(|| clock::now() + Duration::from_millis(LOOK_AGAIN_MS));
            let woken = !self.room.wait_until(&mut core, until).timed_out();
            woken || !is_full(&core)
        };
        fetch::sleep_until(busy, Wait::Some(1), worker.as_deref(), None, parked).map(drop)
    }
}

std::thread_local! {
    /// In whose name this thread makes calls.
    static ACTING: std::cell::Cell<Option<Caller>> = const { std::cell::Cell::new(None) };
}

/// Calls `act`; the calls that it makes on this thread are that one's.
pub(super) fn acting<R>(caller: Caller, act: impl FnOnce() -> R) -> R {
    let before = ACTING.replace(Some(caller));
    let result = act();
    ACTING.set(before);
    result
}

/// Who makes a call here and now.
pub(super) fn caller() -> Caller {
    if let Some(acting) = ACTING.try_with(std::cell::Cell::get).ok().flatten() {
        return acting;
    }
    current::with_tasks(|tasks| match tasks.last() {
        None => Caller::Thread(current::thread_number()),
        Some(task) => match &task.mailbox {
            Some(mailbox) => Caller::Actor(mailbox.actor().sequence),
            None => Caller::Task(task.id().sequence, task.attempt.load(Ordering::Relaxed)),
        },
    })
}

impl Mailbox for Cell {
    fn actor(&self) -> ActorId {
        self.shown_id()
    }

    fn claim(&self) -> (Weak<dyn Holder>, &'static str) {
        (Cell::claim(self), self.type_name())
    }

    fn post(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, ready: bool) -> Result<(), Error> {
        let asked = task.options();
        if ready && asked.group.is_none() {
            match self.door.bring(task) {
                Met::In => return Ok(()),
                Met::InUnseen => {
                    // Whoever makes the call may be about to await it.
                    if !(task.is_async() && flight::after_this_poll(&self)) {
                        Cell::go_on(&self, node);
                    }
                    return Ok(());
                }
                Met::Asked => {}
            }
        }
        let mail = Mail { call: Arc::clone(task), kind: self.kind(task) };
        if let Some(name) = asked.group
            && mail.kind.group == 0
        {
            let text = format!("{} has no concurrency group `{name}`", self.label());
            return Err(Error::new(ErrorKind::Config, text));
        }
        let mut core = loop {
            let core = self.enter();
            if let Stage::Ended(why) = &core.stage {
                return Err(why.clone());
            }
            if core.stopping {
                return Err(self.died("is stopping"));
            }
            if core.inbox.len() < self.options.max_pending as usize {
                break core;
            }
            if asked.when_full == WhenFull::Fail {
                let text =
                    format!("{} has {} calls waiting, its limit", self.label(), core.inbox.len());
                return Err(Error::new(ErrorKind::PendingCallsLimit, text));
            }
            let busy: Vec<RawRef> = core
                .running
                .iter()
                .map(|call| RawRef(Arc::clone(call) as Arc<dyn Holder>))
                .collect();
            drop(core);
            self.wait_for_room(busy)?;
        };
        core.posted = core.posted.wrapping_add(1);
        let ordered = asked.ordered && !self.options.out_of_order;
        if ready && (!core.inbox.holds_anyone() || !ordered) {
            core.inbox.push(mail);
        } else {
            let number = task.id().sequence;
            let caller = match ordered {
                true => task.far_caller().unwrap_or_else(caller),
                false => Caller::Task(number, 0),
            };
            core.inbox.push_from(caller, mail, (!ready).then_some(number));
        }
        let turn = core.wants_turn(self.turns_max);
        drop(core);
        if let Some(turn) = turn {
            self.schedule(node, turn);
        }
        Ok(())
    }

    fn arrived(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>) {
        if task.function.body.makes() {
            // Given up before it ran.
            let why = task.failure().unwrap_or_else(|| self.died("was given up"));
            return self.made(node, Err(why));
        }
        self.change(node, |core| core.inbox.arrived(task.id().sequence));
    }

    fn run_here(self: Arc<Self>, node: &Arc<Node>, worker: &Worker, task: &Arc<Task>) {
        if self.options.pinned {
            return;
        }
        let own = Arc::as_ptr(&self);
        let popped = worker.pop_if(|job| std::ptr::addr_eq(Arc::as_ptr(job), own)).is_some();
        // The turn that was queued for this call is taken now.
        let mut core = self.enter_to(|core| core.queued -= u32::from(popped));
        // Those before it in line have to end before it can begin.
        for _ in 0..ACTOR_TURN_CALLS {
            let Some((life, kind, call)) = core.start_toward(task) else { break };
            drop(core);
            self.tell_of_room();
            worker.run_on_top(|| self.run_sync(node, &life, &call));
            core = self.enter();
            core.finish(&life, kind, std::slice::from_ref(&call));
            let done = task.state() > State::Queued;
            let turn = if done { core.turn_to_go_on(self.turns_max) } else { None };
            drop(core);
            quietly(|| drop((life, call)));
            if let Some(turn) = turn {
                self.schedule(node, turn);
            }
            if done {
                return;
            }
            core = self.enter();
        }
        let turn = core.turn_to_go_on(self.turns_max);
        drop(core);
        if let Some(turn) = turn {
            self.schedule(node, turn);
        }
    }

    fn poll_here(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, cx: &mut Context<'_>) {
        let forgone = flight::forgo(&self);
        let started = self.enter().start_now(task);
        if started.is_none() && forgone {
            Cell::go_on(&self, node);
        }
        if let Some((life, kind)) = started {
            self.tell_of_room();
            self.lend(node, &life, kind, task, |lent| node.poll_async(task, lent, cx));
        }
    }

    fn is_pinned(&self) -> bool {
        self.options.pinned
    }

    fn desk(&self) -> Option<Desk> {
        Cell::desk(self)
    }

    fn before(&self, task: &Arc<Task>) -> Vec<Arc<Task>> {
        let core = self.core.lock();
        if let Stage::Starting(creation) = &core.stage {
            return vec![Arc::clone(creation)];
        }
        let blocks = |other: &&Arc<Task>| {
            !Arc::ptr_eq(other, task)
                && other.state() == State::Running
                && (self.options.pinned
                    || task.function.body.need() == Need::Exclusive
                    || other.function.body.need() == Need::Exclusive)
        };
        core.running.iter().filter(blocks).cloned().collect()
    }

    fn restore(&self) -> Option<Result<ActorState, Error>> {
        Cell::restore(self)
    }

    fn made(self: Arc<Self>, node: &Arc<Node>, made: Result<ActorState, Error>) {
        let state = match made {
            Ok(state) => state,
            Err(error) => {
                {
                    let mut core = self.core.lock();
                    if let Stage::Starting(_) = core.stage {
                        core.stage = Stage::Down;
                    }
                }
                return self.crash(node, None, None, &error);
            }
        };
        let mut core = self.core.lock();
        if !matches!(core.stage, Stage::Starting(_)) {
            drop(core);
            return quietly(|| drop(state)); // killed meanwhile
        }
        core.stage = Stage::Alive;
        core.life = Some(Life::new(state));
        drop(core);
        self.tell_ready(Ok(()));
        self.go_on(node);
    }

    fn keep(&self, held: Resources) -> Option<Resources> {
        let mut core = self.core.lock();
        // One whose constructor failed, or whose life is over already, asks again for the next.
        if !core.is_alive() || core.rarely(|rare| rare.held.as_ref()).is_some() {
            return Some(held);
        }
        core.rare().held = Some(held);
        None
    }
}
