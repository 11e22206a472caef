//! The doorkeeper: takes in connections, as many strangers at a time as there is room for.

use super::admit;
use super::failures::place;
use super::hands::Hands;
use super::link;
use super::rate::{Allowed, Rate};
use super::tls::{self, ALPN_JOIN, ALPN_LINK};
use super::turned::Why;
use crate::base::limits::net::{
    HANDSHAKE_MS, HANDSHAKES_MAX, HANDSHAKES_PER_ADDRESS, HANDSHAKES_TRUSTED,
};
use parking_lot::Mutex;
use quinn::{Endpoint, Incoming};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Strangers whose handshake is not done, by address.
#[derive(Default)]
pub(super) struct Hall {
    inside: Mutex<HashMap<IpAddr, usize>>,
}

/// One stranger's place, free again when it is dropped.
struct Place {
    hall: Arc<Hall>,
    address: IpAddr,
}

impl Hall {
    fn len(&self) -> usize {
        self.inside.lock().values().sum()
    }

    fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = place(address);
        let mut inside = self.inside.lock();
        let total: usize = inside.values().sum();
        let count = inside.entry(address).or_default();
        if total >= HANDSHAKES_MAX || *count >= HANDSHAKES_PER_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Place { hall: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.hall.inside.lock();
        if let Some(count) = inside.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                inside.remove(&self.address);
            }
        }
    }
}

/// Takes in who comes to one door.
pub(super) async fn keep(hands: Arc<Hands>, endpoint: Endpoint, hall: Arc<Hall>) {
    let mut rate = Rate::new(Instant::now());
    while let Some(incoming) = endpoint.accept().await {
        let (address, shown) = (incoming.remote_address(), incoming.remote_address_validated());
        if !shown && hall.len() >= HANDSHAKES_TRUSTED && incoming.may_retry() {
            // Nothing is kept of it: the next packet shows that the address is its own.
            let _ = incoming.retry();
            continue;
        }
        match rate.begin(address.ip(), shown, Instant::now()) {
            Allowed::Yes => {}
            Allowed::Shown if incoming.may_retry() => {
                let _ = incoming.retry();
                continue;
            }
            Allowed::Shown | Allowed::No => {
                // Who means it tries again in a moment.
                hands.turned_away.add(Why::Begun, address, "");
                incoming.ignore();
                continue;
            }
        }
        match hall.enter(address.ip()) {
            Some(place) => drop(tokio::spawn(greet(Arc::clone(&hands), incoming, place))),
            None => {
                hands.turned_away.add(Why::UnderWay, address, "");
                incoming.refuse();
            }
        }
    }
}

async fn greet(hands: Arc<Hands>, incoming: Incoming, place: Place) {
    let address = incoming.remote_address();
    let config = Arc::clone(hands.doors.answer(address));
    let Ok(connecting) = incoming.accept_with(config) else { return };
    let connection = match timeout(Duration::from_millis(HANDSHAKE_MS), connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return tracing::debug!(%address, %error, "a handshake failed"),
        Err(_) => return tracing::debug!(%address, "a handshake took too long"),
    };
    match tls::protocol(&connection) {
        Some(protocol) if protocol == ALPN_LINK => {
            let ready = link::accept(hands, connection).await;
            drop(place);
            if let Some(ready) = ready {
                ready.run().await;
            }
        }
        Some(protocol) if protocol == ALPN_JOIN => admit::answer(&hands, connection).await,
        _ => {}
    }
}
