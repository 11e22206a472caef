//! Streams: functions and methods that give their results one after the other.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

mod common;

use common::{Gate, PATIENCE, all_clear, arrive, eventually, node, note, pass, value};
use flows::{async_panics, async_sum, late, listed, ticks};
use futures_util::stream::Stream;
use raykit::prelude::*;
use raykit::{Config, ErrorKind, RetryOn};
use std::num::ParseIntError;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

#[remote]
fn count(n: u64) -> impl Iterator<Item = u64> {
    0..n
}

/// Notes each item that it makes.
#[remote(backpressure = 4)]
fn noted(gate: u64, n: i64) -> impl Iterator<Item = i64> {
    (0..n).inspect(move |item| note(gate, *item))
}

#[remote]
fn parse(text: &str) -> impl Iterator<Item = Result<u64, ParseIntError>> {
    text.split(' ').map(str::parse)
}

#[remote]
fn open(text: String) -> Result<impl Iterator<Item = std::io::Result<String>>, String> {
    if text.is_empty() {
        return Err("nothing there".into());
    }
    Ok(text.split(' ').map(|word| Ok(word.to_owned())).collect::<Vec<_>>().into_iter())
}

#[remote]
fn panics(at: u64) -> impl Iterator<Item = u64> {
    (0..10).inspect(move |item| assert!(*item != at, "item {item} panics"))
}

#[remote]
fn doubled(items: ObjectStream<u64>) -> impl Iterator<Item = raykit::Result<u64>> {
    items.map(|item| item.get().map(|item| 2 * item))
}

#[remote]
fn sum(items: ObjectStream<u64>) -> raykit::Result<u64> {
    items.map(|item| item.get()).sum()
}

/// What needs `StreamExt`, whose methods have the names of an iterator's.
mod flows {
    use futures_util::stream::{self, Stream, StreamExt};
    use raykit::prelude::*;

    #[remote]
    pub(crate) fn ticks(n: u32) -> impl Stream<Item = u32> {
        stream::iter(0..n).then(|item| async move {
            tokio::task::yield_now().await;
            item
        })
    }

    #[remote]
    pub(crate) fn async_panics(at: u64) -> impl Stream<Item = Result<u64, String>> {
        stream::iter(0..10).map(move |item| match item {
            item if item == at => Err(format!("item {item} fails")),
            item if item == at + 1 => panic!("it was asked for more"),
            item => Ok(item),
        })
    }

    #[remote]
    pub(crate) async fn late(n: u32) -> Result<impl Stream<Item = u32>, String> {
        tokio::task::yield_now().await;
        if n == 0 { Err("none".into()) } else { Ok(stream::iter(0..n)) }
    }

    #[remote]
    pub(crate) async fn listed(n: u32) -> impl Iterator<Item = u32> + Send {
        tokio::task::yield_now().await;
        0..n
    }

    #[remote]
    pub(crate) async fn async_sum(mut items: ObjectStream<u32>) -> raykit::Result<u32> {
        let mut sum = 0;
        let first = StreamExt::next(&mut items).await;
        sum += first.map_or(Ok(0), |item| item.get())?;
        while let Some(item) = items.next_async().await {
            sum += item.await?;
        }
        Ok(sum)
    }

    pub(crate) fn yielding(entries: &[i64]) -> impl Stream<Item = i64> + '_ {
        stream::iter(entries).then(|entry| async move {
            tokio::task::yield_now().await;
            *entry
        })
    }

    pub(crate) fn without_end(entries: &mut [i64]) -> impl Stream<Item = i64> + '_ {
        stream::iter(entries).map(|entry| *entry).chain(stream::pending())
    }
}

#[remote(max_concurrency = 4)]
struct Log {
    entries: Vec<i64>,
}

#[remote]
impl Log {
    pub fn new(n: i64) -> Self {
        Log { entries: (0..n).collect() }
    }

