//! All decoders of raykit in one program: `RAYKIT_FUZZ` names the one that is tried. `fuzz/run`
//! builds it and runs it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use raykit::__fuzz::{Target, targets};
use std::path::Path;
use std::sync::{Once, OnceLock};

/// A function that calls of other nodes may name.
#[raykit::remote]
fn fuzzed(x: Vec<String>, y: i64) -> usize {
    x.len().wrapping_add(y as usize)
}

/// The decoder that is tried.
fn chosen() -> &'static Target {
    static CHOSEN: OnceLock<&Target> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let name = std::env::var("RAYKIT_FUZZ").unwrap_or_default();
        if name == "list" {
            targets().for_each(|one| println!("{}", one.name));
            std::process::exit(0);
        }
        targets().find(|one| one.name == name).unwrap_or_else(|| {
            let names: Vec<_> = targets().map(|one| one.name).collect();
            panic!("RAYKIT_FUZZ names no decoder, but `{name}`; there are {}", names.join(", "))
        })
    })
}

/// Writes what the fuzzer begins with to the folder that `RAYKIT_FUZZ_SEEDS` names.
fn begin() {
    let target = chosen();
    let Ok(folder) = std::env::var("RAYKIT_FUZZ_SEEDS") else { return };
    std::fs::create_dir_all(&folder).expect("a folder for the corpus");
    for (at, seed) in (target.seeds)().iter().enumerate() {
        std::fs::write(Path::new(&folder).join(format!("seed-{at}")), seed).expect("a seed");
    }
}

/// rkyv's arithmetic overflows on some hostile lengths. raykit takes the panic for a refusal where
/// it reads archives; so it is what gets out of a decoder that has failed, and not what is caught.
fn only_what_gets_out() {
    static ONCE: Once = Once::new();
    let quiet = || std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    if matches!(chosen().name, "archive" | "told" | "call") {
        ONCE.call_once(quiet);
    }
}

fuzz_target!(init: begin(), |bytes: &[u8]| {
    only_what_gets_out();
    (chosen().run)(bytes);
});
