//! Runs the brain of the cluster in a pretend world, seed by seed.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    raykit::__sim(&args)
}
