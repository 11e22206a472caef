//! A worker: one thread of the pool and its loop of finding work, doing it, and resting.

use super::Shared;
use super::job::{Job, LaneId};
use super::lanes::{Lane, Row};
use super::parker::{self, Parker};
use crate::base::limits::{LOCAL_QUEUE_LEN_MAX, SLICE_US, SPIN_US, STACK_BYTES};
use crate::base::quantity::Amount;
use crate::base::quiet::quietly;
use crate::base::rng::Rng;
use crate::base::spin::spin;
use crossbeam_deque::{Steal, Stealer, Worker as Deque};
use parking_lot::Mutex;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How many tasks a worker takes from a common queue at once.
const BATCH_LEN: usize = 32;
/// How many it takes from another worker at once.
const STEAL_LEN: usize = 16;
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
}

/// One thread of the pool.
pub(crate) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) seat: Arc<Seat>,
    pub(super) parker: Arc<Parker>,
    deque: Deque<Arc<dyn Job>>,
    /// Of the task that runs or ran last; its children go to the own queue.
    lane: RefCell<Arc<Lane>>,
    /// When the turn of that lane ends, once others wait.
    slice_ends: Cell<Option<Instant>>,
    /// Whether the thread holds a CPU for plain tasks.
    lease: Cell<bool>,
    /// CPU that the running task is charged; a wait gives it back.
    charge: Cell<Amount>,
    searching: Cell<bool>,
    /// Counted as busy.
    busy: Cell<bool>,
    depth: Cell<usize>,
    rng: RefCell<Rng>,
    row: RefCell<(usize, Row)>,
    seats: RefCell<(usize, Arc<[Arc<Seat>]>)>,
    stack_base: usize,
    spare: bool,
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
        let (parker, _) = parker::of_this_thread();
        let worker = Rc::new(Worker {
            lane: RefCell::new(shared.lanes.get(LaneId(0))),
            row: RefCell::new((0, Arc::from([]))),
            seats: RefCell::new((0, Arc::from([]))),
            rng: RefCell::new(Rng::new(number as u64)),
            spare: number >= shared.basic_threads,
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

    /// Says whether this worker works, as far as the sleepers are concerned.
    pub(super) fn set_busy(&self, busy: bool) {
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

    /// Runs `job` here and now, on top of whatever this thread is doing.
    pub(crate) fn run_job(&self, job: Arc<dyn Job>) {
        self.seat.running.lock().push(Arc::clone(&job));
        self.depth.set(self.depth.get() + 1);
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

    fn find_plain(&self) -> Option<Arc<dyn Job>> {
        let row = self.row();
        if row.len() > 1
            && let Some(job) = self.urgent(&row).or_else(|| self.next_in_turn(&row))
        {
            return Some(job);
        }
        self.deque
            .pop()
            .or_else(|| self.take_from_lanes(&row, |priority| priority >= 0))
            .or_else(|| self.steal())
            .or_else(|| self.take_from_lanes(&row, |priority| priority < 0))
    }

    /// A task of a priority above the common one. Such tasks never lie in a worker's own queue,
    /// where others could not see that they are urgent.
    fn urgent(&self, row: &Row) -> Option<Arc<dyn Job>> {
        row.iter().take_while(|lane| lane.priority > 0).find_map(|lane| lane.pop())
    }

    /// When the turn of the present lane is over and another one waits: a task of that one. What is
    /// left in the own queue goes back to the common one first.
    fn next_in_turn(&self, row: &Row) -> Option<Arc<dyn Job>> {
        let mine = self.lane.borrow().id;
        let waits = |lane: &&Arc<Lane>| lane.priority == 0 && lane.id != mine && !lane.is_empty();
        if !row.iter().any(|lane| waits(&lane)) {
            self.slice_ends.set(None);
            return None;
        }
        let now = Instant::now();
        match self.slice_ends.get() {
            Some(end) if now >= end => {}
            Some(_) => return None,
            None => {
                self.slice_ends.set(Some(now + Duration::from_micros(SLICE_US)));
                return None;
            }
        }
        self.slice_ends.set(None);
        let at = row.iter().position(|lane| lane.id == mine).map_or(0, |at| at + 1);
        let next = row[at..].iter().chain(&row[..at]).find(waits)?;
        while let Some(job) = self.deque.pop() {
            self.shared.lanes.push(job);
        }
        next.pop_batch(&self.deque, BATCH_LEN)
    }

    fn take_from_lanes(&self, row: &Row, which: impl Fn(i32) -> bool) -> Option<Arc<dyn Job>> {
        let mine = self.lane.borrow().id;
        let at = row.iter().position(|lane| lane.id == mine).unwrap_or(0);
        let level = |lane: &&Arc<Lane>| which(lane.priority);
        let take = |lane: &Arc<Lane>| match lane.priority {
            0 => lane.pop_batch(&self.deque, BATCH_LEN),
            _ => lane.pop(),
        };
        // From the present lane on, and around; lanes of other priorities in the order of the row.
        let same = row[at..].iter().chain(&row[..at]).filter(|lane| lane.priority == 0);
        same.filter(level)
            .find_map(take)
            .or_else(|| row.iter().filter(|lane| lane.priority != 0).filter(level).find_map(take))
    }

    fn steal(&self) -> Option<Arc<dyn Job>> {
        let seats = self.seats();
        let start = self.rng.borrow_mut().below(seats.len().max(1));
        let order = (start..seats.len()).chain(0..start);
        for at in order.filter(|at| !Arc::ptr_eq(&seats[*at], &self.seat)) {
            loop {
                match seats[at].stealer.steal_batch_with_limit_and_pop(&self.deque, STEAL_LEN) {
                    Steal::Success(job) => return Some(job),
                    Steal::Empty => break,
                    Steal::Retry => {}
                }
            }
        }
        None
    }

    fn row(&self) -> Row {
        let version = self.shared.lanes.version();
        let mut row = self.row.borrow_mut();
        if row.0 != version {
            *row = (version, self.shared.lanes.row());
        }
        Arc::clone(&row.1)
    }

    fn seats(&self) -> Arc<[Arc<Seat>]> {
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
            let called = self.away(|| self.parker.park_until(Instant::now() + nap));
            nap = (2 * nap).min(LOOKOUT_MAX);
            shared.sleep.leave_lookout();
            if called || self.look() {
                return true;
            }
        }
        self.away(|| match self.spare {
            true => self.parker.park_until(Instant::now() + SPARE_IDLE),
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
