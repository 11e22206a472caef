//! `Buffer`: the aligned bytes of an archive. Large ones are kept for the next archive when they
//! are freed: memory that the operating system has to hand out anew costs more than the copy into
//! it.

use rkyv::util::AlignedVec;
use std::ops::{Deref, DerefMut};

/// A cache line, and more than any archived type asks for.
const ALIGN: usize = 64;

type Bytes = AlignedVec<ALIGN>;

/// Bytes that begin on a cache line.
#[derive(Default)]
pub(crate) struct Buffer(Bytes);

impl Buffer {
    /// An empty buffer with room for about `bytes`.
    pub(crate) fn for_about(bytes: usize) -> Buffer {
        if bytes < kept::BUFFER_BYTES_MIN {
            return Buffer(AlignedVec::with_capacity(bytes));
        }
        // An estimate may be far off, and to fail to allocate ends the process: so ask first.
        let possible = || Vec::<u8>::new().try_reserve_exact(bytes).is_ok();
        let fresh = || {
            let fresh = Bytes::with_capacity(if possible() { bytes } else { 0 });
            large_pages::prefer(&fresh);
            fresh
        };
        Buffer(kept::take(bytes).unwrap_or_else(fresh))
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
        if self.0.capacity() >= kept::BUFFER_BYTES_MIN {
            kept::keep(std::mem::take(&mut self.0));
        }
    }
}

impl Deref for Buffer {
    type Target = Bytes;
    fn deref(&self) -> &Bytes {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Bytes {
        &mut self.0
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

    #[test]
    fn an_absurd_estimate_does_no_harm() {
        assert_eq!(Buffer::for_about(usize::MAX / 4).capacity(), 0);
    }
}
