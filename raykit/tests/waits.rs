//! Waiting: for all, for some, for a time; and the waits that could never end.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

mod common;

use common::{Gate, all_clear, arrive, error, eventually, node, note, pass, ready, value};
use raykit::prelude::*;
use raykit::{Config, ErrorKind, Ready};
use std::sync::Mutex;

#[remote]
fn square(x: i64) -> i64 {
    x * x
}

#[remote]
fn fails(x: i64) -> Result<i64, String> {
    Err(format!("{x} fails"))
}

#[remote]
fn held(gate: u64, x: i64) -> i64 {
    pass(gate);
    x
}

#[test]
fn get_takes_references_in_any_shape() {
    let node = node(2);
    let _here = node.enter();
    let (a, b) = (square::remote(2), square::remote(3));
    let text = raykit::put("text".to_owned()).unwrap();
    assert_eq!(raykit::get(&a).unwrap(), 4);
    assert_eq!(raykit::get((&a, &text)).unwrap(), (4, "text".to_owned()));
    assert_eq!(raykit::get([&a, &b]).unwrap(), [4, 9]);
    assert_eq!(raykit::get(&vec![a.clone(), b.clone()]).unwrap(), [4, 9]);
    assert_eq!(raykit::get(&[a.clone(), b.clone()][..1]).unwrap(), [4]);
    let rows = vec![[a.clone(), b.clone()], [b.clone(), a.clone()]];
    let nested = raykit::get((&rows, (&text, [&a]))).unwrap();
    assert_eq!(nested, (vec![[4, 9], [9, 4]], ("text".to_owned(), [4])));
    let none: Vec<ObjectRef<i64>> = vec![];
    assert!(raykit::get(&none).unwrap().is_empty());
    assert_eq!(raykit::get_timeout((&a, &b), secs(60)).unwrap(), (4, 9));
    let many = square::map(0..20_000);
    let squares = raykit::get(&many).unwrap();
    assert!(squares.iter().enumerate().all(|(at, found)| *found == (at * at) as i64));
}

/// L28, with the counts of `at_least` and `at_most`.
#[test]
fn wait_counts_what_is_ready_and_what_has_failed() {
    let node = node(2);
    let _here = node.enter();
    let gate = Gate::new();
    let refs = [held::remote(gate.id, 1), fails::remote(2), square::remote(3), square::remote(4)];
    let Ready { done, pending, .. } = raykit::wait(&refs).at_least(3).get().unwrap();
    assert_eq!(done, refs[1..]);
    assert_eq!(pending, refs[..1]);
    assert_eq!(error(&done[0]).message(), "2 fails");
    let Ready { done, pending, .. } = raykit::wait(&refs).at_most(2).get().unwrap();
    assert_eq!((done.as_slice(), pending.len()), (&refs[1..3], 2));
    let Ready { done, pending, .. } = raykit::wait(refs.to_vec()).at_most(1).get().unwrap();
    assert_eq!((done.as_slice(), pending.len()), (&refs[1..2], 3));
    let Ready { done, .. } = raykit::wait(&refs).at_least(4).timeout(millis(5)).get().unwrap();
    assert_eq!(done.len(), 3, "that a time limit passed is no error");
    let Ready { done, pending, .. } = raykit::wait(&refs[..1]).timeout(millis(0)).get().unwrap();
    assert_eq!((done.len(), pending.len()), (0, 1));
    let none: [ObjectRef<i64>; 0] = [];
    assert!(raykit::wait(none).get().unwrap().done.is_empty());
    gate.open();
    // More than there are: all of them.
    let Ready { done, pending, .. } = raykit::wait(&refs).at_least(99).get().unwrap();
    assert_eq!((done.len(), pending.len()), (4, 0));
    // The same object twice counts twice.
    let twice = [refs[0].clone(), refs[0].clone()];
    assert_eq!(raykit::wait(&twice).at_least(2).get().unwrap().done.len(), 2);
}

#[remote]
fn waits_within(gates: Vec<u64>) -> Result<Vec<i64>, raykit::Error> {
    let mut pending: Vec<_> = gates
        .iter()
        .map(|gate| held::options().num_cpus(0.1).remote(*gate, *gate as i64))
        .collect();
    arrive(gates[0]);
    let mut order = Vec::new();
    while !pending.is_empty() {
        let ready = raykit::wait(&pending).get()?;
        for done in ready.done {
            order.push(done.get()?);
            note(gates[0], 1);
        }
        pending = ready.pending;
    }
    Ok(order)
}

