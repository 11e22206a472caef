//! Pools of actors, and queues.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

mod common;

use common::{Gate, PATIENCE, all_clear, arrive, error, eventually, node, note, pass, value};
use proptest::prelude::*;
use raykit::prelude::*;
use raykit::{ActorPool, Config, ErrorKind, PutError, Queue};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[remote]
struct Worker {
    calls: u64,
}

#[remote]
impl Worker {
    pub fn new() -> Self {
        Worker { calls: 0 }
    }
    pub fn double(&mut self, x: u64) -> u64 {
        self.calls += 1;
        2 * x
    }
    pub fn calls(&self) -> u64 {
        self.calls
    }
    /// Waits at the gate that has the item's number, and says so.
    pub fn pass(&mut self, log: u64, gate: u64, x: u64) -> u64 {
        arrive(log);
        pass(gate);
        note(log, x as i64);
        x
    }
    pub fn fails_at(&mut self, bad: u64, x: u64) -> Result<u64, String> {
        if x == bad { Err(format!("not {x}")) } else { Ok(x) }
    }
    pub fn panics_at(&mut self, bad: u64, x: u64) -> u64 {
        assert_ne!(x, bad, "on purpose");
        x
    }
}

fn pool_of(actors: usize) -> ActorPool<WorkerHandle> {
    ActorPool::new((0..actors).map(|_| Worker::remote()))
}

fn no_actor_is_left() {
    eventually("no actor is left", || raykit::stats().unwrap().actors == 0);
}

#[test]
fn results_come_in_the_order_of_the_items() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let pool = pool_of(3);
        let all: raykit::Result<Vec<u64>> = pool.map(0..500, |actor, x| actor.double(x)).collect();
        assert_eq!(all.unwrap(), (0..500).map(|x| 2 * x).collect::<Vec<_>>());
        let mut any: Vec<u64> =
            pool.map_unordered(0..500, |actor, x| actor.double(x)).map(Result::unwrap).collect();
        any.sort_unstable();
        assert_eq!(any, (0..500).map(|x| 2 * x).collect::<Vec<_>>());
        eventually("all are idle", || pool.idle() == 3);
        let handles: Vec<_> = std::iter::from_fn(|| pool.pop_idle()).collect();
        assert_eq!((handles.len(), pool.len()), (3, 0));
        let calls: Vec<u64> =
            handles.iter().map(|handle| value(&handle.calls()).unwrap()).collect();
        assert!(calls.iter().sum::<u64>() == 1_000 && calls.iter().all(|n| *n > 0), "{calls:?}");
        drop((pool, handles));
        no_actor_is_left();
        all_clear(cpus);
    }
}

/// Items may have no end; no more calls are made than there is use for.
#[test]
fn a_map_is_lazy() {
    let node = node(2);
    let _here = node.enter();
    let (made, pool) = (AtomicU64::new(0), pool_of(2).in_flight(3));
    let items = std::iter::repeat_with(|| made.fetch_add(1, Ordering::SeqCst));
    let mut map = pool.map(items, |actor, x| actor.double(x));
    assert_eq!(made.load(Ordering::SeqCst), 0);
    for x in 0..100 {
        assert_eq!(map.next().unwrap().unwrap(), 2 * x);
    }
    assert!(made.load(Ordering::SeqCst) <= 100 + 4 * 3 * 2, "{made:?}");
    drop(map);
    drop(pool);
    all_clear(2);
}

#[test]
fn no_more_than_a_few_calls_are_in_flight() {
    let node = node(2);
    let _here = node.enter();
    let (gate, log, made) = (Gate::new(), Gate::new(), AtomicUsize::new(0));
    let pool = pool_of(2);
    let (gate_id, log_id) = (gate.id, log.id);
    let mut map = pool.map(0..20_u64, |actor, x| {
        made.fetch_add(1, Ordering::SeqCst);
        actor.pass(log_id, gate_id, x)
    });
    let late = map.next_timeout(millis(20)).unwrap_err();
    assert!(late.is_timeout(), "{late}");
    assert_eq!(made.load(Ordering::SeqCst), 4, "two for each");
    gate.open();
    let all: Vec<u64> = map.map(Result::unwrap).collect();
    assert_eq!(all, (0..20).collect::<Vec<_>>(), "a time-out skips nothing");
    drop(pool);
    all_clear(2);
}

