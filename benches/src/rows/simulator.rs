//! The pretend world that the brain of a cluster is tested in.

use crate::bench::{Bench, Line, Outcome, RAYKIT, Row, Unit};
use crate::child;
use std::process::Command;
use std::time::Duration;

const SEEDS: &str = "200";
/// It is built first.
const LIMIT: Duration = Duration::from_secs(600);

pub(crate) const ROW: Row = Row {
    name: "simulator",
    lines: &[Line {
        key: "simulator.event",
        what: "an event of the simulator (goal: 200,000/s)",
        unit: Unit::Seconds,
        peers: &[],
        under: Some(5e-6),
    }],
    note: "`raykit-sim --seeds 200`, built with the feature `sim`: its time by the events it tells of.",
    run,
};

fn run(bench: &mut Bench) -> Outcome {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    for _ in 0..bench.rounds {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        command.args(["run", "--quiet", "--release", "--manifest-path", manifest]);
        command.args(["-p", "raykit", "--features", "sim", "--bin", "raykit-sim", "--"]);
        command.args(["--seeds", SEEDS]);
        let said = child::output(command, LIMIT)?;
        let mut words = said.split([',', ' ']).filter(|word| !word.is_empty());
        let mut before = None;
        let rate = words.find_map(|word| match word {
            "events/s" => before,
            _ => {
                before = Some(word);
                None
            }
        });
        let rate: f64 = rate.ok_or("it tells no events/s")?.parse()?;
        bench.record("simulator.event", RAYKIT, 1.0 / rate);
    }
    Ok(())
}
