//! Tasks: calls, arguments, results, errors, retries, nesting.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

mod common;

use common::{Gate, all_clear, error, eventually, node, note, now_us, pass, value};
use raykit::prelude::*;
use raykit::{ErrorKind, RemoteFunction, RetryOn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

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
    all_clear(1);
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

#[remote]
fn sum(xs: &[f64], scale: &f64, name: &str) -> String {
    format!("{name} {}", xs.iter().sum::<f64>() * scale)
}

#[remote]
fn in_place(xs: View<Vec<f64>>, text: View<String>) -> f64 {
    xs.iter().map(|x| x.to_native()).sum::<f64>() + text.len() as f64
}

#[remote]
fn by_value(mut xs: Vec<u8>, (a, b): (i64, Option<String>), on: bool) -> (Vec<u8>, i64, bool) {
    xs.push(b.map_or(0, |b| b.len() as u8));
    (xs, a, on)
}

#[test]
fn arguments_in_every_form() {
    let node = node(2);
    let _here = node.enter();
    let numbers = raykit::put(vec![1.0, 2.0]).unwrap();
    let name = raykit::put("sum".to_owned()).unwrap();
    let answers = [
        sum::remote(vec![1.0, 2.0], 2.0, "sum"),
        sum::remote(&numbers, &2.0, &name),
        sum::remote([1.0, 2.0], Arc::new(2.0), "sum".to_owned()),
        sum::remote(&[1.0, 2.0], raykit::put(2.0).unwrap(), name.clone()),
        sum::remote(&[1.0, 2.0][..], 2.0, Arc::new("sum".to_owned())),
        sum::remote(&vec![1.0, 2.0], 2.0, &"sum".to_owned()),
    ];
    for answer in answers {
        assert_eq!(value(&answer).unwrap(), "sum 6");
    }
    assert_eq!(value(&in_place::remote(&numbers, "abc")).unwrap(), 6.0);
    assert_eq!(value(&in_place::remote(numbers.get().unwrap(), &name)).unwrap(), 6.0);
    let got = value(&by_value::remote([1], (7, Some("ab".to_owned())), true)).unwrap();
    assert_eq!(got, (vec![1, 2], 7, true));
    assert_eq!(numbers.get().unwrap(), [1.0, 2.0], "objects never change");
}

#[remote(num_returns = 3)]
fn split(text: &str) -> Result<(String, usize, Vec<char>), String> {
    if text.is_empty() {
        return Err("nothing to split".to_owned());
    }
    Ok((text.to_uppercase(), text.len(), text.chars().collect()))
}

#[test]
fn several_results_are_as_many_references() {
    let node = node(2);
    let _here = node.enter();
    let (upper, len, chars) = split::remote("ab");
    let (upper, len, chars) = raykit::get((&upper, &len, &chars)).unwrap();
    assert_eq!((upper.as_str(), len, chars), ("AB", 2, vec!['a', 'b']));
    let (upper, len, chars) = split::remote("");
    assert_eq!(error(&upper).message(), "nothing to split");
    assert_eq!(error(&len).message(), "nothing to split");
    assert_eq!(error(&chars).message(), "nothing to split");
    assert!(len != split::remote("ab").1);
}

#[remote(name = "own name", max_retries = 2)]
fn whoami() -> (Option<String>, u32, bool) {
    let context = raykit::context();
    assert!(context.task_id().is_some() && context.node_id().is_some());
    (context.task_name().map(str::to_owned), context.attempt(), context.is_cancelled())
}

#[test]
fn a_task_knows_its_name_and_place() {
    let node = node(1);
    let _here = node.enter();
    assert_eq!(value(&whoami::remote()).unwrap(), (Some("own name".to_owned()), 0, false));
    let called = whoami::options().name("once").remote();
    assert_eq!(value(&called).unwrap().0.as_deref(), Some("once"));
    let outside = raykit::context();
    assert_eq!((outside.task_id(), outside.node_id()), (None, Some(node.id())));
}

/// T17
#[test]
fn an_unknown_function_is_an_error_that_says_what_to_write() {
    let error = raykit::function("some_crate@0::nope").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownFunction);
    assert!(error.to_string().contains("some_crate@0::nope"), "{error}");
    assert!(error.to_string().contains("use some_crate as _;"), "{error}");
    let function = <square as RemoteFunction>::function();
    assert_eq!(raykit::function(&function.key()).unwrap().name(), "square");
    assert_eq!(function.signature(), "fn square(x: i64) -> i64");
    assert!(raykit::functions().iter().any(|other| other.key() == function.key()));
}

#[remote]
fn counted(log: u64, fail_below: u32) -> Result<u32, String> {
    let attempt = raykit::context().attempt();
    note(log, now_us());
    if attempt < fail_below { Err(format!("attempt {attempt}")) } else { Ok(attempt) }
}