#[test]
fn unordered_results_come_as_they_are_done() {
    let node = node(2);
    let _here = node.enter();
    let (log, gates) = (Gate::new(), [Gate::new(), Gate::new()]);
    let (log_id, ids) = (log.id, gates.each_ref().map(|gate| gate.id));
    let pool = pool_of(2).in_flight(1);
    let mut map = pool.map_unordered(0..2_usize, |actor, x| actor.pass(log_id, ids[x], x as u64));
    gates[1].open();
    assert_eq!(map.next().unwrap().unwrap(), 1);
    gates[0].open();
    assert_eq!(map.next().unwrap().unwrap(), 0);
    assert!(map.next().is_none());
    // While the first is slow the others are done and make room.
    let slow = Gate::new();
    let slow_id = slow.id;
    let mut map = pool.map(0..5_u64, |actor, x| match x {
        0 => actor.pass(log_id, slow_id, 0),
        _ => actor.double(x),
    });
    assert!(map.next_timeout(millis(20)).unwrap_err().is_timeout());
    eventually("the others are done", || {
        let late = map.next_timeout(millis(1));
        late.unwrap_err().is_timeout() && pool.idle() == 1
    });
    slow.open();
    assert_eq!(map.map(Result::unwrap).collect::<Vec<_>>(), [0, 2, 4, 6, 8]);
}

#[test]
fn an_error_stands_in_the_place_of_its_result() {
    let node = node(2);
    let _here = node.enter();
    let pool = pool_of(2);
    let all: Vec<_> = pool.map(0..10, |actor, x| actor.fails_at(4, x)).collect();
    for (x, result) in all.iter().enumerate() {
        match x {
            4 => assert_eq!(result.as_ref().unwrap_err().message(), "not 4"),
            _ => assert_eq!(*result.as_ref().unwrap(), x as u64),
        }
    }
    drop((pool, all));
    all_clear(2);
}

#[test]
fn an_actor_that_died_is_taken_out() {
    let node = node(2);
    let _here = node.enter();
    let pool = pool_of(2);
    let all: Vec<_> = pool.map(0..40, |actor, x| actor.panics_at(10, x)).collect();
    assert_eq!(all.len(), 40);
    assert!(all[10].as_ref().is_err_and(raykit::Error::is_panic));
    let failed = all.iter().filter(|result| result.is_err()).count();
    assert!((1..=4).contains(&failed), "what that actor had: {failed}");
    eventually("the other one goes on", || pool.len() == 1 && pool.idle() == 1);
    assert_eq!(value(&pool.submit(|actor| actor.double(4))).unwrap(), 8);
    value(&pool.submit(|actor| actor.panics_at(1, 1))).unwrap_err();
    let none = error(&pool.submit(|actor| actor.double(4)));
    assert_eq!((none.kind(), pool.is_empty()), (ErrorKind::ActorNotFound, true), "{none}");
    pool.push(Worker::remote());
    assert_eq!(value(&pool.submit(|actor| actor.double(4))).unwrap(), 8);
    drop((pool, all));
    no_actor_is_left();
    all_clear(2);
}