#[test]
fn wait_in_a_task_gives_its_cpu_to_what_it_waits_for() {
    let node = node(1);
    let _here = node.enter();
    let gates: Vec<Gate> = (0..3).map(|_| Gate::new()).collect();
    let order = waits_within::remote(gates.iter().map(|gate| gate.id).collect::<Vec<_>>());
    for (count, at) in [2, 0, 1].into_iter().enumerate() {
        gates[at].await_arrivals(1);
        gates[at].open();
        eventually("the wait has ended", || gates[0].notes().len() == count + 1);
    }
    let wanted = [2, 0, 1].map(|at: usize| gates[at].id as i64);
    assert_eq!(value(&order).unwrap(), wanted);
}

#[test]
fn as_completed_goes_in_the_order_of_completion() {
    let node = node(2);
    let _here = node.enter();
    let gates: Vec<Gate> = (0..4).map(|_| Gate::new()).collect();
    let refs: Vec<_> = gates
        .iter()
        .map(|gate| held::options().num_cpus(0.1).remote(gate.id, gate.id as i64))
        .collect();
    let order = [2, 0, 3, 1];
    let mut completed = raykit::as_completed(&refs);
    assert_eq!(completed.len(), 4);
    for at in order {
        gates[at].open();
        assert_eq!(completed.next().unwrap(), refs[at]);
    }
    assert!(completed.next().is_none() && completed.len() == 0);
    let many = raykit::as_completed(square::map(0..5_000));
    let sum: i64 = many.map(|reference| reference.get().unwrap()).sum();
    assert_eq!(sum, (0..5_000).map(|x| x * x).sum::<i64>());
    let failed = [fails::remote(1), square::remote(1)];
    let errors = raykit::as_completed(failed).filter(|reference| reference.get().is_err());
    assert_eq!(errors.count(), 1);
    // Left half-way, with one object twice.
    let again = [refs[0].clone(), refs[0].clone(), held::remote(gates[0].id, 1)];
    assert_eq!(raykit::as_completed(again).next().unwrap(), refs[0]);
}

/// C9, T18: the wait ends and the task goes on.
#[test]
fn a_timed_get_of_a_stuck_task_ends() {
    let node = node(1);
    let _here = node.enter();
    let gate = Gate::new();
    let stuck = held::options().name("stuck one").remote(gate.id, 5);
    gate.await_arrivals(1);
    for error in [
        stuck.timeout(millis(5)).get().unwrap_err(),
        stuck.timeout(millis(0)).shared().unwrap_err(),
        stuck.timeout(millis(1)).view().unwrap_err(),
        raykit::get_timeout((&stuck, [&stuck]), millis(5)).unwrap_err(),
    ] {
        assert!(error.is_timeout(), "{error}");
        assert!(error.message().contains("`stuck one`"), "{error}");
    }
    assert!(!stuck.is_ready() && raykit::stats().unwrap().threads_waiting == 0);
    gate.open();
    assert_eq!(stuck.timeout(secs(60)).get().unwrap(), 5);
}

#[remote]
fn times_out(gate: u64) -> Result<i64, raykit::Error> {
    let child = held::options().num_cpus(0.0).remote(gate, 1);
    let error = child.timeout(millis(20)).get().expect_err("the gate is shut");
    note(gate, i64::from(error.is_timeout()));
    child.get()
}

/// C9: in a task, with the CPU given back and taken again.
#[test]
fn a_timed_get_in_a_task_ends() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let gate = Gate::new();
        let refs: Vec<_> = (0..4).map(|_| times_out::remote(gate.id)).collect();
        eventually("four timeouts", || gate.notes() == [1; 4]);
        gate.open();
        for reference in &refs {
            assert_eq!(value(reference).unwrap(), 1);
        }
        drop(refs);
        all_clear(cpus);
    }
}

static LOCK: Mutex<u32> = Mutex::new(0);

