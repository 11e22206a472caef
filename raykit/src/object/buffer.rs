//! `Buffer`: the aligned bytes of an archive.

use rkyv::util::AlignedVec;
use std::ops::{Deref, DerefMut};

/// A cache line, and more than any archived type asks for.
const ALIGN: usize = 64;

/// Bytes that begin on a cache line.
#[derive(Default)]
pub(crate) struct Buffer(AlignedVec<ALIGN>);

impl Buffer {
    /// An empty buffer with room for about `bytes`.
    pub(super) fn for_about(bytes: usize) -> Buffer {
        Buffer(AlignedVec::with_capacity(bytes))
    }
}

impl Deref for Buffer {
    type Target = AlignedVec<ALIGN>;
    fn deref(&self) -> &AlignedVec<ALIGN> {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut AlignedVec<ALIGN> {
        &mut self.0
    }
}
