//! Ray, by a Python program in a child process that prints a line of JSON for each figure.

use crate::bench::{Bench, Outcome, RAY, Row, cores};
use crate::child;
use crate::rows::wordcount;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const PROGRAM: &str = include_str!("../../peers/ray_rows.py");
/// When the program begins no further row; and when it is ended.
const LIMIT: Duration = Duration::from_secs(600);
const LIMIT_HARD: Duration = Duration::from_secs(720);

/// Measures these rows. Returns Ray's version, or nothing where there is no Python to measure with.
pub(crate) fn measure(rows: &[&Row], bench: &mut Bench) -> Outcome<Option<String>> {
    let Some(python) = python() else { return Ok(None) };
    let folder = std::env::temp_dir().join(format!("raykit-benches-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let told = ask(&python, &folder, rows);
    std::fs::remove_dir_all(&folder)?;
    let mut version = None;
    for line in told?.lines().filter(|line| line.starts_with('{')) {
        match (field(line, "key"), field(line, "value"), field(line, "text")) {
            (Some("version"), _, text) => version = text.map(str::to_owned),
            (Some(key), Some(value), _) => bench.record(key, RAY, value.parse()?),
            (Some(key), None, Some(text)) => bench.fault(format!("Ray, {key}: {text}")),
            _ => {}
        }
    }
    Ok(version)
}

fn python() -> Option<PathBuf> {
    match std::env::var_os("RAYKIT_BENCH_PYTHON").filter(|name| !name.is_empty()) {
        Some(name) => Some(name.into()),
        None => Some(PathBuf::from(".venv/bin/python")).filter(|python| python.exists()),
    }
}

fn ask(python: &Path, folder: &Path, rows: &[&Row]) -> Outcome<String> {
    let program = folder.join("ray_rows.py");
    std::fs::write(&program, PROGRAM)?;
    let names: Vec<&str> = rows.iter().map(|row| row.name).collect();
    let mut command = Command::new(python);
    command.arg(program).args(["--rows", &names.join(",")]);
    command.args(["--cpus", &cores().to_string(), "--limit", &LIMIT.as_secs().to_string()]);
    command.env("RAY_USAGE_STATS_ENABLED", "0");
    if names.contains(&"wordcount") {
        let text = folder.join("text");
        std::fs::write(&text, wordcount::text())?;
        command.arg("--text").arg(text);
    }
    child::output(command, LIMIT_HARD)
}

/// A field of a flat JSON object without escapes: all that the program prints.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{name}\":"))?;
    let rest = rest.trim_start();
    match rest.strip_prefix('"') {
        Some(text) => text.split('"').next(),
        None => rest.split([',', '}']).next().map(str::trim),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        let line = r#"{"key": "a.b", "value": 1.5e-3, "text": "some words, some more"}"#;
        assert_eq!(field(line, "key"), Some("a.b"));
        assert_eq!(field(line, "value"), Some("1.5e-3"));
        assert_eq!(field(line, "text"), Some("some words, some more"));
        assert_eq!(field(line, "other"), None);
    }
}
