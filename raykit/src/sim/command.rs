//! The command line of `raykit-sim`.

use super::cluster::{self, Settings};
use crate::proto::bugs::Bug;
use std::process::ExitCode;
use std::time::Instant;

const USAGE: &str = "raykit-sim --seeds N [--from S] | --seed S [--trace] | --bugs [--seeds N]";

struct Wanted {
    from: u64,
    seeds: u64,
    tells: bool,
    bugs: bool,
}

fn read(args: &[String]) -> Option<Wanted> {
    let mut wanted = Wanted { from: 0, seeds: 100, tells: false, bugs: false };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seeds" => wanted.seeds = args.next()?.parse().ok()?,
            "--from" => wanted.from = args.next()?.parse().ok()?,
            "--seed" => (wanted.from, wanted.seeds) = (args.next()?.parse().ok()?, 1),
            "--bugs" => wanted.bugs = true,
            "--trace" => wanted.tells = true,
            _ => return None,
        }
    }
    Some(wanted)
}

/// Plants each fault, and says on which seed it is found.
fn plant_all(seeds: u64) -> ExitCode {
    let mut unfound = 0;
    for bug in Bug::ALL {
        match cluster::finds(bug, seeds) {
            Some((seed, failure)) => println!("{bug:?}: seed {seed}: {failure}"),
            None => {
                println!("{bug:?} is not found");
                unfound += 1;
            }
        }
    }
    ExitCode::from(u8::from(unfound > 0))
}

/// Runs the seeds that are asked for, and says how each that failed can be run again.
pub(crate) fn main(args: &[String]) -> ExitCode {
    let Some(wanted) = read(args) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if wanted.bugs {
        return plant_all(wanted.seeds);
    }
    let settings = Settings { tells: wanted.tells };
    let begun = Instant::now();
    let (mut steps, mut nanos, mut tasks, mut failed, mut bad) =
        (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
    for seed in wanted.from..wanted.from + wanted.seeds {
        let outcome = cluster::run(seed, &settings);
        steps += outcome.steps;
        nanos += outcome.time.0;
        tasks += outcome.settled;
        failed += outcome.failed;
        if let Some(failure) = outcome.failure {
            bad += 1;
            println!("seed {seed}: {failure}");
            println!(
                "  cargo run --release --features sim --bin raykit-sim -- --seed {seed} --trace"
            );
        }
    }
    let seconds = begun.elapsed().as_secs_f64().max(1e-9);
    println!(
        "{} seeds, {bad} failed; {:.1} seeds/s, {:.0} events/s, {:.2} simulated hours; {tasks} tasks, \
         {failed} results of them errors",
        wanted.seeds,
        wanted.seeds as f64 / seconds,
        steps as f64 / seconds,
        nanos as f64 / 3.6e12,
    );
    ExitCode::from(u8::from(bad > 0))
}
