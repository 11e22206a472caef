//! Actors with the option `pinned`: a state that cannot be sent stays on one thread, from its
//! constructor to its `Drop`, whatever becomes of the actor.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

mod common;

use common::{Gate, all_clear, error, eventually, node, pass, value};
use raykit::prelude::*;
use raykit::{Config, ErrorKind};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ThreadId;
use std::time::Duration;

std::thread_local! {
    /// States that were made on this thread and are not dropped.
    static ALIVE: Cell<usize> = const { Cell::new(0) };
}

static MADE: AtomicUsize = AtomicUsize::new(0);
static DROPPED: AtomicUsize = AtomicUsize::new(0);

/// Notices when it is dropped on another thread than the one on which it was made.
struct Native {
    thread: ThreadId,
    log: Rc<RefCell<Vec<i64>>>,
}

impl Native {
    fn new() -> Native {
        MADE.fetch_add(1, Ordering::SeqCst);
        ALIVE.with(|alive| alive.set(alive.get() + 1));
        Native { thread: std::thread::current().id(), log: Rc::default() }
    }

    fn is_here(&self) -> bool {
        self.thread == std::thread::current().id()
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        if self.is_here() && ALIVE.with(Cell::get) > 0 {
            ALIVE.with(|alive| alive.set(alive.get() - 1));
            DROPPED.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[remote(pinned, max_restarts = 3)]
struct Pinned {
    native: Native,
}

#[remote]
fn double(x: i64) -> i64 {
    2 * x
}

#[remote]
impl Pinned {
    pub fn new() -> Self {
        Pinned { native: Native::new() }
    }

    pub fn push(&mut self, x: i64) -> i64 {
        assert!(self.native.is_here());
        let mut log = self.native.log.borrow_mut();
        log.push(x);
        log.len() as i64
    }

    /// Shares what is no `Sync`.
    pub fn sum(&self) -> i64 {
        assert!(self.native.is_here());
        self.native.log.borrow().iter().sum()
    }

    pub fn held(&self, gate: u64) -> i64 {
        pass(gate);
        self.native.log.borrow().len() as i64
    }

    /// What it calls runs while it waits.
    pub fn through_tasks(&mut self, n: i64) -> Result<i64, raykit::Error> {
        let refs: Vec<_> = (0..n).map(double::remote).collect();
        let all = raykit::get(&refs)?;
        assert!(self.native.is_here());
        Ok(all.iter().sum())
    }

    pub fn itself(&self, me: PinnedHandle) -> Result<i64, raykit::Error> {
        me.sum().get()
    }

    pub fn items(&self) -> impl Iterator<Item = i64> {
        let items = self.native.log.borrow().clone();
        items.into_iter()
    }

    pub fn crash(&mut self) {
        panic!("as asked");
    }
}

/// One after another: the counts are of the whole program.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    let alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    MADE.store(0, Ordering::SeqCst);
    DROPPED.store(0, Ordering::SeqCst);
    alone
}

fn all_dropped() -> bool {
    MADE.load(Ordering::SeqCst) == DROPPED.load(Ordering::SeqCst)
}

#[test]
fn a_state_that_cannot_be_sent_is_used_from_everywhere() {
    let _alone = alone();
    let node = node(2);
    let _here = node.enter();
    let pinned = Pinned::remote();
    let calls: Vec<_> = (0..1000).map(|x| pinned.push(x)).collect();
    assert_eq!(raykit::get(&calls).unwrap(), (1..=1000).collect::<Vec<i64>>());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let _here = node.enter();
                let sums: HashSet<i64> = (0..100).map(|_| value(&pinned.sum()).unwrap()).collect();
                assert_eq!(sums, HashSet::from([499_500]));
            });
        }
    });
    let items: Vec<i64> = pinned.items().map(|item| item.get().unwrap()).collect();
    assert_eq!(items.len(), 1000);
    drop((pinned, calls));
    eventually("the state is dropped", all_dropped);
    all_clear(2);
    assert_eq!(MADE.load(Ordering::SeqCst), 1);
}

/// On a single CPU a method that waits gives it to what it waits for, and gets it back.
#[test]
fn a_method_that_waits_leaves_its_cpu_to_others() {
    let _alone = alone();
    let node = node(1);
    let _here = node.enter();
    let all: Vec<_> = (0..8).map(|_| Pinned::remote()).collect();
    let sums: Vec<_> = all.iter().map(|pinned| pinned.through_tasks(100)).collect();
    assert!(raykit::get(&sums).unwrap().iter().all(|sum| *sum == 9_900));
    drop((all, sums));
    eventually("all states are dropped", all_dropped);
    all_clear(1);
}

/// While all CPUs are taken no method of a pinned actor runs, and it holds nobody up for ever.
#[test]
fn a_running_method_is_charged_a_cpu() {
    let _alone = alone();
    let node = node(1);
    let _here = node.enter();
    let (gate, pinned) = (Gate::new(), Pinned::remote());
    let held = pinned.held(gate.id);
    gate.await_arrivals(1);
    assert_eq!(raykit::stats().unwrap().cpus_free, 0.0);
    let other = double::remote(21);
    assert!(other.timeout(Duration::from_millis(50)).get().is_err());
    gate.open();
    assert_eq!((value(&held).unwrap(), value(&other).unwrap()), (0, 42));
    drop((pinned, held, other));
    all_clear(1);
}

/// Two shared calls of a pinned actor never overlap, so one that waits for another is a circle.
#[test]
fn a_method_that_waits_for_its_own_actor_is_told() {
    let _alone = alone();
    let node = node(2);
    let _here = node.enter();
    let pinned = Pinned::remote();
    let told = error(&pinned.itself(pinned.clone()));
    assert!(told.to_string().contains("a wait that can never end"), "{told:?}");
    assert_eq!(value(&pinned.sum()).unwrap(), 0);
}

