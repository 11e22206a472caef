//! The seams between an actor's lives: what one life must not do to the next, and who hears of what.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

mod common;

use common::{Gate, PATIENCE, all_clear, error, eventually, node, note, pass, ready, value};
use raykit::prelude::*;
use raykit::{Decision, Restart, Supervisor};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Keeps its state after every call.
#[remote(checkpoint_every = 1, max_restarts = 10)]
#[raykit::object]
struct Kept {
    n: i64,
}

#[remote]
impl Kept {
    pub fn new() -> Self {
        Kept { n: 0 }
    }

    pub fn add(&mut self, by: i64) -> i64 {
        self.n += by;
        self.n
    }

    pub fn held(&mut self, gate: u64, by: i64) -> i64 {
        pass(gate);
        self.n += by;
        self.n
    }

    pub async fn awaits(&mut self, other: ObjectRef<i64>, by: i64) -> i64 {
        let _ = other.await;
        self.n += by;
        self.n
    }
}

/// A call whose life is over changes a state that nobody has any more: the next life begins with
/// what was kept of the present one.
#[test]
fn what_is_left_of_an_old_life_keeps_no_state() {
    let node = node(2);
    let _here = node.enter();
    let gate = Gate::new();
    let kept = Kept::remote();
    assert_eq!(value(&kept.add(1)).unwrap(), 1);
    let lost = kept.held(gate.id, 100);
    gate.await_arrivals(1);
    assert!(kept.kill_and_restart());
    assert!(error(&lost).is_actor_unavailable());
    assert_eq!(value(&kept.add(1)).unwrap(), 2);
    gate.open();
    drop(lost);
    eventually("the old call has returned", || raykit::stats().unwrap().tasks_pending == 0);
    assert!(kept.kill_and_restart());
    assert_eq!(value(&kept.add(1)).unwrap(), 3);
}

/// Whose first starts fail, and which holds a CPU while it lives.
#[remote]
struct Late {
    log: u64,
}

#[remote]
impl Late {
    pub fn new(log: u64, failures: usize) -> Result<Self, String> {
        note(log, -1);
        match raykit_starts(log) <= failures {
            true => Err("not yet".into()),
            false => Ok(Late { log }),
        }
    }

    pub fn works(&self) -> i64 {
        note(self.log, 1);
        1
    }
}

fn raykit_starts(log: u64) -> usize {
    static STARTS: Mutex<Vec<u64>> = Mutex::new(Vec::new());
    let mut starts = STARTS.lock().unwrap();
    starts.push(log);
    starts.iter().filter(|start| **start == log).count()
}

#[test]
fn a_start_that_failed_holds_nothing() {
    let node = node(1);
    let _here = node.enter();
    let supervisor = Supervisor::new(Restart::OneForOne);
    let late = Late::options().num_cpus(1.0).supervisor(&supervisor).remote(Gate::new().id, 2);
    assert_eq!(value(&late.works()).unwrap(), 1);
    drop(late);
    all_clear(1);
}

/// However soon it fails.
#[test]
fn a_first_start_that_fails_is_for_the_supervisor_to_see() {
    let node = node(2);
    let _here = node.enter();
    for _ in 0..1_000 {
        let supervisor = Supervisor::new(Restart::OneForOne);
        let late = Late::options().supervisor(&supervisor).remote(Gate::new().id, 1);
        assert_eq!(value(&late.works()).unwrap(), 1);
    }
    all_clear(2);
}

#[remote]
fn opened(gate: u64) -> i64 {
    pass(gate);
    5
}

/// An actor whose constructor is a future.
#[remote]
struct Slow {
    n: i64,
}

#[remote]
impl Slow {
    pub async fn new(first: ObjectRef<i64>) -> raykit::Result<Self> {
        Ok(Slow { n: first.await? })
    }

    pub fn value(&self) -> i64 {
        self.n
    }
}

/// Its calls hear of it, and do not wait for a start that will never be.
#[test]
fn a_start_that_was_cancelled_is_the_end() {
    let node = node(2);
    let _here = node.enter();
    let gate = Gate::new();
    let slow = Slow::remote(opened::remote(gate.id));
    let call = slow.value();
    gate.await_arrivals(1);
    assert!(slow.ready().cancel());
    let died = error(&call);
    assert!(died.is_actor_died(), "{died}");
}

/// Who was called last, by whom, and how often.
#[remote]
struct Ending {
    log: u64,
}

#[remote]
impl Ending {
    pub fn new(log: u64) -> Self {
        Ending { log }
    }

    pub fn works(&mut self) -> i64 {
        1
    }

    #[remote(on_stop)]
    fn last(&mut self) {
        note(self.log, 1);
    }
}

