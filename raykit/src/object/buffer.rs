//! `Buffer`: the aligned bytes of an archive. Large ones are kept for the next archive when they
//! are freed: memory that the operating system has to hand out anew costs more than the copy into
//! it. A buffer can also lie in memory that somebody lends (`Memory`), which other processes may
//! see.

use rkyv::util::AlignedVec;
use std::any::Any;
use std::ops::{Deref, Range};

/// A cache line, and more than any archived type asks for.
const ALIGN: usize = 64;

type Bytes = AlignedVec<ALIGN>;

/// Memory that is not this room's. It begins on a cache line, and what is written never changes.
pub(crate) trait Memory: Any + Send + Sync {
    fn bytes(&self) -> &[u8];

    /// A part of it to be written. `None` where it may only be read, or there is no such part.
    fn room(&mut self, part: Range<usize>) -> Option<&mut [u8]>;

    /// Nothing beyond the first `len` bytes is needed.
    fn shorten(&mut self, len: usize);

    /// Whether it is this process's, and could be lent to others.
    fn is_own(&self) -> bool;

    /// Other memory of the same owner, of at least `bytes`.
    fn larger(&self, bytes: usize) -> Option<Box<dyn Memory>>;
}

/// Who has memory for large archives.
pub(crate) trait Lender: Send + Sync {
    /// Memory of at least `bytes`, if there is any to be had.
    fn lend(&self, bytes: usize) -> Option<Box<dyn Memory>>;

    /// Bytes that it has at present, lent or not.
    fn bytes(&self) -> u64;
}

/// Bytes that begin on a cache line.
#[derive(Default)]
pub(crate) struct Buffer(Home);

enum Home {
    Own(Bytes),
    Lent { memory: Box<dyn Memory>, len: usize },
}

impl Default for Home {
    fn default() -> Home {
        Home::Own(Bytes::new())
    }
}

impl Buffer {
    /// An empty buffer with room for about `bytes`.
    pub(crate) fn for_about(bytes: usize) -> Buffer {
        if bytes < kept::BUFFER_BYTES_MIN {
            return Buffer(Home::Own(AlignedVec::with_capacity(bytes)));
        }
        // An estimate may be far off, and to fail to allocate ends the process: so ask first.
        let possible = || Vec::<u8>::new().try_reserve_exact(bytes).is_ok();
        let fresh = || {
            let fresh = Bytes::with_capacity(if possible() { bytes } else { 0 });
            large_pages::prefer(&fresh);
            fresh
        };
        Buffer(Home::Own(kept::take(bytes).unwrap_or_else(fresh)))
    }

    /// An empty buffer in lent memory.
    pub(crate) fn lent(memory: Box<dyn Memory>) -> Buffer {
        Buffer(Home::Lent { memory, len: 0 })
    }

    /// A buffer that is what lies in this memory, all of it.
    pub(crate) fn full(memory: Box<dyn Memory>) -> Buffer {
        let len = memory.bytes().len();
        Buffer(Home::Lent { memory, len })
    }

    /// The memory that was lent to it.
    pub(crate) fn memory(&self) -> Option<&dyn Memory> {
        match &self.0 {
            Home::Own(_) => None,
            Home::Lent { memory, .. } => Some(&**memory),
        }
    }

    /// Bytes that it has room for without moving.
    pub(crate) fn capacity(&self) -> usize {
        match &self.0 {
            Home::Own(own) => own.capacity(),
            Home::Lent { memory, .. } => memory.bytes().len(),
        }
    }

    #[inline]
    pub(crate) fn extend_from_slice(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Home::Own(own) => own.extend_from_slice(bytes),
            Home::Lent { .. } => self.extend_lent(bytes),
        }
    }

    fn extend_lent(&mut self, bytes: &[u8]) {
        let Home::Lent { memory, len } = &mut self.0 else { return };
        let end = len.saturating_add(bytes.len());
        if let Some(room) = memory.room(*len..end) {
            room.copy_from_slice(bytes);
            *len = end;
            return;
        }
        let (wanted, whole) = (end.max(len.saturating_mul(2)), &memory.bytes()[..*len]);
        let moved = memory.larger(wanted).and_then(|mut larger| {
            let (first, rest) = larger.room(0..end)?.split_at_mut(*len);
            first.copy_from_slice(whole);
            rest.copy_from_slice(bytes);
            Some(Buffer(Home::Lent { memory: larger, len: end }))
        });
        *self = moved.unwrap_or_else(|| {
            let mut own = Buffer::for_about(wanted);
            own.extend_from_slice(whole);
            own.extend_from_slice(bytes);
            own
        });
    }

    /// Nothing more will be written: gives back what was not needed.
    pub(crate) fn finish(&mut self) {
        if let Home::Lent { memory, len } = &mut self.0 {
            memory.shorten(*len);
        }
    }

    /// Moves the bytes to where there is room for `bytes` in all; `false` where there is none.
    #[cfg(feature = "cluster")]
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let mut larger = Buffer::for_about(bytes);
        if larger.capacity() < bytes.max(self.len()) {
            return false;
        }
        larger.extend_from_slice(self);
        *self = larger;
        true
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Home::Own(own) = &mut self.0
            && own.capacity() >= kept::BUFFER_BYTES_MIN
        {
            kept::keep(std::mem::take(own));
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Home::Own(own) => own,
            Home::Lent { memory, len } => &memory.bytes()[..*len],
        }
    }
}

/// New memory comes from the operating system page by page, at the price of one interruption each;
/// pages of 2 MiB are five hundred times fewer.
#[cfg(target_os = "linux")]
mod large_pages {
    use super::Bytes;

