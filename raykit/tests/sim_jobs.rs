//! Jobs of users on whole clusters that are pretended: `raykit::sim`.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

use raykit::prelude::*;
use raykit::sim::{self, Cluster, Machine, Sim};
use raykit::{ErrorKind, NodeId, Queue, Strategy};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[remote]
fn double(x: i64) -> i64 {
    sim::sleep(millis(10));
    2 * x
}

#[remote(max_retries = 50)]
fn tree(depth: u32) -> Result<i64, raykit::Error> {
    sim::sleep(millis(sim::random() % 20));
    if depth == 0 {
        return Ok(1);
    }
    let (left, right) = (tree::remote(depth - 1), tree::remote(depth - 1));
    Ok(left.get()? + right.get()?)
}

#[remote]
fn where_am_i() -> String {
    sim::sleep(millis(50));
    raykit::context().node_id().unwrap().to_string()
}

/// Counts, and says which life of it does.
#[remote]
struct Counter {
    life: u64,
    count: u64,
}

#[remote]
impl Counter {
    pub fn new() -> Self {
        Counter { life: sim::random(), count: 0 }
    }
    pub fn add(&mut self, n: u64) -> (u64, u64) {
        sim::sleep(millis(1));
        self.count += n;
        (self.life, self.count)
    }
    pub fn count(&self) -> u64 {
        self.count
    }
    pub fn set(&mut self, count: u64) {
        self.count = count;
    }
}

#[remote]
fn words(text: String) -> BTreeMap<String, u64> {
    sim::sleep(millis(20));
    let mut counts = BTreeMap::new();
    text.split_whitespace().for_each(|word| *counts.entry(word.to_owned()).or_default() += 1);
    counts
}

#[remote]
fn merge(a: BTreeMap<String, u64>, b: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut all = a;
    b.into_iter().for_each(|(word, count)| *all.entry(word).or_default() += count);
    all
}

#[remote(backpressure = 4)]
fn numbers(n: u64) -> impl Iterator<Item = u64> {
    (0..n).inspect(|_| sim::sleep(millis(2)))
}

#[remote]
async fn later(x: ObjectRef<i64>) -> raykit::Result<i64> {
    Ok(x.await? + 1)
}

fn at(node: NodeId) -> Strategy {
    Strategy::Node { node, soft: false }
}

fn machines(cluster: &Cluster, count: usize) -> Vec<NodeId> {
    (0..count).map(|_| cluster.start(Machine::new()).unwrap()).collect()
}

/// What a failure says.
fn failure(run: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    panic.downcast_ref::<String>().expect("a message").clone()
}

#[test]
fn one_node_runs_plain_tasks() {
    let sum = sim::run(1, |_| raykit::get(&double::map(0..100)).unwrap().iter().sum::<i64>());
    assert_eq!(sum, 9_900);
}

#[test]
fn tasks_go_to_all_nodes() {
    sim::seeds(0..20, |cluster| {
        let nodes = machines(cluster, 2);
        let ran: Vec<String> =
            raykit::get(&(0..60).map(|_| where_am_i::remote()).collect::<Vec<_>>()).unwrap();
        for node in nodes.iter().chain([&cluster.head()]) {
            assert!(ran.contains(&node.to_string()), "{node} has run none of {ran:?}");
        }
    });
}

/// A bit of everything, with trouble.
fn everything(seed: u64) -> (Duration, u64) {
    let sim = Sim::new(seed).cut_every(secs(1)).kill_every(secs(3));
    sim.run(|cluster| {
        let nodes = machines(cluster, 3);
        let counter = Counter::options().max_restarts(50).max_retries(50).remote();
        assert_eq!(tree::remote(5).get().unwrap(), 32);
        let items: u64 =
            numbers::options().max_retries(50).remote(20).map(|x| x.get().unwrap()).sum();
        assert_eq!(items, 190);
        let adds: Vec<_> = (0..20).map(|_| counter.add(1)).collect();
        raykit::get(&adds).unwrap();
        let large = raykit::put(vec![1_u8; 3_000_000]).unwrap();
        let len = length::options().strategy(Strategy::Spread).max_retries(50).remote(&large);
        assert_eq!(len.get().unwrap(), 3_000_000);
        let after = later::options().max_retries(50).remote(double::remote(4));
        let _ = after.get();
        let _ = where_am_i::options().strategy(at(nodes[0])).remote().get();
        cluster.sleep(secs(5));
        assert_eq!(tree::remote(3).get().unwrap(), 8);
        (cluster.now(), cluster.trace())
    })
}

#[remote]
fn length(bytes: &[u8]) -> usize {
    bytes.len()
}

