//! An actor: its calls come in by `mailbox`, a worker takes its `turn` and runs some of them, and
//! `actor/inbox` says which. It starts when its constructor has run, starts again after a crash as
//! often as it may, and ends when it is killed or when nobody has a handle any more.
//!
//! The lock of an actor is never held while a function of the user's runs, while a value of the
//! user's is dropped, or while a call is settled.

use super::Node;
use super::task::Task;
use crate::actor::inbox::{Inbox, Kind, Need};
use crate::actor::options::ActorOptions;
use crate::actor::restart::Restarts;
use crate::actor::state::{Checkpoint, Legacy, Life};
use crate::base::ActorId;
use crate::base::quantity::Resources;
use crate::base::quiet::quietly;
use crate::object::error::{Error, ErrorKind};
use crate::object::raw::{Holder, RawRef};
use crate::object::value::{Payload, Value};
use crate::sched::LaneId;
use crate::task::arg::Inputs;
use crate::task::function::Function;
use crate::task::options::Options as CallOptions;
use parking_lot::{Condvar, Mutex};
use std::sync::{Arc, OnceLock, Weak};

/// One actor.
pub(crate) struct Cell {
    pub(crate) id: ActorId,
    node: Weak<Node>,
    pub(super) constructor: &'static Function,
    /// What the actor runs last, if it ends in good order.
    pub(super) on_stop: Option<&'static Function>,
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

/// What all actors of one type have in common.
#[derive(Clone, Copy)]
pub(crate) struct ActorType {
    pub(crate) constructor: &'static Function,
    pub(crate) type_name: &'static str,
    pub(crate) on_stop: Option<&'static Function>,
    /// How a state is kept, where it may be.
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
    /// Calls that came in, by which one sees whether any did.
    pub(super) posted: u32,
    /// Turns that are being taken in the present life.
    pub(super) active: u32,
    /// Which life it is, so that what is left of an earlier one is not counted.
    pub(super) generation: u32,
    /// Nobody has a handle, or it was told to stop: it ends when it has nothing left to do.
    pub(super) closing: bool,
    /// It was told to stop: no further call is taken.
    pub(super) stopping: bool,
    /// Calls that may have changed the state since it was kept last.
    pub(super) since: u32,
    rare: Option<Box<Rare>>,
}

/// What few actors ever need, so that the others are small.
#[derive(Default)]
pub(super) struct Rare {
    /// Its `on_stop`, once that was called: no life follows.
    pub(super) farewell: Option<Arc<Task>>,
    /// Where its end is told, once somebody has asked.
    ended: Option<RawRef>,
    /// The same of its next start.
    ready: Option<RawRef>,
    /// Why its constructor failed when it ran for the first time.
    pub(super) stillborn: Option<Error>,
    /// For who takes over when it has ended.
    pub(super) legacy: Option<Arc<Legacy>>,
    /// The state as it was kept last.
    pub(super) kept: Option<Value>,
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
    /// A life has just ended, and its calls are being sorted.
    Falling,
    /// Between two lives: it is not decided yet whether there is another one.
    Down,
    Ended(Error),
}

impl Core {
    /// What few actors need, made when it is needed.
    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The same, if it was ever needed.
    pub(super) fn rarely<'a, R>(&'a self, what: impl FnOnce(&'a Rare) -> Option<R>) -> Option<R> {
        self.rare.as_deref().and_then(what)
    }

