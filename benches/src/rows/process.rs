//! What a process pays: its start, its memory, its idling.

use super::latency::empty;
use crate::bench::{Bench, Goal, Line, Outcome, RAY, RAYKIT, Row, Unit};
use crate::child;
use raykit::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const RAY_TOO: &[(&str, Goal)] = &[(RAY, Goal::None)];

pub(crate) const ROW: Row = Row {
    name: "process",
    lines: &[
        Line {
            key: "process.init",
            what: "init to first result",
            unit: Unit::Seconds,
            peers: RAY_TOO,
            under: Some(5e-3),
        },
        Line {
            key: "process.memory",
            what: "idle memory",
            unit: Unit::Bytes,
            peers: RAY_TOO,
            under: Some((12 << 20) as f64),
        },
        Line {
            key: "process.cpu",
            what: "idle CPU, of one core",
            unit: Unit::Percent,
            peers: RAY_TOO,
            under: Some(0.1),
        },
    ],
    note: "a fresh process for each round. Memory: resident, of the whole process, one second after \
           one task. CPU: what all threads used in 5 s that begin 10 ms after a task. Ray: the sums of \
           its processes, the driver left out, and begun 5 s after its task; `import ray` is not \
           counted.",
    run: |bench| rounds(bench, "process"),
};

pub(crate) const QUEUED: Row = Row {
    name: "queued",
    lines: &[Line {
        key: "queued.bytes",
        what: "memory of a queued task, of 1 M",
        unit: Unit::Bytes,
        peers: &[],
        under: Some(400.0),
    }],
    note: "in a fresh process with one CPU, which a task holds, 1 M empty tasks are queued; the growth \
           of the resident memory through 1 M, the 16 bytes of each reference included.",
    run: |bench| rounds(bench, "queued"),
};

fn rounds(bench: &mut Bench, errand: &str) -> Outcome {
    (0..bench.rounds).try_for_each(|_| child::send(bench, RAYKIT, errand))
}

/// In a fresh process: start, rest, and what the rest costs.
pub(crate) fn errand() -> Outcome {
    const IDLE: Duration = Duration::from_secs(5);
    let begun = Instant::now();
    let _ray = raykit::init()?;
    empty::remote().get()?;
    child::say("process.init", begun.elapsed().as_secs_f64());
    std::thread::sleep(secs(1));
    child::say("process.memory", resident_bytes()?);
    empty::remote().get()?;
    std::thread::sleep(millis(10));
    let before = cpu_seconds()?;
    std::thread::sleep(IDLE);
    let used = cpu_seconds()? - before;
    child::say("process.cpu", used / IDLE.as_secs_f64() * 100.0);
    Ok(())
}

pub(crate) fn resident_bytes() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = kib.and_then(|rest| rest.split_whitespace().next()).ok_or("no VmRSS in /proc")?;
    Ok(kib.parse::<f64>()? * 1024.0)
}

/// CPU time of all threads that live, to the nanosecond.
fn cpu_seconds() -> Outcome<f64> {
    let mut nanos = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let told = std::fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += told.split_whitespace().next().ok_or("schedstat is empty")?.parse::<f64>()?;
    }
    Ok(nanos / 1e9)
}

static RUNS: AtomicBool = AtomicBool::new(false);
static OPEN: AtomicBool = AtomicBool::new(false);

#[remote]
fn gate() {
    RUNS.store(true, Ordering::Release);
    while !OPEN.load(Ordering::Acquire) {
        std::thread::sleep(millis(1));
    }
}

/// In a fresh process: a million tasks behind one that does not end.
pub(crate) fn queued_errand() -> Outcome {
    const TASKS: usize = 1_000_000;
    let _ray = raykit::Config::new().num_cpus(1).max_pending(2 * TASKS).init()?;
    let held = gate::remote();
    while !RUNS.load(Ordering::Acquire) {
        std::thread::sleep(millis(1));
    }
    let before = resident_bytes()?;
    let mut refs = Vec::with_capacity(TASKS);
    refs.extend((0..TASKS).map(|_| empty::remote()));
    let grown = resident_bytes()? - before;
    child::say("queued.bytes", grown / TASKS as f64);
    OPEN.store(true, Ordering::Release);
    held.get()?;
    raykit::get(&refs)?;
    Ok(())
}
