//! Sockets, and how QUIC is set up on them.

use super::tls::{self, Wallet};
use crate::base::limits::net::{
    HANDSHAKES_MAX, IDLE_MS_MAX, INCOMING_BYTES, INCOMING_BYTES_ALL, KEEP_ALIVE_MS,
    SOCKET_BUFFER_BYTES, STREAMS_MAX, WINDOW_BYTES,
};
use crate::object::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use quinn::congestion::CubicConfig;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, Connecting, Endpoint, EndpointConfig, MtuDiscoveryConfig, ServerConfig,
    TokioRuntime, TransportConfig, VarInt,
};
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

/// The largest datagram on loopback: on Linux about as long as UDP can say, elsewhere what systems
/// let through. Copies and packets are what bulk bytes cost, and so there are fewest.
const LOOPBACK_DATAGRAM_BYTES: u16 = if cfg!(target_os = "linux") { 65_000 } else { 9_000 };

/// Elsewhere: ten of them are what quinn gives the kernel in one call, which takes 64 KiB.
const DATAGRAM_BYTES: u16 = 6_500;

/// With a start of 14 KB a link could not send even one datagram of loopback's size.
const LOOPBACK_WINDOW_BYTES: u64 = 1 << 20;

const FAREWELL_TURNS: usize = 16;

/// What differs between a real cluster and a test.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) keep_alive: Duration,
    pub(super) idle: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            keep_alive: Duration::from_millis(KEEP_ALIVE_MS),
            idle: Duration::from_millis(IDLE_MS_MAX),
        }
    }
}

/// A socket that others dial.
pub(super) struct Door {
    pub(super) endpoint: Endpoint,
    pub(super) address: SocketAddr,
}

/// All sockets of a node, and how it answers and dials on them.
pub(super) struct Doors {
    doors: Vec<Door>,
    /// Sockets for dialling where no door leads: at most one for each kind of address.
    spare: Mutex<Vec<Door>>,
    /// For loopback, and for elsewhere.
    answering: [Arc<ServerConfig>; 2],
    dialling: [ClientConfig; 2],
}

impl Doors {
    /// Binds a socket for each of `listen`. Where it is a head, strangers with a token may come in
    /// too.
    pub(super) fn open(
        wallet: &Arc<Wallet>,
        joins: bool,
        listen: &[SocketAddr],
        pace: Pace,
    ) -> Result<Doors> {
        let answering = |loopback| answering(wallet, joins, loopback, pace).map(Arc::new);
        let dialling = |loopback| {
            let tls = tls::dialling(wallet)?;
            Ok::<_, Error>(client(tls, loopback, pace))
        };
        let mut doors = Doors {
            doors: Vec::new(),
            spare: Mutex::new(Vec::new()),
            answering: [answering(true)?, answering(false)?],
            dialling: [dialling(true)?, dialling(false)?],
        };
        for address in listen {
            let config = ServerConfig::clone(doors.answer(*address));
            let door = Door::open(*address, Some(config)).map_err(|error| {
                Error::new(ErrorKind::Io, format!("cannot listen on {address}: {error}"))
            })?;
            doors.doors.push(door);
        }
        Ok(doors)
    }

    pub(super) fn all(&self) -> &[Door] {
        &self.doors
    }

    /// How a caller from `address` is answered.
    pub(super) fn answer(&self, address: SocketAddr) -> &Arc<ServerConfig> {
        &self.answering[usize::from(!is_loopback(address))]
    }

    pub(super) fn dial(&self, address: SocketAddr) -> Result<Connecting> {
        let config = self.dialling[usize::from(!is_loopback(address))].clone();
        let endpoint = self.leading_to(address)?;
        let connecting = endpoint.connect_with(config, address, tls::server_name());
        connecting.map_err(|error| cannot_dial(address, &error))
    }

    fn leading_to(&self, address: SocketAddr) -> Result<Endpoint> {
        if let Some(door) = self.doors.iter().find(|door| door.leads_to(address)) {
            return Ok(door.endpoint.clone());
        }
        let mut spare = self.spare.lock();
        if let Some(door) = spare.iter().find(|door| door.leads_to(address)) {
            return Ok(door.endpoint.clone());
        }
        let door = Door::anywhere(address).map_err(|error| cannot_dial(address, &error))?;
        let endpoint = door.endpoint.clone();
        spare.push(door);
        Ok(endpoint)
    }

