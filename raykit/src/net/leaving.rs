//! A goodbye that is under way, and for how long it is waited for.

use crate::base::limits::net::{GOODBYE_DOUBT_MS, GOODBYE_LOOK_MS, GOODBYE_MS};
use quinn::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// The connection of a link that was ended from here. The peer closes it when all has arrived.
pub(super) struct Leaving {
    pub(super) connection: Connection,
    /// The peer's process seems to have died.
    pub(super) doubted: Arc<AtomicBool>,
}

impl Leaving {
    /// Waits until the peer has closed, for as long as it shows that it is there. One that was
    /// killed would never close, and QUIC takes seconds to see that.
    pub(super) async fn gone(self) {
        // Looks are counted and not the time: whoever does not get to run hears nothing either.
        let (mut silent, mut heard) = (0, self.heard());
        while timeout(Duration::from_millis(GOODBYE_LOOK_MS), self.connection.closed())
            .await
            .is_err()
        {
            let now = self.heard();
            silent = if now == heard { silent + 1 } else { 0 };
            heard = now;
            let limit = match self.doubted.load(Ordering::Relaxed) {
                true => GOODBYE_DOUBT_MS,
                false => GOODBYE_MS,
            };
            if silent * GOODBYE_LOOK_MS >= limit {
                return;
            }
        }
    }

    fn heard(&self) -> u64 {
        self.connection.stats().udp_rx.datagrams
    }
}
