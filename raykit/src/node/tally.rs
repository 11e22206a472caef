//! What became of the calls of each function, and the last failures. A call that ends well costs a
//! step in a table of its thread's own: no lock, no clock, no memory. A failure is written down.

use super::order::is_word;
use super::task::Task;
use crate::base::clock;
use crate::base::limits::{FAILURE_TEXT_BYTES_MAX, FAILURES_KEPT_MAX};
use crate::base::maps::HashMap;
use crate::base::{ActorId, TaskId};
use crate::object::error::Error;
use crate::task::function::Function;
use parking_lot::Mutex;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Functions that one thread counts by itself; calls of further ones are counted under a lock.
const ROWS: usize = 64;
/// How many places are looked at for a function's row.
const LOOKS: usize = 4;

/// What became of a function's calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) finished: u64,
    pub(crate) failed: u64,
}

/// One function's calls, as one thread has counted them. Only that thread writes.
#[derive(Default)]
struct Row {
    /// Where the function stands in memory; 0 where the row is free.
    function: AtomicUsize,
    finished: AtomicU64,
    failed: AtomicU64,
}

struct Rows([Row; ROWS]);

impl Default for Rows {
    fn default() -> Rows {
        Rows(std::array::from_fn(|_| Row::default()))
    }
}

impl Rows {
    /// The row of the function, made if there is room.
    fn of(&self, function: usize) -> Option<&Row> {
        let first = function.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        (first..first + LOOKS).map(|at| &self.0[at % ROWS]).find(|row| {
            match row.function.load(Ordering::Relaxed) {
                0 => {
                    // Release: who reads the address counts what follows.
                    row.function.store(function, Ordering::Release);
                    true
                }
                there => there == function,
            }
        })
    }
}

type Table = HashMap<usize, Counts>;

fn add(table: &mut Table, function: usize, more: Counts) {
    let counts = table.entry(function).or_default();
    counts.finished += more.finished;
    counts.failed += more.failed;
}

/// All calls of a node's functions.
pub(crate) struct Tally {
    /// Tells the nodes of one process apart.
    number: u64,
    state: Mutex<State>,
    failures: Mutex<VecDeque<Failed>>,
}

#[derive(Default)]
struct State {
    threads: Vec<Arc<Rows>>,
    /// Of threads that have ended, and what found no row.
    rest: Table,
}

impl State {
    /// Takes over what threads have counted that are gone.
    fn gather(&mut self) {
        let (gone, alive): (Vec<_>, Vec<_>) = std::mem::take(&mut self.threads)
            .into_iter()
            .partition(|rows| Arc::strong_count(rows) == 1);
        self.threads = alive;
        gone.iter().for_each(|rows| sum(rows, &mut self.rest));
    }
}

fn sum(rows: &Rows, into: &mut Table) {
    for row in &rows.0 {
        let function = row.function.load(Ordering::Acquire);
        if function != 0 {
            let finished = row.finished.load(Ordering::Relaxed);
            add(into, function, Counts { finished, failed: row.failed.load(Ordering::Relaxed) });
        }
    }
}

/// An attempt that ended in an error.
#[derive(Clone)]
pub(crate) struct Failed {
    pub(crate) id: TaskId,
    pub(crate) function: &'static Function,
    pub(crate) name: String,
    pub(crate) attempt: u32,
    pub(crate) actor: Option<ActorId>,
    pub(crate) kind: String,
    pub(crate) text: String,
    pub(crate) at_ms: u64,
}

std::thread_local! {
    /// This thread's rows, by the number of the node; the present one last.
    static MINE: RefCell<Vec<(u64, Arc<Rows>)>> = const { RefCell::new(Vec::new()) };
}

impl Default for Tally {
    fn default() -> Tally {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Tally {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            state: Mutex::default(),
            failures: Mutex::default(),
        }
    }
}

