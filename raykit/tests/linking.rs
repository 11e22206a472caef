//! The linker keeps every remote function, in every profile, of every crate that the program names.

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
