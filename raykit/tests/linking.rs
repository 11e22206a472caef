//! The linker keeps every remote function, in every profile, of every crate that the program names.

#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use std::path::PathBuf;
use std::process::Command;

const NAMED: &str = "\
linking_library@3::deep::private fn private(x: i64) -> i64
linking_library@3::public fn public(text: &str) -> usize
named@0::first::local fn local()
named@0::own fn own()
named@0::second::local fn local()
";

const SILENT: &str = "\
silent@0::own fn own()
";

#[test]
fn debug() {
    check(&[], "debug");
}

#[test]
fn link_time_optimisation() {
    check(&["--release"], "release");
}

/// Builds the two programs of the fixture and compares what they know.
fn check(arguments: &[&str], profile: &str) {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("linking");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/linking/Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline", "--manifest-path", manifest, "--target-dir"])
        .arg(&target)
        .args(arguments)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (program, expected) in [("named", NAMED), ("silent", SILENT)] {
        let output = Command::new(target.join(profile).join(program)).output().expect("it runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{program}, {profile}");
    }
}

/// Two raykits in one program would each have half of its functions: cargo refuses to put them
/// together.
#[test]
fn two_raykits_in_one_program_are_refused() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("two_raykits");
    let raykit = env!("CARGO_MANIFEST_DIR");
    let package = |name: &str, rest: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"9.0.0\"\nedition = \"2024\"\n{rest}")
    };
    let program = format!(
        "[workspace]\n[dependencies]\nraykit = {{ path = '{raykit}', default-features = false }}\nolder = {{ path = \"older\" }}\n"
    );
    for (at, manifest) in
        [("", package("program", &program)), ("older", package("older", "links = \"raykit\"\n"))]
    {
        let at = folder.join(at);
        std::fs::create_dir_all(at.join("src")).unwrap();
        std::fs::write(at.join("src/lib.rs"), "").unwrap();
        std::fs::write(at.join("build.rs"), "fn main() {}").unwrap();
        std::fs::write(at.join("Cargo.toml"), manifest).unwrap();
    }
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .output()
        .expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains("links to the native library `raykit`"), "{text}");
}
