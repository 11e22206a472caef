//! Memory that processes of one host share, so that a large object reaches another process without
//! a copy. Linux only; elsewhere objects go by the road.
//!
//! A node has an `Arena`. Archives for other processes are written straight into it (it is a
//! `Lender` of memory, which `object` knows and nothing else of it). Another process of the same
//! user asks on a `Socket` where an archive lies, is given the file of its segment once, maps it,
//! and reads the archive in place (`Mapped`).
//!
//! - The owner alone can write. Files are sealed before anybody hears of them: against mappings
//!   that could write, and against changes of their length, which would end whoever reads there.
//! - A part is used again when its archive is gone and all readers have released it. A connection
//!   that ends has released all that was asked for on it: a reader keeps its end of it as long as
//!   it reads, and a killed one cannot.
//! - An owner that ends leaves its memory to those that have mapped it.
//! - Processes of one user on one host trust each other with memory: a reader checks an archive
//!   once, and relies on its owner not to change it afterwards. Others never get a file.
//!
//! Absent on purpose: which objects there are, who asks for them, and threads.
//!
//! What is shared is told by offsets, since each process maps it somewhere else:
//!
//! ```
//! let segment = b"..an archive..........";
//! let (start, len) = (2, 10); // as the owner says
//! assert_eq!(&segment[start..start + len], b"an archive");
//! ```

mod ranges;
mod segment;
mod arena;
mod words;
mod socket;
mod pipe;
mod reader;
mod host;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;

pub(crate) use arena::{Arena, Held, Region, Share};
pub(crate) use host::host;
pub(crate) use pipe::Pipe;
pub(crate) use reader::{Mapped, Releases};
pub(crate) use segment::{Foreign, Segment};
pub(crate) use socket::{Door, Socket};
pub(crate) use words::{Secret, Word};

/// Parts of segments begin and end on a page.
const PAGE_BYTES: usize = 4 << 10;