#[test]
fn items_of_a_dead_actor_are_tried_again_if_one_says_so() {
    for retries in [0, 1] {
        let node = node(2);
        let _here = node.enter();
        let (gate, log) = (Gate::new(), Gate::new());
        let (gate_id, log_id) = (gate.id, log.id);
        let pool = ActorPool::with(1..=1, Worker::remote).in_flight(4).retry_died(retries);
        let (victim, mut actors) = (std::sync::Mutex::new(None), Vec::new());
        let mut map = pool.map(0..10_u64, |actor, x| {
            if !actors.contains(actor) {
                actors.push(actor.clone());
                victim.lock().unwrap().get_or_insert(actor.clone());
            }
            actor.pass(log_id, gate_id, x)
        });
        assert!(map.next_timeout(millis(20)).unwrap_err().is_timeout());
        log.await_arrivals(1);
        let all: Vec<_> = std::thread::scope(|scope| {
            let (node, log, gate) = (&node, &log, &gate);
            scope.spawn(move || {
                let _here = node.enter();
                eventually("another actor works", || log.arrived() > 1);
                gate.open();
            });
            // The only one that there is: it runs one call and has three in line.
            assert!(victim.lock().unwrap().take().unwrap().kill());
            map.collect()
        });
        for (x, result) in all.iter().enumerate() {
            match result {
                Ok(same) => assert_eq!(*same, x as u64),
                Err(died) => assert!(died.is_actor_died() && retries == 0 && x < 4, "{died}"),
            }
        }
        assert_eq!(all.iter().filter(|one| one.is_err()).count(), if retries == 0 { 4 } else { 0 });
        assert_eq!(actors.len(), 2, "a new one took its place");
        drop((pool, all, actors, victim));
        no_actor_is_left();
        all_clear(2);
    }
}

#[test]
fn a_pool_grows_while_calls_wait_and_shrinks_again() {
    let node = node(2);
    let _here = node.enter();
    let (gate, log) = (Gate::new(), Gate::new());
    let pool = ActorPool::with(1..=3, Worker::remote).idle_after(millis(20));
    assert_eq!(pool.len(), 1);
    let calls: Vec<_> =
        (0..6).map(|x| pool.submit(|actor| actor.pass(log.id, gate.id, x))).collect();
    assert_eq!((pool.len(), pool.idle()), (3, 0));
    assert!(pool.pop_idle().is_none());
    gate.open();
    assert_eq!(raykit::get(&calls).unwrap(), [0, 1, 2, 3, 4, 5]);
    eventually("it shrinks", || pool.len() == 1);
    eventually("the others ended", || raykit::stats().unwrap().actors == 1);
    assert_eq!(value(&pool.submit(|actor| actor.double(1))).unwrap(), 2);
    drop((pool, calls));
    no_actor_is_left();
    all_clear(2);
}

/// A constructor that fails gives its error to each call, and no endless making of actors.
#[test]
fn a_pool_of_actors_that_cannot_start() {
    #[remote]
    struct Never;
    #[remote]
    impl Never {
        pub fn new() -> Result<Self, String> {
            Err("cannot start".into())
        }
        pub fn work(&self) -> u64 {
            1
        }
    }
    let node = node(1);
    let _here = node.enter();
    let pool = ActorPool::with(2..=3, Never::remote);
    for _ in 0..5 {
        let died = error(&pool.submit(|actor| actor.work()));
        assert!(died.is_actor_died() && died.to_string().contains("cannot start"), "{died}");
    }
    drop(pool);
    no_actor_is_left();
    all_clear(1);
}

#[test]
fn a_pool_is_used_by_threads_and_tasks() {
    #[remote]
    fn sum(n: u64) -> Result<u64, raykit::Error> {
        let pool = ActorPool::with(1..=2, Worker::remote);
        pool.map(0..n, |actor, x| actor.double(x)).sum()
    }
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let sums = sum::map([10, 20, 30]);
        assert_eq!(raykit::get(&sums).unwrap(), [90, 380, 870]);
        let pool = pool_of(2);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let _here = node.enter();
                    let all = pool.map(0..100, |actor, x| actor.double(x));
                    assert_eq!(all.map(Result::unwrap).sum::<u64>(), 9_900);
                });
            }
        });
        drop((pool, sums));
        no_actor_is_left();
        all_clear(cpus);
    }
}

#[remote]
fn produce(queue: Queue<u64>, from: u64, n: u64) -> raykit::Result<()> {
    (from..from + n).try_for_each(|x| queue.put(x))?;
    Ok(())
}

