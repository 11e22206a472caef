//! What tasks print on other nodes: it reaches the driver, and stays readable on the node.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

mod common;

use clap::{Args as _, FromArgMatches as _};
use common::eventually;
use raykit::prelude::*;
use raykit::{Config, NodeArgs, NodeId, Strategy, state};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

#[remote]
fn says(what: &str) -> u32 {
    raykit::println!("{what} is said");
    raykit::eprintln!("{what} is an error");
    println!("{what} is printed");
    writeln!(raykit::log_writer(), "{what} is written").unwrap();
    std::process::id()
}

#[remote]
fn floods(lines: u64) -> u64 {
    let line = "x".repeat(200);
    (0..lines).for_each(|n| println!("{n} {line}"));
    lines
}

/// Calls `says` from a task, so that what it prints has a way to go.
#[remote]
fn has_said(to: u32, what: &str) -> Result<u32, raykit::Error> {
    says::options().name("inner").strategy(there(to)).remote(what).get()
}

fn there(node: u32) -> Strategy {
    let node = raykit::nodes().unwrap()[node as usize].id;
    Strategy::Node { node, soft: false }
}

/// What a process of these tests does: it is told by the environment.
#[test]
fn a_process_of_the_tests() {
    let Ok(part) = std::env::var("RAYKIT_TEST_PART") else { return };
    if let Some(words) = part.strip_prefix("worker ") {
        let words = std::iter::once("worker").chain(words.split(' '));
        let matches = NodeArgs::augment_args(clap::Command::new("worker")).get_matches_from(words);
        return NodeArgs::from_arg_matches(&matches).unwrap().run().unwrap();
    }
    let quiet = part == "quiet driver";
    let mut config = Config::new().num_cpus(1);
    if quiet {
        config = config.log_to_driver(false);
    }
    let _ray = config.init().unwrap();
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["says", node, what] => {
                let call = says::options().strategy(there(node.parse().unwrap()));
                println!("\ndone {}", call.remote(what).get().unwrap());
            }
            ["nested", node, to, what] => {
                let call = has_said::options().strategy(there(node.parse().unwrap()));
                println!("\ndone {}", call.remote(to.parse::<u32>().unwrap(), what).get().unwrap());
            }
            _ => println!("\nwhat?"),
        }
    }
}

