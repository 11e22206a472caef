//! A road for datagrams that is slow, loses some of them, and brings others late: `tc netem` is not
//! to be had everywhere.

#![allow(dead_code, reason = "each test program uses a part of it")]
use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How bad the road is.
#[derive(Clone, Copy)]
pub(crate) struct Weather {
    /// Each datagram is on its way for so long, and up to so much longer.
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
    /// Of a thousand datagrams so many are lost.
    pub(crate) lost: u64,
    /// Bytes in a second. What has to wait for too long is lost.
    pub(crate) rate: Option<u64>,
}

impl Weather {
    /// A road that is as good as none.
    pub(crate) const GOOD: Weather =
        Weather { delay: Duration::ZERO, jitter: Duration::ZERO, lost: 0, rate: None };
}

/// For how long datagrams wait where there is no more room.
const QUEUE: Duration = Duration::from_millis(200);

/// What has passed, and what was lost.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) passed: AtomicU64,
    pub(crate) lost: AtomicU64,
    /// While it is so, nothing passes.
    pub(crate) closed: AtomicBool,
    /// How often those behind the relay have got other addresses.
    pub(crate) moves: AtomicU64,
}

/// A datagram on its way: by which socket it leaves, and to whom.
struct Parcel {
    by: Arc<UdpSocket>,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// Where datagrams for `to` can be sent as well; answers come back the same way. It is there until
/// the process ends.
pub(crate) fn relay(to: SocketAddr, weather: Weather) -> (SocketAddr, Arc<Counts>) {
    let front = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
    let address = front.local_addr().unwrap();
    let counts = Arc::new(Counts::default());
    let (send, parcels) = channel();
    let on_road = Arc::clone(&counts);
    std::thread::spawn(move || carry(&parcels, weather, &on_road));
    let at = Arc::clone(&counts);
    std::thread::spawn(move || {
        let mut clients: HashMap<(SocketAddr, u64), Arc<UdpSocket>> = HashMap::new();
        let mut bytes = vec![0; 1 << 16];
        while let Ok((len, client)) = front.recv_from(&mut bytes) {
            let moves = at.moves.load(Ordering::SeqCst);
            let by = clients.entry((client, moves)).or_insert_with(|| {
                let own = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
                let (back, front, send) = (Arc::clone(&own), Arc::clone(&front), send.clone());
                let at = Arc::clone(&at);
                std::thread::spawn(move || {
                    let moved = || at.moves.load(Ordering::SeqCst) != moves;
                    answers(&back, &front, client, &send, moved);
                });
                own
            });
            let parcel = Parcel { by: Arc::clone(by), to, bytes: bytes[..len].to_vec() };
            if send.send(parcel).is_err() {
                return;
            }
        }
    });
    (address, counts)
}

fn answers(
    back: &UdpSocket,
    front: &Arc<UdpSocket>,
    client: SocketAddr,
    send: &Sender<Parcel>,
    moved: impl Fn() -> bool,
) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok((len, _)) = back.recv_from(&mut bytes) {
        if moved() {
            return; // nobody hears at the old address
        }
        let parcel = Parcel { by: Arc::clone(front), to: client, bytes: bytes[..len].to_vec() };
        if send.send(parcel).is_err() {
            return;
        }
    }
}

fn carry(parcels: &Receiver<Parcel>, weather: Weather, counts: &Counts) {
    let mut on_the_way: BTreeMap<(Instant, u64), Parcel> = BTreeMap::new();
    let mut number = 0_u64;
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut free_at = Instant::now();
    loop {
        let first = on_the_way.keys().next().map(|(at, _)| *at);
        let wait = first
            .map_or(Duration::from_secs(3_600), |at| at.saturating_duration_since(Instant::now()));
        match parcels.recv_timeout(wait) {
            Ok(parcel) => {
                number += 1;
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                let now = Instant::now();
                let full = free_at.saturating_duration_since(now) > QUEUE;
                let closed = counts.closed.load(Ordering::SeqCst);
                if dice % 1_000 < weather.lost || full || closed {
                    counts.lost.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let late = (weather.jitter.as_micros() as u64 * (dice >> 32 & 0xffff)) >> 16;
                if let Some(rate) = weather.rate {
                    let us = parcel.bytes.len() as u64 * 1_000_000 / rate;
                    free_at = free_at.max(now) + Duration::from_micros(us);
                }
                let at = free_at.max(now) + weather.delay + Duration::from_micros(late);
                on_the_way.insert((at, number), parcel);
            }
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        while let Some(first) = on_the_way.first_entry()
            && first.key().0 <= Instant::now()
        {
            let Parcel { by, to, bytes } = first.remove();
            counts.passed.fetch_add(1, Ordering::Relaxed);
            let _ = by.send_to(&bytes, to); // whoever is gone gets nothing
        }
    }
}