#[remote]
fn consume(queue: Queue<u64>) -> raykit::Result<Vec<u64>> {
    queue.iter().collect()
}

#[remote]
async fn produce_async(queue: Queue<u64>, from: u64, n: u64) -> raykit::Result<()> {
    for x in from..from + n {
        queue.put_async(x).await?;
    }
    Ok(())
}

#[remote]
async fn consume_async(queue: Queue<u64>) -> raykit::Result<Vec<u64>> {
    let mut all = Vec::new();
    while let Some(x) = queue.get_async().await? {
        all.push(x);
    }
    Ok(all)
}

#[test]
fn a_queue_is_first_in_first_out() {
    let node = node(1);
    let _here = node.enter();
    let queue = Queue::bounded(3);
    assert_eq!((queue.capacity(), queue.is_empty().unwrap()), (Some(3), true));
    assert_eq!(queue.try_get().unwrap(), None);
    for text in ["a", "b", "c"] {
        queue.put(text.to_owned()).unwrap();
    }
    match queue.try_put("d".to_owned()) {
        Err(PutError::Full(text)) => assert_eq!(text, "d"),
        other => panic!("{other:?}"),
    }
    let full = queue.put_timeout("d".to_owned(), millis(5)).unwrap_err();
    assert_eq!(raykit::Error::from(full).kind(), ErrorKind::QueueFull);
    assert_eq!(queue.len().unwrap(), 3);
    assert_eq!(queue.get().unwrap().unwrap(), "a");
    assert_eq!(queue.get_batch(5).unwrap(), ["b", "c"]);
    let begun = Instant::now();
    assert!(queue.get_timeout(millis(5)).unwrap_err().is_timeout());
    assert!(queue.get_batch_timeout(2, millis(5)).unwrap_err().is_timeout());
    assert!(begun.elapsed() >= millis(10));
    match queue.put_batch_timeout(["1", "2", "3", "4", "5"].map(String::from), millis(5)) {
        Err(PutError::Full(rest)) => assert_eq!(rest, ["4", "5"]),
        other => panic!("{other:?}"),
    }
    assert_eq!(queue.get_batch(2).unwrap(), ["1", "2"]);
    queue.close().unwrap();
    queue.close().unwrap();
    assert!(queue.is_closed().unwrap());
    match queue.put("late".to_owned()) {
        Err(PutError::Closed(text)) => assert_eq!(text, "late"),
        other => panic!("{other:?}"),
    }
    assert_eq!(queue.get().unwrap().unwrap(), "3", "what is left can be got");
    assert_eq!((queue.get().unwrap(), queue.try_get().unwrap()), (None, None));
    assert!(queue.get_batch(3).unwrap().is_empty());
    drop(queue);
    no_actor_is_left();
    all_clear(1);
}

#[test]
fn producers_and_consumers_are_tasks() {
    for cpus in [1, 2] {
        for capacity in [1, 7] {
            let node = node(cpus);
            let _here = node.enter();
            let queue = Queue::bounded(capacity);
            let consumers = [consume::remote(&queue), consume_async::remote(&queue)];
            let producers = [
                produce::remote(&queue, 0, 100),
                produce_async::remote(&queue, 1_000, 100),
                produce::remote(&queue, 2_000, 100),
            ];
            producers.iter().for_each(|producer| value(producer).unwrap());
            queue.close().unwrap();
            let got = consumers.each_ref().map(|consumer| value(consumer).unwrap());
            for one in &got {
                for from in [0, 1_000, 2_000] {
                    let of = one.iter().filter(|x| (from..from + 100).contains(*x));
                    assert!(of.is_sorted(), "{one:?}");
                }
            }
            let mut all = got.concat();
            all.sort_unstable();
            let put = [0, 1_000, 2_000].into_iter().flat_map(|from| from..from + 100);
            assert_eq!(all, put.collect::<Vec<_>>());
            drop((queue, consumers, producers));
            no_actor_is_left();
            all_clear(cpus);
        }
    }
}

