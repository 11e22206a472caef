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
    let mut lines = Lines::default();
    let mut part = vec![0; 64 << 10];
    loop {
        let read = match pipe.read(&mut part) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        logs.show(is_error, &part[..read]);
        lines.feed(&part[..read], |line| logs.note(None, is_error, line));
    }
    lines.end(|line| logs.note(None, is_error, line));
}

/// Bytes that are kept of a line: where a character is cut it has its place, and is left out later.
const KEPT_BYTES_MAX: usize = LOG_LINE_BYTES_MAX + 4;

/// Makes lines of what comes. Of one that is too long the beginning is kept, and no further lines
/// are made of the rest.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    /// Something has come of it.
    begun: bool,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8], mut note: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let room = KEPT_BYTES_MAX - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            self.begun = true;
            if ends {
                self.end(&mut note);
            }
        }
    }

    /// Whatever has come is a line.
    fn end(&mut self, mut note: impl FnMut(&str)) {
        if std::mem::take(&mut self.begun) {
            note(String::from_utf8_lossy(&self.line).trim_end_matches('\r'));
            self.line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is noted of bytes that come in parts of such a length.
    fn lines(bytes: &[u8], part: usize) -> Vec<String> {
        let (mut lines, mut noted) = (Lines::default(), Vec::new());
        for part in bytes.chunks(part) {
            lines.feed(part, |line| noted.push(line.to_owned()));
        }
        lines.end(|line| noted.push(line.to_owned()));
        noted
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_stays_one() {
        let long = "ü".repeat(3 * LOG_LINE_BYTES_MAX);
        let text = format!("one\r\n\n{long}\n{long}\ntwo");
        for part in [1, 7, LOG_LINE_BYTES_MAX, 64 << 10, usize::MAX] {
            let lines = lines(text.as_bytes(), part);
            assert_eq!(lines.len(), 5, "in parts of {part}");
            assert_eq!((&lines[0][..], &lines[1][..], &lines[4][..]), ("one", "", "two"));
            for cut in &lines[2..4] {
                let kept = &cut[..cut.floor_char_boundary(LOG_LINE_BYTES_MAX)];
                assert!(kept.len() == LOG_LINE_BYTES_MAX && long.starts_with(kept));
                assert!(cut.len() <= LOG_LINE_BYTES_MAX + 6, "{}", cut.len());
            }
        }
        assert_eq!(lines(b"\xff\n", 9), ["\u{fffd}"]);
        assert!(lines(b"", 1).is_empty());
    }
}