#[remote]
fn locks_and_gets(gate: u64) -> Result<i64, raykit::Error> {
    let child = held::options().num_cpus(0.0).remote(gate, 1);
    let mut locked = LOCK.lock().expect("no panic inside");
    arrive(gate);
    *locked += 1;
    let got = child.get();
    *locked += 1;
    got
}

#[remote]
fn locks(gate: u64) -> u32 {
    arrive(gate);
    *LOCK.lock().expect("no panic inside")
}

/// S2: a task holds a lock and waits; another one has taken its CPU and waits for the lock.
#[test]
fn a_lock_held_across_get_ends() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let gate = Gate::new();
        let holder = locks_and_gets::remote(gate.id);
        // The holder and its child.
        gate.await_arrivals(2);
        let others: Vec<_> = (0..4).map(|_| locks::remote(gate.id)).collect();
        gate.await_arrivals(2 + cpus);
        gate.open();
        assert_eq!(value(&holder).unwrap(), 1);
        for other in &others {
            assert_eq!(value(other).unwrap() % 2, 0, "seen inside the lock");
        }
        drop((holder, others));
        all_clear(cpus);
    }
}

#[remote(num_cpus = 0.5)]
fn deep(n: u32) -> Result<u32, raykit::Error> {
    if n == 0 { Ok(0) } else { Ok(1 + deep::remote(n - 1).get()?) }
}

#[test]
fn when_all_threads_are_spent_the_wait_says_so() {
    let node = Config::new().num_cpus(1).threads_max(4).start().unwrap();
    let _here = node.enter();
    assert_eq!(value(&deep::remote(3)).unwrap(), 3);
    let spent = error(&deep::remote(50));
    assert!(spent.to_string().contains("all 4 threads"), "{spent}");
    assert!(spent.to_string().contains("threads_max"), "{spent}");
    // What those had called goes on by itself, and comes to the same end.
    all_clear(1);
    assert_eq!(value(&deep::remote(2)).unwrap(), 2, "the node goes on");
    assert_eq!(value(&kind_of_error::remote(50)).unwrap(), "ThreadsExhausted");
    all_clear(1);
}

#[remote(num_cpus = 0.5)]
fn kind_of_error(n: u32) -> Result<String, raykit::Error> {
    if n == 0 {
        return Ok("no error".into());
    }
    match kind_of_error::remote(n - 1).get() {
        Ok(text) => Ok(text),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::ThreadsExhausted);
            Ok(format!("{:?}", error.kind()))
        }
    }
}

/// A place where a test leaves a reference for a task to find, by the number of a gate.
static LEFT: Mutex<Vec<(u64, ObjectRef<i64>)>> = Mutex::new(Vec::new());

fn leave(gate: &Gate, reference: &ObjectRef<i64>) {
    LEFT.lock().unwrap().push((gate.id, reference.clone()));
}

/// Lets go of what the calling test has left.
fn forget(gates: &[Gate]) {
    LEFT.lock().unwrap().retain(|(id, _)| gates.iter().all(|gate| gate.id != *id));
}

fn find(gate: u64) -> ObjectRef<i64> {
    let left = LEFT.lock().expect("no panic inside");
    let found = left.iter().find(|(id, _)| *id == gate).expect("left before the gate opens");
    found.1.clone()
}

#[remote]
fn waits_for_left(gate: u64, key: u64, how: u8) -> Result<i64, raykit::Error> {
    pass(gate);
    let left = find(key);
    match how {
        0 => left.get(),
        1 => left.shared().map(|value| *value),
        2 => raykit::get(&[left, raykit::put(1)?]).map(|values| values[0]),
        3 => raykit::wait([raykit::put(1)?, left]).at_least(2).get().map(|r| r.done.len() as i64),
        4 => raykit::as_completed([left]).next().expect("there is one").get(),
        5 => square::remote(left).get(),
        _ => raykit::wait([raykit::put(1)?, left]).get().map(|r| r.done.len() as i64),
    }
}

/// The error of a wait that could never end, told by the task that waited.
fn check_deadlock(error: &raykit::Error, names: &[&str]) {
    let text = error.to_string();
    assert!(text.contains("a wait that can never end"), "{text}");
    assert!(names.iter().all(|name| text.contains(&format!("`{name}`"))), "{names:?} in {text}");
}

