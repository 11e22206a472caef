//! Real processes, and what happens to them and to the road between them for a while.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

mod common;
#[path = "common/cluster.rs"]
mod processes;
#[path = "common/relay.rs"]
mod relay;

use common::{eventually, value};
use processes::{Head, be_node, be_worker, signal, tell_to_go, told};
use raykit::prelude::*;
use raykit::{Config, ErrorKind, Strategy};
use relay::{Counts, Weather};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Longer than a silence that makes a node suspect, and much shorter than one that kills it.
const OUT: Duration = Duration::from_secs(4);

#[remote]
fn process(x: i64) -> (i64, u32) {
    (x, std::process::id())
}

#[remote]
fn sleepy(x: i64, ms: u64) -> i64 {
    std::thread::sleep(Duration::from_millis(ms));
    x
}

#[remote]
fn ones(len: usize) -> Vec<f64> {
    vec![1.0; len]
}

/// Does not end in that process. It says where it did.
#[remote]
fn elsewhere(than: u32) -> u32 {
    if std::process::id() == than {
        std::thread::sleep(Duration::from_secs(600));
    }
    std::process::id()
}

/// What a node of these tests does: it is told by the environment.
#[test]
fn a_node_of_the_tests() {
    match std::env::var(processes::NODE) {
        Ok(part) if part == "worker" => be_worker(),
        Ok(address) => be_node(Config::new().num_cpus(2).address(address)),
        Err(_) => {}
    }
}

/// It shares nothing with the others on its host, and so has no shortcut past a relay.
fn head(cpus: usize) -> Head {
    processes::head(Config::new().num_cpus(cpus).object_memory(0))
}

/// A head with one CPU, and a road like that to it.
fn far_head(weather: Weather) -> (Head, Arc<Counts>) {
    let mut head = head(1);
    let (address, counts) = relay::relay(head.address.parse().unwrap(), weather);
    head.address = address.to_string();
    (head, counts)
}

/// N10: where nobody can run them tasks wait, until somebody comes.
#[test]
fn tasks_wait_for_a_node_that_can_run_them() {
    let head = head(1);
    let _here = head.node.enter();
    let mut first = head.node(&[]);
    let (one, other) = (first.child.id(), std::process::id());
    let lost = elsewhere::options().num_cpus(2.0).remote(one);
    let there = process::options().strategy(first.here()).num_cpus(0.0).remote(1);
    assert_eq!(value(&there).unwrap().1, one);
    first.child.kill().unwrap();
    eventually("the node is gone", || raykit::nodes().unwrap().len() == 1);
    let waits: Vec<_> = (0..20).map(|x| process::options().num_cpus(2.0).remote(x)).collect();
    let late = waits[0].timeout(Duration::from_millis(200)).get().unwrap_err();
    assert!(late.is_timeout(), "{late}");
    let second = head.node(&[]);
    for (x, waits) in (0..).zip(&waits) {
        assert_eq!(value(waits).unwrap(), (x, second.child.id()));
    }
    let place = value(&lost).unwrap();
    assert!(place == second.child.id() && place != other, "{place}");
}

/// N13: a process that has stood still for longer than it may is dead, finds that out as soon as it
/// goes on, and ends. What it had runs elsewhere, and its own late result is nobody's.
#[test]
fn who_stood_still_for_too_long_ends() {
    let head = head(1);
    let _here = head.node.enter();
    let (mut child, id) = told(&head, &[]);
    let there = Strategy::Node { node: id, soft: true };
    let again = elsewhere::options().strategy(there).remote(child.id());
    let sure = process::options().strategy(there).num_cpus(0.0).remote(1);
    assert_eq!(value(&sure).unwrap().1, child.id());
    signal(&child, "-STOP");
    eventually("it is dead", || raykit::nodes().unwrap().len() == 1);
    assert_eq!(value(&again).unwrap(), std::process::id());
    signal(&child, "-CONT");
    assert!(!child.wait().unwrap().success(), "it has lost its cluster");
    assert_eq!(raykit::nodes().unwrap().len(), 1);
}

