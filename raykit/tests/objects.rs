//! Objects: what is stored, how it is read, and for how long it stays.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

mod common;

use common::{Gate, all_clear, error, eventually, node, note, pass, value};
use raykit::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

fn objects() -> u64 {
    raykit::stats().unwrap().objects
}

/// Waits until so many objects exist.
fn eventually_objects(count: u64) {
    eventually(&format!("{count} objects"), || objects() == count);
}

#[test]
fn large_values_are_stored_shared_and_read_in_place() {
    let node = node(2);
    let _here = node.enter();
    let numbers: Vec<f64> = (0..1 << 20).map(f64::from).collect();
    let stored = raykit::put(numbers.clone()).unwrap();
    assert!(stored.is_ready());
    assert_eq!(stored.get().unwrap(), numbers);
    assert!(raykit::stats().unwrap().object_bytes >= 8 << 20);
    let (a, b) = (stored.shared().unwrap(), stored.clone().shared().unwrap());
    assert!(Arc::ptr_eq(&a, &b), "decoded twice");
    let view = stored.view().unwrap();
    assert_eq!(view.len(), 1 << 20);
    assert_eq!(view[1 << 19], f64::from(1 << 19));
    assert_eq!(view.decode().unwrap(), numbers);
    let again = stored.view().unwrap();
    assert!(std::ptr::eq(&*view, &*again), "encoded twice");
    drop(stored);
    all_clear(2);
}

/// rkyv bounds an archive to 2 GiB unless it is told otherwise.
#[test]
fn an_archive_may_be_larger_than_two_gib() {
    const LEN: usize = (2 << 30) + 4096;
    let node = node(1);
    let _here = node.enter();
    let mut bytes = vec![0_u8; LEN];
    bytes[LEN - 1] = 7;
    let view = raykit::put(bytes).unwrap().view().unwrap();
    assert_eq!((view.len(), view[LEN - 1]), (LEN, 7));
    drop(view);
    all_clear(1);
}

/// R27
#[test]
fn what_was_read_outlives_the_last_reference() {
    let node = node(1);
    let _here = node.enter();
    let stored = raykit::put((0..1000_u32).collect::<Vec<u32>>()).unwrap();
    let (view, shared) = (stored.view().unwrap(), stored.shared().unwrap());
    drop(stored);
    all_clear(1);
    // Whatever took that memory would be seen.
    let others: Vec<_> = (0..100).map(|_| raykit::put(vec![u32::MAX; 1000]).unwrap()).collect();
    others.iter().for_each(|other| drop(other.view().unwrap()));
    assert!(view.iter().enumerate().all(|(at, found)| found.to_native() == at as u32));
    assert!(shared.iter().enumerate().all(|(at, found)| *found == at as u32));
}

#[remote]
fn address(xs: &[f64]) -> u64 {
    xs.as_ptr() as u64
}

#[test]
fn a_borrowed_argument_is_not_copied() {
    let node = node(1);
    let _here = node.enter();
    let stored = raykit::put(vec![0.5_f64; 1000]).unwrap();
    let first = value(&address::remote(&stored)).unwrap();
    let second = value(&address::remote(&stored)).unwrap();
    assert_eq!(first, second);
}

#[object]
#[derive(Debug, PartialEq)]
enum Tree {
    Leaf(i64),
    Node { name: String, children: Vec<Tree>, extra: Option<Box<Tree>> },
}

