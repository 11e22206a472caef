//! Who works: a pool of threads with work-stealing queues, and the exact account of what they may
//! use.
//!
//! `Pool::push` queues a `Job`; a worker finds it in its own queue, in a lane that all share, or
//! with another worker. A job of one CPU runs on the CPU that its worker holds; any other is first
//! granted what it asks for by the `Budget`. A job that waits for another gives its CPU back
//! (`Worker::block`), and a spare thread takes its place.
//!
//! Absent on purpose: tasks, objects, actors, networks, and tokio.
//!
//! Closing goes in this order:
//! 1. `closing` is set: no worker begins another job.
//! 2. All sleepers are woken; each worker ends after the job it is in.
//! 3. What is queued is taken out and abandoned.
//! 4. The closer waits for the threads, for a time of grace; what still runs after it is abandoned
//!    and
//!    reported.
//!
//! ```
//! use raykit::prelude::*;
//!
//! #[remote]
//! fn fib(n: u64) -> Result<u64, raykit::Error> {
//!     if n < 2 {
//!         return Ok(n);
//!     }
//!     let (a, b) = (fib::remote(n - 1), fib::remote(n - 2));
//!     Ok(a.get()? + b.get()?) // the thread runs what it waits for
//! }
//!
//! # fn main() -> raykit::Result<()> {
//! let _ray = raykit::init()?;
//! assert_eq!(fib::remote(10).get()?, 55);
//! # Ok(())
//! # }
//! ```

pub(crate) mod job;
pub(crate) mod parker;
mod queue;
pub(crate) mod lanes;
pub(crate) mod sleep;
pub(crate) mod gpus;
mod aside;
pub(crate) mod budget;
mod groups;
pub(crate) mod worker;
mod find;
pub(crate) mod desk;
mod wait;
mod visit;

pub(crate) use job::{Job, LaneId};
pub(crate) use lanes::Lane;
pub(crate) use wait::Exhausted;
pub(crate) use worker::Worker;

use crate::base::PlacementGroupId;
use crate::base::clock;
use crate::base::limits::STACK_BYTES;
use crate::base::quantity::Resources;
use crate::base::thread::{self, Condvar, JoinHandle};
use budget::Budget;
use crossbeam_deque::{Steal, Worker as Deque};
use desk::{Desk, Place, WeakDesk};
use gpus::Share;
use lanes::Lanes;
use parking_lot::Mutex;
use queue::Queue;
use sleep::{Sleep, Woken};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use worker::Seat;

/// What all workers of a pool share.
pub(crate) struct Shared {
    lanes: Lanes,
    /// Jobs that were granted what they asked for.
    granted: Queue,
    granted_running: AtomicUsize,
    /// Threads that are not asleep. A hint: who waits for them may look for a moment before it
    /// sleeps too.
    awake: AtomicUsize,
    sleep: Sleep,
    budget: Budget,
    crew: Mutex<Crew>,
    /// Raised when the crew's seats change.
    seats_version: AtomicUsize,
    ended: Condvar,
    closing: AtomicBool,
    basic_threads: usize,
    threads_max: usize,
    name: String,
    /// Called first on every thread.
    on_start: Box<dyn Fn() + Send + Sync>,
    /// Called when a worker lies down.
    on_idle: Box<dyn Fn() + Send + Sync>,
    /// Weak, so that threads can be started from anywhere without keeping the pool alive.
    this: std::sync::Weak<Shared>,
}

#[derive(Default)]
struct Crew {
    seats: Vec<Arc<Seat>>,
    /// Threads that work for one owner each, and are counted nowhere else.
    desks: Vec<(Arc<Seat>, Arc<Place>)>,
    blocked: usize,
    born: usize,
    threads: Vec<JoinHandle>,
}

/// A pool of worker threads.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

/// How a pool is made.
pub(crate) struct PoolConfig {
    pub(crate) resources: Resources,
    pub(crate) threads: usize,
    pub(crate) threads_max: usize,
    pub(crate) name: String,
    pub(crate) on_start: Box<dyn Fn() + Send + Sync>,
    pub(crate) on_idle: Box<dyn Fn() + Send + Sync>,
}

impl Crew {
    /// Where somebody works, desks included.
    fn all(&self) -> impl Iterator<Item = &Arc<Seat>> {
        self.seats.iter().chain(self.desks.iter().map(|(seat, _)| seat))
    }
}

