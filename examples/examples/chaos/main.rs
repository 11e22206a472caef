//! A cluster whose processes are killed one after the other while it works: the sums are right all
//! the same.
//!
//! ```text
//! cargo run --release -p raykit-examples --example chaos -- --seconds 20 --workers 3
//! ```
//!
//! The program is the head, and starts its workers from itself. Every second it kills one of them
//! (SIGKILL) and starts another. It ends with 0 only if all sums are right, every process has left
//! when it was told to, and the head has neither a task nor an object left.
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

mod job;
mod workers;

use anyhow::{Context as _, ensure};
use clap::{Arg, Command, value_parser};
use job::Tally;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use workers::Herd;

struct Flags {
    seconds: u64,
    workers: usize,
    seed: u64,
    kill_every: Duration,
}

fn flags() -> Flags {
    let flag = |name: &'static str, value, standard, help: &'static str| {
        Arg::new(name).long(name).value_name(value).default_value(standard).help(help)
    };
    let matches = Command::new("chaos")
        .about("Kills the nodes of a cluster one after the other while it works")
        .args([
            flag("seconds", "N", "20", "For how long new work comes")
                .value_parser(value_parser!(u64)),
            flag("workers", "N", "3", "Processes that work")
                .value_parser(value_parser!(u16).range(1..)),
            flag("seed", "N", "1", "Says which are killed").value_parser(value_parser!(u64)),
            flag("kill-every", "SECONDS", "1", "Pause between two kills").value_parser(
                |text: &str| match text.parse::<f64>().map(Duration::try_from_secs_f64) {
                    Ok(Ok(pause)) if !pause.is_zero() => Ok(pause),
                    _ => Err("not a time in seconds"),
                },
            ),
        ])
        .get_matches();
    let get = |name| *matches.get_one::<u64>(name).expect("it has a standard");
    Flags {
        seconds: get("seconds"),
        workers: usize::from(*matches.get_one::<u16>("workers").expect("it has a standard")),
        seed: get("seed"),
        kill_every: *matches.get_one("kill-every").expect("it has a standard"),
    }
}

/// All parts of the job, each on a thread of its own, while `herd` is harassed.
fn work(herd: Herd, flags: &Flags) -> anyhow::Result<(Herd, Vec<(&'static str, Tally)>)> {
    let over = AtomicBool::new(false);
    let (enough, told) = mpsc::channel();
    let seed = u64::from(flags.seed as u32) << 20;
    thread::scope(|scope| {
        let parts: Vec<_> = (job::PARTS.iter())
            .map(|(name, part)| (*name, scope.spawn(|| part(&over, seed))))
            .collect();
        let killer = scope.spawn(move || herd.harass(flags.kill_every, &told));
        let deadline = Instant::now() + Duration::from_secs(flags.seconds);
        // A part that has failed has ended: then there is no sense in going on.
        while Instant::now() < deadline && !parts.iter().any(|(_, part)| part.is_finished()) {
            thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Relaxed);
        drop(enough);
        let (herd, killed) = killer.join().expect("the killer does not panic");
        let join = |(name, part): (_, thread::ScopedJoinHandle<'_, anyhow::Result<Tally>>)| {
            let tally = part.join().expect("a part does not panic").context(name)?;
            Ok((name, tally))
        };
        let tallies = parts.into_iter().map(join).collect::<anyhow::Result<Vec<_>>>();
        killed?;
        Ok((herd, tallies?))
    })
}

fn show(herd: &Herd, tallies: &[(&str, Tally)]) {
    println!("{:<30}{:>9}{:>12}  {:<18}", "", "done", "run again", "sum");
    for (name, tally) in tallies {
        let Tally { calls, again, sum, right } = tally;
        let verdict = if sum == right { "right" } else { "WRONG" };
        println!("{name:<30}{calls:>9}{again:>12}  {sum:016x} {verdict}");
    }
    let killed = herd.killed.iter().map(|(at, id)| format!("{id} at {:.1} s", at.as_secs_f64()));
    let killed = killed.collect::<Vec<_>>().join(", ");
    println!("{} workers started, {} killed: {killed}", herd.started, herd.killed.len());
}

/// Waits until nothing is left of all the work.
fn nothing_is_left() -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let (stats, nodes) = (raykit::stats()?, raykit::nodes()?.len());
        if (nodes, stats.tasks_pending, stats.actors, stats.objects) == (1, 0, 0, 0) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{nodes} nodes, and of the work is left: {stats:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[raykit::main]
fn main() -> anyhow::Result<()> {
    let flags = flags();
    // Without CPUs of its own the head has the others do everything.
    let ray = raykit::Config::new().num_cpus(0).head(([127, 0, 0, 1], 0).into()).init()?;
    let address = raykit::nodes()?[0].addresses[0].clone();
    let herd = Herd::start(address, raykit::join_token(None)?, flags.workers, flags.seed)?;
    let (mut herd, tallies) = work(herd, &flags)?;
    show(&herd, &tallies);
    let left = herd.dismiss()?;
    nothing_is_left()?;
    ray.shutdown()?;
    println!("{left} workers left when they were told to; no process, task or object is left over");
    ensure!(tallies.iter().all(|(_, tally)| tally.sum == tally.right), "a sum is wrong");
    ensure!(tallies.iter().all(|(_, tally)| tally.calls > 0), "nothing was done");
    Ok(())
}
