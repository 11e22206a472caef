//! Tasks: calls, arguments, results, errors, retries, nesting.

use raykit::prelude::*;
use raykit::{Config, ErrorKind, Node, RetryOn};
use std::sync::atomic::{AtomicU32, Ordering};

fn node(cpus: usize) -> Node {
    Config::new().num_cpus(cpus).start().expect("a node starts")
}

#[remote]
fn square(x: i64) -> i64 {
    x * x
}

#[remote]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[test]
fn a_call_returns_a_reference_and_the_value_follows() {
    let node = node(2);
    let _here = node.enter();
    assert_eq!(square(3), 9, "the function itself is still there");
    let nine = square::remote(3);
    assert_eq!(nine.get().unwrap(), 9);
    assert_eq!(square::remote(&nine).get().unwrap(), 81);
    assert_eq!(add::remote(nine, 1).get().unwrap(), 10);
    assert_eq!(raykit::get(&square::map(0..5)).unwrap(), [0, 1, 4, 9, 16]);
    assert_eq!(raykit::get(&add::map([(1, 2), (3, 4)])).unwrap(), [3, 7]);
}

#[remote]
fn depth(n: u32) -> Result<u32, raykit::Error> {
    if n == 0 { Ok(0) } else { Ok(1 + depth::remote(n - 1).get()?) }
}

/// S2
#[test]
fn ten_thousand_nested_gets_on_one_cpu() {
    let node = node(1);
    let _here = node.enter();
    assert_eq!(depth::remote(10_000).get().unwrap(), 10_000);
}

#[remote]
fn tree(depth: u32, width: u32) -> Result<u64, raykit::Error> {
    if depth == 0 {
        return Ok(1);
    }
    let children: Vec<_> = (0..width).map(|_| tree::remote(depth - 1, width)).collect();
    Ok(1 + raykit::get(&children)?.iter().sum::<u64>())
}

#[test]
fn a_tree_of_eleven_thousand_tasks() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        assert_eq!(tree::remote(4, 10).get().unwrap(), 11_111);
    }
}

#[remote(max_retries = 3)]
fn flaky(counter: u32) -> Result<u32, String> {
    static TRIES: [AtomicU32; 4] = [const { AtomicU32::new(0) }; 4];
    let tries = TRIES[counter as usize].fetch_add(1, Ordering::SeqCst);
    if tries < 3 { Err(format!("try {tries}")) } else { Ok(raykit::context().attempt()) }
}

/// T4, T5
#[test]
fn errors_are_tried_again_only_where_asked() {
    let node = node(2);
    let _here = node.enter();
    let error = flaky::remote(0).get().unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Task, "try 0"));
    assert_eq!(flaky::options().retry_on(RetryOn::All).remote(1).get().unwrap(), 3);
    let error = flaky::options().retry_on(RetryOn::All).max_retries(1).remote(2).get().unwrap_err();
    assert_eq!(error.message(), "try 1");
}

#[remote]
fn panics(text: &str) -> i64 {
    panic!("{text}")
}

/// T4, T15
#[test]
fn a_panic_is_an_error_with_place_and_name_and_reaches_dependants() {
    let node = node(2);
    let _here = node.enter();
    let failed = panics::remote("oh no");
    let error = failed.get().unwrap_err();
    assert!(error.is_panic());
    assert!(
        error.to_string().contains("`panics`") && error.to_string().contains("oh no"),
        "{error}"
    );
    assert!(error.to_string().contains("tasks.rs"), "{error}");
    let dependant = square::remote(failed).get().unwrap_err();
    assert!(dependant.is_panic() && dependant.to_string().contains("`panics`"));
    assert_eq!(square::remote(2).get().unwrap(), 4, "the worker lives");
}

#[remote]
async fn later(x: i64) -> i64 {
    tokio::task::yield_now().await;
    square::remote(x).await.unwrap()
}

#[test]
fn async_tasks_run_and_await() {
    let node = node(1);
    let _here = node.enter();
    assert_eq!(raykit::get(&later::map(0..10)).unwrap().iter().sum::<i64>(), 285);
}
