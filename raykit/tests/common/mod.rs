//! What the tests share: a node of one's own, gates that hold tasks back until the test says so,
//! and a way to wait for what must come true.
#![allow(dead_code, reason = "each test program uses a part of it")]

use raykit::prelude::*;
use raykit::{Config, Node};
use std::collections::HashMap;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// After so long a test gives up hope. No test takes nearly as long unless something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn node(cpus: usize) -> Node {
    Config::new().num_cpus(cpus).start().expect("a node starts")
}

/// The value of `reference`, or the error; a panic rather than a hang if neither comes.
pub(crate) fn value<T: Object>(reference: &ObjectRef<T>) -> raykit::Result<T> {
    ready(reference);
    reference.get()
}

/// Returns once the object is there, as a value or as an error.
pub(crate) fn ready<T: Object>(reference: &ObjectRef<T>) {
    let found = raykit::wait([reference.clone()]).timeout(PATIENCE).get().expect("a wait");
    assert!(
        found.pending.is_empty(),
        "never ready: {}\n{:?}",
        raykit::explain(reference),
        raykit::stats()
    );
}

/// The error of `reference`.
pub(crate) fn error<T: Object>(reference: &ObjectRef<T>) -> raykit::Error {
    match value(reference) {
        Ok(_) => panic!("a value where an error was expected"),
        Err(error) => error,
    }
}

/// Waits until `holds`.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Waits until nothing is pending and nothing is stored, and checks that all CPUs are free.
pub(crate) fn all_clear(cpus: usize) {
    let clear = || {
        let stats = raykit::stats().expect("a node is in force");
        stats.tasks_pending == 0
            && stats.objects == 0
            && stats.object_bytes == 0
            && stats.cpus_free == cpus as f64
            && stats.threads_waiting == 0
    };
    let deadline = Instant::now() + PATIENCE;
    while !clear() {
        assert!(Instant::now() < deadline, "something is left: {:?}", raykit::stats());
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A door that tasks wait at, and a list on which they write. Tasks know it by its number, which
/// can go anywhere as an argument.
pub(crate) struct Gate {
    pub(crate) id: u64,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    open: bool,
    arrived: usize,
    notes: Vec<i64>,
}

static GATES: LazyLock<Mutex<HashMap<u64, Arc<Inner>>>> = LazyLock::new(Mutex::default);

impl Gate {
    pub(crate) fn new() -> Gate {
        let mut gates = locked(&GATES);
        let id = gates.len() as u64;
        let inner = Arc::<Inner>::default();
        gates.insert(id, Arc::clone(&inner));
        Gate { id, inner }
    }

    /// Lets all through, now and later.
    pub(crate) fn open(&self) {
        locked(&self.inner.state).open = true;
        self.inner.changed.notify_all();
    }

    /// How many have come to the gate.
    pub(crate) fn arrived(&self) -> usize {
        locked(&self.inner.state).arrived
    }

    /// Waits until that many have come.
    pub(crate) fn await_arrivals(&self, count: usize) {
        eventually("arrivals at a gate", || self.arrived() >= count);
    }

    /// What was noted, in order.
    pub(crate) fn notes(&self) -> Vec<i64> {
        locked(&self.inner.state).notes.clone()
    }
}

/// A test that fails leaves no task behind.
impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

fn inner(id: u64) -> Arc<Inner> {
    Arc::clone(&locked(&GATES)[&id])
}

/// Waits at the gate.
pub(crate) fn pass(id: u64) {
    let inner = inner(id);
    let mut state = locked(&inner.state);
    state.arrived += 1;
    inner.changed.notify_all();
    let deadline = Instant::now() + PATIENCE;
    while !state.open {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(left > Duration::ZERO, "a gate that was never opened");
        let waited = inner.changed.wait_timeout(state, left);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// Whether the gate lets all through.
pub(crate) fn is_open(id: u64) -> bool {
    locked(&inner(id).state).open
}

/// Writes something down at the gate.
pub(crate) fn note(id: u64, what: i64) {
    locked(&inner(id).state).notes.push(what);
}

/// Counts an arrival without waiting.
pub(crate) fn arrive(id: u64) {
    locked(&inner(id).state).arrived += 1;
}

/// Microseconds since some moment.
pub(crate) fn now_us() -> i64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_micros() as i64
}
