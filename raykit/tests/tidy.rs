//! The house rules as a test: floors and rooms, outside crates, unsafe code, sizes, essays.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms by floor. A file imports from lower floors and from its own room only.
const FLOORS: [(&str, usize); 13] = [
    ("base", 0),
    ("object", 1),
    ("sched", 1),
    ("logs", 1),
    ("actor", 2),
    ("shm", 2),
    ("task", 3),
    ("proto", 3),
    ("net", 3),
    ("node", 4),
    ("api", 5),
    ("kit", 6),
    ("sim", 7),
];

/// Outside crates and the places that may name them. parking_lot's locks and tracing's events are
/// words of the language here.
const OUTSIDE: [(&str, &[&str]); 20] = [
    ("serde_json", &["bin/"]),
    ("libc", &["object/buffer.rs"]),
    ("rkyv", &["object/", "task/call.rs", "task/param.rs"]),
    ("linkme", &["task/registry.rs"]),
    ("crossbeam_deque", &["sched/"]),
    ("crossbeam_utils", &["base/shards.rs"]),
    ("futures_core", &["task/drain.rs", "api/stream.rs"]),
    ("tokio", &["node/future.rs", "node/fetch.rs", "node/scrape.rs", "net/", "api/worker.rs"]),
    ("clap", &["api/worker.rs", "bin/"]),
    ("quinn", &["net/"]),
    ("rustls", &["net/"]),
    ("bytes", &["net/"]),
    ("ring", &["net/secret.rs", "net/token.rs", "net/register.rs"]),
    ("rcgen", &["net/authority.rs", "net/identity.rs"]),
    ("x509_parser", &["net/identity.rs"]),
    ("socket2", &["net/endpoint.rs"]),
    ("rustix", &["net/files.rs", "shm/", "logs/"]),
    ("postcard", &["object/serde.rs"]),
    ("serde", &["object/serde.rs", "node/report.rs", "api/state.rs", "api/token.rs", "bin/"]),
    ("loom", &["base/sync.rs"]),
];

/// The files that may hold unsafe code. In `base/sync.rs` it is in the model checker's stand-in
/// alone.
const UNSAFE: [&str; 9] = [
    "actor/state.rs",
    "base/sync.rs",
    "net/whisper.rs",
    "object/buffer.rs",
    "object/codec.rs",
    "object/view.rs",
    "sched/desk.rs",
    "shm/arena.rs",
    "shm/segment.rs",
];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
/// Of a comment; rustfmt sees to code, and leaves long texts in quotes alone.
const COMMENT_WIDTH_MAX: usize = 100;

struct Source {
    /// Relative to `src`, with `/`.
    name: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    files(&root(), &mut found);
    found.sort();
    let read = |path: PathBuf| Source {
        name: path.strip_prefix(root()).expect("below src").display().to_string(),
        text: fs::read_to_string(&path).expect("a readable file"),
    };
    let all: Vec<Source> = found.into_iter().map(read).collect();
    assert!(all.len() > 30, "the sources were found");
    all
}

/// The file without the tests at its foot.
fn without_tests(text: &str) -> &str {
    let cut =
        ["\n#[cfg(test)]\nmod", "\n#[cfg(all(test"].iter().filter_map(|mark| text.find(mark)).min();
    &text[..cut.unwrap_or(text.len())]
}

/// Code lines with their numbers: neither comments nor tests.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = without_tests(text).lines().enumerate();
    lines.map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn room(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

fn is_test_file(name: &str) -> bool {
    name.ends_with("tests.rs") || name.contains("/tests/")
}

/// What the crate's root re-exports, by name: `ObjectRef` → `object`.
fn porch() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join("lib.rs")).expect("lib.rs");
    let mut names = BTreeMap::new();
    for statement in text.split(';').map(str::trim).filter_map(|s| s.rsplit_once("pub use ")) {
        let path = statement.1;
        let from = room(&path.replace("::", "/")).to_owned();
        if from == "crate" {
            continue; // the prelude says a second time what stands above
        }
        let inner = path.rsplit("::").next().unwrap_or(path);
        let listed = path.split_once('{').map_or(inner, |(_, list)| list.trim_end_matches('}'));
        for name in listed.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            names.insert(name.to_owned(), from.clone());
        }
    }
    names
}

