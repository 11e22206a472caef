//! An actor: its calls come in by `mailbox`, a worker takes its `turn` and runs some of them, and
//! `actor/inbox` says which. It starts when its constructor has run, starts again after a crash as
//! often as it may, and ends when it is killed or when nobody has a handle any more.
//!
//! The lock of an actor is never held while a function of the user's runs, while a value of the
//! user's is dropped, or while a call is settled.

use super::task::{Mailbox, State, Task};
use super::{Node, submit};
use crate::actor::inbox::{Inbox, Kind, Mail, Need};
use crate::actor::options::ActorOptions;
use crate::actor::restart::Restarts;
use crate::actor::state::{Checkpoint, Life};
use crate::base::ActorId;
use crate::base::quantity::Resources;
use crate::base::quiet::quietly;
use crate::object::error::{Error, ErrorKind};
use crate::object::raw::{Holder, RawRef};
use crate::object::value::{Payload, Value};
use crate::sched::LaneId;
use crate::task::arg::Inputs;
use crate::task::function::{Body, Function};
use crate::task::options::Options as CallOptions;
use parking_lot::{Condvar, Mutex};
use std::sync::{Arc, OnceLock, Weak};

/// One actor.
pub(crate) struct Cell {
    pub(crate) id: ActorId,
    node: Weak<Node>,
    constructor: &'static Function,
    pub(crate) type_name: &'static str,
    pub(crate) options: Options,
    pub(super) lane: LaneId,
    /// Turns for shared calls that may be queued at once.
    pub(super) turns_max: u32,
    pub(super) core: Mutex<Core>,
    /// There is room again in an inbox that was full.
    pub(super) room: Condvar,
    /// What the handles hold; it goes with the last of them.
    claim: OnceLock<Weak<dyn Holder>>,
    /// How its state is kept, where it may be.
    pub(crate) checkpoint: Option<Checkpoint>,
}

/// The actor's own options, or those of its type.
pub(crate) enum Options {
    Defaults(&'static ActorOptions),
    Own(Box<ActorOptions>),
}

impl std::ops::Deref for Options {
    type Target = ActorOptions;
    fn deref(&self) -> &ActorOptions {
        match self {
            Options::Defaults(defaults) => defaults,
            Options::Own(own) => own,
        }
    }
}

pub(super) struct Core {
    pub(super) inbox: Inbox<Arc<Task>>,
    /// What was taken out of the inbox and is not done: it runs, or is next on its worker.
    pub(super) running: Vec<Arc<Task>>,
    pub(super) life: Option<Arc<Life>>,
    pub(super) stage: Stage,
    /// Turns that are queued.
    pub(super) queued: u32,
    /// Turns that are being taken in the present life.
    pub(super) active: u32,
    /// Which life it is, so that what is left of an earlier one is not counted.
    pub(super) generation: u32,
    /// Nobody has a handle, or it was told to stop: it ends when it has nothing left to do.
    pub(super) closing: bool,
    /// It was told to stop: no further call is taken.
    pub(super) stopping: bool,
    /// Where its end is told, once somebody has asked.
    ended: Option<RawRef>,
    /// The state as it was kept last, and the calls since then.
    pub(super) kept: Option<Value>,
    pub(super) since: u32,
    pub(super) restarts: Restarts,
    /// The constructor's arguments, where it may run again.
    pub(super) inputs: Inputs,
    /// What it holds of the node's resources for as long as it lives.
    pub(super) held: Option<Resources>,
}

pub(super) enum Stage {
    /// The constructor runs, or is about to.
    Starting(Arc<Task>),
    Alive,
    /// Between a constructor that failed and what comes of it.
    Down,
    Ended(Error),
}

impl Core {
    pub(super) fn is_alive(&self) -> bool {
        matches!(self.stage, Stage::Alive)
    }

