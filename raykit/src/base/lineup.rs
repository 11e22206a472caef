//! `Lineup`: the threads of a simulation, what each waits for, and whose turn it is. It decides and
//! does nothing: `turns` is what acts on it.

use super::rng::Rng;
use parking_lot::Condvar;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// A process of the simulation, by its number.
pub(crate) type Process = u32;

/// The thread that began the simulation.
pub(super) const FIRST: u32 = 0;

/// The threads of a simulation.
pub(super) struct Lineup {
    pub(super) threads: BTreeMap<u32, Thread>,
    /// The number of the next thread.
    next: u32,
    /// Whose turn it is.
    pub(super) turn: u32,
    pub(super) now_ns: u64,
    pub(super) limit_ns: u64,
    rng: Rng,
    /// For the job, and for those who make trouble.
    pub(super) dice: Rng,
    pub(super) tickets: u64,
    pub(super) numbers: u64,
    /// Of processes that do not simply run.
    pub(super) fates: BTreeMap<Process, Fate>,
    pub(super) steps: u64,
    pub(super) trace: u64,
    /// Why the first thread cannot go on.
    pub(super) verdict: Option<String>,
    /// The job is over: what is left ends.
    pub(super) ending: bool,
    /// Nobody waits for it any more: it stands still for ever.
    pub(super) given_up: bool,
}

/// What has become of a process.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Fate {
    /// It has no turns for now, or not any more.
    Still,
    /// Its threads unwind.
    Condemned,
}

pub(super) struct Thread {
    pub(super) name: String,
    /// Whose it is, and whose are the threads that it starts.
    pub(super) process: Process,
    pub(super) waits: Option<Wait>,
    /// It was called, and the time that it had given itself had not come.
    pub(super) called: bool,
    pub(super) bell: Arc<Condvar>,
}

#[derive(Clone, Copy)]
pub(super) struct Wait {
    pub(super) what: For,
    pub(super) until_ns: Option<u64>,
}

/// What a thread waits for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum For {
    /// A permit.
    Permit,
    /// A call of a condition variable.
    Call(u64),
    /// The end of another thread.
    End(u32),
    /// The end of all others.
    Ends,
}

impl Thread {
    fn is_due(&self, now_ns: u64) -> bool {
        self.waits.is_none_or(|wait| wait.until_ns.is_some_and(|until| until <= now_ns))
    }
}

impl Lineup {
    /// One thread, whose turn it is.
    pub(super) fn new(seed: u64, limit_ns: u64) -> Lineup {
        let mut lineup = Lineup {
            threads: BTreeMap::new(),
            next: FIRST,
            turn: FIRST,
            now_ns: 0,
            limit_ns,
            rng: Rng::new(seed),
            dice: Rng::new(seed.rotate_left(32)),
            tickets: 0,
            numbers: 0,
            fates: BTreeMap::new(),
            steps: 0,
            trace: seed,
            verdict: None,
            ending: false,
            given_up: false,
        };
        lineup.enroll("driver".to_owned(), 0);
        lineup
    }

    /// A new thread: its number.
    pub(super) fn enroll(&mut self, name: String, process: Process) -> u32 {
        let id = self.next;
        self.next += 1;
        let bell = Arc::new(Condvar::new());
        self.threads.insert(id, Thread { name, process, waits: None, called: false, bell });
        id
    }

    /// Whoever waits for this goes on.
    pub(super) fn call(&mut self, id: u32, what: For) {
        if let Some(thread) = self.threads.get_mut(&id)
            && thread.waits.is_some_and(|wait| wait.what == what)
        {
            (thread.waits, thread.called) = (None, true);
        }
    }

    fn fate(&self, id: u32) -> Option<Fate> {
        let process = self.threads.get(&id).map(|thread| thread.process)?;
        self.fates.get(&process).copied().filter(|_| id != FIRST)
    }

    /// Whether the thread unwinds instead of going on.
    pub(super) fn must_end(&self, id: u32) -> bool {
        match id {
            FIRST => self.verdict.is_some() && !self.ending,
            _ => self.fate(id) == Some(Fate::Condemned),
        }
    }

    fn can_go_on(&self, id: u32, thread: &Thread) -> bool {
        self.must_end(id) || (self.fate(id).is_none() && thread.is_due(self.now_ns))
    }

    fn ready(&self) -> impl Iterator<Item = u32> {
        let ready = self.threads.iter().filter(|(id, one)| self.can_go_on(**id, one));
        ready.map(|(id, _)| *id)
    }

