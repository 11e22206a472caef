//! `Supervisor`: who decides when an actor has failed.

use crate::actor::supervise::{Child, Decision, Family, Restart, Supervise, Supervised, Verdict};
use crate::base::ActorId;
use crate::base::clock;
use crate::node::run::caught;
use crate::object::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Failures that are followed by a restart, and within which time they are counted, unless told
/// otherwise.
const MAX_RESTARTS: u32 = 3;
const WITHIN: Duration = Duration::from_secs(5);
/// How many supervisors may stand above one.
const HEIGHT_MAX: usize = 64;

/// Several actors that stand and fall together, after the supervisors of Erlang/OTP.
///
/// An actor joins when it is made with the option `supervisor`. It has *failed* when a method of
/// it panicked, or its constructor failed, and it has no restart of its own left (`max_restarts`, 0
/// unless said otherwise). Then the supervisor decides, by [`on_failure`](Supervisor::on_failure)
/// if that was given: the actors that its [`Restart`] names start again, with the arguments that
/// they were made with or from their last checkpoint, and their handles stay good. Calls that were
/// running resolve to [`ActorUnavailable`](ErrorKind::ActorUnavailable) unless they have retries
/// left; calls that had not begun wait.
///
/// When there are more failures within a time than [`max_restarts`](Supervisor::max_restarts)
/// allows, the supervisor gives up: all its actors end, or, if it stands
/// [`under`](Supervisor::under) another one, that one decides about all of them together. An actor
/// that is stopped or killed, or that nobody has a handle of any more, leaves; that is no failure.
///
/// Clones are the same supervisor. It lives as long as one of its actors or somebody who holds it.
///
/// ```
/// use raykit::{Restart, Supervisor, prelude::*};
///
/// #[remote]
/// struct Store {
///     lines: Vec<String>,
/// }
///
/// #[remote]
/// impl Store {
///     pub fn new() -> Self {
///         Store { lines: vec![] }
///     }
///     pub fn add(&mut self, line: String) -> usize {
///         assert!(!line.is_empty(), "a line has a text");
///         self.lines.push(line);
///         self.lines.len()
///     }
/// }
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let family = Supervisor::new(Restart::OneForOne).max_restarts(10, secs(60));
/// let store = Store::options().supervisor(&family).remote();
/// assert_eq!(store.add("one").get()?, 1);
/// assert!(store.add("").get().is_err()); // the store fails, and starts again
/// assert_eq!(store.add("two").get()?, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Supervisor(Arc<Shared>);

struct Shared {
    /// By which its own supervisor knows it.
    id: ActorId,
    above: Option<Arc<Shared>>,
    /// How many stand above one another, this one included.
    height: usize,
    began: Instant,
    state: Mutex<State>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(above) = &self.above {
            above.left(self.id);
        }
    }
}

struct State {
    family: Family<Arc<dyn Child>>,
    max: u32,
    within: Duration,
    on_failure: Option<Arc<Decide>>,
    /// It gave up, and the one above has not decided yet.
    asks: bool,
    /// Why it gave up, until its own supervisor starts it again.
    gave_up: Option<String>,
    starts: u64,
}

type Decide = dyn Fn(&Failure) -> Decision + Send + Sync;

/// What a supervisor is told of an actor that has failed.
#[crate::object]
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Failure {
    /// Which actor: name, type and number.
    pub actor: String,
    /// Why: the message of the error.
    pub error: String,
    /// How often the actor has started again before.
    pub restarts: u64,
}

impl Supervisor {
    /// A supervisor without actors; three failures within five seconds are one too many unless it
    /// is told otherwise.
    pub fn new(restart: Restart) -> Supervisor {
        Supervisor::made(restart, None)
    }

