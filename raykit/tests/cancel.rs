//! Cancelling: what is not wanted does not begin, what runs sees it, and there is one outcome.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

mod common;

use common::{Gate, all_clear, arrive, error, eventually, node, note, pass, ready, value};
use raykit::prelude::*;
use raykit::{ErrorKind, RetryOn};
use std::sync::Barrier;

#[remote]
fn held(gate: u64, x: i64) -> i64 {
    pass(gate);
    x
}

#[remote]
fn noted(log: u64, x: i64) -> i64 {
    note(log, x);
    x
}

#[remote]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

/// Runs until it is cancelled, and then until the gate is open.
#[remote]
fn until_cancelled(gate: u64) -> i64 {
    arrive(gate);
    eventually("to be cancelled", || raykit::context().is_cancelled());
    note(gate, 1);
    pass(gate);
    note(gate, 2);
    7
}

/// C1
#[test]
fn what_is_queued_never_runs() {
    let node = node(1);
    let _here = node.enter();
    let (gate, log) = (Gate::new(), Gate::new());
    let blocker = held::remote(gate.id, 1);
    gate.await_arrivals(1);
    let queued = noted::remote(log.id, 1);
    let wide = noted::options().num_cpus(0.5).remote(log.id, 2);
    let waiting = add::remote(&blocker, 1);
    for (name, reference) in [("noted", &queued), ("noted", &wide), ("add", &waiting)] {
        assert!(reference.cancel(), "{name}");
        assert!(reference.is_ready(), "a cancelled reference resolves at once");
        let error = error(reference);
        assert!(error.is_cancelled() && error.kind() == ErrorKind::Cancelled);
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        assert!(error.to_string().contains("was cancelled"), "{error}");
        assert!(!reference.cancel(), "it is done");
    }
    gate.open();
    assert_eq!(value(&blocker).unwrap(), 1);
    drop((queued, wide, waiting, blocker));
    all_clear(1);
    assert!(log.notes().is_empty());
}

/// C2, the soft way
#[test]
fn what_runs_sees_it_and_keeps_its_cpu_until_it_returns() {
    let node = node(1);
    let _here = node.enter();
    for half in [false, true] {
        let (gate, log) = (Gate::new(), Gate::new());
        let options = until_cancelled::options().num_cpus(if half { 0.5 } else { 1.0 });
        let running = options.remote(gate.id);
        gate.await_arrivals(1);
        assert!(running.cancel());
        assert!(running.is_ready() && running.get().unwrap_err().is_cancelled());
        gate.await_arrivals(2);
        let next = noted::remote(log.id, 1);
        assert!(!next.is_ready() && log.notes().is_empty());
        let free = raykit::stats().unwrap().cpus_free;
        assert_eq!(free, if half { 0.5 } else { 0.0 }, "the CPU is in use");
        assert_eq!(gate.notes(), [1]);
        gate.open();
        assert_eq!(value(&next).unwrap(), 1);
        assert_eq!(gate.notes(), [1, 2], "it returned in its own time");
        assert!(running.get().unwrap_err().is_cancelled(), "the first outcome stays");
        drop((running, next));
        all_clear(1);
    }
}

/// C3
#[test]
fn what_is_finished_stays() {
    let node = node(1);
    let _here = node.enter();
    let log = Gate::new();
    let finished = noted::remote(log.id, 5);
    ready(&finished);
    assert!(!finished.cancel());
    assert_eq!(finished.get().unwrap(), 5);
    let stored = raykit::put(6).unwrap();
    assert!(!stored.cancel());
    assert_eq!(stored.get().unwrap(), 6);
    let refused = noted::options().num_gpus(1.0).remote(log.id, 6);
    assert!(!refused.cancel());
    assert!(refused.get().unwrap_err().is_unschedulable());
}

/// C4
#[test]
fn the_head_takes_its_dependants_with_it_and_the_tail_goes_alone() {
    let node = node(2);
    let _here = node.enter();
    let chain = |gate: &Gate, log: &Gate| {
        let mut chain = vec![held::remote(gate.id, 1)];
        for _ in 0..3 {
            chain.push(noted::remote(log.id, chain.last().unwrap()));
        }
        gate.await_arrivals(1);
        chain
    };
    let (gate, log) = (Gate::new(), Gate::new());
    let refs = chain(&gate, &log);
    assert!(refs[0].cancel());
    for reference in &refs {
        let error = error(reference);
        assert!(error.is_cancelled() && error.to_string().contains("`held`"), "{error}");
    }
    gate.open();
    assert!(log.notes().is_empty());

    let (gate, log) = (Gate::new(), Gate::new());
    let refs = chain(&gate, &log);
    assert!(refs[3].cancel());
    assert!(error(&refs[3]).to_string().contains("`noted`"));
    assert!(!refs[0].is_ready());
    gate.open();
    assert_eq!(value(&refs[2]).unwrap(), 1);
    assert_eq!(log.notes(), [1, 1]);
}

#[remote]
fn family(gate: u64, depth: u32) -> Result<u32, raykit::Error> {
    if depth == 0 {
        until_cancelled(gate);
        return Ok(0);
    }
    family::remote(gate, depth - 1).get()
}

#[remote(num_cpus = 0)]
fn parent(gate: u64, late: u64) -> Result<i64, raykit::Error> {
    let child = until_cancelled::remote(gate);
    arrive(gate);
    let result = child.get();
    // A child of a parent that is not wanted is not wanted.
    let later = noted::remote(late, 1);
    note(gate, if later.get().is_err_and(|error| error.is_cancelled()) { 10 } else { -1 });
    result
}

