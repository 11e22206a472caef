//! What comes after a failure and at the end: retries of calls that a crash broke off, supervisors,
//! and what an actor runs last.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

mod common;

use common::{Gate, PATIENCE, all_clear, error, eventually, node, note, pass, ready, value};
use raykit::prelude::*;
use raykit::{Config, Decision, ErrorKind, Failure, Restart, Supervisor};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A counter whose calls can be held back at a gate, on which it notes what it does.
#[remote]
struct Worker {
    gate: u64,
    n: i64,
}

#[remote]
impl Worker {
    pub fn new(gate: u64) -> Self {
        note(gate, -1);
        Worker { gate, n: 0 }
    }

    pub fn add(&mut self, by: i64) -> i64 {
        note(self.gate, by);
        self.n += by;
        self.n
    }

    pub fn held(&mut self, gate: u64, by: i64) -> i64 {
        note(self.gate, by);
        pass(gate);
        self.n += by;
        self.n
    }

    pub fn reads(&self, gate: u64) -> i64 {
        note(self.gate, 0);
        pass(gate);
        self.n
    }

    pub async fn awaits(&self, other: ObjectRef<i64>) -> i64 {
        note(self.gate, 100);
        other.await.unwrap_or(-7)
    }

    pub fn panics(&mut self) -> i64 {
        panic!("on purpose")
    }
}

#[remote]
fn opened(gate: u64) -> i64 {
    pass(gate);
    5
}

/// A3: with retries left no call fails, whatever is killed under them; each runs on the next life in
/// the order in which it was made, and the state is reset once for each crash.
#[test]
fn calls_that_a_crash_broke_off_are_tried_again() {
    let node = node(2);
    let _here = node.enter();
    let (log, gate) = (Gate::new(), Gate::new());
    let worker = Worker::options().max_restarts(10).remote(log.id);
    let held = worker.options().max_retries(10).held(gate.id, 1);
    let rest: Vec<_> = (2..=100).map(|by| worker.options().max_retries(10).add(by)).collect();
    gate.await_arrivals(1);
    assert!(worker.kill_and_restart());
    gate.await_arrivals(2); // the second attempt does not wait for the first
    assert!(!held.is_ready());
    gate.open();
    assert_eq!(value(&held).unwrap(), 1);
    let sums: Vec<i64> = (2..=100).map(|n| n * (n + 1) / 2).collect();
    assert_eq!(raykit::get(&rest).unwrap(), sums, "in order, on one state");
    let mut order = vec![-1, 1, -1];
    order.extend(1..=100);
    assert_eq!(log.notes(), order);
    assert_eq!(worker.restarts(), 1);
    drop((worker, held, rest));
    all_clear(2);
}

/// A16: of calls that run side by side only those are tried again that had not ended.
#[test]
fn only_calls_that_had_not_ended_are_tried_again() {
    let node = node(2);
    let _here = node.enter();
    let (log, gate, open) = (Gate::new(), Gate::new(), Gate::new());
    open.open();
    let worker = Worker::options().max_restarts(10).out_of_order().remote(log.id);
    let done: Vec<_> = (0..20).map(|_| worker.options().max_retries(3).reads(open.id)).collect();
    assert_eq!(raykit::get(&done).unwrap(), [0; 20]);
    let sync = worker.options().max_retries(3).reads(gate.id);
    let waits =
        worker.options().max_retries(3).awaits(&opened::options().num_cpus(0.0).remote(gate.id));
    let lost = worker.awaits(&opened::options().num_cpus(0.0).remote(gate.id));
    eventually("all three run", || log.notes().len() == 1 + 20 + 3);
    assert!(worker.kill_and_restart());
    assert!(error(&lost).is_actor_unavailable());
    eventually("two run again", || log.notes().len() == 1 + 20 + 3 + 3);
    gate.open();
    assert_eq!((value(&sync).unwrap(), value(&waits).unwrap()), (0, 5));
    let runs = |what| log.notes().iter().filter(|note| **note == what).count();
    assert_eq!((runs(-1), runs(0), runs(100)), (2, 20 + 2, 2 + 1), "starts, reads, awaits");
    drop((worker, done, sync, waits, lost));
    all_clear(2);
}

