//! `Parker`: one thread's place to sleep. A permit given before the sleep ends it at once, so that
//! a wake-up is never lost; more permits than one count as one.

use crate::base::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Instant;

#[cfg(not(raykit_loom))]
use crate::base::clock;
#[cfg(not(raykit_loom))]
use crate::base::sync::{AtomicBool, Ordering};
#[cfg(not(raykit_loom))]
use crate::base::thread::Sleeper;

/// A place to sleep for the thread that made it.
pub(crate) struct Parker {
    #[cfg(not(raykit_loom))]
    permit: AtomicBool,
    #[cfg(not(raykit_loom))]
    sleeper: Sleeper,
    #[cfg(raykit_loom)]
    permit: crate::base::sync::Mutex<bool>,
    #[cfg(raykit_loom)]
    changed: crate::base::sync::Condvar,
}

#[cfg(not(raykit_loom))]
impl Parker {
    /// For the calling thread.
    pub(crate) fn new() -> Arc<Parker> {
        Arc::new(Parker { permit: AtomicBool::new(false), sleeper: Sleeper::here() })
    }

    /// Sleeps until there is a permit, and takes it. Only the thread that made this may call it.
    pub(crate) fn park(&self) {
        // Acquire pairs with the release in `unpark`: what was done before it is seen after it. The
        // loop is there because std's token may also be given by user code on this thread.
        while !self.permit.swap(false, Ordering::Acquire) {
            self.sleeper.park();
        }
    }

    /// The same until `deadline` at the latest. `false` if that came first.
    pub(crate) fn park_until(&self, deadline: Instant) -> bool {
        loop {
            if self.permit.swap(false, Ordering::Acquire) {
                return true;
            }
            let now = clock::now();
            if now >= deadline {
                return false;
            }
            self.sleeper.park_until(now, deadline);
        }
    }

    /// Gives a permit.
    pub(crate) fn unpark(&self) {
        if !self.permit.swap(true, Ordering::Release) {
            self.sleeper.unpark();
        }
    }
}

#[cfg(raykit_loom)]
impl Parker {
    pub(crate) fn new() -> Arc<Parker> {
        Arc::new(Parker {
            permit: crate::base::sync::Mutex::new(false),
            changed: crate::base::sync::Condvar::new(),
        })
    }
    pub(crate) fn park(&self) {
        let mut permit = self.permit.lock();
        while !*permit {
            permit = self.changed.wait(permit);
        }
        *permit = false;
    }
    pub(crate) fn park_until(&self, _: Instant) -> bool {
        self.park();
        true
    }
    pub(crate) fn unpark(&self) {
        *self.permit.lock() = true;
        self.changed.notify_one();
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.unpark();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.unpark();
    }
}

/// The parker of the calling thread and the waker that unparks it, made once.
pub(crate) fn of_this_thread() -> (Arc<Parker>, Waker) {
    std::thread_local! {
        static MINE: (Arc<Parker>, Waker) = {
            let parker = Parker::new();
            let waker = Waker::from(Arc::clone(&parker));
            (parker, waker)
        };
    }
    MINE.try_with(|(parker, waker)| (Arc::clone(parker), waker.clone())).unwrap_or_else(|_| {
        // The thread is ending and its locals are gone: a wait in a destructor gets a fresh one.
        let parker = Parker::new();
        let waker = Waker::from(Arc::clone(&parker));
        (parker, waker)
    })
}