#[test]
fn imports_go_down_the_floors() {
    let porch = porch();
    let mut wrong = Vec::new();
    let all = sources();
    // Programs stand outside of the house: they see what every user sees.
    let inside = |s: &&Source| s.name != "lib.rs" && !s.name.starts_with("bin/");
    for source in all.iter().filter(inside).filter(|s| !is_test_file(&s.name)) {
        let own = room(&source.name);
        let own_floor = floor(own).unwrap_or_else(|| panic!("{} is in no known room", source.name));
        for (line, text) in code(&source.text) {
            for (at, _) in text.match_indices("crate::") {
                // What stands in a macro is named from where its user is.
                if text[..at].ends_with('$') {
                    continue;
                }
                let rest = &text[at + 7..];
                let word: String =
                    rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let target = match porch.get(&word) {
                    Some(room) if floor(&word).is_none() => room.as_str(),
                    _ => word.as_str(),
                };
                match floor(target) {
                    Some(floor) if target == own || floor < own_floor => {}
                    None if target.starts_with("__") => {}
                    _ => wrong.push(format!("{}:{line}: {}", source.name, text.trim())),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports that do not go down:\n{}", wrong.join("\n"));
}

/// Whether `text` has `name::` in it, and not as the end of a longer word.
fn names(text: &str, name: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(&format!("{name}::")).any(|(at, _)| !text[..at].ends_with(part_of_word))
}

#[test]
fn outside_crates_have_one_place() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|s| s.name != "lib.rs" && !is_test_file(&s.name)) {
        for (line, text) in code(&source.text) {
            for (name, places) in OUTSIDE {
                let named = names(text, name);
                let path = text.contains(&format!("::{name}::")) && !text.contains(" ::");
                if named && !path && !places.iter().any(|place| source.name.starts_with(place)) {
                    wrong.push(format!("{}:{line}: {}", source.name, text.trim()));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "outside crates named where they should not be:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn unsafe_code_is_in_the_named_files_with_its_reason() {
    let mut wrong = Vec::new();
    let mut with = BTreeSet::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (line, text) in code(&source.text) {
            let opens = text.contains("unsafe {") || text.contains("unsafe impl");
            if !opens {
                continue;
            }
            with.insert(source.name.clone());
            if !UNSAFE.contains(&source.name.as_str()) {
                wrong.push(format!("{}:{line}: not one of the files for it", source.name));
            }
            let above = &lines[line.saturating_sub(9)..line];
            if !above.iter().any(|text| text.contains("SAFETY:")) {
                wrong.push(format!("{}:{line}: no `SAFETY:` above it", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(with, UNSAFE.map(str::to_owned).into(), "files of the list without any");
}

/// What is told to whoever looks for faults is what there is.
#[test]
fn the_page_on_security_names_the_files_with_unsafe_code() {
    let page = root().join("../../SECURITY.md");
    let page = fs::read_to_string(page).expect("SECURITY.md");
    let named = page.split('`').filter_map(|word| word.strip_prefix("raykit/src/"));
    let named: BTreeSet<&str> = named.collect();
    assert_eq!(named, UNSAFE.into());
}

#[test]
fn files_functions_and_lines_are_within_bounds() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|s| !is_test_file(&s.name)) {
        let text = without_tests(&source.text);
        if text.lines().count() > FILE_LINES_MAX {
            wrong.push(format!("{}: {} lines", source.name, text.lines().count()));
        }
        let mut begun: Option<(usize, usize, String)> = None;
        for (at, line) in text.lines().enumerate() {
            let comment = line.trim_start().starts_with("//");
            if comment && line.chars().count() > COMMENT_WIDTH_MAX {
                wrong.push(format!("{}:{}: the line is too long", source.name, at + 1));
            }
            let indent = line.len() - line.trim_start().len();
            let word = line.trim_start();
            let starts =
                ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn ", "async fn ", "const fn "];
            if begun.is_none() && starts.iter().any(|start| word.starts_with(start)) {
                begun = Some((at, indent, word.to_owned()));
            }
            let closes = word == "}" || line.trim_end().ends_with(';') || word.ends_with("{}");
            if let Some((from, depth, name)) =
                begun.take_if(|(_, depth, _)| closes && *depth == indent)
            {
                let _ = depth;
                if at - from > FUNCTION_LINES_MAX {
                    wrong.push(format!(
                        "{}:{}: {} lines: {name}",
                        source.name,
                        from + 1,
                        at - from
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_opens_with_an_essay_and_an_example() {
    let mut rooms = BTreeSet::new();
    for source in sources().iter().filter(|s| s.name.ends_with("/mod.rs")) {
        let essay: Vec<&str> =
            source.text.lines().take_while(|line| line.starts_with("//!")).collect();
        rooms.insert(room(&source.name).to_owned());
        if source.name.matches('/').count() > 1 || room(&source.name) == "base" {
            assert!(!essay.is_empty(), "{} opens without a word", source.name);
            continue;
        }
        assert!(essay.len() >= 8, "the essay of {} is too short", source.name);
        let example = essay.iter().filter(|line| line.trim() == "//! ```").count() >= 2;
        assert!(example, "{} has no example that compiles", source.name);
    }
    assert_eq!(rooms.len(), FLOORS.len(), "every room has a mod.rs");
}

#[test]
fn nothing_is_half_done() {
    let banned =
        ["todo!(", "unimplemented!(", "#[ignore", "FIXME", "thread::sleep", "println!(\"debug"];
    let mut wrong = Vec::new();
    for source in sources() {
        for (line, text) in code(&source.text) {
            if let Some(word) = banned.iter().find(|word| text.contains(**word)) {
                wrong.push(format!("{}:{line}: {word}", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What waits, starts threads, tells the time or has an order of its own does so in a way that a
/// simulation can stand in for.
#[test]
fn all_of_a_node_can_be_simulated() {
    let banned = [
        "Instant::now()",
        "SystemTime::now()",
        ".elapsed()",
        "thread::spawn(",
        "thread::Builder",
        "std::thread::park",
        "std::thread::yield_now",
        "std::thread::JoinHandle",
        "mpsc",
        "std::collections::HashMap",
        "std::collections::HashSet",
        "parking_lot::Condvar",
    ];
    // Sockets, signals, files, tokio's runtime, a table that nobody goes through, and the switch
    // itself.
    let outside = [
        "node/road.rs",
        "node/keyring.rs",
        "node/scrape.rs",
        "node/courier.rs",
        "node/future.rs",
        "node/fuzz.rs",
        "task/registry.rs",
        "api/worker.rs",
        "api/token.rs",
        "base/clock.rs",
        "base/thread.rs",
        "base/lineup.rs",
        "base/turns.rs",
        "base/maps.rs",
        "base/inorder.rs",
        "base/fuzz.rs",
    ];
    let rooms = ["base", "sched", "actor", "task", "proto", "node", "api", "kit"];
    let mut wrong = Vec::new();
    let all = sources();
    let inside = |s: &&Source| rooms.contains(&room(&s.name)) && !is_test_file(&s.name);
    for source in all.iter().filter(inside).filter(|s| !outside.contains(&s.name.as_str())) {
        for (line, text) in code(&source.text) {
            let std = banned.iter().any(|word| text.contains(word));
            // `base/thread` is called by the same name, and has other arguments.
            let ours = text.contains("thread::spawn(") && source.text.contains("base::thread");
            let list = ["std::collections::{", "parking_lot::{"];
            let listed = list.iter().any(|start| text.contains(start))
                && ["HashMap", "HashSet", "Condvar"].iter().any(|word| text.contains(word));
            if (std && !ours) || listed {
                wrong.push(format!("{}:{line}: {}", source.name, text.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "a simulation does not know of:\n{}", wrong.join("\n"));
}

/// The files of a room import one another without a circle: `use super::x` and
/// `use crate::room::x`.
#[test]
fn no_circle_between_files() {
    let all = sources();
    let names: BTreeSet<&str> = all.iter().map(|source| source.name.as_str()).collect();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in all.iter().filter(|s| s.name != "lib.rs" && !is_test_file(&s.name)) {
        let own = room(&source.name);
        for (_, text) in code(&source.text) {
            for start in ["super::", &format!("crate::{own}::")] {
                for (at, _) in text.match_indices(start) {
                    let rest = &text[at + start.len()..];
                    let word: String =
                        rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    let target = format!("{own}/{word}.rs");
                    if names.contains(target.as_str()) && target != source.name {
                        edges.entry(source.name.clone()).or_default().insert(target);
                    }
                }
            }
        }
    }
    let mut circles = Vec::new();
    for start in edges.keys() {
        let mut open = vec![vec![start.clone()]];
        let mut seen = BTreeSet::new();
        while let Some(path) = open.pop() {
            for next in path.last().and_then(|last| edges.get(last)).into_iter().flatten() {
                if next == start {
                    circles.push(format!("{} → {next}", path.join(" → ")));
                } else if seen.insert(next.clone()) {
                    open.push([path.clone(), vec![next.clone()]].concat());
                }
            }
        }
    }
    assert!(circles.is_empty(), "files that import each other:\n{}", circles.join("\n"));
}
