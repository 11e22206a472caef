//! Threads, and how they wait for each other: std's and parking_lot's, or those of a simulation
//! (`turns`) where the calling thread belongs to one. The one place where that switch is made:
//! without the feature `sim` there is none.

use std::time::Instant;

#[cfg(feature = "sim")]
use super::turns::{self, For, Part};

/// Another thread, whose end can be waited for.
pub(crate) struct JoinHandle {
    thread: std::thread::JoinHandle<()>,
    #[cfg(feature = "sim")]
    part: Option<Part>,
}

/// Starts a thread.
pub(crate) fn spawn(
    name: String,
    stack_bytes: Option<usize>,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle> {
    let mut builder = std::thread::Builder::new();
    if let Some(bytes) = stack_bytes {
        builder = builder.stack_size(bytes);
    }
    #[cfg(feature = "sim")]
    if let Some(newcomer) = turns::here(|here| here.newcomer(&name)) {
        let part = newcomer.part();
        let started = builder.name(name).spawn(move || {
            if newcomer.begin() {
                work();
            }
        });
        return match started {
            Ok(thread) => Ok(JoinHandle { thread, part: Some(part) }),
            Err(error) => {
                part.forget();
                Err(error)
            }
        };
    }
    let thread = builder.name(name).spawn(work)?;
    Ok(JoinHandle {
        thread,
        #[cfg(feature = "sim")]
        part: None,
    })
}

impl JoinHandle {
    /// Waits for the end of the thread. A panic there was printed when it happened.
    pub(crate) fn join(self) {
        #[cfg(feature = "sim")]
        if let Some(part) = &self.part {
            part.join_until(None);
        }
        let _ = self.thread.join();
    }

    /// The same until a time at the latest, in a simulation.
    #[cfg(feature = "sim")]
    pub(crate) fn join_until(self, deadline: Instant) {
        if let Some(part) = &self.part
            && part.join_until(Some(deadline))
        {
            let _ = self.thread.join();
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        #[cfg(feature = "sim")]
        if let Some(part) = &self.part {
            return part.has_ended();
        }
        self.thread.is_finished()
    }

    /// Whether it is the calling thread.
    pub(crate) fn is_this(&self) -> bool {
        self.thread.thread().id() == std::thread::current().id()
    }
}

/// Lets other threads run.
pub(crate) fn yield_now() {
    #[cfg(feature = "sim")]
    if turns::here(turns::Here::give_way).is_some() {
        return;
    }
    std::thread::yield_now();
}

/// In a simulation another thread may be next. Called where a thread holds no lock and might be
/// interrupted anywhere else.
#[inline]
pub(crate) fn may_be_interrupted() {
    #[cfg(feature = "sim")]
    turns::here(turns::Here::give_way);
}

/// Whether the calling thread belongs to a simulation.
pub(crate) fn is_simulated() -> bool {
    #[cfg(feature = "sim")]
    return turns::is_here();
    #[cfg(not(feature = "sim"))]
    false
}

/// The calling thread's number in its simulation, if it is in one.
pub(crate) fn number() -> Option<u64> {
    #[cfg(feature = "sim")]
    return turns::here(turns::Here::number);
    #[cfg(not(feature = "sim"))]
    None
}

/// A thread that can be called while it sleeps.
#[cfg_attr(raykit_loom, allow(dead_code, reason = "loom has its own"))]
pub(crate) struct Sleeper {
    thread: std::thread::Thread,
    #[cfg(feature = "sim")]
    part: Option<Part>,
}

#[cfg_attr(raykit_loom, allow(dead_code, reason = "loom has its own"))]
impl Sleeper {
    /// The calling thread.
    pub(crate) fn here() -> Sleeper {
        Sleeper {
            thread: std::thread::current(),
            #[cfg(feature = "sim")]
            part: turns::here(turns::Here::part),
        }
    }

    /// Sleeps until it is called, or for no reason. Only the thread that made this may call it.
    pub(crate) fn park(&self) {
        #[cfg(feature = "sim")]
        if turns::here(|here| here.wait(For::Permit, None)).is_some() {
            return;
        }
        std::thread::park();
    }

    /// The same until a time in the future at the latest.
    pub(crate) fn park_until(&self, now: Instant, deadline: Instant) {
        #[cfg(feature = "sim")]
        if turns::here(|here| here.wait(For::Permit, Some(deadline))).is_some() {
            return;
        }
        std::thread::park_timeout(deadline - now);
    }

    pub(crate) fn unpark(&self) {
        #[cfg(feature = "sim")]
        if let Some(part) = &self.part {
            return part.call(For::Permit);
        }
        self.thread.unpark();
    }
}

#[cfg(not(feature = "sim"))]
pub(crate) use parking_lot::Condvar;
#[cfg(feature = "sim")]
pub(crate) use turned::Condvar;

#[cfg(feature = "sim")]
mod turned {
    use super::turns::{self, For, Here, Part};
    use parking_lot::{Mutex, MutexGuard};
    use std::collections::VecDeque;
    use std::time::{Duration, Instant};

    /// parking_lot's condition variable; in a simulation, a list of who waits.
    #[derive(Default)]
    pub(crate) struct Condvar {
        plain: parking_lot::Condvar,
        waiting: Mutex<VecDeque<(Part, u64)>>,
    }

    /// Whether a wait has ended because its time had come.
    pub(crate) struct TimedOut(bool);

    impl TimedOut {
        pub(crate) fn timed_out(&self) -> bool {
            self.0
        }
    }

    impl Condvar {
        pub(crate) fn new() -> Condvar {
            Condvar::default()
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            if turns::here(|here| self.wait_here(here, guard, None)).is_none() {
                self.plain.wait(guard);
            }
        }

        pub(crate) fn wait_until<T>(
            &self,
            guard: &mut MutexGuard<'_, T>,
            until: Instant,
        ) -> TimedOut {
            let here = turns::here(|here| self.wait_here(here, guard, Some(until)));
            here.unwrap_or_else(|| TimedOut(self.plain.wait_until(guard, until).timed_out()))
        }

        pub(crate) fn wait_for<T>(
            &self,
            guard: &mut MutexGuard<'_, T>,
            limit: Duration,
        ) -> TimedOut {
            match turns::now() {
                Some(now) => self.wait_until(guard, now + limit),
                None => TimedOut(self.plain.wait_for(guard, limit).timed_out()),
            }
        }

        pub(crate) fn notify_one(&self) {
            self.plain.notify_one();
            let first = self.waiting.lock().pop_front();
            if let Some((part, ticket)) = first {
                part.call(For::Call(ticket));
            }
        }

        pub(crate) fn notify_all(&self) {
            self.plain.notify_all();
            let all = std::mem::take(&mut *self.waiting.lock());
            all.into_iter().for_each(|(part, ticket)| part.call(For::Call(ticket)));
        }

        fn wait_here<T>(
            &self,
            here: &Here,
            guard: &mut MutexGuard<'_, T>,
            until: Option<Instant>,
        ) -> TimedOut {
            let ticket = here.ticket();
            self.waiting.lock().push_back((here.part(), ticket));
            let _leaves = Leaves { condvar: self, ticket };
            // Nobody has a turn between the two.
            let called = MutexGuard::unlocked(guard, || here.wait(For::Call(ticket), until));
            TimedOut(!called)
        }
    }

    /// Takes a wait off the list, however it ends.
    struct Leaves<'a> {
        condvar: &'a Condvar,
        ticket: u64,
    }

    impl Drop for Leaves<'_> {
        fn drop(&mut self) {
            self.condvar.waiting.lock().retain(|(_, ticket)| *ticket != self.ticket);
        }
    }
}