/// A2: retries are a budget for one call.
#[test]
fn retries_come_to_an_end() {
    let node = node(4); // a broken-off attempt keeps its CPU until it returns
    let _here = node.enter();
    let (log, gate) = (Gate::new(), Gate::new());
    let worker = Worker::options().max_restarts(10).remote(log.id);
    let held = worker.options().max_retries(1).held(gate.id, 1);
    for attempt in 1..=2 {
        gate.await_arrivals(attempt);
        assert!(worker.kill_and_restart());
    }
    assert!(error(&held).is_actor_unavailable());
    assert_eq!(value(&worker.add(3)).unwrap(), 3);
    let cancelled = worker.options().max_retries(5).held(gate.id, 1);
    gate.await_arrivals(3);
    assert!(cancelled.cancel());
    assert!(worker.kill_and_restart());
    assert!(error(&cancelled).is_cancelled(), "what is cancelled is not tried again");
    assert_eq!(value(&worker.add(4)).unwrap(), 4);
    assert_eq!(gate.arrived(), 3);
    gate.open();
    drop((worker, held, cancelled));
    all_clear(4);
}

/// A family of three, each with a gate of its own as a log.
fn family(supervisor: &Supervisor) -> ([Gate; 3], [WorkerHandle; 3]) {
    let logs = [Gate::new(), Gate::new(), Gate::new()];
    let of = |log: &Gate| Worker::options().supervisor(supervisor).remote(log.id);
    let workers = [of(&logs[0]), of(&logs[1]), of(&logs[2])];
    for (worker, by) in workers.iter().zip([10, 20, 30]) {
        assert_eq!(value(&worker.add(by)).unwrap(), by);
    }
    (logs, workers)
}

#[test]
fn who_starts_again_when_one_fails() {
    let node = node(2);
    let _here = node.enter();
    let cases = [
        (Restart::OneForOne, [10, 0, 30]),
        (Restart::OneForAll, [0, 0, 0]),
        (Restart::RestForOne, [10, 0, 0]),
    ];
    for (restart, expected) in cases {
        let supervisor = Supervisor::new(restart);
        let (logs, workers) = family(&supervisor);
        assert!(error(&workers[1].panics()).is_panic());
        for ((worker, log), left) in workers.iter().zip(&logs).zip(expected) {
            let starts = || log.notes().iter().filter(|note| **note == -1).count();
            eventually("it is there again", || starts() == 1 + usize::from(left == 0));
            assert_eq!(value(&worker.add(1)).unwrap(), left + 1, "{restart:?}");
        }
        assert_eq!(supervisor.len(), 3);
        assert_eq!(supervisor.gave_up(), None);
        drop(workers);
        eventually("all have left", || supervisor.is_empty());
        all_clear(2);
    }
}

/// A30: more failures than allowed within a time, and all end.
#[test]
fn a_supervisor_gives_up() {
    let node = node(2);
    let _here = node.enter();
    let supervisor = Supervisor::new(Restart::OneForOne).max_restarts(2, PATIENCE);
    let (_logs, workers) = family(&supervisor);
    for at in [0, 1, 2] {
        assert!(error(&workers[at].panics()).is_panic());
    }
    for worker in &workers {
        let died = error(&worker.add(1));
        assert!(died.is_actor_died(), "{died}");
        let text = died.to_string();
        assert!(text.contains("gave up") && text.contains("more than 2 failures"), "{text}");
    }
    assert!(supervisor.gave_up().unwrap().contains("on purpose"));
    eventually("all have left", || supervisor.is_empty());
    let fresh = Worker::options().supervisor(&supervisor).remote(Gate::new().id);
    assert_eq!(value(&fresh.add(1)).unwrap(), 1);
    assert_eq!(supervisor.gave_up(), None);
    drop((workers, fresh));
    all_clear(2);
}

#[test]
fn an_actor_uses_its_own_restarts_first() {
    let node = node(1);
    let _here = node.enter();
    let supervisor = Supervisor::new(Restart::OneForAll).max_restarts(1, PATIENCE);
    let logs = [Gate::new(), Gate::new()];
    let own = Worker::options().supervisor(&supervisor).max_restarts(1).remote(logs[0].id);
    let other = Worker::options().supervisor(&supervisor).remote(logs[1].id);
    assert_eq!((value(&own.add(1)).unwrap(), value(&other.add(1)).unwrap()), (1, 1));
    assert!(error(&own.panics()).is_panic());
    assert_eq!((value(&own.add(1)).unwrap(), value(&other.add(1)).unwrap()), (1, 2));
    assert!(error(&own.panics()).is_panic());
    eventually("both start again", || own.restarts() == 2 && other.restarts() == 1);
    assert_eq!((value(&own.add(1)).unwrap(), value(&other.add(1)).unwrap()), (1, 1));
}

