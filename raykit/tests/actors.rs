//! Actors: order, sharing, life, errors.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

mod common;

use common::{Gate, all_clear, arrive, error, eventually, node, note, pass, ready, value};
use raykit::prelude::*;
use raykit::{ErrorKind, RetryOn, WhenFull};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

/// States that are alive, to see that none leaks. Tests that count them have types of their own.
static COUNTERS: AtomicUsize = AtomicUsize::new(0);

#[remote]
struct Counter {
    n: i64,
}

impl Drop for Counter {
    fn drop(&mut self) {
        COUNTERS.fetch_sub(1, Ordering::SeqCst);
    }
}

#[remote]
impl Counter {
    pub fn new(start: i64) -> Self {
        COUNTERS.fetch_add(1, Ordering::SeqCst);
        Counter { n: start }
    }

    pub fn add(&mut self, by: i64) -> i64 {
        self.n += by;
        self.n
    }

    pub fn value(&self) -> i64 {
        self.n
    }

    pub fn held(&mut self, gate: u64, by: i64) -> i64 {
        pass(gate);
        self.n += by;
        self.n
    }

    pub fn refuses(&mut self) -> Result<i64, String> {
        self.n += 100;
        Err("no".into())
    }

    pub fn panics(&mut self) -> i64 {
        self.n += 1_000;
        panic!("the state is half changed")
    }

    #[remote(num_returns = 2)]
    pub fn both(&self, text: &str) -> (i64, String) {
        (self.n, format!("{text} {}", self.n))
    }

    pub async fn slowly(&mut self, by: i64) -> i64 {
        let before = self.n;
        tokio::time::sleep(millis(1)).await;
        self.n = before + by;
        self.n
    }

    pub fn note(&mut self, gate: u64, what: i64) {
        note(gate, what);
    }
}

#[remote]
fn square(x: i64) -> i64 {
    x * x
}

#[remote]
fn fails() -> Result<i64, String> {
    Err("no number".into())
}

#[remote]
fn held(gate: u64, x: i64) -> i64 {
    pass(gate);
    x
}

#[test]
fn an_actor_keeps_its_state_between_calls() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let counter = Counter::remote(10);
        assert_eq!(value(&counter.add(5)).unwrap(), 15);
        assert_eq!(value(&counter.value()).unwrap(), 15);
        let (n, text) = counter.both("now");
        assert_eq!((value(&n).unwrap(), value(&text).unwrap()), (15, "now 15".to_owned()));
        assert_eq!(
            value(&counter.add(square::remote(3))).unwrap(),
            24,
            "a reference is an argument"
        );
        assert_eq!(value(&square::remote(counter.value())).unwrap(), 576, "and a result is one");
        drop((counter, n, text));
        all_clear(cpus);
    }
}

#[test]
fn calls_of_one_caller_run_in_the_order_in_which_they_were_made() {
    let node = node(2);
    let _here = node.enter();
    let counter = Counter::remote(0);
    let refs: Vec<_> = (1..=10_000).map(|_| counter.add(1)).collect();
    assert_eq!(raykit::get(&refs).unwrap(), (1..=10_000).collect::<Vec<i64>>());
    let mixed: Vec<_> =
        (0..200).map(|at| if at % 3 == 0 { counter.slowly(1) } else { counter.add(1) }).collect();
    assert_eq!(raykit::get(&mixed).unwrap(), (10_001..=10_200).collect::<Vec<i64>>());
    drop((counter, refs, mixed));
    all_clear(2);
}

/// A call whose arguments are there already may be begun by a worker the moment it is posted.
#[test]
fn references_that_are_ready_are_arguments_too() {
    let node = node(2);
    let _here = node.enter();
    let (counter, one) = (Counter::remote(0), raykit::put(1).unwrap());
    let refs: Vec<_> = (0..5_000).map(|_| counter.add(&one)).collect();
    assert_eq!(value(refs.last().unwrap()).unwrap(), 5_000);
    let failed = held::remote(Gate::new().id, 1);
    ready(&failed);
    let broken = fails::remote();
    ready(&broken);
    assert!(error(&counter.add(&broken)).is_task_error());
    assert_eq!(value(&counter.add(&failed)).unwrap(), 5_001);
}

/// A call whose argument is not there holds back its own caller's later calls and nobody else's.
#[test]
fn an_argument_that_is_late_holds_back_its_caller() {
    #[remote]
    fn another_caller(counter: CounterHandle, log: u64) -> Result<(), raykit::Error> {
        counter.note(log, 3).get()
    }
    let node = node(2);
    let _here = node.enter();
    let (gate, log) = (Gate::new(), Gate::new());
    let counter = Counter::remote(0);
    let late = held::remote(gate.id, 1);
    counter.note(log.id, 0);
    counter.note(log.id, &late);
    let last = counter.note(log.id, 2);
    value(&another_caller::remote(&counter, log.id)).unwrap();
    assert_eq!(log.notes(), [0, 3]);
    assert!(!last.is_ready());
    let now = counter.options().unordered().note(log.id, 4);
    value(&now).unwrap();
    gate.open();
    value(&last).unwrap();
    assert_eq!(log.notes(), [0, 3, 4, 1, 2]);
    // One that is given up holds nobody back any more.
    let closed = Gate::new();
    let never = counter.note(log.id, held::remote(closed.id, 9));
    let after = counter.note(log.id, 5);
    assert!(never.cancel());
    value(&after).unwrap();
    assert_eq!(error(&never).kind(), ErrorKind::Cancelled);
}

