//! Child processes: this program again for what needs a fresh process, and other programs. Each is
//! bounded in time.

use crate::bench::{Bench, Outcome};
use crate::rows;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

/// What a child may be asked to measure. It says what it finds with [`say`].
pub(crate) type Errand = (&'static str, fn() -> Outcome);

/// In a child: does its errand.
pub(crate) fn become_one(name: &str) -> Outcome {
    let errand = rows::ERRANDS.iter().find(|(known, _)| *known == name);
    let (_, run) = errand.ok_or_else(|| format!("there is no errand `{name}`"))?;
    run()
}

/// In a child: tells the parent a figure.
pub(crate) fn say(line: &str, value: f64) {
    println!("{line} {value}");
}

/// Sends a child on an errand, and records what it says as figures of `who`.
pub(crate) fn send(bench: &mut Bench, who: &'static str, errand: &str) -> Outcome {
    for line in said(errand)?.lines() {
        let (key, value) = line.split_once(' ').ok_or("a child said something unexpected")?;
        bench.record(key, who, value.parse()?);
    }
    Ok(())
}

/// The same, with another child sent before on the same errand, whose figures do not count: a virtual
/// machine's host has then found the memory that the errand takes.
pub(crate) fn send_warm(bench: &mut Bench, who: &'static str, errand: &str) -> Outcome {
    said(errand)?;
    send(bench, who, errand)
}

fn said(errand: &str) -> Outcome<String> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--child", errand]);
    output(command, LIMIT)
}

/// What a command writes to its standard output. It is ended when `limit` has passed.
pub(crate) fn output(mut command: Command, limit: Duration) -> Outcome<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let text = match read(&mut child, limit) {
        Some(text) => text,
        None => {
            child.kill()?;
            child.wait()?;
            return Err(format!("{name} was ended after {limit:?}").into());
        }
    };
    match child.wait()? {
        status if status.success() => Ok(text),
        status => Err(format!("{name} failed ({status})").into()),
    }
}

/// Reads without polling, so that the parent does not disturb what the child measures.
fn read(child: &mut Child, limit: Duration) -> Option<String> {
    let mut pipe = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = pipe.read_to_end(&mut text);
        let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
    });
    receiver.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_heard_and_bounded() {
        let mut echo = Command::new("echo");
        echo.arg("word");
        assert_eq!(output(echo, LIMIT).expect("echo runs"), "word\n");
        let mut sleep = Command::new("sleep");
        sleep.arg("60");
        let fault = output(sleep, Duration::from_millis(50)).expect_err("it takes too long");
        assert!(fault.to_string().contains("sleep was ended after 50ms"));
    }
}