#[test]
fn a_new_life_has_the_same_thread_and_drops_the_old_state_there() {
    let _alone = alone();
    let node = node(2);
    let _here = node.enter();
    let pinned = Pinned::remote();
    assert_eq!(value(&pinned.push(1)).unwrap(), 1);
    assert!(error(&pinned.crash()).is_panic());
    assert_eq!(value(&pinned.push(1)).unwrap(), 1, "a new state");
    // A life that is killed from outside while its method runs.
    let gate = Gate::new();
    let held = pinned.held(gate.id);
    gate.await_arrivals(1);
    assert!(pinned.kill_and_restart());
    assert!(error(&held).is_actor_unavailable());
    gate.open();
    assert_eq!(value(&pinned.push(1)).unwrap(), 1, "another new state");
    assert!(pinned.kill());
    eventually("all three states are dropped", all_dropped);
    assert_eq!(MADE.load(Ordering::SeqCst), 3);
    drop((pinned, held));
    all_clear(2);
}

/// Killed while its method runs: the state is dropped when that returns, and where it was made.
#[test]
fn a_kill_leaves_the_state_to_its_thread() {
    let _alone = alone();
    let node = node(2);
    let _here = node.enter();
    let (gate, pinned) = (Gate::new(), Pinned::remote());
    let held = pinned.held(gate.id);
    gate.await_arrivals(1);
    assert!(pinned.kill());
    assert_eq!(DROPPED.load(Ordering::SeqCst), 0);
    gate.open();
    eventually("the state is dropped", all_dropped);
    drop((pinned, held));
    all_clear(2);
}

#[test]
fn a_closing_node_drops_the_states_where_they_are() {
    let _alone = alone();
    let node = node(2);
    let here = node.enter();
    let all: Vec<_> = (0..10).map(|_| Pinned::remote()).collect();
    for pinned in &all {
        assert_eq!(value(&pinned.push(1)).unwrap(), 1);
    }
    let late = all[0].push(2);
    drop(here);
    node.shutdown().unwrap();
    assert!(value(&late).map_or_else(|error| error.is_actor_died(), |n| n == 2), "{late:?}");
    assert!(all_dropped(), "when the node is closed all are gone");
    assert_eq!(MADE.load(Ordering::SeqCst), 10);
}

/// What an actor holds for life is granted before its constructor runs on its thread.
#[remote(pinned, num_cpus = 1, num_gpus = 1)]
struct Device {
    native: Native,
}

#[remote]
impl Device {
    pub fn new() -> Self {
        Device { native: Native::new() }
    }

    pub fn here(&mut self) -> bool {
        self.native.is_here()
    }

    #[remote(on_stop)]
    fn close(&mut self) {
        assert!(self.native.is_here());
    }
}

#[test]
fn a_pinned_actor_holds_what_it_asks_for() {
    let _alone = alone();
    let node = Config::new().num_cpus(2).num_gpus(1.0).start().unwrap();
    let _here = node.enter();
    let (first, second) = (Device::remote(), Device::remote());
    assert!(value(&first.here()).unwrap());
    assert_eq!(raykit::stats().unwrap().cpus_free, 1.0);
    let waits = second.here();
    assert!(waits.timeout(Duration::from_millis(50)).get().is_err(), "one GPU");
    let ended = first.ended();
    drop(first);
    assert!(value(&ended).unwrap().contains("had no handle"));
    assert!(value(&waits).unwrap());
    drop((second, waits, ended));
    eventually("all states are dropped", all_dropped);
    all_clear(2);
}

/// Calls, crashes, kills and drops from several threads at once: every call has an outcome, and
/// every state is dropped on its own thread.
#[test]
fn a_storm_leaves_nothing_behind() {
    let _alone = alone();
    let node = node(2);
    let _here = node.enter();
    std::thread::scope(|scope| {
        for seed in 0..3_u64 {
            let node = &node;
            scope.spawn(move || {
                let _here = node.enter();
                let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
                let mut next = |below: u64| {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    random % below
                };
                let mut open = Vec::new();
                for _ in 0..30 {
                    let pinned = Pinned::remote();
                    for _ in 0..next(20) {
                        match next(8) {
                            0 => drop(pinned.crash()),
                            1 => drop(pinned.kill_and_restart()),
                            2 => drop(pinned.through_tasks(3)),
                            3 => open.push(pinned.sum()),
                            _ => open.push(pinned.push(1)),
                        }
                    }
                    if next(2) == 0 {
                        pinned.kill();
                    }
                }
                for reference in &open {
                    if let Err(error) = value(reference) {
                        assert!(error.is_actor_died() || error.is_actor_unavailable(), "{error}");
                    }
                }
            });
        }
    });
    eventually("all states are dropped", all_dropped);
    all_clear(2);
    assert!(MADE.load(Ordering::SeqCst) > 30);
}

#[test]
fn there_is_an_end_to_threads() {
    let _alone = alone();
    let node = Config::new().num_cpus(1).threads_max(4).start().unwrap();
    let _here = node.enter();
    let all: Vec<_> = (0..4).map(|_| Pinned::remote()).collect();
    assert!(all.iter().all(|pinned| value(&pinned.sum()).is_ok()));
    let one_more = error(&Pinned::remote().sum());
    assert_eq!(one_more.kind(), ErrorKind::ThreadsExhausted, "{one_more}");
    drop(all);
    eventually("a thread is free again", || value(&Pinned::remote().sum()).is_ok());
}