    /// Whose turn it is next.
    pub(super) fn choose(&mut self) {
        let turn = loop {
            let count = self.ready().count();
            if count > 0 {
                let at = self.rng.below(count);
                break self.ready().nth(at).unwrap_or(FIRST);
            }
            let open = self.threads.iter().filter(|(id, _)| self.fate(**id).is_none());
            let next = open.filter_map(|(_, thread)| thread.waits?.until_ns).min();
            match next {
                Some(next) if next <= self.limit_ns || self.ending => self.now_ns = next,
                _ if self.threads.is_empty() => return,
                Some(_) => self.stop("the time that it was given is over"),
                None if self.ending => self.condemn_all(),
                None => self.stop("nobody can go on, and no time limit is left to come"),
            }
        };
        self.turn = turn;
        self.steps += 1;
        self.note(u64::from(turn));
        if let Some(thread) = self.threads.get_mut(&turn) {
            thread.waits = None;
            thread.bell.notify_one();
        }
    }

    pub(super) fn note(&mut self, what: u64) {
        self.trace = Rng::new(self.trace ^ self.now_ns.rotate_left(32) ^ what).next();
    }

    /// The simulation cannot go on: the first thread is told.
    fn stop(&mut self, why: &str) {
        let mut text = format!("at {:?}: {why}", Duration::from_nanos(self.now_ns));
        for (id, thread) in &self.threads {
            let Some(wait) = thread.waits else { continue };
            let what = match wait.what {
                For::Permit => "to be called".to_owned(),
                For::Call(_) => "for a condition".to_owned(),
                For::Ends => "for all others to end".to_owned(),
                For::End(other) => match self.threads.get(&other) {
                    Some(other) => format!("for `{}` to end", other.name),
                    None => "for a thread that has ended".to_owned(),
                },
            };
            let state =
                if self.fate(*id).is_some() { ", of a node that stands still," } else { "" };
            let _ = write!(text, "\n  thread `{}`{state} waits {what}", thread.name);
        }
        self.verdict = Some(text);
    }

    pub(super) fn condemn_all(&mut self) {
        let all: Vec<Process> = self.threads.values().map(|thread| thread.process).collect();
        self.fates.extend(all.into_iter().map(|process| (process, Fate::Condemned)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(lineup: &mut Lineup, id: u32, until_ns: Option<u64>) {
        let wait = Wait { what: For::Permit, until_ns };
        lineup.threads.get_mut(&id).unwrap().waits = Some(wait);
    }

    /// Three further threads, each of a process of its own.
    fn four(seed: u64) -> Lineup {
        let mut lineup = Lineup::new(seed, 1_000);
        for process in 1..4 {
            lineup.enroll(format!("t{process}"), process);
        }
        lineup
    }

    fn story(seed: u64) -> (Vec<u32>, u64) {
        let mut lineup = four(seed);
        let turn = |_| {
            lineup.choose();
            lineup.turn
        };
        let turns = (0..40).map(turn).collect();
        (turns, lineup.trace)
    }

    #[test]
    fn the_seed_decides_whose_turn_it_is() {
        assert_eq!(story(7), story(7));
        assert_ne!(story(7), story(8));
        assert_eq!((0..4).filter(|id| story(7).0.contains(id)).count(), 4, "all have turns");
    }

    #[test]
    fn the_clock_moves_when_nobody_can_go_on() {
        let mut lineup = four(1);
        (0..4).for_each(|id| waits(&mut lineup, id, Some(100 * u64::from(id) + 100)));
        for id in 0..4 {
            lineup.choose();
            assert_eq!((lineup.turn, lineup.now_ns), (id, 100 * u64::from(id) + 100));
            waits(&mut lineup, id, None);
        }
        lineup.call(2, For::Call(9)); // that is not what it waits for
        lineup.call(2, For::Permit);
        lineup.choose();
        assert_eq!((lineup.turn, lineup.threads[&2].called), (2, true));
    }

    #[test]
    fn a_process_that_stands_still_has_no_turns_and_a_condemned_one_has() {
        let mut lineup = four(2);
        lineup.fates.insert(2, Fate::Still);
        (0..3).for_each(|id| waits(&mut lineup, id, None));
        (0..20).for_each(|_| {
            lineup.choose();
            assert_eq!(lineup.turn, 3);
        });
        waits(&mut lineup, 3, None);
        lineup.fates.insert(2, Fate::Condemned);
        lineup.choose();
        assert_eq!((lineup.turn, lineup.must_end(2)), (2, true));
    }

    #[test]
    fn the_first_thread_is_told_that_nobody_can_go_on() {
        for (until_ns, why) in [(None, "nobody can go on"), (Some(1_001), "the time that it was")] {
            let mut lineup = four(3);
            (0..4).for_each(|id| waits(&mut lineup, id, until_ns));
            lineup.choose();
            assert_eq!((lineup.turn, lineup.must_end(FIRST)), (FIRST, true));
            let told = lineup.verdict.unwrap();
            assert!(told.contains(why) && told.contains("`t2` waits to be called"), "{told}");
        }
    }
}