/// A process of the tests; it ends with this.
struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(part: &str, head: &Head) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["a_process_of_the_tests", "--exact", "--nocapture", "--test-threads=1"])
            .env("RAYKIT_TEST_PART", part)
            .env("RAYKIT_ADDRESS", &head.address)
            .env("RAYKIT_TOKEN", &head.token)
            .env("RAYKIT_LOG_FOLDER", head.folder.join("logs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Process { input: child.stdin.take(), child, lines }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Reads on to the line that `wanted` says yes to.
    fn find(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut seen = Vec::new();
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            let found = wanted(&line);
            seen.push(line);
            if found {
                return seen;
            }
        }
        panic!("it never came: {seen:#?}");
    }

    fn end(&mut self) -> Vec<String> {
        drop(self.input.take());
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let rest = self.lines.by_ref().map_while(Result::ok).collect();
        let _ = self.child.wait();
        rest
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

struct Head {
    node: raykit::Node,
    address: String,
    token: String,
    folder: PathBuf,
}

impl Drop for Head {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn head(name: &str) -> Head {
    let node = Config::new().num_cpus(1).head("127.0.0.1:0".parse().unwrap()).start().unwrap();
    let here = node.enter();
    let address = raykit::nodes().unwrap()[0].addresses[0].clone();
    let token = raykit::join_token(None).unwrap();
    drop(here);
    let folder = std::env::temp_dir().join(format!("raykit-{name}-{}", std::process::id()));
    std::fs::DirBuilder::new().create(&folder).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&folder, private).unwrap();
    Head { node, address, token, folder }
}

fn worker(head: &Head, name: &str) -> (Process, NodeId) {
    let known = raykit::nodes().unwrap().len();
    let words = format!("worker --join {} --num-cpus 2 --name {name}", head.address);
    let process = Process::start(&words, head);
    eventually("the worker has come", || raykit::nodes().unwrap().len() == known + 1);
    let nodes = raykit::nodes().unwrap();
    (process, nodes.iter().find(|node| node.name == name).unwrap().id)
}

#[test]
fn a_driver_reads_what_its_tasks_print() {
    let head = head("reads");
    let _here = head.node.enter();
    let (first, id) = worker(&head, "first");
    let (_second, _) = worker(&head, "second");
    let mut driver = Process::start("driver", &head);
    driver.tell("says 1 hello");
    let place = format!("pid={}, node=first", first.child.id());
    // In the order in which they came: what is printed in another way is a moment later.
    let wanted = format!("({place}) hello is printed");
    let seen = driver.find(|line| line == wanted);
    let said = format!("(says {place}) hello is said");
    let more = driver_has(&mut driver, &seen, &said);
    assert!(more, "{seen:#?}");

    // What a task calls is said by the driver of that task, wherever it runs.
    driver.tell("nested 2 1 deep");
    driver.find(|line| line == format!("(inner {place}) deep is said"));

    let log = state::log(id).get().unwrap();
    for line in ["hello is printed\n", ") hello is said\n", ") hello is written\n"] {
        assert!(log.text.contains(line), "{line}: {}", log.text);
    }
    assert!(log.text.contains("(says t"), "the task is named: {}", log.text);
    let last = state::log(id).tail(1).get().unwrap();
    assert_eq!((last.text.lines().count(), last.end, last.next), (1, log.end, log.end));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&log.path).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600, "nobody else reads it");
    let node = &state::nodes().node(id).get().unwrap().items[0];
    assert_eq!(node.log_file.as_deref(), Some(log.path.as_str()));
    let none = state::log(head.node.id()).get().unwrap_err();
    assert!(none.to_string().contains("keeps no log"), "{none}");
}

/// Whether the line has been seen, or comes.
fn driver_has(driver: &mut Process, seen: &[String], line: &str) -> bool {
    seen.iter().any(|one| one == line) || !driver.find(|one| one == line).is_empty()
}

#[test]
fn a_quiet_driver_prints_nothing_of_others() {
    let head = head("quiet");
    let _here = head.node.enter();
    let (_worker, id) = worker(&head, "quiet-node");
    let mut driver = Process::start("quiet driver", &head);
    driver.tell("says 1 hush");
    driver.find(|line| line.starts_with("done"));
    eventually("it was printed there", || {
        state::log(id).get().unwrap().text.contains("hush is printed")
    });
    let rest = driver.end();
    assert!(rest.iter().all(|line| !line.contains("hush")), "{rest:#?}");
}

/// However much is printed: the files stay within their bound, the node goes on, and the terminal
/// of the node gets it all.
#[test]
fn what_prints_without_end_is_bounded() {
    let head = head("flood");
    let _here = head.node.enter();
    let (mut worker, id) = worker(&head, "flood-node");
    let lines = 120_000; // 24 MB
    let flood = floods::options().strategy(Strategy::Node { node: id, soft: false }).remote(lines);
    let last = format!("{} ", lines - 1);
    let shown = worker.find(|line| line.starts_with(&last));
    assert!(shown.len() as u64 >= lines);
    assert_eq!(flood.get().unwrap(), lines);
    eventually("the last line is kept", || {
        state::log(id).tail(1).get().unwrap().text.starts_with(&last)
    });
    let path = PathBuf::from(state::log(id).tail(1).get().unwrap().path);
    let sizes = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let sizes: Vec<u64> = sizes.map(|file| file.unwrap().metadata().unwrap().len()).collect();
    assert!(sizes.len() == 2 && sizes.iter().all(|size| *size <= 8 << 20), "{sizes:?}");
    let old = state::log(id).from(0).get().unwrap();
    assert!(old.start > 0, "the oldest are gone");
    std::thread::spawn(move || worker.lines.by_ref().for_each(drop));
    assert!(
        says::options()
            .strategy(Strategy::Node { node: id, soft: false })
            .remote("on")
            .get()
            .is_ok()
    );
}