#[test]
fn an_on_stop_runs_once_however_many_ask_for_the_end() {
    let node = node(2);
    let _here = node.enter();
    let logs: Vec<_> = (0..3000).map(|_| Gate::new()).collect();
    let mut ended = Vec::new();
    for log in &logs {
        let ending = Ending::remote(log.id);
        ready(&ending.ready());
        ended.push(ending.ended());
        assert!(ending.stop());
        for _ in 0..4 {
            ending.stop();
        }
        drop(ending);
    }
    for (log, ended) in logs.iter().zip(&ended) {
        let why = value(ended).unwrap();
        assert_eq!(log.notes(), [1], "{why}");
    }
    drop(ended);
    all_clear(2);
}

/// A counter that can be held back in its `on_stop`, and whose state can be held back as it goes.
#[remote]
struct Member {
    log: u64,
    gate: u64,
    n: i64,
}

impl Drop for Member {
    fn drop(&mut self) {
        if self.n == -1 {
            pass(self.gate);
        }
    }
}

#[remote]
impl Member {
    pub fn new(log: u64, gate: u64) -> Self {
        note(log, -1);
        Member { log, gate, n: 0 }
    }

    pub fn add(&mut self, by: i64) -> i64 {
        self.n += by;
        self.n
    }

    pub fn panics(&mut self) -> i64 {
        panic!("on purpose")
    }

    #[remote(on_stop)]
    fn last(&mut self) {
        pass(self.gate);
        note(self.log, self.n);
    }
}

#[test]
fn what_others_fail_of_does_not_break_off_an_on_stop() {
    let node = node(2);
    let _here = node.enter();
    let supervisor = Supervisor::new(Restart::OneForAll);
    let (log, gate, other) = (Gate::new(), Gate::new(), Gate::new());
    let ends = Member::options().supervisor(&supervisor).remote(log.id, gate.id);
    let fails = Member::options().supervisor(&supervisor).remote(other.id, gate.id);
    assert_eq!((value(&ends.add(7)).unwrap(), value(&fails.add(1)).unwrap()), (7, 1));
    assert!(ends.stop());
    gate.await_arrivals(1);
    assert!(error(&fails.panics()).is_panic());
    assert_eq!(value(&fails.add(1)).unwrap(), 1, "it has started again");
    gate.open();
    let why = value(&ends.ended()).unwrap();
    assert!(why.ends_with("was stopped"), "{why}");
    assert_eq!(log.notes(), [-1, 7]);
}

/// A supervisor that gave up waits for the word of the one above, whoever joins it meanwhile.
#[test]
fn who_joins_a_supervisor_that_has_given_up_does_not_hide_it() {
    let node = node(2);
    let _here = node.enter();
    let whole = Supervisor::new(Restart::OneForAll);
    let part = Supervisor::under(&whole, Restart::OneForOne).unwrap().max_restarts(0, PATIENCE);
    let (log, gate) = (Gate::new(), Gate::new());
    let first = Member::options().supervisor(&part).remote(log.id, gate.id);
    let second = Member::options().supervisor(&part).remote(log.id, gate.id);
    assert_eq!((value(&first.add(-1)).unwrap(), value(&second.add(2)).unwrap()), (-1, 2));
    let failed = second.panics();
    assert!(error(&failed).is_panic());
    gate.await_arrivals(1); // the first one's state is about to go
    let third = Member::options().supervisor(&part).remote(log.id, gate.id);
    gate.open();
    for member in [&first, &second, &third] {
        assert_eq!(value(&member.add(5)).unwrap(), 5);
    }
    assert_eq!((part.gave_up(), whole.gave_up()), (None, None));
}

/// Two fail at the same time where all start again: that is one start for each, though both were
/// asked about before either was decided.
#[test]
fn failures_at_the_same_time_are_one_restart() {
    let node = node(4);
    let _here = node.enter();
    let (log, gates) = (Gate::new(), [Gate::new(), Gate::new()]);
    let held = [gates[0].id, gates[1].id];
    let turn = AtomicUsize::new(0);
    let supervisor = Supervisor::new(Restart::OneForAll).on_failure(move |_| {
        pass(held[turn.fetch_add(1, Ordering::SeqCst).min(1)]);
        Decision::Restart
    });
    let member = || Member::options().supervisor(&supervisor).remote(log.id, gates[0].id);
    let (first, second) = (member(), member());
    assert_eq!((value(&first.add(1)).unwrap(), value(&second.add(1)).unwrap()), (1, 1));
    assert!(error(&first.panics()).is_panic() && error(&second.panics()).is_panic());
    gates.iter().for_each(|gate| gate.await_arrivals(1));
    gates[0].open();
    assert_eq!((value(&first.add(1)).unwrap(), value(&second.add(1)).unwrap()), (1, 1));
    gates[1].open();
    eventually("nothing is under way", || raykit::stats().unwrap().cpus_free == 4.0);
    assert_eq!((value(&first.add(1)).unwrap(), value(&second.add(1)).unwrap()), (2, 2));
    assert_eq!((first.restarts(), second.restarts()), (1, 1));
}

