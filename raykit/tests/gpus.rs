//! Which GPUs tasks and actors hold.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

mod common;

use common::{Gate, all_clear, eventually};
use raykit::prelude::*;
use raykit::{Config, NodeId};
use std::sync::Mutex;

/// GPUs in use, each with its node: several tests run at once.
static HELD: Mutex<Vec<(Option<NodeId>, usize)>> = Mutex::new(Vec::new());

/// Takes its GPUs for a moment, and fails if another task has one of them.
#[remote(num_gpus = 1, num_cpus = 0)]
fn alone() -> Vec<usize> {
    let node = raykit::context().node_id();
    let gpus = raykit::context().gpus();
    let mine: Vec<_> = gpus.iter().map(|gpu| (node, *gpu)).collect();
    {
        let mut held = HELD.lock().unwrap();
        assert!(mine.iter().all(|gpu| !held.contains(gpu)), "{mine:?} of {held:?}");
        held.extend(&mine);
    }
    std::thread::yield_now();
    HELD.lock().unwrap().retain(|gpu| !mine.contains(gpu));
    gpus
}

#[test]
fn whole_gpus_are_nobody_elses() {
    let node = Config::new().num_cpus(4).num_gpus(3.0).start().unwrap();
    let _here = node.enter();
    let ones: Vec<_> = (0..300).map(|_| alone::remote()).collect();
    let twos: Vec<_> = (0..100).map(|_| alone::options().num_gpus(2.0).remote()).collect();
    for (calls, count) in [(ones, 1), (twos, 2)] {
        for gpus in raykit::get(&calls).unwrap() {
            assert!(gpus.len() == count && gpus.iter().all(|gpu| *gpu < 3), "{gpus:?}");
        }
    }
    all_clear(4);
    assert_eq!(raykit::stats().unwrap().gpus_free, 3.0);
}

#[remote(num_gpus = 1)]
fn panics(gate: u64) {
    common::pass(gate);
    panic!("with {:?}", raykit::context().gpus());
}

#[remote(num_gpus = 1, num_cpus = 0)]
async fn sleeps(gate: u64) -> Vec<usize> {
    common::arrive(gate);
    tokio::time::sleep(common::PATIENCE).await;
    raykit::context().gpus()
}

#[remote(num_gpus = 1, num_cpus = 0)]
async fn tells() -> Vec<usize> {
    raykit::context().gpus()
}

/// S11: after a panic, a cancellation and a time limit the GPU is another one's.
#[test]
fn gpus_come_back_whatever_happens() {
    let node = Config::new().num_cpus(2).num_gpus(1.0).start().unwrap();
    let _here = node.enter();
    let gate = Gate::new();
    let panicked = panics::remote(gate.id);
    gate.open();
    let error = panicked.get().unwrap_err();
    assert!(error.to_string().contains("with [0]"), "{error}");
    let cancelled = sleeps::remote(gate.id);
    gate.await_arrivals(2);
    cancelled.cancel();
    assert!(cancelled.get().unwrap_err().is_cancelled());
    let late = sleeps::options().timeout(millis(20)).remote(gate.id);
    assert!(late.get().unwrap_err().is_timeout());
    let queued = tells::remote();
    assert_eq!(queued.get().unwrap(), [0]);
    drop((panicked, cancelled, late, queued));
    all_clear(2);
    assert_eq!(raykit::stats().unwrap().gpus_free, 1.0);
}

#[remote(num_gpus = 1)]
struct Model {
    made_on: Vec<usize>,
}

#[remote]
impl Model {
    pub fn new() -> Self {
        Model { made_on: raykit::context().gpus() }
    }
    pub fn gpus(&self) -> (Vec<usize>, Vec<usize>) {
        (self.made_on.clone(), raykit::context().gpus())
    }
    pub async fn later(&self) -> Vec<usize> {
        raykit::context().gpus()
    }
    pub fn sees(&self) -> String {
        let mut child = std::process::Command::new("sh");
        child.args(["-c", "echo $CUDA_VISIBLE_DEVICES"]);
        let output = raykit::context().visible_gpus(&mut child).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
    pub fn crash(&self) {
        panic!("on purpose");
    }
}

#[test]
fn an_actor_holds_its_gpu_for_life() {
    let node = Config::new().num_cpus(2).num_gpus(2.0).start().unwrap();
    let _here = node.enter();
    let (first, second) = (Model::remote(), Model::options().max_restarts(1).remote());
    let (made_on, now) = first.gpus().get().unwrap();
    assert_eq!((&made_on, made_on.len()), (&now, 1));
    let others = second.gpus().get().unwrap().1;
    assert_ne!(now, others);
    assert_eq!(first.later().get().unwrap(), now);
    assert_eq!(first.sees().get().unwrap(), now[0].to_string());
    assert_eq!(raykit::stats().unwrap().gpus_free, 0.0);
    assert!(second.crash().get().is_err());
    let again = second.gpus().get().unwrap();
    assert_eq!((&again.0, &again.1), (&others, &others), "the other one is held all the while");
    drop(first);
    eventually("it is free", || raykit::stats().unwrap().gpus_free == 1.0);
    assert_eq!(alone::remote().get().unwrap(), now);
}

#[remote]
fn where_am_i(gate: u64) -> Vec<usize> {
    common::pass(gate);
    raykit::context().gpus()
}

#[test]
fn parts_share_one_gpu() {
    let node = Config::new().num_cpus(8).num_gpus(2.0).start().unwrap();
    let _here = node.enter();
    let gate = Gate::new();
    let part = || where_am_i::options().num_gpus(0.25).remote(gate.id);
    let parts: Vec<_> = (0..4).map(|_| part()).collect();
    gate.await_arrivals(4);
    assert_eq!(alone::remote().get().unwrap(), [1], "one is whole");
    gate.open();
    for gpus in raykit::get(&parts).unwrap() {
        assert_eq!(gpus, [0]);
    }
    let odd = where_am_i::options().num_gpus(1.5).remote(gate.id).get().unwrap_err();
    assert!(odd.to_string().contains("whole number"), "{odd}");
}