#[test]
fn a_task_that_waits_for_itself_is_told() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        for how in 0..=6 {
            let gate = Gate::new();
            let own = waits_for_left::remote(gate.id, gate.id, how);
            leave(&gate, &own);
            gate.open();
            match how {
                6 => assert_eq!(value(&own).unwrap(), 1, "one of two is enough"),
                _ => check_deadlock(&error(&own), &["waits_for_left"]),
            }
            forget(&[gate]);
        }
        all_clear(cpus);
    }
}

#[remote]
fn waits_for_limited(gate: u64) -> Result<String, raykit::Error> {
    let limited = held::options().timeout(millis(20)).remote(gate, 1);
    Ok(limited.get().expect_err("its time is up").to_string())
}

/// A task that waits for one with a time limit does not run it itself: the limit may pass.
#[test]
fn a_wait_for_a_task_with_a_limit_ends_with_the_limit() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let gate = Gate::new();
        let text = value(&waits_for_limited::remote(gate.id)).unwrap();
        assert!(text.contains("its limit is 20ms"), "{text}");
        gate.open();
        all_clear(cpus);
    }
}

/// Awaits what was left and `other` together.
#[remote]
async fn joins_left(_begun: i64, key: u64, other: ObjectRef<i64>) -> Result<i64, raykit::Error> {
    let left = find(key).into_future();
    let (left, other) = futures_util::future::join(left, other.into_future()).await;
    Ok(left? + other?)
}

#[remote]
async fn forwards(_begun: i64, reference: ObjectRef<i64>) -> Result<i64, raykit::Error> {
    reference.await
}

#[test]
fn a_circle_through_one_of_two_awaits_is_told() {
    let node = node(3);
    let _here = node.enter();
    let [joined, closed, other] = [(); 3].map(|()| Gate::new());
    let hold = |gate: &Gate| held::remote(gate.id, 0);
    let joins = joins_left::remote(hold(&joined), joined.id, hold(&other));
    let closes = forwards::remote(hold(&closed), joins.clone());
    leave(&joined, &closes);
    let waits_for = |reference: &_, count: u32| {
        let words = format!("is running and waits for {count} objects");
        eventually(&words, || raykit::explain(reference).contains(&words));
    };
    joined.open();
    waits_for(&joins, 2);
    // What `joins` needs of the two cannot be known before one of its waits is over.
    closed.open();
    waits_for(&closes, 1);
    assert!(!joins.is_ready() && !closes.is_ready());
    other.open();
    check_deadlock(&error(&joins), &["joins_left", "forwards"]);
    assert!(value(&closes).is_err());
    forget(&[joined]);
    drop((joins, closes));
    all_clear(3);
}

#[test]
fn a_circle_of_tasks_is_told() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        for how in 0..=5 {
            let gates: Vec<Gate> = (0..3).map(|_| Gate::new()).collect();
            // Of no whole CPU, so that they run side by side and one cannot run inside the other.
            let refs: Vec<_> = (0..3)
                .map(|at: usize| {
                    waits_for_left::options().num_cpus(0.1).name(format!("member {at}")).remote(
                        gates[at].id,
                        gates[(at + 1) % 3].id,
                        how,
                    )
                })
                .collect();
            gates.iter().zip(&refs).for_each(|(gate, reference)| leave(gate, reference));
            gates.iter().for_each(Gate::open);
            // One of them is told; that it failed may be all that another one waited for.
            let errors: Vec<_> =
                refs.iter().filter_map(|reference| value(reference).err()).collect();
            let told = errors.iter().map(ToString::to_string);
            let path = told.filter(|text| text.contains("can never end")).collect::<Vec<_>>();
            assert!(!path.is_empty(), "{errors:?}");
            for name in ["`member 0`", "`member 1`", "`member 2`"] {
                assert!(path[0].contains(name), "{}", path[0]);
            }
            forget(&gates);
        }
        all_clear(cpus);
    }
}

#[remote(num_gpus = 1)]
fn needs_gpu(_x: i64) -> i64 {
    1
}

#[remote]
fn between(x: i64) -> Result<i64, raykit::Error> {
    needs_gpu::remote(x).get()
}

