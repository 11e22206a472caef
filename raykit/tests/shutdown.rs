//! The beginning and the end of a node: settings, guards, closing, and what is left afterwards.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

mod common;

use common::{Gate, error, eventually, note, pass, ready, value};
use raykit::prelude::*;
use raykit::{Config, ErrorKind, RetryOn};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Who starts the process's node holds this.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[remote]
fn square(x: i64) -> i64 {
    x * x
}

#[remote]
fn held(gate: u64, x: i64) -> i64 {
    pass(gate);
    x
}

#[remote(max_retries = 1_000, retry_on = all)]
fn never_works(log: u64) -> Result<i64, String> {
    note(log, 1);
    Err("again".into())
}

#[remote]
async fn pending(gate: u64) -> i64 {
    common::arrive(gate);
    std::future::pending().await
}

#[test]
fn init_again_with_equal_settings_is_another_guard() {
    let _alone = alone();
    let config = || Config::new().num_cpus(1).resource("disk", 2.0);
    let first = config().init().unwrap();
    let node = raykit::context().node_id().unwrap();
    let second = config().init().unwrap();
    assert_eq!(raykit::context().node_id(), Some(node));
    for other in [Config::new().num_cpus(2).resource("disk", 2.0), Config::new().num_cpus(1)] {
        let error = other.init().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
        assert!(error.to_string().contains("other settings"), "{error}");
    }
    drop(first);
    assert_eq!(value(&square::remote(2)).unwrap(), 4, "the second guard keeps it");
    // From a thread that has seen the node, and one that has not.
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(square::remote(3).get().unwrap(), 9)).join().unwrap();
    });
    second.shutdown().unwrap();
    assert_eq!(raykit::stats().unwrap_err().kind(), ErrorKind::NotRunning);
    let third = Config::new().num_cpus(2).init().unwrap();
    assert_ne!(raykit::context().node_id(), Some(node), "a node of its own");
    assert_eq!(value(&square::remote(5)).unwrap(), 25);
    third.shutdown().unwrap();
}

#[test]
fn without_a_node_calls_say_so() {
    let _alone = alone();
    let found = square::remote(2);
    assert!(found.is_ready());
    let error = found.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotRunning);
    assert!(error.to_string().contains("raykit::init()") && error.to_string().contains("`square`"));
    assert_eq!(raykit::put(1).unwrap_err().kind(), ErrorKind::NotRunning);
    assert_eq!(raykit::stats().unwrap_err().kind(), ErrorKind::NotRunning);
    assert!(!found.cancel());
    assert!(raykit::explain(&found).contains("has failed"));
}

#[test]
fn the_entered_node_comes_before_the_processs() {
    let _alone = alone();
    let process = Config::new().num_cpus(1).init().unwrap();
    let process_id = raykit::context().node_id();
    let (a, b) = (common::node(1), common::node(1));
    {
        let _a = a.enter();
        assert_eq!(raykit::context().node_id(), Some(a.id()));
        {
            let _b = b.enter();
            assert_eq!(value(&which::remote()).unwrap(), b.id().to_string());
        }
        assert_eq!(value(&which::remote()).unwrap(), a.id().to_string(), "and in its tasks");
    }
    assert_eq!(raykit::context().node_id(), process_id);
    // A reference of one node is an argument on another.
    let of_a = {
        let _a = a.enter();
        square::remote(3)
    };
    assert_eq!(value(&square::remote(&of_a)).unwrap(), 81);
    process.shutdown().unwrap();
}

#[remote]
fn gets_of_another(of: ObjectRef<String>) -> Result<String, raykit::Error> {
    of.get()
}

#[test]
fn references_of_one_node_are_waited_for_and_cancelled_on_another() {
    let (a, b) = (common::node(1), common::node(1));
    for elsewhere in [true, false] {
        let gate = Gate::new();
        let (blocker, unwanted, which) = {
            let _a = a.enter();
            let blocker = held::remote(gate.id, 1);
            gate.await_arrivals(1);
            (blocker, square::remote(2), which::remote())
        };
        let got = {
            let _b = b.enter();
            let got = gets_of_another::remote(which);
            assert!(!elsewhere || unwanted.cancel());
            got
        };
        // Here no node is in force.
        assert_eq!(unwanted.cancel(), !elsewhere);
        assert!(error(&unwanted).is_cancelled());
        gate.open();
        assert_eq!(value(&got).unwrap(), a.id().to_string(), "run by a thread of its own node");
        drop((blocker, unwanted, got));
        for node in [&a, &b] {
            let _here = node.enter();
            common::all_clear(1);
        }
    }
}