/// The helper of the next test: another process prints what it has seen.
#[test]
fn traces_are_told() {
    if std::env::var_os("SIM_JOBS_TRACES").is_some() {
        (0..50).for_each(|seed| println!("trace {seed} {:?}", everything(seed)));
        (0..10).for_each(|seed| println!("things {seed} {:?}", ready_made_things(seed)));
    }
}

#[test]
fn a_seed_is_the_same_story_each_time_and_in_each_process() {
    let own: Vec<_> = (0..50).map(everything).collect();
    let again: Vec<_> = (0..50).map(everything).collect();
    assert_eq!(own, again, "twice in one process");
    let twice = [0, 1].map(|_| (0..10).map(ready_made_things).collect::<Vec<_>>());
    assert_eq!(twice[0], twice[1], "twice in one process");
    let other = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "traces_are_told", "--nocapture"])
        .env("SIM_JOBS_TRACES", "1")
        .output()
        .unwrap();
    let told = String::from_utf8(other.stdout).unwrap();
    let things = twice[0].iter().zip(0..).map(|(trace, seed)| format!("things {seed} {trace:?}"));
    let lines = own.iter().zip(0..).map(|(trace, seed)| format!("trace {seed} {trace:?}"));
    for line in lines.chain(things) {
        assert!(told.contains(&line), "another story in another process: {line}\n{told}");
    }
    let distinct: std::collections::BTreeSet<_> = own.iter().map(|(_, trace)| trace).collect();
    assert_eq!(distinct.len(), own.len(), "each seed has a story of its own");
}

/// N1: what dies with nodes runs again, and the result is right.
#[test]
fn nested_tasks_come_to_the_right_sum_though_nodes_are_killed() {
    sim::seeds(0..120, |cluster| {
        let mut nodes = machines(cluster, 3);
        let sum = tree::remote(6);
        for _ in 0..2 {
            cluster.sleep(millis(20 + sim::random() % 200));
            let victim = nodes.swap_remove(sim::random() as usize % nodes.len());
            cluster.kill(victim);
        }
        assert_eq!(sum.get().unwrap(), 64);
    });
}

/// I14, I17: an actor lives on elsewhere, no more often than it may, and no life of it answers
/// after a later one has.
#[test]
fn an_actor_is_started_again_elsewhere_and_never_answers_as_its_old_self() {
    sim::seeds(0..60, |cluster| {
        let nodes = machines(cluster, 3);
        let counter = Counter::options().max_restarts(2).num_cpus(1.0).max_retries(100).remote();
        let mut lives = Vec::new();
        let mut call = || {
            let (life, _) = counter.add(1).get()?;
            if lives.last() != Some(&life) {
                assert!(!lives.contains(&life), "a life that was over has answered");
                lives.push(life);
            }
            Ok::<_, raykit::Error>(lives.len())
        };
        assert_eq!(call().unwrap(), 1);
        for victim in nodes {
            cluster.kill(victim);
            cluster.sleep(secs(sim::random() % 20));
            let called = call();
            assert!(called.as_ref().map_or(true, |lives| *lives <= 3), "{called:?}");
        }
    });
}

/// N5, I14: a node that is cut off for long is dead, and stays so when the cut is over; what it has
/// kept running answers nobody.
#[test]
fn a_long_cut_kills_a_node_and_its_actor_lives_elsewhere() {
    sim::seeds(0..20, |cluster| {
        let far = machines(cluster, 1)[0];
        let counter = Counter::options()
            .max_restarts(1)
            .max_retries(9)
            .strategy(Strategy::Node { node: far, soft: true })
            .remote();
        let (first, _) = counter.add(1).get().unwrap();
        cluster.isolate(&[far]);
        cluster.sleep(secs(30));
        assert!(raykit::nodes().unwrap().iter().all(|node| node.id != far), "N5");
        let (second, _) = counter.add(1).get().unwrap();
        assert_ne!(first, second);
        cluster.heal_all();
        for _ in 0..10 {
            cluster.sleep(secs(1));
            assert_eq!(counter.add(1).get().unwrap().0, second, "I14");
        }
    });
}

/// N4: a cut shorter than the limit kills nobody, however often it comes.
#[test]
fn short_cuts_kill_nobody() {
    sim::seeds(0..4, |cluster| {
        let nodes = machines(cluster, 2);
        let counter = Counter::options().strategy(at(nodes[0])).remote();
        let (life, _) = counter.add(0).get().unwrap();
        for round in 1..=60 {
            cluster.isolate(&nodes[..1]);
            cluster.sleep(secs(5));
            cluster.heal_all();
            cluster.sleep(secs(55));
            assert_eq!(counter.add(1).get().unwrap(), (life, round), "N4");
        }
        assert_eq!(raykit::nodes().unwrap().len(), 3, "N4");
        assert!(cluster.now() > secs(3_600));
    });
}

