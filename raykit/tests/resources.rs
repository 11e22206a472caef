//! Resources, priorities, turns between callers, and the bound on what is pending.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

mod common;

use common::{Gate, all_clear, arrive, error, eventually, node, note, pass, ready, value};
use raykit::Config;
use raykit::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[remote]
fn held(gate: u64, x: i64) -> i64 {
    pass(gate);
    x
}

#[remote]
fn noted(log: u64, x: i64) {
    note(log, x);
}

/// S1
#[test]
fn what_no_node_can_meet_is_an_error_at_once() {
    let node =
        Config::new().num_cpus(2).num_gpus(0.5).memory(1000).resource("disk", 3.0).start().unwrap();
    let _here = node.enter();
    let log = Gate::new();
    for (reference, lacks) in [
        (noted::options().num_cpus(2.5).remote(log.id, 1), "num_cpus = 2.5, and this node has 2"),
        (noted::options().num_gpus(1.0).remote(log.id, 1), "num_gpus = 1, and this node has 0.5"),
        (noted::options().memory(1001).remote(log.id, 1), "memory = 1001"),
        (noted::options().resource("disk", 3.5).remote(log.id, 1), "disk = 3.5"),
        (noted::options().resource("tape", 1.0).remote(log.id, 1), "tape = 1"),
    ] {
        assert!(reference.is_ready(), "not told at once");
        let error = error(&reference);
        assert!(error.is_unschedulable());
        assert!(error.to_string().contains(lacks), "{error}");
        assert!(error.to_string().starts_with("task `noted` ("), "{error}");
    }
    let all = noted::options().num_cpus(2.0).num_gpus(0.5).memory(1000).resource("disk", 3.0);
    value(&all.remote(log.id, 2)).unwrap();
    assert_eq!(log.notes(), [2]);
    all_clear(2);
}

/// An amount of nothing asks for nothing, and the last of two amounts of one name is meant.
#[test]
fn a_name_that_is_asked_for_twice_has_its_last_amount() {
    let disks = Config::new().num_cpus(1).resource("disk", 7.0).resource("disk", 1.0);
    let node = disks.start().unwrap();
    let _here = node.enter();
    let log = Gate::new();
    let asked = [
        noted::options().resource("tape", 0.0),
        noted::options().resource("disk", 2.0).resource("disk", 1.0),
        noted::options().resource("disk", 2.0).resource("disk", 0.0),
    ];
    for (x, options) in asked.into_iter().enumerate() {
        value(&options.remote(log.id, x as i64)).unwrap();
    }
    assert_eq!(log.notes(), [0, 1, 2]);
    let reference = noted::options().resource("disk", 1.0).resource("disk", 2.0).remote(log.id, 3);
    let error = error(&reference);
    assert!(error.is_unschedulable() && error.to_string().contains("disk = 2"), "{error}");
    all_clear(1);
}

/// Runs `count` tasks that each hold `share` of something of which there is one, and returns how
/// many were there together.
fn together(count: i64, expected: usize, call: impl Fn(u64, i64) -> ObjectRef<i64>) {
    let gate = Gate::new();
    let refs: Vec<_> = (0..count).map(|x| call(gate.id, x)).collect();
    gate.await_arrivals(expected);
    // What is free now is too little for another one, and stays so until the gate opens.
    for reference in &refs {
        assert!(!reference.is_ready());
    }
    assert_eq!(gate.arrived(), expected);
    gate.open();
    for (x, reference) in refs.iter().enumerate() {
        assert_eq!(value(reference).unwrap(), x as i64);
    }
}

#[test]
fn fractions_are_exact() {
    let node =
        Config::new().num_cpus(1).num_gpus(1.0).memory(10).resource("r", 0.7).start().unwrap();
    let _here = node.enter();
    together(6, 2, |gate, x| held::options().num_cpus(0.5).remote(gate, x));
    together(9, 4, |gate, x| held::options().num_cpus(0.25).remote(gate, x));
    together(3, 1, |gate, x| held::options().num_cpus(0.6).remote(gate, x));
    let free = |name: &str| held::options().num_cpus(0.0).name(name.to_owned());
    together(6, 2, |gate, x| free("gpu").num_gpus(0.5).remote(gate, x));
    together(6, 3, |gate, x| free("memory").memory(3).remote(gate, x));
    together(6, 3, |gate, x| free("named").resource("r", 0.2).remote(gate, x));
    all_clear(1);
    eventually("all of it is free again", || {
        let stats = raykit::stats().unwrap();
        (stats.gpus_free, stats.memory_free) == (1.0, 10)
            && stats.resources_free == [("r".to_owned(), 0.7)]
    });
}