impl Tally {
    /// A call of `function` has ended.
    pub(crate) fn count(&self, function: &'static Function, ok: bool) {
        let place = std::ptr::from_ref(function).addr();
        let counted = MINE.try_with(|mine| {
            let mut mine = mine.try_borrow_mut().ok()?;
            if mine.last().is_none_or(|(node, _)| *node != self.number) {
                self.enter(&mut mine);
            }
            let (_, rows) = mine.last()?;
            let row = rows.of(place)?;
            let count = if ok { &row.finished } else { &row.failed };
            count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            Some(())
        });
        if !matches!(counted, Ok(Some(()))) {
            let counts = Counts { finished: u64::from(ok), failed: u64::from(!ok) };
            add(&mut self.state.lock().rest, place, counts);
        }
    }

    /// This thread's rows for this node are the last of its list.
    fn enter(&self, mine: &mut Vec<(u64, Arc<Rows>)>) {
        if let Some(at) = mine.iter().position(|(node, _)| *node == self.number) {
            let last = mine.len() - 1;
            return mine.swap(at, last);
        }
        // Those of nodes that are gone: nobody else has them.
        mine.retain(|(_, rows)| Arc::strong_count(rows) > 1);
        let rows = Arc::<Rows>::default();
        let mut state = self.state.lock();
        state.gather();
        state.threads.push(Arc::clone(&rows));
        mine.push((self.number, rows));
    }

    /// The counts by where functions stand in memory.
    pub(crate) fn all(&self) -> HashMap<usize, Counts> {
        let mut state = self.state.lock();
        state.gather();
        let mut all = state.rest.clone();
        state.threads.iter().for_each(|rows| sum(rows, &mut all));
        all
    }

    /// Writes down that an attempt of `task` has failed.
    pub(crate) fn note(&self, task: &Task, attempt: u32, error: &Error) {
        if is_word(task.function) {
            return;
        }
        let mut text = Short(String::new());
        let _ = write!(text, "{error}"); // ends early where the text is full
        let failed = Failed {
            id: task.id(),
            function: task.function,
            name: task.name().to_owned(),
            attempt,
            actor: task.mailbox.as_ref().map(|mailbox| mailbox.actor()),
            kind: format!("{:?}", error.kind()),
            text: text.0,
            at_ms: now_ms(),
        };
        let mut failures = self.failures.lock();
        if failures.len() >= FAILURES_KEPT_MAX {
            failures.pop_front();
        }
        failures.push_back(failed);
    }

    /// Shows the failures, the latest first, as long as `see` says so.
    pub(crate) fn failures(&self, see: &mut dyn FnMut(&Failed) -> bool) {
        let _ = self.failures.lock().iter().rev().all(see);
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(clock::since_epoch().as_millis()).unwrap_or(u64::MAX)
}

/// A text of bounded length: who writes into it stops when it is full.
struct Short(String);

impl std::fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = FAILURE_TEXT_BYTES_MAX - self.0.len();
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        Err(std::fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_all_threads_add_up_and_outlive_them() {
        let functions = crate::task::registry::FUNCTIONS;
        let tally = Tally::default();
        let other = Tally::default();
        std::thread::scope(|scope| {
            let counts = || {
                for function in functions.iter().copied() {
                    (0..10).for_each(|n| tally.count(function, n % 5 != 0));
                    other.count(function, true);
                }
            };
            let threads = [(); 4].map(|()| scope.spawn(counts));
            // Joined one by one: a scope alone does not wait until what is a thread's own is gone.
            threads.into_iter().for_each(|thread| thread.join().expect("it counts"));
        });
        assert!(!functions.is_empty());
        for (node, each) in [
            (&tally, Counts { finished: 32, failed: 8 }),
            (&other, Counts { finished: 4, failed: 0 }),
        ] {
            let all = node.all();
            assert_eq!(all.len(), functions.len());
            assert!(all.values().all(|counts| *counts == each), "{all:?}");
            assert!(node.state.lock().threads.is_empty(), "those that are gone are taken over");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_letters() {
        let mut text = Short(String::new());
        let long = "ü".repeat(FAILURE_TEXT_BYTES_MAX);
        assert!(write!(text, "x{long}{long}").is_err());
        assert_eq!(text.0.len(), FAILURE_TEXT_BYTES_MAX - 1);
    }
}