/// More wait than async tasks may run: they do not keep others from what they wait for.
#[test]
fn those_who_wait_take_nobodys_place() {
    let node = Config::new().num_cpus(1).async_tasks_max(1).start().unwrap();
    let _here = node.enter();
    let queue: Queue<u64> = Queue::bounded(2);
    let consumers: Vec<_> = (0..5).map(|_| consume_async::remote(&queue)).collect();
    value(&produce_async::remote(&queue, 0, 20)).unwrap();
    let sync = consume::remote(&queue);
    value(&produce::remote(&queue, 20, 20)).unwrap();
    queue.close().unwrap();
    let mut all: Vec<u64> = consumers.iter().flat_map(|one| value(one).unwrap()).collect();
    all.extend(value(&sync).unwrap());
    all.sort_unstable();
    assert_eq!(all, (0..40).collect::<Vec<_>>());
    drop((queue, consumers, sync));
    all_clear(1);
}

#[test]
fn those_who_wait_are_served_in_order() {
    let node = node(2);
    let _here = node.enter();
    let queue: Queue<usize> = Queue::bounded(1);
    let order = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for getter in 0..5 {
            let (node, order, queue) = (&node, &order, &queue);
            scope.spawn(move || {
                let _here = node.enter();
                let got = queue.get().unwrap().unwrap();
                order.lock().unwrap().push((getter, got));
            });
            // The next one comes when this one stands in line.
            eventually("in line", || queue.waiting_to_get().unwrap() == getter + 1);
        }
        (0..5).for_each(|x| queue.put(x).unwrap());
    });
    let mut order = order.into_inner().unwrap();
    order.sort_unstable();
    assert_eq!(order, (0..5).map(|x| (x, x)).collect::<Vec<_>>());
}

#[test]
fn closing_tells_those_who_wait() {
    let node = node(2);
    let _here = node.enter();
    let (empty, full) = (Queue::<u64>::bounded(1), Queue::bounded(1));
    full.put(1_u64).unwrap();
    std::thread::scope(|scope| {
        let getter = scope.spawn(|| {
            let _here = node.enter();
            empty.get().unwrap()
        });
        let putter = scope.spawn(|| {
            let _here = node.enter();
            full.put_batch([2, 3]).unwrap_err().into_inner()
        });
        eventually("both wait", || {
            (empty.waiting_to_get().unwrap(), full.waiting_to_put().unwrap()) == (1, 1)
        });
        empty.close().unwrap();
        full.close().unwrap();
        assert_eq!(getter.join().unwrap(), None);
        assert_eq!(putter.join().unwrap(), Some(vec![2, 3]));
    });
    assert_eq!(full.get_batch(9).unwrap(), [1]);
    drop((empty, full));
    all_clear(2);
}

/// A get that is dropped while it waits, or while its value is on the way, loses nothing.
#[test]
fn a_dropped_get_takes_nothing_with_it() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let queue: Queue<u64> = Queue::unbounded();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut got = Vec::new();
        let put = std::thread::scope(|scope| {
            let producer = scope.spawn(|| {
                let _here = node.enter();
                for x in 0..300_u64 {
                    queue.put(x).unwrap();
                }
                queue.close().unwrap();
                300
            });
            let mut round = 0;
            loop {
                let polls = [0, 1, 3, 30, 3_000][round % 5];
                round += 1;
                // Polled a few times and dropped, whatever it has got by then.
                let next = runtime.block_on(async {
                    let mut get = Box::pin(queue.get_async());
                    let mut left = polls;
                    std::future::poll_fn(|cx| match get.as_mut().poll(cx) {
                        std::task::Poll::Ready(next) => std::task::Poll::Ready(Some(next)),
                        std::task::Poll::Pending if left == 0 => std::task::Poll::Ready(None),
                        std::task::Poll::Pending => {
                            left -= 1;
                            std::thread::yield_now();
                            cx.waker().wake_by_ref();
                            std::task::Poll::Pending
                        }
                    })
                    .await
                });
                match next {
                    Some(Ok(Some(x))) => got.push(x),
                    // A value that was on its way back may come after the end was told.
                    Some(Ok(None)) if got.len() == 300 => break,
                    Some(Err(error)) => panic!("{error}"),
                    Some(Ok(None)) | None => {}
                }
                assert!(round < 50_000, "got {} of 300", got.len());
            }
            producer.join().unwrap()
        });
        got.sort_unstable();
        assert_eq!(got, (0..put).collect::<Vec<_>>());
        drop(queue);
        no_actor_is_left();
        all_clear(cpus);
    }
}

