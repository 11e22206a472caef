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
    LogWriter { text: Vec::new() }
}

/// What [`log_writer`] gives.
#[derive(Debug)]
pub struct LogWriter {
    text: Vec<u8>,
}

/// What is kept before it is written, where nobody flushes.
const KEPT_BYTES_MAX: usize = 64 << 10;

impl io::Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        if self.text.len() >= KEPT_BYTES_MAX {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let text = std::mem::take(&mut self.text);
        let text = String::from_utf8_lossy(&text);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        if !text.is_empty() {
            say(true, format_args!("{text}"));
        }
        Ok(())
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        let _ = io::Write::flush(self);
    }
}
