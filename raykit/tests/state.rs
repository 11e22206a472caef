//! The state of a cluster, as `raykit::state` tells it.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

mod common;

use common::{Gate, eventually};
use raykit::prelude::*;
use raykit::state::{self, ActorStatus, ReferenceType, TaskState, TaskStatus, TaskType};
use raykit::{Config, Strategy};

#[remote]
fn waits(gate: u64) -> i64 {
    common::pass(gate);
    1
}

#[remote]
fn after(x: i64) -> i64 {
    x
}

#[remote]
fn fails(x: i64) -> Result<i64, String> {
    if x > 0 { Err("no luck".into()) } else { Ok(x) }
}

#[remote(max_retries = 2, retry_on = all)]
fn fails_twice() -> Result<u32, String> {
    match raykit::context().attempt() {
        2 => Ok(2),
        attempt => Err(format!("attempt {attempt}")),
    }
}

#[remote]
struct Slow;

#[remote]
impl Slow {
    pub fn new() -> Self {
        Slow
    }
    pub fn wait(&mut self, gate: u64) -> i64 {
        common::pass(gate);
        1
    }
}

fn tasks_in(status: TaskStatus) -> Vec<TaskState> {
    state::tasks().state(status.as_str()).get().unwrap().items
}

fn names(rows: &[TaskState]) -> Vec<&str> {
    rows.iter().map(|row| row.name.as_str()).collect()
}

#[test]
fn tasks_are_told_in_every_state() {
    let node = common::node(1);
    let _here = node.enter();
    let gate = Gate::new();
    let runs = waits::options().name("runs").remote(gate.id);
    eventually("it runs", || gate.arrived() == 1);
    let queued = waits::options().name("queued").num_cpus(1.0).priority(3).remote(gate.id);
    let asks = waits::options().name("asks").num_cpus(0.5).remote(gate.id);
    let open = after::remote(&runs);
    assert_eq!(names(&tasks_in(TaskStatus::Running)), ["runs"]);
    let pending = tasks_in(TaskStatus::PendingNodeAssignment);
    let mut pending = names(&pending);
    pending.sort_unstable();
    assert_eq!(pending, ["asks", "queued"]);
    let waiting = tasks_in(TaskStatus::PendingArgsAvail);
    assert_eq!(names(&waiting), ["after"]);
    assert!(waiting[0].since_ms.is_some_and(|since| since > 1_700_000_000_000));
    assert!(waiting[0].function.ends_with("::after"), "{}", waiting[0].function);

    let counts = &state::nodes().get().unwrap().items[0];
    let seen = (counts.tasks_running, counts.tasks_queued, counts.tasks_waiting);
    assert_eq!(seen, (1, 2, 1), "{counts:?}");
    let few = state::tasks().limit(2).get().unwrap();
    assert!(few.items.len() == 2 && few.truncated);
    assert_eq!(state::tasks().name("asks").get().unwrap().items.len(), 1);
    gate.open();
    assert_eq!(raykit::get(&[runs, queued, asks, open]).unwrap(), [1; 4]);
    eventually("nothing is left", || state::tasks().get().unwrap().items.is_empty());
    let done = state::functions().name("waits").get().unwrap();
    assert_eq!((done.items[0].finished, done.items[0].failed), (3, 0));
    assert!(done.items[0].location.contains("state.rs:"));
}

/// T7 as far as it is about what one sees: each failed attempt is told.
#[test]
fn failures_are_told_with_their_errors() {
    let node = common::node(2);
    let _here = node.enter();
    assert!(fails::remote(1).get().is_err());
    assert_eq!(fails_twice::remote().get().unwrap(), 2);
    let all = state::tasks().state("failed").get().unwrap().items;
    assert_eq!(all.len(), 3, "{all:?}");
    let first = all.iter().find(|row| row.name == "fails").unwrap();
    assert_eq!(first.error_type.as_deref(), Some("Task"));
    assert!(first.error_message.as_ref().unwrap().contains("no luck"), "{first:?}");
    let mut attempts: Vec<u32> =
        all.iter().filter(|row| row.name == "fails_twice").map(|row| row.attempt).collect();
    attempts.sort_unstable();
    assert_eq!(attempts, [0, 1]);
    let counts = &state::nodes().get().unwrap().items[0];
    assert_eq!((counts.tasks_finished, counts.tasks_failed), (1, 1));
    let summary = state::summary().unwrap();
    assert_eq!(summary.tasks["fails_twice"]["FAILED"], 2);
}

