//! The command `raykit`, against heads in this process and in others.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

mod common;

use clap::{Args as _, FromArgMatches as _};
use common::{Gate, eventually};
use raykit::prelude::*;
use raykit::{Config, NodeArgs, Strategy};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

#[remote]
fn held(gate: u64) -> u64 {
    common::pass(gate);
    gate
}

#[remote]
fn fails() -> Result<u64, String> {
    Err("on\npurpose".into())
}

#[remote]
fn says(what: &str) {
    println!("{what}");
}

#[remote]
struct Keeper;

#[remote]
impl Keeper {
    pub fn new() -> Self {
        Keeper
    }
    pub fn there(&self) -> bool {
        true
    }
}

/// A head of these tests, in a process of its own: told by the environment.
#[test]
fn a_head_of_the_tests() {
    let Ok(words) = std::env::var("RAYKIT_TEST_WORDS") else { return };
    let words = std::iter::once("worker").chain(words.split(' '));
    let matches = NodeArgs::augment_args(clap::Command::new("worker")).get_matches_from(words);
    NodeArgs::from_arg_matches(&matches).unwrap().run().unwrap();
}

/// The command, with what it needs of the environment and nothing else of it.
fn raykit(envs: &[(&str, &str)], words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raykit"));
    command.args(words).env_remove("RAYKIT_ADDRESS").env_remove("RAYKIT_TOKEN");
    command.env_remove("RAYKIT_TOKEN_FILE");
    command.envs(envs.iter().copied()).output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&text(output)).unwrap()
}

/// A head of this process, and how the command finds it.
struct Head {
    node: raykit::Node,
    address: String,
    token: String,
}

impl Head {
    fn new() -> Head {
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = Config::new().num_cpus(2).num_gpus(1.0).name("the head").head(listen);
        let config = config.log_to_driver(false);
        let node = config.start().unwrap();
        let here = node.enter();
        let address = raykit::nodes().unwrap()[0].addresses[0].clone();
        let token = raykit::join_token(None).unwrap();
        drop(here);
        Head { node, address, token }
    }

    fn ask(&self, words: &[&str]) -> Output {
        raykit(&[("RAYKIT_ADDRESS", &self.address), ("RAYKIT_TOKEN", &self.token)], words)
    }
}

#[test]
fn what_goes_on_is_shown_to_people_and_to_machines() {
    let head = Head::new();
    let _here = head.node.enter();
    let gate = Gate::new();
    let running = held::options().name("held one").remote(gate.id);
    gate.await_arrivals(1);
    let keeper = Keeper::options().name("keeper").remote();
    assert!(keeper.there().get().unwrap());
    assert!(fails::remote().get().is_err());
    let large = raykit::put(vec![0_u8; 1 << 20]).unwrap();

    let status = text(&head.ask(&["status"]));
    assert!(status.contains("1 running") && status.contains("held one"), "{status}");
    assert!(status.contains("1 of 2 in use"), "{status}");
    let nodes = text(&head.ask(&["nodes"]));
    assert_eq!(nodes.lines().count(), 2, "the command itself is not shown:\n{nodes}");
    assert!(nodes.starts_with("NODE") && nodes.contains("the head"), "{nodes}");
    let tasks = text(&head.ask(&["tasks", "--state", "failed"]));
    assert_eq!(tasks.lines().count(), 2, "an error of two lines stands in one:\n{tasks}");
    assert!(tasks.contains("fails") && tasks.contains("purpose"), "{tasks}");

    let tasks = json(&head.ask(&["--json", "tasks", "--name", "held one"]));
    assert_eq!(tasks["items"][0]["state"], "RUNNING");
    assert_eq!(tasks["items"][0]["node_id"], head.node.id().to_string());
    let actors = json(&head.ask(&["actors", "--json", "--node", "the head"]));
    assert_eq!(actors["items"][0]["name"], "keeper");
    let objects = json(&head.ask(&["objects", "--json"]));
    assert_eq!(objects["items"][0]["object_id"], large.id().to_string());
    let functions = json(&head.ask(&["functions", "--json", "--name", "fails"]));
    assert_eq!(functions["items"][0]["failed"], 1);
    let status = json(&head.ask(&["status", "--json"]));
    assert_eq!(status["tasks"]["held one"]["RUNNING"], 1);
    gate.open();
    running.get().unwrap();
    eventually("the command is gone", || raykit::nodes().unwrap().len() == 1);
}

