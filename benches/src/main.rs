//! Side by side measurements: raykit and its peers in one run, round by round, with the goals and
//! whether they are met. See README.md.

mod args;
mod bench;
mod child;
#[cfg(target_os = "linux")]
mod hosts;
mod inputs;
mod machine;
mod peers;
mod report;
mod rows;
#[cfg(target_os = "linux")]
mod served;

use args::{Args, Wish};
use bench::{Bench, Outcome, Row};
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let done = match args::read(std::env::args().skip(1)) {
        Ok(Wish::Help) => {
            println!("{}", args::help());
            Ok(())
        }
        Ok(Wish::Child(name)) => child::become_one(&name),
        Ok(Wish::Measure(args)) => measure(&args),
        Err(error) => {
            eprintln!("raykit-benches: {error}\n--help tells more");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("raykit-benches: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> Outcome {
    let mut machine = machine::Machine::look();
    let mut bench = Bench::new(args.rounds);
    for row in &args.rows {
        let begun = Instant::now();
        eprint!("{} ..", row.name);
        if let Err(error) = (row.run)(&mut bench) {
            bench.fault(format!("{}: {error}", row.name));
        }
        eprintln!(" {:.1} s", begun.elapsed().as_secs_f64());
    }
    machine.ray = ask_ray(args, &mut bench);
    machine.look_again();
    let report = report::Report::new(&args.rows, &bench, &machine);
    print!("{}", report.plain());
    if let Some(file) = &args.markdown {
        let written = std::fs::write(file, report.markdown());
        written.map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    Ok(())
}

/// Runs Ray's rows in a child process and returns Ray's version.
fn ask_ray(args: &Args, bench: &mut Bench) -> Option<String> {
    let wanted: Vec<&Row> = args.rows.iter().copied().filter(|row| row.has_ray()).collect();
    if !args.with_ray || wanted.is_empty() {
        return None;
    }
    let begun = Instant::now();
    eprint!("Ray ..");
    let version = peers::ray::measure(&wanted, bench).unwrap_or_else(|error| {
        bench.fault(format!("Ray: {error}"));
        None
    });
    eprintln!(" {:.1} s", begun.elapsed().as_secs_f64());
    version
}