#[test]
fn actors_are_told_with_their_calls() {
    let node = common::node(2);
    let _here = node.enter();
    let gate = Gate::new();
    let slow = Slow::options().name("slow one").remote();
    let calls: Vec<_> = (0..3).map(|_| slow.wait(gate.id)).collect();
    eventually("the first one runs", || gate.arrived() == 1);
    eventually("its calls stand in line", || {
        let rows = state::actors().name("Slow").get().unwrap().items;
        rows[0].pending_calls + tasks_in(TaskStatus::PendingActorTask).len() as u64 >= 2
    });
    let row = &state::actors().state("ALIVE").get().unwrap().items[0];
    assert_eq!(row.name.as_deref(), Some("slow one"));
    assert!(row.class_name.ends_with("Slow"), "{row:?}");
    let running = tasks_in(TaskStatus::Running);
    assert_eq!((running.len(), running[0].task_type), (1, TaskType::ActorTask));
    assert_eq!(running[0].actor_id, Some(row.actor_id));
    assert_eq!(tasks_in(TaskStatus::PendingActorTask).len(), 2);
    gate.open();
    raykit::get(&calls).unwrap();
    assert!(slow.kill());
    let dead = state::actors().state("DEAD").get().unwrap().items;
    assert_eq!((dead.len(), dead[0].status), (1, ActorStatus::Dead));
    assert!(dead[0].death_cause.as_ref().unwrap().contains("killed"), "{dead:?}");
}

#[test]
fn large_objects_are_told_as_long_as_they_are_there() {
    let node = common::node(1);
    let _here = node.enter();
    let small = raykit::put(1).unwrap();
    let large = raykit::put(vec![0_u8; 1 << 20]).unwrap();
    let rows = state::objects().get().unwrap().items;
    assert_eq!((rows.len(), rows[0].object_id), (1, large.id()));
    assert!(rows[0].object_size >= 1 << 20);
    assert_eq!(rows[0].reference_type, ReferenceType::LocalReference);
    drop((small, large));
    eventually("it is gone", || state::objects().get().unwrap().items.is_empty());
}

/// Two nodes that have no link yet: each is asked all the same, and what one has given to the other
/// is told once.
#[test]
fn all_nodes_of_a_cluster_are_asked() {
    let head = Config::new().num_cpus(1).head("127.0.0.1:0".parse().unwrap()).start().unwrap();
    let here = head.enter();
    let address = raykit::nodes().unwrap()[0].addresses[0].clone();
    let token = raykit::join_token(None).unwrap();
    drop(here);
    let join = |name: &str| {
        Config::new().num_cpus(1).name(name).label("zone", name).address(&address).token(&token)
    };
    let (first, second) = (join("first").start().unwrap(), join("second").start().unwrap());
    let _here = first.enter();
    eventually("all are known", || raykit::nodes().unwrap().len() == 3);
    let nodes = state::nodes().get().unwrap();
    assert!(nodes.silent.is_empty(), "{:?}", nodes.silent);
    assert_eq!(nodes.items.len(), 3);
    assert_eq!(nodes.items.iter().filter(|node| node.is_head).count(), 1);
    let row = nodes.items.iter().find(|row| row.node_id == second.id()).unwrap();
    assert_eq!((row.name.as_str(), row.labels["zone"].as_str()), ("second", "second"));
    assert_eq!(row.resources_total["CPU"], 1.0);

    let gate = Gate::new();
    let there = Strategy::Node { node: second.id(), soft: false };
    let far = waits::options().strategy(there).remote(gate.id);
    eventually("it runs there", || gate.arrived() == 1);
    let tasks = state::tasks().name("waits").get().unwrap().items;
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    assert_eq!((tasks[0].status, tasks[0].node_id), (TaskStatus::Running, second.id()));
    assert_eq!(tasks[0].owner, first.id());
    assert!(state::tasks().node(first.id()).state("RUNNING").get().unwrap().items.is_empty());
    gate.open();
    assert_eq!(far.get().unwrap(), 1);
    let done = state::functions().name("waits").get().unwrap().items;
    assert_eq!((done.len(), done[0].nodes.len(), done[0].finished), (1, 3, 1), "{done:?}");

    let gone = second.id();
    second.shutdown().unwrap();
    eventually("it has left", || raykit::nodes().unwrap().len() == 2);
    let asked = state::nodes().node(gone).get().unwrap();
    assert!(asked.items.is_empty() && asked.silent[0].node_id == gone, "{asked:?}");
}

#[remote]
struct Late {
    x: i64,
}

#[remote]
impl Late {
    pub fn new(x: i64) -> Self {
        Late { x }
    }
    pub fn x(&self) -> i64 {
        self.x
    }
}

/// A31: of the actors that have ended so many are told of, the last ones.
#[test]
fn actors_that_have_ended_are_forgotten_in_their_turn() {
    let node = common::node(2);
    let _here = node.enter();
    const KEPT: usize = 1_000;
    let dead = || state::actors().state("DEAD").get().unwrap().items;
    for x in 0..KEPT as i64 + 200 {
        let late = Late::options().name(format!("late {x}")).remote(x);
        let ended = late.ended();
        drop(late);
        ended.get().unwrap();
    }
    common::eventually("the last has ended", || {
        dead().iter().any(|row| row.name.as_deref() == Some("late 1199"))
    });
    let rows = dead();
    assert_eq!(rows.len(), KEPT);
    assert!(rows.iter().all(|row| row.name.as_deref() != Some("late 0")));
    common::all_clear(2);
}

