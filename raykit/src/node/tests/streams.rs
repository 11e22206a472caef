//! Handles of streams that go to other nodes.

use super::*;
use crate::ObjectStream;

/// How far the last stream of each test has got.
static GIVEN: [AtomicU32; 3] = [const { AtomicU32::new(0) }; 3];

#[raykit::remote]
fn count(n: u32) -> impl Iterator<Item = u32> {
    0..n
}

#[raykit::remote]
fn breaks(n: u32) -> impl Iterator<Item = Result<u32, String>> {
    (0..n).map(Ok).chain([Err("no more".to_owned())])
}

#[raykit::remote(backpressure = 30)]
fn for_ever(test: usize) -> impl Iterator<Item = u32> {
    (0..).inspect(move |at| GIVEN[test].store(*at, Relaxed))
}

/// All that a stream gives, and which node has read it.
#[raykit::remote]
fn reads(mut stream: ObjectStream<u32>) -> Result<(Vec<u32>, u32), crate::Error> {
    let items: Result<Vec<u32>, crate::Error> = stream.by_ref().map(|item| item.get()).collect();
    Ok((items?, current::node().expect("a node").id.0))
}

#[raykit::remote]
async fn reads_async(mut stream: ObjectStream<u32>) -> Result<u32, crate::Error> {
    let mut sum = 0;
    while let Some(item) = stream.next_async().await {
        sum += item.await?;
    }
    Ok(sum)
}

#[raykit::remote]
fn reads_some(stream: ObjectStream<u32>, n: usize) -> Result<Vec<u32>, crate::Error> {
    stream.take(n).map(|item| item.get()).collect()
}

/// What was read before the error, and that.
#[raykit::remote]
fn reads_to_the_error(stream: ObjectStream<u32>) -> (Vec<u32>, String) {
    let mut good = Vec::new();
    for item in stream {
        match item.get() {
            Ok(item) => good.push(item),
            Err(error) => return (good, error.to_string()),
        }
    }
    (good, "no error".to_owned())
}

/// Has another node read it.
#[raykit::remote]
fn passes_on(stream: ObjectStream<u32>, to: u32) -> ObjectRef<(Vec<u32>, u32)> {
    let to = crate::Strategy::Node { node: NodeId(to), soft: false };
    reads::options().strategy(to).remote(stream)
}

/// G: a stream is read where its handle is, item by item and to its end, whichever node it runs on.
#[test]
fn a_stream_is_read_on_another_node() {
    let mut world = World::new();
    let (head, other, third) = (world.join(1), world.join(1), world.join(1));
    here(&head, || {
        let all: Vec<u32> = (0..10_000).collect();
        for runs in [&head, &other, &third] {
            let stream = count::options().strategy(at(runs)).remote(10_000);
            let read = reads::options().strategy(at(&other)).remote(stream);
            assert_eq!(read.get().unwrap(), (all.clone(), other.node.id.0));
            let stream = count::options().strategy(at(runs)).remote(1_000);
            let read = reads_async::options().strategy(at(&third)).remote(stream);
            assert_eq!(read.get().unwrap(), 499_500);
        }
        // Passed on before it was read, and after some of it was.
        let read = passes_on::options().strategy(at(&other));
        let read = read.remote(count::remote(10_000), third.node.id.0).get().unwrap();
        assert_eq!(read.get().unwrap(), (all.clone(), third.node.id.0));
        let mut stream = count::remote(10_000);
        let first = stream.next().unwrap().get().unwrap();
        let rest = reads::options().strategy(at(&other)).remote(stream).get().unwrap().0;
        assert_eq!((first, &rest[..]), (0, &all[1..]));
    });
    nothing_left(&[&head, &other, &third]);
}

#[test]
fn the_error_of_a_stream_comes_after_its_good_items_on_another_node() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    here(&head, || {
        let read = reads_to_the_error::options().strategy(at(&other)).remote(breaks::remote(100));
        let (good, error) = read.get().unwrap();
        assert_eq!(good, (0..100).collect::<Vec<_>>());
        assert!(error.contains("no more"), "{error}");
    });
    nothing_left(&[&head, &other]);
}