    /// A supervisor under another one, as one of its children: when this one gives up, the other
    /// one decides about all its actors together.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when 64 stand above one another already.
    ///
    /// ```
    /// use raykit::{Restart, Supervisor};
    ///
    /// # fn main() -> raykit::Result<()> {
    /// let whole = Supervisor::new(Restart::OneForAll);
    /// let readers = Supervisor::under(&whole, Restart::OneForOne)?;
    /// let writers = Supervisor::under(&whole, Restart::RestForOne)?;
    /// assert_eq!(whole.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn under(above: &Supervisor, restart: Restart) -> Result<Supervisor> {
        if above.0.height == HEIGHT_MAX {
            let text =
                format!("{HEIGHT_MAX} supervisors stand above one another, the most there may be");
            return Err(Error::new(ErrorKind::Config, text));
        }
        let supervisor = Supervisor::made(restart, Some(Arc::clone(&above.0)));
        let seen = Inner { id: supervisor.0.id, supervisor: Arc::downgrade(&supervisor.0) };
        above.0.joined(Arc::new(seen));
        Ok(supervisor)
    }

    fn made(restart: Restart, above: Option<Arc<Shared>>) -> Supervisor {
        let node = crate::node::current::with_node(|node| node.id).unwrap_or(crate::NodeId(0));
        let state = State {
            family: Family::new(restart, MAX_RESTARTS, WITHIN),
            max: MAX_RESTARTS,
            within: WITHIN,
            on_failure: None,
            asks: false,
            gave_up: None,
            starts: 0,
        };
        Supervisor(Arc::new(Shared {
            id: ActorId { node, sequence: crate::base::id::next_sequence() },
            height: above.as_ref().map_or(1, |above| above.height + 1),
            above,
            began: clock::now(),
            state: Mutex::new(state),
        }))
    }

    /// How many failures within this time are followed by a restart. One more, and the supervisor
    /// gives up.
    pub fn max_restarts(self, max: u32, within: Duration) -> Supervisor {
        let mut state = self.0.state.lock();
        (state.max, state.within) = (max, within);
        state.family.limit(max, within);
        drop(state);
        self
    }

    /// Is called with each failure and decides. It may call actors and wait for them: it runs as a
    /// task of one CPU. If it panics the supervisor gives up.
    ///
    /// ```
    /// use raykit::{Decision, Restart, Supervisor, prelude::*};
    ///
    /// let careful = Supervisor::new(Restart::OneForAll).on_failure(|failure| {
    ///     eprintln!("{}: {}", failure.actor, failure.error);
    ///     if failure.error.contains("disk full") { Decision::Escalate } else { Decision::Restart }
    /// });
    /// # drop(careful);
    /// ```
    pub fn on_failure(
        self,
        decide: impl Fn(&Failure) -> Decision + Send + Sync + 'static,
    ) -> Supervisor {
        let before = self.0.state.lock().on_failure.replace(Arc::new(decide));
        drop(before); // the user's, outside the lock
        self
    }

    /// How many actors and supervisors it has.
    pub fn len(&self) -> usize {
        self.0.state.lock().family.all().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Why it gave up, if it did.
    pub fn gave_up(&self) -> Option<String> {
        self.0.state.lock().gave_up.clone()
    }

    #[doc(hidden)]
    pub fn __supervised(&self) -> Supervised {
        Supervised(Arc::clone(&self.0) as Arc<dyn Supervise>)
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.lock();
        f.debug_struct("Supervisor")
            .field("restart", &state.family.restart)
            .field("children", &state.family.all().len())
            .field("gave_up", &state.gave_up)
            .finish_non_exhaustive()
    }
}

impl Supervise for Shared {
    fn joined(&self, child: Arc<dyn Child>) {
        let mut state = self.state.lock();
        // What comes to one that gave up for good begins anew.
        if !state.asks {
            state.gave_up = None;
        }
        state.family.join(child.id(), child);
    }

    fn left(&self, child: ActorId) {
        let gone = self.state.lock().family.leave(child);
        drop(gone);
    }