/// C6
#[test]
fn children_are_cancelled_with_their_parent() {
    let node = node(1);
    let _here = node.enter();
    let (gate, late) = (Gate::new(), Gate::new());
    let top = parent::remote(gate.id, late.id);
    gate.await_arrivals(2);
    assert!(top.cancel());
    gate.await_arrivals(3);
    gate.open();
    assert!(error(&top).is_cancelled());
    drop(top);
    all_clear(1);
    let mut notes = gate.notes();
    notes.sort_unstable();
    assert_eq!(notes, [1, 2, 10]);
    assert!(late.notes().is_empty(), "called by a cancelled task, and run");

    let gate = Gate::new();
    let top = family::remote(gate.id, 5);
    gate.await_arrivals(1);
    assert!(top.cancel());
    gate.open();
    drop(top);
    all_clear(1);
}

#[remote(max_retries = 1_000_000, retry_on = all)]
fn never_works(log: u64) -> Result<(), String> {
    note(log, 1);
    Err("again".into())
}

#[remote(max_retries = 5, retry_on = all)]
fn fails_when_cancelled(gate: u64) -> Result<(), String> {
    note(gate, 1);
    arrive(gate);
    eventually("to be cancelled", || raykit::context().is_cancelled());
    Err("cancelled meanwhile".into())
}

/// C7
#[test]
fn what_is_cancelled_is_not_tried_again() {
    let node = node(1);
    let _here = node.enter();
    // In the pause between two attempts, or within one: whichever it is.
    for _ in 0..20 {
        let log = Gate::new();
        let failing = never_works::remote(log.id);
        eventually("a second attempt", || log.notes().len() >= 2);
        assert!(failing.cancel());
        assert!(error(&failing).is_cancelled());
        drop(failing);
        all_clear(1);
        let attempts = log.notes().len();
        assert_eq!(value(&add::remote(1, 2)).unwrap(), 3);
        assert_eq!(log.notes().len(), attempts);
    }
    let gate = Gate::new();
    let running = fails_when_cancelled::options().retry_on(RetryOn::All).remote(gate.id);
    gate.await_arrivals(1);
    assert!(running.cancel());
    assert!(running.get().unwrap_err().is_cancelled());
    drop(running);
    all_clear(1);
    assert_eq!(gate.notes(), [1]);
}

#[remote]
fn twice(x: i64) -> Result<i64, raykit::Error> {
    if x % 10 == 0 { Ok(2 * add::remote(x, 0).get()?) } else { Ok(2 * x) }
}

/// C8
#[test]
fn of_five_thousand_tasks_each_is_a_value_or_cancelled() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let refs = twice::map(0..5_000);
        let chosen = |at: usize| (at * 7919).is_multiple_of(20);
        for (_, reference) in refs.iter().enumerate().filter(|(at, _)| chosen(*at)) {
            reference.cancel();
        }
        let mut cancelled = 0;
        for (at, reference) in refs.iter().enumerate() {
            match value(reference) {
                Ok(found) => assert_eq!(found, 2 * at as i64),
                Err(error) => {
                    assert!(error.is_cancelled() && chosen(at), "{at}: {error}");
                    cancelled += 1;
                }
            }
        }
        assert!(cancelled <= 250);
        drop(refs);
        all_clear(cpus);
    }
}

#[remote(num_returns = 2, max_retries = 1, retry_on = all)]
fn racing(x: i64) -> Result<(i64, i64), String> {
    if x % 3 == 0 && raykit::context().attempt() == 0 {
        return Err("once more".into());
    }
    std::hint::black_box((0..x % 50).sum::<i64>());
    Ok((x, -x))
}

/// C10: readers, a canceller and the worker meet; all readers see one outcome, for all results
/// alike.
#[test]
fn a_race_has_one_outcome() {
    let node = node(2);
    let _here = node.enter();
    let start = Barrier::new(3);
    let calls: Vec<_> = (0..1_500).map(racing::remote).collect();
    let outcome = |(a, b): &(ObjectRef<i64>, ObjectRef<i64>)| {
        let (a, b) = (value(a), value(b));
        match (a, b) {
            (Ok(a), Ok(b)) if a == -b => Some(a),
            (Err(a), Err(b)) if a.is_cancelled() && b.is_cancelled() => None,
            mixed => panic!("two outcomes: {mixed:?}"),
        }
    };
    let seen: Vec<Vec<Option<i64>>> = std::thread::scope(|scope| {
        let canceller = scope.spawn(|| {
            let _here = node.enter();
            start.wait();
            calls.iter().map(|(_, second)| second.cancel()).collect::<Vec<bool>>()
        });
        let reader = |_| {
            scope.spawn(|| {
                let _here = node.enter();
                start.wait();
                calls.iter().map(outcome).collect()
            })
        };
        let readers: Vec<_> = [0, 1].map(reader).into();
        let cancelled = canceller.join().unwrap();
        let seen: Vec<Vec<Option<i64>>> = readers.into_iter().map(|r| r.join().unwrap()).collect();
        for (found, cancelled) in seen[0].iter().zip(&cancelled) {
            assert_eq!(found.is_none(), *cancelled, "`cancel` says whether it won");
        }
        seen
    });
    assert_eq!(seen[0], seen[1]);
    drop(calls);
    all_clear(2);
}

#[test]
fn dropping_a_reference_cancels_nothing() {
    let node = node(1);
    let _here = node.enter();
    let (gate, log) = (Gate::new(), Gate::new());
    drop(held::remote(gate.id, 1));
    (0..10).for_each(|x| drop(noted::remote(log.id, x)));
    drop(noted::remote(log.id, held::remote(gate.id, 10)));
    gate.open();
    all_clear(1);
    let mut notes = log.notes();
    notes.sort_unstable();
    assert_eq!(notes, (0..=10).collect::<Vec<i64>>());
}
