//! `Mapped`: a part of another process's segment, read here. When it is dropped its owner is told,
//! and not before.

use super::segment::Foreign;
use super::socket::Socket;
use super::words::{RELEASES_MAX, Word};
use crate::object::buffer::Memory;
use parking_lot::Mutex;
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::Arc;

/// What is released on one connection. The connection stays as long as something is read that came
/// on it: its end means to the owner that nothing is.
pub(crate) struct Releases {
    socket: Socket,
    /// What could not be sent yet.
    waiting: Mutex<Vec<u64>>,
    /// Rung when something waits.
    bell: Box<dyn Fn() + Send + Sync>,
}

impl Releases {
    pub(crate) fn new(socket: Socket, ring: impl Fn() + Send + Sync + 'static) -> Arc<Releases> {
        Arc::new(Releases { socket, waiting: Mutex::default(), bell: Box::new(ring) })
    }

    /// Sends what waits; `false` where not all of it could be sent.
    pub(crate) fn send(&self) -> bool {
        let mut waiting = self.waiting.lock();
        while !waiting.is_empty() {
            let count = waiting.len().min(RELEASES_MAX);
            match self.socket.send(&Word::Release(waiting[..count].to_vec()), None) {
                Ok(()) => drop(waiting.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                // The owner is gone.
                Err(_) => waiting.clear(),
            }
        }
        true
    }

    fn release(&self, claim: u64) {
        self.waiting.lock().push(claim);
        if !self.send() {
            (self.bell)();
        }
    }
}

/// A part of a segment of another process.
pub(crate) struct Mapped {
    segment: Arc<Foreign>,
    part: Range<usize>,
    claim: u64,
    releases: Arc<Releases>,
}

impl Mapped {
    /// `None` where the segment has no such part.
    pub(crate) fn new(
        segment: Arc<Foreign>,
        start: u64,
        len: u64,
        claim: u64,
        releases: Arc<Releases>,
    ) -> Option<Mapped> {
        let (start, len) = (usize::try_from(start).ok()?, usize::try_from(len).ok()?);
        let part = start..start.checked_add(len)?;
        let fits = part.end <= segment.bytes() && start.is_multiple_of(super::PAGE_BYTES);
        // Not `then_some`: to make one and drop it would release what was not read.
        fits.then(|| Mapped { segment, part, claim, releases })
    }
}

impl Memory for Mapped {
    fn bytes(&self) -> &[u8] {
        self.segment.part(&self.part)
    }
    fn room(&mut self, _: Range<usize>) -> Option<&mut [u8]> {
        None
    }
    fn shorten(&mut self, _: usize) {}
    fn is_own(&self) -> bool {
        false
    }
    fn larger(&self, _: usize) -> Option<Box<dyn Memory>> {
        None
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        self.releases.release(self.claim);
    }
}
