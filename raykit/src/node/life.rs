//! The lives of one actor: from a crash to the next start, the call that comes last, and what a
//! supervisor does. After a crash the actor is *down* until it is told to start again or to end;
//! its calls wait meanwhile.

use super::cell::{Cell, LANE};
use super::core::{Core, Stage};
use super::task::{Mailbox, State, Task};
use super::{Node, submit};
use crate::actor::inbox::Mail;
use crate::actor::state::Life;
use crate::actor::supervise::{Child, Supervised};
use crate::base::ActorId;
use crate::base::quantity::Resources;
use crate::base::quiet::quietly;
use crate::object::error::{Error, ErrorKind};
use crate::sched::{Job, LaneId};
use crate::task::function::Function;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What a life leaves behind.
struct Fallen {
    life: Option<Arc<Life>>,
    /// What the actor held.
    held: Option<Resources>,
    /// Calls that have not begun or will be tried again, in the order in which they were taken out.
    kept: Vec<(Arc<Task>, Fate)>,
    /// They ran, and nobody will know how far.
    lost: Vec<Arc<Task>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    /// It has not begun.
    Waits,
    /// It ran as this attempt, and another one follows.
    Again(u32),
}

impl Core {
    /// Takes the present life, if there is one, and sorts the calls that it had.
    fn fall(&mut self) -> Fallen {
        let (life, running) = (self.life.take(), std::mem::take(&mut self.running));
        if let Some(life) = &life {
            life.end();
        }
        self.stage = Stage::Falling;
        self.inbox.forget_running();
        (self.active, self.generation) = (0, self.generation.wrapping_add(1));
        // Until the next life begins callers may rely on a turn that does not come: then somebody
        // goes in who sees them.
        self.solo = false;
        if let Some(rare) = &mut self.rare {
            rare.since = 0;
        }
        let mut fallen = Fallen { life, held: None, kept: Vec::new(), lost: Vec::new() };
        if self.rarely(|rare| rare.held.as_ref()).is_some() {
            fallen.held = self.rare().held.take();
        }
        for task in running {
            // Whoever took it out finds it taken back, or has begun it before.
            if task.take_back() {
                fallen.kept.push((task, Fate::Waits));
                continue;
            }
            match task.state() {
                // Raised here: by it the attempt that is broken off knows that it does not count.
                State::Running if task.outlives_crash() => {
                    let attempt = task.attempt.fetch_add(1, Ordering::AcqRel);
                    fallen.kept.push((task, Fate::Again(attempt)));
                }
                _ => fallen.lost.push(task),
            }
        }
        fallen
    }
}

impl Cell {
    /// The state cannot be relied on any more: the actor starts again, or ends, or its supervisor
    /// decides. `culprit` is the call that panicked: it has an error of its own.
    pub(crate) fn crash(
        self: &Arc<Cell>,
        node: &Arc<Node>,
        life: Option<&Arc<Life>>,
        culprit: Option<&Arc<Task>>,
        why: &Error,
    ) {
        let mut core = self.enter();
        let present = match (&core.life, life) {
            (Some(present), Some(life)) => Arc::ptr_eq(present, life),
            (None, None) => !matches!(core.stage, Stage::Ended(_)),
            _ => false,
        };
        if !present {
            return; // of two crashes of one life the first counts
        }
        core.running.retain(|task| culprit.is_none_or(|culprit| !Arc::ptr_eq(culprit, task)));
        let last = core.rarely(|rare| rare.farewell.as_ref()).is_some() || node.is_closed();
        // The first start is not a restart: a constructor that fails at once fails for good.
        let first = life.is_none() && core.restarts() == 0;
        let pause = match last || first {
            true => None,
            false => {
                let restarts = &mut core.rare().restarts;
                restarts.limit(self.options.max_restarts, self.options.restart_window);
                restarts.crashed(node.since_start())
            }
        };
        match (pause, self.options.supervisor.as_ref().filter(|_| !last)) {
            (Some(pause), _) => {
                let fallen = core.fall();
                drop(core);
                self.lie_down(node, fallen, &format!("starts again after a crash: {why}"));
                self.rise(node, pause);
            }
            (None, Some(supervisor)) => {
                let fallen = core.fall();
                drop(core);
                let what = format!("has failed, and its supervisor decides: {why}");
                self.lie_down(node, fallen, &what);
                ask(node, self, supervisor, why.clone());
            }
            (None, None) => {
                if first {
                    core.rare().stillborn = Some(why.clone());
                }
                drop(core);
                let what = if first { "could not start" } else { "ended" };
                self.end(self.died(&format!("{what}: {why}")));
            }
        }
    }

