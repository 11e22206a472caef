//! `Carrier`: the packets of one link, there and back, for as long as it lasts. They begin on the
//! link's own stream; where there is a shortcut they turn to it, each direction behind its mark.

use super::framing::{MARK, Splitter, Stop, pack};
use super::hands::Hands;
use super::outbox::Outbox;
use super::road::{Code, Happening, closed_with};
use super::shortcut::{Place, Shortcut};
use super::streams::{Kind, PACKETS_RANK, ask};
use crate::base::NodeId;
use crate::base::limits::net::{HANDSHAKE_MS, SHORTCUT_READ_BYTES};
use bytes::Bytes;
use quinn::{Connection, ConnectionError, ReadError, RecvStream, SendStream};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::timeout;

const HANDSHAKE: Duration = Duration::from_millis(HANDSHAKE_MS);

/// More than a socket holds.
const REST_READS_MAX: usize = 64;

/// A link, as those see it who carry its packets.
pub(super) struct Carrier {
    pub(super) hands: Arc<Hands>,
    pub(super) peer: NodeId,
    /// The link's.
    pub(super) id: u64,
    pub(super) connection: Connection,
    /// This side dialled.
    pub(super) dialled: bool,
    pub(super) outbox: Arc<Outbox>,
    pub(super) shortcut: Place,
}

/// How a link has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Goodbye,
    /// The peer breaks the rules.
    Broken,
    Lost,
    /// The shortcut has ended, and the peer has not.
    Cut,
    Panicked,
}

/// What comes next.
enum Next {
    /// So many bytes of the shortcut; none when it has ended.
    Bytes(usize),
    End(End),
}

impl Carrier {
    /// Finds a shortcut, if there is one. Who has dialled does.
    pub(super) async fn shorten(self: Arc<Self>) {
        let Some(near) = &self.hands.near else { return };
        let Some(shortcut) = near.shorten(&self.connection, self.peer).await else { return };
        // Here before the mark can be, which is the peer's answer to this side's.
        let shortcut = self.shortcut.get_or_init(|| shortcut);
        self.outbox.turn(shortcut);
    }

    /// Writes what waits until nothing more comes, and says goodbye.
    pub(super) async fn write(self: Arc<Self>, mut send: SendStream) {
        let _ = send.set_priority(PACKETS_RANK);
        let mut shortcut: Option<Arc<Shortcut>> = None;
        while let Some(taken) = self.outbox.take().await {
            if let Some(turn) = taken.turn {
                if send.write_all(&MARK).await.is_err() {
                    return;
                }
                shortcut = Some(turn);
            }
            let pieces = pack(taken.packets);
            let written = match &shortcut {
                Some(shortcut) => {
                    shortcut.write(&pieces, |bytes| self.outbox.written(bytes)).await.is_ok()
                }
                None => self.write_on_link(&mut send, pieces).await,
            };
            if !written {
                // The reader sees the same end, and tells of it. To drop the stream before would be
                // a goodbye.
                self.connection.closed().await;
                return;
            }
        }
        shortcut.iter().for_each(|shortcut| shortcut.end_writing());
        if send.finish().is_ok() {
            let _ = timeout(HANDSHAKE, send.stopped()).await;
        }
        self.connection.close(Code::Goodbye.into(), b"");
    }

    async fn write_on_link(&self, send: &mut SendStream, pieces: Vec<Bytes>) -> bool {
        for piece in pieces {
            let bytes = piece.len();
            if send.write_chunk(piece).await.is_err() {
                return false;
            }
            self.outbox.written(bytes);
        }
        true
    }