impl Pool {
    /// A pool without threads; `open` starts them.
    pub(crate) fn new(config: PoolConfig) -> Pool {
        let shared = Arc::new_cyclic(|this| Shared {
            lanes: Lanes::new(),
            granted: Queue::new(),
            granted_running: AtomicUsize::new(0),
            awake: AtomicUsize::new(0),
            sleep: Sleep::new(),
            budget: Budget::new(config.resources),
            crew: Mutex::new(Crew::default()),
            seats_version: AtomicUsize::new(1),
            ended: Condvar::new(),
            closing: AtomicBool::new(false),
            basic_threads: config.threads,
            threads_max: config.threads_max.max(config.threads + 1),
            name: config.name,
            on_start: config.on_start,
            on_idle: config.on_idle,
            this: std::sync::Weak::clone(this),
        });
        Pool { shared }
    }

    /// Starts the basic threads.
    pub(crate) fn open(&self) -> std::io::Result<()> {
        let mut crew = self.shared.crew.lock();
        (0..self.shared.basic_threads).try_for_each(|_| self.shared.hire(&mut crew))
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.shared.budget
    }

    /// A thread that works for one owner alone; `label` names it in reports.
    pub(crate) fn open_desk(&self, label: String) -> std::io::Result<Desk> {
        self.shared.open_desk(label)
    }

    /// The lane of a new job.
    pub(crate) fn open_lane(&self) -> Arc<Lane> {
        self.shared.lanes.open()
    }

    /// The lane of `id`'s job at another priority.
    pub(crate) fn lane_at(&self, id: LaneId, priority: i32) -> Arc<Lane> {
        self.shared.lanes.at_priority(id, priority)
    }

    /// The calling thread's worker, if it belongs to this pool.
    pub(crate) fn worker(&self) -> Option<std::rc::Rc<Worker>> {
        worker::current().filter(|worker| Arc::ptr_eq(&worker.shared, &self.shared))
    }

    /// Queues a job of one CPU. `lane` is the job's own, where the caller has it at hand.
    pub(crate) fn push(&self, job: Arc<dyn Job>, lane: Option<&Lane>) {
        let shared = &self.shared;
        let left = match lane {
            Some(lane) => {
                lane.push(job);
                None
            }
            None => worker::with(|worker| match worker {
                Some(worker) if Arc::ptr_eq(&worker.shared, shared) => worker.push(job).err(),
                _ => Some(job),
            }),
        };
        if let Some(job) = left {
            shared.lanes.push(job);
        }
        if shared.sleep.notify() == Woken::Nobody {
            shared.hire_for_plain();
        }
        if shared.is_closing() {
            shared.abandon_queued();
        }
    }

    /// Queues a job that first has to be granted `want`. `false` if it asks by name for something
    /// that is not here, and is not queued.
    pub(crate) fn request(&self, want: Resources, job: Arc<dyn Job>) -> bool {
        let priority = self.shared.lanes.get(job.lane()).priority;
        let named = Resources { named: want.named.clone(), ..Resources::NOTHING };
        let queued = Arc::as_ptr(&job).cast::<()>();
        let jobs = self.shared.budget.request(want, priority, job);
        self.shared.run_granted(jobs);
        // Looked at last: a placement group may have ended meanwhile.
        let known = self.shared.budget.knows(&named);
        if !known {
            let jobs = self.shared.budget.withdraw(queued);
            self.shared.run_granted(jobs);
        }
        if self.shared.is_closing() {
            self.shared.abandon_queued();
        }
        known
    }

    /// Tasks may ask for this, and will have to wait until it is set aside.
    pub(crate) fn announce(&self, named: &Resources) {
        self.shared.budget.announce(named);
    }

    /// What was granted to bundles of a group can be asked for by these names.
    pub(crate) fn set_aside(&self, group: PlacementGroupId, named: &Resources, gpus: &[Share]) {
        let jobs = self.shared.budget.set_aside(group, named, gpus);
        self.shared.run_granted(jobs);
    }

    /// A placement group has ended. The jobs that asked for what was set aside for it.
    pub(crate) fn end_group(&self, group: PlacementGroupId, real: &Resources) -> Vec<Arc<dyn Job>> {
        let (granted, refused) = self.shared.budget.end_group(group, real);
        self.shared.run_granted(granted);
        refused
    }

