//! What is under an actor's lock: its calls, the life that it is in, and what few actors need.

use super::task::Task;
use crate::actor::inbox::{Inbox, Kind, Need};
use crate::actor::restart::Restarts;
use crate::actor::state::{Legacy, Life};
use crate::base::quantity::Resources;
use crate::object::error::{Error, ErrorKind};
use crate::object::raw::RawRef;
use crate::object::value::Value;
use crate::sched::desk::Desk;
use crate::task::arg::Inputs;
use std::sync::Arc;

/// The part of an actor that is under its lock.
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
    /// A turn runs `&mut self` calls, and will look for more when it is done.
    pub(super) solo: bool,
    /// What the door was told: that a turn looks there, and that callers have to ask.
    pub(super) watched: bool,
    pub(super) asks: bool,
    pub(super) rare: Option<Box<Rare>>,
}

/// What few actors ever need, so that the others are small.
#[derive(Default)]
pub(super) struct Rare {
    /// Its `on_stop`, once that was called: no life follows.
    pub(super) farewell: Option<Arc<Task>>,
    /// Where its end is told, once somebody has asked.
    pub(super) ended: Option<RawRef>,
    /// The same of its next start.
    pub(super) ready: Option<RawRef>,
    /// Why its constructor failed when it ran for the first time.
    pub(super) stillborn: Option<Error>,
    /// For who takes over when it has ended.
    pub(super) legacy: Option<Arc<Legacy>>,
    /// The state as it was kept last, and calls that may have changed it since then.
    pub(super) kept: Option<Value>,
    pub(super) since: u32,
    pub(super) restarts: Restarts,
    /// Where it works, if it stays on one thread.
    pub(super) desk: Option<Desk>,
    /// The constructor's arguments, where it may run again.
    pub(super) inputs: Inputs,
    /// What it holds of the node's resources for as long as it lives.
    pub(super) held: Option<Resources>,
}

/// Who can take a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// A worker.
    OfThreads,
    /// Anybody: it only starts futures.
    OfFutures,
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
    pub(super) fn new(inbox: Inbox<Arc<Task>>) -> Core {
        Core {
            inbox,
            running: Vec::new(),
            life: None,
            stage: Stage::Ended(Error::new(ErrorKind::ActorDied, "")),
            queued: 0,
            posted: 0,
            active: 0,
            generation: 0,
            closing: false,
            stopping: false,
            solo: false,
            watched: false,
            asks: false,
            rare: None,
        }
    }

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

    /// Whether a turn is queued, or runs, that looks at the door before it is over.
    pub(super) fn is_watching(&self) -> bool {
        self.queued > 0 || self.solo
    }

    /// Whether the next call that may start is one of a `&mut self` method on a thread.
    pub(super) fn goes_on_solo(&self) -> bool {
        let first = self.inbox.first().filter(|_| self.is_alive());
        first.is_some_and(|first| first.call.function.body.is_exclusive_sync())
    }

    /// Whether one more turn should be queued; if so it is counted.
    pub(super) fn wants_turn(&mut self, turns_max: u32) -> Option<Turn> {
        let useful = match self.inbox.first().map(|first| first.kind.need) {
            // A turn whose call waits for something leaves its CPU to the next, so only those that
            // have not begun are counted.
            Some(Need::Shared) => self.queued < turns_max,
            _ => self.queued + self.active == 0,
        };
        let wants = useful && self.is_alive() && self.inbox.could_start();
        self.queued += u32::from(wants);
        wants.then(|| self.kind_of_turn())
    }

    /// The same, be it only to end.
    pub(super) fn turn_to_go_on(&mut self, turns_max: u32) -> Option<Turn> {
        if self.should_end() {
            self.queued += 1;
            return Some(self.kind_of_turn());
        }
        self.wants_turn(turns_max)
    }

    /// What a turn would have to do first.
    pub(super) fn kind_of_turn(&self) -> Turn {
        match self.inbox.first() {
            Some(first) if first.call.is_async() => Turn::OfFutures,
            _ => Turn::OfThreads,
        }
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
    pub(super) fn end(&mut self) -> Rare {
        let stays = Rare {
            ended: self.ended.clone(),
            stillborn: self.stillborn.take(),
            restarts: std::mem::take(&mut self.restarts),
            ..Rare::default()
        };
        std::mem::replace(self, stays)
    }
}
