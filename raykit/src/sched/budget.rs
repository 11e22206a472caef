//! What the node has free at this moment. One CPU per running task is the common case and costs one
//! step of a counter when a worker starts to work, none between two tasks: the worker keeps its CPU
//! (a lease) until it rests, or until somebody waits for more. Every other request is taken and
//! given back whole, under a lock, by priority and then in the order of arrival.
//!
//! Who goes first when CPUs come free: tasks that wake from a wait, then by turns the requests and
//! the workers' next plain task, so that neither starves the other.

use super::aside::Aside;
use super::gpus::{Gpus, Share};
use super::job::Job;
use super::parker::Parker;
use crate::base::clock;
use crate::base::limits::REACQUIRE_MS;
use crate::base::maps::HashMap;
use crate::base::quantity::{Amount, Resources};
use crate::base::sync::{Arc, AtomicI64, AtomicUsize, Mutex, Ordering, fence};
use std::collections::VecDeque;
use std::time::Duration;

/// How many requests that do not fit are looked at before the rest has to wait for the next time.
const LOOK_AHEAD: usize = 64;

pub(super) type Jobs = Vec<Arc<dyn Job>>;

/// The resources of a node, and who waits for them.
pub(crate) struct Budget {
    total: Resources,
    /// Free CPU in steps. Below zero by what woken tasks borrowed.
    cpu_free: AtomicI64,
    /// Waiting requests and woken tasks; while there are any, CPUs are handed out under the lock.
    pub(super) hungry: AtomicUsize,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    /// What is free beside CPUs.
    pub(super) rest: Resources,
    /// What of it is set aside for placement groups.
    pub(super) aside: Aside,
    /// Which GPUs are free.
    pub(super) gpus: Gpus,
    /// The GPUs of jobs that were granted some and have not taken note yet, by where they stand in
    /// memory.
    granted: HashMap<usize, Vec<Share>>,
    woken: VecDeque<Arc<Woken>>,
    /// The highest priority first, and of one priority the oldest.
    pub(super) requests: VecDeque<Request>,
    /// A request waits for nothing but CPUs: they are kept for it unless it is the workers' turn.
    cpu_wanted: bool,
    /// Whose turn it is when both a request and a worker want the next CPU.
    plain_next: bool,
}

pub(super) struct Request {
    pub(super) want: Resources,
    priority: i32,
    pub(super) job: Arc<dyn Job>,
}

/// A task that wants its CPU back.
struct Woken {
    want: i64,
    parker: Arc<Parker>,
    served: std::sync::atomic::AtomicBool,
}

impl State {
    /// Whether a worker may take a CPU for its next plain task.
    fn lets_workers(&self) -> bool {
        self.woken.is_empty() && (!self.cpu_wanted || self.plain_next)
    }
}

fn steps(amount: Amount) -> i64 {
    amount.0 as i64
}

impl Budget {
    pub(crate) fn new(total: Resources) -> Budget {
        let rest = Resources { cpu: Amount::ZERO, ..total.clone() };
        Budget {
            cpu_free: AtomicI64::new(steps(total.cpu)),
            hungry: AtomicUsize::new(0),
            state: Mutex::new(State {
                rest,
                aside: Aside::default(),
                gpus: Gpus::new(total.gpu),
                granted: HashMap::default(),
                woken: VecDeque::new(),
                requests: VecDeque::new(),
                cpu_wanted: false,
                plain_next: false,
            }),
            total,
        }
    }

    pub(crate) fn total(&self) -> &Resources {
        &self.total
    }

    /// What is free now. CPUs that idle workers could use count as free.
    pub(crate) fn free(&self) -> Resources {
        let state = self.state.lock();
        let cpu = Amount(self.cpu_free.load(Ordering::SeqCst).max(0) as u64);
        Resources { cpu, ..state.rest.clone() }
    }