    /// How often it has started again.
    pub(super) fn restarts(&self) -> u64 {
        self.rarely(|rare| Some(rare.restarts.total())).unwrap_or(0)
    }

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

impl Rare {
    /// Takes out what has to go when the actor has ended.
    fn end(&mut self) -> Rare {
        let stays = Rare {
            ended: self.ended.clone(),
            stillborn: self.stillborn.take(),
            restarts: std::mem::take(&mut self.restarts),
            ..Rare::default()
        };
        std::mem::replace(self, stays)
    }
}

impl Cell {
    pub(crate) fn new(
        node: &Arc<Node>,
        kind: ActorType,
        options: Options,
        legacy: Option<Arc<Legacy>>,
    ) -> Arc<Cell> {
        let ActorType { constructor, type_name, on_stop, checkpoint } = kind;
        let groups = options.groups.iter().map(|(_, max)| *max);
        let limits = std::iter::once(options.max_concurrency).chain(groups);
        let mut core = Core {
            inbox: Inbox::new(limits),
            running: Vec::new(),
            life: None,
            stage: Stage::Ended(Error::new(ErrorKind::ActorDied, "")),
            queued: 0,
            posted: 0,
            active: 0,
            generation: 0,
            closing: false,
            stopping: false,
            since: 0,
            rare: None,
        };
        if legacy.is_some() {
            core.rare().legacy = legacy;
        }
        Arc::new(Cell {
            id: ActorId { node: node.id, sequence: crate::base::id::next_sequence() },
            node: Arc::downgrade(node),
            constructor,
            on_stop,
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
        let reference = core.rare().ended.get_or_insert(fresh).clone();
        let why = match &core.stage {
            Stage::Ended(why) => Some(why.message().to_owned()),
            _ => None,
        };
        drop(core);
        if let Some(why) = why {
            reference.slot().seal(Ok(Payload::new(Value::new(why))));
        }
        reference
    }

    /// An object that is there when the constructor has run; `new` makes it if it has to be made.
    pub(crate) fn ready(&self, new: impl FnOnce() -> RawRef) -> RawRef {
        let fresh = new();
        let mut core = self.core.lock();
        let outcome = match &core.stage {
            Stage::Starting(creation) => return RawRef(Arc::clone(creation) as Arc<dyn Holder>),
            Stage::Falling | Stage::Down => return core.rare().ready.get_or_insert(fresh).clone(),
            Stage::Alive => Ok(Payload::new(Value::new(()))),
            Stage::Ended(why) => {
                Err(core.rarely(|rare| rare.stillborn.clone()).unwrap_or_else(|| why.clone()))
            }
        };
        drop(core);
        fresh.slot().seal(outcome);
        fresh
    }

    /// Who waited for the next start hears of it, or that there is none.
    pub(super) fn tell_ready(&self, outcome: Result<(), Error>) {
        let ready = self.core.lock().rare.as_mut().and_then(|rare| rare.ready.take());
        if let Some(ready) = ready {
            ready.slot().seal(outcome.map(|()| Payload::new(Value::new(()))));
        }
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
        if !matches!(kept, Inputs::None) {
            core.rare().inputs = kept;
        }
    }

    /// What its constructor asks for, and the actor holds from then on, if that differs from the
    /// constructor's own options.
    pub(crate) fn creation_options(&self) -> Option<CallOptions> {
        let own = &*self.options;
        let holds =
            own.num_cpus > 0.0 || own.num_gpus > 0.0 || own.memory > 0 || !own.resources.is_empty();
        if !holds && own.priority.is_none() {
            return None;
        }
        let mut options = self.constructor.defaults.clone();
        if holds {
            options.num_cpus = own.num_cpus;
            (options.num_gpus, options.memory) = (own.num_gpus, own.memory);
            options.resources = own.resources.clone();
        }
        options.priority = own.priority;
        Some(options)
    }

    /// How often it has started again.
    pub(crate) fn restarts(&self) -> u64 {
        self.core.lock().restarts()
    }

    /// Whether it takes calls.
    pub(crate) fn is_open(&self) -> bool {
        let core = self.core.lock();
        !core.stopping && !matches!(core.stage, Stage::Ended(_))
    }

    /// Whether it has nothing to do, and a number that changes with each call that comes in.
    pub(crate) fn activity(&self) -> (bool, u32) {
        let core = self.core.lock();
        (core.is_alive() && core.inbox.is_idle(), core.posted)
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
        let (mut given_up, life, mut rare) = {
            let mut core = self.core.lock();
            let before = match std::mem::replace(&mut core.stage, Stage::Ended(why.clone())) {
                Stage::Ended(first) => {
                    core.stage = Stage::Ended(first);
                    return false;
                }
                Stage::Starting(creation) => Some(creation),
                Stage::Alive | Stage::Falling | Stage::Down => None,
            };
            let mut given_up = core.inbox.drain();
            given_up.append(&mut core.running);
            given_up.extend(before);
            core.inbox.forget_running();
            let (life, rare) = (core.life.take(), core.rare.as_deref_mut().map(Rare::end));
            (given_up, life, rare.unwrap_or_default())
        };
        given_up.extend(rare.farewell.take());
        self.room.notify_all();
        if let (Some(legacy), Some(kept)) = (&rare.legacy, rare.kept.take()) {
            legacy.0.bequeath(kept);
        }
        if let (Some(life), Some(legacy)) = (&life, &rare.legacy) {
            life.leave(Arc::clone(legacy));
        }
        let node = self.node();
        if let Some(node) = &node {
            node.actors.forget(self);
            given_up.iter().for_each(|task| {
                node.abort(task, why.clone().in_task(task.name(), task.id()));
            });
            if let Some(held) = rare.held.take() {
                node.pool.give(&held);
            }
        }
        if let Some(supervisor) = &self.options.supervisor {
            supervisor.0.left(self.id);
        }
        let told = (rare.ended.take(), rare.ready.take());
        quietly(|| drop((given_up, life, rare)));
        if let Some(ended) = told.0 {
            ended.slot().seal(Ok(Payload::new(Value::new(why.message().to_owned()))));
        }
        if let Some(ready) = told.1 {
            ready.slot().seal(Err(why));
        }
        true
    }
}
