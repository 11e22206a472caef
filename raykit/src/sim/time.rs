//! Time and chance for code that runs in a simulation and outside of one.

use crate::base::{clock, turns};
use crate::sched::{parker::Parker, worker};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Sleeps: in a simulation by its clock, which takes no time, and elsewhere as
/// [`std::thread::sleep`].
///
/// A task keeps its CPU meanwhile. In an `async` task it holds up nobody else of a simulation, but
/// elsewhere a thread of the runtime. In a process of the simulation that was killed the call does
/// not return.
///
/// ```
/// use raykit::sim;
/// use std::time::Duration;
///
/// let begun = std::time::Instant::now();
/// let slept = sim::run(1, |cluster| {
///     sim::sleep(Duration::from_secs(3_600));
///     cluster.now()
/// });
/// assert!(slept.as_secs() >= 3_600 && begun.elapsed().as_secs() < 60);
/// ```
pub fn sleep(time: Duration) {
    let nap = || {
        let parker = Parker::new();
        match clock::now().checked_add(time) {
            Some(until) => while parker.park_until(until) {},
            None => parker.park(),
        }
    };
    match worker::current() {
        Some(worker) => worker.doze(nap),
        None => nap(),
    }
}

/// A number: in a simulation its seed decides it, elsewhere chance.
#[must_use]
pub fn random() -> u64 {
    turns::draw().unwrap_or_else(|| RandomState::new().hash_one(0))
}