#[remote]
struct Reader {
    inside: AtomicI64Shared,
}

/// An atomic that is no object, to see how many are inside at once.
struct AtomicI64Shared(AtomicI64, AtomicI64);

#[remote]
impl Reader {
    pub fn new() -> Self {
        Reader { inside: AtomicI64Shared(AtomicI64::new(0), AtomicI64::new(0)) }
    }

    pub fn read(&self, gate: u64) -> i64 {
        let now = self.inside.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.inside.1.fetch_max(now, Ordering::SeqCst);
        pass(gate);
        self.inside.0.fetch_sub(1, Ordering::SeqCst);
        now
    }

    pub fn write(&mut self) -> i64 {
        assert_eq!(*self.inside.0.get_mut(), 0, "nobody reads");
        *self.inside.1.get_mut()
    }

    pub async fn waits(&self, gate: u64) -> i64 {
        let now = self.inside.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.inside.1.fetch_max(now, Ordering::SeqCst);
        arrive(gate);
        while !common::is_open(gate) {
            tokio::time::sleep(millis(1)).await;
        }
        self.inside.0.fetch_sub(1, Ordering::SeqCst);
        now
    }
}

#[test]
fn shared_methods_run_side_by_side_and_exclusive_ones_alone() {
    let node = node(2);
    let _here = node.enter();
    let (gate, reader) = (Gate::new(), Reader::remote());
    let reads: Vec<_> = (0..2).map(|_| reader.read(gate.id)).collect();
    gate.await_arrivals(2);
    let write = reader.write();
    let behind = reader.read(gate.id);
    assert!(!write.is_ready() && !behind.is_ready());
    gate.open();
    assert_eq!(value(&write).unwrap(), 2, "two were inside at once");
    raykit::get(&reads).unwrap();
    value(&behind).unwrap();
}

#[test]
fn async_methods_interleave_and_keep_out_exclusive_ones() {
    let node = node(1);
    let _here = node.enter();
    let (gate, reader) = (Gate::new(), Reader::remote());
    let waits: Vec<_> = (0..50).map(|_| reader.waits(gate.id)).collect();
    gate.await_arrivals(50);
    let write = reader.write();
    assert!(!write.is_ready());
    gate.open();
    raykit::get(&waits).unwrap();
    assert_eq!(value(&write).unwrap(), 50);
}

#[test]
fn no_more_shared_calls_at_once_than_max_concurrency() {
    let node = node(2);
    let _here = node.enter();
    let (gate, reader) = (Gate::new(), Reader::options().max_concurrency(3).remote());
    let waits: Vec<_> = (0..20).map(|_| reader.waits(gate.id)).collect();
    gate.await_arrivals(3);
    gate.open();
    raykit::get(&waits).unwrap();
    assert_eq!(value(&reader.write()).unwrap(), 3);
}

/// An idle actor's async method is polled by whoever awaits it, and goes on by itself if it is not
/// done then.
#[test]
fn async_callers_await_async_methods() {
    #[remote]
    async fn awaits(counter: CounterHandle) -> Result<i64, raykit::Error> {
        for _ in 0..100 {
            counter.slowly(1).await?;
            counter.add(1).await?;
        }
        let (first, second) = (counter.slowly(1), counter.slowly(1));
        Ok(second.await? + first.await?)
    }
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let counter = Counter::remote(0);
        assert_eq!(value(&awaits::remote(&counter)).unwrap(), 202 + 201);
        drop(counter);
        all_clear(cpus);
    }
}

/// A future that is dropped at once must not take the list of its calls with it.
#[test]
fn who_cancels_a_caller_cancels_the_method() {
    #[remote]
    async fn awaits(reader: ReaderHandle, gate: u64) -> Result<i64, raykit::Error> {
        reader.waits(gate).await
    }
    let node = node(2);
    let _here = node.enter();
    let reader = Reader::remote();
    for _ in 0..300 {
        let gate = Gate::new();
        let call = awaits::remote(&reader, gate.id);
        gate.await_arrivals(1);
        assert!(call.cancel());
        eventually("the method ends", || raykit::stats().unwrap().tasks_pending == 0);
    }
}

