//! The least that a pool can be: one queue of boxed closures from crossbeam-deque, threads that
//! park when it is empty, a caller that parks until its closure has run.

use crossbeam_deque::{Injector, Steal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread::{JoinHandle, Thread};

pub(crate) const BARE: &str = "bare pool";

type Job = Box<dyn FnOnce() + Send>;

pub(crate) struct BarePool {
    queue: Arc<Queue>,
    workers: Vec<Worker>,
}

struct Queue {
    jobs: Injector<Job>,
    closing: AtomicBool,
}

struct Worker {
    asleep: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl BarePool {
    pub(crate) fn new(threads: usize) -> BarePool {
        let queue = Arc::new(Queue { jobs: Injector::new(), closing: AtomicBool::new(false) });
        let worker = || {
            let (queue, asleep) = (Arc::clone(&queue), Arc::new(AtomicBool::new(false)));
            let mine = Arc::clone(&asleep);
            Worker { asleep, thread: std::thread::spawn(move || queue.work(&mine)) }
        };
        let workers = (0..threads).map(|_| worker()).collect();
        BarePool { queue, workers }
    }

    /// Runs `job` on a thread of the pool and waits for it.
    pub(crate) fn call(&self, job: impl FnOnce() + Send + 'static) {
        let done = Arc::new(AtomicBool::new(false));
        let (flag, caller): (_, Thread) = (Arc::clone(&done), std::thread::current());
        self.push(Box::new(move || {
            job();
            flag.store(true, Ordering::Release);
            caller.unpark();
        }));
        while !done.load(Ordering::Acquire) {
            std::thread::park();
        }
    }

    fn push(&self, job: Job) {
        self.queue.jobs.push(job);
        // Pairs with the fence in `work`: either the sleeper sees the job or we see the sleeper.
        fence(Ordering::SeqCst);
        let sleeper =
            self.workers.iter().find(|worker| worker.asleep.swap(false, Ordering::SeqCst));
        if let Some(sleeper) = sleeper {
            sleeper.thread.thread().unpark();
        }
    }
}

impl Queue {
    fn work(&self, asleep: &AtomicBool) {
        while !self.closing.load(Ordering::SeqCst) {
            match self.jobs.steal() {
                Steal::Success(job) => job(),
                Steal::Retry => {}
                Steal::Empty => {
                    asleep.store(true, Ordering::SeqCst);
                    fence(Ordering::SeqCst);
                    let idle = || self.jobs.is_empty() && !self.closing.load(Ordering::SeqCst);
                    while idle() && asleep.load(Ordering::SeqCst) {
                        std::thread::park();
                    }
                    asleep.store(false, Ordering::SeqCst);
                }
            }
        }
    }
}

impl Drop for BarePool {
    fn drop(&mut self) {
        self.queue.closing.store(true, Ordering::SeqCst);
        for worker in self.workers.drain(..) {
            worker.thread.thread().unpark();
            // A panic of a job was printed when it happened.
            let _ = worker.thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn every_call_runs() {
        let (pool, count) = (BarePool::new(2), Arc::new(AtomicUsize::new(0)));
        for _ in 0..1_000 {
            let count = Arc::clone(&count);
            pool.call(move || {
                count.fetch_add(1, Ordering::Relaxed);
            });
        }
        assert_eq!(count.load(Ordering::Relaxed), 1_000);
    }
}
