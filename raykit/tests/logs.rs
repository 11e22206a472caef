//! What tasks print on other nodes: it reaches the driver, and stays readable on the node.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

mod common;

use clap::{Args as _, FromArgMatches as _};
use common::{PATIENCE, eventually};
use raykit::prelude::*;
use raykit::{Config, NodeArgs, NodeId, Strategy, state};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

#[remote]
fn says(what: &str) -> u32 {
    println!("{what} is said");
    eprintln!("{what} is an error");
    std::println!("{what} is printed");
    tracing::info!("{what} is traced");
    writeln!(raykit::log_writer(), "{what} is written").unwrap();
    std::process::id()
}

#[remote]
fn floods(lines: u64) -> u64 {
    let line = "x".repeat(200);
    (0..lines).for_each(|n| std::println!("{n} {line}"));
    lines
}

/// Prints until it is cancelled, and more than anybody is sent.
#[remote]
fn floods_on() {
    let line = "x".repeat(200);
    let mut lines = 0;
    while lines < 50_000 || !raykit::context().is_cancelled() {
        println!("{line}");
        lines += 1;
    }
}

#[remote]
fn process(x: u64) -> (u64, u32) {
    (x, std::process::id())
}

#[remote]
struct Speaker;

#[remote]
impl Speaker {
    pub fn new() -> Self {
        println!("a speaker is made");
        Speaker
    }
    pub fn speak(&mut self, what: &str) {
        self.aloud(what);
    }
    pub async fn whisper(&self, what: String) {
        println!("{what} is whispered");
    }
    fn aloud(&self, what: &str) {
        println!("{what} is spoken");
    }
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
        tracing_subscriber::fmt()
            .without_time()
            .with_ansi(false)
            .with_writer(raykit::log_writer)
            .init();
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
            ["speaks", node, what] => {
                let speaker = Speaker::options().strategy(there(node.parse().unwrap())).remote();
                raykit::get(&[speaker.speak(what), speaker.whisper(what.to_owned())]).unwrap();
                println!("\ndone");
            }
            // It goes on until its node ends.
            ["begins", node] => {
                let there = there(node.parse().unwrap());
                let flood = floods_on::options().strategy(there).remote();
                println!("\ndone {}", flood.get().is_err());
            }
            // While one task prints, others run there and give what they have.
            ["floods", node] => {
                let there = there(node.parse().unwrap());
                let flood = floods_on::options().strategy(there).remote();
                let others: Vec<_> = (0..200)
                    .map(|x| process::options().strategy(there).num_cpus(0.0).remote(x))
                    .collect();
                let all = raykit::get(&others).unwrap();
                assert!(all.iter().zip(0..).all(|((x, _), n)| *x == n));
                flood.cancel();
                assert!(flood.get().unwrap_err().is_cancelled());
                println!("\nall came; done flooding");
            }
            _ => println!("\nwhat?"),
        }
    }
}

/// A process of the tests; it ends with this.
struct Process {
    child: Child,
    input: Option<ChildStdin>,
    /// What it prints, on both of its ways.
    lines: Receiver<String>,
}

