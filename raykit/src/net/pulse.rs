//! A second sign of life. When a process dies, QUIC only falls silent; the kernel closes its TCP
//! sockets at once. So each node holds one to the head, which carries nothing but the proof of
//! whose it is. Its end is a hint and no more.

use super::hands::Hands;
use super::road::Happening;
use crate::base::NodeId;
use crate::base::limits::net::{HANDSHAKE_MS, PULSES_UNPROVEN_MAX};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

const PROOF_BYTES: usize = 20;

/// Whose sign of life a socket is.
pub(super) struct Watched {
    pub(super) peer: NodeId,
    pub(super) link: u64,
    /// Set when it ends.
    pub(super) doubted: Arc<AtomicBool>,
}

/// On the head: takes in the sockets of nodes.
pub(super) async fn listen(hands: Arc<Hands>, listener: TcpListener) {
    let unproven = Arc::new(Semaphore::new(PULSES_UNPROVEN_MAX));
    loop {
        let Ok(place) = Arc::clone(&unproven).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // As when there are no more files to be had: others may be closed meanwhile.
                tracing::warn!(%error, "no socket for a sign of life");
                tokio::time::sleep(Duration::from_millis(HANDSHAKE_MS)).await;
                continue;
            }
        };
        let hands = Arc::clone(&hands);
        tokio::spawn(async move {
            let proof = timeout(Duration::from_millis(HANDSHAKE_MS), proof(&stream)).await;
            drop(place);
            let Ok(Ok((peer, nonce))) = proof else { return };
            let Some((link, doubted)) = hands.road(|road| road.prove(peer, nonce)) else { return };
            watch(&hands, &stream, Watched { peer, link, doubted }).await;
        });
    }
}

/// On a node: opens the socket to the head, and holds it.
pub(super) async fn hold(hands: Arc<Hands>, address: SocketAddr, nonce: [u8; 16], link: Watched) {
    let own = hands.road(|road| road.own());
    let Ok(stream) = TcpStream::connect(address).await else { return };
    let proof = [&own.0.to_le_bytes()[..], &nonce].concat();
    let mut sent = 0;
    while sent < proof.len() {
        if stream.writable().await.is_err() {
            return;
        }
        match stream.try_write(&proof[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
    watch(&hands, &stream, link).await;
}

async fn proof(stream: &TcpStream) -> io::Result<(NodeId, [u8; 16])> {
    let mut bytes = [0; PROOF_BYTES];
    let mut have = 0;
    while have < PROOF_BYTES {
        match read(stream, &mut bytes[have..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => have += count,
        }
    }
    let mut reader = super::framing::Reader(&bytes);
    let proof = reader.u32().map(NodeId).zip(reader.fixed());
    proof.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Waits for the socket's end, and says so if the link is still up then.
async fn watch(hands: &Hands, stream: &TcpStream, link: Watched) {
    let Watched { peer, link, doubted } = link;
    let ends = stream.local_addr().ok().zip(stream.peer_addr().ok());
    let near = ends.is_some_and(|(own, other)| own.ip() == other.ip());
    // Nothing is ever sent. Who sends all the same has not died.
    while matches!(read(stream, &mut [0; 64]).await, Ok(1..)) {}
    doubted.store(true, Ordering::Relaxed);
    hands.drive(|driver, road| {
        if road.is_up(peer, link) {
            driver.happened(Happening::Suspect { peer, near }, road);
        }
    });
}

async fn read(stream: &TcpStream, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        match stream.try_read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
    }
}