#[test]
fn an_error_is_a_result_and_harms_nobody() {
    let node = node(1);
    let _here = node.enter();
    let counter = Counter::remote(1);
    let refused = error(&counter.refuses());
    assert!(refused.is_task_error() && refused.message() == "no", "{refused}");
    assert_eq!(value(&counter.value()).unwrap(), 101);
}

/// A1
#[test]
fn after_a_panic_an_actor_that_may_not_restart_is_dead() {
    let node = node(2);
    let _here = node.enter();
    let counter = Counter::remote(1);
    let gate = Gate::new();
    let running = counter.held(gate.id, 1);
    let (panics, queued) = (counter.panics(), counter.add(1));
    gate.open();
    assert_eq!(value(&running).unwrap(), 2);
    assert!(error(&panics).is_panic());
    for dead in [error(&queued), error(&counter.add(1)), error(&counter.value())] {
        assert!(dead.is_actor_died(), "{dead}");
        assert!(dead.to_string().contains("half changed"), "the cause is told: {dead}");
    }
    assert!(!counter.is_alive());
    drop((counter, running, panics, queued));
    all_clear(2);
}

/// A2, A22
#[test]
fn an_actor_restarts_as_often_as_it_may() {
    let node = node(2);
    let _here = node.enter();
    let counter = Counter::options().max_restarts(2).remote(7);
    assert_eq!(value(&counter.add(1)).unwrap(), 8);
    assert!(error(&counter.panics()).is_panic());
    assert_eq!(value(&counter.add(1)).unwrap(), 8, "a fresh state");
    let gate = Gate::new();
    let (running, queued) = (counter.held(gate.id, 1), counter.add(1));
    gate.await_arrivals(1);
    assert!(counter.kill_and_restart());
    let unavailable = error(&running);
    assert!(unavailable.is_actor_unavailable(), "{unavailable}");
    assert_eq!(value(&queued).unwrap(), 8, "what had not begun runs on the fresh state");
    assert_eq!(counter.restarts(), 2);
    gate.open();
    assert!(error(&counter.panics()).is_panic());
    for _ in 0..100 {
        assert!(error(&counter.add(1)).is_actor_died());
    }
}

/// A6
#[test]
fn an_actor_restarts_without_any_call() {
    let node = node(1);
    let _here = node.enter();
    static STARTS: AtomicUsize = AtomicUsize::new(0);
    #[remote]
    struct Starts;
    #[remote]
    impl Starts {
        pub fn new() -> Self {
            STARTS.fetch_add(1, Ordering::SeqCst);
            Starts
        }
    }
    let starts = Starts::options().max_restarts(1).remote();
    value(&starts.ready()).unwrap();
    assert!(starts.kill_and_restart());
    eventually("the second start", || STARTS.load(Ordering::SeqCst) == 2);
    assert!(starts.is_alive());
}

#[remote]
struct Fragile;

/// How many more constructors succeed.
static GOOD: AtomicI64 = AtomicI64::new(0);

#[remote]
impl Fragile {
    pub fn new(counted: bool) -> Result<Self, String> {
        match counted && GOOD.fetch_sub(1, Ordering::SeqCst) <= 0 {
            true => Err("cannot start".into()),
            false => Ok(Fragile),
        }
    }
    pub fn fails(&self) -> i64 {
        panic!("on purpose")
    }
    pub fn works(&self) -> i64 {
        1
    }
}

/// A8
#[test]
fn a_constructor_that_fails_uses_up_restarts() {
    let node = node(1);
    let _here = node.enter();
    GOOD.store(1, Ordering::SeqCst);
    let fragile = Fragile::options().max_restarts(3).remote(true);
    assert_eq!(value(&fragile.works()).unwrap(), 1);
    assert!(error(&fragile.fails()).is_panic());
    let died = error(&fragile.works());
    assert!(died.is_actor_died() && died.to_string().contains("cannot start"), "{died}");
    assert_eq!(fragile.restarts(), 3);
    let never = Fragile::remote(true);
    let died = error(&never.works());
    assert!(died.is_actor_died() && died.to_string().contains("cannot start"), "{died}");
    assert!(error(&never.ready()).is_task_error());
}

#[test]
fn killing_ends_at_once() {
    let node = node(2);
    let _here = node.enter();
    let (gate, counter) = (Gate::new(), Counter::remote(0));
    let (running, queued) = (counter.held(gate.id, 1), counter.add(1));
    gate.await_arrivals(1);
    assert!(counter.kill());
    assert!(error(&running).is_actor_died() && error(&queued).is_actor_died());
    assert!(error(&counter.add(1)).to_string().contains("was killed"));
    assert!(!counter.kill(), "once");
    gate.open();
    drop((counter, running, queued));
    all_clear(2);
}