    /// Whether one more turn should be queued; if so it is counted.
    pub(super) fn wants_turn(&mut self, turns_max: u32) -> bool {
        let useful = match self.inbox.first().map(|first| first.kind.need) {
            // A turn whose call waits for something leaves its CPU to the next, so only those that
            // have not begun are counted.
            Some(Need::Shared) => self.queued < turns_max,
            _ => self.queued + self.active == 0,
        };
        let wants = useful && self.is_alive() && self.inbox.could_start();
        self.queued += u32::from(wants);
        wants
    }

    /// Takes `call` out to run it here and now, if it is the next one and nothing else runs.
    pub(super) fn start_now(&mut self, call: &Arc<Task>) -> Option<(Arc<Life>, Kind)> {
        let next = self.inbox.first().is_some_and(|first| Arc::ptr_eq(&first.call, call));
        if !next || !self.is_alive() || self.inbox.is_busy() {
            return None;
        }
        let life = self.life.clone()?;
        let mail = self.inbox.start()?;
        self.running.push(mail.call);
        Some((life, mail.kind))
    }

    /// Takes out the next call that may start, if it runs on a thread and `goal` cannot begin
    /// before it has ended.
    pub(super) fn start_toward(
        &mut self,
        goal: &Arc<Task>,
    ) -> Option<(Arc<Life>, Kind, Arc<Task>)> {
        let alone = goal.function.body.need() == Need::Exclusive;
        let first = self.inbox.first().filter(|first| !first.call.is_async())?;
        if !self.is_alive() || !(alone || Arc::ptr_eq(&first.call, goal)) {
            return None;
        }
        let life = self.life.clone()?;
        let mail = self.inbox.start()?;
        self.running.push(Arc::clone(&mail.call));
        Some((life, mail.kind, mail.call))
    }

    pub(super) fn should_end(&self) -> bool {
        self.closing && self.is_alive() && self.inbox.is_idle() && self.queued + self.active == 0
    }

    /// What ran under `life` is done.
    pub(super) fn finish(&mut self, life: &Arc<Life>, kind: Kind, done: &[Arc<Task>]) {
        if self.life.as_ref().is_some_and(|present| Arc::ptr_eq(present, life)) {
            self.inbox.done(kind);
            match kind.need {
                // Nothing else runs. Those that ran have other owners: nothing is dropped here.
                Need::Exclusive => self.running.clear(),
                Need::Shared => {
                    self.running.retain(|task| !done.iter().any(|other| Arc::ptr_eq(other, task)));
                }
            }
        }
    }
}

impl Cell {
    pub(crate) fn new(
        node: &Arc<Node>,
        constructor: &'static Function,
        type_name: &'static str,
        options: Options,
        checkpoint: Option<Checkpoint>,
    ) -> Arc<Cell> {
        let restarts = Restarts::new(options.max_restarts, options.restart_window);
        let groups = options.groups.iter().map(|(_, max)| *max);
        let limits = std::iter::once(options.max_concurrency).chain(groups);
        let core = Core {
            inbox: Inbox::new(limits),
            running: Vec::new(),
            life: None,
            stage: Stage::Ended(Error::new(ErrorKind::ActorDied, "")),
            queued: 0,
            active: 0,
            generation: 0,
            closing: false,
            stopping: false,
            ended: None,
            kept: None,
            since: 0,
            restarts,
            inputs: Inputs::None,
            held: None,
        };
        Arc::new(Cell {
            id: ActorId { node: node.id, sequence: crate::base::id::next_sequence() },
            node: Arc::downgrade(node),
            constructor,
            type_name,
            options,
            lane: LaneId(0),
            checkpoint,
            turns_max: node.config.num_cpus.clamp(1, 1 << 16) as u32,
            core: Mutex::new(core),
            room: Condvar::new(),
            claim: OnceLock::new(),
        })
    }

    pub(crate) fn node(&self) -> Option<Arc<Node>> {
        self.node.upgrade()
    }

