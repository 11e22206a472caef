//! A peer's server in a process of its own, which says where it can be reached.

use crate::bench::Outcome;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};

const LISTEN: &str = "RAYKIT_BENCH_LISTEN";

pub(crate) struct Served {
    child: Child,
    /// What it has said.
    pub(crate) line: String,
}

impl Served {
    /// Sends `program`, which is this one, on that errand, and waits for its first line.
    pub(crate) fn new(mut program: Command, listen: IpAddr, errand: &str) -> Outcome<Served> {
        program.args(["--child", errand]).env(LISTEN, listen.to_string());
        Served::by(program)
    }

    /// Begins a program that serves, and waits for its first line.
    pub(crate) fn by(mut program: Command) -> Outcome<Served> {
        let mut child = program.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let pipe = child.stdout.take().ok_or("no standard output")?;
        let mut served = Served { child, line: String::new() };
        BufReader::new(pipe).read_line(&mut served.line)?;
        match served.line.pop() {
            Some('\n') => Ok(served),
            _ => Err(format!("{program:?} has not begun").into()),
        }
    }

    pub(crate) fn here(errand: &str) -> Outcome<Served> {
        let program = Command::new(std::env::current_exe()?);
        Served::new(program, Ipv4Addr::LOCALHOST.into(), errand)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the server: where to listen.
pub(crate) fn listen() -> Outcome<IpAddr> {
    Ok(std::env::var(LISTEN)?.parse()?)
}

/// A runtime of one thread: what serves small messages fastest.
pub(crate) fn runtime() -> Outcome<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