    /// One CPU for a worker, to keep until `give`.
    pub(crate) fn lease(&self) -> bool {
        if self.hungry.load(Ordering::SeqCst) == 0 {
            return self.take_cpu(steps(Amount::ONE));
        }
        let mut state = self.state.lock();
        let taken = state.lets_workers() && self.take_cpu(steps(Amount::ONE));
        if taken {
            state.plain_next = false;
        }
        taken
    }

    /// Whether a lease would be had now. Only a hint.
    pub(crate) fn could_lease(&self) -> bool {
        self.cpu_free.load(Ordering::SeqCst) >= steps(Amount::ONE)
            && (self.hungry.load(Ordering::SeqCst) == 0 || self.state.lock().lets_workers())
    }

    /// Whether somebody waits, so that leases go back after each task.
    pub(crate) fn is_hungry(&self) -> bool {
        self.hungry.load(Ordering::Relaxed) > 0
    }

    fn take_cpu(&self, want: i64) -> bool {
        self.cpu_free
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |free| {
                (free >= want).then_some(free - want)
            })
            .is_ok()
    }

    /// Gives CPU back. Returns the jobs that can run now; they hold what they asked for.
    #[must_use]
    pub(crate) fn give_cpu(&self, back: Amount) -> Vec<Arc<dyn Job>> {
        self.cpu_free.fetch_add(steps(back), Ordering::SeqCst);
        // Pairs with the fence in `serve`: either this step sees who waits, or the other one sees
        // what was given back.
        fence(Ordering::SeqCst);
        if self.hungry.load(Ordering::SeqCst) == 0 { Vec::new() } else { self.serve() }
    }

    /// Gives back what a request was granted.
    #[must_use]
    pub(crate) fn give(&self, back: &Resources) -> Vec<Arc<dyn Job>> {
        let mut state = self.state.lock();
        state.rest.give(&Resources { cpu: Amount::ZERO, ..back.clone() });
        state.pool_of(back).0.give(&back.gpus);
        let more = state.settle_groups();
        drop(state);
        self.give_cpu(Amount(back.cpu.0 + more.0))
    }

    /// Which GPUs a job was granted; asked once, by whoever then holds them.
    pub(crate) fn gpus_of(&self, job: *const ()) -> Vec<Share> {
        self.state.lock().granted.remove(&job.addr()).unwrap_or_default()
    }

    /// Queues a request. Returns the jobs that can run now, this one perhaps among them.
    #[must_use]
    pub(crate) fn request(
        &self,
        want: Resources,
        priority: i32,
        job: Arc<dyn Job>,
    ) -> Vec<Arc<dyn Job>> {
        {
            let mut state = self.state.lock();
            let at = state.requests.partition_point(|earlier| earlier.priority >= priority);
            state.requests.insert(at, Request { want, priority, job });
            self.hungry.fetch_add(1, Ordering::SeqCst);
        }
        self.serve()
    }

    /// Takes back the request of a job that was given up. Returns the jobs that can run now: what
    /// it had reserved is for others.
    #[must_use]
    pub(crate) fn withdraw(&self, job: *const ()) -> Vec<Arc<dyn Job>> {
        {
            let mut state = self.state.lock();
            let same = |request: &Request| std::ptr::addr_eq(Arc::as_ptr(&request.job), job);
            let Some(at) = state.requests.iter().position(same) else { return Vec::new() };
            let _given_up = state.requests.remove(at);
            self.hungry.fetch_sub(1, Ordering::SeqCst);
        }
        self.serve()
    }

    /// Requests that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().requests.len()
    }

    /// Shows the waiting requests, as long as `see` says so.
    pub(crate) fn visit(&self, see: &mut dyn FnMut(&Arc<dyn Job>) -> bool) -> bool {
        self.state.lock().requests.iter().all(|request| see(&request.job))
    }

    /// All waiting requests, taken out.
    pub(crate) fn drain(&self) -> Vec<Arc<dyn Job>> {
        let mut state = self.state.lock();
        self.hungry.fetch_sub(state.requests.len(), Ordering::SeqCst);
        state.cpu_wanted = false;
        state.requests.drain(..).map(|request| request.job).collect()
    }

    /// Hands out what is free.
    pub(super) fn serve(&self) -> Vec<Arc<dyn Job>> {
        let mut granted = Vec::new();
        let mut state = self.state.lock();
        fence(Ordering::SeqCst);
        while let Some(first) = state.woken.front() {
            if !self.take_cpu(first.want) {
                return granted;
            }
            first.served.store(true, Ordering::Release);
            first.parker.unpark();
            state.woken.pop_front();
            self.hungry.fetch_sub(1, Ordering::SeqCst);
        }
        // What earlier requests still lack is kept from later ones, so that a large request is not
        // overtaken for ever by small ones.
        let mut open = state.rest.clone();
        let mut cpu_open = true;
        let (mut at, mut passed) = (0, 0);
        while at < state.requests.len() && passed < LOOK_AHEAD {
            let want = state.requests[at].want.clone();
            let beside = Resources { cpu: Amount::ZERO, ..want.clone() };
            let cpu_had =
                || want.cpu == Amount::ZERO || (cpu_open && self.take_cpu(steps(want.cpu)));
            let (pool, gpu) = state.pool_of(&want);
            let lacks = !beside.fits(&open) || !pool.fits(gpu);
            if !lacks && cpu_had() {
                let fits = state.rest.take(&beside) && open.take(&beside);
                debug_assert!(fits, "it was compared a moment ago, under the same lock");
                let gpus = state.pool_of(&want).0.take(gpu);
                if let Some(request) = state.requests.remove(at) {
                    if !gpus.is_empty() {
                        let job = Arc::as_ptr(&request.job).cast::<()>();
                        state.granted.insert(job.addr(), gpus);
                    }
                    granted.push(request.job);
                    self.hungry.fetch_sub(1, Ordering::SeqCst);
                }
                state.plain_next = true;
                continue;
            }
            // All but the CPUs is there, so they are what it waits for.
            cpu_open &= lacks;
            open.keep_from(&beside);
            (at, passed) = (at + 1, passed + 1);
        }
        state.cpu_wanted = !cpu_open;
        granted
    }

    /// A woken task takes its CPU back. It waits its turn, ahead of everything that has not begun;
    /// but not for ever: a task that has kept the CPU all the while may itself be waiting for
    /// something that this one holds, such as a lock. Then the woken one goes on, and the debt is
    /// settled when a CPU comes back.
    ///
    /// `run` is called with the jobs that can run now.
    pub(crate) fn take_back(
        &self,
        want: Amount,
        parker: &Arc<Parker>,
        run: impl FnOnce(Vec<Arc<dyn Job>>),
    ) {
        let want = steps(want);
        if want == 0 || (self.hungry.load(Ordering::SeqCst) == 0 && self.take_cpu(want)) {
            return;
        }
        let woken = Arc::new(Woken {
            want,
            parker: Arc::clone(parker),
            served: std::sync::atomic::AtomicBool::new(false),
        });
        {
            let mut state = self.state.lock();
            if state.woken.is_empty() && self.take_cpu(want) {
                return;
            }
            state.woken.push_back(Arc::clone(&woken));
            self.hungry.fetch_add(1, Ordering::SeqCst);
        }
        // What came back between the look above and the entry in the list was given to nobody.
        run(self.serve());
        let deadline = clock::now() + Duration::from_millis(REACQUIRE_MS);
        while !woken.served.load(Ordering::Acquire) {
            if !parker.park_until(deadline) {
                break;
            }
        }
        let mut state = self.state.lock();
        if woken.served.load(Ordering::Acquire) {
            return;
        }
        state.woken.retain(|other| !Arc::ptr_eq(other, &woken));
        self.hungry.fetch_sub(1, Ordering::SeqCst);
        self.cpu_free.fetch_sub(want, Ordering::SeqCst);
    }
}