#[remote]
fn leaves(tree: &Tree) -> i64 {
    match tree {
        Tree::Leaf(n) => *n,
        Tree::Node { children, extra, .. } => {
            children.iter().chain(extra.as_deref()).map(leaves).sum()
        }
    }
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Foreign {
    name: String,
    parts: Vec<Option<u8>>,
}

type Mixed = (BTreeMap<String, Vec<i32>>, HashMap<u8, [f32; 2]>, Option<Box<str>>, Serde<Foreign>);

#[remote]
fn same(mixed: Mixed) -> Mixed {
    mixed
}

#[test]
fn values_of_many_types_come_back_as_they_went() {
    let node = node(1);
    let _here = node.enter();
    let mixed: Mixed = (
        [("a".to_owned(), vec![1, -2]), (String::new(), vec![])].into(),
        [(1, [0.5, -1.0])].into(),
        Some("text".into()),
        Serde(Foreign { name: "f".into(), parts: vec![None, Some(3)] }),
    );
    assert_eq!(value(&same::remote(mixed.clone())).unwrap(), mixed);
    let tree = Tree::Node {
        name: "root".into(),
        children: vec![Tree::Leaf(1), Tree::Leaf(2)],
        extra: Some(Box::new(Tree::Leaf(4))),
    };
    let stored = raykit::put(tree.clone()).unwrap();
    assert_eq!(stored.view().unwrap().decode().unwrap(), tree);
    assert_eq!(value(&leaves::remote(&stored)).unwrap(), 7);
    assert_eq!(value(&leaves::remote(tree)).unwrap(), 7);
}

#[remote]
fn is_pending(_gate: u64, reference: ObjectRef<i64>) -> bool {
    !reference.is_ready()
}

#[remote]
fn after(gate: u64, x: i64) -> i64 {
    pass(gate);
    x
}

#[test]
fn a_reference_parameter_is_not_waited_for() {
    let node = node(2);
    let _here = node.enter();
    let gate = Gate::new();
    let late = after::remote(gate.id, 5);
    assert!(value(&is_pending::remote(gate.id, late.clone())).unwrap());
    // A reference to a reference: the outer one is an argument like any other.
    let stored = raykit::put(late.clone()).unwrap();
    assert!(value(&is_pending::remote(gate.id, stored)).unwrap());
    gate.open();
    assert_eq!(value(&late).unwrap(), 5);
}

#[test]
fn references_are_equal_when_they_claim_the_same_object() {
    let node = node(1);
    let _here = node.enter();
    let (a, b) = (raykit::put(1).unwrap(), raykit::put(1).unwrap());
    assert_eq!(a, a.clone());
    assert_ne!(a, b);
    assert_ne!(a.id(), b.id());
    let all: HashSet<_> = [a.clone(), b.clone(), a.clone()].into();
    assert_eq!(all.len(), 2);
    assert!(format!("{a:?}").contains("ready"));
}

type Five = ObjectRef<ObjectRef<ObjectRef<ObjectRef<ObjectRef<String>>>>>;

#[remote]
fn nested(text: String) -> raykit::Result<Five> {
    let inner = raykit::put(raykit::put(raykit::put(raykit::put(text)?)?)?)?;
    raykit::put(inner)
}

/// R11
#[test]
fn the_inner_one_of_five_nested_references_stays() {
    let node = node(1);
    let _here = node.enter();
    let inner = {
        let outermost = nested::remote("kept");
        let outer = value(&outermost).unwrap();
        assert_eq!(objects(), 6);
        outer.get().unwrap().get().unwrap().get().unwrap().get().unwrap()
    };
    eventually_objects(1);
    assert_eq!(inner.get().unwrap(), "kept");
    drop(inner);
    all_clear(1);
}

#[object]
struct Config {
    name: String,
    weights: ObjectRef<Vec<f64>>,
    parts: Vec<(u8, Option<ObjectRef<String>>)>,
}

#[remote]
fn use_config(config: Config, gate: u64) -> raykit::Result<f64> {
    pass(gate);
    let text: usize = config
        .parts
        .iter()
        .filter_map(|(_, part)| part.as_ref())
        .map(|p| p.get().unwrap().len())
        .sum();
    Ok(config.weights.get()?.iter().sum::<f64>() + (text + config.name.len()) as f64)
}

/// R15: while a value that holds references can be reached, so can what they stand for.
#[test]
fn references_in_closures_and_structs_pin() {
    let node = node(1);
    let _here = node.enter();
    let gate = Gate::new();
    let call = {
        let weights = raykit::put(vec![1.0, 2.0]).unwrap();
        let text = raykit::put("four".to_owned()).unwrap();
        let parts = vec![(0, Some(text)), (1, None)];
        let config = Config { name: "c".into(), weights, parts };
        move || use_config::remote(config.clone(), gate.id)
    };
    let (a, b) = (call(), call());
    drop(call);
    gate.open();
    assert_eq!(raykit::get((&a, &b)).unwrap(), (8.0, 8.0));
    drop((a, b));
    all_clear(1);

    let view = {
        let weights = raykit::put(vec![4.0]).unwrap();
        let stored = raykit::put(Config { name: "v".into(), weights, parts: vec![] });
        stored.unwrap().view().unwrap()
    };
    assert_eq!(objects(), 1, "the view holds the reference, and that the weights");
    assert_eq!(view.reference(&view.weights).get().unwrap(), [4.0]);
    drop(view);
    all_clear(1);
}

// R16: that a reference does not go through a format that raykit does not know is a matter of
// types, for `ObjectRef` has no serde; tests/ui shows what the compiler says.

#[remote]
fn total(gate: u64, xs: Vec<u64>, ys: &[u64]) -> u64 {
    pass(gate);
    xs.iter().chain(ys).sum()
}

/// R17
#[test]
fn an_argument_whose_reference_is_dropped_stays_until_it_was_used() {
    let node = node(1);
    let _here = node.enter();
    let gate = Gate::new();
    let sums: Vec<_> = (0..3)
        .map(|_| {
            let xs = raykit::put(vec![1_u64; 1000]).unwrap();
            let ys = raykit::put(vec![2_u64; 1000]).unwrap();
            total::remote(gate.id, xs, ys)
        })
        .collect();
    gate.await_arrivals(1);
    assert!(raykit::stats().unwrap().object_bytes >= 4 * 8000, "queued ones keep theirs");
    gate.open();
    for sum in &sums {
        assert_eq!(value(sum).unwrap(), 3000);
    }
    eventually_objects(3);
    drop(sums);
    all_clear(1);
}

#[remote(max_retries = 0)]
fn fails_with(xs: &[u64], panic: bool) -> Result<u64, String> {
    assert!(!panic, "of {}", xs.len());
    Err("failed".to_owned())
}

/// R18
#[test]
fn arguments_are_let_go_when_a_task_fails_or_is_cancelled() {
    let node = node(1);
    let _here = node.enter();
    let big = || raykit::put(vec![1_u64; 1000]).unwrap();
    let failed = [fails_with::remote(big(), false), fails_with::remote(big(), true)];
    failed.iter().for_each(|failed| drop(error(failed)));
    eventually("arguments of failed tasks", || objects() == 2);

    let gate = Gate::new();
    let running = total::remote(gate.id, big(), big());
    gate.await_arrivals(1);
    let before = objects();
    let queued = fails_with::remote(big(), false);
    let waiting = fails_with::remote(nested_numbers::remote(&running), false);
    assert!(objects() > before);
    assert!(queued.cancel() && waiting.cancel());
    let bytes = || raykit::stats().unwrap().object_bytes;
    eventually("arguments of cancelled tasks", || bytes() < 3 * 8000);
    gate.open();
    drop((running, queued, waiting, failed));
    all_clear(1);
}

#[remote]
fn nested_numbers(n: u64) -> Vec<u64> {
    vec![n]
}

#[remote]
fn panics_with_refs(refs: Vec<ObjectRef<String>>, gate: u64) -> Result<(), raykit::Error> {
    let own = raykit::put("own".to_owned())?;
    let child = length::remote(&own);
    let _on_the_stack = (refs.clone(), own, child.clone());
    child.get()?;
    note(gate, 1);
    panic!("with references on the stack");
}

#[remote]
fn length(text: &str) -> usize {
    text.len()
}

/// R29
#[test]
fn unwinding_drops_each_reference_once() {
    let node = node(2);
    let _here = node.enter();
    let kept = raykit::put("kept".to_owned()).unwrap();
    let gate = Gate::new();
    let failed: Vec<_> = (0..20)
        .map(|_| {
            let refs = vec![kept.clone(), raykit::put("gone".to_owned()).unwrap()];
            panics_with_refs::remote(refs, gate.id)
        })
        .collect();
    failed.iter().for_each(|failed| assert!(error(failed).is_panic()));
    drop(failed);
    eventually_objects(1);
    assert_eq!(kept.get().unwrap(), "kept", "dropped once too often");
    assert_eq!(gate.notes().len(), 20);
    drop(kept);
    all_clear(2);
}

#[remote(num_returns = 2)]
fn two(n: usize) -> (Vec<u8>, Vec<u8>) {
    (vec![1; n], vec![2; n])
}

/// R30: each result of a call goes when its own last reference goes.
#[test]
fn results_of_one_call_go_one_by_one() {
    let node = node(1);
    let _here = node.enter();
    let bytes = || raykit::stats().unwrap().object_bytes;
    for keep_first in [true, false] {
        let (first, second) = two::remote(100_000);
        common::ready(&first);
        eventually("both results", || bytes() >= 200_000);
        let (kept, number, other) =
            if keep_first { (first, 1, second) } else { (second, 2, first) };
        drop(other);
        eventually("one result", || bytes() < 110_000 && objects() == 1);
        assert_eq!(kept.get().unwrap(), vec![number; 100_000]);
        drop(kept);
        all_clear(1);
    }
    // Dropped before the task has run.
    let gate = Gate::new();
    let blocker = after::remote(gate.id, 1);
    let (first, second) = two::remote(100_000);
    drop(first);
    gate.open();
    assert_eq!(value(&second).unwrap(), vec![2; 100_000]);
    drop((blocker, second));
    all_clear(1);
}

/// R30
#[test]
fn nothing_is_left_when_everything_is_dropped() {
    let node = node(2);
    let _here = node.enter();
    let gate = Gate::new();
    for round in 0..50 {
        let stored = raykit::put(vec![round; 100]).unwrap();
        let refs: Vec<_> = (0..10).map(|_| total::remote(gate.id, &stored, &stored)).collect();
        let whole = raykit::put((stored, refs)).unwrap();
        drop(whole.view().unwrap());
    }
    gate.open();
    all_clear(2);
    let stats = raykit::stats().unwrap();
    assert_eq!(stats.tasks_submitted, 500);
    assert!(stats.memory_free > 0 && stats.gpus_free == 0.0);
}

/// Panics when it is dropped while armed, once.
#[object]
struct Grenade {
    number: u32,
}

static ARMED: AtomicU32 = AtomicU32::new(0);
static EXPLODED: AtomicU32 = AtomicU32::new(0);

impl Drop for Grenade {
    fn drop(&mut self) {
        if self.number == ARMED.load(Ordering::SeqCst) && !std::thread::panicking() {
            EXPLODED.fetch_add(1, Ordering::SeqCst);
            panic!("grenade {}", self.number);
        }
    }
}

#[remote]
fn make_grenade(number: u32, gate: u64) -> Grenade {
    pass(gate);
    Grenade { number }
}

#[remote(max_retries = 1, retry_on = all)]
fn look_at_grenade(grenade: &Grenade) -> u32 {
    grenade.number
}

#[remote(num_cpus = 0.5)]
fn take_grenade(grenade: Grenade) -> u32 {
    grenade.number
}

#[test]
fn a_drop_that_panics_harms_nobody() {
    let gate = Gate::new();
    let node = node(1);
    let here = node.enter();
    // A result that nobody waits for.
    ARMED.store(1, Ordering::SeqCst);
    drop(make_grenade::remote(1, gate.id));
    gate.open();
    eventually("the first explosion", || EXPLODED.load(Ordering::SeqCst) >= 1);
    all_clear(1);
    // An argument that is dropped after the call, and one that is dropped within.
    ARMED.store(2, Ordering::SeqCst);
    let looked = look_at_grenade::remote(make_grenade::remote(2, gate.id));
    assert_eq!(value(&looked).unwrap(), 2);
    let _ = value(&take_grenade::remote(make_grenade::remote(2, gate.id)));
    // The result of a task that was cancelled while it ran.
    ARMED.store(3, Ordering::SeqCst);
    let last = Gate::new();
    let cancelled = make_grenade::remote(3, last.id);
    last.await_arrivals(1);
    assert!(cancelled.cancel());
    last.open();
    drop((looked, cancelled));
    all_clear(1);
    ARMED.store(0, Ordering::SeqCst);
    assert_eq!(value(&length::remote("abc")).unwrap(), 3, "the only worker lives");
    all_clear(1);
    drop(here);
    node.shutdown().unwrap();
}