    /// A life has ended: the actor is down. Calls that ran resolve to `ActorUnavailable`, unless
    /// they may be tried again: then, and if they had not begun, they stand before all others on
    /// the next life.
    fn lie_down(self: &Arc<Cell>, node: &Arc<Node>, fallen: Fallen, what: &str) {
        let text = format!("{} {what}", self.label());
        tracing::warn!("{text}");
        for task in &fallen.lost {
            let error = Error::new(ErrorKind::ActorUnavailable, text.clone());
            node.abort(task, error.in_task(task.name(), task.id()));
        }
        let mut back = Vec::with_capacity(fallen.kept.len());
        for (task, fate) in fallen.kept {
            if let Fate::Again(attempt) = fate {
                node.stop_attempt(&task, attempt);
                if !task.rest() {
                    node.count_finished(); // whoever aborted it has settled it
                    continue;
                }
            }
            if task.make_ready() {
                back.push(Mail { kind: self.kind(&task), call: task });
            }
        }
        let late = {
            let mut core = self.enter();
            match &core.stage {
                Stage::Ended(why) => Some((back, why.clone())),
                _ => {
                    core.inbox.put_back(back);
                    core.stage = Stage::Down;
                    None
                }
            }
        };
        if let Some((mails, why)) = late {
            for mail in mails {
                node.abort(&mail.call, why.clone());
            }
        }
        quietly(|| drop((fallen.life, fallen.lost)));
        if let Some(held) = fallen.held {
            node.give_back_of(self.id, &held); // its constructor asks again
        }
    }

    /// Calls the constructor again after `pause`, if the actor is down.
    fn rise(self: &Arc<Cell>, node: &Arc<Node>, pause: Duration) {
        let creation = {
            let mut core = self.core.lock();
            if !matches!(core.stage, Stage::Down) {
                return;
            }
            let mailbox = Arc::clone(self) as Arc<dyn Mailbox>;
            let options = self.creation_options();
            let inputs = core.rarely(|rare| Some(rare.inputs.clone())).unwrap_or_default();
            let creation = submit::creation(node, self.constructor, options, inputs, LANE, mailbox);
            core.stage = Stage::Starting(Arc::clone(&creation));
            creation
        };
        node.timer.retry(node, creation, pause);
    }

    /// Whether an attempt of a call does not count any more, since its life is over and another
    /// attempt follows. If it counts, it is not broken off from now on.
    pub(super) fn is_superseded(&self, life: &Arc<Life>, task: &Arc<Task>, attempt: u32) -> bool {
        if !task.outlives_crash() && task.attempt.load(Ordering::Acquire) == attempt {
            return false; // the common case: there is one attempt
        }
        let mut core = self.core.lock();
        if task.attempt.load(Ordering::Acquire) != attempt {
            return true;
        }
        if core.life.as_ref().is_some_and(|present| Arc::ptr_eq(present, life)) {
            core.running.retain(|other| !Arc::ptr_eq(other, task));
        }
        false
    }

    /// Ends the present life as a crash would. `false` if there is none.
    pub(crate) fn kill_and_restart(self: &Arc<Cell>) -> bool {
        let (life, node) = (self.core.lock().life.clone(), self.node());
        let (Some(life), Some(node)) = (life, node) else { return false };
        let why = Error::new(ErrorKind::ActorUnavailable, "it was killed");
        self.crash(&node, Some(&life), None, &why);
        true
    }

