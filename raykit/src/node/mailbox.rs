//! An actor as its calls see it: how they come in, and how one is begun by whoever waits for it.

use super::cell::{Cell, Stage};
use super::task::{Mailbox, State, Task};
use super::{Node, current};
use crate::actor::inbox::{Caller, Mail, Need};
use crate::actor::state::{Life, State as ActorState};
use crate::base::ActorId;
use crate::base::limits::ACTOR_TURN_CALLS;
use crate::base::quantity::Resources;
use crate::base::quiet::quietly;
use crate::object::error::{Error, ErrorKind};
use crate::object::raw::Holder;
use crate::sched::Worker;
use crate::task::options::WhenFull;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::Context;
use std::time::Duration;

/// Who makes a call here and now.
fn caller() -> Caller {
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
        self.id
    }

    fn claim(&self) -> Option<(Weak<dyn Holder>, &'static str)> {
        Some((Cell::claim(self)?, self.type_name))
    }

    fn post(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, ready: bool) -> Result<(), Error> {
        let (mail, asked) =
            (Mail { call: Arc::clone(task), kind: self.kind(task) }, task.options());
        if let Some(name) = asked.group
            && mail.kind.group == 0
        {
            let text = format!("{} has no concurrency group `{name}`", self.label());
            return Err(Error::new(ErrorKind::Config, text));
        }
        let mut core = self.core.lock();
        loop {
            if let Stage::Ended(why) = &core.stage {
                return Err(why.clone());
            }
            if core.stopping {
                return Err(self.died("is stopping"));
            }
            if core.inbox.len() < self.options.max_pending as usize {
                break;
            }
            if asked.when_full == WhenFull::Fail {
                let text =
                    format!("{} has {} calls waiting, its limit", self.label(), core.inbox.len());
                return Err(Error::new(ErrorKind::PendingCallsLimit, text));
            }
            core.waiting += 1;
            self.room.wait_for(&mut core, Duration::from_millis(100));
            core.waiting -= 1;
        }
        let ordered = asked.ordered && !self.options.out_of_order;
        if ready && (!core.inbox.holds_anyone() || !ordered) {
            core.inbox.push(mail);
        } else {
            let number = task.id().sequence;
            let caller = if ordered { caller() } else { Caller::Task(number, 0) };
            core.inbox.push_from(caller, mail, (!ready).then_some(number));
        }
        let turn = core.wants_turn(self.turns_max);
        drop(core);
        if turn {
            self.schedule(node);
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
        let own = Arc::as_ptr(&self);
        let popped = worker.pop_if(|job| std::ptr::addr_eq(Arc::as_ptr(job), own)).is_some();
        if popped {
            // The turn that was queued for this call is taken now.
            self.core.lock().queued -= 1;
        }
        // Those before it in line have to end before it can begin.
        for _ in 0..ACTOR_TURN_CALLS {
            let started = self.core.lock().start_toward(task);
            let Some((life, kind, call)) = started else { break };
            worker.run_on_top(|| self.run_sync(node, &life, &call));
            self.core.lock().finish(&life, kind, std::slice::from_ref(&call));
            quietly(|| drop(call));
            if task.state() > State::Queued {
                break;
            }
        }
        self.go_on(node);
    }

    fn poll_here(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, cx: &mut Context<'_>) {
        let started = self.core.lock().start_now(task);
        if let Some((life, kind)) = started {
            self.lend(node, &life, kind, task, |lent| node.poll_async(task, lent, cx));
        }
    }

    fn before(&self, task: &Arc<Task>) -> Vec<Arc<Task>> {
        let core = self.core.lock();
        if let Stage::Starting(creation) = &core.stage {
            return vec![Arc::clone(creation)];
        }
        let blocks = |other: &&Arc<Task>| {
            !Arc::ptr_eq(other, task)
                && other.state() == State::Running
                && (task.function.body.need() == Need::Exclusive
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
                let again = self.restarts() > 0;
                return match again {
                    true => self.crash(node, None, None, &error),
                    false => {
                        self.end(self.died(&format!("could not start: {error}")));
                    }
                };
            }
        };
        let mut core = self.core.lock();
        if !matches!(core.stage, Stage::Starting(_)) {
            drop(core);
            return quietly(|| drop(state)); // killed meanwhile
        }
        core.stage = Stage::Alive;
        core.life = Some(Life::new(state));
        if !core.restarts.are_possible() {
            let inputs = std::mem::take(&mut core.inputs);
            debug_assert!(inputs.as_slice().is_empty(), "not kept in vain");
        }
        drop(core);
        self.go_on(node);
    }

    fn keep(&self, held: Resources) -> Option<Resources> {
        let mut core = self.core.lock();
        match core.stage {
            Stage::Ended(_) => Some(held),
            _ => {
                core.held = Some(held);
                None
            }
        }
    }
}