#[remote]
fn which() -> String {
    raykit::context().node_id().expect("tasks have a node").to_string()
}

#[test]
fn settings_without_a_meaning_are_errors() {
    for (config, name) in [
        (Config::new().num_cpus(0), "num_cpus"),
        (Config::new().num_cpus(1 << 20), "num_cpus"),
        (Config::new().threads_max(1), "threads_max"),
        (Config::new().max_pending(0), "max_pending"),
        (Config::new().async_tasks_max(0), "async_tasks_max"),
        (Config::new().num_gpus(-1.0), "num_gpus"),
        (Config::new().resource("disk", f64::NAN), "disk"),
    ] {
        let error = config.start().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(name), "{error}");
    }
}

/// Runs this program again, its test `in_a_child_process` alone, with these variables.
fn child(variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "in_a_child_process", "--nocapture", "--test-threads=1"]);
    for name in ["NUM_CPUS", "NUM_GPUS", "MEMORY", "MAX_PENDING", "THREADS_MAX", "GRACE_MS"] {
        command.env_remove(format!("RAYKIT_{name}"));
    }
    command.env("RAYKIT_TEST_CHILD", "1").envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// What `child` runs; by itself it has nothing to do.
#[test]
fn in_a_child_process() {
    if std::env::var_os("RAYKIT_TEST_CHILD").is_none() {
        return;
    }
    match raykit::init() {
        Err(error) => println!("error: {:?}: {error}", error.kind()),
        Ok(guard) => {
            let stats = raykit::stats().unwrap();
            let gate = Gate::new();
            gate.open();
            let name = "a \"name\"\n\\ \u{1}".to_owned();
            let refs = [square::remote(2), held::options().name(name).remote(gate.id, 5)];
            println!("values: {:?}", raykit::get(&refs).unwrap());
            assert!(value(&flaky::remote()).is_ok());
            println!(
                "cpus {} gpus {} memory {}",
                stats.cpus_free, stats.gpus_free, stats.memory_free
            );
            let stuck = std::env::var("STUCK").is_ok().then(|| {
                let stuck = Box::leak(Box::new(Gate::new()));
                let reference = held::options().name("stuck").remote(stuck.id, 1);
                stuck.await_arrivals(1);
                reference
            });
            println!("closed: {:?}", guard.shutdown());
            drop(stuck);
        }
    }
}

#[remote(max_retries = 2, retry_on = all)]
fn flaky() -> Result<(), String> {
    if raykit::context().attempt() < 2 { Err("not yet".into()) } else { Ok(()) }
}

#[test]
fn the_environment_sets_what_the_code_leaves_open() {
    let text = child(&[
        ("RAYKIT_NUM_CPUS", "3"),
        ("RAYKIT_NUM_GPUS", "1.5"),
        ("RAYKIT_MEMORY", "1000000"),
        ("RAYKIT_ALWAYS_ENCODE", "1"),
        ("RAYKIT_GRACE_MS", "100"),
    ]);
    assert!(text.contains("values: [4, 5]"), "{text}");
    assert!(text.contains("cpus 3 gpus 1.5 memory 1000000"), "{text}");
    assert!(text.contains("closed: Ok(())"), "{text}");
    // An empty one says nothing.
    assert!(child(&[("RAYKIT_NUM_CPUS", "")]).contains("values: [4, 5]"));
    for (name, bad) in [
        ("RAYKIT_NUM_CPUS", "many"),
        ("RAYKIT_NUM_CPUS", "-1"),
        ("RAYKIT_NUM_GPUS", "1,5"),
        ("RAYKIT_MEMORY", "2G"),
        ("RAYKIT_MAX_PENDING", "x"),
        ("RAYKIT_ASYNC_TASKS_MAX", "1.5"),
        ("RAYKIT_THREADS_MAX", " 7"),
        ("RAYKIT_GRACE_MS", "5s"),
        ("RAYKIT_ALWAYS_ENCODE", "yes please"),
    ] {
        let text = child(&[(name, bad)]);
        assert!(text.contains("error: Config"), "{name}={bad}: {text}");
        assert!(text.contains(name) && text.contains(bad), "{name}={bad}: {text}");
    }
    let text = child(&[("RAYKIT_GRACE_MS", "20"), ("STUCK", "1")]);
    assert!(text.contains("one task did not return") && text.contains("`stuck`"), "{text}");
}

