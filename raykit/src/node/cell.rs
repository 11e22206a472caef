//! An actor: its calls come in by `mailbox`, a worker takes its `turn` and runs some of them, and
//! `actor/inbox` says which. It starts when its constructor has run, starts again after a crash as
//! often as it may, and ends when it is killed or when nobody has a handle any more.
//!
//! The lock of an actor is never held while a function of the user's runs, while a value of the
//! user's is dropped, or while a call is settled.

use super::Node;
use super::core::{Core, Rare, Stage, Turn};
use super::door::Door;
use super::task::Task;
use crate::actor::inbox::{Inbox, Kind, Mail};
use crate::actor::options::ActorOptions;
use crate::actor::state::{Checkpoint, Legacy};
use crate::base::ActorId;
use crate::base::quiet::quietly;
use crate::base::thread::Condvar;
use crate::object::error::{Error, ErrorKind};
use crate::object::raw::{Holder, RawRef};
use crate::object::value::{Payload, Value};
use crate::sched::LaneId;
use crate::sched::desk::Desk;
use crate::task::arg::Inputs;
use crate::task::function::Function;
use crate::task::options::Options as CallOptions;
use parking_lot::{Mutex, MutexGuard};
use std::cell::RefCell;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Weak};

/// The lane of all turns: they belong to no job.
pub(super) const LANE: LaneId = LaneId(0);

/// One actor.
pub(crate) struct Cell {
    pub(crate) id: ActorId,
    node: Weak<Node>,
    pub(super) constructor: &'static Function,
    /// What the actor runs last, if it ends in good order.
    pub(super) on_stop: Option<&'static Function>,
    pub(crate) options: Options,
    /// Turns for shared calls that may be queued at once.
    pub(super) turns_max: u32,
    /// Where it stands in the list of its node's actors.
    pub(super) place: AtomicU32,
    pub(super) door: Door<Arc<Task>>,
    pub(super) core: Mutex<Core>,
    /// There is room again in an inbox that was full.
    pub(super) room: Condvar,
    /// What the handles hold; it goes with the last of them.
    claim: Weak<dyn Holder>,
    /// How its state is kept, where it may be.
    pub(crate) checkpoint: Option<&'static Checkpoint>,
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

/// An actor under its lock. Calls that stood at the door are in its inbox, and when the lock goes
/// the door knows what has changed for it.
pub(super) struct Locked<'a> {
    core: MutexGuard<'a, Core>,
    cell: &'a Cell,
}

impl std::ops::Deref for Locked<'_> {
    type Target = Core;
    fn deref(&self) -> &Core {
        &self.core
    }
}

impl std::ops::DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Core {
        &mut self.core
    }
}

/// How long a list is kept.
const SPARE_LEN_MAX: usize = 4096;

std::thread_local! {
    /// An empty list, in exchange for the one at a door.
    static SPARE: RefCell<Vec<Arc<Task>>> = const { RefCell::new(Vec::new()) };
}

impl Locked<'_> {
    /// Lets in who stands at the door. While a turn is `watching` it, callers rely on that turn.
    pub(super) fn let_in(&mut self, watching: bool) {
        // What comes to one that has ended is taken by whoever has ended it.
        if matches!(self.core.stage, Stage::Ended(_)) {
            return;
        }
        let mut calls = SPARE.try_with(RefCell::take).unwrap_or_default();
        self.cell.door.let_in(&mut calls, watching);
        self.core.watched = watching;
        self.core.posted = self.core.posted.wrapping_add(calls.len() as u32);
        for call in calls.drain(..) {
            self.core.inbox.push(Mail { kind: self.cell.kind(&call), call });
        }
        calls.shrink_to(SPARE_LEN_MAX);
        let _ = SPARE.try_with(|spare| spare.replace(calls));
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let refuses = self.core.stopping || matches!(self.core.stage, Stage::Ended(_));
        let bounded = self.cell.options.max_pending < u32::MAX;
        let asks = refuses || bounded || self.core.inbox.holds_anyone();
        let watched = self.core.watched || self.core.is_watching();
        if watched != self.core.watched || asks != self.core.asks {
            (self.core.watched, self.core.asks) = (watched, asks);
            self.cell.door.tell(watched, asks);
        }
    }
}