#[test]
fn a_cancelled_consumer_leaves_the_line() {
    let node = node(1);
    let _here = node.enter();
    let queue: Queue<u64> = Queue::bounded(4);
    let (sync, future) = (consume::remote(&queue), consume_async::remote(&queue));
    eventually("both wait", || queue.waiting_to_get().unwrap() == 2);
    assert!(sync.cancel() && future.cancel());
    assert!(error(&sync).is_cancelled() && error(&future).is_cancelled());
    eventually("both are gone", || raykit::stats().unwrap().tasks_pending == 0);
    queue.put_batch([1, 2]).unwrap();
    assert_eq!(queue.get_batch(4).unwrap(), [1, 2]);
    // A producer that waits for room likewise.
    queue.put_batch([0; 4]).unwrap();
    let producer = produce::remote(&queue, 5, 1);
    eventually("it waits", || queue.waiting_to_put().unwrap() == 1);
    assert!(producer.cancel());
    eventually("it is gone", || raykit::stats().unwrap().tasks_pending == 0);
    assert_eq!(queue.get_batch(9).unwrap(), [0; 4]);
    assert!(queue.is_empty().unwrap());
    drop((queue, sync, future, producer));
    all_clear(1);
}

#[test]
fn a_queue_outlives_neither_its_node_nor_its_handles() {
    let node = node(1);
    let here = node.enter();
    let queue: Queue<Vec<u8>> = Queue::bounded(1);
    let inside: Queue<Queue<Vec<u8>>> = Queue::bounded(1);
    inside.put(queue).unwrap();
    let queue = inside.get().unwrap().unwrap();
    queue.put(vec![1, 2, 3]).unwrap();
    drop(inside);
    eventually("one is left", || raykit::stats().unwrap().actors == 1);
    drop(here);
    node.shutdown().unwrap();
    assert_eq!(queue.get().unwrap_err().kind(), ErrorKind::ActorDied);
    assert!(matches!(queue.put(vec![]), Err(PutError::Failed(_))));
}

/// What one thread does to the queue, one after the other.
#[derive(Clone, Debug)]
enum Step {
    Put,
    TryPut,
    PutTimeout(u64),
    PutBatch(usize),
    Get,
    TryGet,
    GetTimeout(u64),
    GetBatch(usize),
}

fn puts() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Put),
        1 => Just(Step::TryPut),
        2 => (0..200_u64).prop_map(Step::PutTimeout),
        1 => (0..6_usize).prop_map(Step::PutBatch),
    ];
    proptest::collection::vec(step, 0..40)
}

fn gets() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => Just(Step::Get),
        1 => Just(Step::TryGet),
        4 => (0..200_u64).prop_map(Step::GetTimeout),
        1 => (1..6_usize).prop_map(Step::GetBatch),
    ];
    proptest::collection::vec(step, 1..20)
}

