//! Clusters of real processes: this test program is the driver, and started again the nodes.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

mod common;
#[path = "common/cluster.rs"]
mod processes;
#[path = "common/relay.rs"]
mod relay;

use common::eventually;
use processes::{Head, be_node, be_worker, tell_to_go, told};
use raykit::prelude::*;
use raykit::{Config, ErrorKind, Strategy};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[remote]
fn process(x: i64) -> (i64, u32) {
    (x, std::process::id())
}

#[remote]
fn sleepy(x: i64, ms: u64) -> i64 {
    std::thread::sleep(Duration::from_millis(ms));
    x
}

/// How many tasks run beside this one, once it is two.
#[remote]
fn waits_there() -> i64 {
    let busy = || raykit::stats().is_ok_and(|stats| stats.cpus_free == 0.0);
    eventually("both CPUs are in use", busy);
    2
}

#[remote]
fn sum(xs: &[f64]) -> f64 {
    xs.iter().sum()
}

#[remote]
fn ones(len: usize) -> Vec<f64> {
    vec![1.0; len]
}

/// Ends its process in one of the ways in which that happens.
#[remote]
fn dies(way: &str) {
    match way {
        "abort" => std::process::abort(),
        "overflow" => drop(overflows(0)),
        // The first SIGSEGV that no fault of memory has raised only ends the handler for it.
        signal => eventually("the signal arrives", || {
            let id = std::process::id().to_string();
            !Command::new("kill").args([signal, &id]).status().unwrap().success()
        }),
    }
}

#[expect(unconditional_recursion, reason = "that is what it is for")]
fn overflows(depth: usize) -> usize {
    std::hint::black_box([depth; 100])[depth % 100] + overflows(depth + 1)
}

/// What a node of these tests does: it is told by the environment.
#[test]
fn a_node_of_the_tests() {
    let Ok(part) = std::env::var(processes::NODE) else { return };
    if part == "worker" {
        return be_worker();
    }
    be_node(match part.as_str() {
        "head" => Config::new().num_cpus(1).head("127.0.0.1:0".parse().unwrap()),
        address => Config::new().num_cpus(2).address(address),
    });
}

fn head(cpus: usize) -> Head {
    processes::head(Config::new().num_cpus(cpus))
}

#[test]
fn tasks_run_in_other_processes() {
    let head = head(1);
    let _here = head.node.enter();
    let workers = [head.node(&[]), head.node(&[])];
    for worker in &workers {
        let asked = process::options().strategy(worker.here()).remote(3);
        assert_eq!(asked.get().unwrap(), (3, worker.child.id()));
    }
    let made = ones::options().strategy(workers[0].here()).remote(2_000_000);
    let added = sum::options().strategy(workers[1].here()).remote(&made);
    assert_eq!(added.get().unwrap(), 2_000_000.0);
    assert_eq!(raykit::nodes().unwrap().len(), 3);
}

/// As many numbers as it takes, and then the process that has added one.
#[remote]
fn stamped(mut numbers: Vec<u32>) -> Vec<u32> {
    numbers.push(std::process::id());
    numbers
}

#[remote]
fn stamps(numbers: &[u32]) -> Vec<u32> {
    numbers[LARGE..].to_vec()
}

#[remote]
fn zeros() -> Vec<u32> {
    vec![0; LARGE]
}

const LARGE: usize = 1_000_000;

/// L1, L7: calls go to what they take, and what was left on a killed process is made again.
#[test]
fn a_chain_works_where_its_data_is() {
    let head = processes::head(Config::new().num_cpus(1).object_memory(0));
    let _here = head.node.enter();
    let apart = [("RAYKIT_OBJECT_MEMORY", "0".to_owned())]; // as if on another host
    let (mut one, other) = (head.node(&apart), head.node(&apart));
    let begun = zeros::options().strategy(one.preferred()).remote();
    let chain = (0..4).fold(begun, |before, _| stamped::remote(&before));
    assert_eq!(stamps::remote(&chain).get().unwrap(), [one.child.id(); 4]);
    one.child.kill().unwrap();
    eventually("the node is gone", || raykit::nodes().unwrap().len() == 2);
    let there = stamps::options().strategy(other.here()).remote(&chain).get().unwrap();
    assert!(there.len() == 4 && !there.contains(&one.child.id()), "{there:?}");
    assert_eq!(chain.get().unwrap().len(), LARGE + 4);
}