#[test]
fn what_is_ended_on_purpose_is_no_failure() {
    let node = node(2);
    let _here = node.enter();
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&asked);
    let supervisor = Supervisor::new(Restart::OneForAll).on_failure(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Decision::Restart
    });
    let (_logs, [a, b, c]) = family(&supervisor);
    assert!(a.stop());
    assert!(b.kill());
    assert!(error(&b.add(1)).is_actor_died());
    ready(&a.ended());
    eventually("two have left", || supervisor.len() == 1);
    assert_eq!(value(&c.add(1)).unwrap(), 31, "the third goes on");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn the_user_decides() {
    let node = node(2);
    let _here = node.enter();
    let seen = std::sync::Arc::new(Mutex::new(Vec::<Failure>::new()));
    let list = std::sync::Arc::clone(&seen);
    let supervisor = Supervisor::new(Restart::OneForAll).on_failure(move |failure| {
        let mut list = list.lock().unwrap();
        list.push(failure.clone());
        if list.len() == 1 { Decision::Stop } else { Decision::Escalate }
    });
    let (_logs, workers) = family(&supervisor);
    let named = Worker::options().name("the fourth").supervisor(&supervisor).remote(_logs[0].id);
    assert!(error(&named.panics()).is_panic());
    let stopped = error(&named.add(1));
    assert!(stopped.is_actor_died() && stopped.to_string().contains("decided"), "{stopped}");
    assert_eq!(value(&workers[0].add(1)).unwrap(), 11, "the others go on");
    assert!(error(&workers[2].panics()).is_panic());
    for worker in &workers {
        value(&worker.ended()).unwrap(); // the decision is made beside the call that failed
        assert!(error(&worker.add(1)).is_actor_died());
    }
    let seen = seen.lock().unwrap();
    assert!(seen[0].actor.contains("the fourth") && seen[0].error.contains("on purpose"));
    assert_eq!(seen.len(), 2);
}

/// A function of the user's that panics is a decision too.
#[test]
fn a_decision_that_panics_gives_up() {
    let node = node(1);
    let _here = node.enter();
    let supervisor =
        Supervisor::new(Restart::OneForOne).on_failure(|_| panic!("no decision, on purpose"));
    let worker = Worker::options().supervisor(&supervisor).remote(Gate::new().id);
    assert!(error(&worker.panics()).is_panic());
    assert!(error(&worker.add(1)).is_actor_died());
    assert!(supervisor.gave_up().is_some());
}

/// A parent that makes a child, hears of its failures, and decides.
#[remote]
struct Parent {
    child: WorkerHandle,
    heard: Vec<Failure>,
}

#[remote]
impl Parent {
    pub fn new(log: u64) -> Self {
        let me = raykit::context().actor::<ParentHandle>();
        let supervisor = Supervisor::new(Restart::OneForOne).on_failure(move |failure| {
            let parent = me.as_ref().and_then(|me| me.upgrade());
            parent.map_or(Decision::Stop, |parent| {
                parent.child_failed(failure).get().unwrap_or(Decision::Stop)
            })
        });
        Parent { child: Worker::options().supervisor(&supervisor).remote(log), heard: vec![] }
    }

    pub fn child_failed(&mut self, failure: Failure) -> Decision {
        self.heard.push(failure);
        if self.heard.len() < 2 { Decision::Restart } else { Decision::Stop }
    }

    /// Waits for the child while that fails.
    pub fn has_it_fail(&mut self) -> String {
        self.child.panics().get().unwrap_err().to_string()
    }

    pub fn child(&self) -> WorkerHandle {
        self.child.clone()
    }

    pub fn heard(&self) -> usize {
        self.heard.len()
    }
}

