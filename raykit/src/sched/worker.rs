//! A worker: one thread of the pool and its loop of finding work, doing it, and resting.

use super::Shared;
use super::job::{Job, LaneId};
use super::lanes::{Lane, Row};
use super::parker::{self, Parker};
use crate::base::clock;
use crate::base::limits::{LOCAL_QUEUE_LEN_MAX, SPIN_US, STACK_BYTES};
use crate::base::quantity::Amount;
use crate::base::quiet::quietly;
use crate::base::rng::Rng;
use crate::base::spin::spin;
use crate::base::thread;
use crossbeam_deque::{Steal, Stealer, Worker as Deque};
use parking_lot::Mutex;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// After how long the lookout gets up first; twice as long each further time, while those that are
/// busy keep up.
const LOOKOUT: Duration = Duration::from_micros(100);
/// The longest that it sleeps.
const LOOKOUT_MAX: Duration = Duration::from_millis(1);
/// For how long a thread beyond the basic number rests before it ends.
const SPARE_IDLE: Duration = Duration::from_secs(5);

std::thread_local! {
    static WORKER: OnceCell<Rc<Worker>> = const { OnceCell::new() };
}

/// The calling thread's worker, if it is one.
pub(crate) fn current() -> Option<Rc<Worker>> {
    WORKER.try_with(|worker| worker.get().cloned()).ok().flatten()
}

/// Calls `f` with the calling thread's worker, if it is one.
pub(super) fn with<R>(f: impl FnOnce(Option<&Rc<Worker>>) -> R) -> R {
    let mut f = Some(f);
    let mut call = |worker: Option<&Rc<Worker>>| f.take().map(|f| f(worker));
    let within = WORKER.try_with(|worker| call(worker.get())).ok().flatten();
    within.or_else(|| call(None)).expect("called on one of the two ways")
}

/// What others see of a worker.
pub(crate) struct Seat {
    pub(super) stealer: Stealer<Arc<dyn Job>>,
    /// What runs there, the innermost last.
    running: Mutex<Vec<Arc<dyn Job>>>,
}

impl Seat {
    /// What runs there now.
    pub(super) fn running(&self) -> Vec<Arc<dyn Job>> {
        self.running.lock().clone()
    }

    /// Shows what runs there. The thread itself waits meanwhile.
    pub(super) fn visit(&self, see: &mut dyn FnMut(&Arc<dyn Job>)) {
        self.running.lock().iter().for_each(see);
    }
}

/// One thread of the pool.
pub(crate) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) seat: Arc<Seat>,
    pub(super) parker: Arc<Parker>,
    pub(super) deque: Deque<Arc<dyn Job>>,
    /// Of the task that runs or ran last; its children go to the own queue.
    pub(super) lane: RefCell<Arc<Lane>>,
    /// When the turn of that lane ends, once others wait.
    pub(super) slice_ends: Cell<Option<Instant>>,
    /// Whether the thread holds a CPU for plain tasks.
    lease: Cell<bool>,
    /// CPU that the running task is charged; a wait gives it back.
    charge: Cell<Amount>,
    searching: Cell<bool>,
    /// Counted as busy.
    busy: Cell<bool>,
    depth: Cell<usize>,
    pub(super) rng: RefCell<Rng>,
    row: RefCell<(usize, Row)>,
    seats: RefCell<(usize, Arc<[Arc<Seat>]>)>,
    stack_base: usize,
    kind: Kind,
}

/// What a worker is there for.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Any work, as long as the pool is open.
    Basic,
    /// Any work, in place of those that wait.
    Spare,
    /// The work of one owner; it is not counted among the others.
    Desk,
}

enum Found {
    /// A task of one CPU, which is the worker's own.
    Plain(Arc<dyn Job>),
    /// A task that was granted what it asked for.
    Granted(Arc<dyn Job>),
}