    pub fn history(&self) -> impl Iterator<Item = i64> + '_ {
        self.entries.iter().copied()
    }

    #[remote(backpressure = 2)]
    pub fn drained(&mut self) -> impl Iterator<Item = i64> + '_ {
        self.entries.drain(..)
    }

    pub fn slowly(&self) -> impl Stream<Item = i64> + '_ {
        flows::yielding(&self.entries)
    }

    pub fn waits(&mut self, gate: u64) -> impl Stream<Item = i64> + '_ {
        arrive(gate);
        flows::without_end(&mut self.entries)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn append(&mut self, items: ObjectStream<u64>) -> raykit::Result<usize> {
        for item in items {
            self.entries.push(item.get()? as i64);
        }
        Ok(self.entries.len())
    }

    /// Calls another actor, and is killed or cancelled meanwhile.
    pub fn reads(&self, other: LogHandle, gate: u64) -> usize {
        let mut items = other.drained();
        let first = items.next().is_some();
        arrive(gate);
        while !raykit::context().is_cancelled() {
            sleep(Duration::from_millis(1));
        }
        usize::from(first)
    }
}

fn values<T: Object>(stream: ObjectStream<T>) -> Vec<T> {
    stream.map(|item| item.get().unwrap()).collect()
}

/// The values up to the first error, and that error; there is nothing after it.
fn until_error<T: Object + std::fmt::Debug>(
    mut stream: ObjectStream<T>,
) -> (Vec<T>, raykit::Error) {
    let mut good = Vec::new();
    while let Some(item) = stream.next_timeout(PATIENCE).unwrap() {
        match item.get() {
            Ok(value) => good.push(value),
            Err(error) => {
                assert!(stream.next().is_none(), "one error, and nothing after it");
                return (good, error);
            }
        }
    }
    panic!("it ended well after {good:?}");
}

#[test]
fn items_come_in_order_while_the_producer_runs() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        assert_eq!(values(count::remote(5_000)), (0..5_000).collect::<Vec<_>>());
        assert_eq!(values(count::options().backpressure(1).remote(50)).len(), 50);
        assert_eq!(values(open::remote("a b")), ["a", "b"]);
        assert_eq!(values(ticks::remote(2_000)), (0..2_000).collect::<Vec<_>>());
        assert_eq!(values(late::remote(3)), [0, 1, 2]);
        assert_eq!(values(listed::remote(1_500)).len(), 1_500);
        let both = count::map([2, 3]);
        assert_eq!(both.into_iter().map(|stream| values(stream).len()).sum::<usize>(), 5);
        all_clear(cpus);
    }
}

/// The items are there before the stream is at its end, and stay as long as their references.
#[test]
fn an_item_is_there_before_the_next_is_made() {
    let node = node(1);
    let _here = node.enter();
    let gate = Gate::new();
    let mut stream = gated::remote(gate.id);
    let first = stream.next().unwrap();
    assert!(first.is_ready());
    assert_eq!(first.get().unwrap(), 0);
    assert!(raykit::explain(&first).contains("is ready"));
    assert!(stream.next_timeout(Duration::from_millis(20)).unwrap_err().is_timeout());
    gate.open();
    assert_eq!(values(stream), [1, 2]);
    drop(first);
    all_clear(1);
}

#[remote]
fn gated(gate: u64) -> impl Iterator<Item = u64> {
    (0..3).inspect(move |item| {
        if *item == 1 {
            pass(gate);
        }
    })
}