#[test]
fn a_parent_learns_of_its_childs_failure_and_decides() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let log = Gate::new();
        let parent = Parent::remote(log.id);
        assert!(value(&parent.has_it_fail()).unwrap().contains("on purpose"));
        let child = value(&parent.child()).unwrap();
        assert_eq!(value(&child.add(4)).unwrap(), 4, "it has started again");
        assert_eq!(value(&parent.heard()).unwrap(), 1);
        assert!(value(&parent.has_it_fail()).unwrap().contains("on purpose"));
        assert!(error(&child.add(1)).is_actor_died());
        assert_eq!(value(&parent.heard()).unwrap(), 2);
        drop((parent, child));
        all_clear(cpus);
    }
}

#[test]
fn supervisors_stand_under_supervisors() {
    let node = node(2);
    let _here = node.enter();
    let whole = Supervisor::new(Restart::OneForAll).max_restarts(1, PATIENCE);
    let part = Supervisor::under(&whole, Restart::OneForOne).unwrap().max_restarts(1, PATIENCE);
    let beside = Worker::options().supervisor(&whole).remote(Gate::new().id);
    let (_logs, workers) = family(&part);
    assert_eq!((whole.len(), part.len()), (2, 3));
    assert_eq!(value(&beside.add(5)).unwrap(), 5);
    // The first failure is the part's own affair.
    assert!(error(&workers[0].panics()).is_panic());
    assert_eq!(value(&workers[0].add(1)).unwrap(), 1);
    assert_eq!(value(&beside.add(1)).unwrap(), 6);
    // The second is too much for it: all of them start again, and its count begins anew.
    assert!(error(&workers[1].panics()).is_panic());
    eventually("all start again", || beside.restarts() == 1 && workers[2].restarts() == 1);
    for worker in workers.iter().chain([&beside]) {
        assert_eq!(value(&worker.add(2)).unwrap(), 2);
    }
    assert_eq!((whole.gave_up(), part.gave_up()), (None, None));
    // Twice more: the whole gives up.
    assert!(error(&workers[0].panics()).is_panic());
    assert_eq!(value(&workers[0].add(1)).unwrap(), 1);
    assert!(error(&workers[0].panics()).is_panic());
    for worker in workers.iter().chain([&beside]) {
        assert!(error(&worker.add(2)).is_actor_died());
    }
    drop((workers, beside));
    eventually("all have left", || part.is_empty());
    drop(part);
    assert!(whole.is_empty());
    all_clear(2);
}

#[test]
fn no_more_supervisors_above_one_another_than_the_bound() {
    let mut above = Supervisor::new(Restart::OneForOne);
    let mut all = vec![above.clone()];
    let refused = loop {
        match Supervisor::under(&above, Restart::OneForOne) {
            Ok(next) => {
                above = next;
                all.push(above.clone());
            }
            Err(error) => break error,
        }
    };
    assert_eq!((all.len(), refused.kind()), (64, ErrorKind::Config));
}

/// Whose first start fails: the supervisor hears of that too.
#[remote]
struct Late;

static LATE_STARTS: AtomicUsize = AtomicUsize::new(0);

#[remote]
impl Late {
    pub fn new() -> Result<Self, String> {
        match LATE_STARTS.fetch_add(1, Ordering::SeqCst) < 2 {
            true => Err("not yet".into()),
            false => Ok(Late),
        }
    }
    pub fn works(&self) -> i64 {
        1
    }
}

#[test]
fn a_first_start_that_fails_is_a_failure() {
    let node = node(1);
    let _here = node.enter();
    let supervisor = Supervisor::new(Restart::OneForOne).max_restarts(2, PATIENCE);
    let late = Late::options().supervisor(&supervisor).remote();
    assert_eq!(value(&late.works()).unwrap(), 1, "its calls wait");
    assert_eq!(late.restarts(), 2);
}

/// Notes at its end how it came about.
#[remote(max_restarts = 1)]
struct Closing {
    log: u64,
    n: i64,
}

impl Drop for Closing {
    fn drop(&mut self) {
        note(self.log, -2);
    }
}

#[remote]
impl Closing {
    pub fn new(log: u64) -> Self {
        Closing { log, n: 0 }
    }

    pub fn add(&mut self, by: i64) -> i64 {
        self.n += by;
        self.n
    }

    pub fn panics(&mut self) -> i64 {
        panic!("on purpose")
    }