/// A20: what was called is still done, and then the state goes.
#[test]
fn the_last_handle_ends_an_actor() {
    static ALIVE: AtomicI64 = AtomicI64::new(0);
    #[remote]
    struct Mortal;
    impl Drop for Mortal {
        fn drop(&mut self) {
            ALIVE.fetch_sub(1, Ordering::SeqCst);
        }
    }
    #[remote]
    impl Mortal {
        pub fn new() -> Self {
            ALIVE.fetch_add(1, Ordering::SeqCst);
            Mortal
        }
        pub fn work(&mut self, gate: u64) -> i64 {
            pass(gate);
            ALIVE.load(Ordering::SeqCst)
        }
    }
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let gate = Gate::new();
        let mortal = Mortal::remote();
        let weak = mortal.downgrade();
        let works = [mortal.work(gate.id), mortal.clone().work(gate.id)];
        assert!(weak.upgrade().is_some());
        drop(mortal);
        assert!(weak.upgrade().is_none());
        gate.open();
        assert_eq!(raykit::get(&works).unwrap(), [1, 1]);
        eventually("the state is dropped", || ALIVE.load(Ordering::SeqCst) == 0);
        eventually("no actor is left", || raykit::stats().unwrap().actors == 0);
        drop(works);
        all_clear(cpus);
    }
}

#[test]
fn handles_are_values() {
    #[remote]
    fn add_through(counters: Vec<CounterHandle>, by: i64) -> Result<Vec<i64>, raykit::Error> {
        counters.iter().map(|counter| counter.add(by).get()).collect()
    }
    #[remote]
    struct Keeper {
        counter: CounterHandle,
    }
    #[remote]
    impl Keeper {
        pub fn new(counter: CounterHandle) -> Self {
            Keeper { counter }
        }
        pub fn add(&self, by: i64) -> Result<i64, raykit::Error> {
            self.counter.add(by).get()
        }
        pub fn handle(&self) -> CounterHandle {
            self.counter.clone()
        }
    }
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let counters = vec![Counter::remote(1), Counter::remote(2)];
        assert_eq!(value(&add_through::remote(counters.clone(), 10)).unwrap(), [11, 12]);
        let stored = raykit::put(counters[0].clone()).unwrap();
        assert_eq!(stored.get().unwrap(), counters[0]);
        let keeper = Keeper::remote(&stored);
        drop((stored, counters));
        assert_eq!(value(&keeper.add(1)).unwrap(), 12, "kept alive by the other actor");
        let back = value(&keeper.handle()).unwrap();
        drop(keeper);
        assert_eq!(value(&back.add(1)).unwrap(), 13);
        drop(back);
        eventually("no actor is left", || raykit::stats().unwrap().actors == 0);
        all_clear(cpus);
    }
}

/// A26
#[test]
fn names_are_found_and_freed() {
    let node = node(1);
    let _here = node.enter();
    let named = || Counter::options().name("tally").remote(1);
    let tally = named();
    value(&tally.add(1)).unwrap();
    let same: CounterHandle = raykit::actor("tally").unwrap();
    assert_eq!((value(&same.value()).unwrap(), &same), (2, &tally));
    let twice = error(&named().value());
    assert!(twice.to_string().contains("tally"), "{twice}");
    let got = Counter::options().name("tally").get_if_exists().remote(50);
    assert_eq!(value(&got.value()).unwrap(), 2);
    let other = Counter::options().name("tally").namespace("mine").remote(7);
    let found: CounterHandle = raykit::actor_in("mine", "tally").unwrap();
    assert_eq!((value(&found.value()).unwrap(), &found), (7, &other));
    let wrong = raykit::actor::<ReaderHandle>("tally").unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::ActorNotFound);
    assert!(wrong.to_string().contains("Counter"), "{wrong}");
    let wrong = error(&Fragile::options().name("tally").get_if_exists().remote(false).ready());
    assert_eq!(wrong.kind(), ErrorKind::ActorNotFound, "{wrong}");
    assert!(tally.kill());
    let gone = raykit::actor::<CounterHandle>("tally").unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::ActorNotFound);
    let next = named();
    assert_eq!(value(&next.value()).unwrap(), 1, "the name is free again");
}

#[test]
fn a_detached_actor_outlives_its_handles() {
    let node = node(1);
    let _here = node.enter();
    drop(Counter::options().name("kept").detached().remote(3));
    let kept: CounterHandle = raykit::actor("kept").unwrap();
    assert_eq!(value(&kept.add(1)).unwrap(), 4);
    drop(kept);
    let kept: CounterHandle = raykit::actor("kept").unwrap();
    assert_eq!(value(&kept.value()).unwrap(), 4);
    assert!(kept.kill());
    assert!(raykit::actor::<CounterHandle>("kept").is_err());
    let nameless = error(&Counter::options().detached().remote(1).value());
    assert_eq!(nameless.kind(), ErrorKind::Config);
}