/// G2: an error or a panic at item 3 comes after the good items, once.
#[test]
fn a_failure_comes_after_the_good_items() {
    let node = node(2);
    let _here = node.enter();
    let (good, error) = until_error(parse::remote("1 2 3 x 5"));
    assert_eq!((good, error.kind()), (vec![1, 2, 3], ErrorKind::Task));
    assert!(error.to_string().contains("parse"), "{error}");
    let (good, error) = until_error(panics::remote(3));
    assert_eq!((good, error.kind()), (vec![0, 1, 2], ErrorKind::Panic));
    let (good, error) = until_error(async_panics::remote(3));
    assert_eq!((good, error.kind()), (vec![0, 1, 2], ErrorKind::Task));
    let (good, error) = until_error(open::remote(""));
    assert!(good.is_empty() && error.to_string().contains("nothing there"), "{error}");
    let (good, error) = until_error(late::remote(0));
    assert!(good.is_empty() && error.to_string().contains("none"), "{error}");
    // A failed argument is the error of the whole.
    let failed = fails::remote();
    assert!(until_error(count::remote(&failed)).1.to_string().contains("refused"));
    drop((failed, error));
    all_clear(2);
}

#[remote]
fn fails() -> Result<u64, String> {
    Err("refused".into())
}

/// G3: a handle that is dropped mid-stream stops the producer and frees what nobody took.
#[test]
fn a_dropped_handle_stops_the_producer() {
    let node = node(2);
    let _here = node.enter();
    let gate = Gate::new();
    let mut stream = noted::remote(gate.id, i64::MAX);
    let other = stream.clone();
    assert_eq!(value(&stream.next().unwrap()).unwrap(), 0);
    drop(stream);
    eventually("the clone reads on", || gate.notes().len() >= 5);
    drop(other);
    all_clear(2);
    let forever = ticks::remote(u32::MAX);
    drop(forever);
    // One that never yields again is told, or dropped at its await.
    let gate = Gate::new();
    let mut stream = silent::remote(gate.id);
    assert!(stream.next().is_some());
    drop(stream);
    gate.await_arrivals(1);
    let log = Log::remote(1);
    let mut stream = log.waits(gate.id);
    assert!(stream.next().is_some());
    drop(stream);
    assert_eq!(value(&log.len()).unwrap(), 1);
    drop(log);
    all_clear(2);
}

#[remote]
fn silent(gate: u64) -> impl Iterator<Item = u64> {
    (0..2).inspect(move |item| {
        while *item == 1 && !raykit::context().is_cancelled() {
            sleep(Duration::from_millis(1));
        }
        if *item == 1 {
            arrive(gate);
        }
    })
}

/// G5: the caller is cancelled or killed while its callee yields: the callee ends, and its actor's
/// next method runs.
#[test]
fn a_callee_ends_with_its_caller() {
    let node = node(2);
    let _here = node.enter();
    for kill in [false, true] {
        let gate = Gate::new();
        let (caller, callee) = (Log::remote(0), Log::remote(1_000));
        let reads = caller.reads(&callee, gate.id);
        gate.await_arrivals(1);
        match kill {
            true => assert!(caller.kill()),
            false => assert!(reads.cancel()),
        }
        assert_eq!(value(&callee.len()).unwrap(), 0, "drained, by the drop of the iterator");
        drop((reads, caller, callee));
        all_clear(2);
    }
}

/// G8: a producer whose consumer stops pauses at the threshold, without a CPU; a drop sets it free.
#[test]
fn a_producer_pauses_at_the_threshold() {
    let node = node(1);
    let _here = node.enter();
    let gate = Gate::new();
    let mut stream = noted::remote(gate.id, 100);
    eventually("four items", || gate.notes().len() == 4);
    // The CPU is free for others meanwhile.
    assert_eq!(values(count::remote(10)).len(), 10);
    assert_eq!(gate.notes().len(), 4);
    let kept: Vec<_> = stream.by_ref().take(2).collect();
    eventually("two more", || gate.notes().len() == 6);
    sleep(Duration::from_millis(20));
    assert_eq!(gate.notes().len(), 6);
    drop((stream, kept));
    all_clear(1);
    assert_eq!(gate.notes().len(), 6);
    let log = Log::remote(100);
    let mut stream = log.options().backpressure(10).drained();
    assert_eq!(value(&stream.next().unwrap()).unwrap(), 0);
    let next = log.len();
    sleep(Duration::from_millis(20));
    assert!(!next.is_ready(), "the stream has the state alone");
    drop(stream);
    assert_eq!(value(&next).unwrap(), 0);
    drop((log, next));
    all_clear(1);
}