/// The pauses before attempt 1, 2, .. are at least half of 2, 4, .. ms.
fn check_pauses(times: &[i64]) {
    for (attempt, pair) in times.windows(2).enumerate() {
        let pause_us = pair[1] - pair[0];
        assert!(pause_us >= 1000 << attempt, "pause {attempt} is {pause_us} us, of {times:?}");
    }
}

/// T20
#[test]
fn pauses_between_attempts_grow_and_differ() {
    let node = node(2);
    let _here = node.enter();
    let logs: Vec<Gate> = (0..16).map(|_| Gate::new()).collect();
    let call =
        |log: &Gate| counted::options().max_retries(6).retry_on(RetryOn::All).remote(log.id, 6);
    let refs: Vec<_> = logs.iter().map(call).collect();
    let mut last_pauses = Vec::new();
    for (reference, log) in refs.iter().zip(&logs) {
        assert_eq!(value(reference).unwrap(), 6);
        let times = log.notes();
        assert_eq!(times.len(), 7);
        check_pauses(&times);
        last_pauses.push(times[6] - times[5]);
    }
    let spread = last_pauses.iter().max().unwrap() - last_pauses.iter().min().unwrap();
    assert!(spread > 1_000, "tasks that failed together come back together: {last_pauses:?}");
    drop(refs);
    all_clear(2);
}

#[remote]
fn gets_first(refs: Vec<ObjectRef<u32>>) -> Result<u32, raykit::Error> {
    refs[0].get()
}

/// T20: callers that would run the task on their own threads keep to the pauses.
#[test]
fn waiting_callers_do_not_shorten_the_pauses() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let log = Gate::new();
        let counted = counted::options().max_retries(6).retry_on(RetryOn::All).remote(log.id, 6);
        let callers = gets_first::map(vec![vec![counted]; 20]);
        for caller in &callers {
            assert_eq!(value(caller).unwrap(), 6);
        }
        assert_eq!(log.notes().len(), 7);
        check_pauses(&log.notes());
        drop(callers);
        all_clear(cpus);
    }
}

fn is_even(error: &raykit::Error) -> bool {
    error.message().ends_with(['0', '2', '4', '6', '8'])
}

#[remote(max_retries = 10, retry_on = is_even)]
fn retried_when_even(log: u64, stop: u32, failures: Vec<u32>) -> Result<u32, String> {
    let attempt = raykit::context().attempt();
    note(log, i64::from(attempt));
    match failures.get(attempt as usize) {
        Some(&u32::MAX) => panic!("number 0"),
        Some(number) => Err(format!("number {number}")),
        None => Ok(stop),
    }
}

/// T5
#[test]
fn a_function_says_what_is_tried_again() {
    let node = node(2);
    let _here = node.enter();
    for (failures, attempts, outcome) in [
        (vec![], 1, Ok(5)),
        (vec![2, 4, 6], 4, Ok(5)),
        (vec![2, 3, 4], 2, Err((ErrorKind::Task, "number 3"))),
        (vec![1], 1, Err((ErrorKind::Task, "number 1"))),
        (vec![2; 20], 11, Err((ErrorKind::Task, "number 2"))),
        // Panics are not asked about.
        (vec![2, u32::MAX, 2], 2, Err((ErrorKind::Panic, "number 0"))),
    ] {
        let log = Gate::new();
        let reference = retried_when_even::options();
        let reference = match failures.len() {
            // The full budget of ten takes a few seconds of pauses; three show the same.
            20 => reference.max_retries(3).remote(log.id, 5, &failures),
            _ => reference.remote(log.id, 5, &failures),
        };
        let attempts = if failures.len() == 20 { 4 } else { attempts };
        match (value(&reference), outcome) {
            (Ok(found), Ok(wanted)) => assert_eq!(found, wanted),
            (Err(error), Err((kind, text))) => {
                assert_eq!(error.kind(), kind, "{error}");
                assert!(error.message().starts_with(text), "{error}");
            }
            (found, wanted) => panic!("{failures:?}: {found:?} instead of {wanted:?}"),
        }
        let wanted: Vec<i64> = (0..attempts).collect();
        assert_eq!(log.notes(), wanted, "{failures:?}");
    }
}

#[remote]
fn panics_twice(log: u64) -> u32 {
    let attempt = raykit::context().attempt();
    note(log, i64::from(attempt));
    assert!(attempt >= 2, "not yet");
    attempt
}

/// T5
#[test]
fn panics_are_tried_again_under_all_only() {
    let node = node(1);
    let _here = node.enter();
    for (which, max, attempts) in [
        (RetryOn::Nothing, 3, 1),
        (RetryOn::When(|_| true), 3, 1),
        (RetryOn::All, 3, 3),
        (RetryOn::All, 1, 2),
        (RetryOn::All, 0, 1),
    ] {
        let log = Gate::new();
        let reference = panics_twice::options().retry_on(which).max_retries(max).remote(log.id);
        let outcome = value(&reference);
        assert_eq!(outcome.is_ok(), attempts == 3, "{which:?} {max}: {outcome:?}");
        assert_eq!(log.notes().len(), attempts, "{which:?} {max}");
    }
}

