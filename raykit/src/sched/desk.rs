//! A desk: a thread of the pool that does the work of one owner and of nobody else, for values that
//! cannot move between threads. What runs there is charged a CPU like everything else, and what it
//! calls can be stolen by the workers; but the thread itself never takes up anything of others, and
//! does not count among those that do.

use super::job::{Job, LaneId};
use super::worker::{Seat, Worker};
use super::{Deque, Shared};
use crate::base::quantity::{Amount, Resources};
use crate::base::quiet::quietly;
use crate::base::thread::Condvar;
use parking_lot::Mutex;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::sync::{Arc, Weak};
use std::thread::ThreadId;

/// A claim to a desk; its thread ends when the last one is gone.
#[derive(Clone)]
pub(crate) struct Desk(Arc<Claim>);

struct Claim(Arc<Place>);

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.state.lock().left = true;
        self.0.called.notify_all();
    }
}

/// What is brought to a desk.
pub(crate) enum Work {
    /// Is charged a CPU while it runs.
    Charged(Arc<dyn Job>),
    /// Runs on what its owner holds.
    Held(Arc<dyn Job>),
    /// Is done even if the pool closes before.
    Surely(Box<dyn FnOnce() + Send>),
}

/// What the thread shares with those that bring it work.
pub(super) struct Place {
    state: Mutex<State>,
    called: Condvar,
    label: String,
}

#[derive(Default)]
struct State {
    work: VecDeque<Work>,
    /// The CPU that was asked for was granted.
    granted: bool,
    /// Nobody has a claim.
    left: bool,
    /// The thread takes nothing more.
    closed: bool,
    on_close: Option<Box<dyn FnOnce() + Send>>,
}

std::thread_local! {
    static HERE: RefCell<Weak<Claim>> = const { RefCell::new(Weak::new()) };
}

impl Desk {
    /// The desk of the calling thread.
    fn here() -> Option<Desk> {
        HERE.try_with(|here| here.borrow().upgrade()).ok().flatten().map(Desk)
    }

    /// Queues work behind all that was brought before. Gives it back if the pool is closed.
    pub(crate) fn bring(&self, work: Work) -> Result<(), Work> {
        let place = &self.0.0;
        let mut state = place.state.lock();
        if state.closed {
            return Err(work);
        }
        state.work.push_back(work);
        drop(state);
        place.called.notify_all();
        Ok(())
    }

    /// Has the thread do this, as the last thing, when the pool closes.
    pub(crate) fn on_close(&self, last: impl FnOnce() + Send + 'static) {
        self.0.0.state.lock().on_close = Some(Box::new(last));
    }
}

impl Place {
    /// The pool closes.
    pub(super) fn wake(&self) {
        drop(self.state.lock()); // whoever was about to sleep, does
        self.called.notify_all();
    }

    /// Sleeps until `ready` says so, or the pool closes: then `false`.
    fn wait(&self, shared: &Shared, mut ready: impl FnMut(&mut State) -> Option<bool>) -> bool {
        let mut state = self.state.lock();
        loop {
            if shared.is_closing() {
                return false;
            }
            if let Some(goes_on) = ready(&mut state) {
                return goes_on;
            }
            self.called.wait(&mut state);
        }
    }

    /// The next work, with a CPU for it where it is to be charged one. A CPU is asked for only when
    /// the work is at the front: whoever holds it may wait for something that lies behind.
    fn next(self: &Arc<Place>, shared: &Shared) -> Option<Work> {
        let there = |state: &mut State| match state.work.is_empty() {
            false => Some(true),
            true => state.left.then_some(false),
        };
        if !self.wait(shared, there) {
            return None;
        }
        let charged = matches!(self.state.lock().work.front(), Some(Work::Charged(_)));
        if charged && !shared.budget.lease() {
            let want = Resources { cpu: Amount::ONE, ..Resources::default() };
            let jobs = shared.budget.request(want, 0, Arc::clone(self) as Arc<dyn Job>);
            shared.run_granted(jobs);
            let granted = |state: &mut State| std::mem::take(&mut state.granted).then_some(true);
            if !self.wait(shared, granted) {
                return None;
            }
        }
        self.state.lock().work.pop_front()
    }

