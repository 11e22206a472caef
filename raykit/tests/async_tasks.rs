//! `async` tasks, and references awaited on runtimes of the user's own.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

mod common;

use common::{Gate, all_clear, arrive, error, eventually, node, note, pass, ready, value};
use futures_util::future::{join, join_all, select};
use raykit::prelude::*;
use raykit::{Config, ErrorKind, Ready, RetryOn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

#[remote]
fn square(x: i64) -> i64 {
    x * x
}

#[remote]
fn held(gate: u64, x: i64) -> i64 {
    pass(gate);
    x
}

#[remote]
fn fails(x: i64) -> Result<i64, String> {
    Err(format!("{x} fails"))
}

#[remote]
async fn blocking_get(x: i64, depth: u32) -> Result<i64, raykit::Error> {
    if depth == 0 {
        return square::remote(x).get();
    }
    tokio::task::yield_now().await;
    blocking_get::remote(x, depth - 1).get()
}

#[remote]
async fn awaits(x: i64, depth: u32) -> Result<i64, raykit::Error> {
    if depth == 0 {
        return square::remote(x).await;
    }
    tokio::task::yield_now().await;
    awaits::remote(x, depth - 1).await
}

/// S2, for futures
#[test]
fn nested_async_tasks_end_on_one_cpu() {
    let node = node(1);
    let _here = node.enter();
    assert_eq!(value(&awaits::remote(3, 500)).unwrap(), 9);
    assert_eq!(value(&blocking_get::remote(3, 20)).unwrap(), 9);
    let many: Vec<_> = (0..50).map(|x| blocking_get::remote(x, 1)).collect();
    assert_eq!(raykit::get(&many).unwrap()[7], 49);
    drop(many);
    all_clear(1);
}

#[remote]
async fn sleeps_and_connects(text: String) -> std::io::Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let before = Instant::now();
    tokio::time::sleep(millis(20)).await;
    assert!(before.elapsed() >= millis(20));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let echo = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let mut got = String::new();
        stream.read_to_string(&mut got).await?;
        // In a task of tokio's own the node is in force, too.
        let length = square::remote(got.len() as i64).await.map_err(std::io::Error::other)?;
        Ok::<_, std::io::Error>(format!("{got} {length}"))
    });
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await?;
    echo.await?
}

#[test]
fn libraries_find_their_reactor() {
    let node = node(1);
    let _here = node.enter();
    let answers: Vec<_> = ["a", "bb"].map(sleeps_and_connects::remote).into();
    assert_eq!(raykit::get(&answers).unwrap(), ["a 1", "bb 4"]);
}

static RUNNING: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Leaving;

impl Drop for Leaving {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    }
}

static OPEN: AtomicBool = AtomicBool::new(false);

#[remote]
async fn counted(x: i64) -> i64 {
    let now = RUNNING.fetch_add(1, Ordering::SeqCst) + 1;
    MOST.fetch_max(now, Ordering::SeqCst);
    let _leaving = Leaving;
    while !OPEN.load(Ordering::SeqCst) {
        tokio::time::sleep(millis(1)).await;
    }
    x
}

#[test]
fn so_many_run_at_once_and_no_more() {
    let node = Config::new().num_cpus(1).async_tasks_max(3).start().unwrap();
    let _here = node.enter();
    let refs = counted::map(vec![4; 20]);
    eventually("as many as may", || RUNNING.load(Ordering::SeqCst) == 3);
    // One that waits for its turn never runs when it is cancelled, one that runs makes room.
    assert!(refs[19].cancel() && refs[0].cancel());
    OPEN.store(true, Ordering::SeqCst);
    for reference in &refs[1..19] {
        assert_eq!(value(reference).unwrap(), 4);
    }
    assert_eq!(MOST.load(Ordering::SeqCst), 3);
    drop(refs);
    all_clear(1);
}

struct Noting(u64, i64);

impl Drop for Noting {
    fn drop(&mut self) {
        let wanted = raykit::context().task_name() == Some("never_ends");
        note(self.0, if wanted { self.1 } else { -1 });
    }
}

#[remote(max_retries = 5, retry_on = all)]
async fn never_ends(gate: u64) {
    let _noting = Noting(gate, 1);
    arrive(gate);
    std::future::pending::<()>().await;
}