static IN_USE: AtomicU64 = AtomicU64::new(0);
static MOST_IN_USE: AtomicU64 = AtomicU64::new(0);

fn weighs(weight: u64) {
    let now = IN_USE.fetch_add(weight, Ordering::SeqCst) + weight;
    MOST_IN_USE.fetch_max(now, Ordering::SeqCst);
    std::thread::yield_now();
    IN_USE.fetch_sub(weight, Ordering::SeqCst);
}

#[remote]
fn one(log: u64) {
    weighs(2);
    arrive(log);
}

#[remote(num_cpus = 2)]
fn two(log: u64) {
    weighs(4);
    arrive(log);
}

#[remote(num_cpus = 0.5)]
fn half(log: u64) {
    weighs(1);
    arrive(log);
}

#[test]
fn a_wide_task_among_narrow_ones_has_its_turn() {
    let node = node(2);
    let _here = node.enter();
    let log = Gate::new();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Narrow ones without an end, until all the wide ones have run.
        let stream = scope.spawn(|| {
            let _here = node.enter();
            while !stop.load(Ordering::SeqCst) {
                let refs: Vec<_> = (0..50)
                    .map(|at| match at % 3 {
                        0 => half::remote(log.id),
                        _ => one::remote(log.id),
                    })
                    .collect();
                let enough = refs.len() / 2;
                raykit::wait(&refs).at_least(enough).get().unwrap();
            }
        });
        eventually("the stream flows", || log.arrived() > 100);
        for _ in 0..20 {
            ready(&two::remote(log.id));
        }
        stop.store(true, Ordering::SeqCst);
        stream.join().unwrap();
    });
    all_clear(2);
    assert_eq!(MOST_IN_USE.load(Ordering::SeqCst), 4, "of two CPUs, counted in halves");
}

#[test]
fn higher_priorities_start_first() {
    let node = node(1);
    let _here = node.enter();
    let (gate, log) = (Gate::new(), Gate::new());
    let blocker = held::remote(gate.id, 0);
    gate.await_arrivals(1);
    let mut refs = Vec::new();
    for priority in [-1, 0, 5, 1, 0, 5, -3, i32::MAX, i32::MIN] {
        let options = noted::options().priority(priority);
        refs.push(options.remote(log.id, i64::from(priority)));
    }
    gate.open();
    refs.iter().for_each(ready);
    let expected = [i32::MAX, 5, 5, 1, 0, 0, -1, -3, i32::MIN].map(i64::from);
    assert_eq!(log.notes(), expected);
    drop((refs, blocker));
    all_clear(1);
}

#[remote]
fn submits_child(gate: u64, log: u64, x: i64) -> Vec<ObjectRef<()>> {
    let children = vec![noted::remote(log, x), noted::options().priority(-9).remote(log, -x)];
    pass(gate);
    children
}

#[test]
fn children_inherit_the_priority() {
    let node = node(1);
    let _here = node.enter();
    let (gate, log) = (Gate::new(), Gate::new());
    // The parent waits in the gate while plain tasks queue up before its children run.
    let parent = submits_child::options().priority(3).remote(gate.id, log.id, 1);
    gate.await_arrivals(1);
    let others: Vec<_> = (10..20).map(|x| noted::remote(log.id, x)).collect();
    let urgent = noted::options().priority(4).remote(log.id, 0);
    gate.open();
    raykit::get((&others, &urgent)).unwrap();
    raykit::get(&value(&parent).unwrap()).unwrap();
    let notes = log.notes();
    assert_eq!(notes[..2], [0, 1], "{notes:?}");
    assert_eq!(notes[12..], [-1], "{notes:?}");
}

/// Requests for other than one CPU keep to their priorities too.
#[test]
fn priorities_hold_for_requests() {
    let node = Config::new().num_cpus(1).num_gpus(1.0).start().unwrap();
    let _here = node.enter();
    let (gate, log) = (Gate::new(), Gate::new());
    let blocker = held::options().num_gpus(1.0).remote(gate.id, 0);
    gate.await_arrivals(1);
    let mut refs = Vec::new();
    for priority in [-1, 0, 5, 1, 5, 0] {
        let options = noted::options().priority(priority).num_gpus(1.0);
        refs.push(options.remote(log.id, i64::from(priority)));
    }
    gate.open();
    refs.iter().for_each(ready);
    assert_eq!(log.notes(), [5, 5, 1, 0, 0, -1]);
    drop((refs, blocker));
    all_clear(1);
}

