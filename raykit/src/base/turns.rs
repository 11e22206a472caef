//! Turns: the threads of a simulation run one at a time, and a seed says who is next. Whoever would
//! block gives its turn away; when nobody can go on the clock moves on to the next deadline, and
//! when there is none either the simulation has come to a stop, which it says.
//!
//! Each thread of a simulation is a thread of the system that waits for its turn on a condition
//! variable of its own. Only the one whose turn it is touches anything, so that what happens is
//! decided by the seed and by nothing else. Plain mutexes need no word here: nobody blocks while
//! holding one.
//!
//! Threads belong to *processes*, which stand for the nodes: one that is paused or killed has no
//! turns any more. What is left at the end is *condemned*: its threads have turns again, and unwind
//! at the next step at which they would block.

use super::lineup::{FIRST, Fate, Lineup, Wait};
pub(crate) use super::lineup::{For, Process};
use parking_lot::{Mutex, MutexGuard};
use std::cell::OnceCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a look at the clock takes, so that whoever looks until a time has come sees it come.
const LOOK_NS: u64 = 1_000;

/// One simulation: its threads, its clock and its dice.
pub(crate) struct Run {
    state: Mutex<Lineup>,
    /// When it began, as far as anybody in it is told.
    began: Instant,
}

/// What a thread unwinds with that has to end.
struct Over;

impl Run {
    /// A simulation in which the calling thread is the first, and has its turn. It ends with the
    /// thread.
    ///
    /// # Panics
    ///
    /// If the thread belongs to one already.
    pub(crate) fn begin(seed: u64, limit: Duration) -> Arc<Run> {
        let state = Lineup::new(seed, nanos(limit));
        let run = Arc::new(Run { state: Mutex::new(state), began: Instant::now() });
        take_part(&run, FIRST);
        run
    }

    /// A look at the clock.
    fn now(&self) -> Instant {
        let mut state = self.state.lock();
        state.now_ns += LOOK_NS;
        self.began + Duration::from_nanos(state.now_ns)
    }