#[cfg(all(test, raykit_loom))]
mod loom_tests {
    use super::super::job::Numbered;
    use super::*;

    /// A worker gives its CPU back while a request for all CPUs arrives: one of the two steps
    /// grants it, and in the end everything is free again.
    #[test]
    fn loom_a_request_is_granted_once_whoever_comes_last() {
        crate::base::sync::explore(|| {
            let total = Resources { cpu: Amount::ONE, ..Default::default() };
            let budget = Arc::new(Budget::new(total.clone()));
            assert!(budget.lease());
            let worker = {
                let budget = Arc::clone(&budget);
                loom::thread::spawn(move || budget.give_cpu(Amount::ONE).len())
            };
            let granted = budget.request(total.clone(), 0, Arc::new(Numbered(1))).len();
            let granted = granted + worker.join().expect("the worker ends");
            assert_eq!(granted, 1);
            assert!(!budget.lease(), "the request holds it all");
            assert!(budget.give(&total).is_empty());
            assert_eq!(budget.free(), total);
        });
    }
}

#[cfg(all(test, not(raykit_loom)))]
mod tests {
    use super::super::job::Numbered;
    use super::*;
    use std::sync::atomic::AtomicUsize as Count;

    fn cpus(steps: u64) -> Resources {
        Resources { cpu: Amount(steps), ..Default::default() }
    }

