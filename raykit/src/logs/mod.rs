//! What a process prints: kept in files of bounded size, and handed on line by line.
//!
//! `Logs` takes the place of a process's standard output and error. All that is printed, by Rust
//! code or any other in the process and its children, goes to the terminal as before, to a `Store`
//! of two files, and into a short queue for whoever hands it on. A line that is said through `say`
//! carries the name of its task; of others one knows the process alone.
//!
//! Absent on purpose: whom lines are handed to, and how.
//!
//! ```
//! use raykit::prelude::*;
//!
//! #[remote]
//! fn greet(name: &str) {
//!     raykit::println!("hello, {name}"); // on a node: to the driver, as `(greet pid=.., node=..)`
//! }
//!
//! # fn main() -> raykit::Result<()> {
//! let _ray = raykit::init()?;
//! greet::remote("log").get()?;
//! # Ok(())
//! # }
//! ```

mod plain;
mod store;
#[cfg(unix)]
mod tap;

pub use plain::plain;
pub(crate) use plain::plain_line;
pub(crate) use store::{Home, Part, Store};

use crate::base::TaskId;
use crate::base::limits::{LOG_LINE_BYTES_MAX, LOG_QUEUE_BYTES_MAX, LOG_QUEUE_LINES_MAX};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Whose a line is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) task: TaskId,
}

/// A line that was printed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// The task that has said it, where that is known.
    pub(crate) tag: Option<Tag>,
    pub(crate) is_error: bool,
    pub(crate) text: String,
}

/// What this process prints.
pub(crate) struct Logs {
    store: Mutex<Store>,
    queue: Mutex<Queue>,
    came: Condvar,
    /// Where the process printed before: output and error.
    terminal: [Option<File>; 2],
}

/// Lines that nobody has taken yet.
#[derive(Default)]
struct Queue {
    lines: VecDeque<Line>,
    bytes: usize,
    /// Lines that found no room.
    left_out: u64,
    /// Nobody takes lines: none are kept.
    closed: bool,
}

static LOGS: OnceLock<Arc<Logs>> = OnceLock::new();

/// What this process prints, if that is kept.
pub(crate) fn logs() -> Option<&'static Arc<Logs>> {
    LOGS.get()
}

/// Keeps what this process prints from now on. `None` where that cannot be done on this system.
pub(crate) fn keep(home: &Home) -> io::Result<Option<Arc<Logs>>> {
    #[cfg(unix)]
    {
        let terminal = tap::terminal()?;
        let logs = Arc::new(Logs {
            store: Mutex::new(Store::create(home)?),
            queue: Mutex::default(),
            came: Condvar::new(),
            terminal: terminal.map(Some),
        });
        tap::open(&logs)?;
        let _ = LOGS.set(Arc::clone(&logs));
        Ok(Some(logs))
    }
    #[cfg(not(unix))]
    {
        let _ = home;
        Ok(None)
    }
}

impl Logs {
    /// Has the process print where it did before, and waits for what it has printed until then.
    pub(crate) fn close(&self) {
        #[cfg(unix)]
        tap::close(self);
        self.queue.lock().closed = true;
        self.came.notify_all();
    }

    /// A task says something: it goes where prints go, with the task's name.
    pub(crate) fn say(&self, tag: Option<Tag>, is_error: bool, text: &str) {
        self.show(is_error, text.as_bytes());
        if !text.ends_with('\n') {
            self.show(is_error, b"\n");
        }
        text.lines().for_each(|line| self.note(tag.clone(), is_error, line));
    }

    /// Says something to whoever sits at the terminal, and keeps nothing of it: a log is read by
    /// more people.
    pub(crate) fn say_here(&self, text: &str) {
        self.show(false, format!("{text}\n").as_bytes());
    }

    /// Writes to the terminal. Where there is none any more, that is no error of the process.
    fn show(&self, is_error: bool, bytes: &[u8]) {
        if let Some(terminal) = &self.terminal[usize::from(is_error)] {
            let _ = (&*terminal).write_all(bytes);
        }
    }