#[remote(max_retries = 3, retry_on = all)]
fn needs_arguments(mut xs: Vec<u64>, text: String, log: u64) -> Result<u64, String> {
    note(log, xs.len() as i64 + text.len() as i64);
    xs.push(1);
    if raykit::context().attempt() < 2 { Err(text) } else { Ok(xs.iter().sum()) }
}

/// T5, R17
#[test]
fn arguments_are_kept_for_a_further_attempt() {
    let node = node(1);
    let _here = node.enter();
    let log = Gate::new();
    let result = {
        let stored = raykit::put(vec![10_u64; 100]).unwrap();
        needs_arguments::remote(stored, "text", log.id)
    };
    assert_eq!(value(&result).unwrap(), 1001);
    assert_eq!(log.notes(), [104, 104, 104], "each attempt finds them as they were");
    drop(result);
    all_clear(1);
}

#[remote(max_retries = 2, retry_on = all)]
fn grows(wanted: usize) -> Result<Vec<u8>, String> {
    match raykit::context().attempt() {
        0 => Err("small".into()),
        1 => Err("x".repeat(1 << 20)),
        _ => Ok(vec![7; wanted]),
    }
}

#[remote]
fn length(bytes: &[u8]) -> usize {
    bytes.len()
}

/// T14
#[test]
fn a_retry_may_return_a_value_of_another_size() {
    let node = node(2);
    let _here = node.enter();
    for wanted in [0, 1, 4 << 20] {
        let bytes = grows::remote(wanted);
        let dependants: Vec<_> = (0..4).map(|_| length::remote(&bytes)).collect();
        for dependant in &dependants {
            assert_eq!(value(dependant).unwrap(), wanted);
        }
    }
    all_clear(2);
}

#[remote]
fn waits_at(gate: u64, result: i64) -> i64 {
    pass(gate);
    result
}

#[remote]
fn until_cancelled(gate: u64) -> i64 {
    note(gate, 1);
    eventually("to be cancelled", || raykit::context().is_cancelled());
    note(gate, 2);
    3
}

/// C7, C9
#[test]
fn a_timeout_of_a_task_ends_it_where_it_stands() {
    let node = node(1);
    let _here = node.enter();
    // Running: the function sees it, and no attempt follows.
    let running = Gate::new();
    let options = until_cancelled::options().timeout(millis(20)).retry_on(RetryOn::All);
    let late = options.remote(running.id);
    let found = error(&late);
    assert!(found.is_timeout(), "{found}");
    assert!(found.to_string().contains("`until_cancelled`"), "{found}");
    eventually("the function ends", || running.notes() == [1, 2]);
    assert!(late.get().unwrap_err().is_timeout(), "what it returned later is not wanted");

    // Queued, and waiting for an argument: never begun.
    let gate = Gate::new();
    let blocker = waits_at::remote(gate.id, 1);
    gate.await_arrivals(1);
    let log = Gate::new();
    let queued = until_cancelled::options().timeout(millis(5)).remote(log.id);
    let waiting = add::options().timeout(millis(5)).remote(&blocker, 1);
    assert!(error(&queued).is_timeout());
    assert!(error(&waiting).is_timeout());
    gate.open();
    assert_eq!(value(&blocker).unwrap(), 1);
    // In time: nothing happens.
    let soon = square::options().timeout(secs(600)).remote(4);
    assert_eq!(value(&soon).unwrap(), 16);
    drop((late, blocker, queued, waiting, soon));
    all_clear(1);
    assert!(log.notes().is_empty(), "it ran all the same");
    assert_eq!(running.notes(), [1, 2], "there was another attempt");
}

#[remote]
fn sums_of_pairs(xs: Vec<ObjectRef<i64>>) -> Result<i64, raykit::Error> {
    let pairs: Vec<_> = xs.chunks(2).map(|pair| add::remote(&pair[0], &pair[1])).collect();
    Ok(raykit::get(&pairs)?.into_iter().sum())
}

#[test]
fn tasks_wait_for_all_of_their_arguments() {
    let node = node(2);
    let _here = node.enter();
    let gates = [Gate::new(), Gate::new()];
    let (a, b) = (waits_at::remote(gates[0].id, 3), waits_at::remote(gates[1].id, 4));
    let both = add::remote(&a, &b);
    let same = add::remote(&a, &a);
    let pairs = sums_of_pairs::remote(vec![a.clone(), b.clone(), both.clone(), same.clone()]);
    gates.iter().for_each(|gate| gate.await_arrivals(1));
    assert!(!both.is_ready() && !same.is_ready() && !pairs.is_ready());
    gates[0].open();
    assert_eq!(value(&same).unwrap(), 6);
    assert!(!both.is_ready());
    gates[1].open();
    assert_eq!(value(&both).unwrap(), 7);
    assert_eq!(value(&pairs).unwrap(), 3 + 4 + 7 + 6);
}