/// G8, in bytes
#[test]
fn a_producer_of_large_items_pauses_sooner() {
    let node = node(2);
    let _here = node.enter();
    let gate = Gate::new();
    let stream = large::remote(gate.id);
    eventually("64 MiB", || gate.notes().len() == 4);
    sleep(Duration::from_millis(20));
    assert_eq!(gate.notes().len(), 4);
    assert_eq!(stream.count(), 10);
    all_clear(2);
}

#[remote]
fn large(gate: u64) -> impl Iterator<Item = Vec<u8>> {
    (0..10).map(move |item| {
        note(gate, item);
        vec![1; 16 << 20]
    })
}

/// The bound is the function's, the method's or the call's; the one on items stays beside it.
#[test]
fn a_producer_pauses_at_a_number_of_bytes_of_ones_own() {
    let node = node(1);
    let _here = node.enter();
    let album = Album::remote();
    let call = || album.options();
    pauses_and_goes_on(3, pictures::remote);
    pauses_and_goes_on(5, |gate| pictures::options().backpressure_bytes(5 * MIB).remote(gate));
    pauses_and_goes_on(4, |gate| album.pictures(gate));
    pauses_and_goes_on(6, |gate| call().backpressure_bytes(6 * MIB).pictures(gate));
    pauses_and_goes_on(2, |gate| call().backpressure(2).pictures(gate));
    // Items that are larger than all that may be ahead come one by one.
    pauses_and_goes_on(1, |gate| call().backpressure_bytes(1).pictures(gate));
    drop(album);
    all_clear(1);
}

/// Of a stream of twenty items that notes each at a gate.
fn pauses_and_goes_on(ahead: usize, begin: impl Fn(u64) -> ObjectStream<Vec<u8>>) {
    let gate = Gate::new();
    let mut stream = begin(gate.id);
    let pauses_after = |count: usize| {
        eventually("it comes so far", || gate.notes().len() >= count);
        // This one needs the only CPU, which the producer gives back when it pauses.
        assert_eq!(values(count::remote(1)), [0]);
        assert_eq!(gate.notes().len(), count);
    };
    pauses_after(ahead);
    let taken = ahead / 2 + 1; // an item is a little more than 1 MiB
    let kept: Vec<_> = stream.by_ref().take(taken).collect();
    pauses_after(taken + ahead);
    assert_eq!(kept.len() + stream.count(), 20);
}

const MIB: u64 = 1 << 20;

fn noted_pictures(gate: u64) -> impl Iterator<Item = Vec<u8>> {
    (0..20).map(move |item| {
        note(gate, item);
        vec![1; 1 << 20]
    })
}

#[remote(backpressure_bytes = 3 * MIB)]
fn pictures(gate: u64) -> impl Iterator<Item = Vec<u8>> {
    noted_pictures(gate)
}

#[remote]
struct Album;

#[remote]
impl Album {
    pub fn new() -> Self {
        Album
    }

    #[remote(backpressure_bytes = 4 * MIB)]
    pub fn pictures(&self, gate: u64) -> impl Iterator<Item = Vec<u8>> {
        noted_pictures(gate)
    }
}

/// G11: after a cancel, and after the time is up, what was given can be read; then comes the error.
#[test]
fn a_cancelled_stream_ends_in_that_error() {
    let node = node(2);
    let _here = node.enter();
    let gate = Gate::new();
    let stream = noted::remote(gate.id, 100);
    eventually("four items", || gate.notes().len() == 4);
    assert!(stream.cancel());
    assert!(!stream.cancel());
    let (good, error) = until_error(stream);
    assert_eq!((good, error.kind()), (vec![0, 1, 2, 3], ErrorKind::Cancelled));
    let limit = Duration::from_millis(30);
    let (good, error) = until_error(noted::options().timeout(limit).remote(gate.id, 100).slowly());
    assert!(good.len() >= 4 && error.is_timeout(), "{error}");
    let log = Log::remote(2);
    let stream = log.waits(gate.id);
    gate.await_arrivals(1);
    assert!(stream.cancel());
    assert!(until_error(stream).1.is_cancelled());
    drop((log, error));
    all_clear(2);
}