/// T1, T9: what a killed process was running runs again elsewhere, within its retries.
#[test]
fn a_killed_process_is_noticed_and_its_tasks_run_again() {
    let head = head(1);
    let _here = head.node.enter();
    let mut worker = head.node(&[]);
    let again = sleepy::options().strategy(worker.preferred()).remote(1, 1_000);
    let once = sleepy::options().strategy(worker.preferred()).max_retries(0).remote(2, 60_000);
    let begun = waits_there::options().strategy(worker.here()).num_cpus(0.0).remote();
    assert_eq!(begun.get().unwrap(), 2, "both have begun");
    worker.child.kill().unwrap();
    assert_eq!(again.get().unwrap(), 1);
    let error = once.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NodeDied, "{error}");
    assert!(error.to_string().contains("sleepy"), "{error}");
    eventually("the node is gone", || raykit::nodes().unwrap().len() == 1);
}

/// T2, T3, T16: a task that takes its process with it ends after its last attempt, whatever kills
/// it: were it tried again it would take this process, or the last one.
#[test]
fn a_task_that_always_kills_its_process_gives_up() {
    let head = head(1);
    let _here = head.node.enter();
    let last = head.node(&[]);
    for way in ["abort", "overflow", "-SEGV", "-KILL"] {
        let worker = head.node(&[]);
        let dead = dies::options().strategy(worker.preferred()).max_retries(0).remote(way);
        let error = dead.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NodeDied, "{way}: {error}");
        let words = error.to_string();
        assert!(words.contains("dies") && words.contains(&worker.id.to_string()), "{words}");
    }
    let alive = process::options().strategy(last.here()).remote(1);
    assert_eq!(alive.get().unwrap().1, last.child.id());
}

/// X1: who has no token, a wrong one, or one of another cluster is told so in one line.
#[test]
fn nobody_joins_without_the_right_token() {
    let (first, second) = (head(1), head(1));
    for token in ["", "rk1.node.nonsense", &second.token] {
        let refused = Config::new().num_cpus(1).address(&first.address).token(token).start();
        let error = refused.unwrap_err();
        assert!(!error.to_string().contains('\n'), "{error}");
        assert!(!token.is_empty() || error.to_string().contains("token"), "{error}");
    }
    let _here = first.node.enter();
    assert_eq!(raykit::nodes().unwrap().len(), 1);
}

/// H1: a head that ends takes the cluster with it, and whoever waits is told.
#[test]
fn the_end_of_the_head_is_the_end_of_the_cluster() {
    let head = head(1);
    let member =
        Config::new().num_cpus(1).address(&head.address).token(&head.token).start().unwrap();
    let here = member.enter();
    let far = Strategy::Node { node: head.node.id(), soft: false };
    let sure = process::options().strategy(far).remote(1);
    assert_eq!(sure.get().unwrap().1, std::process::id());
    let waits = sleepy::options().strategy(far).remote(1, 20_000);
    let Head { node, .. } = head;
    let closing = std::thread::spawn(move || node.shutdown());
    assert_eq!(waits.get().unwrap_err().kind(), ErrorKind::ClusterLost);
    let late = process::options().strategy(far).remote(1).get().unwrap_err();
    assert_eq!(late.kind(), ErrorKind::ClusterLost, "{late}");
    assert_eq!(process::remote(5).get().unwrap().0, 5, "alone it works on");
    drop(here);
    let _ = closing.join();
}

/// What no node has is an error for an actor, which is where it is made, and at once.
#[remote(num_gpus = 3)]
struct Needy;

#[remote]
impl Needy {
    pub fn new() -> Self {
        Needy
    }
    pub fn is_there(&self) -> bool {
        true
    }
}

#[remote]
fn counts(n: u64) -> impl Iterator<Item = u64> {
    0..n
}

/// A driver that gives no CPUs runs all that it can elsewhere, and is told of the rest.
#[test]
fn a_driver_without_cpus_has_others_work() {
    let head = head(1);
    let driver = Config::new().num_cpus(0).address(&head.address).token(&head.token).start();
    let driver = driver.unwrap();
    let _here = driver.enter();
    let all: Vec<_> = (0..100).map(process::remote).collect();
    assert!(raykit::get(&all).unwrap().iter().all(|(_, id)| *id == std::process::id()));
    let needy = Needy::remote();
    assert!(needy.is_there().get().unwrap_err().to_string().contains("num_gpus"));
    let items: Vec<u64> = counts::remote(3).map(|item| item.get().unwrap()).collect();
    assert_eq!(items, [0, 1, 2]);
}

#[remote]
struct Counter {
    n: i64,
}

#[remote]
impl Counter {
    pub fn new() -> Self {
        Counter { n: 0 }
    }
    pub fn add(&mut self, by: i64) -> (i64, u32) {
        self.n += by;
        (self.n, std::process::id())
    }
    #[remote(max_retries = 1_000)]
    pub fn add_surely(&mut self, by: i64) -> i64 {
        self.n += by;
        self.n
    }
}

