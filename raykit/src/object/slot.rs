//! `Slot`: the life of one object. It is open, then sealed with an outcome, once and for all; who
//! waits is woken at that moment. The first outcome wins, so that a cancellation, a timeout and a
//! result that race leave one of them.
//!
//! No wake-up is lost: `seal` sets the outcome before it takes the list of waiters, and `watch`
//! looks at the outcome again while it holds the lock of that list. Whoever comes second sees the
//! other.
//!
//! A large value that was made on another node may be left there until somebody here wants it. The
//! slot is open then, and says so to those who follow the object instead of waiting for it: tasks
//! that could as well run where it lies.

use super::error::Error;
use super::kept::Kept;
use super::ledger::{Entry, Ledger};
use super::raw::{Holder, RawRef, Stage};
use super::reference::ObjectRef;
use super::value::Payload;
use crate::base::ObjectId;
use crate::base::limits::LISTED_BYTES_MIN;
use crate::base::sync::{AtomicUsize, Mutex, OnceLock, Ordering};
use std::any::Any;
use std::fmt;
use std::task::Waker;

/// What a slot ends up with.
pub(crate) type Outcome = Result<Payload, Error>;

/// The place of one object.
pub(crate) struct Slot {
    outcome: OnceLock<Outcome>,
    waiters: Mutex<Waiters>,
    entry: Entry,
    id: ObjectId,
}

/// Nearly always there is one waiter or none. Two variants and not three: a word less, and with
/// that a slot of its own is small enough for the allocator to free it on any thread without a
/// lock.
enum Waiters {
    One(Waker),
    NoneOrMany(Option<Box<Many>>),
}

#[derive(Default)]
struct Many {
    wakers: Vec<Waker>,
    /// The value is there, on another node.
    left: bool,
}

impl Default for Waiters {
    fn default() -> Waiters {
        Waiters::NoneOrMany(None)
    }
}

impl Waiters {
    fn left(&self) -> bool {
        matches!(self, Waiters::NoneOrMany(Some(all)) if all.left)
    }

    fn wake(self) {
        match self {
            Waiters::One(waker) => waker.wake(),
            Waiters::NoneOrMany(all) => {
                all.into_iter().flat_map(|all| all.wakers).for_each(Waker::wake);
            }
        }
    }
}

/// Whether a waker was kept.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Watched {
    /// It will be called when the slot is sealed.
    Kept,
    /// The slot is sealed already; the waker was not kept.
    Ready,
}

impl Slot {
    #[inline(always)]
    pub(crate) fn new(id: ObjectId, ledger: &'static Ledger) -> Slot {
        Slot {
            outcome: OnceLock::new(),
            waiters: Mutex::new(Waiters::default()),
            entry: Entry::new(ledger),
            id,
        }
    }

    pub(crate) fn id(&self) -> ObjectId {
        self.id
    }

    /// An open one of the same id.
    pub(crate) fn beside(&self, index: u32) -> Slot {
        Slot::new(ObjectId { index, ..self.id }, self.entry.ledger())
    }

