//! Who sleeps, whom to wake. The protocol and why no wake-up is lost stand in README.md beside this
//! file; in short: a worker announces that it sleeps and then looks for work once more, a submitter
//! queues its work and then looks whether anybody sleeps, and a full fence stands between the two
//! steps on both sides.

use super::parker::Parker;
use crate::base::sync::{Arc, AtomicBool, AtomicUsize, Mutex, Ordering, fence};

/// The sleeping workers of a pool.
pub(crate) struct Sleep {
    /// Workers that look for work right now, the ones just woken included.
    searching: AtomicUsize,
    /// Length of `sleepers`, readable without the lock.
    sleeping: AtomicUsize,
    /// Workers that are in the middle of their work; each will look for more before it sleeps.
    busy: AtomicUsize,
    /// One of the sleepers gets up every now and then by itself, to see whether those that are busy
    /// keep up. While it does, work that is queued beside them wakes nobody: on a machine whose
    /// cores are all in use a wake-up costs more than a short task, and most find that the work is
    /// done already.
    lookout: AtomicBool,
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
            busy: AtomicUsize::new(0),
            lookout: AtomicBool::new(false),
            sleepers: Mutex::new(Vec::new()),
        }
    }

    /// To be called after work was queued.
    pub(crate) fn notify(&self) -> Woken {
        // Pairs with the fence in `lie_down`: either the sleeper sees the work or we see the
        // sleeper.
        fence(Ordering::SeqCst);
        if self.is_watched() {
            return Woken::Searching;
        }
        self.call_behind_fence()
    }

    /// The same, for work that should not wait for the lookout.
    pub(crate) fn call(&self) -> Woken {
        fence(Ordering::SeqCst);
        self.call_behind_fence()
    }

    fn call_behind_fence(&self) -> Woken {
        if self.searching.load(Ordering::Relaxed) > 0 {
            return Woken::Searching;
        }
        if self.sleeping.load(Ordering::Relaxed) == 0 {
            return Woken::Nobody;
        }
        self.wake()
    }

    /// Whether somebody is busy and will look again, and somebody else sees to it that it is soon.
    fn is_watched(&self) -> bool {
        self.lookout.load(Ordering::Relaxed) && self.busy.load(Ordering::Relaxed) > 0
    }

    /// A worker begins to work, after a rest.
    pub(crate) fn start_working(&self) {
        self.busy.fetch_add(1, Ordering::SeqCst);
    }

    /// A worker stops to work, and must look for work after this and before it sleeps.
    pub(crate) fn stop_working(&self) {
        self.busy.fetch_sub(1, Ordering::SeqCst);
        // Pairs with the fence in `notify`: either the submitter sees that nobody is busy, or the
        // look that follows sees its work.
        fence(Ordering::SeqCst);
    }

    pub(crate) fn anyone_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed) > 0
    }

    /// A worker that lies down is to get up by itself. `false` if another one does, or nobody is
    /// busy.
    pub(crate) fn take_lookout(&self) -> bool {
        self.anyone_busy() && !self.lookout.swap(true, Ordering::SeqCst)
    }

    /// The lookout got up, and must look for work after this.
    pub(crate) fn leave_lookout(&self) {
        self.lookout.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
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
        let last = self.searching.fetch_sub(1, Ordering::SeqCst) == 1;
        if last {
            // Pairs with the fence in `notify`: either the submitter sees that nobody is looking,
            // or the look that follows sees its work.
            fence(Ordering::SeqCst);
        }
        last
    }

    /// Announces that this worker lies down, having looked if `searching`. `true` if it may sleep
    /// on its parker; `false` if `look` found work after the announcement, which is then taken
    /// back.
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
        // Whoever took us off the list in between has counted us as looking. The permit that comes
        // with it ends some later sleep at once; every sleeper looks again when it wakes.
        if self.get_up(parker) {
            self.searching.fetch_add(1, Ordering::SeqCst);
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
}

#[cfg(all(test, raykit_loom))]
mod loom_tests {
    use super::*;
    use crate::base::sync::{AtomicUsize, Ordering};