    /// How long it has been going on, by its own clock.
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.state.lock().now_ns)
    }

    /// A number that the seed decides.
    pub(crate) fn draw(&self) -> u64 {
        self.state.lock().dice.next()
    }

    /// How many turns there have been.
    pub(crate) fn steps(&self) -> u64 {
        self.state.lock().steps
    }

    /// A hash of all that has happened.
    pub(crate) fn trace(&self) -> u64 {
        self.state.lock().trace
    }

    /// Something that should be the same each time has happened.
    pub(crate) fn note(&self, what: u64) {
        self.state.lock().note(what);
    }

    /// The thread whose turn it is.
    pub(crate) fn whose_turn(&self) -> String {
        let state = self.state.lock();
        state.threads.get(&state.turn).map_or_else(String::new, |thread| thread.name.clone())
    }

    /// Why the simulation could not go on.
    pub(crate) fn verdict(&self) -> Option<String> {
        self.state.lock().verdict.clone()
    }

    /// The threads of a process have no turns from now on, or have them again.
    pub(crate) fn stands_still(&self, process: Process, still: bool) {
        let mut state = self.state.lock();
        match still {
            true => drop(state.fates.insert(process, Fate::Still)),
            false => drop(state.fates.remove(&process)),
        }
    }

    /// The threads of a process unwind at their next step.
    pub(crate) fn condemn(&self, process: Process) {
        self.state.lock().fates.insert(process, Fate::Condemned);
    }

    /// The job is over: nothing is a reason to stop any more, and no time is too late.
    pub(crate) fn ends(&self) {
        self.state.lock().ending = true;
    }

    /// Whoever has the turn keeps it, and goes on no further than to the end of it.
    pub(crate) fn give_up(&self) {
        self.state.lock().given_up = true;
    }

    /// Has all other threads end, and waits for them.
    pub(crate) fn finish(&self) {
        let mut state = self.state.lock();
        state.condemn_all();
        while state.threads.len() > 1 {
            self.wait(&mut state, FIRST, Wait { what: For::Ends, until_ns: None });
        }
    }

    /// Gives the turn away until the thread is called or the time has come.
    fn wait(&self, state: &mut MutexGuard<'_, Lineup>, me: u32, wait: Wait) {
        let Some(own) = state.threads.get_mut(&me) else { return };
        (own.waits, own.called) = (Some(wait), false);
        self.give_turn(state, me);
    }

    fn give_turn(&self, state: &mut MutexGuard<'_, Lineup>, me: u32) {
        let Some(bell) = state.threads.get(&me).map(|own| Arc::clone(&own.bell)) else { return };
        state.choose();
        while state.turn != me || state.given_up {
            bell.wait(state);
        }
    }

    /// A thread has ended.
    fn ended(&self, me: u32) {
        let mut state = self.state.lock();
        state.threads.remove(&me);
        let waiting: Vec<u32> = state.threads.keys().copied().collect();
        for id in waiting {
            state.call(id, For::End(me));
            if state.threads.len() == 1 {
                state.call(id, For::Ends);
            }
        }
        state.choose();
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A thread's part in a simulation. It ends after all other locals of its thread, since it is the
/// first of them: what they drop is still a part of its turn.
pub(crate) struct Here {
    run: Arc<Run>,
    me: u32,
}

impl Drop for Here {
    fn drop(&mut self) {
        self.run.ended(self.me);
    }
}

std::thread_local! {
    static HERE: OnceCell<Here> = const { OnceCell::new() };
}

fn take_part(run: &Arc<Run>, me: u32) {
    let here = Here { run: Arc::clone(run), me };
    let is_new = HERE.with(|cell| cell.set(here).is_ok());
    assert!(is_new, "a thread takes part in one simulation");
}

/// Calls `f` with the calling thread's part, if it has one.
pub(crate) fn here<R>(f: impl FnOnce(&Here) -> R) -> Option<R> {
    HERE.try_with(|here| here.get().map(f)).ok().flatten()
}

/// Whether the calling thread belongs to a simulation.
pub(crate) fn is_here() -> bool {
    here(|_| ()).is_some()
}

/// The time in the simulation that the calling thread belongs to.
pub(crate) fn now() -> Option<Instant> {
    here(|here| here.run.now())
}

/// A number that its seed decides.
pub(crate) fn draw() -> Option<u64> {
    here(|here| here.run.draw())
}

/// Threads that this one starts belong to `process` while `act` runs.
pub(crate) fn on_behalf<R>(process: Process, act: impl FnOnce() -> R) -> R {
    let swap = |process| {
        here(|here| {
            let mut state = here.run.state.lock();
            let own = state.threads.get_mut(&here.me);
            own.map_or(process, |own| std::mem::replace(&mut own.process, process))
        })
    };
    let before = swap(process);
    let result = act();
    let _ = before.and_then(swap);
    result
}

/// How long that has been going on.
pub(crate) fn elapsed() -> Option<Duration> {
    here(|here| here.run.elapsed())
}

/// A number that nothing else in it has.
pub(crate) fn number() -> Option<u64> {
    here(|here| {
        let mut state = here.run.state.lock();
        state.numbers += 1;
        state.numbers
    })
}

/// A thread that is about to begin.
pub(crate) struct Newcomer(Part);

/// A thread of a simulation, as others know it.
#[derive(Clone)]
pub(crate) struct Part {
    run: Arc<Run>,
    id: u32,
}

impl Here {
    /// The simulation.
    pub(crate) fn run(&self) -> &Arc<Run> {
        &self.run
    }

    /// This thread, as others know it.
    pub(crate) fn part(&self) -> Part {
        Part { run: Arc::clone(&self.run), id: self.me }
    }

    pub(crate) fn number(&self) -> u64 {
        u64::from(self.me)
    }

    /// A thread of the same process.
    pub(crate) fn newcomer(&self, name: &str) -> Newcomer {
        let mut state = self.run.state.lock();
        let process = state.threads.get(&self.me).map_or(0, |own| own.process);
        let id = state.enroll(name.to_owned(), process);
        Newcomer(Part { run: Arc::clone(&self.run), id })
    }

    /// A number that tells this thread's wait from all others.
    pub(crate) fn ticket(&self) -> u64 {
        let mut state = self.run.state.lock();
        state.tickets += 1;
        state.tickets
    }

    /// Waits until somebody calls (`true`) or the time has come.
    pub(crate) fn wait(&self, what: For, until: Option<Instant>) -> bool {
        let until_ns = until.map(|until| nanos(until.saturating_duration_since(self.run.began)));
        let mut state = self.run.state.lock();
        if !state.must_end(self.me) {
            self.run.wait(&mut state, self.me, Wait { what, until_ns });
        } else if std::thread::panicking() {
            self.run.give_turn(&mut state, self.me);
        }
        let called = state.threads.get(&self.me).is_some_and(|own| own.called);
        self.goes_on(state);
        called
    }

    /// Lets others have a turn.
    pub(crate) fn give_way(&self) {
        let mut state = self.run.state.lock();
        state.now_ns += LOOK_NS;
        self.run.give_turn(&mut state, self.me);
        self.goes_on(state);
    }

    /// Unwinds if the thread has to end; but not out of what is being dropped by that already.
    fn goes_on(&self, state: MutexGuard<'_, Lineup>) {
        let ends = state.must_end(self.me);
        drop(state);
        if ends && !std::thread::panicking() {
            std::panic::resume_unwind(Box::new(Over));
        }
    }
}

impl Newcomer {
    /// This thread, as others know it.
    pub(crate) fn part(&self) -> Part {
        self.0.clone()
    }

    /// On the new thread: waits for the first turn. `false` if nothing is to be done any more.
    pub(crate) fn begin(self) -> bool {
        let Part { run, id } = self.0;
        take_part(&run, id);
        let mut state = run.state.lock();
        let bell = state.threads.get(&id).map(|own| Arc::clone(&own.bell));
        while let Some(bell) = &bell
            && (state.turn != id || state.given_up)
        {
            bell.wait(&mut state);
        }
        !state.must_end(id)
    }
}

impl Part {
    /// There was no thread to be had.
    pub(crate) fn forget(&self) {
        self.run.state.lock().threads.remove(&self.id);
    }

    /// Calls the thread, if it waits for this. Only a thread of the same simulation can.
    pub(crate) fn call(&self, what: For) {
        let same = here(|here| Arc::ptr_eq(&here.run, &self.run)) == Some(true);
        if same {
            self.run.state.lock().call(self.id, what);
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        !self.run.state.lock().threads.contains_key(&self.id)
    }

    /// Waits for the end of the thread (`true`), or until the time has come.
    pub(crate) fn join_until(&self, until: Option<Instant>) -> bool {
        let wait = |here: &Here| here.wait(For::End(self.id), until);
        while !self.has_ended() {
            if here(wait) != Some(true) {
                return self.has_ended();
            }
        }
        true
    }
}