    /// How the actor is named in messages.
    pub(crate) fn label(&self) -> String {
        match &self.options.name {
            Some(name) => format!("actor `{name}` ({}, {})", self.type_name, self.id),
            None => format!("actor `{}` ({})", self.type_name, self.id),
        }
    }

    /// How a call needs the state, and which group's limit it counts for.
    pub(super) fn kind(&self, call: &Task) -> Kind {
        let name = call.options().group;
        let of = |name| self.options.groups.iter().position(|(known, _)| known == name);
        Kind { need: call.function.body.need(), group: name.and_then(of).map_or(0, |at| at + 1) }
    }

    pub(crate) fn claimed_by(&self, claim: Weak<dyn Holder>) {
        let _ = self.claim.set(claim);
    }

    /// What a handle would hold, without holding it.
    pub(crate) fn claim(&self) -> Option<Weak<dyn Holder>> {
        self.claim.get().cloned()
    }

    /// An object that is there when the actor has ended; `new` makes it when it is first asked for.
    pub(crate) fn ended(&self, new: impl FnOnce() -> RawRef) -> RawRef {
        let fresh = new();
        let mut core = self.core.lock();
        let reference = core.ended.get_or_insert(fresh).clone();
        let why = match &core.stage {
            Stage::Ended(why) => Some(why.message().to_owned()),
            _ => None,
        };
        drop(core);
        if let Some(why) = why {
            reference.seal(Ok(Payload::new(Value::new(why))));
        }
        reference
    }

    /// No further call is taken; when those that are here have ended the actor does. `false` if it
    /// had ended or was stopping.
    pub(crate) fn stop(self: &Arc<Cell>) -> bool {
        let Some(node) = self.node() else { return false };
        let mut stops = false;
        self.change(&node, |core| {
            stops = !core.stopping && !matches!(core.stage, Stage::Ended(_));
            (core.stopping, core.closing) = (true, true);
        });
        stops
    }

    /// The constructor is on its way.
    pub(crate) fn begins(&self, creation: &Arc<Task>, kept: Inputs) {
        let mut core = self.core.lock();
        core.stage = Stage::Starting(Arc::clone(creation));
        core.inputs = kept;
    }

    /// What its constructor is called with, and what the actor holds from then on.
    pub(crate) fn creation_options(&self) -> CallOptions {
        let own = &*self.options;
        let sync = matches!(self.constructor.body, Body::Make(_));
        let mut options = self.constructor.defaults.clone();
        let plain = own.num_cpus == 0.0 && own.num_gpus == 0.0 && own.memory == 0;
        // One that holds nothing is charged a CPU while its constructor runs, as for a method.
        let charged = sync && plain && own.resources.is_empty();
        options.num_cpus = if charged { 1.0 } else { own.num_cpus };
        (options.num_gpus, options.memory) = (own.num_gpus, own.memory);
        options.resources = own.resources.clone();
        options.priority = own.priority;
        options
    }