#[remote]
fn ends(x: u64) -> u64 {
    x
}

static NUMBERS: AtomicU64 = AtomicU64::new(0);

#[remote]
fn takes_a_number(_x: u64) -> u64 {
    NUMBERS.fetch_add(1, Ordering::SeqCst)
}

#[test]
fn a_small_caller_is_not_behind_a_large_one() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        NUMBERS.store(0, Ordering::SeqCst);
        let gate = Gate::new();
        let blockers: Vec<_> = (0..cpus).map(|_| held::remote(gate.id, 0)).collect();
        gate.await_arrivals(cpus);
        let large = takes_a_number::map(0..20_000);
        let last_of_small = std::thread::scope(|scope| {
            let small = scope.spawn(|| {
                let _here = node.enter();
                let refs = takes_a_number::map(0..50);
                gate.open();
                raykit::get(&refs).unwrap().into_iter().max().unwrap()
            });
            small.join().unwrap()
        });
        let last_of_large = raykit::get(&large).unwrap().into_iter().max().unwrap();
        assert!(last_of_large >= 20_000, "{last_of_large}");
        assert!(last_of_small < 15_000, "behind {last_of_small} of another caller");
        drop((large, blockers));
        all_clear(cpus);
    }
}

#[remote]
fn many_children(count: u64) -> u64 {
    let refs: Vec<_> = (0..count).map(ends::remote).collect();
    refs.len() as u64
}

#[test]
fn an_outside_thread_waits_for_room_and_a_task_never() {
    let bound = 1_000;
    // Threads look at the backlog once in so many calls.
    let slack = 256;
    let node = Config::new().num_cpus(1).max_pending(bound).start().unwrap();
    let _here = node.enter();
    let mut most = 0;
    for x in 0..20_000 {
        drop(ends::remote(x));
        most = most.max(raykit::stats().unwrap().tasks_pending);
    }
    assert!(most <= (bound + slack) as u64, "{most} were pending");
    all_clear(1);
    let (gate, before) = (Gate::new(), raykit::stats().unwrap().tasks_submitted);
    let blocker = held::options().num_cpus(0.0).remote(gate.id, 0);
    assert_eq!(value(&many_children::remote(20_000)).unwrap(), 20_000);
    assert_eq!(raykit::stats().unwrap().tasks_submitted - before, 20_002);
    gate.open();
    drop(blocker);
    all_clear(1);
}

#[remote]
fn calls_when_let(gate: u64, count: u64) -> u64 {
    pass(gate);
    let refs: Vec<_> = (0..count).map(ends::remote).collect();
    raykit::get(&refs).map_or(0, |ends| ends.len() as u64)
}

/// A task outlives the thread that called it, and so do the places where its children queue.
#[test]
fn a_caller_that_is_gone_leaves_nothing_behind() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let gate = Gate::new();
        let call = || {
            let _here = node.enter();
            calls_when_let::remote(gate.id, 5_000)
        };
        let refs: Vec<_> = std::thread::scope(|scope| {
            (0..cpus).map(|_| scope.spawn(call).join().unwrap()).collect()
        });
        gate.await_arrivals(cpus);
        // Calls of new threads clear away what belonged to old ones.
        for _ in 0..3 {
            let fresh = || {
                let _here = node.enter();
                ends::remote(1)
            };
            drop(std::thread::scope(|scope| scope.spawn(fresh).join().unwrap()));
        }
        gate.open();
        for reference in &refs {
            assert_eq!(value(reference).unwrap(), 5_000);
        }
        drop(refs);
        all_clear(cpus);
    }
}

/// Whoever sees work and takes the first of it sees to the rest: all CPUs are in use at once,
/// however long the tasks take.
#[test]
fn no_cpu_is_idle_while_tasks_are_queued() {
    let node = node(4);
    let _here = node.enter();
    for round in 0..300_usize {
        let gate = Gate::new();
        let mut refs: Vec<_> =
            (0..1 + round % 3).map(|x| held::remote(gate.id, x as i64)).collect();
        if round % 2 == 0 {
            gate.await_arrivals(refs.len());
        }
        refs.extend((refs.len()..4).map(|x| held::remote(gate.id, x as i64)));
        gate.await_arrivals(4);
        gate.open();
        raykit::get(&refs).unwrap();
    }
}