/// C2: a future ends where it stands.
#[test]
fn cancelling_drops_the_future() {
    let node = node(1);
    let _here = node.enter();
    for timeout in [false, true] {
        let gate = Gate::new();
        let options = never_ends::options();
        let options = if timeout { options.timeout(millis(20)) } else { options };
        let reference = options.remote(gate.id);
        gate.await_arrivals(1);
        if !timeout {
            assert!(reference.cancel());
        }
        let error = error(&reference);
        assert_eq!(error.is_timeout(), timeout);
        assert_eq!(error.is_cancelled(), !timeout);
        eventually("the future is dropped, in its task", || gate.notes() == [1]);
        drop(reference);
        all_clear(1);
        assert_eq!(gate.arrived(), 1, "tried again");
    }
}

#[remote]
async fn panics(after: u32) -> i64 {
    for _ in 0..after {
        tokio::task::yield_now().await;
    }
    assert!(raykit::context().attempt() > 0, "first time");
    5
}

#[test]
fn panics_and_retries_of_futures() {
    let node = node(1);
    let _here = node.enter();
    for after in [0, 1, 10] {
        let error = error(&panics::remote(after));
        assert!(error.is_panic() && error.to_string().contains("first time"), "{error}");
        assert!(error.to_string().contains("async_tasks.rs"), "{error}");
        let again = panics::options().retry_on(RetryOn::All).remote(after);
        assert_eq!(value(&again).unwrap(), 5);
    }
    all_clear(1);
}

#[remote]
async fn context_across_awaits(x: i64) -> Result<bool, raykit::Error> {
    let before = raykit::context().task_id();
    let mut same = before.is_some();
    for _ in 0..5 {
        tokio::task::yield_now().await;
        square::remote(x).await?;
        tokio::time::sleep(millis(1)).await;
        same &= raykit::context().task_id() == before;
    }
    Ok(same)
}

#[test]
fn the_context_follows_each_poll() {
    let node = node(2);
    let _here = node.enter();
    let refs = context_across_awaits::map(0..40);
    assert!(raykit::get(&refs).unwrap().into_iter().all(|same| same));
    assert!(raykit::context().task_id().is_none());
}

/// References awaited by themselves, together, in turn, given up, and with a limit.
async fn await_in_many_ways(gate: &Gate) -> raykit::Result<()> {
    assert_eq!(square::remote(3).await?, 9);
    let stored = raykit::put(7)?;
    assert_eq!((&stored).await?, 7);
    let all = join_all(square::map(0..100).into_iter().map(IntoFuture::into_future)).await;
    assert_eq!(all.into_iter().sum::<raykit::Result<i64>>()?, 328_350);
    assert!(fails::remote(1).await.unwrap_err().is_task_error());
    assert!(awaits::remote(2, 3).await? == 4);

    let late = held::remote(gate.id, 1);
    // Given up half-way, while another future of the same reference goes on in the same task.
    let other = pin!(late.clone().into_future());
    let first = pin!(late.clone().into_future());
    let soon = pin!(tokio::time::sleep(millis(5)));
    let both = async {
        select(first, soon).await;
        let Ready { done, pending, .. } =
            raykit::wait([late.clone(), stored.clone()]).at_least(2).timeout(millis(5)).await?;
        assert_eq!((done.len(), pending.len()), (1, 1));
        gate.open();
        Ok::<_, raykit::Error>(())
    };
    let (found, ended) = join(other, both).await;
    ended?;
    assert_eq!(found?, 1);
    let Ready { done, .. } = raykit::wait([late, stored]).at_least(2).await?;
    assert_eq!(done.len(), 2);
    Ok(())
}