    /// Queues a job of one CPU that has had its turn, behind all others of its lane.
    pub(crate) fn push_behind(&self, job: Arc<dyn Job>) {
        self.shared.lanes.push(job);
        self.shared.call();
        if self.shared.is_closing() {
            self.shared.abandon_queued();
        }
    }

    /// Queues a job whose resources are held already.
    pub(crate) fn push_granted(&self, job: Arc<dyn Job>) {
        self.shared.run_granted(vec![job]);
        if self.shared.is_closing() {
            self.shared.abandon_queued();
        }
    }

    /// Takes back the request of a job that was given up.
    pub(crate) fn withdraw<J: Job>(&self, job: &Arc<J>) {
        let jobs = self.shared.budget.withdraw(Arc::as_ptr(job).cast());
        self.shared.run_granted(jobs);
    }

    /// Gives back what a job was granted.
    pub(crate) fn give(&self, back: &Resources) {
        let jobs = self.shared.budget.give(back);
        self.shared.run_granted(jobs);
    }

    /// Jobs of one CPU in the queues that all share, about.
    pub(crate) fn queued(&self) -> usize {
        self.shared.lanes.len()
    }

    /// Takes out some of them that could run on another node, for those to run there.
    pub(crate) fn take(&self, count: usize) -> Vec<Arc<dyn Job>> {
        self.shared.lanes.take(count)
    }

    /// Whether a job of one CPU is queued anywhere.
    pub(crate) fn has_plain(&self) -> bool {
        self.shared.has_plain()
    }

    /// Whether any thread is awake right now.
    pub(crate) fn is_awake(&self) -> bool {
        self.shared.awake.load(Ordering::Relaxed) > 0
    }

    /// Threads alive, and how many of them wait.
    pub(crate) fn threads(&self) -> (usize, usize) {
        let crew = self.shared.crew.lock();
        (crew.seats.len(), crew.blocked)
    }

    /// Closes the pool; see the steps above. Returns what still runs when the grace is over, for
    /// which the threads are left to themselves.
    pub(crate) fn close(&self, grace: Duration) -> Vec<String> {
        let shared = &self.shared;
        shared.closing.store(true, Ordering::SeqCst);
        shared.sleep.wake_all();
        shared.abandon_queued();
        let deadline = clock::now() + grace;
        // A task that closes its own node cannot wait for itself.
        let own = self.worker().map(|worker| Arc::clone(&worker.seat));
        let is_own = |seat: &Arc<Seat>| own.as_ref().is_some_and(|own| Arc::ptr_eq(own, seat));
        let mut crew = shared.crew.lock();
        while crew.all().any(|seat| !is_own(seat)) {
            shared.sleep.wake_all();
            crew.desks.iter().for_each(|(_, place)| place.wake());
            if shared.ended.wait_until(&mut crew, deadline).timed_out() {
                break;
            }
        }
        let stuck: Vec<Arc<Seat>> = crew.all().filter(|seat| !is_own(seat)).cloned().collect();
        let threads = std::mem::take(&mut crew.threads);
        drop(crew);
        for thread in threads {
            if (stuck.is_empty() || thread.is_finished()) && !thread.is_this() {
                thread.join();
            }
        }
        shared.abandon_queued();
        let left: Vec<Arc<dyn Job>> = stuck.iter().flat_map(|seat| seat.running()).collect();
        left.iter().for_each(|job| job.abandon());
        left.iter().map(|job| job.label()).collect()
    }
}

impl Shared {
    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    fn seats(&self) -> Arc<[Arc<Seat>]> {
        self.crew.lock().all().cloned().collect()
    }

    /// Whether a job of one CPU is queued anywhere.
    fn has_plain(&self) -> bool {
        self.lanes.any() || self.crew.lock().all().any(|seat| !seat.stealer.is_empty())
    }

    /// Whether a worker that looks now would find something that it may do.
    fn may_find(&self) -> bool {
        !self.granted.is_empty() || (self.budget.could_lease() && self.has_plain())
    }

    /// Queues jobs that were granted what they asked for, and calls workers for them and for plain
    /// jobs that may have been waiting for the same CPUs.
    fn run_granted(&self, jobs: Vec<Arc<dyn Job>>) {
        for job in jobs.into_iter().filter(|job| !job.take_grant()) {
            self.granted.push(job);
            // What was granted holds its resources from now on: no lookout is waited for.
            if self.sleep.call() == Woken::Nobody {
                self.hire_up_to(4 * self.basic_threads);
            }
        }
        self.call();
    }