    /// Keeps a line, and queues it.
    fn note(&self, tag: Option<Tag>, is_error: bool, text: &str) {
        let text = &text[..text.floor_char_boundary(LOG_LINE_BYTES_MAX)];
        let kept = match &tag {
            Some(tag) => format!("({} {}) {text}\n", tag.name, tag.task),
            None => format!("{text}\n"),
        };
        // A full disk must not end the process, and to print of it would go round in a circle.
        let _ = self.store.lock().append(kept.as_bytes());
        let mut queue = self.queue.lock();
        if queue.closed {
            return;
        }
        if queue.bytes + text.len() > LOG_QUEUE_BYTES_MAX
            || queue.lines.len() >= LOG_QUEUE_LINES_MAX
        {
            queue.left_out += 1;
            return;
        }
        queue.bytes += text.len();
        queue.lines.push_back(Line { tag, is_error, text: text.to_owned() });
        drop(queue);
        self.came.notify_all();
    }

    /// Waits for lines, for at most `limit`, and takes some: about as many bytes. With them how
    /// many were left out before. `None` when none will come any more.
    pub(crate) fn take(&self, bytes: usize, limit: Duration) -> Option<(Vec<Line>, u64)> {
        let mut queue = self.queue.lock();
        if queue.lines.is_empty() && !queue.closed {
            self.came.wait_for(&mut queue, limit);
        }
        if queue.lines.is_empty() && queue.closed {
            return None;
        }
        let mut taken = Vec::new();
        let mut size = 0;
        while let Some(line) = queue.lines.pop_front() {
            // With what is told about it on the way.
            size += line.text.len() + line.tag.as_ref().map_or(64, |tag| tag.name.len() + 64);
            taken.push(line);
            if size >= bytes {
                break;
            }
        }
        queue.bytes = queue.lines.iter().map(|line| line.text.len()).sum();
        Some((taken, std::mem::take(&mut queue.left_out)))
    }

    /// A part of what was kept: from `from`, or the last lines.
    pub(crate) fn read(&self, from: Option<u64>, lines: u32, bytes: usize) -> io::Result<Part> {
        let store = self.store.lock();
        match from {
            Some(from) => store.read(from, bytes),
            None => store.tail(lines as usize, bytes),
        }
    }

    /// The file that is written now.
    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.store.lock().path()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(folder: std::path::PathBuf) -> Logs {
        Logs {
            store: Mutex::new(Store::create(&Home::Named(folder)).unwrap()),
            queue: Mutex::default(),
            came: Condvar::new(),
            terminal: [None, None],
        }
    }

    #[test]
    fn lines_are_kept_and_handed_on_with_their_tasks() {
        let home = store::tests::Folder::new("say");
        let logs = logs(home.0.join("logs"));
        let task = TaskId { node: crate::NodeId(3), sequence: 7 };
        let tag = Some(Tag { name: "f".into(), task });
        logs.say(tag.clone(), false, "one\ntwo");
        logs.say(None, true, &"x".repeat(2 * LOG_LINE_BYTES_MAX));
        let (lines, left_out) = logs.take(usize::MAX, Duration::ZERO).unwrap();
        assert_eq!((lines.len(), left_out), (3, 0));
        assert_eq!((&lines[1].tag, lines[1].text.as_str()), (&tag, "two"));
        assert!(lines[2].is_error && lines[2].text.len() == LOG_LINE_BYTES_MAX);
        let part = logs.read(Some(0), 0, 40).unwrap();
        assert!(part.bytes.starts_with(b"(f t7@n3) one\n(f t7@n3) two\nxxx"));
    }

    #[test]
    fn what_nobody_takes_is_bounded_and_counted() {
        let home = store::tests::Folder::new("bound");
        let logs = logs(home.0.join("logs"));
        let line = "y".repeat(936);
        for _ in 0..2 * LOG_QUEUE_BYTES_MAX / 1_000 {
            logs.say(None, false, &line);
        }
        let (lines, left_out) = logs.take(10_000, Duration::ZERO).unwrap();
        assert_eq!(lines.len(), 10);
        assert!(left_out > 0);
        assert!(logs.queue.lock().bytes <= LOG_QUEUE_BYTES_MAX);
        logs.close_queue();
        while logs.take(usize::MAX, Duration::ZERO).is_some() {}
    }

    impl Logs {
        fn close_queue(&self) {
            self.queue.lock().closed = true;
        }
    }
}