/// What an actor asks for it holds as long as it lives, one whole CPU included, and no longer.
#[test]
fn an_actor_holds_what_it_asks_for() {
    let node = node(2);
    let _here = node.enter();
    for cpus in [0.5, 1.0, 1.5, 2.0] {
        let supervisor = Supervisor::new(Restart::OneForOne);
        let late = Late::options().num_cpus(cpus).supervisor(&supervisor).remote(Gate::new().id, 1);
        assert_eq!(value(&late.works()).unwrap(), 1, "the start that failed holds nothing");
        eventually("it alone holds something", || raykit::stats().unwrap().cpus_free == 2.0 - cpus);
        drop(late);
        all_clear(2);
    }
}

/// Whatever begins at the moment of a crash: a call with a retry left comes to its result.
#[test]
fn a_crash_beside_a_call_that_begins() {
    let node = node(4);
    let _here = node.enter();
    let by = raykit::put(1_i64).unwrap();
    for round in 0..300 {
        let log = Gate::new();
        let member = Member::options().max_restarts(1).max_retries(1).remote(log.id, log.id);
        ready(&member.ready());
        let calls: Vec<_> = (0..100).map(|_| member.add(&by)).collect();
        (0..(round % 97) * 20).for_each(|_| std::hint::spin_loop());
        member.kill_and_restart();
        for call in &calls {
            assert!(value(call).is_ok(), "{}", error(call));
        }
        log.open();
    }
}

/// Looks at its supervisor when it is dropped.
struct Looks(Arc<Mutex<Option<Supervisor>>>);

impl Drop for Looks {
    fn drop(&mut self) {
        let supervisor = self.0.lock().unwrap().take();
        assert!(supervisor.is_none_or(|supervisor| supervisor.is_empty()));
    }
}

#[test]
fn a_function_that_is_replaced_is_dropped_outside_of_the_lock() {
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let place = Arc::new(Mutex::new(None));
        let looks = Looks(Arc::clone(&place));
        let supervisor = Supervisor::new(Restart::OneForOne).on_failure(move |_| {
            let _ = &looks;
            Decision::Stop
        });
        *place.lock().unwrap() = Some(supervisor.clone());
        drop(supervisor.on_failure(|_| Decision::Restart));
        done.send(()).unwrap();
    });
    is_done.recv_timeout(PATIENCE).expect("no deadlock");
}

/// What a panic carries may panic once more as it goes.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("on purpose, as it goes");
    }
}

#[test]
fn a_decision_whose_panic_panics_gives_up() {
    let node = node(1);
    let _here = node.enter();
    let supervisor =
        Supervisor::new(Restart::OneForOne).on_failure(|_| std::panic::panic_any(Bomb));
    let (log, gate) = (Gate::new(), Gate::new());
    let member = Member::options().supervisor(&supervisor).remote(log.id, gate.id);
    assert!(error(&member.panics()).is_panic());
    assert!(error(&member.add(1)).is_actor_died());
}

/// Some of its methods must not run twice.
#[remote(max_restarts = 10, max_retries = 10)]
struct Once {
    log: u64,
}

#[remote]
impl Once {
    pub fn new(log: u64) -> Self {
        Once { log }
    }

    pub fn again(&mut self, gate: u64) -> i64 {
        note(self.log, 1);
        pass(gate);
        1
    }

    #[remote(max_retries = 0)]
    pub fn once(&mut self, gate: u64) -> i64 {
        note(self.log, 2);
        pass(gate);
        1
    }
}

/// What a method says comes before what its actor says, nothing at all included.
#[test]
fn a_method_may_have_fewer_retries_than_its_actor() {
    let node = node(4);
    let _here = node.enter();
    let (log, gate) = (Gate::new(), Gate::new());
    let actor = Once::remote(log.id);
    for (at, call) in [actor.again(gate.id), actor.once(gate.id)].iter().enumerate() {
        if at == 0 {
            gate.await_arrivals(1);
            assert!(actor.kill_and_restart());
            gate.await_arrivals(2);
            gate.open();
            assert_eq!(value(call).unwrap(), 1);
        } else {
            assert_eq!(value(call).unwrap(), 1);
        }
    }
    let gate = Gate::new();
    let once = actor.once(gate.id);
    gate.await_arrivals(1);
    assert!(actor.kill_and_restart());
    assert!(error(&once).is_actor_unavailable());
    gate.open();
    assert_eq!(log.notes(), [1, 1, 2, 2]);
}
