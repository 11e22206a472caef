//! A trace of the run in the format that Chrome and Perfetto open: one bar per attempt of a task,
//! on the line of the thread that ran it.

use super::task::Task;
use crate::base::clock;
use parking_lot::Mutex;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// The bars so far.
pub(crate) struct Timeline {
    path: PathBuf,
    start: Instant,
    bars: Mutex<Vec<Bar>>,
}

/// Bars kept at the most; later ones are counted and left out.
const BARS_MAX: usize = 4 << 20;

struct Bar {
    name: String,
    thread: u64,
    thread_name: String,
    from_us: f64,
    length_us: f64,
    id: String,
    attempt: u32,
    ok: bool,
}

/// Since the trace began.
#[derive(Clone, Copy)]
pub(crate) struct Mark(f64);

fn thread_number() -> u64 {
    use std::sync::atomic::AtomicU64;
    static NEXT: AtomicU64 = AtomicU64::new(1);
    std::thread_local! {
        static MINE: u64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    MINE.try_with(|mine| *mine).unwrap_or(0)
}

impl Timeline {
    pub(crate) fn new(path: &Path) -> Timeline {
        Timeline { path: path.to_owned(), start: clock::now(), bars: Mutex::new(Vec::new()) }
    }

    pub(crate) fn now(&self) -> Mark {
        Mark(clock::since(self.start).as_nanos() as f64 / 1e3)
    }

    /// Notes an attempt that ends now.
    pub(crate) fn ran(&self, task: &Task, started: Mark, ok: bool) {
        let bar = Bar {
            name: task.name().to_owned(),
            thread: thread_number(),
            thread_name: std::thread::current().name().unwrap_or("thread").to_owned(),
            from_us: started.0,
            length_us: self.now().0 - started.0,
            id: task.id().to_string(),
            attempt: task.attempt.load(Ordering::Relaxed),
            ok,
        };
        let mut bars = self.bars.lock();
        if bars.len() < BARS_MAX {
            bars.push(bar);
        }
    }

    /// Writes the file.
    pub(crate) fn write(&self) -> std::io::Result<()> {
        std::fs::write(&self.path, self.json())
    }

    fn json(&self) -> String {
        let bars = self.bars.lock();
        let mut out = String::from("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
        let mut named = std::collections::BTreeMap::new();
        for bar in bars.iter() {
            named.entry(bar.thread).or_insert(&bar.thread_name);
            let _ = writeln!(
                out,
                "{{\"ph\":\"X\",\"cat\":\"task\",\"pid\":1,\"tid\":{},\"ts\":{:.3},\"dur\":{:.3},\
                 \"name\":{},\"args\":{{\"id\":{},\"attempt\":{},\"ok\":{}}}}},",
                bar.thread,
                bar.from_us,
                bar.length_us,
                quoted(&bar.name),
                quoted(&bar.id),
                bar.attempt,
                bar.ok
            );
        }
        for (thread, name) in named {
            let _ = writeln!(
                out,
                "{{\"ph\":\"M\",\"pid\":1,\"tid\":{thread},\"name\":\"thread_name\",\
                 \"args\":{{\"name\":{}}}}},",
                quoted(name)
            );
        }
        out.push_str(
            "{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"raykit\"}}]}\n",
        );
        out
    }
}

/// `text` as a JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        for (text, json) in [("a", "\"a\""), ("a\"b\\", "\"a\\\"b\\\\\""), ("\n", "\"\\u000a\"")] {
            assert_eq!(quoted(text), json);
        }
    }
}
