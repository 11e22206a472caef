//! The examples as they are, on several processes: `head`, `worker` and driver are one program.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

#[path = "../../raykit/tests/common/netns.rs"]
mod netns;

use netns::{Pair, Side};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// After so long a test gives up hope.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program of an example, which cargo builds before it runs the tests of a package.
fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    assert!(path.exists(), "`cargo build -p raykit-examples --examples` makes {}", path.display());
    path
}

/// A folder for what a head leaves for its user's processes. Nobody else may enter it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        use std::os::unix::fs::DirBuilderExt as _;
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("raykit-examples-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process that is not left behind.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Process {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
        Process(command.spawn().unwrap())
    }

    /// Its output, if it ends well and in time.
    fn output(mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut output = self.0.stdout.take().unwrap();
        let reads = std::thread::spawn(move || {
            let mut text = String::new();
            output.read_to_string(&mut text).map(|_| text)
        });
        let status = loop {
            match self.0.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(Instant::now() < deadline, "the process does not end"),
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let text = reads.join().unwrap().unwrap();
        assert!(status.success(), "{status}\n{text}");
        text
    }

    /// Told to go it ends well.
    fn dismiss(self) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.output();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One program as a head and a worker, perhaps in two network namespaces.
struct Cluster<'a> {
    name: &'a str,
    hosts: Option<&'a Pair>,
    folder: Folder,
    address: String,
    /// Of a head that others can reach; else the folder has it.
    token: Option<String>,
    processes: Vec<Process>,
    /// What the head goes on to say is read by nobody, but it may say it.
    _says: BufReader<ChildStdout>,
}

fn command(name: &str, hosts: Option<&Pair>, side: Side, folder: &Folder) -> Command {
    let program = program(name);
    let mut command = match hosts {
        Some(pair) => pair.command(side, program),
        None => Command::new(program),
    };
    command.env("XDG_RUNTIME_DIR", &folder.0);
    command
}

/// Starts a head. What it says further, where it listens, and its second line.
fn start_head(command: &mut Command) -> (Process, BufReader<ChildStdout>, String, String) {
    let mut head = Process::start(command);
    let mut says = BufReader::new(head.0.stdout.take().unwrap());
    let mut line = || {
        let mut line = String::new();
        says.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let (first, second) = (line(), line());
    let address = first.rsplit_once(" listens at ").expect(&first).1.to_owned();
    (head, says, address, second)
}

impl<'a> Cluster<'a> {
    /// The head is on side A, the worker on side B. Without CPUs the head has the worker do
    /// everything.
    fn start(name: &'a str, hosts: Option<&'a Pair>, head_cpus: &str) -> Cluster<'a> {
        let folder = Folder::new();
        let ip = if hosts.is_some() { Pair::address(Side::A) } else { "127.0.0.1" };
        let mut head = command(name, hosts, Side::A, &folder);
        head.args(["worker", "--head", "--num-cpus", head_cpus, "--listen", &format!("{ip}:0")]);
        let (head, says, address, second) = start_head(&mut head);
        let token = second.split_once("RAYKIT_TOKEN=");
        let token = token.map(|(_, rest)| rest.split(' ').next().unwrap().to_owned());
        assert_eq!(token.is_some(), hosts.is_some(), "{second}");
        let processes = vec![head];
        let mut cluster = Cluster { name, hosts, folder, address, token, processes, _says: says };
        let mut worker = cluster.command(Side::B);
        worker.args(["worker", "--join", &cluster.address, "--num-cpus", "2"]);
        cluster.processes.push(Process::start(&mut worker));
        cluster
    }

    fn command(&self, side: Side) -> Command {
        let mut command = command(self.name, self.hosts, side, &self.folder);
        if let (Some(token), Side::B) = (&self.token, side) {
            // As on another machine.
            command.env("XDG_RUNTIME_DIR", self.folder.0.join("none"));
            command.env("RAYKIT_TOKEN", token);
        }
        command
    }

    /// What a driver prints that runs the program on this cluster, without a CPU of its own.
    fn drive(&self, side: Side, arguments: &[&str]) -> String {
        let mut command = self.command(side);
        command.args(arguments).env("RAYKIT_ADDRESS", &self.address).env("RAYKIT_NUM_CPUS", "0");
        Process::start(&mut command).output()
    }

    fn end(mut self) {
        self.processes.pop().unwrap().dismiss();
        let mut head = self.processes.pop().unwrap();
        head.0.stdout = Some(self._says.into_inner());
        head.dismiss();
    }
}

