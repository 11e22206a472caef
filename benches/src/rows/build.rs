//! What a user waits for: a clean release build of a program of one function.

use crate::bench::{Bench, Goal, Line, Outcome, RAYKIT, Row, Unit, timed};
use crate::child;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const BY_HAND: &str = "rayon + tokio";
const BESIDE: &[(&str, Goal)] = &[(BY_HAND, Goal::None)];
const LIMIT: Duration = Duration::from_secs(900);

pub(crate) const ROW: Row = Row {
    name: "build",
    lines: &[
        line("build.default", "clean release build of hello world", Unit::Seconds),
        line("build.default.crates", "crates in it", Unit::Count),
        line("build.bare", "the same without default features", Unit::Seconds),
        line("build.bare.crates", "crates in it, without default features", Unit::Count),
    ],
    note: "a crate of one remote function that depends on raykit, built once, offline, with the \
           versions of this workspace's lock file and nothing kept from before; its crates as `cargo \
           tree` tells them, build tools included. Beside it one that depends on rayon and tokio \
           (rt-multi-thread).",
    run,
};

const fn line(key: &'static str, what: &'static str, unit: Unit) -> Line {
    Line { key, what, unit, peers: BESIDE, under: None }
}

const HELLO_RAYKIT: &str = r#"
use raykit::prelude::*;

#[remote]
fn hello_world() -> String {
    "Hello, world!".into()
}

fn main() -> raykit::Result<()> {
    let _ray = raykit::init()?;
    println!("{}", hello_world::remote().get()?);
    Ok(())
}
"#;

const HELLO_BY_HAND: &str = r#"
fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let (hello, world) = rayon::join(|| "Hello", || "world");
    println!("{}", runtime.block_on(async { format!("{hello}, {world}!") }));
    Ok(())
}
"#;

fn workspace() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn run(bench: &mut Bench) -> Outcome {
    let path = workspace().join("raykit");
    let raykit = |more: &str| format!("raykit = {{ path = {path:?}{more} }}");
    let by_hand = "rayon = \"1\"\ntokio = { version = \"1\", default-features = false, \
                   features = [\"rt-multi-thread\"] }";
    let crates = [
        ("build.default", RAYKIT, HELLO_RAYKIT, raykit("")),
        ("build.bare", RAYKIT, HELLO_RAYKIT, raykit(", default-features = false")),
        ("build.default", BY_HAND, HELLO_BY_HAND, by_hand.to_owned()),
    ];
    for (key, who, source, dependencies) in crates {
        let (seconds, count) = built(source, &dependencies)?;
        bench.record(key, who, seconds);
        bench.record(format!("{key}.crates"), who, count as f64);
        if who == BY_HAND {
            bench.record("build.bare", who, seconds);
            bench.record("build.bare.crates", who, count as f64);
        }
    }
    Ok(())
}

/// Seconds of a clean build, and how many crates are in it.
fn built(source: &str, dependencies: &str) -> Outcome<(f64, usize)> {
    let exe = std::env::current_exe()?;
    let folder = exe.parent().ok_or("the program lies nowhere")?.join("bench-hello-world");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("src"))?;
    std::fs::write(folder.join("src/main.rs"), source)?;
    std::fs::copy(workspace().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let manifest = format!(
        "[package]\nname = \"hello\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [dependencies]\n{dependencies}\n\n[workspace]\n"
    );
    std::fs::write(folder.join("Cargo.toml"), manifest)?;
    let count = crates(&folder)?;
    let (seconds, done) = timed(|| child::output(cargo(&folder, &["build", "--release"]), LIMIT));
    done?;
    std::fs::remove_dir_all(&folder)?;
    Ok((seconds, count))
}

/// How many different crates the one in `folder` needs, itself included.
fn crates(folder: &Path) -> Outcome<usize> {
    let tree = cargo(folder, &["tree", "--prefix", "none", "-e", "normal,build", "-f", "{p}"]);
    let tree = child::output(tree, LIMIT)?;
    let names = tree.lines().map(|line| line.split(" (").next().unwrap_or(line));
    Ok(names.filter(|name| !name.is_empty()).collect::<BTreeSet<_>>().len())
}

fn cargo(folder: &Path, words: &[&str]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(words).args(["--offline", "--quiet"]).current_dir(folder).stderr(Stdio::null());
    // The build is the user's own: nothing of the surrounding one is to change it.
    cargo.env("CARGO_TARGET_DIR", folder.join("target")).env_remove("RUSTFLAGS");
    cargo
}
