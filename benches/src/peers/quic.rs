//! quinn without anything around it: many calls on one stream, and bulk bytes.

use super::ways::{hex, unhex};
use crate::bench::Outcome;
use crate::child::Errand;
use crate::served::{self, Served};
use quinn::congestion::CubicConfig;
use quinn::rustls::RootCertStore;
use quinn::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use quinn::{
    ClientConfig, Connection, Endpoint, EndpointConfig, MtuDiscoveryConfig, RecvStream, SendStream,
    ServerConfig, TransportConfig, VarInt,
};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Notify, oneshot};
use tokio::task::LocalSet;

/// Calls under way at a time.
pub(crate) const IN_FLIGHT: usize = 256;
const BYTES: usize = 64;
const NAME: &str = "localhost";
const WINDOW: u32 = 64 << 20;
const SOCKET_BUFFER: usize = 4 << 20;
/// What a datagram has to say beside its payload, on IPv4.
const HEADERS: u32 = 28;
/// The longest that quinn takes.
const DATAGRAM_MAX: u32 = 65_000;
/// Up to here several datagrams fit in one call to the system.
const SEGMENTED_MAX: u32 = 6_500;

/// The other process: answers what it gets on one stream.
pub(crate) const ECHO: Errand = ("quic-echo", echo);
/// The other process: keeps what it gets, and says when it has all.
pub(crate) const SINK: Errand = ("quic-sink", sink);

/// The settings that were fastest, for a wire of this MTU.
fn transport(mtu: u32) -> TransportConfig {
    let mut config = TransportConfig::default();
    let datagram = (mtu - HEADERS).min(DATAGRAM_MAX) as u16;
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(datagram);
    let mut cubic = CubicConfig::default();
    cubic.initial_window(1 << 20);
    config
        .initial_mtu(datagram)
        .mtu_discovery_config(Some(discovery))
        .congestion_controller_factory(Arc::new(cubic))
        .enable_segmentation_offload(mtu <= SEGMENTED_MAX)
        .stream_receive_window(WINDOW.into())
        .receive_window(VarInt::from_u32(2 * WINDOW))
        .send_window(2 * u64::from(WINDOW));
    config
}

fn socket(listen: IpAddr) -> Outcome<UdpSocket> {
    let socket = UdpSocket::bind((listen, 0))?;
    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER)?;
    rustix::net::sockopt::set_socket_send_buffer_size(&socket, SOCKET_BUFFER)?;
    Ok(socket)
}

fn endpoint(listen: IpAddr, config: Option<ServerConfig>) -> Outcome<Endpoint> {
    let mut own = EndpointConfig::default();
    own.max_udp_payload_size(DATAGRAM_MAX as u16)?;
    Ok(Endpoint::new(own, config, socket(listen)?, Arc::new(quinn::TokioRuntime))?)
}

/// In the other process: says where it is, and hands over the first connection.
async fn answer() -> Outcome<(Endpoint, Connection)> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let mut config = ServerConfig::with_single_cert(vec![certificate.clone()], key)?;
    let mtu = std::env::var(MTU).map_or(Ok(DATAGRAM_MAX + HEADERS), |mtu| mtu.parse())?;
    config.transport_config(Arc::new(transport(mtu)));
    let endpoint = endpoint(served::listen()?, Some(config))?;
    println!("{} {}", endpoint.local_addr()?, hex(&certificate));
    let connection = endpoint.accept().await.ok_or("nobody has dialled")?.await?;
    Ok((endpoint, connection))
}

/// What the other process is told of the wire.
pub(crate) const MTU: &str = "RAYKIT_BENCH_MTU";

async fn dial(served: &Served, mtu: u32) -> Outcome<(Endpoint, Connection)> {
    let (address, certificate) = served.line.split_once(' ').ok_or("no address")?;
    let address: SocketAddr = address.parse()?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(unhex(certificate)?))?;
    let mut config = ClientConfig::with_root_certificates(Arc::new(roots))?;
    config.transport_config(Arc::new(transport(mtu)));
    let endpoint = endpoint(Ipv4Addr::UNSPECIFIED.into(), None)?;
    let connection = endpoint.connect_with(config, address, NAME)?.await?;
    Ok((endpoint, connection))
}

/// Answers each message by its number.
fn echo() -> Outcome {
    served::runtime()?.block_on(LocalSet::new().run_until(async {
        let (_endpoint, connection) = answer().await?;
        let (send, mut receive) = connection.accept_bi().await?;
        let line = Rc::new(Line::default());
        tokio::task::spawn_local(write(Rc::clone(&line), send));
        let mut frames = Frames::default();
        while let Some(chunk) = receive.read_chunk(usize::MAX, true).await? {
            frames.each(&chunk.bytes, |number| {
                line.send(number);
                Ok(())
            })?;
        }
        Ok(())
    }))
}