    /// The outcome, once there is one.
    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.get()
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.outcome.get() {
            None => Stage::Open,
            Some(Ok(_)) => Stage::Value,
            Some(Err(_)) => Stage::Failed,
        }
    }

    /// Gives the slot its outcome and wakes who waits. `false` if it had one: then this one is
    /// dropped.
    pub(crate) fn seal(&self, outcome: Outcome) -> bool {
        let bytes = outcome.as_ref().map_or(0, Payload::bytes) as u64;
        let failed = outcome.is_err();
        if self.outcome.set(outcome).is_err() {
            return false;
        }
        self.entry.charge(bytes);
        if bytes >= LISTED_BYTES_MIN {
            self.entry.ledger().is_large(self.id, bytes);
        }
        let waiters = std::mem::take(&mut *self.waiters.lock());
        waiters.wake();
        if failed {
            Failures::tell();
        }
        true
    }

    /// Has `waker` called when the slot is sealed: as often as it was kept.
    pub(crate) fn watch(&self, waker: &Waker) -> Watched {
        self.keep(waker, false)
    }

    /// The same, but that a value which was left on another node is there too.
    pub(crate) fn follow(&self, waker: &Waker) -> Watched {
        self.keep(waker, true)
    }

    fn keep(&self, waker: &Waker, follows: bool) -> Watched {
        let mut waiters = self.waiters.lock();
        if self.outcome.get().is_some() || follows && waiters.left() {
            return Watched::Ready;
        }
        *waiters = match std::mem::take(&mut *waiters) {
            Waiters::NoneOrMany(None) => Waiters::One(waker.clone()),
            Waiters::One(first) => {
                let wakers = vec![first, waker.clone()];
                Waiters::NoneOrMany(Some(Box::new(Many { wakers, left: false })))
            }
            Waiters::NoneOrMany(Some(mut all)) => {
                all.wakers.push(waker.clone());
                Waiters::NoneOrMany(Some(all))
            }
        };
        Watched::Kept
    }

    /// The value is there, on another node, and stays there for now: who follows it is woken.
    /// `false`, and nothing has happened, if `wanted` says that somebody waits for it here; whoever
    /// does so says it before they watch.
    pub(crate) fn leave(&self, wanted: impl FnOnce() -> bool) -> bool {
        let mut waiters = self.waiters.lock();
        // Under the lock: either the wish is seen here, or `want` sees that it was left.
        if wanted() || self.outcome.get().is_some() {
            return false;
        }
        let left = Many { wakers: Vec::new(), left: true };
        let before = std::mem::replace(&mut *waiters, Waiters::NoneOrMany(Some(Box::new(left))));
        drop(waiters);
        before.wake();
        true
    }

    /// It is on its way here, or lost.
    pub(crate) fn leave_no_more(&self) {
        if let Waiters::NoneOrMany(Some(all)) = &mut *self.waiters.lock() {
            all.left = false;
        }
    }

    /// Whether the value is there and was left on another node.
    pub(crate) fn is_left(&self) -> bool {
        self.waiters.lock().left()
    }

    /// Somebody here waits for it, and has said so.
    pub(crate) fn want(&self) {
        if self.is_left() {
            self.entry.ledger().wants(self.id);
        }
    }

    /// Takes `waker` off the list, once: two futures of one task wait with the same waker, and the
    /// end of one wait is not the end of the other.
    pub(crate) fn unwatch(&self, waker: &Waker) {
        let mut waiters = self.waiters.lock();
        let gone = match &mut *waiters {
            Waiters::One(kept) if kept.will_wake(waker) => std::mem::take(&mut *waiters),
            Waiters::NoneOrMany(Some(all)) => {
                let at = all.wakers.iter().rposition(|kept| kept.will_wake(waker));
                at.map_or(Waiters::default(), |at| Waiters::One(all.wakers.swap_remove(at)))
            }
            _ => Waiters::default(),
        };
        drop(waiters);
        // Outside the lock: with the waker may go whatever it would have woken.
        drop(gone);
    }
}

impl Drop for Slot {
    #[inline]
    fn drop(&mut self) {
        if self.entry.bytes() >= LISTED_BYTES_MIN {
            self.entry.ledger().is_gone(self.id);
        }
    }
}

impl Holder for Slot {
    fn place(&self) -> &dyn Any {
        self
    }
    fn stage(&self) -> Stage {
        self.stage()
    }
}

impl RawRef {
    /// The place of an object that was to be filled, or its value, if it had that from the start.
    #[inline(always)]
    fn found(&self) -> Result<&Slot, &Kept> {
        let place = self.0.place();
        match place.downcast_ref() {
            Some(slot) => Ok(slot),
            None => Err(place.downcast_ref().expect("a `Holder` holds a `Slot` or is a `Kept`")),
        }
    }