/// A value is its producer and its number there. Returns those that went in.
fn run_producer(queue: &Queue<(u64, u64)>, producer: u64, steps: &[Step]) -> Vec<(u64, u64)> {
    let (mut number, mut put) = (0, Vec::new());
    for step in steps {
        let values: Vec<_> = match step {
            Step::PutBatch(n) => (number..number + *n as u64).map(|x| (producer, x)).collect(),
            _ => vec![(producer, number)],
        };
        number += values.len() as u64;
        let first = values.first().copied();
        let one = |result: Result<(), PutError<_>>| match result {
            Ok(()) => vec![],
            Err(error) => vec![error.into_inner().expect("it comes back")],
        };
        let back: Vec<(u64, u64)> = match (step, first) {
            (Step::Put, Some(value)) => one(queue.put(value)),
            (Step::TryPut, Some(value)) => one(queue.try_put(value)),
            (Step::PutTimeout(us), Some(value)) => {
                one(queue.put_timeout(value, Duration::from_micros(*us)))
            }
            _ => match queue.put_batch(values.clone()) {
                Ok(()) => vec![],
                Err(error) => error.into_inner().expect("it comes back"),
            },
        };
        put.extend(values.into_iter().filter(|value| !back.contains(value)));
    }
    put
}

/// Goes round the steps until the queue is closed and empty.
fn run_consumer(queue: &Queue<(u64, u64)>, steps: &[Step], done: &AtomicBool) -> Vec<(u64, u64)> {
    let mut got = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    for step in steps.iter().cycle() {
        assert!(Instant::now() < deadline, "it never ends");
        let (closed, some) = match step {
            Step::Get => {
                let next = queue.get().unwrap();
                (next.is_none(), next.into_iter().collect())
            }
            Step::GetTimeout(us) => match queue.get_timeout(Duration::from_micros(*us)) {
                Ok(next) => (next.is_none(), next.into_iter().collect()),
                Err(late) => {
                    assert!(late.is_timeout(), "{late}");
                    (false, vec![])
                }
            },
            Step::GetBatch(max) => {
                let some = queue.get_batch(*max).unwrap();
                assert!(some.len() <= *max);
                (some.is_empty(), some)
            }
            _ => {
                let over = done.load(Ordering::SeqCst);
                let next = queue.try_get().unwrap();
                (over && next.is_none(), next.into_iter().collect::<Vec<_>>())
            }
        };
        got.extend(some);
        if closed {
            return got;
        }
    }
    got
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// What went in comes out, once, and in the order of its producer for each consumer.
    #[test]
    fn nothing_is_lost_and_nothing_doubled(
        producers in proptest::collection::vec(puts(), 1..4),
        consumers in proptest::collection::vec(gets(), 1..4),
        capacity in 1..6_usize,
        cpus in 1..3_usize,
        early in proptest::option::of(0..3_000_u64),
    ) {
        let node = node(cpus);
        let _here = node.enter();
        let queue = Queue::bounded(capacity);
        let done = AtomicBool::new(false);
        let (put, got) = std::thread::scope(|scope| {
            let (node, queue, done) = (&node, &queue, &done);
            let consumers: Vec<_> = consumers.iter().map(|steps| scope.spawn(move || {
                let _here = node.enter();
                run_consumer(queue, steps, done)
            })).collect();
            let producers: Vec<_> = producers.iter().zip(0..).map(|(steps, producer)| scope.spawn(move || {
                let _here = node.enter();
                run_producer(queue, producer, steps)
            })).collect();
            if let Some(us) = early {
                std::thread::sleep(Duration::from_micros(us));
                queue.close().unwrap();
            }
            let put: Vec<_> = producers.into_iter().flat_map(|one| one.join().unwrap()).collect();
            queue.close().unwrap();
            done.store(true, Ordering::SeqCst);
            let got: Vec<_> = consumers.into_iter().map(|one| one.join().unwrap()).collect();
            (put, got)
        });
        for one in &got {
            let mut last = HashMap::new();
            for (producer, number) in one {
                let before = last.insert(*producer, *number);
                prop_assert!(before.is_none_or(|before| before < *number), "{:?}", one);
            }
        }
        let mut got = got.concat();
        got.sort_unstable();
        let mut put = put;
        put.sort_unstable();
        prop_assert_eq!(got, put);
        drop(queue);
        no_actor_is_left();
        all_clear(cpus);
    }
}