trait Slowly {
    fn slowly(self) -> Self;
}
impl<T> Slowly for ObjectStream<T> {
    /// Is read when its task has met its time limit.
    fn slowly(self) -> Self {
        sleep(Duration::from_millis(60));
        self
    }
}

/// G13: a fast producer and slow consumers; each item is an argument of another task.
#[test]
fn items_are_arguments_of_other_tasks() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let all: Vec<_> = count::remote(300).map(|item| slow::remote(&item)).collect();
        assert_eq!(raykit::get(&all).unwrap().into_iter().sum::<u64>(), 299 * 150);
        drop(all);
        all_clear(cpus);
    }
}

#[remote]
fn slow(x: u64) -> u64 {
    sleep(Duration::from_micros(100));
    x
}

/// G14: the reference to an item is dropped; the next one is there all the same.
#[test]
fn a_dropped_item_does_not_affect_the_next() {
    let node = node(2);
    let _here = node.enter();
    let mut stream = count::remote(4);
    drop(stream.next());
    let kept = stream.next().unwrap();
    drop(stream.next());
    assert_eq!(value(&stream.next().unwrap()).unwrap(), 3);
    assert!(stream.next().is_none() && stream.next().is_none());
    drop(stream);
    assert_eq!(value(&kept).unwrap(), 1);
    drop(kept);
    all_clear(2);
}

/// How many items two streams have in common, read in turns.
fn shared(one: ObjectStream<i64>, other: ObjectStream<i64>) -> usize {
    one.zip(other).filter(|(a, b)| a.get().ok() == b.get().ok()).count()
}

#[test]
fn methods_hold_the_state_while_they_give() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let log = Log::remote(2_500);
        assert_eq!(values(log.history()).len(), 2_500);
        assert_eq!(values(log.slowly())[2_499], 2_499);
        // As many methods of an actor run side by side as there are CPUs.
        let (one, other) = (log.history(), log.options().backpressure(3_000).history());
        if cpus == 1 {
            assert_eq!(values(one).len(), 2_500);
            assert_eq!(values(other).len(), 2_500);
        } else {
            assert_eq!(shared(one, other), 2_500);
        }
        assert_eq!(values(log.drained()).len(), 2_500);
        assert_eq!(value(&log.append(count::remote(3_000))).unwrap(), 3_000);
        log.kill();
        assert_eq!(until_error(log.history()).1.kind(), ErrorKind::ActorDied);
        drop(log);
        all_clear(cpus);
    }
}

/// Reader, parser and aggregator on one CPU: each waits for the next, and nobody keeps the CPU.
#[test]
fn a_chain_of_streams_flows_on_one_cpu() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let chain = sum::remote(doubled::remote(doubled::remote(count::remote(5_000))));
        assert_eq!(value(&chain).unwrap(), 4 * 4_999 * 2_500);
        assert_eq!(value(&async_sum::remote(ticks::remote(3_000))).unwrap(), 2_999 * 1_500);
        drop(chain);
        all_clear(cpus);
    }
}

/// Only one future runs at a time; each side of a stream makes room for the other.
#[test]
fn both_ends_may_be_futures_where_only_one_runs() {
    let node = Config::new().num_cpus(1).async_tasks_max(1).start().unwrap();
    let _here = node.enter();
    let sums: Vec<_> = (0..4).map(|_| async_sum::remote(ticks::remote(1_500))).collect();
    sums.iter().for_each(|sum| assert_eq!(value(sum).unwrap(), 1_499 * 750));
    drop(sums);
    all_clear(1);
}