    fn numbers(jobs: Vec<Arc<dyn Job>>) -> Vec<u64> {
        jobs.iter().map(|job| job.label().parse().expect("a number")).collect()
    }

    /// What a job that was granted `want` holds.
    fn holding(budget: &Budget, want: &Resources, job: &Arc<dyn Job>) -> Resources {
        Resources { gpus: budget.gpus_of(Arc::as_ptr(job).cast()), ..want.clone() }
    }

    #[test]
    fn requests_are_granted_whole_and_in_order() {
        let budget = Budget::new(cpus(20_000));
        assert_eq!(numbers(budget.request(cpus(15_000), 0, Arc::new(Numbered(1)))), [1]);
        assert!(numbers(budget.request(cpus(20_000), 0, Arc::new(Numbered(2)))).is_empty());
        let small = budget.request(cpus(1_000), 0, Arc::new(Numbered(3)));
        assert!(small.is_empty(), "a small request does not overtake one that waits for CPUs");
        assert!(!budget.lease(), "nor does a worker");
        assert_eq!(numbers(budget.give(&cpus(15_000))), [2]);
        assert_eq!(numbers(budget.give(&cpus(20_000))), [3]);
        assert!(budget.give(&cpus(1_000)).is_empty());
        assert_eq!(budget.free(), cpus(20_000));
    }

    #[test]
    fn what_waits_for_a_gpu_does_not_keep_cpus_from_others() {
        let total = Resources { cpu: Amount(20_000), gpu: Amount::ONE, ..Default::default() };
        let gpu = Resources { cpu: Amount::ONE, gpu: Amount::ONE, ..Default::default() };
        let budget = Budget::new(total.clone());
        let jobs = budget.request(gpu.clone(), 0, Arc::new(Numbered(1)));
        let held = holding(&budget, &gpu, &jobs[0]);
        assert_eq!((numbers(jobs), held.gpus.as_slice()), (vec![1], &[(0, Amount::ONE)][..]));
        assert!(budget.request(gpu.clone(), 0, Arc::new(Numbered(2))).is_empty());
        assert!(budget.lease(), "the free CPU is for whoever can use it");
        assert!(budget.give_cpu(Amount::ONE).is_empty());
        let jobs = budget.give(&held);
        let held = holding(&budget, &gpu, &jobs[0]);
        assert_eq!(numbers(jobs), [2]);
        assert!(budget.give(&held).is_empty());
        assert_eq!(budget.free(), total);
    }