#[remote]
fn finds_counter(name: String) -> Result<(i64, u32), raykit::Error> {
    raykit::actor::<CounterHandle>(&name)?.add(1).get()
}

#[remote]
fn counter() -> CounterHandle {
    Counter::remote()
}

#[remote]
fn adds(counter: CounterHandle, times: i64) -> Result<i64, raykit::Error> {
    let all: Vec<_> = (0..times).map(|_| counter.add(1)).collect();
    Ok(raykit::get(&all)?.last().map_or(0, |last| last.0))
}

/// A4 as far as it goes: an actor lives in one process, is called from three, and goes with it.
#[test]
fn an_actor_is_called_from_three_processes() {
    let head = head(1);
    let _here = head.node.enter();
    let mut workers = [head.node(&[]), head.node(&[])];
    let home = workers[0].here();
    let far = counter::options().strategy(home).remote().get().unwrap();
    let by_all = [
        adds::options().strategy(workers[1].here()).remote(&far, 100),
        adds::options().strategy(home).remote(&far, 100),
        adds::remote(&far, 100),
    ];
    raykit::get(&by_all).unwrap();
    assert_eq!(far.add(0).get().unwrap(), (300, workers[0].child.id()));
    workers[0].child.kill().unwrap();
    assert!(far.add(1).get().unwrap_err().is_actor_died());
}

/// A5: the processes that an actor lives in are killed one after the other; each result is one more
/// than the one before, or begins anew.
#[test]
fn an_actor_outlives_its_processes() {
    let head = head(1);
    let _here = head.node.enter();
    let mut workers = [head.node(&[]), head.node(&[]), head.node(&[])];
    // It needs two CPUs, which the head does not have.
    let counter = Counter::options().num_cpus(2.0).max_restarts(5).name("lasting").remote();
    let (mut before, mut killed) = (0, 0);
    while killed < 2 {
        let (n, place) = match counter.add(1).get() {
            Ok(result) => result,
            Err(error) => {
                assert!(error.is_actor_unavailable(), "{error}");
                continue;
            }
        };
        assert!(n == before + 1 || n == 1, "{n} after {before}");
        before = n;
        let home = workers.iter_mut().find(|worker| worker.child.id() == place);
        let sure: Vec<_> = (0..100).map(|_| counter.add_surely(1)).collect();
        home.expect("one of them").child.kill().unwrap();
        killed += 1;
        for n in raykit::get(&sure).unwrap() {
            assert!(n == before + 1 || n == 1, "{n} after {before}");
            before = n;
        }
    }
    assert_eq!(counter.restarts(), 2);
    // Another process finds it by its name.
    let place = finds_counter::options().strategy(Strategy::Spread).remote("lasting".to_owned());
    assert_eq!(place.get().unwrap().0, before + 1);
}

/// One that holds nothing is charged a CPU while it works: a node without any cannot have it.
#[test]
fn an_actor_waits_for_a_node_with_a_cpu() {
    let head = head(0);
    let _here = head.node.enter();
    let counter = Counter::options().remote();
    let added = counter.add(3);
    let worker = head.node(&[]);
    assert_eq!(added.get().unwrap(), (3, worker.child.id()));
}

/// N4, N8: over a road that is slow, loses datagrams and brings some of them late nothing is lost
/// and nothing runs twice, calls of one caller keep their order, and nobody is taken for dead.
#[test]
fn a_bad_road_costs_only_time() {
    let mut head = head(1);
    let _here = head.node.enter();
    let weather = relay::Weather {
        delay: Duration::from_millis(15),
        jitter: Duration::from_millis(15),
        lost: 100,
        rate: None,
    };
    let (address, counts) = relay::relay(head.address.parse().unwrap(), weather);
    head.address = address.to_string();
    // It shares nothing with the head, and so has no shortcut past the relay.
    let worker = head.node(&[("RAYKIT_OBJECT_MEMORY", "0".to_owned())]);
    let tasks: Vec<_> = (0..300)
        .map(|x| process::options().max_retries(0).strategy(worker.here()).remote(x))
        .collect();
    let counter = Counter::options().strategy(worker.here()).remote();
    let added: Vec<_> = (0..300).map(|_| counter.add(1)).collect();
    let there = worker.child.id();
    for (x, (y, place)) in (0..).zip(raykit::get(&tasks).unwrap()) {
        assert_eq!((x, place), (y, there));
    }
    for (n, (sum, place)) in (1..).zip(raykit::get(&added).unwrap()) {
        assert_eq!((n, place), (sum, there));
    }
    for x in 0..20 {
        let asked = process::options().max_retries(0).strategy(worker.here()).remote(x);
        assert_eq!(asked.get().unwrap(), (x, there));
    }
    let large = ones::options().max_retries(0).strategy(worker.here()).remote(200_000);
    assert_eq!(large.get().unwrap().len(), 200_000);
    let (passed, lost) =
        (counts.passed.load(Ordering::Relaxed), counts.lost.load(Ordering::Relaxed));
    assert!(passed > 100 && lost > 5, "{passed} datagrams passed, {lost} were lost");
    assert_eq!(raykit::nodes().unwrap().len(), 2);
}