/// Cuts a stream into messages.
#[derive(Default)]
struct Frames(Vec<u8>);

impl Frames {
    fn each(&mut self, bytes: &[u8], mut take: impl FnMut(u64) -> Outcome) -> Outcome {
        self.0.extend_from_slice(bytes);
        let (whole, rest) = self.0.as_chunks::<BYTES>();
        for frame in whole {
            let (number, _) = frame.split_first_chunk().ok_or("no number")?;
            take(u64::from_le_bytes(*number))?;
        }
        let rest = rest.len();
        self.0.drain(..self.0.len() - rest);
        Ok(())
    }
}

/// What callers and the connection share.
#[derive(Default)]
struct Line {
    outgoing: RefCell<Vec<u8>>,
    waiting: RefCell<HashMap<u64, oneshot::Sender<()>>>,
    numbers: Cell<u64>,
    bell: Notify,
}

impl Line {
    fn send(&self, number: u64) {
        let mut frame = [7; BYTES];
        frame[..8].copy_from_slice(&number.to_le_bytes());
        self.outgoing.borrow_mut().extend_from_slice(&frame);
        self.bell.notify_one();
    }
}

/// Seconds for so many calls of 64 bytes on one stream, [`IN_FLIGHT`] at a time.
pub(crate) fn calls(served: &Served, calls: usize) -> Outcome<f64> {
    served::runtime()?.block_on(LocalSet::new().run_until(async {
        let (_endpoint, connection) = dial(served, DATAGRAM_MAX + HEADERS).await?;
        let (send, receive) = connection.open_bi().await?;
        let line = Rc::new(Line::default());
        let roads = [
            tokio::task::spawn_local(write(Rc::clone(&line), send)),
            tokio::task::spawn_local(read(Rc::clone(&line), receive)),
        ];
        let begun = Instant::now();
        let callers: Vec<_> = (0..IN_FLIGHT)
            .map(|_| tokio::task::spawn_local(call(Rc::clone(&line), calls / IN_FLIGHT)))
            .collect();
        for caller in callers {
            caller.await??;
        }
        let seconds = begun.elapsed().as_secs_f64();
        roads.iter().for_each(tokio::task::JoinHandle::abort);
        Ok(seconds)
    }))
}

async fn call(line: Rc<Line>, calls: usize) -> Outcome {
    for _ in 0..calls {
        let (done, answer) = oneshot::channel();
        let number = line.numbers.replace(line.numbers.get() + 1);
        line.waiting.borrow_mut().insert(number, done);
        line.send(number);
        answer.await?;
    }
    Ok(())
}

async fn write(line: Rc<Line>, mut send: SendStream) -> Outcome {
    loop {
        line.bell.notified().await;
        let outgoing = line.outgoing.take();
        send.write_all(&outgoing).await?;
    }
}

async fn read(line: Rc<Line>, mut receive: RecvStream) -> Outcome {
    let mut frames = Frames::default();
    while let Some(chunk) = receive.read_chunk(usize::MAX, true).await? {
        frames.each(&chunk.bytes, |number| {
            let waits = line.waiting.borrow_mut().remove(&number);
            let _ = waits.ok_or("an answer too many")?.send(());
            Ok(())
        })?;
    }
    Ok(())
}

/// Takes one load after the other, each on a stream of its own; the memory for it stays.
fn sink() -> Outcome {
    served::runtime()?.block_on(async {
        let (_endpoint, connection) = answer().await?;
        let mut kept = Vec::new();
        while let Ok((mut send, mut receive)) = connection.accept_bi().await {
            kept.clear();
            let mut pieces: [bytes::Bytes; 32] = Default::default();
            while let Some(count) = receive.read_chunks(&mut pieces).await? {
                pieces[..count].iter().for_each(|piece| kept.extend_from_slice(piece));
            }
            send.write_all(&(kept.len() as u64).to_le_bytes()).await?;
            send.finish()?;
        }
        Ok(())
    })
}

/// Seconds for each of so many loads, until the other process has all of it.
pub(crate) fn bulk(
    served: &Served,
    mtu: u32,
    load: &bytes::Bytes,
    times: usize,
) -> Outcome<Vec<f64>> {
    served::runtime()?.block_on(async {
        let (_endpoint, connection) = dial(served, mtu).await?;
        let mut taken = Vec::new();
        for _ in 0..times {
            let begun = Instant::now();
            let (mut send, mut receive) = connection.open_bi().await?;
            send.write_chunk(load.clone()).await?;
            send.finish()?;
            let mut there = [0; 8];
            receive.read_exact(&mut there).await?;
            taken.push(begun.elapsed().as_secs_f64());
            if u64::from_le_bytes(there) != load.len() as u64 {
                return Err("not all has arrived".into());
            }
        }
        Ok(taken)
    })
}
