//! `Slot`: the life of one object. It is open, then sealed with an outcome, once and for all; who
//! waits is woken at that moment. The first outcome wins, so that a cancellation, a timeout and a
//! result that race leave one of them.
//!
//! No wake-up is lost: `seal` sets the outcome before it takes the list of waiters, and `watch`
//! looks at the outcome again while it holds the lock of that list. Whoever comes second sees the
//! other.

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
    #[expect(clippy::box_collection, reason = "keeps the slot small for the common case")]
    NoneOrMany(Option<Box<Vec<Waker>>>),
}

impl Default for Waiters {
    fn default() -> Waiters {
        Waiters::NoneOrMany(None)
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
        match waiters {
            Waiters::One(waker) => waker.wake(),
            Waiters::NoneOrMany(wakers) => {
                wakers.into_iter().flat_map(|all| *all).for_each(Waker::wake)
            }
        }
        if failed {
            Failures::tell();
        }
        true
    }

    /// Has `waker` called when the slot is sealed: as often as it was kept.
    pub(crate) fn watch(&self, waker: &Waker) -> Watched {
        let mut waiters = self.waiters.lock();
        if self.outcome.get().is_some() {
            return Watched::Ready;
        }
        *waiters = match std::mem::take(&mut *waiters) {
            Waiters::NoneOrMany(None) => Waiters::One(waker.clone()),
            Waiters::One(first) => Waiters::NoneOrMany(Some(Box::new(vec![first, waker.clone()]))),
            Waiters::NoneOrMany(Some(mut all)) => {
                all.push(waker.clone());
                Waiters::NoneOrMany(Some(all))
            }
        };
        Watched::Kept
    }

    /// Takes `waker` off the list, once: two futures of one task wait with the same waker, and the
    /// end of one wait is not the end of the other.
    pub(crate) fn unwatch(&self, waker: &Waker) {
        let mut waiters = self.waiters.lock();
        let gone = match &mut *waiters {
            Waiters::One(kept) if kept.will_wake(waker) => std::mem::take(&mut *waiters),
            Waiters::NoneOrMany(Some(all)) => {
                let at = all.iter().rposition(|kept| kept.will_wake(waker));
                at.map_or(Waiters::default(), |at| Waiters::One(all.swap_remove(at)))
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

    /// As [`Slot::watch`].
    pub(crate) fn watch(&self, waker: &Waker) -> Watched {
        self.found().map_or(Watched::Ready, |slot| slot.watch(waker))
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

    /// Whether the object exists already, as a value or as an error.
    pub fn is_ready(&self) -> bool {
        self.0.is_ready()
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