    /// Hands packets to the driver until the link ends.
    pub(super) async fn read(self: Arc<Self>, mut receive: RecvStream) -> End {
        let mut splitter = Splitter::default();
        let mut pieces: [Bytes; 32] = Default::default();
        let mut packets = Vec::new();
        loop {
            let count = match receive.read_chunks(&mut pieces).await {
                Ok(Some(count)) => count,
                other => return end_of(other.err()),
            };
            let mut come = pieces.iter_mut().take(count).map(std::mem::take);
            let split = come.try_for_each(|piece| splitter.push(&piece, &mut packets));
            let is_last = come.len() == 0;
            self.deliver(&mut packets);
            match split {
                Ok(()) => {}
                Err(Stop::Mark) if is_last => return self.read_shortcut(receive).await,
                Err(_) => return self.broken("a frame is too long, or no frame is to come"),
            }
        }
    }

    /// The peer has turned to the shortcut, and this side does so if it has not.
    async fn read_shortcut(&self, receive: RecvStream) -> End {
        let Some(shortcut) = self.shortcut.get() else {
            return self.broken("it turns to a shortcut that is not there");
        };
        self.outbox.turn(shortcut);
        let mut ended = pin!(end_after_mark(receive));
        let (mut splitter, mut packets) = (Splitter::default(), Vec::new());
        let mut bytes = vec![0; SHORTCUT_READ_BYTES];
        let mut take = |bytes: &[u8]| {
            let split = splitter.push(bytes, &mut packets);
            self.deliver(&mut packets);
            split.is_ok()
        };
        let end = loop {
            let next = poll_fn(|context| match shortcut.poll(context, &mut bytes) {
                Poll::Ready(read) => Poll::Ready(Next::Bytes(read.unwrap_or(0))),
                Poll::Pending => ended.as_mut().poll(context).map(Next::End),
            });
            match next.await {
                Next::Bytes(0) => return self.outlived(ended).await,
                Next::Bytes(count) if take(&bytes[..count]) => {}
                Next::Bytes(_) => return self.broken("a frame is too long"),
                Next::End(end) => break end,
            }
        };
        // What was sent before is there.
        for _ in 0..REST_READS_MAX {
            match shortcut.rest(&mut bytes) {
                Ok(count @ 1..) if take(&bytes[..count]) => {}
                _ => break,
            }
        }
        end
    }

    /// The shortcut has ended. So has the link, or will; or its peer, and then others say so; or it
    /// was cut.
    async fn outlived(&self, mut ended: Pin<&mut impl Future<Output = End>>) -> End {
        let mut answered = pin!(self.answered());
        let end = poll_fn(|context| match ended.as_mut().poll(context) {
            Poll::Ready(end) => Poll::Ready(end),
            Poll::Pending => answered.as_mut().poll(context).map(|()| End::Cut),
        });
        end.await
    }

    /// Asks the peer for nothing. A process that is gone does not answer.
    async fn answered(&self) {
        if let Ok(mut answer) = ask(&self.connection, Kind::Shortcut, b"").await {
            let _ = answer.read_to_end(0).await;
        }
        if self.connection.close_reason().is_some() {
            std::future::pending().await
        }
    }

    fn broken(&self, why: &str) -> End {
        tracing::warn!(peer = %self.peer, why, "the link is closed");
        End::Broken
    }

    fn deliver(&self, packets: &mut Vec<Arc<[u8]>>) {
        if packets.is_empty() {
            return;
        }
        self.hands.drive(|driver, road| {
            for packet in packets.drain(..) {
                // The driver may have said goodbye over the packet before.
                if road.is_up(self.peer, self.id) {
                    driver.happened(Happening::Arrived(self.peer, packet), road);
                }
            }
        });
    }
}

/// How the stream ends that has come to its mark: nothing else is to come.
async fn end_after_mark(mut receive: RecvStream) -> End {
    match receive.read_chunk(1, true).await {
        Ok(Some(_)) => End::Broken,
        other => end_of(other.err()),
    }
}

fn end_of(error: Option<ReadError>) -> End {
    match error {
        None => End::Goodbye,
        Some(ReadError::ConnectionLost(error)) if is_goodbye(&error) => End::Goodbye,
        Some(ReadError::ConnectionLost(_)) => End::Lost,
        Some(_) => End::Broken,
    }
}

fn is_goodbye(error: &ConnectionError) -> bool {
    closed_with(error, Code::Goodbye)
}