#[test]
fn a_full_actor_refuses_or_lets_wait() {
    let node = node(2);
    let _here = node.enter();
    let (gate, counter) = (Gate::new(), Counter::options().max_pending(2).remote(0));
    value(&counter.ready()).unwrap();
    let running = counter.held(gate.id, 1);
    gate.await_arrivals(1);
    let waiting = [counter.add(1), counter.add(1)];
    let full = error(&counter.add(1));
    assert_eq!(full.kind(), ErrorKind::PendingCallsLimit);
    assert!(full.to_string().contains("2 calls"), "{full}");
    let blocked = std::thread::scope(|scope| {
        let blocked = scope.spawn(|| {
            let _here = node.enter();
            counter.options().when_full(WhenFull::Wait).add(1)
        });
        gate.open();
        blocked.join().unwrap()
    });
    raykit::get(&waiting).unwrap();
    assert_eq!((value(&running).unwrap(), value(&blocked).unwrap()), (1, 4));
}

/// A caller that waits for room leaves its CPU to the actor, and hears of it when there can never be
/// any.
#[test]
fn who_waits_for_room_stands_in_nobodys_way() {
    #[remote]
    fn floods(counter: CounterHandle) -> Result<i64, raykit::Error> {
        let full = WhenFull::Wait;
        (0..100).for_each(|_| counter.options().when_full(full).add(1).forget());
        counter.options().when_full(full).value().get()
    }
    #[remote]
    async fn floods_async(counter: CounterHandle) -> Result<i64, raykit::Error> {
        let full = WhenFull::Wait;
        (0..100).for_each(|_| counter.options().when_full(full).add(1).forget());
        counter.options().when_full(full).value().await
    }
    #[remote(max_pending = 1)]
    struct Narrow;
    #[remote]
    impl Narrow {
        pub fn new() -> Self {
            Narrow
        }
        pub fn fills_itself(&mut self) -> Result<(), raykit::Error> {
            let own = raykit::context().actor::<NarrowHandle>().and_then(|own| own.upgrade());
            let own = own.expect("it is one");
            own.nothing().forget();
            own.options().when_full(WhenFull::Wait).nothing().get()
        }
        pub fn nothing(&mut self) {}
    }
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let counter = Counter::options().max_pending(2).remote(0);
        assert_eq!(value(&floods::remote(&counter)).unwrap(), 100);
        assert_eq!(value(&floods_async::remote(&counter)).unwrap(), 200);
        let narrow = Narrow::remote();
        let told = error(&narrow.fills_itself());
        assert!(told.to_string().contains("a wait that can never end"), "{told}");
        drop((counter, narrow));
        all_clear(cpus);
    }
}

#[test]
fn timeouts_and_retries_of_methods() {
    let node = node(2);
    let _here = node.enter();
    let (gate, counter) = (Gate::new(), Counter::remote(0));
    let running = counter.held(gate.id, 1);
    let late = counter.options().timeout(millis(10)).add(1);
    assert!(error(&late).is_timeout());
    gate.open();
    assert_eq!(value(&running).unwrap(), 1);
    assert_eq!(value(&counter.value()).unwrap(), 1, "what was given up in line never ran");
    let tried = counter.options().max_retries(2).retry_on(RetryOn::All).refuses();
    assert!(error(&tried).is_task_error());
    assert_eq!(value(&counter.value()).unwrap(), 301, "three attempts");
}

/// A circle of actors' calls is found, whoever closes it.
#[test]
fn actors_that_wait_for_each_other_are_told() {
    #[remote]
    struct Link {
        next: Option<LinkHandle>,
    }
    #[remote]
    impl Link {
        pub fn new() -> Self {
            Link { next: None }
        }
        pub fn join(&mut self, next: LinkHandle) {
            self.next = Some(next);
        }
        pub fn ask(&mut self, hops: u32) -> Result<u32, raykit::Error> {
            match (&self.next, hops) {
                (Some(next), 1..) => Ok(next.ask(hops - 1).get()? + 1),
                _ => Ok(0),
            }
        }
        pub fn own(&mut self) -> Result<u32, raykit::Error> {
            match &self.next {
                Some(next) => next.own().get(),
                None => Ok(0),
            }
        }
    }
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let ring: Vec<LinkHandle> = (0..3).map(|_| Link::remote()).collect();
        for at in 0..3 {
            value(&ring[at].join(&ring[(at + 1) % 3])).unwrap();
        }
        assert_eq!(value(&ring[0].ask(2)).unwrap(), 2, "no circle yet");
        let told = error(&ring[0].ask(3));
        assert!(told.to_string().contains("a wait that can never end"), "{told}");
        value(&ring[1].join(&ring[1])).unwrap();
        let told = error(&ring[1].own());
        assert!(told.to_string().contains("a wait that can never end"), "{told}");
        ring.iter().for_each(|link| assert!(link.kill()));
        drop(ring);
        all_clear(cpus);
    }
}

