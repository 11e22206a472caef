//! The shortcut of a link between two nodes of one host and user: its packets go by a Unix socket,
//! which costs less than QUIC does there.
//!
//! 1. Who has dialled asks on the link for an invitation, as for shared memory (`near`), and is
//!    handed one end of a pair of sockets for it.
//! 2. It puts a mark behind its last packet on the link (`framing`), and all further ones into the
//!    socket.
//! 3. The other side reads the link up to the mark and from then on the socket, and does the same
//!    with its own packets. So each packet arrives once and in order, and one that never marks has
//!    lost nothing.
//!
//! The link goes on without packets: its end is the shortcut's. A shortcut that ends before may
//! have lost some, so the link ends with it, if the peer is still there to make another one; that
//! one has no shortcut any more.

use super::whisper::watched_pipe;
use crate::shm::Pipe;
use bytes::Bytes;
use std::io::{IoSlice, Result};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::OwnedSemaphorePermit;

/// Where the shortcut of a link is found, once there is one.
pub(super) type Place = Arc<OnceLock<Arc<Shortcut>>>;

pub(super) struct Shortcut {
    pipe: AsyncFd<Pipe>,
    _seat: OwnedSemaphorePermit,
}

impl Shortcut {
    pub(super) fn new(pipe: Pipe, seat: OwnedSemaphorePermit) -> Result<Arc<Shortcut>> {
        Ok(Arc::new(Shortcut { pipe: watched_pipe(pipe)?, _seat: seat }))
    }

    /// Writes all of `pieces`, and tells `written` of each part that there was room for.
    pub(super) async fn write(&self, pieces: &[Bytes], written: impl Fn(usize)) -> Result<()> {
        let mut parts: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut left = &mut parts[..];
        while !left.is_empty() {
            let count = self.pipe.async_io(Interest::WRITABLE, |pipe| pipe.write(left)).await?;
            written(count);
            IoSlice::advance_slices(&mut left, count);
        }
        Ok(())
    }

    /// Reads what there is, once there is something.
    pub(super) fn poll(&self, context: &mut Context<'_>, into: &mut [u8]) -> Poll<Result<usize>> {
        loop {
            let mut ready = ready!(self.pipe.poll_read_ready(context))?;
            if let Ok(read) = ready.try_io(|pipe| pipe.get_ref().read(into)) {
                if read.as_ref().is_ok_and(|count| *count < into.len()) {
                    ready.clear_ready(); // without asking the system for more
                }
                return Poll::Ready(read);
            }
        }
    }

    /// Reads what there is now.
    pub(super) fn rest(&self, into: &mut [u8]) -> Result<usize> {
        self.pipe.get_ref().read(into)
    }

    /// Nothing more is written here. What has been written arrives.
    pub(super) fn end_writing(&self) {
        self.pipe.get_ref().end_writing();
    }

    /// Whoever waits here waits no more.
    pub(super) fn end(&self) {
        self.pipe.get_ref().end();
    }
}