    #[test]
    fn requests_and_workers_take_turns() {
        let budget = Budget::new(cpus(10_000));
        assert!(budget.lease());
        assert!(budget.request(cpus(10_000), 0, Arc::new(Numbered(1))).is_empty());
        assert!(budget.request(cpus(10_000), 0, Arc::new(Numbered(2))).is_empty());
        assert_eq!(numbers(budget.give_cpu(Amount::ONE)), [1]);
        // The request has had its turn; of the second one and a worker the former asks first, and a
        // worker comes next.
        assert_eq!(numbers(budget.give(&cpus(10_000))), [2]);
        assert!(budget.give(&cpus(10_000)).is_empty());
        assert!(budget.lease());
    }

    #[test]
    fn a_woken_task_goes_first_and_borrows_in_the_end() {
        let budget = Arc::new(Budget::new(cpus(10_000)));
        let parker = Parker::new();
        assert!(budget.lease());
        // Nobody gives the CPU back: the woken task goes on all the same.
        budget.take_back(Amount::ONE, &parker, |jobs| assert!(jobs.is_empty()));
        assert_eq!(budget.cpu_free.load(Ordering::SeqCst), -10_000);
        assert!(!budget.lease());
        assert!(budget.give_cpu(Amount::ONE).is_empty());
        assert!(!budget.lease(), "the first CPU to come back settles the debt");
        assert!(budget.give_cpu(Amount::ONE).is_empty());
        assert!(budget.lease());
    }

    proptest::proptest! {
        /// Whatever is asked and given back in whatever order, nothing is granted beyond the total,
        /// each request is granted once, and in the end all is free. (I11, I12)
        #[test]
        fn accounts_are_exact(steps in proptest::collection::vec((0_u64..30_000, 0_u64..3, 0_u64..100), 1..60)) {
            let total = Resources {
                cpu: Amount(40_000), gpu: Amount(2), memory: 150, ..Default::default()
            };
            let budget = Budget::new(total.clone());
            let wants: Vec<Resources> = steps.iter().map(|(cpu, gpu, memory)| Resources {
                cpu: Amount(*cpu), gpu: Amount(*gpu), memory: *memory, ..Default::default()
            }).collect();
            let mut held: VecDeque<Resources> = Default::default();
            let granted = Count::new(0);
            let note = |held: &mut VecDeque<Resources>, jobs: Vec<Arc<dyn Job>>| {
                granted.fetch_add(jobs.len(), std::sync::atomic::Ordering::Relaxed);
                for job in &jobs {
                    let number: usize = job.label().parse().expect("a number");
                    held.push_back(holding(&budget, &wants[number], job));
                }
                let mut sum = total.clone();
                let mut gpu = total.gpu;
                for one in held.iter() {
                    assert!(sum.take(one), "more is held than there is");
                    let own: u64 = one.gpus.iter().map(|share| share.1.0).sum();
                    assert_eq!(own, one.gpu.0, "each GPU that is held has its place");
                    gpu.0 = gpu.0.checked_sub(own).expect("no GPU is given twice");
                }
                let free = budget.free();
                assert_eq!(free, sum, "free is what is not held");
            };
            for (number, want) in wants.iter().enumerate() {
                let jobs = budget.request(want.clone(), 0, Arc::new(Numbered(number as u64)));
                note(&mut held, jobs);
                if number % 3 == 2
                    && let Some(back) = held.pop_front() {
                        let jobs = budget.give(&back);
                        note(&mut held, jobs);
                    }
            }
            while let Some(back) = held.pop_front() {
                let jobs = budget.give(&back);
                note(&mut held, jobs);
            }
            assert_eq!(granted.load(std::sync::atomic::Ordering::Relaxed), wants.len());
            assert_eq!(budget.free(), total);
        }
    }
}