    const PAGE_BYTES: usize = 4096;
    const LARGE_PAGE_BYTES: usize = 2 << 20;

    /// Asks for large pages where the buffer is long enough to fill some. Where they are not to be
    /// had, nothing changes.
    #[expect(unsafe_code, reason = "advice on memory is given by a call of the operating system")]
    pub(super) fn prefer(buffer: &Bytes) {
        let start = buffer.as_ptr().addr();
        let first = start.next_multiple_of(PAGE_BYTES);
        let end = (start + buffer.capacity()) & !(PAGE_BYTES - 1);
        if first + 2 * LARGE_PAGE_BYTES > end {
            return;
        }
        // SAFETY: the range lies within the buffer's own allocation, and this advice changes
        // neither its contents nor whether it may be read and written.
        unsafe {
            let at = buffer.as_ptr().wrapping_add(first - start);
            libc::madvise(at.cast_mut().cast(), end - first, libc::MADV_HUGEPAGE);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod large_pages {
    pub(super) fn prefer(_: &super::Bytes) {}
}

/// The buffers kept, oldest first.
#[cfg(not(raykit_loom))]
mod kept {
    use super::Bytes;
    pub(super) use crate::base::limits::BUFFER_BYTES_MIN;
    use crate::base::limits::BUFFERS_KEPT_BYTES_MAX;
    use parking_lot::Mutex;
    use std::collections::VecDeque;

    static KEPT: Mutex<VecDeque<Bytes>> = Mutex::new(VecDeque::new());

    /// A kept buffer that is large enough and not wasted on `bytes`, emptied.
    pub(super) fn take(bytes: usize) -> Option<Bytes> {
        let mut kept = KEPT.lock();
        let fits = |buffer: &Bytes| (bytes..=bytes.saturating_mul(2)).contains(&buffer.capacity());
        let at = kept.iter().position(fits)?;
        let mut buffer = kept.remove(at)?;
        drop(kept);
        buffer.clear();
        Some(buffer)
    }

    /// Keeps `buffer`, and lets the oldest go until all are within the bound.
    pub(super) fn keep(buffer: Bytes) {
        let mut dropped = Vec::new();
        let mut kept = KEPT.lock();
        let mut total = kept.iter().map(Bytes::capacity).sum::<usize>() + buffer.capacity();
        kept.push_back(buffer);
        while total > BUFFERS_KEPT_BYTES_MAX {
            let Some(oldest) = kept.pop_front() else { break };
            total -= oldest.capacity();
            dropped.push(oldest);
        }
        // Memory goes back to the operating system without the lock, for that takes long.
        drop(kept);
        drop(dropped);
    }
}

/// Nothing is kept where the model checker runs: its locks cannot stand in a `static`.
#[cfg(raykit_loom)]
mod kept {
    use super::Bytes;
    pub(super) use crate::base::limits::BUFFER_BYTES_MIN;

    pub(super) fn take(_: usize) -> Option<Bytes> {
        None
    }
    pub(super) fn keep(_: Bytes) {}
}

#[cfg(all(test, not(raykit_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_large_buffer_is_used_again() {
        // A size that no other test asks for.
        const BYTES: usize = 37 << 20;
        let mut first = Buffer::for_about(BYTES);
        first.extend_from_slice(&[7; 100]);
        let at = first.as_ptr();
        drop(first);
        let second = Buffer::for_about(BYTES - 4096);
        assert_eq!((second.as_ptr(), second.len()), (at, 0));
        assert!(kept::take(BYTES).is_none(), "it was taken out");
    }

    /// Memory of which there are `left` bytes beyond its own.
    struct Scarce {
        bytes: Vec<u8>,
        left: usize,
    }

    impl Memory for Scarce {
        fn bytes(&self) -> &[u8] {
            &self.bytes
        }
        fn room(&mut self, part: Range<usize>) -> Option<&mut [u8]> {
            self.bytes.get_mut(part)
        }
        fn shorten(&mut self, len: usize) {
            self.bytes.truncate(len);
        }
        fn is_own(&self) -> bool {
            true
        }
        fn larger(&self, bytes: usize) -> Option<Box<dyn Memory>> {
            let left = self.left.checked_sub(bytes)?;
            Some(Box::new(Scarce { bytes: vec![0; bytes], left }))
        }
    }

    #[test]
    fn what_outgrows_lent_memory_moves_on_and_loses_nothing() {
        let mut buffer = Buffer::lent(Box::new(Scarce { bytes: vec![0; 10], left: 25 }));
        let mut wanted = Vec::new();
        let mut lent = Vec::new();
        for step in 0..30_u8 {
            buffer.extend_from_slice(&[step; 3]);
            wanted.extend_from_slice(&[step; 3]);
            assert_eq!(&*buffer, &wanted[..], "after {} bytes", wanted.len());
            lent.push(buffer.memory().is_some());
        }
        // Ten bytes, then twenty more of the twenty-five, then there are none to be had.
        assert_eq!(lent.iter().filter(|lent| **lent).count(), 6, "{lent:?}");
        assert!(lent.is_sorted_by(|a, b| a >= b), "{lent:?}");
        let mut short = Buffer::lent(Box::new(Scarce { bytes: vec![0; 10], left: 0 }));
        short.extend_from_slice(b"four");
        short.finish();
        assert_eq!((&*short, short.capacity()), (&b"four"[..], 4));
    }

    #[test]
    fn an_absurd_estimate_does_no_harm() {
        assert_eq!(Buffer::for_about(usize::MAX / 4).capacity(), 0);
    }
}