#[test]
fn words_are_counted_on_three_nodes() {
    sim::seeds(0..30, |cluster| {
        machines(cluster, 2);
        let texts = (0..24).map(|n| format!("to be or not to be {n}"));
        let mut counts: Vec<_> = texts.map(words::remote).collect();
        while counts.len() > 1 {
            let (a, b) = (counts.remove(0), counts.remove(0));
            counts.push(merge::remote(a, b));
        }
        let all = counts[0].get().unwrap();
        assert_eq!((all["to"], all["be"], all["or"], all["17"]), (48, 48, 24, 1));
    });
}

/// Two tasks that read, add one, and write: one of the two additions may be lost.
#[remote]
fn add_one_badly(counter: CounterHandle) -> raykit::Result<()> {
    let count = counter.count().get()?;
    counter.set(count + 1).get()
}

#[test]
fn a_lost_update_is_found_by_some_seeds_and_replayed_by_the_one_that_is_named() {
    let job = |cluster: &Cluster| {
        machines(cluster, 1);
        let counter = Counter::options().remote();
        let both = [add_one_badly::remote(counter.clone()), add_one_badly::remote(counter.clone())];
        raykit::get(&both).unwrap();
        assert_eq!(counter.count().get().unwrap(), 2, "an update was lost");
    };
    let found = failure(|| sim::seeds(0..200, job));
    assert!(found.contains("an update was lost"), "{found}");
    let seed: u64 =
        found.split("RAYKIT_SIM_SEED=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let again = failure(|| sim::run(seed, job));
    assert!(
        again.contains(&format!("seed {seed} ")) && again.contains("an update was lost"),
        "{again}"
    );
    let lucky = (0..200).filter(|seed| catch_unwind(|| sim::run(*seed, job)).is_ok()).count();
    assert!((1..200).contains(&lucky), "{lucky} of 200 seeds do not see it");
}

#[remote]
fn waits_for_a_number(queue: Queue<u64>) -> raykit::Result<Option<u64>> {
    queue.get()
}

#[test]
fn a_wait_that_never_ends_is_told_and_does_not_hang() {
    let found = failure(|| {
        Sim::new(3).limit(secs(600)).run(|cluster| {
            machines(cluster, 1);
            let queue = Queue::<u64>::unbounded();
            waits_for_a_number::remote(queue.clone()).get().unwrap();
        });
    });
    assert!(
        found.contains("seed 3") && found.contains("the time that it was given is over"),
        "{found}"
    );
    assert!(found.contains("task `waits_for_a_number` (t3@n1) waits for"), "{found}");
}

#[test]
fn a_thread_that_never_comes_back_is_told() {
    let found = failure(|| {
        Sim::new(4).patience(millis(300)).run(|_| {
            std::thread::sleep(secs(2));
        });
    });
    assert!(found.contains("is stuck: its thread `driver`"), "{found}");
}

#[test]
fn a_node_stands_still_goes_on_and_goes() {
    sim::seeds(0..20, |cluster| {
        let nodes = machines(cluster, 2);
        let asked = where_am_i::options().strategy(at(nodes[0])).remote();
        cluster.pause(nodes[0]);
        let early = raykit::get_timeout(std::slice::from_ref(&asked), secs(3)).unwrap_err();
        assert_eq!(early.kind(), ErrorKind::TimedOut);
        cluster.resume(nodes[0]);
        assert_eq!(asked.get().unwrap(), nodes[0].to_string());
        cluster.drain(nodes[0]).unwrap();
        cluster.sleep(secs(1));
        assert_eq!(raykit::nodes().unwrap().len(), 2);
        assert_eq!(cluster.nodes(), [cluster.head(), nodes[1]]);
    });
}

#[test]
fn a_slow_road_is_slow() {
    sim::run(5, |cluster| {
        let far = machines(cluster, 1)[0];
        cluster.slow(cluster.head(), far, secs(1));
        let before = cluster.now();
        where_am_i::options().strategy(at(far)).remote().get().unwrap();
        let took = cluster.now() - before;
        assert!((secs(2)..secs(5)).contains(&took), "there and back: {took:?}");
    });
}

/// Threads of simulations that this process has.
fn threads() -> usize {
    let names = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path().join("comm"));
    let names = names.filter_map(|entry| name(entry.ok()?).ok());
    names.filter(|name| name.starts_with("raykit-") || name.starts_with("driver")).count()
}