#[test]
fn an_actor_holds_its_resources_for_life() {
    let node = node(2);
    let _here = node.enter();
    let counter = Counter::options().num_cpus(1.5).remote(1);
    assert_eq!(value(&counter.add(1)).unwrap(), 2);
    assert_eq!(raykit::stats().unwrap().cpus_free, 0.5);
    let never = Counter::options().num_cpus(3.0).remote(1);
    let refused = error(&never.value());
    assert!(refused.to_string().contains("num_cpus = 3"), "{refused}");
    drop((counter, never));
    all_clear(2);
}

/// 10,000 calls race a kill: each resolves. (A24)
#[test]
fn whatever_races_a_kill_resolves() {
    let node = node(2);
    let _here = node.enter();
    for round in 0..20 {
        let counter = Counter::options().max_restarts(round % 2).remote(0);
        let refs: Vec<_> = (0..500)
            .map(|at| {
                if at == 250 {
                    if round % 2 == 0 {
                        counter.kill()
                    } else {
                        counter.kill_and_restart()
                    };
                }
                if at % 7 == 0 { counter.slowly(1) } else { counter.add(1) }
            })
            .collect();
        for reference in &refs {
            if let Err(error) = value(reference) {
                assert!(error.is_actor_died() || error.is_actor_unavailable(), "{error}");
            }
        }
        drop((counter, refs));
        all_clear(2);
    }
}

#[test]
fn shutdown_ends_all_actors() {
    static LEFT: AtomicI64 = AtomicI64::new(0);
    #[remote]
    struct Left;
    impl Drop for Left {
        fn drop(&mut self) {
            LEFT.fetch_sub(1, Ordering::SeqCst);
        }
    }
    #[remote]
    impl Left {
        pub fn new() -> Self {
            LEFT.fetch_add(1, Ordering::SeqCst);
            Left
        }
        pub fn touch(&self) {}
    }
    let node = node(2);
    let here = node.enter();
    let handles: Vec<_> = (0..100).map(|_| Left::remote()).collect();
    handles.iter().for_each(|left| value(&left.touch()).unwrap());
    assert_eq!(LEFT.load(Ordering::SeqCst), 100);
    drop(here);
    node.shutdown().unwrap();
    assert_eq!(LEFT.load(Ordering::SeqCst), 0);
    assert!(error(&handles[0].touch()).is_actor_died());
}

/// A7: an actor that is told to stop does what it has taken, and does not come back.
#[test]
fn stopping_lets_the_calls_end() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let (gate, counter) = (Gate::new(), Counter::options().max_restarts(5).remote(0));
        let ended = counter.ended();
        let calls = [counter.held(gate.id, 1), counter.slowly(1), counter.add(1)];
        assert!(counter.stop() && !counter.stop(), "once");
        let refused = error(&counter.add(1));
        assert!(refused.is_actor_died() && refused.to_string().contains("stopping"), "{refused}");
        assert!(!ended.is_ready());
        gate.open();
        assert_eq!(raykit::get(&calls).unwrap(), [1, 2, 3]);
        assert!(value(&ended).unwrap().contains("was stopped"));
        assert!(!counter.is_alive() && counter.restarts() == 0);
        drop((counter, calls, ended));
        all_clear(cpus);
    }
}

/// Whoever holds `ended` learns of the end, whatever brought it.
#[test]
fn the_end_is_told() {
    let node = node(2);
    let _here = node.enter();
    let killed = Counter::remote(0);
    let told = killed.ended();
    assert!(killed.kill());
    assert!(value(&told).unwrap().contains("was killed"));
    drop(told);
    let crashed = Counter::remote(0);
    let told = crashed.ended();
    assert!(error(&crashed.panics()).is_panic());
    assert!(value(&told).unwrap().contains("half changed"));
    assert!(value(&crashed.ended()).unwrap().contains("half changed"), "asked afterwards");
    drop(told);
    let forgotten = Counter::remote(0);
    let told = forgotten.ended();
    drop(forgotten);
    assert!(value(&told).unwrap().contains("no handle"));
    drop((killed, crashed, told));
    all_clear(2);
}

/// An actor that keeps a handle of itself does not keep itself alive.
#[test]
fn a_handle_of_oneself_leaks_nothing() {
    static SELVES: AtomicI64 = AtomicI64::new(0);
    #[remote]
    struct Selfish {
        own: Option<raykit::WeakHandle<SelfishHandle>>,
    }
    impl Drop for Selfish {
        fn drop(&mut self) {
            SELVES.fetch_sub(1, Ordering::SeqCst);
        }
    }
    #[remote]
    impl Selfish {
        pub fn new() -> Self {
            SELVES.fetch_add(1, Ordering::SeqCst);
            Selfish { own: None }
        }
        pub fn keep(&mut self) -> bool {
            assert!(raykit::context().actor::<CounterHandle>().is_none(), "another type");
            self.own = raykit::context().actor();
            raykit::context().actor_id().is_some() && self.own.is_some()
        }
        pub fn calls_itself(&mut self) -> bool {
            let own = self.own.as_ref().and_then(|own| own.upgrade());
            own.map(|own| own.keep().forget()).is_some()
        }
    }
    let node = node(1);
    let _here = node.enter();
    assert!(raykit::context().actor_id().is_none());
    let selfish = Selfish::remote();
    assert!(value(&selfish.keep()).unwrap());
    assert!(value(&selfish.calls_itself()).unwrap());
    drop(selfish);
    eventually("the state is dropped", || SELVES.load(Ordering::SeqCst) == 0);
    all_clear(1);
}

