//! Bulk bytes: a stream for each request, below the packets in rank.
//!
//! The answer is one byte (whether there is such a thing), eight for the number of bytes, and the
//! bytes.

use super::hands::Hands;
use super::road::{Broken, Bulk, Done, Lifeline};
use super::streams::{BULK_RANK, Kind, ask, failed, lost};
use crate::base::NodeId;
use crate::base::limits::net::{BULK_BYTES_MAX, BULK_TRUST_BYTES};
use crate::object::buffer::Buffer;
use crate::object::{Error, ErrorKind, Result};
use bytes::Bytes;
use quinn::{Connection, SendStream};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

const MISSING: u8 = 0;
const FOUND: u8 = 1;

/// How much more than what has arrived there is room for.
const GROWTH: usize = 4;

/// What is asked for, and of whom.
pub(super) struct Wanted {
    pub(super) peer: NodeId,
    pub(super) request: Vec<u8>,
    pub(super) bytes_max: u64,
    /// They may lie in shared memory.
    pub(super) near: bool,
}

/// Asks for the bytes, and gives them to `done`: in shared memory, if the peer has them there. It
/// lasts as long as the link and no longer: of one that was declared dead nothing comes, and QUIC
/// would take seconds to say so.
pub(super) async fn fetch(
    hands: Arc<Hands>,
    connection: Connection,
    mut life: Lifeline,
    wanted: Wanted,
    done: Done,
) {
    let peer = wanted.peer;
    let mut got = Buffer::default();
    let fetched = {
        let fetched = async {
            if let Some(near) = hands.near.as_ref().filter(|_| wanted.near)
                && let Some(there) = near.fetch(&connection, peer, &wanted.request).await
            {
                got = there;
                return Ok(());
            }
            fetched(&connection, &wanted.request, wanted.bytes_max, &mut got).await
        };
        let ended = async {
            let _ = life.changed().await;
            over(*life.borrow())
        };
        let (mut fetched, mut ended) = (pin!(fetched), pin!(ended));
        let fetched = poll_fn(|context| match fetched.as_mut().poll(context) {
            Poll::Ready(fetched) => {
                Poll::Ready(fetched.map_err(|error| reason(&connection, &error)))
            }
            Poll::Pending => ended.as_mut().poll(context).map(Err),
        });
        fetched.await
    };
    done.call(match fetched {
        Ok(()) => Ok(got),
        Err(error) => {
            let text = format!("bytes from {peer}: {}", error.message());
            Err(Broken { error: Error::new(error.kind(), text), got })
        }
    });
}

/// Where the link is still there another one would bring no more.
fn reason(connection: &Connection, error: &Error) -> Error {
    let kind = match connection.close_reason() {
        Some(_) => ErrorKind::Io,
        None => ErrorKind::ObjectLost,
    };
    Error::new(kind, error.message())
}

fn over(dead: bool) -> Error {
    match dead {
        true => Error::new(ErrorKind::NodeDied, "it was declared dead"),
        false => Error::new(ErrorKind::Io, "the link to it has ended"),
    }
}

/// What is read goes to `buffer`.
async fn fetched(
    connection: &Connection,
    request: &[u8],
    bytes_max: u64,
    buffer: &mut Buffer,
) -> Result<()> {
    let mut answer = ask(connection, Kind::Fetch, request).await?;
    let mut head = [0; 9];
    answer.read_exact(&mut head).await.map_err(lost)?;
    let [status, total @ ..] = head;
    let total = u64::from_le_bytes(total);
    match status {
        FOUND if total <= bytes_max.min(BULK_BYTES_MAX) => {}
        FOUND => return Err(failed("there are more than can be")),
        MISSING => return Err(failed("the peer has no such thing")),
        _ => return Err(failed("the answer cannot be read")),
    }
    let total = usize::try_from(total).map_err(lost)?;
    *buffer = Buffer::for_about(total.min(BULK_TRUST_BYTES));
    let mut pieces: [Bytes; 32] = Default::default();
    while let Some(count) = answer.read_chunks(&mut pieces).await.map_err(lost)? {
        for piece in pieces.iter_mut().take(count).map(std::mem::take) {
            let wanted = buffer.len() + piece.len();
            if wanted > total {
                return Err(failed("there are more than were promised"));
            }
            let room = wanted.max(buffer.len().saturating_mul(GROWTH)).min(total);
            if wanted > buffer.capacity() && !buffer.grow(room) {
                return Err(failed("there is no memory for them"));
            }
            buffer.extend_from_slice(&piece);
        }
    }
    match buffer.len() == total {
        true => Ok(()),
        false => Err(failed("they were cut short")),
    }
}

/// Sends what was asked for, or that it is not here.
pub(super) async fn send(mut stream: SendStream, found: Option<Box<dyn Bulk>>) -> Result<()> {
    stream.set_priority(BULK_RANK).map_err(lost)?;
    let status = if found.is_some() { FOUND } else { MISSING };
    let bytes = found.map(|bulk| Bytes::from_owner(Sending(bulk))).unwrap_or_default();
    let total = (bytes.len() as u64).to_le_bytes();
    stream.write_all(&[&[status], &total[..]].concat()).await.map_err(lost)?;
    stream.write_chunk(bytes).await.map_err(lost)?;
    stream.finish().map_err(lost)
}

/// What is being sent, kept until the last byte has arrived.
struct Sending(Box<dyn Bulk>);

impl AsRef<[u8]> for Sending {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}