    /// Whoever calls from now on is not answered.
    pub(super) fn shut(&self) {
        for door in &self.doors {
            door.endpoint.set_server_config(None);
        }
    }
}

impl Door {
    fn open(address: SocketAddr, config: Option<ServerConfig>) -> io::Result<Door> {
        let mut own = EndpointConfig::default();
        own.max_udp_payload_size(LOOPBACK_DATAGRAM_BYTES).map_err(io::Error::other)?;
        let endpoint = Endpoint::new(own, config, socket(address)?, Arc::new(TokioRuntime))?;
        let address = endpoint.local_addr()?;
        Ok(Door { endpoint, address })
    }

    /// A socket that only dials.
    pub(super) fn anywhere(towards: SocketAddr) -> io::Result<Door> {
        let ip: IpAddr = match towards {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Door::open(SocketAddr::new(ip, 0), None)
    }

    /// A socket of loopback reaches nothing else, nor does another one reach it.
    fn leads_to(&self, address: SocketAddr) -> bool {
        let own = self.address;
        own.is_ipv4() == address.is_ipv4()
            && (own.ip().is_unspecified() || is_loopback(own) == is_loopback(address))
    }
}

/// Lets quinn's tasks send the last packets of connections that were just closed. They are woken
/// by closing, and each needs a turn or two; a last packet that is lost all the same costs the
/// other side its certainty, and nothing else.
pub(super) async fn farewell() {
    for _ in 0..FAREWELL_TURNS {
        tokio::task::yield_now().await;
    }
}

/// How to dial with this configuration of TLS.
pub(super) fn client(tls: rustls::ClientConfig, loopback: bool, pace: Pace) -> ClientConfig {
    let quic = QuicClientConfig::try_from(tls).expect("TLS 1.3 with its first cipher suite");
    let mut config = ClientConfig::new(Arc::new(quic));
    config.transport_config(Arc::new(transport(loopback, pace)));
    config
}

pub(super) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn answering(
    wallet: &Arc<Wallet>,
    joins: bool,
    loopback: bool,
    pace: Pace,
) -> Result<ServerConfig> {
    let tls = tls::answering(wallet, joins)?;
    let quic = QuicServerConfig::try_from(tls).expect("TLS 1.3 with its first cipher suite");
    let mut config = ServerConfig::with_crypto(Arc::new(quic));
    config
        .transport_config(Arc::new(transport(loopback, pace)))
        .migration(false)
        .max_incoming(HANDSHAKES_MAX)
        .incoming_buffer_size(INCOMING_BYTES)
        .incoming_buffer_size_total(INCOMING_BYTES_ALL);
    Ok(config)
}

fn transport(loopback: bool, pace: Pace) -> TransportConfig {
    let mut config = TransportConfig::default();
    let mut discovery = MtuDiscoveryConfig::default();
    if loopback {
        discovery.upper_bound(LOOPBACK_DATAGRAM_BYTES);
        // What is known need not be tried out. If it is wrong all the same, such datagrams are lost
        // and quinn goes back to small ones.
        if cfg!(target_os = "linux") {
            config.initial_mtu(LOOPBACK_DATAGRAM_BYTES);
        }
        let mut cubic = CubicConfig::default();
        cubic.initial_window(LOOPBACK_WINDOW_BYTES);
        config.congestion_controller_factory(Arc::new(cubic));
    } else {
        discovery.upper_bound(DATAGRAM_BYTES);
    }
    config
        .mtu_discovery_config(Some(discovery))
        .enable_segmentation_offload(!loopback)
        .max_concurrent_bidi_streams(STREAMS_MAX.into())
        .max_concurrent_uni_streams(0u32.into())
        .datagram_receive_buffer_size(None)
        .stream_receive_window(WINDOW_BYTES.into())
        .receive_window(VarInt::from_u32(2 * WINDOW_BYTES))
        .send_window(2 * u64::from(WINDOW_BYTES))
        .keep_alive_interval(Some(pace.keep_alive))
        .max_idle_timeout(Some(pace.idle.try_into().expect("an idle time within the clock")));
    config
}

fn socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    if address.is_ipv6() {
        // So that one port can be bound for both kinds of address.
        socket.set_only_v6(true)?;
    }
    // Where the system grants less, the road is slower and no worse.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn cannot_dial(address: SocketAddr, error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Io, format!("cannot dial {address}: {error}"))
}