/// What a process was doing goes no further when it is killed, and its threads end with the
/// simulation.
#[test]
fn five_hundred_simulations_leave_no_thread_behind() {
    let most = Arc::new(Mutex::new(Vec::new()));
    let counts = Arc::clone(&most);
    sim::seeds(0..500, move |cluster| {
        counts.lock().unwrap().push(threads()); // no other simulation runs now
        let nodes = machines(cluster, 2);
        let soft = Strategy::Node { node: nodes[0], soft: true };
        let all: Vec<_> = (0..6).map(|x| double::options().strategy(soft).remote(x)).collect();
        let _never = sleeps_for_ever::options().strategy(soft).remote();
        cluster.sleep(millis(5));
        cluster.kill(nodes[0]);
        cluster.pause(nodes[1]);
        assert!(raykit::get_timeout(&all, secs(60)).is_ok());
    });
    let counts = most.lock().unwrap();
    // Another test leaves a cluster that was stuck; a thread that has ended may still be listed.
    assert!(counts[499] <= counts[0] + 12, "{counts:?}");
}

#[remote]
fn sleeps_for_ever() {
    loop {
        sim::sleep(secs(3_600));
    }
}

#[test]
fn a_simulation_has_its_own_nodes() {
    let error = sim::run(6, |_| raykit::init().map(drop).unwrap_err());
    assert!(error.to_string().contains("leave out `init`"), "{error}");
}

#[test]
fn time_outside_of_a_simulation_is_real() {
    let begun = Instant::now();
    sim::sleep(millis(30));
    assert!(begun.elapsed() >= millis(30));
    assert_ne!(sim::random(), sim::random());
}

/// Queues with limits of time, pools, virtual actors, names, groups of places and `async` methods.
fn ready_made_things(seed: u64) -> (Duration, u64) {
    Sim::new(seed).cut_every(secs(2)).run(|cluster| {
        let nodes = machines(cluster, 2);
        let queue = Queue::bounded(2);
        assert_eq!(queue.get_timeout(secs(3)).unwrap_err().kind(), ErrorKind::TimedOut);
        let puts = puts::remote(queue.clone(), 20);
        let got: u64 = (0..20).map(|_| queue.get().unwrap().unwrap()).sum();
        assert_eq!(got, 190);
        puts.get().unwrap();
        let pool = raykit::ActorPool::new((0..3).map(|_| Counter::remote()));
        let adds: Vec<_> = (0..12).map(|n| pool.submit(|counter| counter.add(n))).collect();
        assert_eq!(raykit::get(&adds).unwrap().len(), 12);
        let named = Counter::options().name("the counter").remote();
        named.add(5).get().unwrap();
        let found: CounterHandle = raykit::actor("the counter").unwrap();
        assert_eq!(found.count().get().unwrap(), 5);
        let bundles = [raykit::Bundle::new().num_cpus(1.0), raykit::Bundle::new().num_cpus(1.0)];
        let spread = raykit::PlacementStrategy::StrictSpread;
        let group = raykit::PlacementGroup::of(bundles).strategy(spread).create().unwrap();
        assert!(group.wait(secs(30)).unwrap());
        let one = where_am_i::options().strategy(group.bundle(0)).remote().get().unwrap();
        let other = where_am_i::options().strategy(group.bundle(1)).remote().get().unwrap();
        assert_ne!(one, other);
        group.remove().unwrap();
        let (owner, nodes) = (nodes[0], raykit::state::nodes().get().unwrap());
        assert_eq!((nodes.items.len(), nodes.silent.len()), (3, 0), "{nodes:?}");
        orphans(cluster, owner);
        (cluster.now(), cluster.trace())
    })
}

#[remote]
fn never(count: u64) -> Vec<ObjectRef<()>> {
    (0..count).map(|_| sleeps_for_ever::remote()).collect()
}

/// In which order the objects of a dead node fail is a part of the story too.
fn orphans(cluster: &Cluster, owner: NodeId) {
    let all = never::options().strategy(at(owner)).remote(12).get().unwrap();
    let places: BTreeMap<String, u64> =
        all.iter().zip(0..).map(|(one, place)| (one.id().to_string(), place)).collect();
    cluster.sleep(millis(100));
    cluster.kill(owner);
    for one in raykit::as_completed(all) {
        cluster.sleep(millis(places[&one.id().to_string()]));
        assert_eq!(one.get().unwrap_err().kind(), ErrorKind::OwnerDied);
    }
}

#[remote]
async fn puts(queue: Queue<u64>, n: u64) -> raykit::Result<()> {
    for x in 0..n {
        queue.put_async(x).await?;
    }
    Ok(())
}