    pub(crate) fn id(&self) -> ObjectId {
        self.found().map_or_else(Kept::id, Slot::id)
    }

    /// Bytes that the books have for the object.
    pub(crate) fn charged(&self) -> u64 {
        self.found().map_or_else(Kept::charged, |slot| slot.entry.bytes())
    }

    /// The outcome, once there is one.
    #[inline]
    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.found().map_or_else(|kept| Some(kept.outcome()), Slot::outcome)
    }

    /// As [`Slot::seal`].
    pub(crate) fn seal(&self, outcome: Outcome) -> bool {
        self.found().is_ok_and(|slot| slot.seal(outcome))
    }

    /// As [`Slot::watch`], for whoever needs the value here.
    pub(crate) fn watch(&self, waker: &Waker) -> Watched {
        self.0.want(); // before: see `Slot::leave`
        self.found().map_or(Watched::Ready, |slot| slot.watch(waker))
    }

    /// As [`Slot::watch`], for whoever does not need the value, but only to hear of it.
    pub(crate) fn observe(&self, waker: &Waker) -> Watched {
        self.found().map_or(Watched::Ready, |slot| slot.watch(waker))
    }

    /// As [`Slot::follow`].
    pub(crate) fn follow(&self, waker: &Waker) -> Watched {
        self.found().map_or(Watched::Ready, |slot| slot.follow(waker))
    }

    /// As [`Slot::unwatch`].
    pub(crate) fn unwatch(&self, waker: &Waker) {
        if let Ok(slot) = self.found() {
            slot.unwatch(waker);
        }
    }
}

impl fmt::Debug for RawRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawRef({})", self.id())
    }
}

impl<T> ObjectRef<T> {
    /// The id of the object.
    pub fn id(&self) -> ObjectId {
        self.0.id()
    }

    /// Whether the object is here already, as a value or as an error. A large value that was made
    /// on another node is brought here when somebody asks for it, and to ask this is to do so.
    pub fn is_ready(&self) -> bool {
        self.0.is_ready() || {
            self.0.want();
            false
        }
    }
}

impl<T> fmt::Debug for ObjectRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.0.stage() {
            Stage::Open => "pending",
            Stage::Value => "ready",
            Stage::Failed => "failed",
        };
        write!(f, "ObjectRef<{}>({}, {state})", std::any::type_name::<T>(), self.id())
    }
}

/// Who waits for many objects sleeps until a later one of them is there, and still wants to hear of
/// a failure at once. Failures are rare, so all of the process are told to all who listen.
pub(crate) struct Failures;

#[cfg(not(raykit_loom))]
mod failures {
    use super::*;
    use crate::base::sync::fence;

    static LISTENING: AtomicUsize = AtomicUsize::new(0);
    static LISTENERS: Mutex<Vec<Waker>> = Mutex::new(Vec::new());

    impl Failures {
        pub(super) fn tell() {
            // Pairs with the fence in `listen`: either the listener sees the failure when it looks,
            // or the listener is seen here.
            fence(Ordering::SeqCst);
            if LISTENING.load(Ordering::SeqCst) > 0 {
                LISTENERS.lock().iter().for_each(Waker::wake_by_ref);
            }
        }

        /// From now until `mute`, a failure anywhere in the process wakes `waker`.
        pub(crate) fn listen(waker: &Waker) {
            LISTENERS.lock().push(waker.clone());
            LISTENING.fetch_add(1, Ordering::SeqCst);
            fence(Ordering::SeqCst);
        }

        pub(crate) fn mute(waker: &Waker) {
            let mut listeners = LISTENERS.lock();
            if let Some(at) = listeners.iter().position(|kept| kept.will_wake(waker)) {
                listeners.swap_remove(at);
                LISTENING.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }
}

#[cfg(raykit_loom)]
impl Failures {
    fn tell() {}
    pub(crate) fn listen(_: &Waker) {}
    pub(crate) fn mute(_: &Waker) {}
}

#[cfg(all(test, raykit_loom))]
mod loom_tests {
    use super::*;
    use crate::base::{NodeId, TaskId};
    use crate::object::error::ErrorKind;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize as Count;
    use std::task::Wake;