#[test]
fn errors_are_one_line_that_says_what_to_do() {
    let head = Head::new();
    let table: [(&[&str], &str, i32); 6] = [
        (&["nodes", "--node", "no\u{1b}[2J\nbody"], "there is no node `no[2J body`;", 1),
        (&["nodes", "--node", "nobody"], "there is no node `nobody`; `raykit nodes`", 1),
        (&["token", "list"], "only an administrator sees to tokens", 1),
        (&["token", "issue"], "only an administrator sees to tokens", 1),
        (&["--address", "127.0.0.1:1", "status"], "`--address HOST:PORT` or RAYKIT_ADDRESS", 1),
        (&["nonsense"], "unrecognized subcommand", 2),
    ];
    for (words, says, code) in table {
        let output = head.ask(words);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(says), "{words:?}: {error}");
        assert_eq!(output.status.code(), Some(code), "{words:?}: {error}");
        assert!(code == 2 || error.lines().count() == 1, "{words:?}: {error}");
    }
    let strange =
        raykit(&[("XDG_RUNTIME_DIR", "/nowhere")], &["--address", &head.address, "status"]);
    let error = String::from_utf8(strange.stderr).unwrap();
    assert!(error.contains("takes a token") && error.lines().count() == 1, "{error}");
}

/// A head in a process of its own, and its user's folder.
struct Started {
    child: Child,
    address: String,
    /// What it has printed at first.
    seen: Vec<String>,
    folder: Folder,
}