/// What it has counted, with how often it was made by its constructor.
#[remote(max_restarts = 100, checkpoint_every = 2)]
#[object]
#[derive(Clone)]
struct Ledger {
    entries: Vec<i64>,
}

static LEDGERS_MADE: AtomicUsize = AtomicUsize::new(0);

#[remote]
impl Ledger {
    pub fn new() -> Self {
        LEDGERS_MADE.fetch_add(1, Ordering::SeqCst);
        Ledger { entries: Vec::new() }
    }
    pub fn enter(&mut self, entry: i64) -> usize {
        self.entries.push(entry);
        self.entries.len()
    }
    pub async fn enter_later(&mut self, entry: i64) -> usize {
        tokio::task::yield_now().await;
        self.entries.push(entry);
        self.entries.len()
    }
    pub fn entries(&self) -> Vec<i64> {
        self.entries.clone()
    }
    pub fn breaks(&mut self) {
        self.entries.push(-1);
        panic!("in the middle of a change");
    }
}

/// After a crash an actor goes on with the state that was kept last, and not with what a call that
/// broke off had made of it. (A29, without the calls being run again)
#[test]
fn a_restarted_actor_goes_on_from_its_checkpoint() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let made = LEDGERS_MADE.load(Ordering::SeqCst);
        let ledger = Ledger::remote();
        for entry in 1..=5 {
            value(&ledger.enter(entry)).unwrap();
        }
        assert!(error(&ledger.breaks()).is_panic());
        assert_eq!(value(&ledger.entries()).unwrap(), [1, 2, 3, 4], "kept after every second call");
        value(&ledger.enter_later(5)).unwrap();
        value(&ledger.enter_later(6)).unwrap();
        assert!(error(&ledger.breaks()).is_panic());
        assert_eq!(value(&ledger.entries()).unwrap(), [1, 2, 3, 4, 5, 6], "of async calls too");
        let (seventh, kept) = (ledger.enter(7), ledger.checkpoint());
        value(&kept).unwrap();
        assert!(seventh.is_ready(), "in the order of the calls");
        ledger.enter(8).forget();
        assert!(error(&ledger.breaks()).is_panic());
        assert_eq!(value(&ledger.entries()).unwrap().len(), 7, "on request");
        assert_eq!(LEDGERS_MADE.load(Ordering::SeqCst), made + 1);
        let never = Ledger::options().checkpoint_every(0).remote();
        value(&never.enter(1)).unwrap();
        assert!(error(&never.breaks()).is_panic());
        assert!(value(&never.entries()).unwrap().is_empty());
        drop((ledger, never, seventh, kept));
        all_clear(cpus);
    }
    let node = node(1);
    let _here = node.enter();
    let refused = error(&Counter::remote(1).checkpoint());
    assert!(refused.to_string().contains("checkpoint_every"), "{refused}");
    // What cannot be kept says so.
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Uncopied;
    impl Clone for Uncopied {
        fn clone(&self) -> Self {
            panic!("no copy of this")
        }
    }
    #[remote(checkpoint_every = 0)]
    #[object]
    struct Sour {
        _inside: Serde<Uncopied>,
    }
    #[remote]
    impl Sour {
        pub fn new() -> Self {
            Sour { _inside: Serde(Uncopied) }
        }
    }
    let sour = error(&Sour::remote().checkpoint());
    assert!(sour.is_panic() && sour.to_string().contains("no copy of this"), "{sour}");
}

/// The time of a call is the time of the calls that it makes of other actors.
#[test]
fn deadlines_travel_through_nested_calls() {
    #[remote]
    struct Front {
        back: CounterHandle,
    }
    #[remote]
    impl Front {
        pub fn new(back: CounterHandle) -> Self {
            Front { back }
        }
        pub fn ask(&self, gate: u64, log: u64) -> Result<i64, raykit::Error> {
            let nested = self.back.held(gate, 1);
            let answer = nested.get();
            if answer.as_ref().is_err_and(raykit::Error::is_timeout) {
                note(log, 1);
            }
            answer
        }
    }
    let node = node(2);
    let _here = node.enter();
    let (gate, log) = (Gate::new(), Gate::new());
    let back = Counter::remote(0);
    let front = Front::remote(&back);
    let asked = front.options().timeout(millis(50)).ask(gate.id, log.id);
    // The inner call's time is up at the same moment, and its error may come first.
    let late = error(&asked).to_string();
    assert!(late.contains("timed out"), "{late}");
    eventually("the inner call is given up too", || log.notes() == [1]);
    let patient = front.ask(gate.id, log.id);
    gate.open();
    assert!(value(&patient).is_ok(), "without a limit there is none to pass on");
    drop((front, back, asked, patient));
    all_clear(2);
}

