//! Who sleeps, whom to wake. The protocol and why no wake-up is lost stand in README.md beside this
//! file; in short: a worker announces that it sleeps and then looks for work once more, a submitter
//! queues its work and then looks whether anybody sleeps, and a full fence stands between the two steps
//! on both sides.

use super::parker::Parker;
use crate::base::sync::{Arc, AtomicUsize, Mutex, Ordering, fence};

/// The sleeping workers of a pool.
pub(crate) struct Sleep {
    /// Workers that look for work right now, the ones just woken included.
    searching: AtomicUsize,
    /// Length of `sleepers`, readable without the lock.
    sleeping: AtomicUsize,
    /// Who sleeps; the last to lie down is woken first, since its cache is the warmest.
    sleepers: Mutex<Vec<Arc<Parker>>>,
}

/// What became of a call for one more worker.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Woken {
    /// A sleeper was woken.
    One,
    /// Somebody is looking already and will find the work.
    Searching,
    /// Nobody sleeps and nobody looks: all are busy, or there is no thread.
    Nobody,
}

impl Sleep {
    pub(crate) fn new() -> Sleep {
        Sleep {
            searching: AtomicUsize::new(0),
            sleeping: AtomicUsize::new(0),
            sleepers: Mutex::new(Vec::new()),
        }
    }

    /// To be called after work was queued.
    pub(crate) fn notify(&self) -> Woken {
        // Pairs with the fence in `sleep`: either the sleeper sees the work or we see the sleeper.
        fence(Ordering::SeqCst);
        if self.searching.load(Ordering::Relaxed) > 0 {
            return Woken::Searching;
        }
        if self.sleeping.load(Ordering::Relaxed) == 0 {
            return Woken::Nobody;
        }
        self.wake()
    }

    /// Wakes a sleeper, whoever else is looking.
    pub(crate) fn wake(&self) -> Woken {
        let mut sleepers = self.sleepers.lock();
        let Some(parker) = sleepers.pop() else { return Woken::Nobody };
        self.sleeping.store(sleepers.len(), Ordering::Relaxed);
        // The woken worker counts as looking from now on, so that the next submitter need not wake
        // another one for the same work.
        self.searching.fetch_add(1, Ordering::SeqCst);
        drop(sleepers);
        parker.unpark();
        Woken::One
    }

    pub(crate) fn wake_all(&self) {
        while self.wake() == Woken::One {}
    }

    /// A worker begins to look. `false` if enough others do: then it should sleep at once.
    pub(crate) fn start_searching(&self, at_most: usize) -> bool {
        if self.searching.load(Ordering::Relaxed) >= at_most {
            return false;
        }
        self.searching.fetch_add(1, Ordering::SeqCst);
        true
    }

    /// A worker has found work. `true` if it was the last to look: then it should see to it that
    /// somebody looks for what else there may be.
    pub(crate) fn stop_searching(&self) -> bool {
        self.searching.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// Announces that this worker lies down, having looked if `searching`. `true` if it may sleep on its
    /// parker; `false` if `look` found work after the announcement, which is then taken back.
    pub(crate) fn lie_down(
        &self,
        parker: &Arc<Parker>,
        searching: bool,
        look: impl FnOnce() -> bool,
    ) -> bool {
        {
            let mut sleepers = self.sleepers.lock();
            sleepers.push(Arc::clone(parker));
            self.sleeping.store(sleepers.len(), Ordering::Relaxed);
        }
        if searching {
            self.searching.fetch_sub(1, Ordering::SeqCst);
        }
        fence(Ordering::SeqCst);
        if !look() {
            return true;
        }
        // Whoever took us off the list in between has counted us as looking and given a permit.
        if self.get_up(parker) {
            self.searching.fetch_add(1, Ordering::SeqCst);
        } else {
            parker.park();
        }
        false
    }

    /// Takes a worker off the list. `false` if it is not there: then a wake-up is on its way.
    pub(crate) fn get_up(&self, parker: &Arc<Parker>) -> bool {
        let mut sleepers = self.sleepers.lock();
        let found = sleepers.iter().position(|other| Arc::ptr_eq(other, parker));
        if let Some(at) = found {
            sleepers.remove(at);
            self.sleeping.store(sleepers.len(), Ordering::Relaxed);
        }
        found.is_some()
    }

    /// Whether a worker is still on the list.
    pub(crate) fn is_asleep(&self, parker: &Arc<Parker>) -> bool {
        self.sleepers.lock().iter().any(|other| Arc::ptr_eq(other, parker))
    }

    pub(crate) fn anyone_asleep(&self) -> bool {
        self.sleeping.load(Ordering::SeqCst) > 0
    }
}
