//! Atomics, locks and threads: std and parking_lot, or loom under `cfg(raykit_loom)`. The one place
//! where that switch is made.

#[cfg(not(raykit_loom))]
pub(crate) use self::real::*;
#[cfg(not(raykit_loom))]
mod real {
    pub(crate) use parking_lot::Mutex;
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub(crate) use std::sync::{Arc, OnceLock};
}

#[cfg(raykit_loom)]
pub(crate) use self::model::*;
#[cfg(raykit_loom)]
mod model {
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    // Counting references is std's work, not ours: `Arc<dyn Trait>` needs std's own.
    pub(crate) use std::sync::Arc;

    /// Runs `small` under every schedule with at most three preemptions, which is where faults of
    /// this kind are found (Musuvathi, Qadeer, "Iterative context bounding", PLDI 2007).
    #[cfg(test)]
    pub(crate) fn explore(small: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(small);
    }

    /// loom's mutex with parking_lot's face.
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);
    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(loom::sync::Mutex::new(value))
        }
        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().expect("loom does not poison")
        }
    }
    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            Mutex::new(T::default())
        }
    }

    /// loom's condition variable with parking_lot's face.
    pub(crate) struct Condvar(loom::sync::Condvar);
    impl Condvar {
        pub(crate) fn new() -> Self {
            Condvar(loom::sync::Condvar::new())
        }
        pub(crate) fn wait<'a, T>(
            &self,
            guard: loom::sync::MutexGuard<'a, T>,
        ) -> loom::sync::MutexGuard<'a, T> {
            self.0.wait(guard).expect("loom does not poison")
        }
        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }
    }

    /// Set once, read by reference; the model leaks nothing because it owns the box.
    pub(crate) struct OnceLock<T>(AtomicPtr<T>);
    #[expect(unsafe_code, reason = "a stand-in used by the model checker alone")]
    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            OnceLock(AtomicPtr::new(std::ptr::null_mut()))
        }
        pub(crate) fn get(&self) -> Option<&T> {
            // SAFETY: the pointer is null or was made by `set` from a box that `drop` alone frees.
            unsafe { self.0.load(Ordering::Acquire).as_ref() }
        }
        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            let fresh = Box::into_raw(Box::new(value));
            match self.0.compare_exchange(
                std::ptr::null_mut(),
                fresh,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => Ok(()),
                // SAFETY: the exchange failed, so nobody else saw `fresh`.
                Err(_) => Err(*unsafe { Box::from_raw(fresh) }),
            }
        }
    }
    #[expect(unsafe_code, reason = "a stand-in used by the model checker alone")]
    impl<T> Drop for OnceLock<T> {
        fn drop(&mut self) {
            let held = self.0.load(Ordering::Acquire);
            if !held.is_null() {
                // SAFETY: `&mut self`: no reader is left, and the box came from `set`.
                drop(unsafe { Box::from_raw(held) });
            }
        }
    }
}