fn runtime(multi: bool) -> tokio::runtime::Runtime {
    let mut builder = match multi {
        true => tokio::runtime::Builder::new_multi_thread(),
        false => tokio::runtime::Builder::new_current_thread(),
    };
    builder.worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn references_are_awaited_on_any_runtime() {
    for multi in [false, true] {
        let node = node(1);
        let _here = node.enter();
        let gate = Gate::new();
        runtime(multi).block_on(async {
            let limit = tokio::time::timeout(common::PATIENCE, await_in_many_ways(&gate)).await;
            limit.expect("a wake-up was lost").unwrap();
            // Blocking there blocks the thread, as any call would.
            assert_eq!(square::remote(2).get().unwrap(), 4);
        });
        all_clear(1);
    }
}

#[remote]
async fn awaits_in_many_ways(key: u64) -> Result<(), raykit::Error> {
    // The gate of the test is not here; one of the task's own does as well.
    let gate = Gate::new();
    let done = await_in_many_ways(&gate).await;
    note(key, 1);
    done
}

#[test]
fn references_are_awaited_in_tasks() {
    let node = node(1);
    let _here = node.enter();
    let log = Gate::new();
    value(&awaits_in_many_ways::remote(log.id)).unwrap();
    assert_eq!(log.notes(), [1]);
    all_clear(1);
}

#[remote]
fn runs_own_runtime(multi: bool, x: i64) -> Result<i64, raykit::Error> {
    runtime(multi).block_on(async { square::remote(x).await })
}

/// A function that blocks on a runtime of its own waits as one that calls `get`.
#[test]
fn a_task_may_block_on_a_runtime_of_its_own() {
    let node = node(2);
    let _here = node.enter();
    for multi in [false, true] {
        assert_eq!(value(&runs_own_runtime::remote(multi, 5)).unwrap(), 25);
    }
}

static OWN: std::sync::Mutex<Vec<ObjectRef<i64>>> = std::sync::Mutex::new(Vec::new());

#[remote]
async fn awaits_itself(gate: u64, how: u8) -> Result<i64, raykit::Error> {
    // Blocks a thread of the runtime for as long as the test needs to leave the reference.
    tokio::task::block_in_place(|| pass(gate));
    let own = OWN.lock().expect("no panic inside")[usize::from(how)].clone();
    match how {
        0 => own.await,
        1 => own.get(),
        2 => Ok(raykit::wait([own]).await?.done.len() as i64),
        _ => square::remote(own).await,
    }
}

#[test]
fn an_async_task_that_waits_for_itself_is_told() {
    let node = node(1);
    let _here = node.enter();
    for how in 0..4 {
        let gate = Gate::new();
        let own = awaits_itself::remote(gate.id, how);
        OWN.lock().unwrap().push(own.clone());
        gate.open();
        let error = error(&own);
        assert!(error.to_string().contains("can never end"), "{how}: {error}");
        assert!(error.to_string().contains("`awaits_itself`"), "{how}: {error}");
    }
    OWN.lock().unwrap().clear();
    all_clear(1);
}

/// Closing drops futures at their next await, also when the node is dropped inside a runtime.
#[test]
fn a_node_may_be_dropped_inside_a_runtime() {
    for multi in [false, true] {
        runtime(multi).block_on(async {
            let node = node(1);
            let gate = Gate::new();
            let (running, never) = {
                let _here = node.enter();
                (square::remote(2), never_ends::remote(gate.id))
            };
            gate.await_arrivals(1);
            assert_eq!(running.await.unwrap(), 4);
            drop(node);
            ready(&never);
            assert_eq!(never.get().unwrap_err().kind(), ErrorKind::ShutDown);
            assert_eq!(gate.notes().len(), 1);
        });
    }
}

#[remote(num_cpus = 1)]
async fn keeps_its_cpu(x: i64) -> Result<i64, raykit::Error> {
    square::remote(x).await
}

#[remote]
fn polls(x: i64) -> Result<i64, raykit::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async { square::remote(x).await })
}

#[test]
fn a_future_that_keeps_the_only_cpu_from_what_it_awaits_is_told() {
    let node = node(1);
    let _here = node.enter();
    for error in [error(&keeps_its_cpu::remote(3)), error(&polls::remote(3))] {
        assert!(error.to_string().contains("asks for num_cpus = 1 and can get 0"), "{error}");
    }
    assert_eq!(value(&square::remote(2)).unwrap(), 4);
    all_clear(1);
    drop(_here);
    let node = common::node(2);
    let _here = node.enter();
    assert_eq!(value(&keeps_its_cpu::remote(3)).unwrap(), 9);
    assert_eq!(value(&polls::remote(3)).unwrap(), 9);
}

#[test]
fn futures_that_wait_for_futures_do_not_use_up_the_limit() {
    let node = Config::new().num_cpus(1).async_tasks_max(2).start().unwrap();
    let _here = node.enter();
    assert_eq!(value(&awaits::remote(3, 20)).unwrap(), 9);
    all_clear(1);
}