/// An actor that has very much to do takes turns with others.
#[test]
fn a_busy_actor_leaves_turns_to_others() {
    #[remote]
    struct Busy;
    #[remote]
    impl Busy {
        pub fn new() -> Self {
            Busy
        }
        pub fn work(&mut self) {
            let until = std::time::Instant::now() + std::time::Duration::from_micros(200);
            while std::time::Instant::now() < until {
                std::hint::spin_loop();
            }
        }
    }
    let node = node(1);
    let _here = node.enter();
    let (busy, other) = (Busy::remote(), Counter::remote(0));
    let works: Vec<_> = (0..2_000).map(|_| busy.work()).collect();
    assert_eq!(value(&square::remote(3)).unwrap(), 9);
    assert_eq!(value(&other.add(1)).unwrap(), 1);
    let left = works.iter().filter(|work| !work.is_ready()).count();
    assert!(left > 0, "both came before the end of 400 ms of calls");
    raykit::get(&works).unwrap();
    // An actor whose lifetime resources are all there are gets them back after a crash.
    let whole = Counter::options().num_cpus(1.0).max_restarts(1).remote(5);
    assert_eq!(value(&whole.add(1)).unwrap(), 6);
    assert!(error(&whole.panics()).is_panic());
    assert_eq!(value(&whole.add(1)).unwrap(), 6);
    drop((busy, other, works, whole));
    all_clear(1);
}

/// A `&self` method may wait for another `&self` call of its own actor, to any depth, on one CPU.
#[test]
fn shared_methods_may_wait_for_each_other() {
    #[remote]
    struct Nest;
    #[remote]
    impl Nest {
        pub fn new() -> Self {
            Nest
        }
        pub fn depth(&self, left: u32) -> Result<u32, raykit::Error> {
            let own = raykit::context().actor::<NestHandle>().and_then(|own| own.upgrade());
            match (own, left) {
                (Some(own), 1..) => Ok(own.depth(left - 1).get()? + 1),
                _ => Ok(0),
            }
        }
    }
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let nest = Nest::remote();
        assert_eq!(value(&nest.depth(20)).unwrap(), 20);
        drop(nest);
        all_clear(cpus);
    }
}

#[remote]
struct Board {
    n: i64,
}

#[remote]
impl Board {
    pub fn new() -> Self {
        Board { n: 7 }
    }
    pub fn reads(&self, gate: u64) -> i64 {
        pass(gate);
        self.n
    }
    pub async fn awaits(&self, other: ObjectRef<i64>) -> i64 {
        self.n + other.await.unwrap_or(0)
    }
}

#[remote]
fn reads_here(board: BoardHandle, gate: u64) -> Result<i64, raykit::Error> {
    board.reads(gate).get()
}

#[remote]
async fn awaits_here(board: BoardHandle, other: ObjectRef<i64>) -> Result<i64, raykit::Error> {
    board.awaits(other).await
}

/// Whoever runs a call for itself, on its own thread or in its own poll, looks after nobody else:
/// calls that come meanwhile are seen to by those who make them.
#[test]
fn a_call_that_its_caller_runs_holds_nobody_up() {
    let node = node(3);
    let _here = node.enter();
    let (gate, open) = (Gate::new(), Gate::new());
    open.open();
    for _ in 0..20 {
        let (board, gate) = (Board::remote(), Gate::new());
        value(&board.ready()).unwrap();
        let held = reads_here::remote(&board, gate.id);
        gate.await_arrivals(1);
        let beside: Vec<_> = (0..5).map(|_| board.reads(open.id)).collect();
        assert_eq!(raykit::get(&beside).unwrap(), [7; 5]);
        assert!(!held.is_ready());
        gate.open();
        assert_eq!(value(&held).unwrap(), 7);
    }
    let board = Board::remote();
    let late = held::options().num_cpus(0.0).remote(gate.id, 3);
    let waiting = awaits_here::remote(&board, raykit::put(late.clone()).unwrap());
    eventually("it waits", || raykit::explain(&waiting).contains("waits for"));
    let none = raykit::put(0).unwrap();
    for _ in 0..5 {
        assert_eq!(value(&board.awaits(raykit::put(none.clone()).unwrap())).unwrap(), 7);
        assert_eq!(value(&board.reads(open.id)).unwrap(), 7);
    }
    assert!(!waiting.is_ready());
    gate.open();
    assert_eq!(value(&waiting).unwrap(), 10);
}
