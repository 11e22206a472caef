//! Sockets between processes of one host, for the tasks of the road; and the words of shared memory
//! on theirs.

#![expect(unsafe_code, reason = "a file is registered with the runtime by its number")]

use crate::shm::{Door, Pipe, Socket, Word};
use std::io::Result;
use std::os::fd::{BorrowedFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Has the runtime tell when there is something to read at the socket, or room to write.
pub(super) fn watched(socket: Socket) -> Result<AsyncFd<Socket>> {
    // SAFETY: a socket keeps its file as long as it lives, and always the same one.
    Ok(unsafe { AsyncFd::register(socket) }?)
}

/// Has the runtime tell when bytes have come, or there is room for some.
pub(super) fn watched_pipe(pipe: Pipe) -> Result<AsyncFd<Pipe>> {
    // SAFETY: as for a socket.
    Ok(unsafe { AsyncFd::register(pipe) }?)
}

/// Has the runtime tell when somebody knocks.
pub(super) fn watched_door(door: Door) -> Result<AsyncFd<Door>> {
    // SAFETY: as for a socket.
    Ok(unsafe { AsyncFd::register_with_interest(door, Interest::READABLE) }?)
}

/// Sends a word, once there is room for it.
pub(super) async fn send(
    socket: &AsyncFd<Socket>,
    word: &Word,
    file: Option<BorrowedFd<'_>>,
) -> Result<()> {
    socket.async_io(Interest::WRITABLE, |socket| socket.send(word, file)).await
}

/// The next word; `None` when the other end is gone.
pub(super) async fn receive(socket: &AsyncFd<Socket>) -> Result<Option<(Word, Option<OwnedFd>)>> {
    socket.async_io(Interest::READABLE, Socket::receive).await
}