impl Process {
    fn start(part: &str, head: &Head) -> Process {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["a_process_of_the_tests", "--exact", "--nocapture", "--test-threads=1"])
            .env("RAYKIT_TEST_PART", part)
            .env("RAYKIT_ADDRESS", &head.address)
            .env("RAYKIT_TOKEN", &head.token)
            .env("RAYKIT_LOG_FOLDER", head.folder.join("logs"))
            .stdin(Stdio::piped())
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .spawn()
            .unwrap();
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(reader).lines().map_while(Result::ok);
            lines.for_each(|line| drop(tell.send(line)));
        });
        Process { input: child.stdin.take(), child, lines }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Reads on to the line that `wanted` says yes to.
    fn find(&mut self, mut wanted: impl FnMut(&str) -> bool) -> Vec<String> {
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            let found = wanted(&line);
            seen.push(line);
            if found {
                return seen;
            }
        }
        // What was printed without end would hide the rest.
        seen.retain(|line| !line.ends_with("xxxx"));
        panic!("it never came: {seen:#?}");
    }

    /// Reads on until there has been a line for each of these, in any order.
    fn find_all(&mut self, wanted: &[String]) -> Vec<String> {
        let mut open: Vec<&str> = wanted.iter().map(String::as_str).collect();
        self.find(|line| {
            // The first line may stand behind words of the test's runner.
            open.retain(|wanted| !line.ends_with(wanted));
            open.is_empty()
        })
    }

    fn end(&mut self) -> Vec<String> {
        if self.input.take().is_none() {
            return Vec::new();
        }
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let rest = self.lines.iter().collect();
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
    let node = Config::new().num_cpus(1).log_to_driver(false);
    let node = node.head("127.0.0.1:0".parse().unwrap()).start().unwrap();
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
    let named = ["said", "an error", "written"].map(|how| format!("(says {place}) hello is {how}"));
    let printed = format!("({place}) hello is printed");
    driver.find_all(&[&named[..], &[printed]].concat());
    // An event stands in the line as the program's subscriber has written it.
    driver.tell("says 1 again");
    let event = format!("(says {place})  INFO logs: again is traced");
    driver.find(|line| line == event);

    // What a task calls is said by the driver of that task, wherever it runs.
    driver.tell("nested 2 1 deep");
    driver.find(|line| line == format!("(inner {place}) deep is said"));

    // However a line comes, it comes once.
    let lines = |what: &str| -> Vec<String> {
        let how = ["is said", "is an error", "is printed", "is written"];
        how.iter().map(|how| format!(" {what} {how}")).collect()
    };
    let rounds: Vec<String> = (0..5).map(|round| format!("round-{round}")).collect();
    let mut seen = Vec::new();
    for what in rounds.iter().map(String::as_str).chain(["the-end"]) {
        driver.tell(&format!("says 1 {what}"));
        seen.extend(driver.find_all(&lines(what)));
    }
    for line in rounds.iter().flat_map(|what| lines(what)) {
        let times = seen.iter().filter(|seen| seen.ends_with(&line)).count();
        assert_eq!(times, 1, "{line}: {seen:#?}");
    }

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

/// Lines of an actor have the names of its methods.
#[test]
fn a_driver_reads_what_its_actors_print() {
    let head = head("speaks");
    let _here = head.node.enter();
    let (worker, _) = worker(&head, "stage");
    let mut driver = Process::start("driver", &head);
    driver.tell("speaks 1 hello");
    let place = format!("pid={}, node=stage", worker.child.id());
    driver.find_all(&[
        format!("(new {place}) a speaker is made"),
        format!("(speak {place}) hello is spoken"),
        format!("(whisper {place}) hello is whispered"),
    ]);
}

/// Who was killed had no time to say anything; what its tasks had said is on its host.
#[test]
fn the_log_of_a_killed_process_stays() {
    let head = head("killed");
    let _here = head.node.enter();
    let (mut worker, id) = worker(&head, "mortal");
    let there = Strategy::Node { node: id, soft: false };
    let process = says::options().strategy(there).remote("last").get().unwrap();
    let path = state::nodes().node(id).get().unwrap().items[0].log_file.clone().unwrap();
    assert_eq!(process, worker.child.id());
    worker.child.kill().unwrap();
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept.contains(") last is said\n") && kept.contains("(says t"), "{kept}");
    eventually("the node is gone", || raykit::nodes().unwrap().len() == 1);
    let gone = state::log(id).get().unwrap_err().to_string();
    assert!(gone.contains("is a file on its host"), "{gone}");
}

/// A task that prints without end: others run beside it, and the driver is told of what it did not
/// get.
#[test]
fn what_prints_in_a_loop_is_in_nobodys_way() {
    let head = head("loop");
    let _here = head.node.enter();
    let (_worker, id) = worker(&head, "loop-node");
    let mut driver = Process::start("driver", &head);
    driver.tell("floods 1");
    let told = "lines came too fast and were left out; `raykit logs` has them]";
    driver.find_all(&["done flooding".to_owned(), told.to_owned()]);
    assert!(state::log(id).tail(1).get().unwrap().text.starts_with("(floods_on t"));
}

/// A node that is told to go while a task prints without end goes.
#[test]
fn what_prints_in_a_loop_does_not_keep_its_node() {
    let head = head("going");
    let _here = head.node.enter();
    let (mut worker, _) = worker(&head, "going-node");
    let mut driver = Process::start("driver", &head);
    driver.tell("begins 1");
    driver.find(|line| line.starts_with("(floods_on "));
    let _ = Command::new("kill").args(["-TERM", &worker.child.id().to_string()]).status();
    eventually("the node has ended", || worker.child.try_wait().unwrap().is_some());
    worker.input = None; // there is nobody left to be told to go
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
    assert!(
        says::options()
            .strategy(Strategy::Node { node: id, soft: false })
            .remote("on")
            .get()
            .is_ok()
    );
}