    fn failed(&self, id: ActorId, error: &Error) {
        let (child, decide) = {
            let state = self.state.lock();
            (state.family.child(id), state.on_failure.clone())
        };
        // Another one's failure may have started it again meanwhile.
        let Some((child, seen)) = child.filter(|(child, _)| child.is_down()) else { return };
        let failure =
            Failure { actor: child.label(), error: error.to_string(), restarts: child.restarts() };
        let decide = || Ok(decide.map_or(Decision::Restart, |decide| decide(&failure)));
        // A panic was printed when it happened.
        let decision = caught(decide).unwrap_or(Decision::Escalate);
        // The same while one decided.
        if !self.state.lock().family.is_open(id, seen) {
            return;
        }
        match decision {
            Decision::Restart => self.restart(&child, seen, error),
            Decision::Stop => child.give_up(&format!("ended, as its supervisor decided: {error}")),
            Decision::Escalate => self.give_up(&format!("{} has failed: {error}", failure.actor)),
        }
    }
}

impl Shared {
    fn restart(&self, child: &Arc<dyn Child>, seen: u64, error: &Error) {
        let (verdict, often) = {
            let mut state = self.state.lock();
            let verdict = state.family.failed(child.id(), seen, clock::since(self.began));
            (verdict, format!("more than {} failures within {:?}", state.max, state.within))
        };
        let (affected, pause) = match verdict {
            Verdict::Restart(affected, pause) => (affected, pause),
            Verdict::Settled => return,
            Verdict::TooOften => {
                let why = format!("{often}, the last one of {}: {error}", child.label());
                return self.give_up(&why);
            }
        };
        // The last to come is the first to go, and the other way round.
        affected.iter().rev().for_each(|child| child.take_down(error));
        affected.iter().for_each(|child| child.bring_up(pause));
    }

    /// Nothing more is tried here.
    fn give_up(&self, why: &str) {
        let children = {
            let mut state = self.state.lock();
            state.gave_up = Some(why.to_owned());
            state.asks = self.above.is_some();
            state.family.all()
        };
        let error = Error::new(ErrorKind::ActorDied, why);
        match &self.above {
            Some(above) => {
                children.iter().rev().for_each(|child| child.take_down(&error));
                above.failed(self.id, &error);
            }
            None => end(&children, why),
        }
    }
}

fn end(children: &[Arc<dyn Child>], why: &str) {
    let why = format!("ended, since its supervisor gave up: {why}");
    children.iter().rev().for_each(|child| child.give_up(&why));
}

/// A supervisor as the one above sees it.
struct Inner {
    id: ActorId,
    supervisor: Weak<Shared>,
}

impl Inner {
    fn with<R: Default>(&self, f: impl FnOnce(&Shared) -> R) -> R {
        self.supervisor.upgrade().map(|supervisor| f(&supervisor)).unwrap_or_default()
    }

    fn children(&self) -> Vec<Arc<dyn Child>> {
        self.with(|own| own.state.lock().family.all())
    }
}

impl Child for Inner {
    fn id(&self) -> ActorId {
        self.id
    }

    fn label(&self) -> String {
        format!("a supervisor of {}", self.children().len())
    }

    fn is_down(&self) -> bool {
        self.with(|own| own.state.lock().asks)
    }

    fn restarts(&self) -> u64 {
        self.with(|own| own.state.lock().starts)
    }

    fn take_down(&self, why: &Error) {
        self.children().iter().rev().for_each(|child| child.take_down(why));
    }

    fn bring_up(&self, pause: Duration) {
        self.with(|own| {
            let mut state = own.state.lock();
            let (max, within) = (state.max, state.within);
            state.family.limit(max, within);
            (state.asks, state.gave_up) = (false, None);
            state.starts += 1;
        });
        self.children().iter().for_each(|child| child.bring_up(pause));
    }

    fn give_up(&self, why: &str) {
        self.with(|own| {
            let mut state = own.state.lock();
            (state.asks, state.gave_up) = (false, Some(why.to_owned()));
        });
        self.children().iter().rev().for_each(|child| child.give_up(why));
    }
}