/// The words of a small folder are counted as one process counts them.
fn word_count(hosts: Option<&Pair>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../raykit/docs");
    let without_times = |text: String| {
        let lines = text.lines().filter(|line| !line.contains(" tasks, "));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let mut alone = Command::new(program("word_count"));
    let alone = without_times(Process::start(alone.arg(folder)).output());
    let cluster = Cluster::start("word_count", hosts, "0");
    for side in [Side::A, Side::B] {
        assert_eq!(without_times(cluster.drive(side, &[folder])), alone);
    }
    cluster.end();
}

/// One driver makes the store, another one finds it, with all that was written.
fn key_value_store(hosts: Option<&Pair>) {
    let cluster = Cluster::start("key_value_store", hosts, "1");
    for (found, side) in [(0, Side::B), (100, Side::A), (200, Side::B)] {
        let said = cluster.drive(side, &["4", "1_000"]);
        let expected = format!("{found} keys of earlier drivers are in the store\n4000 operations");
        assert!(said.starts_with(&expected), "{said}");
    }
    cluster.end();
}

#[test]
fn word_count_on_three_processes() {
    word_count(None);
}

#[test]
fn key_value_store_on_three_processes() {
    key_value_store(None);
}

#[test]
fn word_count_on_two_hosts() {
    if let Some(pair) = Pair::new() {
        word_count(Some(&pair));
    }
}

#[test]
fn key_value_store_on_two_hosts() {
    if let Some(pair) = Pair::new() {
        key_value_store(Some(&pair));
    }
}

/// A token that `cluster_keys` made opens one head after the other, and no head without the keys.
#[test]
fn keys_outlive_a_head() {
    let (folder, other) = (Folder::new(), Folder::new());
    let keys = folder.0.join("keys");
    let token = Process::start(Command::new(program("cluster_keys")).arg(&keys)).output();
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../raykit/docs");
    for kept in [true, true, false] {
        let mut head = command("word_count", None, Side::A, &folder);
        head.args(["worker", "--head", "--listen", "127.0.0.1:0"]);
        if kept {
            head.arg("--keep").arg(&keys);
        }
        let (mut head, says, address, _) = start_head(&mut head);
        let mut driver = command("word_count", None, Side::B, &other);
        driver.arg(docs).env("RAYKIT_ADDRESS", address).env("RAYKIT_TOKEN", token.trim_end());
        if kept {
            assert!(Process::start(&mut driver).output().contains(" words, "));
        } else {
            let refused = driver.output().unwrap();
            assert!(!refused.status.success(), "{refused:?}");
        }
        head.0.stdout = Some(says.into_inner());
        head.dismiss();
    }
}

/// T1, T19, A5, N11: processes are killed one after the other, and all sums are right.
#[test]
fn chaos_ends_with_the_right_sums() {
    let mut chaos = Command::new(program("chaos"));
    chaos.args(["--seconds", "3", "--workers", "2", "--kill-every", "0.7"]);
    let said = Process::start(&mut chaos).output();
    assert_eq!(said.lines().filter(|line| line.ends_with(" right")).count(), 5, "{said}");
    assert!(!said.contains(" 0 killed"), "{said}");
    assert!(said.contains("no process, task or object is left over"), "{said}");
}