/// What a worker does after it has given its CPU back.
#[derive(Clone, Copy)]
enum After {
    /// It looks for work at once: nobody else need be woken for what lies there.
    Look,
    /// It is busy otherwise, or ends.
    Other,
}

fn stack_address() -> usize {
    let here = 0_u8;
    &raw const here as usize
}

impl Worker {
    /// The thread's main function.
    pub(super) fn run(
        shared: Arc<Shared>,
        deque: Deque<Arc<dyn Job>>,
        seat: Arc<Seat>,
        number: usize,
    ) {
        let kind = if number < shared.basic_threads { Kind::Basic } else { Kind::Spare };
        let worker = Worker::new(shared, deque, seat, kind, number as u64);
        // Hired for one piece of work, and having taken it, it calls others for the rest.
        worker.searching.set(worker.shared.sleep.start_searching(usize::MAX));
        worker.shared.awake.fetch_add(1, Ordering::Relaxed);
        worker.main();
        worker.shared.awake.fetch_sub(1, Ordering::Relaxed);
        worker.set_busy(false);
        worker.return_lease(After::Other);
        if worker.searching.get() {
            let _ = worker.shared.sleep.stop_searching();
        }
    }

    /// The worker of a desk, which is told what to do.
    pub(super) fn at_desk(
        shared: Arc<Shared>,
        deque: Deque<Arc<dyn Job>>,
        seat: Arc<Seat>,
    ) -> Rc<Worker> {
        Worker::new(shared, deque, seat, Kind::Desk, 0)
    }

    /// Makes this thread a worker.
    fn new(
        shared: Arc<Shared>,
        deque: Deque<Arc<dyn Job>>,
        seat: Arc<Seat>,
        kind: Kind,
        seed: u64,
    ) -> Rc<Worker> {
        let (parker, _) = parker::of_this_thread();
        let worker = Rc::new(Worker {
            lane: RefCell::new(shared.lanes.get(LaneId(0))),
            row: RefCell::new((0, Arc::from([]))),
            seats: RefCell::new((0, Arc::from([]))),
            rng: RefCell::new(Rng::new(seed)),
            kind,
            seat,
            parker,
            deque,
            slice_ends: Cell::new(None),
            lease: Cell::new(false),
            charge: Cell::new(Amount::ZERO),
            searching: Cell::new(false),
            busy: Cell::new(false),
            depth: Cell::new(0),
            stack_base: stack_address(),
            shared,
        });
        WORKER.with(|current| current.set(Rc::clone(&worker)).ok());
        worker
    }

    /// A new worker's queue and what others see of it.
    pub(super) fn seat() -> (Deque<Arc<dyn Job>>, Arc<Seat>) {
        let deque = Deque::new_lifo();
        let stealer = deque.stealer();
        let seat = Seat { stealer, running: Mutex::new(Vec::new()) };
        (deque, Arc::new(seat))
    }

    fn main(&self) {
        while !self.shared.is_closing() {
            match self.find() {
                Some(Found::Plain(job)) => {
                    self.charge.set(Amount::ONE);
                    self.work(job);
                    if self.shared.budget.is_hungry() {
                        self.return_lease(After::Look);
                    }
                }
                Some(Found::Granted(job)) => {
                    self.return_lease(After::Other);
                    self.charge.set(Amount::ZERO);
                    self.shared.granted_running.fetch_add(1, Ordering::Relaxed);
                    self.work(job);
                    self.shared.granted_running.fetch_sub(1, Ordering::Relaxed);
                }
                None => {
                    self.set_busy(false);
                    self.return_lease(After::Look);
                    if !self.rest() {
                        return;
                    }
                }
            }
        }
    }

    /// Whether the pool does not count on this thread.
    pub(super) fn is_desk(&self) -> bool {
        self.kind == Kind::Desk
    }