    /// Calls one more worker if there is work that it could do.
    fn call(&self) {
        if self.may_find() && self.sleep.notify() == Woken::Nobody {
            if !self.granted.is_empty() {
                self.hire_up_to(4 * self.basic_threads);
            }
            self.hire_for_plain();
        }
    }

    /// Starts a thread if a CPU is free and no thread is there to use it.
    fn hire_for_plain(&self) {
        if self.budget.could_lease() {
            self.hire_up_to(self.basic_threads + self.granted_running.load(Ordering::Relaxed));
        }
    }

    fn hire_up_to(&self, awake: usize) {
        let mut crew = self.crew.lock();
        if crew.seats.len() - crew.blocked < awake
            && crew.seats.len() < self.threads_max
            && !self.is_closing()
            && let Err(error) = self.hire(&mut crew)
        {
            tracing::warn!(%error, threads = crew.seats.len(), "no further thread to be had");
        }
    }

    fn hire(&self, crew: &mut Crew) -> std::io::Result<()> {
        let (deque, seat) = Worker::seat();
        let (number, mine) = (crew.born, Arc::clone(&seat));
        self.start_thread(crew, &seat, move |shared| {
            Worker::run(shared, deque, mine, number);
        })?;
        crew.seats.push(seat);
        Ok(())
    }

    /// Starts a thread that does `work` and then leaves its seat, unless the pool is closed.
    fn start_thread(
        &self,
        crew: &mut Crew,
        seat: &Arc<Seat>,
        work: impl FnOnce(Arc<Shared>) + Send + 'static,
    ) -> std::io::Result<()> {
        let Some(shared) = self.this.upgrade().filter(|shared| !shared.is_closing()) else {
            return Err(std::io::Error::other("the pool is closed"));
        };
        let mine = Arc::clone(seat);
        let name = format!("{}-{}", self.name, crew.born);
        let thread = thread::spawn(name, Some(STACK_BYTES), move || {
            (shared.on_start)();
            work(Arc::clone(&shared));
            shared.leave(&mine);
            // Who counted on this thread a moment ago may need another one.
            shared.call();
        })?;
        crew.born += 1;
        crew.threads.retain(|thread| !thread.is_finished());
        crew.threads.push(thread);
        self.seats_version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn open_desk(&self, label: String) -> std::io::Result<Desk> {
        let mut crew = self.crew.lock();
        if crew.desks.len() >= self.threads_max {
            let text = format!(
                "{} threads work for one actor each already; stop some, or raise \
                 `Config::threads_max`",
                crew.desks.len()
            );
            return Err(std::io::Error::other(text));
        }
        let (deque, seat) = Worker::seat();
        let (desk, place) = desk::open(label);
        let (mine, own, claim) = (Arc::clone(&seat), Arc::clone(&place), WeakDesk::of(&desk));
        self.start_thread(&mut crew, &seat, move |shared| {
            desk::run(&shared, &own, claim, deque, mine);
        })?;
        crew.desks.push((seat, place));
        Ok(desk)
    }

    fn leave(&self, seat: &Arc<Seat>) {
        let mut crew = self.crew.lock();
        crew.seats.retain(|other| !Arc::ptr_eq(other, seat));
        crew.desks.retain(|(other, _)| !Arc::ptr_eq(other, seat));
        self.seats_version.fetch_add(1, Ordering::Release);
        self.ended.notify_all();
    }

    /// One more thread is about to wait; refused if nobody would be left to work.
    fn crew_blocks(&self) -> Result<(), Exhausted> {
        let mut crew = self.crew.lock();
        if crew.seats.len() >= self.threads_max && crew.blocked + 1 >= crew.seats.len() {
            return Err(Exhausted { threads: crew.seats.len() });
        }
        crew.blocked += 1;
        Ok(())
    }

    fn crew_unblocks(&self) {
        self.crew.lock().blocked -= 1;
    }

    fn abandon_queued(&self) {
        let mut jobs = self.lanes.drain();
        jobs.extend(std::iter::from_fn(|| self.granted.pop()));
        for seat in self.seats().iter() {
            jobs.extend(std::iter::from_fn(|| steal_one(seat)));
        }
        jobs.extend(self.budget.drain());
        jobs.iter().for_each(|job| job.abandon());
    }
}

fn steal_one(seat: &Seat) -> Option<Arc<dyn Job>> {
    loop {
        match seat.stealer.steal() {
            Steal::Success(job) => return Some(job),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}
