//! Puts pipes in the place of the process's standard output and error, and reads them.

use super::Logs;
use crate::base::limits::{LOG_CLOSE_MS, LOG_LINE_BYTES_MAX};
use parking_lot::Mutex;
use rustix::stdio::{dup2_stderr, dup2_stdout};
use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Told by each reader when its pipe has ended.
static ENDED: Mutex<Option<Receiver<()>>> = Mutex::new(None);

/// Where the process prints now.
pub(super) fn terminal() -> io::Result<[File; 2]> {
    let out = io::stdout().as_fd().try_clone_to_owned()?;
    let err = io::stderr().as_fd().try_clone_to_owned()?;
    Ok([out.into(), err.into()])
}

/// Has the process print into pipes, which threads of their own read.
pub(super) fn open(logs: &Arc<Logs>) -> io::Result<()> {
    let (tell, told) = channel();
    let (out, out_end) = io::pipe()?;
    let (err, err_end) = io::pipe()?;
    start(logs, out, false, &tell)?;
    start(logs, err, true, &tell)?;
    io::stdout().flush()?;
    dup2_stdout(&out_end)?;
    dup2_stderr(&err_end)?;
    *ENDED.lock() = Some(told);
    Ok(())
}

/// Has it print where it did before, and waits for the rest. A child process that goes on printing
/// is not waited for.
pub(super) fn close(logs: &Logs) {
    let _ = io::stdout().flush();
    let [Some(out), Some(err)] = &logs.terminal else { return };
    let _ = (dup2_stdout(out), dup2_stderr(err));
    let Some(ended) = ENDED.lock().take() else { return };
    let until = Instant::now() + Duration::from_millis(LOG_CLOSE_MS);
    for _ in 0..2 {
        let _ = ended.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

fn start(logs: &Arc<Logs>, pipe: PipeReader, is_error: bool, told: &Sender<()>) -> io::Result<()> {
    let (logs, told) = (Arc::clone(logs), told.clone());
    let name = if is_error { "raykit-stderr" } else { "raykit-stdout" };
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(move || {
        read(&logs, pipe, is_error);
        let _ = told.send(());
    })?;
    Ok(())
}

/// Shows what comes at once, and notes it line by line.
fn read(logs: &Logs, mut pipe: PipeReader, is_error: bool) {
    let mut line = Vec::new();
    let mut part = vec![0; 64 << 10];
    loop {
        let read = match pipe.read(&mut part) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        logs.show(is_error, &part[..read]);
        for piece in part[..read].split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(piece);
            if line.ends_with(b"\n") || line.len() >= LOG_LINE_BYTES_MAX {
                note(logs, is_error, &mut line);
            }
        }
    }
    if !line.is_empty() {
        note(logs, is_error, &mut line);
    }
}

fn note(logs: &Logs, is_error: bool, line: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(line);
    logs.note(None, is_error, text.trim_end_matches(['\r', '\n']));
    line.clear();
}