    /// Says whether this worker works, as far as the sleepers are concerned: those rely on it to
    /// look for more when it is done, which a desk does not do.
    pub(super) fn set_busy(&self, busy: bool) {
        if self.is_desk() {
            return;
        }
        match (self.busy.replace(busy), busy) {
            (false, true) => self.shared.sleep.start_working(),
            (true, false) => self.shared.sleep.stop_working(),
            _ => {}
        }
    }

    fn work(&self, job: Arc<dyn Job>) {
        self.set_busy(true);
        if self.searching.take() && self.shared.sleep.stop_searching() {
            self.shared.call();
        }
        self.enter_lane(job.lane());
        self.run_job(job);
    }

    /// Runs `job` on a desk, charged as much.
    pub(super) fn work_as(&self, job: Arc<dyn Job>, charge: Amount) {
        self.shared.awake.fetch_add(1, Ordering::Relaxed);
        self.charge.set(charge);
        self.enter_lane(job.lane());
        self.run_job(job);
        self.charge.set(Amount::ZERO);
        self.shared.awake.fetch_sub(1, Ordering::Relaxed);
    }

    /// What this thread has queued and nobody has stolen goes to the lanes.
    pub(super) fn leave_the_rest(&self) {
        while let Some(job) = self.deque.pop() {
            self.shared.lanes.push(job);
        }
    }

    /// Runs `job` here and now, on top of whatever this thread is doing.
    pub(crate) fn run_job(&self, job: Arc<dyn Job>) {
        self.seat.running.lock().push(Arc::clone(&job));
        self.depth.set(self.depth.get() + 1);
        thread::may_be_interrupted();
        job.run();
        self.depth.set(self.depth.get() - 1);
        let done = self.seat.running.lock().pop();
        // It may be the last of its task, whose values are dropped here.
        quietly(|| drop(done));
    }

    /// Calls `run` on top of whatever this thread is doing.
    pub(crate) fn run_on_top<R>(&self, run: impl FnOnce() -> R) -> R {
        self.depth.set(self.depth.get() + 1);
        let result = run();
        self.depth.set(self.depth.get() - 1);
        result
    }

    fn enter_lane(&self, id: LaneId) {
        if self.lane.borrow().id != id {
            *self.lane.borrow_mut() = self.shared.lanes.get(id);
        }
    }

    fn find(&self) -> Option<Found> {
        if let Some(job) = self.shared.granted.pop() {
            return Some(Found::Granted(job));
        }
        if !self.lease.get() {
            if !self.shared.has_plain() || !self.shared.budget.lease() {
                return None;
            }
            self.lease.set(true);
        }
        self.find_plain().map(Found::Plain)
    }

    pub(super) fn row(&self) -> Row {
        let version = self.shared.lanes.version();
        let mut row = self.row.borrow_mut();
        if row.0 != version {
            *row = (version, self.shared.lanes.row());
        }
        Arc::clone(&row.1)
    }

    pub(super) fn seats(&self) -> Arc<[Arc<Seat>]> {
        let version = self.shared.seats_version.load(Ordering::Acquire);
        let mut seats = self.seats.borrow_mut();
        if seats.0 != version {
            *seats = (version, self.shared.seats());
        }
        Arc::clone(&seats.1)
    }

    fn return_lease(&self, after: After) {
        if !self.lease.take() {
            return;
        }
        let jobs = self.shared.budget.give_cpu(Amount::ONE);
        match after {
            After::Look if jobs.is_empty() => {}
            _ => self.shared.run_granted(jobs),
        }
    }