    /// How often it has started again.
    pub(crate) fn restarts(&self) -> u64 {
        self.core.lock().restarts.total()
    }

    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.core.lock().stage, Stage::Ended(_))
    }

    pub(crate) fn died(&self, why: &str) -> Error {
        Error::new(ErrorKind::ActorDied, format!("{} {why}", self.label()))
    }

    /// The last handle is gone.
    pub(crate) fn close(self: &Arc<Cell>) {
        let mut core = self.core.lock();
        core.closing = true;
        let ends = core.should_end();
        core.queued += u32::from(ends);
        drop(core);
        if ends {
            match self.node().filter(|node| !node.is_closed()) {
                // The state is dropped on the pool.
                Some(node) => self.schedule(&node),
                None => {
                    self.end(self.died("ended: its node was closed"));
                }
            }
        }
    }

    /// Ends the actor now. What runs is told, and its state goes when that returns. `false` if it
    /// had ended before.
    pub(crate) fn end(self: &Arc<Cell>, why: Error) -> bool {
        let (given_up, life, held, inputs, told) = {
            let mut core = self.core.lock();
            let before = match std::mem::replace(&mut core.stage, Stage::Ended(why.clone())) {
                Stage::Ended(first) => {
                    core.stage = Stage::Ended(first);
                    return false;
                }
                Stage::Starting(creation) => Some(creation),
                Stage::Alive | Stage::Down => None,
            };
            let mut given_up = core.inbox.drain();
            given_up.append(&mut core.running);
            given_up.extend(before);
            core.inbox.forget_running();
            let inputs = std::mem::take(&mut core.inputs);
            (given_up, core.life.take(), core.held.take(), inputs, core.ended.clone())
        };
        self.room.notify_all();
        if let Some(told) = told {
            told.seal(Ok(Payload::new(Value::new(why.message().to_owned()))));
        }
        let node = self.node();
        if let Some(node) = &node {
            node.actors.forget(self);
            given_up.iter().for_each(|task| {
                node.abort(task, why.clone().in_task(task.name(), task.id()));
            });
            if let Some(held) = held {
                node.pool.give(&held);
            }
        }
        quietly(|| drop((given_up, life, inputs)));
        true
    }

    /// The state cannot be relied on any more: the actor starts again, or ends.
    /// `culprit` is the call that panicked: it has an error of its own.
    pub(crate) fn crash(
        self: &Arc<Cell>,
        node: &Arc<Node>,
        life: Option<&Arc<Life>>,
        culprit: Option<&Arc<Task>>,
        why: &Error,
    ) {
        let mut core = self.core.lock();
        let present = match (&core.life, life) {
            (Some(present), Some(life)) => Arc::ptr_eq(present, life),
            (None, None) => !matches!(core.stage, Stage::Ended(_)),
            _ => false,
        };
        if !present {
            return; // of two crashes of one life the first counts
        }
        core.running.retain(|task| culprit.is_none_or(|culprit| !Arc::ptr_eq(culprit, task)));
        let pause = core.restarts.crashed(node.since_start());
        let Some(pause) = pause.filter(|_| !node.is_closed()) else {
            drop(core);
            self.end(self.died(&format!("ended: {why}")));
            return;
        };
        let inputs = core.inputs.clone();
        let mailbox = Arc::clone(self) as Arc<dyn Mailbox>;
        let options = Some(self.creation_options());
        let creation =
            submit::creation(node, self.constructor, options, inputs, self.lane, mailbox);
        core.stage = Stage::Starting(Arc::clone(&creation));
        let (gone, running) = (core.life.take(), std::mem::take(&mut core.running));
        if let Some(gone) = &gone {
            gone.end();
        }
        let held = core.held.take();
        core.inbox.forget_running();
        (core.active, core.generation) = (0, core.generation.wrapping_add(1));
        core.since = 0;
        // Those that were taken out and have not begun go back to the front.
        let (begun, waiting): (Vec<_>, Vec<_>) =
            running.into_iter().partition(|task| task.state() != State::Queued);
        let mails = waiting.into_iter();
        core.inbox.put_back(mails.map(|call| Mail { kind: self.kind(&call), call }).collect());
        drop(core);
        let text = format!("{} starts again after a crash: {why}", self.label());
        tracing::warn!("{text}");
        for task in &begun {
            let error = Error::new(ErrorKind::ActorUnavailable, text.clone());
            node.abort(task, error.in_task(task.name(), task.id()));
        }
        quietly(|| drop((gone, begun)));
        if let Some(held) = held {
            node.pool.give(&held); // its constructor asks again
        }
        node.timer.retry(node, creation, pause);
    }

    /// Ends the present life as a crash would. `false` if there is none.
    pub(crate) fn kill_and_restart(self: &Arc<Cell>) -> bool {
        let (life, node) = (self.core.lock().life.clone(), self.node());
        let (Some(life), Some(node)) = (life, node) else { return false };
        let why = Error::new(ErrorKind::ActorUnavailable, "it was killed");
        self.crash(&node, Some(&life), None, &why);
        true
    }
}