    /// Ends what was brought and has not begun.
    fn close(&self, shared: &Shared) {
        let (work, last) = {
            let mut state = self.state.lock();
            state.closed = true;
            (std::mem::take(&mut state.work), state.on_close.take())
        };
        for one in work {
            match one {
                Work::Charged(job) | Work::Held(job) => quietly(|| {
                    job.abandon();
                    drop(job);
                }),
                Work::Surely(run) => quietly(run),
            }
        }
        if shared.is_closing() {
            last.into_iter().for_each(quietly);
        }
    }
}

/// Waits for its CPU.
impl Job for Place {
    fn run(self: Arc<Self>) {}

    fn abandon(&self) {
        self.wake();
    }

    fn take_grant(&self) -> bool {
        self.state.lock().granted = true;
        self.called.notify_all();
        true
    }

    fn lane(&self) -> LaneId {
        LaneId(0)
    }

    fn label(&self) -> String {
        self.label.clone()
    }
}

/// A desk whose thread has not started: what it is known by to its owner and to the pool.
pub(super) fn open(label: String) -> (Desk, Arc<Place>) {
    let (state, called) = (Mutex::new(State::default()), Condvar::new());
    let place = Arc::new(Place { state, called, label });
    (Desk(Arc::new(Claim(Arc::clone(&place)))), place)
}

/// The thread's main function. `claim` is the owner's.
pub(super) fn run(
    shared: &Arc<Shared>,
    place: &Arc<Place>,
    claim: WeakDesk,
    deque: Deque<Arc<dyn Job>>,
    seat: Arc<Seat>,
) {
    let worker = Worker::at_desk(Arc::clone(shared), deque, seat);
    HERE.with(|here| here.replace(claim.0));
    while let Some(work) = place.next(shared) {
        match work {
            Work::Charged(job) => {
                worker.work_as(job, Amount::ONE);
                shared.run_granted(shared.budget.give_cpu(Amount::ONE));
            }
            Work::Held(job) => worker.work_as(job, Amount::ZERO),
            Work::Surely(run) => quietly(run),
        }
    }
    place.close(shared);
    worker.leave_the_rest();
}

/// What the thread knows of its owner's claim.
pub(super) struct WeakDesk(Weak<Claim>);

impl WeakDesk {
    pub(super) fn of(desk: &Desk) -> WeakDesk {
        WeakDesk(Arc::downgrade(&desk.0))
    }
}

/// A value that stays on the thread that has made it, a desk's: it is reached there and dropped
/// there. Its place in memory may be owned by anybody.
pub(crate) struct Bound<T: 'static> {
    value: ManuallyDrop<T>,
    thread: ThreadId,
    desk: Option<Desk>,
}

// SAFETY: the value is reached by `get`, `get_mut` and `drop` alone, and each of them touches it
// only on the thread that has made it.
#[expect(unsafe_code, reason = "see above")]
unsafe impl<T> Send for Bound<T> {}
// SAFETY: the same.
#[expect(unsafe_code, reason = "see above")]
unsafe impl<T> Sync for Bound<T> {}

impl<T> Bound<T> {
    /// Binds a value to the calling thread.
    pub(crate) fn new(value: T) -> Bound<T> {
        let thread = std::thread::current().id();
        Bound { value: ManuallyDrop::new(value), thread, desk: Desk::here() }
    }

    fn is_here(&self) -> bool {
        std::thread::current().id() == self.thread
    }

    /// The value, on its thread.
    pub(crate) fn get(&self) -> Option<&T> {
        self.is_here().then(|| &*self.value)
    }

    /// The value, on its thread, to change it.
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.is_here().then(|| &mut *self.value)
    }
}

impl<T> Drop for Bound<T> {
    #[expect(unsafe_code, reason = "a field is dropped by hand")]
    fn drop(&mut self) {
        // SAFETY: this is the last use of the field.
        let value = unsafe { ManuallyDrop::take(&mut self.value) };
        if self.is_here() {
            return drop(value);
        }
        let there = Bound { value: ManuallyDrop::new(value), thread: self.thread, desk: None };
        let brought = match self.desk.take() {
            Some(desk) => desk.bring(Work::Surely(Box::new(move || drop(there)))),
            None => {
                std::mem::forget(there);
                Err(Work::Surely(Box::new(|| ())))
            }
        };
        if brought.is_err() {
            let of = std::any::type_name::<T>();
            tracing::warn!(of, "a state is not dropped, since its thread is gone");
        }
    }
}