/// An actor that lives on another node than the one that has made it is told once, from its first
/// word to its last.
#[test]
fn actors_of_other_nodes_are_told_once() {
    let head = Config::new().num_cpus(1).head("127.0.0.1:0".parse().unwrap()).start().unwrap();
    let here = head.enter();
    let address = raykit::nodes().unwrap()[0].addresses[0].clone();
    let token = raykit::join_token(None).unwrap();
    drop(here);
    let join = || Config::new().num_cpus(1).address(&address).token(&token).start().unwrap();
    let (first, second) = (join(), join());
    let _here = first.enter();
    eventually("all are known", || raykit::nodes().unwrap().len() == 3);
    let row = || {
        let rows = state::actors().name("late one").get().unwrap().items;
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.into_iter().next().unwrap()
    };
    let gate = Gate::new();
    let x = waits::remote(gate.id);
    let there = Strategy::Node { node: second.id(), soft: true };
    let options = Late::options().name("late one").strategy(there).max_restarts(1);
    let late = options.remote(&x);
    let id = late.id().unwrap();
    let pending = row();
    let seen = (pending.actor_id, pending.status, pending.node_id);
    assert_eq!(seen, (id, ActorStatus::PendingCreation, first.id()));
    gate.open();
    assert_eq!(late.x().get().unwrap(), 1);
    let alive = row();
    assert_eq!((alive.actor_id, alive.status, alive.num_restarts), (id, ActorStatus::Alive, 0));
    assert_eq!((alive.node_id, alive.pid), (second.id(), std::process::id()));
    assert!(alive.class_name.ends_with("::Late"), "{alive:?}");

    second.shutdown().unwrap();
    eventually("it lives elsewhere", || row().status == ActorStatus::Alive);
    let moved = row();
    assert_eq!((moved.actor_id, moved.num_restarts), (id, 1));
    assert!(late.kill());
    eventually("it has ended", || row().status == ActorStatus::Dead);
    assert!(row().death_cause.unwrap().contains("killed"));

    // One that ends before it is anywhere, and whose words are no tasks of anybody's.
    let gate = Gate::new();
    let never = Late::options().name("never").strategy(Strategy::Spread);
    let never = never.remote(&waits::remote(gate.id));
    assert!(never.kill());
    let rows = state::actors().name("never").get().unwrap().items;
    assert_eq!((rows.len(), rows[0].status), (1, ActorStatus::Dead), "{rows:?}");
    assert!(rows[0].death_cause.as_ref().unwrap().contains("killed"), "{rows:?}");
    gate.open();
    let words = state::tasks().name("order").get().unwrap().items;
    assert!(words.is_empty(), "{words:?}");
}

/// What a socket at `address` answers to `request`.
fn answer(address: &str, request: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(common::PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn counters_are_read_by_http() {
    let anywhere = "127.0.0.1:0".parse().unwrap();
    let node =
        Config::new().num_cpus(3).resource("odd \"name\"", 1.0).metrics(anywhere).start().unwrap();
    let here = node.enter();
    assert_eq!(raykit::get(&after::map(0..7)).unwrap().len(), 7);
    assert!(fails::remote(1).get().is_err());
    let address = state::nodes().get().unwrap().items[0].metrics_address.clone().unwrap();
    let text = answer(&address, &format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n"));
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    let id = node.id();
    for line in [
        format!("raykit_tasks_finished_total{{node=\"{id}\"}} 7"),
        format!("raykit_tasks_failed_total{{node=\"{id}\"}} 1"),
        format!("raykit_resource_capacity{{node=\"{id}\",resource=\"CPU\"}} 3"),
        format!("raykit_resource_free{{node=\"{id}\",resource=\"odd \\\"name\\\"\"}} 1"),
        "# TYPE raykit_tasks gauge".to_owned(),
    ] {
        assert!(body.lines().any(|found| found == line), "{line}\n{body}");
    }
    let calls = body.lines().find(|line| line.contains("::after\",outcome=\"finished\"")).unwrap();
    assert!(calls.ends_with(" 7"), "{calls}");
    for line in body.lines() {
        let is_row = line.starts_with("raykit_") && line.contains("} ");
        assert!(is_row || line.starts_with("# "), "{line}");
    }
    let others = [
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", "405"),
        ("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421"),
    ];
    for (request, status) in others {
        let text = answer(&address, request);
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {text}");
    }
    // A head that does not end is not read for ever.
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(8 << 10));
    assert!(answer(&address, &long).starts_with("HTTP/1.1 431"));
    drop(here);
    node.shutdown().unwrap();
    assert!(std::net::TcpStream::connect(&address).is_err(), "it is closed with its node");
}
