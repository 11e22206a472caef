//! Saying something with the name of the task that says it.

#[cfg(feature = "cluster")]
use crate::logs;
#[cfg(feature = "cluster")]
use crate::node::current;
use std::fmt;
use std::io;

/// Prints a line as `std::println!` does. In a task on a node of a cluster the line reaches the
/// driver with the task's name: `(name pid=.., node=..) line`. Of a line that was printed in
/// another way one knows the node alone.
///
/// In the body of a remote function or method, and in the other methods of an actor's `impl` block,
/// `println!` is this macro, unless the body imports another one.
///
/// ```
/// raykit::println!("{} and {}", 1, 2);
/// raykit::println!();
/// ```
#[macro_export]
macro_rules! println {
    () => {
        $crate::__private::say(false, ::std::format_args!(""))
    };
    ($($words:tt)*) => {
        $crate::__private::say(false, ::std::format_args!($($words)*))
    };
}

/// The same as [`println!`](crate::println) on the standard error.
///
/// ```
/// raykit::eprintln!("it is late");
/// ```
#[macro_export]
macro_rules! eprintln {
    () => {
        $crate::__private::say(true, ::std::format_args!(""))
    };
    ($($words:tt)*) => {
        $crate::__private::say(true, ::std::format_args!($($words)*))
    };
}

/// Says a line, in the name of the task that runs here if there is one.
pub fn say(is_error: bool, words: fmt::Arguments<'_>) {
    #[cfg(feature = "cluster")]
    if let Some(logs) = logs::logs() {
        let tag = current::task().map(|task| {
            let name = task.name();
            let name = name[..name.floor_char_boundary(TAG_BYTES_MAX)].to_owned();
            logs::Tag { name, task: task.id() }
        });
        return logs.say(tag, is_error, &words.to_string());
    }
    match is_error {
        true => std::eprintln!("{words}"),
        false => std::println!("{words}"),
    }
}

/// Of a task's name in front of a line.
#[cfg(feature = "cluster")]
const TAG_BYTES_MAX: usize = 64;

/// Writes lines to the standard error with the name of the task that writes them, for whatever
/// takes a writer. What is written goes when the writer is dropped or flushed.
///
/// With the crate `tracing_subscriber` this is what makes events of a task known as the task's:
/// `tracing_subscriber::fmt().with_writer(raykit::log_writer).init()`.
///
/// ```
/// use std::io::Write;
///
/// writeln!(raykit::log_writer(), "of this task")?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn log_writer() -> LogWriter {
    LogWriter { text: Vec::new(), skips: false }
}

/// What [`log_writer`] gives. Of a line that is longer than 64 KiB it writes the beginning.
#[derive(Debug)]
pub struct LogWriter {
    text: Vec<u8>,
    /// The rest of a line that was too long is left out.
    skips: bool,
}

/// What is kept before it is written, where nobody flushes.
const KEPT_BYTES_MAX: usize = 64 << 10;

impl LogWriter {
    /// Takes bytes in; what is to be written meanwhile goes to `out`. How many were seen to.
    fn take(&mut self, bytes: &[u8], out: impl FnOnce(&[u8])) -> usize {
        let seen = self.keep(bytes);
        if self.text.len() >= KEPT_BYTES_MAX {
            out(&self.full());
        }
        seen
    }

    /// Keeps what there is room for, without the rest of a line that has begun before. How much of
    /// it was seen to.
    fn keep(&mut self, bytes: &[u8]) -> usize {
        if self.skips {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            self.skips = end.is_none();
            return end.map_or(bytes.len(), |at| at + 1);
        }
        let seen = bytes.len().min(KEPT_BYTES_MAX - self.text.len());
        self.text.extend_from_slice(&bytes[..seen]);
        seen
    }

    /// There is no more room: the lines that are whole are taken out, or the beginning of one that
    /// is too long.
    fn full(&mut self) -> Vec<u8> {
        match self.text.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => self.text.drain(..=end).collect(),
            None => {
                self.skips = true;
                std::mem::take(&mut self.text)
            }
        }
    }
}

fn say_all(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    if !text.is_empty() {
        say(true, format_args!("{text}"));
    }
}

impl io::Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.take(bytes, say_all))
    }

    fn flush(&mut self) -> io::Result<()> {
        say_all(&std::mem::take(&mut self.text));
        Ok(())
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        let _ = io::Write::flush(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written of this.
    fn written(bytes: &[u8]) -> Vec<String> {
        let (mut writer, mut said, mut rest) = (log_writer(), Vec::new(), bytes);
        while !rest.is_empty() {
            rest = &rest[writer.take(rest, |text| said.push(text.to_vec()))..];
        }
        said.push(std::mem::take(&mut writer.text));
        let lines = said.iter().flat_map(|one| std::str::from_utf8(one).unwrap().lines());
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn lines_are_written_whole_and_one_that_is_too_long_is_cut() {
        let line = "x".repeat(100);
        let many = format!("{line}\n").repeat(2_000);
        assert!(written(many.as_bytes()).iter().all(|one| *one == line));
        assert_eq!(written(many.as_bytes()).len(), 2_000);
        let long = format!("a\n{}\nb\n", "y".repeat(5 * KEPT_BYTES_MAX));
        let lines = written(long.as_bytes());
        assert_eq!(lines.len(), 3, "{}", lines.len());
        assert_eq!((&lines[0][..], &lines[2][..]), ("a", "b"));
        assert_eq!(lines[1].len(), KEPT_BYTES_MAX);
    }
}