    /// The actor has nothing left to do and nobody wants more: it runs its `on_stop`, and when that
    /// has returned it ends.
    pub(super) fn end_in_good_order(self: &Arc<Cell>, node: &Arc<Node>) {
        let (farewell, why) = {
            let core = self.core.lock();
            let why = if core.stopping { "was stopped" } else { "had no handle any more" };
            (core.rarely(|rare| rare.farewell.clone()), why)
        };
        match (farewell, self.on_stop) {
            (None, Some(on_stop)) if !node.is_closed() => self.begin_farewell(node, on_stop),
            (farewell, _) => {
                self.keep_for_heir();
                let failed = farewell.and_then(|task| task.failure());
                let why = match failed {
                    Some(error) => format!("{why}, and its `on_stop` failed: {error}"),
                    None => why.to_owned(),
                };
                self.end(self.died(&why));
            }
        }
    }

    fn begin_farewell(self: &Arc<Cell>, node: &Arc<Node>, on_stop: &'static Function) {
        let mailbox = Arc::clone(self) as Arc<dyn Mailbox>;
        let task = submit::farewell(node, on_stop, LANE, mailbox);
        let mail = Mail { kind: self.kind(&task), call: Arc::clone(&task) };
        let begins = {
            let mut core = self.enter();
            let begins = core.is_alive();
            if begins {
                core.rare().farewell = Some(Arc::clone(&task));
                core.inbox.push(mail);
            }
            begins
        };
        match begins {
            true => self.go_on(node),
            false => drop(node.abort(&task, self.died("has ended"))),
        }
    }

    /// The node is about to close: calls that wait are given up, and the actor ends in good order.
    pub(super) fn retire(self: &Arc<Cell>, node: &Arc<Node>) {
        let mut given_up = Vec::new();
        self.change(node, |core| {
            given_up = core.inbox.drain();
            (core.stopping, core.closing) = (true, true);
        });
        let why = self.died("ended: its node was closed");
        given_up.iter().for_each(|task| {
            node.abort(task, why.clone().in_task(task.name(), task.id()));
        });
        quietly(|| drop(given_up));
    }
}

/// Has the supervisor decide, on a worker: what it calls is the user's.
fn ask(node: &Arc<Node>, cell: &Arc<Cell>, supervisor: &Supervised, error: Error) {
    let (supervisor, id) = (supervisor.clone(), cell.id);
    let ask = Box::new(move || supervisor.0.failed(id, &error));
    let job = Asked { ask: Mutex::new(Some(ask)), label: cell.label() };
    node.pool.push(Arc::new(job) as Arc<dyn Job>, None);
}

/// A question to a supervisor.
struct Asked {
    ask: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    label: String,
}

impl Job for Asked {
    fn run(self: Arc<Self>) {
        let ask = self.ask.lock().take();
        quietly(|| ask.into_iter().for_each(|ask| ask()));
    }

    /// The node is closed: it ends all its actors itself.
    fn abandon(&self) {}

    fn lane(&self) -> LaneId {
        LANE
    }

    fn label(&self) -> String {
        format!("the supervisor of {}", self.label)
    }
}

/// As its supervisor sees an actor.
pub(super) struct Charge(pub(super) Arc<Cell>);

impl Child for Charge {
    fn id(&self) -> ActorId {
        self.0.id
    }

    fn label(&self) -> String {
        self.0.label()
    }

    fn is_down(&self) -> bool {
        matches!(self.0.core.lock().stage, Stage::Down)
    }

    fn restarts(&self) -> u64 {
        self.0.restarts()
    }

    fn take_down(&self, why: &Error) {
        let Some(node) = self.0.node() else { return };
        let mut core = self.0.enter();
        // One that runs its `on_stop` is about to be gone anyway.
        if core.is_alive() && core.rarely(|rare| rare.farewell.as_ref()).is_none() {
            let fallen = core.fall();
            drop(core);
            self.0.lie_down(&node, fallen, &format!("starts again with others: {why}"));
        }
    }

    fn bring_up(&self, pause: Duration) {
        let Some(node) = self.0.node() else { return };
        if self.is_down() {
            self.0.core.lock().rare().restarts.again();
            self.0.rise(&node, pause);
        }
    }

    fn give_up(&self, why: &str) {
        self.0.end(self.0.died(why));
    }
}