    #[remote(on_stop, name = "goodbye", timeout = secs(20))]
    fn say_goodbye(&mut self) -> Result<(), String> {
        assert_eq!(raykit::context().task_name(), Some("goodbye"));
        note(self.log, self.n);
        match self.n {
            13 => Err("unlucky".into()),
            14 => panic!("on purpose"),
            _ => Ok(()),
        }
    }
}

#[test]
fn an_actor_that_ends_in_good_order_runs_its_on_stop() {
    let node = node(1);
    let _here = node.enter();
    let stopped = Gate::new();
    {
        let closing = Closing::remote(stopped.id);
        let refs: Vec<_> = (0..5).map(|_| closing.add(1)).collect();
        assert!(closing.stop());
        assert_eq!(value(refs.last().unwrap()).unwrap(), 5);
        let why = value(&closing.ended()).unwrap();
        assert!(why.contains("was stopped"), "{why}");
        eventually("its end", || stopped.notes() == [5, -2]);
    }
    let dropped = Gate::new();
    {
        let closing = Closing::remote(dropped.id);
        let (last, ended) = (closing.add(2), closing.ended());
        drop(closing);
        assert_eq!(value(&last).unwrap(), 2);
        assert!(value(&ended).unwrap().contains("had no handle any more"));
        eventually("its end", || dropped.notes() == [2, -2]);
    }
    let killed = Gate::new();
    {
        let closing = Closing::remote(killed.id);
        assert_eq!(value(&closing.add(3)).unwrap(), 3);
        assert!(closing.kill());
        eventually("its end", || killed.notes() == [-2]);
    }
    let crashed = Gate::new();
    {
        let closing = Closing::remote(crashed.id);
        assert!(error(&closing.panics()).is_panic());
        assert_eq!(value(&closing.add(4)).unwrap(), 4, "a crash is no end");
        assert!(closing.stop());
        ready(&closing.ended());
        eventually("its end", || crashed.notes() == [-2, 4, -2]);
    }
    all_clear(1);
}

#[test]
fn an_on_stop_that_fails_is_told() {
    let node = node(1);
    let _here = node.enter();
    for (n, told) in [(13, "unlucky"), (14, "on purpose")] {
        let log = Gate::new();
        let closing = Closing::remote(log.id);
        assert_eq!(value(&closing.add(n)).unwrap(), n);
        assert!(closing.stop());
        let why = value(&closing.ended()).unwrap();
        assert!(why.contains(told), "{why}");
        assert_eq!(closing.restarts(), 0, "no life follows");
        eventually("its end", || log.notes() == [n, -2]);
    }
}

/// As [`Closing`], with a future.
#[remote]
struct Flushing {
    log: u64,
    waits_for: ObjectRef<i64>,
}

#[remote]
impl Flushing {
    pub fn new(log: u64, waits_for: ObjectRef<i64>) -> Self {
        Flushing { log, waits_for }
    }

    pub async fn ping(&self) -> i64 {
        1
    }

    #[remote(on_stop)]
    async fn flush(&mut self) {
        let last = self.waits_for.clone().await;
        note(self.log, last.unwrap_or(-9));
    }
}

#[test]
fn an_on_stop_may_await() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let (log, gate) = (Gate::new(), Gate::new());
        let flushing = Flushing::remote(log.id, opened::options().num_cpus(0.0).remote(gate.id));
        assert_eq!(value(&flushing.ping()).unwrap(), 1);
        let ended = flushing.ended();
        drop(flushing);
        gate.await_arrivals(1);
        assert!(!ended.is_ready());
        gate.open();
        ready(&ended);
        assert_eq!(log.notes(), [5]);
        drop(ended);
        all_clear(cpus);
    }
}

/// Closing the node is an end in good order too: what waits is given up, `on_stop` runs.
#[test]
fn a_closing_node_lets_its_actors_run_their_on_stop() {
    let (log, gate, never) = (Gate::new(), Gate::new(), Gate::new());
    let (running, waiting, end) = {
        let node = Config::new().num_cpus(2).grace(secs(1)).start().unwrap();
        let here = node.enter();
        let closing = Closing::remote(log.id);
        assert_eq!(value(&closing.add(7)).unwrap(), 7);
        let worker = Worker::remote(Gate::new().id);
        let running = worker.held(gate.id, 1);
        gate.await_arrivals(1);
        gate.open();
        let results = (running, closing.add(opened::remote(never.id)), closing.ended());
        drop(here);
        never.await_arrivals(1);
        let stuck = node.shutdown().unwrap_err().to_string();
        assert!(stuck.contains("opened"), "{stuck}");
        results
    };
    assert_eq!(log.notes(), [7, -2]);
    assert!(error(&waiting).is_actor_died(), "{}", error(&waiting));
    assert!(value(&end).unwrap().contains("stopped"), "{:?}", value(&end));
    ready(&running);
}