impl Cell {
    /// Takes the lock, and lets in who stands at the door.
    pub(super) fn enter(&self) -> Locked<'_> {
        self.enter_to(|_| ())
    }

    /// The same; `first` comes before that, for who stops to watch the door.
    pub(super) fn enter_to(&self, first: impl FnOnce(&mut Core)) -> Locked<'_> {
        let mut locked = Locked { core: self.core.lock(), cell: self };
        first(&mut locked.core);
        let watching = locked.core.is_watching();
        // Nobody is there, and nobody relies on what is no more: the common case. Who comes at this
        // moment goes in himself, or relies on a turn that looks again.
        let quiet = !self.door.is_busy() && (watching || !locked.core.watched);
        if !quiet {
            locked.let_in(watching);
        }
        locked
    }

    pub(crate) fn new(
        node: &Arc<Node>,
        constructor: &'static Function,
        options: Options,
        legacy: Option<Arc<Legacy>>,
        claim: Weak<dyn Holder>,
    ) -> Arc<Cell> {
        let kind = constructor.actor.map(|kind| kind());
        let on_stop = kind.and_then(|kind| kind.on_stop);
        let checkpoint = kind.and_then(|kind| kind.checkpoint);
        let groups = options.groups.iter().map(|(_, max)| *max);
        let limits = std::iter::once(options.max_concurrency).chain(groups);
        let mut core = Core::new(Inbox::new(limits));
        if legacy.is_some() {
            core.rare().legacy = legacy;
        }
        let bounded = options.max_pending < u32::MAX;
        let turns_max =
            if options.pinned { 1 } else { node.config.num_cpus.clamp(1, 1 << 16) as u32 };
        let door = Door::new(bounded);
        core.asks = bounded;
        Arc::new(Cell {
            id: ActorId { node: node.id, sequence: crate::base::id::next_sequence() },
            node: Arc::downgrade(node),
            constructor,
            on_stop,
            options,
            checkpoint,
            turns_max,
            place: AtomicU32::new(u32::MAX),
            door,
            core: Mutex::new(core),
            room: Condvar::new(),
            claim,
        })
    }

    pub(crate) fn node(&self) -> Option<Arc<Node>> {
        self.node.upgrade()
    }

    /// The thread that it stays on, if it does.
    pub(super) fn desk(&self) -> Option<Desk> {
        if !self.options.pinned {
            return None;
        }
        self.core.lock().rarely(|rare| rare.desk.clone())
    }

    /// Gives an actor that stays on one thread that thread. It ends there when the node is closed,
    /// so that its state is dropped where it was made.
    pub(super) fn take_desk(self: &Arc<Cell>, node: &Node) -> Result<(), Error> {
        if !self.options.pinned {
            return Ok(());
        }
        let opened = node.pool.open_desk(self.label());
        let none =
            |error| Error::new(ErrorKind::ThreadsExhausted, format!("{}: {error}", self.label()));
        let desk = opened.map_err(none)?;
        let cell = Arc::downgrade(self);
        desk.on_close(move || {
            if let Some(cell) = cell.upgrade() {
                cell.end(cell.died("ended: its node was closed"));
            }
        });
        self.core.lock().rare().desk = Some(desk);
        Ok(())
    }

    /// The struct's name, with its path.
    pub(crate) fn type_name(&self) -> &'static str {
        (self.constructor.path)()
    }

    /// How the actor is named in messages.
    pub(crate) fn label(&self) -> String {
        match &self.options.name {
            Some(name) => format!("actor `{name}` ({}, {})", self.type_name(), self.shown_id()),
            None => format!("actor `{}` ({})", self.type_name(), self.shown_id()),
        }
    }

    /// The id that its handles have.
    pub(crate) fn shown_id(&self) -> ActorId {
        self.options.known_as.unwrap_or(self.id)
    }

    /// How a call needs the state, and which group's limit it counts for.
    pub(super) fn kind(&self, call: &Task) -> Kind {
        let name = call.options().group;
        let of = |name| self.options.groups.iter().position(|(known, _)| known == name);
        Kind {
            need: call.function.body.need(),
            group: name.and_then(of).map_or(0, |at| at as u32 + 1),
        }
    }

    /// What a handle would hold, without holding it.
    pub(crate) fn claim(&self) -> Weak<dyn Holder> {
        Weak::clone(&self.claim)
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
            reference.seal(Ok(Payload::new(Value::new(why))));
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
        fresh.seal(outcome);
        fresh
    }

    /// Who waited for the next start hears of it, or that there is none.
    pub(super) fn tell_ready(&self, outcome: Result<(), Error>) {
        let ready = self.core.lock().rare.as_mut().and_then(|rare| rare.ready.take());
        if let Some(ready) = ready {
            ready.seal(outcome.map(|()| Payload::new(Value::new(()))));
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
    pub(crate) fn creation_options(&self) -> Option<Box<CallOptions>> {
        let own = &*self.options;
        let holds =
            own.num_cpus > 0.0 || own.num_gpus > 0.0 || own.memory > 0 || !own.resources.is_empty();
        if !holds && own.priority.is_none() {
            return None;
        }
        let mut options = self.constructor.defaults.clone();
        if holds {
            (options.held, options.num_cpus) = (true, own.num_cpus);
            (options.num_gpus, options.memory) = (own.num_gpus, own.memory);
            (options.resources, options.strategy) = (own.resources.clone(), own.strategy);
        }
        options.priority = own.priority;
        Some(Box::new(options))
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
        let core = self.enter();
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
        let mut core = self.enter();
        core.closing = true;
        let ends = core.should_end();
        core.queued += u32::from(ends);
        drop(core);
        if ends {
            match self.node().filter(|node| !node.is_closed()) {
                // The state is dropped on the pool.
                Some(node) => self.schedule(&node, Turn::OfThreads),
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
            let mut core = self.enter();
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
        // From now on the door is closed; what came while it was being closed is the last.
        let mut late = Vec::new();
        self.door.let_in(&mut late, false);
        given_up.append(&mut late);
        given_up.append(&mut self.door.take_spent());
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
            node.actors.forget(node, self);
            given_up.iter().for_each(|task| {
                node.abort(task, why.clone().in_task(task.name(), task.id()));
            });
            if let Some(held) = rare.held.take() {
                node.give_back_of(self.id, &held);
            }
        }
        if let Some(supervisor) = &self.options.supervisor {
            supervisor.0.left(self.id);
        }
        let told = (rare.ended.take(), rare.ready.take());
        quietly(|| drop((given_up, life, rare)));
        if let Some(ended) = told.0 {
            ended.seal(Ok(Payload::new(Value::new(why.message().to_owned()))));
        }
        if let Some(ready) = told.1 {
            ready.seal(Err(why));
        }
        true
    }
}
