//! Streams beside the packets: each carries one request and its answer.
//!
//! A request is one byte for its kind, four for its length, and the request itself.

use crate::base::limits::net::{HANDSHAKE_MS, REQUEST_BYTES_MAX};
use crate::object::{Error, ErrorKind, Result};
use quinn::{Connection, RecvStream, SendStream};
use std::time::Duration;
use tokio::time::timeout;

/// What a stream beside the packets is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Fetch = 1,
    Renew = 2,
    /// An invitation to shared memory.
    Near = 3,
    /// One to a shortcut for the packets.
    Shortcut = 4,
}

/// The packets go before all streams, which begin with rank 0.
pub(super) const PACKETS_RANK: i32 = 1;

/// Bulk bytes go after all else.
pub(super) const BULK_RANK: i32 = -1;

/// Opens a stream of this kind; what comes back on it.
pub(super) async fn ask(connection: &Connection, kind: Kind, request: &[u8]) -> Result<RecvStream> {
    if request.len() > REQUEST_BYTES_MAX {
        return Err(failed("the request is too long"));
    }
    let (mut send, receive) = connection.open_bi().await.map_err(lost)?;
    let length = (request.len() as u32).to_le_bytes();
    send.write_all(&[&[kind as u8], &length[..], request].concat()).await.map_err(lost)?;
    send.finish().map_err(lost)?;
    Ok(receive)
}

/// What the peer asks on a stream. Who opens one has to say soon what for.
pub(super) async fn asked(receive: RecvStream) -> Result<(Kind, Vec<u8>)> {
    let asked = timeout(Duration::from_millis(HANDSHAKE_MS), request(receive)).await;
    asked.map_err(lost)?
}

async fn request(mut receive: RecvStream) -> Result<(Kind, Vec<u8>)> {
    let mut head = [0; 5];
    receive.read_exact(&mut head).await.map_err(lost)?;
    let [kind, length @ ..] = head;
    let kinds = [Kind::Fetch, Kind::Renew, Kind::Near, Kind::Shortcut];
    let kind = kinds.into_iter().find(|known| *known as u8 == kind);
    let kind = kind.ok_or_else(|| failed("it is of no known kind"))?;
    let length = u32::from_le_bytes(length) as usize;
    if length > REQUEST_BYTES_MAX {
        return Err(failed("the request is too long"));
    }
    let mut request = vec![0; length];
    receive.read_exact(&mut request).await.map_err(lost)?;
    Ok((kind, request))
}

/// Writes a short answer, and ends the stream.
pub(super) async fn answer(mut send: SendStream, bytes: &[u8]) -> Result<()> {
    send.write_all(bytes).await.map_err(lost)?;
    send.finish().map_err(lost)
}

pub(super) fn lost(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Io, error.to_string())
}

pub(super) fn failed(why: &str) -> Error {
    Error::new(ErrorKind::Io, why)
}