    /// A worker that ends when it has done `left` pieces of work, and looks for them in the way
    /// that the pool's workers do.
    fn worker(
        sleep: &Arc<Sleep>,
        work: &Arc<AtomicUsize>,
        mut left: usize,
        searches_first: bool,
    ) -> loom::thread::JoinHandle<()> {
        let (sleep, work) = (Arc::clone(sleep), Arc::clone(work));
        loom::thread::spawn(move || {
            let parker = Parker::new();
            let mut searching = searches_first && sleep.start_searching(1);
            loop {
                left -= work.swap(0, Ordering::SeqCst);
                if left == 0 {
                    break;
                }
                let look = || work.load(Ordering::SeqCst) > 0;
                if sleep.lie_down(&parker, std::mem::take(&mut searching), look) {
                    parker.park();
                    searching = !sleep.get_up(&parker);
                } else {
                    searching = true;
                }
            }
            if searching {
                let _ = sleep.stop_searching();
            }
        })
    }

    /// A worker that looks, lies down and looks again; a submitter that queues and notifies.
    /// Whatever the order of their steps, the worker comes to the work: a lost wake-up would show
    /// as a deadlock.
    #[test]
    fn loom_no_wake_up_is_lost() {
        crate::base::sync::explore(|| {
            let sleep = Arc::new(Sleep::new());
            let work = Arc::new(AtomicUsize::new(0));
            let worker = worker(&sleep, &work, 1, true);
            work.fetch_add(1, Ordering::SeqCst);
            let _ = sleep.notify();
            worker.join().expect("the worker ends");
            assert_eq!(sleep.searching.load(Ordering::SeqCst), 0, "nobody is counted twice");
        });
    }

    /// A busy worker comes to rest, a lookout sleeps beside it, a submitter queues: the work is
    /// found by the one that was busy, by the lookout when it gets up, or by a sleeper that was
    /// woken.
    #[test]
    fn loom_a_lookout_hides_no_work() {
        crate::base::sync::explore(|| {
            let sleep = Arc::new(Sleep::new());
            let work = Arc::new(AtomicUsize::new(0));
            sleep.start_working();
            assert!(sleep.take_lookout());
            let worker = {
                let (sleep, work) = (Arc::clone(&sleep), Arc::clone(&work));
                loom::thread::spawn(move || {
                    let parker = Parker::new();
                    sleep.stop_working();
                    let look = || work.load(Ordering::SeqCst) > 0;
                    // `true`: it sleeps, and whoever has the work to do must have woken it.
                    if sleep.lie_down(&parker, false, look) { Some(parker) } else { None }
                })
            };
            work.fetch_add(1, Ordering::SeqCst);
            let _ = sleep.notify();
            let asleep = worker.join().expect("the worker ends");
            sleep.leave_lookout();
            if let Some(parker) = asleep {
                let left_alone = sleep.get_up(&parker);
                assert!(work.load(Ordering::SeqCst) == 1, "the lookout sees it when it gets up");
                assert!(
                    !left_alone,
                    "who was busy does not sleep beside work that nobody announced"
                );
            }
        });
    }

    /// Two submitters and one sleeper: it is woken once for both or for each, and the count of
    /// those that search comes out even.
    #[test]
    fn loom_two_submitters_one_sleeper() {
        crate::base::sync::explore(|| {
            let sleep = Arc::new(Sleep::new());
            let work = Arc::new(AtomicUsize::new(0));
            let submitter = {
                let (sleep, work) = (Arc::clone(&sleep), Arc::clone(&work));
                loom::thread::spawn(move || {
                    work.fetch_add(1, Ordering::SeqCst);
                    let _ = sleep.notify();
                })
            };
            let worker = worker(&sleep, &work, 2, false);
            work.fetch_add(1, Ordering::SeqCst);
            let _ = sleep.notify();
            submitter.join().expect("the submitter ends");
            worker.join().expect("the worker ends");
            assert_eq!(sleep.searching.load(Ordering::SeqCst), 0, "nobody is counted twice");
        });
    }
}