/// D3, D4: a node that is told to go and has something that does not end goes when its time is
/// over, or dies before that. What may run again does so elsewhere, the rest is an error.
#[test]
fn who_cannot_end_in_time_goes_all_the_same() {
    let head = head(2);
    let _here = head.node.enter();
    for (grace, dies) in [("300", false), ("600000", true)] {
        let (mut child, id) = told(&head, &[("RAYKIT_GRACE_MS", grace)]);
        let there = Strategy::Node { node: id, soft: true };
        let again = elsewhere::options().strategy(there).num_cpus(0.5).remote(child.id());
        let once = elsewhere::options().strategy(there).num_cpus(0.5).max_retries(0);
        let once = once.remote(child.id());
        let sure = process::options().strategy(there).remote(1);
        assert_eq!(value(&sure).unwrap().1, child.id());
        tell_to_go(&child);
        if dies {
            let late = once.timeout(Duration::from_millis(500)).get().unwrap_err();
            assert!(late.is_timeout(), "it has time: {late}");
            child.kill().unwrap();
        }
        let error = value(&once).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NodeDied, "{error}");
        assert!(error.to_string().contains(&id.to_string()), "{error}");
        assert_eq!(value(&again).unwrap(), std::process::id());
        child.wait().unwrap();
        eventually("the node is gone", || raykit::nodes().unwrap().len() == 1);
    }
}

/// P12: over a long road with little room all comes, once and in order.
#[test]
fn a_long_narrow_road_costs_only_time() {
    let delay = Duration::from_millis(100);
    let (head, _) = far_head(Weather { delay, rate: Some(4 << 20), ..Weather::GOOD });
    let _here = head.node.enter();
    let worker = head.node(&[("RAYKIT_OBJECT_MEMORY", "0".to_owned())]);
    let once = || process::options().max_retries(0).strategy(worker.here());
    let tasks: Vec<_> = (0..300).map(|x| once().remote(x)).collect();
    let large = ones::options().max_retries(0).strategy(worker.here()).remote(1 << 19);
    for (x, task) in (0..).zip(&tasks) {
        assert_eq!(value(task).unwrap(), (x, worker.child.id()));
    }
    assert_eq!(value(&large).unwrap().iter().sum::<f64>(), (1 << 19) as f64);
    assert_eq!(raykit::nodes().unwrap().len(), 2);
}

/// P13: what fills the road for longer than a node may be silent keeps no word from coming.
#[test]
fn a_full_road_is_no_death() {
    let (head, _) = far_head(Weather { rate: Some(3 << 20), ..Weather::GOOD });
    let _here = head.node.enter();
    let worker = head.node(&[("RAYKIT_OBJECT_MEMORY", "0".to_owned())]);
    let len = 12 * (3 << 20) / size_of::<f64>();
    let large = ones::options().max_retries(0).strategy(worker.here()).remote(len);
    let mut asked = 0;
    while !large.is_ready() {
        let small = process::options().max_retries(0).strategy(worker.here()).remote(asked);
        assert_eq!(value(&small).unwrap(), (asked, worker.child.id()));
        asked += 1;
    }
    assert_eq!(value(&large).unwrap().len(), len);
    assert!(asked > 10, "{asked} calls came through meanwhile");
    assert_eq!(raykit::nodes().unwrap().len(), 2);
}

/// J4, P7: a driver whose road is out for some seconds has all its results afterwards.
#[test]
fn a_driver_is_cut_off_for_a_while() {
    let (head, counts) = far_head(Weather::GOOD);
    let driver = Config::new().num_cpus(1).object_memory(0).address(&head.address);
    let driver = driver.token(&head.token).start().unwrap();
    let _here = driver.enter();
    let far = Strategy::Node { node: head.node.id(), soft: false };
    let once = |x| sleepy::options().strategy(far).max_retries(0).remote(x, 1);
    let mut calls: Vec<_> = (0..100).map(once).collect();
    counts.closed.store(true, Ordering::SeqCst);
    calls.extend((100..200).map(once));
    let late = calls[199].timeout(OUT).get().unwrap_err();
    assert!(late.is_timeout(), "nothing passes: {late}");
    counts.closed.store(false, Ordering::SeqCst);
    for (x, call) in (0..).zip(&calls) {
        assert_eq!(value(call).unwrap(), x);
    }
    assert_eq!(raykit::nodes().unwrap().len(), 2);
}

/// P14: a node that has another address all of a sudden, as behind a router that has forgotten it,
/// loses nothing, and nothing runs twice.
#[test]
fn a_node_gets_another_address() {
    let (head, counts) = far_head(Weather::GOOD);
    let _here = head.node.enter();
    let worker = head.node(&[("RAYKIT_OBJECT_MEMORY", "0".to_owned())]);
    let once = |x| process::options().strategy(worker.here()).max_retries(0).remote(x);
    let before: Vec<_> = (0..50).map(once).collect();
    counts.moves.fetch_add(1, Ordering::SeqCst);
    let after: Vec<_> = (50..100).map(once).collect();
    for (x, call) in (0..).zip(before.iter().chain(&after)) {
        assert_eq!(value(call).unwrap(), (x, worker.child.id()));
    }
    assert_eq!(raykit::nodes().unwrap().len(), 2);
}