    /// Looks for a short while, then sleeps. `false` if the thread is not needed any more.
    fn rest(&self) -> bool {
        let shared = &self.shared;
        if !self.searching.get() {
            self.searching.set(shared.sleep.start_searching(1));
        }
        // Where others work there will be a lookout; where none do, the next task may come any
        // moment.
        if self.searching.get()
            && !shared.sleep.anyone_busy()
            && spin(Duration::from_micros(SPIN_US), || self.look())
        {
            return true;
        }
        if !shared.sleep.lie_down(&self.parker, self.searching.take(), || self.look()) {
            self.searching.set(true);
            return true;
        }
        (shared.on_idle)();
        let needed = self.sleep();
        // A permit may be left over from a wait of a task on this thread: whoever is still on the
        // list was not woken by a submitter, and is not counted as searching.
        let nobody_woke_us = shared.sleep.get_up(&self.parker);
        // A lookout that saw work looks for all who left it to it: having taken the first piece, it
        // calls others for the rest.
        let searches = !nobody_woke_us || (needed && shared.sleep.start_searching(usize::MAX));
        self.searching.set(searches);
        searches
    }

    fn look(&self) -> bool {
        self.shared.may_find() || self.shared.is_closing()
    }

    /// Sleeps until somebody calls, or until this worker, being the lookout, sees work that nobody
    /// takes up. `false` if it is a spare one and has slept for long.
    fn sleep(&self) -> bool {
        let shared = &self.shared;
        let mut nap = LOOKOUT;
        while shared.budget.could_lease() && shared.sleep.take_lookout() {
            let called = self.away(|| self.parker.park_until(clock::now() + nap));
            nap = (2 * nap).min(LOOKOUT_MAX);
            shared.sleep.leave_lookout();
            if called || self.look() {
                return true;
            }
        }
        self.away(|| match self.kind == Kind::Spare {
            true => self.parker.park_until(clock::now() + SPARE_IDLE),
            false => {
                self.parker.park();
                true
            }
        })
    }

    /// Calls `sleep`, during which this thread is not counted as awake.
    pub(super) fn away<R>(&self, sleep: impl FnOnce() -> R) -> R {
        self.shared.awake.fetch_sub(1, Ordering::Relaxed);
        let result = sleep();
        self.shared.awake.fetch_add(1, Ordering::Relaxed);
        result
    }

    /// Calls `sleep`, which blocks this thread. It keeps its CPU, and none relies on it meanwhile.
    #[cfg(feature = "sim")]
    pub(crate) fn doze(&self, sleep: impl FnOnce()) {
        self.set_busy(false);
        self.shared.call();
        self.away(sleep);
        self.set_busy(true);
    }

    /// Queues `job` on this thread if it belongs to what runs here; gives it back if not.
    pub(super) fn push(&self, job: Arc<dyn Job>) -> Result<(), Arc<dyn Job>> {
        let lane = self.lane.borrow();
        if lane.id != job.lane() || lane.priority != 0 {
            return Err(job);
        }
        self.deque.push(job);
        if self.deque.len() > LOCAL_QUEUE_LEN_MAX {
            for _ in 0..LOCAL_QUEUE_LEN_MAX / 2 {
                match self.seat.stealer.steal() {
                    Steal::Success(job) => self.shared.lanes.push(job),
                    _ => break,
                }
            }
        }
        Ok(())
    }

    /// Takes the newest entry of the own queue if `wanted` says so.
    pub(crate) fn pop_if(
        &self,
        wanted: impl FnOnce(&Arc<dyn Job>) -> bool,
    ) -> Option<Arc<dyn Job>> {
        let job = self.deque.pop()?;
        if wanted(&job) {
            return Some(job);
        }
        self.deque.push(job);
        None
    }

    /// CPU that the running task is charged.
    pub(crate) fn charge(&self) -> Amount {
        self.charge.get()
    }

    /// Says what the running task is charged. Returns what was said before.
    pub(crate) fn set_charge(&self, charge: Amount) -> Amount {
        self.charge.replace(charge)
    }

    /// Tasks on top of each other on this thread.
    pub(crate) fn depth(&self) -> usize {
        self.depth.get()
    }

    /// Bytes of stack that are left, about.
    pub(crate) fn stack_left(&self) -> usize {
        STACK_BYTES.saturating_sub(self.stack_base.abs_diff(stack_address()))
    }
}