#[test]
fn clones_share_the_items() {
    let node = node(2);
    let _here = node.enter();
    let stream = count::remote(10_000);
    let sums: Vec<_> = (0..3).map(|_| sum::remote(&stream)).collect();
    let mine: u64 = values(stream).iter().sum();
    let theirs: u64 = raykit::get(&sums).unwrap().iter().sum();
    assert_eq!(mine + theirs, 9_999 * 5_000);
    drop(sums);
    all_clear(2);
}

#[test]
fn a_stream_is_an_object() {
    let node = node(2);
    let _here = node.enter();
    let stored = raykit::put(vec![count::remote(3), count::remote(4)]).unwrap();
    let stored = raykit::put((stored.view().is_ok(), stored)).unwrap();
    let (viewed, inner) = stored.get().unwrap();
    let streams = inner.get().unwrap();
    assert!(viewed && format!("{:?}", streams[0]).starts_with("ObjectStream<u64>(t"));
    drop((stored, inner));
    assert_eq!(streams.into_iter().map(|stream| values(stream).len()).sum::<usize>(), 7);
    assert_eq!(values(value(&opens::remote(5)).unwrap()).len(), 5);
    all_clear(2);
}

#[remote]
fn opens(n: u64) -> ObjectStream<u64> {
    count::remote(n)
}

static ATTEMPTS: AtomicUsize = AtomicUsize::new(0);

#[remote(max_retries = 5, retry_on = all)]
fn flaky(first: usize) -> impl Iterator<Item = Result<u64, String>> {
    (0..3).map(move |item| match ATTEMPTS.fetch_add(1, Ordering::SeqCst) >= first {
        true if item == 2 => Err("late".into()),
        true => Ok(item),
        false => Err("early".into()),
    })
}

/// Before its first item a stream may be tried again, after it never.
#[test]
fn a_stream_is_tried_again_only_before_its_first_item() {
    let node = node(2);
    let _here = node.enter();
    let (good, error) = until_error(flaky::remote(2));
    assert_eq!((good, ATTEMPTS.load(Ordering::SeqCst)), (vec![0, 1], 5));
    assert!(error.to_string().contains("late"), "{error}");
    let once = flaky::options().retry_on(RetryOn::Nothing);
    assert!(until_error(once.remote(usize::MAX)).1.to_string().contains("early"));
    drop(error);
    all_clear(2);
}

static OWN: Mutex<Option<ObjectRef<u64>>> = Mutex::new(None);

/// Gives one item, then waits for who reads it.
#[remote]
fn waits_for_reader() -> impl Iterator<Item = raykit::Result<u64>> {
    let reader = || OWN.lock().unwrap().clone().unwrap().get();
    std::iter::once(Ok(7)).chain(std::iter::once_with(reader))
}

#[remote]
fn reader(gate: u64) -> raykit::Result<u64> {
    pass(gate);
    waits_for_reader::remote().map(|item| item.get()).sum()
}

#[test]
fn a_circle_through_a_stream_is_a_deadlock() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let gate = Gate::new();
        let reader = reader::remote(gate.id);
        *OWN.lock().unwrap() = Some(reader.clone());
        gate.open();
        let error = value(&reader).unwrap_err();
        assert!(error.to_string().contains("a wait that can never end"), "{error}");
        *OWN.lock().unwrap() = None;
        drop((reader, error));
        all_clear(cpus);
    }
}

/// A closing node ends its streams, paused ones and waiting consumers included.
#[test]
fn a_closed_node_ends_its_streams() {
    let node = node(2);
    let here = node.enter();
    let gate = Gate::new();
    let paused = noted::remote(gate.id, 100);
    eventually("four items", || gate.notes().len() == 4);
    let began = Instant::now();
    drop(here);
    node.shutdown().unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let (good, error) = until_error(paused);
    assert_eq!((good.len(), error.kind()), (4, ErrorKind::ShutDown));
}