    struct Counting(Count);
    impl Wake for Counting {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }

    fn slot() -> Arc<Slot> {
        let id = TaskId { node: NodeId(1), sequence: 1 }.result(0);
        Arc::new(Slot::new(id, Ledger::open()))
    }

    fn failed() -> Outcome {
        Err(Error::new(ErrorKind::Cancelled, ""))
    }

    /// Whoever watches while the slot is being sealed is either called or told that it is ready.
    #[test]
    fn loom_a_watcher_is_called_or_told() {
        crate::base::sync::explore(|| {
            let slot = slot();
            let sealer = {
                let slot = Arc::clone(&slot);
                loom::thread::spawn(move || slot.seal(failed()))
            };
            let counting = Arc::new(Counting(Count::new(0)));
            let watched = slot.watch(&Waker::from(Arc::clone(&counting)));
            assert!(sealer.join().expect("the sealer ends"));
            let called = counting.0.load(std::sync::atomic::Ordering::SeqCst);
            assert_eq!(called, usize::from(watched == Watched::Kept));
            assert!(slot.outcome().is_some());
        });
    }

    /// Whoever follows an object while its value is left elsewhere is called or told that it is
    /// there.
    #[test]
    fn loom_who_follows_hears_that_it_is_left() {
        crate::base::sync::explore(|| {
            let slot = slot();
            let leaver = {
                let slot = Arc::clone(&slot);
                loom::thread::spawn(move || slot.leave(|| false))
            };
            let counting = Arc::new(Counting(Count::new(0)));
            let followed = slot.follow(&Waker::from(Arc::clone(&counting)));
            assert!(leaver.join().expect("the leaver ends"));
            let called = counting.0.load(std::sync::atomic::Ordering::SeqCst);
            assert_eq!(called, usize::from(followed == Watched::Kept));
        });
    }

    /// Where somebody wants the value, and says so before he watches, it is not left without his
    /// being heard, and he is not called before it is here.
    #[test]
    fn loom_what_is_wanted_is_not_left_in_silence() {
        crate::base::sync::explore(|| {
            let ledger = Ledger::open();
            let heard = Arc::new(Count::new(0));
            let hears = Arc::clone(&heard);
            ledger.brings(move |_| {
                hears.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            });
            let id = TaskId { node: NodeId(1), sequence: 1 }.result(0);
            let slot = Arc::new(Slot::new(id, ledger));
            let wanted = Arc::new(AtomicUsize::new(0));
            let leaver = {
                let (slot, wanted) = (Arc::clone(&slot), Arc::clone(&wanted));
                loom::thread::spawn(move || slot.leave(|| wanted.load(Ordering::Relaxed) > 0))
            };
            wanted.store(1, Ordering::Relaxed);
            slot.want();
            let counting = Arc::new(Counting(Count::new(0)));
            assert_eq!(slot.watch(&Waker::from(Arc::clone(&counting))), Watched::Kept);
            let left = leaver.join().expect("the leaver ends");
            assert!(!left || heard.load(std::sync::atomic::Ordering::SeqCst) > 0);
            assert_eq!(counting.0.load(std::sync::atomic::Ordering::SeqCst), 0);
            assert!(slot.seal(failed()));
            assert_eq!(counting.0.load(std::sync::atomic::Ordering::SeqCst), 1);
        });
    }

    /// Of two outcomes that race one stays. (C10)
    #[test]
    fn loom_one_outcome_wins() {
        crate::base::sync::explore(|| {
            let slot = slot();
            let other = {
                let slot = Arc::clone(&slot);
                loom::thread::spawn(move || slot.seal(failed()))
            };
            let mine = slot.seal(failed());
            let others = other.join().expect("the other ends");
            assert!(mine != others);
        });
    }
}
