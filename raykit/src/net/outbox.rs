//! `Outbox`: packets for one peer, from whoever decides to the one who writes.

use super::framing::frame_bytes;
use super::shortcut::Shortcut;
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
    /// The way of all packets that have not been taken.
    shortcut: Option<Arc<Shortcut>>,
    /// The writer knows of it.
    turned: bool,
}

/// What the writer is to do next.
pub(super) struct Taken {
    /// The way of these packets and of all after them.
    pub(super) turn: Option<Arc<Shortcut>>,
    pub(super) packets: Vec<Arc<[u8]>>,
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

    /// All that waits and all that comes goes by `shortcut`. The first one is kept to.
    pub(super) fn turn(&self, shortcut: &Arc<Shortcut>) {
        let mut state = self.state.lock();
        if state.shortcut.is_none() {
            state.shortcut = Some(Arc::clone(shortcut));
            self.changed.notify_one();
        }
    }

    #[cfg(test)]
    pub(super) fn shortcut(&self) -> Option<Arc<Shortcut>> {
        self.state.lock().shortcut.clone()
    }

    /// All that waits; `None` when it is closed and empty.
    pub(super) async fn take(&self) -> Option<Taken> {
        loop {
            {
                let mut state = self.state.lock();
                let turn = state.shortcut.clone().filter(|_| !state.turned);
                if !state.packets.is_empty() || turn.is_some() {
                    state.turned |= turn.is_some();
                    return Some(Taken { turn, packets: std::mem::take(&mut state.packets) });
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