/// Reads one JSON value and returns what is left. Panics where it is none.
fn json<'a>(text: &'a str, bars: &mut Vec<String>) -> &'a str {
    let text = text.trim_start();
    let mut chars = text.char_indices();
    match chars.next().expect("a value").1 {
        open @ ('{' | '[') => {
            let mut rest = text[1..].trim_start();
            let close = if open == '{' { '}' } else { ']' };
            if let Some(rest) = rest.strip_prefix(close) {
                return rest;
            }
            loop {
                if open == '{' {
                    assert!(rest.trim_start().starts_with('"'), "a key: {rest:.40}");
                    rest = json(rest, bars).trim_start().strip_prefix(':').expect("a colon");
                }
                rest = json(rest, bars).trim_start();
                match rest.strip_prefix(',') {
                    Some(next) => rest = next,
                    None => break,
                }
            }
            let rest = rest.strip_prefix(close).expect("an end");
            let whole = &text[..text.len() - rest.len()];
            if whole.starts_with("{\"ph\":\"X\"") {
                bars.push(whole.to_owned());
            }
            rest
        }
        '"' => {
            let mut escaped = false;
            for (at, c) in chars {
                assert!(c >= ' ', "a control character in a string");
                match c {
                    _ if escaped => {
                        assert!("\"\\/bfnrtu".contains(c), "an escape");
                        escaped = false;
                    }
                    '\\' => escaped = true,
                    '"' => return &text[at + 1..],
                    _ => {}
                }
            }
            panic!("a string without an end");
        }
        _ => {
            let end = text.find([',', '}', ']']).unwrap_or(text.len());
            let word = text[..end].trim();
            let plain = ["true", "false", "null"].contains(&word);
            assert!(plain || word.parse::<f64>().is_ok(), "neither word nor number: {word}");
            &text[end..]
        }
    }
}

#[test]
fn the_timeline_has_a_bar_for_each_attempt() {
    let path = std::env::temp_dir().join(format!("raykit-timeline-{}.json", std::process::id()));
    child(&[("RAYKIT_TIMELINE", path.to_str().unwrap()), ("RAYKIT_NUM_CPUS", "2")]);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let mut bars = Vec::new();
    assert_eq!(json(&text, &mut bars).trim(), "");
    let count = |part: &str| bars.iter().filter(|bar| bar.contains(part)).count();
    assert_eq!(bars.len(), 5, "{text}");
    assert_eq!((count("\"square\""), count("\"flaky\""), count("a \\\"name\\\"")), (1, 3, 1));
    assert_eq!((count("\"ok\":true"), count("\"ok\":false")), (3, 2));
    assert!(count("\"attempt\":2") == 1 && bars.iter().all(|bar| bar.contains("\"dur\":")));
}

#[test]
fn the_timeline_shows_async_tasks() {
    let path = std::env::temp_dir().join(format!("raykit-async-{}.json", std::process::id()));
    let node = Config::new().num_cpus(1).timeline(&path).start().unwrap();
    {
        let _here = node.enter();
        value(&soon::remote()).unwrap();
    }
    node.shutdown().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let mut bars = Vec::new();
    json(&text, &mut bars);
    assert_eq!(bars.len(), 1, "{text}");
}

#[remote]
async fn soon() {
    tokio::task::yield_now().await;
}

/// The names of this process's threads that begin so.
fn threads(prefix: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).filter(|name| name.starts_with(prefix)).collect()
}