impl Started {
    fn new(name: &str, listen: &str) -> Started {
        let folder = std::env::temp_dir().join(format!("raykit-{name}-{}", std::process::id()));
        let folder = Folder::new(folder);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["a_head_of_the_tests", "--exact", "--nocapture", "--test-threads=1"])
            .env("RAYKIT_TEST_WORDS", format!("--head --listen {listen} --num-cpus 1"))
            .env("XDG_RUNTIME_DIR", &folder.0)
            .env("RAYKIT_LOG_FOLDER", folder.0.join("logs"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = Vec::new();
        while !seen.iter().any(|line: &String| line.starts_with("join it ")) {
            seen.push(lines.next().unwrap().unwrap());
        }
        let address = seen.iter().find_map(|line| Some(line.split_once("listens at ")?.1));
        let address = address.unwrap().trim().to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        Started { child, address, seen, folder }
    }

    fn ask(&self, words: &[&str]) -> Output {
        let folder = self.folder.0.to_str().unwrap();
        raykit(&[("XDG_RUNTIME_DIR", folder), ("RAYKIT_ADDRESS", &self.address)], words)
    }

    /// What the head has left for its administrator.
    fn admin_file(&self) -> PathBuf {
        let port = self.address.rsplit(':').next().unwrap();
        self.folder.0.join("raykit").join(format!("head-{port}.admin"))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Were it stopped, it would hear of nothing else.
        for signal in ["-CONT", "-TERM"] {
            let _ = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        }
        let _ = self.child.wait();
    }
}

/// Whoever may read a head's log may not read in it what makes him more than he is.
#[test]
fn a_token_that_a_head_shows_is_in_no_log() {
    let head = Started::new("shown", "0.0.0.0:0");
    let port = head.address.rsplit(':').next().unwrap();
    let address = format!("127.0.0.1:{port}");
    let folder = head.folder.0.to_str().unwrap();
    let envs = [("XDG_RUNTIME_DIR", folder), ("RAYKIT_ADDRESS", &address)];
    let nodes = json(&raykit(&envs, &["nodes", "--json"]));
    let id = nodes["items"][0]["node_id"].as_str().unwrap();
    let shown = head.seen.iter().find(|line| line.contains("RAYKIT_TOKEN=rk1.node.")).unwrap();
    let log = text(&raykit(&envs, &["logs", id]));
    assert!(log.contains("listens at") && !log.contains("rk1."), "{log}\n{shown}");
}

/// X5: only the head's own user, and whom he made one, is an administrator.
#[test]
fn tokens_are_made_listed_replaced_and_revoked() {
    let head = Started::new("tokens", "127.0.0.1:0");
    assert_eq!(text(&head.ask(&["nodes"])).lines().count(), 2);
    let list = json(&head.ask(&["token", "list", "--json"]));
    let roles: Vec<&str> =
        list.as_array().unwrap().iter().map(|row| row["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["node", "admin"]);
    let made = json(&head.ask(&["token", "issue", "--ttl", "1h", "--uses", "9", "--json"]));
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    let list = json(&head.ask(&["token", "list", "--json"]));
    assert_eq!(list.as_array().unwrap().len(), roles.len() + 1, "one was made: {list}");
    assert!(token.starts_with("rk1.node."));
    let by = |token: &str, words: &[&str]| {
        raykit(&[("RAYKIT_ADDRESS", &head.address), ("RAYKIT_TOKEN", token)], words)
    };
    assert!(by(token, &["nodes"]).status.success());
    // Who can join cannot make others join.
    for words in [&["token", "list"][..], &["token", "issue"], &["token", "revoke", id]] {
        let refused = by(token, words);
        let error = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && error.contains("administrator"), "{error}");
    }
    // Nor can the head's own user, if he says that he comes with this one.
    let file = head.folder.0.join("token");
    std::fs::write(&file, token).unwrap();
    private(&file, 0o600);
    let folder = head.folder.0.to_str().unwrap();
    for said in [("RAYKIT_TOKEN", token), ("RAYKIT_TOKEN_FILE", file.to_str().unwrap())] {
        let envs = [("XDG_RUNTIME_DIR", folder), ("RAYKIT_ADDRESS", &head.address), said];
        let refused = raykit(&envs, &["token", "list"]);
        let error = String::from_utf8(refused.stderr).unwrap();
        assert!(error.contains("only an administrator"), "{}: {error}", said.0);
    }
    let fresh = json(&head.ask(&["token", "rotate", id, "--json"]));
    assert!(!by(token, &["nodes"]).status.success(), "the old one was replaced");
    let fresh = fresh["token"].as_str().unwrap();
    assert!(by(fresh, &["nodes"]).status.success());
    let admin = text(&head.ask(&["token", "issue", "--role", "admin", "--uses", "1"]));
    assert!(by(admin.trim(), &["token", "list"]).status.success());
    assert!(!by(admin.trim(), &["token", "list"]).status.success(), "it was good once");
    let listed = text(&head.ask(&["token", "list"]));
    assert!(listed.contains("revoked") && listed.contains("over"), "{listed}");
    let unknown = head.ask(&["token", "revoke", "aaaaaaaaaaaaa"]);
    assert!(!unknown.status.success());
}

/// Who does not answer is named when the time is over that was given, and not later.
#[cfg(unix)]
#[test]
fn nodes_have_the_time_that_is_said() {
    let head = Head::new();
    let _here = head.node.enter();
    let (stopped, node) = head.joined_by("stopped");
    for words in [&["status"][..], &["metrics"], &["nodes"], &["metrics", "--node", "stopped"]] {
        signal(&stopped.child.0, "-STOP");
        let soon = std::time::Duration::from_millis(50);
        let asked = || raykit::state::nodes().node(node).timeout(soon).get().unwrap();
        eventually("it has stopped", || asked().items.is_empty());
        let output = head.ask(&[&["--timeout", "1"], words].concat());
        signal(&stopped.child.0, "-CONT");
        // It has been heard of, and so is not taken for dead the next time.
        assert!(raykit::state::nodes().get().unwrap().silent.is_empty());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{words:?}: {error}");
        let said = format!("raykit: {node} has not answered, its part is missing: ");
        assert!(error.starts_with(&said) && error.contains("within 1s"), "{words:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{words:?}: {error}");
    }
    let forever = head.ask(&["--timeout", &u64::MAX.to_string(), "functions", "--limit", "1"]);
    let error = String::from_utf8(forever.stderr).unwrap();
    assert!(error.contains("there are more than these 1;"), "{error}");
}

/// The same of orders about tokens, whose answer is the head's alone.
#[cfg(unix)]
#[test]
fn a_head_has_the_time_that_is_said() {
    let head = Started::new("slow", "127.0.0.1:0");
    let admin = std::fs::read_to_string(head.admin_file()).unwrap();
    let driver = Config::new().num_cpus(1).address(&head.address).token(admin.trim());
    let driver = driver.start().unwrap();
    let _here = driver.enter();
    assert_eq!(raykit::token::list().unwrap().len(), 2);
    signal(&head.child, "-STOP");
    let orders = raykit::token::within(std::time::Duration::from_millis(50));
    // Its threads do not stop at the same moment.
    let mut late = None;
    eventually("it has stopped", || {
        late = orders.list().err();
        late.is_some()
    });
    let late = late.unwrap();
    assert_eq!(late.kind(), raykit::ErrorKind::TimedOut);
    assert!(late.message().contains("within 50ms"), "{late}");
    signal(&head.child, "-CONT");
    raykit::token::within(std::time::Duration::from_secs(60)).list().unwrap();
}

#[cfg(unix)]
fn signal(child: &Child, which: &str) {
    let sent = Command::new("kill").args([which, &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

/// A worker of a head of this process, which keeps what it prints.
struct Joined {
    child: Killed,
    _folder: Folder,
}

impl Head {
    /// A node of that name, in a process of its own.
    fn joined_by(&self, name: &str) -> (Joined, raykit::NodeId) {
        let folder = std::env::temp_dir().join(format!("raykit-{name}-{}", std::process::id()));
        let folder = Folder::new(folder);
        let words = format!("--join {} --num-cpus 1 --name {name}", self.address);
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["a_head_of_the_tests", "--exact", "--nocapture", "--test-threads=1"])
            .env("RAYKIT_TEST_WORDS", words)
            .env("RAYKIT_TOKEN", &self.token)
            .env("RAYKIT_LOG_FOLDER", folder.0.join("logs"))
            .stdout(Stdio::null())
            .spawn()
            .map(Killed)
            .unwrap();
        eventually("it has joined", || raykit::nodes().unwrap().len() == 2);
        let node = raykit::nodes().unwrap().iter().find(|node| node.name == name).unwrap().id;
        (Joined { child, _folder: folder }, node)
    }
}

/// A child process that is killed with this.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_a_node_prints_is_read_from_afar() {
    let head = Head::new();
    let _here = head.node.enter();
    let (_printer, node) = head.joined_by("printer");
    let there = Strategy::Node { node, soft: false };
    let say = |what: &str| says::options().strategy(there).remote(what).get().unwrap();
    ["one", "two", "three"].into_iter().for_each(say);
    let last = text(&head.ask(&["logs", "printer", "--tail", "2"]));
    let last: Vec<&str> = last.lines().map(|line| line.split_once(") ").unwrap().1).collect();
    assert_eq!(last, ["two", "three"]);
    // A terminal would obey some of it.
    say("\u{1b}[2Jplain\u{9b}\u{7}");
    let shown = text(&head.ask(&["logs", "printer", "--tail", "1"]));
    assert!(shown.ends_with(") [2Jplain\n"), "{shown:?}");
    let raw = text(&head.ask(&["logs", "printer", "--tail", "1", "--json"]));
    assert!(raw.chars().all(|c| c == '\n' || !c.is_control()), "{raw:?}");
    let raw: Value = serde_json::from_str(&raw).unwrap();
    assert!(raw["text"].as_str().unwrap().ends_with(") \u{1b}[2Jplain\u{9b}\u{7}\n"), "{raw}");
    say("three");
    let told = json(&head.ask(&["logs", &node.to_string(), "--tail", "1", "--json"]));
    assert!(told["text"].as_str().unwrap().ends_with(") three\n"), "{told}");

    let mut follows = Command::new(env!("CARGO_BIN_EXE_raykit"))
        .args(["logs", "printer", "--tail", "1", "--follow"])
        .envs([("RAYKIT_ADDRESS", &head.address), ("RAYKIT_TOKEN", &head.token)])
        .stdout(Stdio::piped())
        .spawn()
        .map(Killed)
        .unwrap();
    let mut lines = BufReader::new(follows.0.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().ends_with(") three"));
    say("four");
    assert!(lines.next().unwrap().unwrap().ends_with(") four"));
    // The head prints nothing of others, so each driver is sent the lines: not the command, which
    // would show them a second time.
    for what in ["five", "six", "seven"] {
        say(what);
        let line = lines.next().unwrap().unwrap();
        assert!(line.starts_with("(says t") && line.ends_with(&format!(") {what}")), "{line}");
    }

    // An actor that lives there is shown once, with where that is.
    let keeper = Keeper::options().name("afar").strategy(there).remote();
    assert!(keeper.there().get().unwrap());
    let actors = json(&head.ask(&["actors", "--json"]));
    let rows = actors["items"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{actors}");
    assert_eq!(rows[0]["node_id"], node.to_string());
    assert_eq!(rows[0]["actor_id"], keeper.id().unwrap().to_string());

    let none = head.ask(&["logs", "the head"]);
    let error = String::from_utf8(none.stderr).unwrap();
    assert!(error.contains("keeps no log") && error.lines().count() == 1, "{error}");
}

/// Closes it to others.
fn private(path: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }
    #[cfg(not(unix))]
    let _ = (path, mode);
}

/// A folder of this user alone, which goes with this.
struct Folder(PathBuf);

impl Folder {
    fn new(path: PathBuf) -> Folder {
        std::fs::create_dir_all(&path).unwrap();
        private(&path, 0o700);
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
