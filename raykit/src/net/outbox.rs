//! `Outbox`: packets for one peer, from whoever decides to the one who writes.

use super::framing::frame_bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::Notify;

/// The packets that wait to be written on one link.
#[derive(Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    /// There is something to take, or nothing more will come.
    changed: Notify,
}

#[derive(Default)]
struct State {
    packets: Vec<Arc<[u8]>>,
    /// Of the frames of `packets`, and of those that the writer has taken and the link has not made
    /// room for.
    bytes: usize,
    closed: bool,
}

impl Outbox {
    /// The bytes that wait now, with `packet`.
    pub(super) fn push(&self, packet: Arc<[u8]>) -> usize {
        let mut state = self.state.lock();
        if state.closed {
            return state.bytes;
        }
        let first = state.packets.is_empty();
        state.bytes += frame_bytes(&packet);
        state.packets.push(packet);
        let bytes = state.bytes;
        drop(state);
        if first {
            self.changed.notify_one();
        }
        bytes
    }

    pub(super) fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// No packet comes after those that wait.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_one();
    }

    /// All that waits; `None` when it is closed and empty.
    pub(super) async fn take(&self) -> Option<Vec<Arc<[u8]>>> {
        loop {
            {
                let mut state = self.state.lock();
                if !state.packets.is_empty() {
                    return Some(std::mem::take(&mut state.packets));
                }
                if state.closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    /// The link has made room for so many bytes of frames.
    pub(super) fn written(&self, bytes: usize) {
        self.state.lock().bytes -= bytes;
    }
}