/// Q4: closing resolves what is pending, joins all threads, and takes no further calls.
#[test]
fn closing_leaves_neither_threads_nor_open_references() {
    let node = common::node(2);
    let prefix = format!("raykit-{}-", node.id());
    let (gate, log) = (Gate::new(), Gate::new());
    let (running, queued, failing, future, stored);
    {
        let _here = node.enter();
        running = [held::remote(gate.id, 1), held::remote(gate.id, 2)];
        gate.await_arrivals(2);
        let waiting = square::remote(&running[0]);
        let wide = square::options().num_cpus(0.5).remote(3);
        queued = [square::remote(1), square::remote(square::remote(2)), wide, waiting];
        failing = never_works::options().num_cpus(0.0).remote(log.id);
        eventually("a few attempts", || log.notes().len() > 3);
        future = pending::remote(gate.id);
        gate.await_arrivals(3);
        stored = raykit::put(7).unwrap();
        assert!(!threads(&prefix).is_empty());
    }
    let closer = std::thread::spawn(move || node.shutdown());
    // The queued ones resolve while functions still run.
    for reference in &queued[..3] {
        let error = error(reference);
        assert_eq!(error.kind(), ErrorKind::ShutDown, "{error}");
        assert!(error.to_string().contains("`square`"), "{error}");
    }
    gate.open();
    closer.join().unwrap().unwrap();
    // What ran was let finish; what it made can be read, and what waited for it has an outcome.
    assert_eq!(raykit::get(&running).unwrap(), [1, 2]);
    assert_eq!(error(&queued[3]).kind(), ErrorKind::ShutDown);
    assert_eq!(error(&failing).kind(), ErrorKind::ShutDown);
    assert_eq!(error(&future).kind(), ErrorKind::ShutDown);
    assert_eq!(stored.get().unwrap(), 7);
    assert_eq!(threads(&prefix), Vec::<String>::new());
}

#[remote]
fn calls_later(gate: u64, key: u64) -> Vec<String> {
    pass(gate);
    let kind = square::remote(1).get().map_err(|error| error.kind());
    let put = raykit::put(1).map_err(|error| error.kind());
    let retried = square::options().retry_on(RetryOn::All).remote(1).get();
    note(key, 1);
    vec![
        format!("{:?}", kind.err()),
        format!("{:?}", put.err()),
        format!("{:?}", retried.err().map(|error| error.kind())),
    ]
}

/// T18: a stuck function is named when the grace is over, and what it does later harms nobody.
#[test]
fn closing_names_what_is_stuck() {
    let node = Config::new().num_cpus(2).grace(millis(50)).start().unwrap();
    let (gate, log) = (Gate::new(), Gate::new());
    let (stuck, dependant);
    {
        let _here = node.enter();
        stuck = calls_later::remote(gate.id, log.id);
        dependant = count::remote(&stuck);
        gate.await_arrivals(1);
        ready(&square::remote(1));
    }
    let error = node.shutdown().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ShutDown);
    assert!(error.to_string().contains("`calls_later`"), "{error}");
    assert!(error.to_string().contains("50ms"), "{error}");
    assert_eq!(common::error(&stuck).kind(), ErrorKind::ShutDown);
    assert_eq!(common::error(&dependant).kind(), ErrorKind::ShutDown);
    gate.open();
    eventually("the function goes on", || log.notes() == [1]);
}

#[remote]
fn count(texts: &[String]) -> usize {
    texts.len()
}

#[test]
fn guards_are_dropped_anywhere() {
    let _alone = alone();
    for multi in [false, true] {
        let mut builder = match multi {
            true => tokio::runtime::Builder::new_multi_thread(),
            false => tokio::runtime::Builder::new_current_thread(),
        };
        builder.enable_all().build().unwrap().block_on(async {
            let guard = Config::new().num_cpus(1).init().unwrap();
            assert_eq!(square::remote(3).await.unwrap(), 9);
            value(&soon::remote()).unwrap();
            drop(guard);
            assert_eq!(square::remote(3).await.unwrap_err().kind(), ErrorKind::NotRunning);
        });
    }
    // On another thread than the one that made it, and while a panic unwinds.
    let guard = Config::new().num_cpus(1).init().unwrap();
    std::thread::spawn(move || drop(guard)).join().unwrap();
    let unwound = std::panic::catch_unwind(|| {
        let _guard = Config::new().num_cpus(1).init().unwrap();
        assert_eq!(square::remote(3).get().unwrap(), 9);
        panic!("in the driver");
    });
    assert!(unwound.is_err());
    assert_eq!(raykit::stats().unwrap_err().kind(), ErrorKind::NotRunning);
}

#[test]
fn nodes_come_and_go() {
    let mut seen = BTreeMap::new();
    for round in 0..50 {
        let node = common::node(1 + round % 2);
        let _here = node.enter();
        assert_eq!(value(&square::remote(round as i64)).unwrap(), (round * round) as i64);
        assert!(seen.insert(node.id(), round).is_none(), "an id twice");
    }
}