/// N8: a process that is stopped for a while is no dead one.
#[test]
fn a_stopped_process_goes_on() {
    let head = head(1);
    let _here = head.node.enter();
    let worker = head.node(&[]);
    let signal = |name: &str| {
        let id = worker.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    };
    let before = process::options().strategy(worker.here()).remote(1);
    assert_eq!(before.get().unwrap().1, worker.child.id());
    signal("-STOP");
    let ask = || process::options().strategy(worker.here()).remote(2);
    let mut asked = ask();
    // Its threads do not stop at the same moment.
    eventually("it is stopped", || {
        let waits = asked.timeout(Duration::from_millis(1500)).get().err();
        let waits = waits.is_some_and(|error| error.is_timeout());
        if !waits {
            asked = ask();
        }
        waits
    });
    signal("-CONT");
    assert_eq!(asked.get().unwrap(), (2, worker.child.id()));
    assert_eq!(raykit::nodes().unwrap().len(), 2);
}

/// Runs until it is not wanted any more.
#[remote]
fn until_cancelled() -> bool {
    eventually("it is cancelled", || raykit::context().is_cancelled());
    true
}

/// Has the head work for it, and waits.
#[remote]
fn lends() -> Result<bool, raykit::Error> {
    let head = Strategy::Node { node: raykit::nodes()?[0].id, soft: false };
    until_cancelled::options().strategy(head).remote().get()
}

/// T8, J1: what runs for a process that is gone is cancelled, and nothing is left of it.
#[test]
fn what_runs_for_a_dead_process_is_cancelled() {
    let head = head(1);
    let _here = head.node.enter();
    let mut worker = head.node(&[]);
    let lent = lends::options().strategy(worker.here()).max_retries(0).remote();
    let busy = || raykit::stats().unwrap().cpus_free == 0.0;
    eventually("the head works for the other process", busy);
    worker.child.kill().unwrap();
    assert_eq!(lent.get().unwrap_err().kind(), ErrorKind::NodeDied);
    drop(lent);
    common::all_clear(1);
}

#[remote]
fn ones_late(len: usize, ms: u64) -> Vec<f64> {
    std::thread::sleep(Duration::from_millis(ms));
    vec![1.0; len]
}

/// D5: what a node has made for others when it goes is theirs, as long as its grace lasts.
#[test]
fn what_a_node_has_made_arrives_before_it_goes() {
    let head = head(1);
    let _here = head.node.enter();
    for memory in ["0", "1073741824"] {
        let variables = [("RAYKIT_OBJECT_MEMORY", memory), ("RAYKIT_GRACE_MS", "60000")];
        let (mut child, id) = told(&head, &variables);
        let there = Strategy::Node { node: id, soft: true };
        let large = ones_late::options().strategy(there).max_retries(0).remote(30_000_000, 200);
        let sure = process::options().strategy(there).remote(1);
        assert_eq!(sure.get().unwrap().1, child.id());
        tell_to_go(&child);
        assert_eq!(large.get().unwrap().len(), 30_000_000, "object memory of {memory} bytes");
        assert!(child.wait().unwrap().success());
    }
}

/// D2, D5, D8, N2: a node that is told to go takes nothing new, ends what it runs, and leaves; its
/// process ends well, and nothing has to run twice.
#[test]
fn a_node_that_is_told_to_go_ends_what_it_has() {
    let head = head(1);
    let _here = head.node.enter();
    let (mut child, id) = told(&head, &[]);
    let there = Strategy::Node { node: id, soft: true };
    let last = sleepy::options().strategy(there).max_retries(0).remote(7, 700);
    let sure = process::options().strategy(there).remote(1);
    assert_eq!(sure.get().unwrap().1, child.id());
    tell_to_go(&child);
    assert_eq!(last.get().unwrap(), 7, "it was not run again, and could not have been");
    assert!(child.wait().unwrap().success());
    eventually("the node has left", || raykit::nodes().unwrap().len() == 1);
    let after = process::options().strategy(there).remote(2);
    assert_eq!(after.get().unwrap().1, std::process::id());
}