#[remote(num_gpus = 1)]
fn holds_gpu(how: u8, gate: u64) -> Result<i64, raykit::Error> {
    match how {
        0 => needs_gpu::remote(1).get(),
        1 => between::remote(1).get(),
        2 => raykit::get(&[square::remote(1), needs_gpu::remote(1)]).map(|all| all[1]),
        3 => needs_gpu::remote(held::options().num_cpus(0.0).remote(gate, 1)).get(),
        4 => square::remote(needs_gpu::remote(1)).get(),
        _ => {
            let child = needs_gpu::remote(1);
            let error = child.timeout(millis(20)).get().expect_err("the GPU is taken");
            assert!(error.is_timeout());
            Ok(7)
        }
    }
}

/// S1, S2: what only waiting tasks hold can never be granted.
#[test]
fn a_wait_for_what_the_waiting_task_holds_is_told() {
    let node = Config::new().num_cpus(2).num_gpus(1.0).start().unwrap();
    let _here = node.enter();
    for how in 0..5 {
        let gate = Gate::new();
        let call = holds_gpu::remote(how, gate.id);
        if how == 3 {
            // What is asked for is known before the argument is there.
            eventually("the wait", || call.is_ready() || raykit::explain(&call).contains("waits"));
            gate.open();
        }
        let text = error(&call).to_string();
        assert!(text.contains("`holds_gpu`") && text.contains("`needs_gpu`"), "{how}: {text}");
        assert!(text.contains("num_gpus = 1"), "{how}: {text}");
    }
    // One that gives up by itself is none of this.
    let gate = Gate::new();
    assert_eq!(value(&holds_gpu::remote(5, gate.id)).unwrap(), 7);
    all_clear(2);
    assert_eq!(raykit::stats().unwrap().gpus_free, 1.0);
}

#[test]
fn explain_tells_where_each_one_stands() {
    let node = Config::new().num_cpus(1).num_gpus(1.0).start().unwrap();
    let _here = node.enter();
    let gate = Gate::new();
    let running = held::options().num_gpus(1.0).name("first").remote(gate.id, 1);
    gate.await_arrivals(1);
    assert!(raykit::explain(&running).contains("`first`"));
    assert!(raykit::explain(&running).ends_with("is running"), "{}", raykit::explain(&running));
    let queued = square::options().name("second").remote(1);
    let text = raykit::explain(&queued);
    assert!(text.contains("`second`") && text.contains("is queued"), "{text}");
    let wide = square::options().num_gpus(1.0).num_cpus(0.0).name("third").remote(1);
    let text = raykit::explain(&wide);
    assert!(text.contains("num_gpus = 1") && text.contains("0 is free"), "{text}");
    let waiting = square::options().name("last").remote(square::remote(&running));
    let text = raykit::explain(&waiting);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].contains("`last`") && lines[0].contains("waits for 1 of its arguments"));
    assert!(lines[2].contains("`first`") && lines[2].ends_with("is running"), "{text}");
    gate.open();
    ready(&waiting);
    assert!(raykit::explain(&waiting).ends_with("is ready"));
    let failed = fails::remote(3);
    ready(&failed);
    let text = raykit::explain(&failed);
    assert!(text.contains("has failed") && text.contains("3 fails"), "{text}");

    let gate = Gate::new();
    let waits = times_out::remote(gate.id);
    eventually("the untimed wait", || raykit::explain(&waits).contains("waits for 1 objects"));
    gate.await_arrivals(1);
    assert!(raykit::explain(&waits).ends_with("is running"), "{}", raykit::explain(&waits));
    gate.open();
    ready(&waits);
}

#[test]
fn progress_waits_for_all_and_minds_no_errors() {
    let node = node(1);
    let _here = node.enter();
    let refs = [square::remote(1), fails::remote(2), square::remote(3)];
    raykit::progress(&refs).unwrap();
    assert!(refs.iter().all(ObjectRef::is_ready));
    raykit::progress(Vec::<ObjectRef<i64>>::new()).unwrap();
}

#[remote]
fn progress_of_itself(gate: u64) -> Result<i64, raykit::Error> {
    pass(gate);
    raykit::progress([find(gate)])?;
    Ok(1)
}

#[test]
fn progress_of_what_can_never_end_is_told() {
    let node = node(1);
    let _here = node.enter();
    let gate = Gate::new();
    let own = progress_of_itself::remote(gate.id);
    leave(&gate, &own);
    gate.open();
    check_deadlock(&error(&own), &["progress_of_itself"]);
}