/// A constructor that waits at a gate.
#[remote(max_restarts = 1)]
struct Slow {
    n: i64,
}

#[remote]
impl Slow {
    pub fn new(gate: u64) -> Self {
        pass(gate);
        Slow { n: 0 }
    }
    pub fn add(&mut self, by: i64) -> i64 {
        self.n += by;
        self.n
    }
}

/// A9: while an actor starts its calls wait, in their order.
#[test]
fn calls_wait_for_a_slow_constructor() {
    let node = node(2);
    let _here = node.enter();
    let gate = Gate::new();
    let slow = Slow::remote(gate.id);
    let refs: Vec<_> = (1..=100).map(|_| slow.add(1)).collect();
    gate.await_arrivals(1);
    assert!(refs.iter().all(|reference| !reference.is_ready()));
    let late = slow.options().timeout(millis(1)).add(1);
    assert!(error(&late).is_timeout(), "who cannot wait says so");
    gate.open();
    assert_eq!(raykit::get(&refs).unwrap(), (1..=100).collect::<Vec<i64>>());
    drop((slow, refs, late));
    all_clear(2);
}

/// An actor that calls another one.
#[remote(max_restarts = 5)]
struct Calling {
    worker: WorkerHandle,
}

#[remote]
impl Calling {
    pub fn new(worker: WorkerHandle) -> Self {
        Calling { worker }
    }
    pub fn calls(&mut self, from: i64, fails: bool) -> Vec<ObjectRef<i64>> {
        let made = (from..from + 10).map(|by| self.worker.add(by)).collect();
        assert!(!fails, "on purpose, after the calls");
        made
    }
}

/// Calls a worker, and fails the first two times.
#[remote(max_retries = 3, retry_on = all)]
fn calls_and_fails(worker: WorkerHandle) -> Result<i64, raykit::Error> {
    let last: Vec<_> = (0..10).map(|_| worker.add(1)).collect();
    let sum = last[9].get()?;
    assert!(raykit::context().attempt() >= 2, "on purpose");
    Ok(sum)
}

/// A13, A14: an actor that has started again, and a task that is tried again, are callers like any
/// other; what they called before runs once, and before what they call now.
#[test]
fn callers_may_come_back() {
    let node = node(2);
    let _here = node.enter();
    let log = Gate::new();
    let worker = Worker::remote(log.id);
    let calling = Calling::remote(&worker);
    assert!(error(&calling.calls(1, true)).is_panic());
    let made = value(&calling.calls(11, false)).unwrap();
    assert_eq!(value(&made[9]).unwrap(), 210);
    let mut order = vec![-1];
    order.extend(1..=20);
    assert_eq!(log.notes(), order);
    assert_eq!(value(&calls_and_fails::remote(&worker)).unwrap(), 240, "three attempts of ten");
    drop((worker, calling, made));
    all_clear(2);
}

/// A33: whatever is killed, with retries without end all calls come to their result.
#[test]
fn all_calls_complete_while_actors_are_killed() {
    let node = node(2);
    let _here = node.enter();
    let log = Gate::new();
    let make = || Worker::options().max_restarts(u32::MAX).remote(log.id);
    let workers: Vec<_> = (0..16).map(|_| make()).collect();
    let refs: Vec<_> =
        (0..16 * 300).map(|at| workers[at % 16].options().max_retries(u32::MAX).add(1)).collect();
    let mut killed = 0;
    for (at, reference) in refs.iter().enumerate() {
        if at % 200 == 0 {
            killed += u64::from(workers[(at / 200) % 16].kill_and_restart());
        }
        assert!(value(reference).unwrap() >= 1);
    }
    let restarts: u64 = workers.iter().map(|worker| worker.restarts()).sum();
    assert_eq!(restarts, killed);
    drop((workers, refs));
    all_clear(2);
}
