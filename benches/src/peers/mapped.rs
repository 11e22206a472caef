//! The least that sharing memory can be: a file without a name, written once, and mapped to be read.

#![expect(unsafe_code, reason = "a file is mapped, and read as numbers")]

use crate::bench::Outcome;
use rustix::fs::MemfdFlags;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::File;
use std::io::Write;
use std::ptr::null_mut;

pub(crate) const MAPPED: &str = "mapped file";

/// Lets `read` have so many numbers that lie in such a file, mapped for the first time.
pub(crate) fn with_numbers<R>(len: usize, read: impl FnOnce(&[f64]) -> R) -> Outcome<R> {
    let mut file = File::from(rustix::fs::memfd_create("mapped", MemfdFlags::CLOEXEC)?);
    let piece: Vec<u8> = [1.5_f64.to_le_bytes(); 128 << 10].concat();
    let bytes = len * size_of::<f64>();
    for start in (0..bytes).step_by(piece.len()) {
        file.write_all(&piece[..piece.len().min(bytes - start)])?;
    }
    // SAFETY: the system chooses an address where nothing else lies, and the file is long enough.
    let at = unsafe { mmap(null_mut(), bytes, ProtFlags::READ, MapFlags::SHARED, &file, 0)? };
    // SAFETY: it was mapped with this length, on a page; any bytes are numbers, and nobody else has
    // the file.
    let result = read(unsafe { std::slice::from_raw_parts(at.cast::<f64>(), len) });
    // SAFETY: it is what was mapped above, and the slice was lent for the call alone.
    unsafe { munmap(at, bytes)? };
    Ok(result)
}