/// Who reads far away holds up the stream, and who stops ends it.
#[test]
fn a_stream_ends_with_its_reader_on_another_node() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    here(&head, || {
        let read = reads_some::options().strategy(at(&other)).remote(for_ever::remote(0), 100);
        assert_eq!(read.get().unwrap(), (0..100).collect::<Vec<_>>());
        until("the stream has ended", || crate::stats().unwrap().cpus_free == 1.0);
        let given = GIVEN[0].load(Relaxed);
        // What was read, the stream's own brake, and what may be on the way and in line there.
        assert!((99..100 + 30 + 700).contains(&given), "{given}");
        // Nobody has ever read it.
        let read = reads_some::options().strategy(at(&other)).remote(for_ever::remote(0), 0);
        assert!(read.get().unwrap().is_empty());
        until("the stream has ended", || crate::stats().unwrap().cpus_free == 1.0);
    });
    nothing_left(&[&head, &other]);
}

static STALLED: AtomicU32 = AtomicU32::new(0);

/// One item, and then nothing until it is cancelled.
#[raykit::remote]
fn stalls() -> impl Iterator<Item = u32> {
    (0..2).inspect(|at| {
        while *at == 1 && !crate::context().is_cancelled() {
            STALLED.store(1, Relaxed);
            std::thread::yield_now();
        }
    })
}

/// A reader that stops ends a stream that gives nothing just then.
#[test]
fn a_stream_that_stalls_ends_with_its_reader() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    here(&head, || {
        let read = reads_some::options().strategy(at(&other)).remote(stalls::remote(), 1);
        assert_eq!(read.get().unwrap(), [0]);
        until("the stream has ended", || crate::stats().unwrap().cpus_free == 1.0);
        assert_eq!(STALLED.load(Relaxed), 1);
    });
    nothing_left(&[&head, &other]);
}

/// The items up to the end that a reader far away makes of a stream, with its error.
#[raykit::remote]
fn cancels(mut stream: ObjectStream<u32>) -> (bool, String) {
    assert_eq!(stream.next().expect("an item").get().expect("a value"), 0);
    let cancelled = stream.cancel();
    let last = stream.last().expect("the error");
    (cancelled, last.get().expect_err("it was cancelled").to_string())
}

/// What is cancelled far away ends where it runs, whoever else has a handle.
#[test]
fn a_stream_is_cancelled_from_another_node() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    here(&head, || {
        let stream = for_ever::remote(2);
        let asked = cancels::options().strategy(at(&other)).remote(&stream);
        let (cancelled, error) = asked.get().unwrap();
        assert!(cancelled && error.contains("cancelled"), "{error}");
        until("the stream has ended", || crate::stats().unwrap().cpus_free == 1.0);
        drop(stream);
    });
    nothing_left(&[&head, &other]);
}

/// A reader that dies ends the stream, and who reads the stream of a node that dies is told.
#[test]
fn a_stream_does_not_outlive_its_nodes() {
    let mut world = World::new();
    let (head, mut other, mut third) = (world.join(1), world.join(1), world.join(1));
    here(&head, || {
        let read = reads::options().max_retries(0).strategy(at(&other)).remote(for_ever::remote(1));
        until("it is read", || GIVEN[1].load(Relaxed) > 200);
        other.vanish();
        assert_eq!(read.get().unwrap_err().kind(), ErrorKind::NodeDied);
        until("the stream has ended", || crate::stats().unwrap().cpus_free == 1.0);
    });
    let read = here(&third, || {
        let to_head = reads_to_the_error::options().strategy(at(&head));
        GIVEN[1].store(0, Relaxed);
        to_head.remote(for_ever::options().strategy(at(&third)).remote(1))
    });
    until("it is read", || GIVEN[1].load(Relaxed) > 200);
    third.vanish();
    drop(read);
    nothing_left(&[&head]);
}
