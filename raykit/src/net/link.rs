//! A link: one connection between two nodes, with one stream for packets that lasts as long.
//!
//! 1. TLS has shown both certificates, each signed by the cluster's key.
//! 2. The dialler opens the stream and greets; what it says has to fit its certificate.
//! 3. Who was dialled decides whether this connection is the link (`Road::meet`), and greets back.
//! 4. Each side reads all frames of what has arrived, and writes all that waits at once: `carrier`.
//! 5. To say goodbye a side ends its stream, waits until all of it has arrived, and closes.

use super::bulk;
use super::carrier::{Carrier, End};
use super::framing::{Reader, Writer};
use super::hands::Hands;
use super::name::{Name, Role};
use super::outbox::Outbox;
use super::pulse;
use super::renew;
use super::road::{Caller, Code, Happening, Link, Meeting, closed_with};
use super::secret::random;
use super::shortcut::Place;
use super::streams::{self, Kind, failed, lost};
use super::tls;
use super::turned::Why;
use crate::base::NodeId;
use crate::base::limits::net::HANDSHAKE_MS;
use crate::object::Result;
use quinn::{Connection, RecvStream, SendStream};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

const VERSION: u16 = 1;
const HELLO_BYTES: usize = 40;
const HANDSHAKE: Duration = Duration::from_millis(HANDSHAKE_MS);

/// The first bytes of either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) node: NodeId,
    pub(super) incarnation: u64,
    /// From the dialler: the last link that it knew of. Back to it: this one.
    pub(super) link: u64,
    /// Opens the door for signs of life, if there is one.
    pub(super) nonce: [u8; 16],
    pub(super) pulse_port: u16,
}

impl Hello {
    fn own(hands: &Hands, link: u64) -> Result<Hello> {
        Ok(Hello {
            node: hands.road(|road| road.own()),
            incarnation: hands.incarnation,
            link,
            nonce: random()?,
            pulse_port: hands.pulse_port,
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        Writer::default()
            .u16(VERSION)
            .u32(self.node.0)
            .u64(self.incarnation)
            .u64(self.link)
            .fixed(&self.nonce)
            .u16(self.pulse_port)
            .done()
    }

    /// `None` where another version speaks.
    pub(super) fn decode(bytes: &[u8; HELLO_BYTES]) -> Option<Hello> {
        let mut reader = Reader(bytes);
        if reader.u16()? != VERSION {
            return None;
        }
        let hello = Hello {
            node: NodeId(reader.u32()?),
            incarnation: reader.u64()?,
            link: reader.u64()?,
            nonce: reader.fixed()?,
            pulse_port: reader.u16()?,
        };
        reader.whole(hello)
    }

    async fn read(receive: &mut RecvStream) -> Result<Hello> {
        let mut bytes = [0; HELLO_BYTES];
        receive.read_exact(&mut bytes).await.map_err(lost)?;
        Hello::decode(&bytes).ok_or_else(|| failed("the peer speaks another version"))
    }
}

/// A connection that has become a link.
pub(super) struct Ready {
    carrier: Arc<Carrier>,
    send: SendStream,
    receive: RecvStream,
    role: Role,
    doubted: Arc<AtomicBool>,
    /// Where to show a sign of life, and what opens the door.
    pulse: Option<(SocketAddr, [u8; 16])>,
}

/// The certificate's name, if it is of this cluster and of somebody else.
fn known(hands: &Hands, connection: &Connection) -> Result<Name> {
    let (own, name) = (hands.wallet.identity().name, tls::peer(connection)?.name);
    match name.cluster == own.cluster && name.node != own.node {
        true => Ok(name),
        false => Err(failed("the peer is not one of this cluster's other nodes")),
    }
}

/// Greets somebody who has dialled; `None` where nothing comes of it.
pub(super) async fn accept(hands: Arc<Hands>, connection: Connection) -> Option<Ready> {
    match timeout(HANDSHAKE, accepted(&hands, &connection)).await {
        Ok(Ok(ready)) => ready,
        Ok(Err(error)) => {
            let address = connection.remote_address();
            hands.turned_away.add(Why::Unwelcome, address, error);
            connection.close(Code::Unwelcome.into(), b"");
            None
        }
        Err(_) => {
            hands.turned_away.add(Why::BrokenOff, connection.remote_address(), "a link");
            connection.close(Code::Protocol.into(), b"too slow");
            None
        }
    }
}

async fn accepted(hands: &Arc<Hands>, connection: &Connection) -> Result<Option<Ready>> {
    let name = known(hands, connection)?;
    let (mut send, mut receive) = connection.accept_bi().await.map_err(lost)?;
    let hello = Hello::read(&mut receive).await?;
    if hello.node != name.node {
        return Err(failed("the peer says another id than its certificate"));
    }
    let own = Hello::own(hands, u64::from_le_bytes(random()?))?;
    let (outbox, doubted) = (Arc::<Outbox>::default(), Arc::default());
    let caller = Caller { name, incarnation: hello.incarnation, last: hello.link };
    let link = Link {
        id: own.link,
        connection: connection.clone(),
        outbox: Arc::clone(&outbox),
        name,
        incarnation: hello.incarnation,
        dialled: false,
        nonce: Some(own.nonce),
        doubted: Arc::clone(&doubted),
        life: watch::Sender::new(false),
    };
    match meet(hands, caller, link) {
        Meeting::Welcome | Meeting::Instead { .. } => {}
        Meeting::Double => {
            connection.close(Code::Double.into(), b"");
            return Ok(None);
        }
        Meeting::Banned => return Err(failed("the peer is kept out")),
    }
    let pulse = pulse_of(connection, name.role, &hello);
    let carrier = Arc::new(Carrier {
        hands: Arc::clone(hands),
        peer: name.node,
        id: own.link,
        connection: connection.clone(),
        dialled: false,
        outbox,
        shortcut: Place::default(),
    });
    // Written even where that fails: the reader finds out, and says `Down` after this `Up`.
    let _ = send.write_all(&own.encode()).await;
    Ok(Some(Ready { carrier, send, receive, role: name.role, doubted, pulse }))
}

/// Decides about a connection from a peer, and tells the driver what comes of it.
fn meet(hands: &Hands, caller: Caller, link: Link) -> Meeting {
    hands.drive(|driver, road| {
        let peer = caller.name.node;
        let meeting = road.meet(caller);
        if let Meeting::Welcome | Meeting::Instead { .. } = meeting {
            if let (Some(old), Meeting::Instead { sure }) = (road.up(link), &meeting) {
                old.outbox.close();
                old.connection.close(Code::Double.into(), b"");
                driver.happened(Happening::Down { peer, sure: *sure }, road);
            }
            driver.happened(Happening::Up(peer), road);
        }
        meeting
    })
}

/// A node shows its head signs of life.
fn pulse_of(connection: &Connection, role: Role, hello: &Hello) -> Option<(SocketAddr, [u8; 16])> {
    let there = role == Role::Head && hello.pulse_port != 0;
    let ip = connection.remote_address().ip();
    there.then(|| (SocketAddr::new(ip, hello.pulse_port), hello.nonce))
}

/// Why no link came of a dial.
enum Missed {
    /// The other side has, or makes, a connection that goes before this one.
    Double,
    /// Nobody wants it any more.
    Unwanted,
    Failed,
}

/// Dials one address after the other, and lives as long as the link that comes of it.
pub(super) async fn dial(hands: Arc<Hands>, peer: NodeId, ticket: u64, addresses: Vec<SocketAddr>) {
    for address in addresses {
        match dial_one(&hands, peer, ticket, address).await {
            Ok(ready) => return ready.run().await,
            Err(Missed::Unwanted) => return,
            Err(Missed::Double) => {
                // Theirs is on its way. If it does not come, this dial has failed like another.
                tokio::time::sleep(HANDSHAKE).await;
                break;
            }
            Err(Missed::Failed) => hands.road(|road| road.ungreet(peer, ticket)),
        }
    }
    hands.drive(|driver, road| {
        if road.dialled(peer, ticket) {
            driver.happened(Happening::Down { peer, sure: false }, road);
        }
    });
}

async fn dial_one(
    hands: &Arc<Hands>,
    peer: NodeId,
    ticket: u64,
    address: SocketAddr,
) -> Result<Ready, Missed> {
    let connection = match timeout(HANDSHAKE, connected(hands, peer, address)).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %address, %error, "a dial failed");
            return Err(Missed::Failed);
        }
        Err(_) => return Err(Missed::Failed),
    };
    if !hands.road(|road| road.greet(peer, ticket)) {
        connection.close(Code::Double.into(), b"");
        return Err(Missed::Unwanted);
    }
    match timeout(HANDSHAKE, greeted(hands, &connection, peer, ticket)).await {
        Ok(Ok(ready)) => ready.ok_or(Missed::Unwanted),
        Ok(Err(error)) => {
            let reason = connection.close_reason();
            if reason.is_some_and(|reason| closed_with(&reason, Code::Double)) {
                return Err(Missed::Double);
            }
            tracing::debug!(%peer, %address, %error, "a dial failed");
            connection.close(Code::Protocol.into(), b"");
            Err(Missed::Failed)
        }
        Err(_) => {
            connection.close(Code::Protocol.into(), b"too slow");
            Err(Missed::Failed)
        }
    }
}

async fn connected(hands: &Arc<Hands>, peer: NodeId, address: SocketAddr) -> Result<Connection> {
    let connection = hands.doors.dial(address)?.await.map_err(lost)?;
    if known(hands, &connection)?.node != peer {
        connection.close(Code::Unwelcome.into(), b"");
        return Err(failed("somebody else answers there"));
    }
    Ok(connection)
}

/// Greets whom this side has dialled; `None` where another connection became the link meanwhile.
async fn greeted(
    hands: &Arc<Hands>,
    connection: &Connection,
    peer: NodeId,
    ticket: u64,
) -> Result<Option<Ready>> {
    let name = known(hands, connection)?;
    let (mut send, mut receive) = connection.open_bi().await.map_err(lost)?;
    let own = Hello::own(hands, hands.road(|road| road.last(peer)))?;
    send.write_all(&own.encode()).await.map_err(lost)?;
    let hello = Hello::read(&mut receive).await?;
    if hello.node != peer {
        return Err(failed("the peer says another id than its certificate"));
    }
    let (outbox, doubted) = (Arc::<Outbox>::default(), Arc::default());
    let link = Link {
        id: hello.link,
        connection: connection.clone(),
        outbox: Arc::clone(&outbox),
        name,
        incarnation: hello.incarnation,
        dialled: true,
        nonce: Some(own.nonce),
        doubted: Arc::clone(&doubted),
        life: watch::Sender::new(false),
    };
    let up = hands.drive(|driver, road| {
        let wanted = road.dialled(peer, ticket);
        if wanted {
            road.up(link);
            driver.happened(Happening::Up(peer), road);
        }
        wanted
    });
    if !up {
        connection.close(Code::Double.into(), b"");
        return Ok(None);
    }
    let pulse = pulse_of(connection, name.role, &hello);
    let carrier = Arc::new(Carrier {
        hands: Arc::clone(hands),
        peer,
        id: hello.link,
        connection: connection.clone(),
        dialled: true,
        outbox,
        shortcut: Place::default(),
    });
    Ok(Some(Ready { carrier, send, receive, role: name.role, doubted, pulse }))
}

impl Ready {
    /// Carries packets until the link ends.
    pub(super) async fn run(self) {
        let Ready { carrier, send, receive, role, doubted, pulse } = self;
        let shared = || Arc::clone(&carrier);
        let Carrier { hands, connection, outbox, peer, id, .. } = &*carrier;
        let (peer, id) = (*peer, *id);
        if role == Role::Head {
            hands.headed.notify_one();
        }
        tokio::spawn(shared().write(send));
        tokio::spawn(answer_all(shared()));
        if carrier.dialled {
            tokio::spawn(shared().shorten());
        }
        let pulse = pulse.map(|(address, nonce)| {
            let link = pulse::Watched { peer, link: id, doubted };
            tokio::spawn(pulse::hold(Arc::clone(hands), address, nonce, link))
        });
        // On its own, so that a panic of the driver's does not leave a link that nobody reads.
        let reading = tokio::spawn(shared().read(receive));
        let end = reading.await.unwrap_or(End::Panicked);
        hands.drive(|driver, road| {
            if road.down(peer, id) {
                driver.happened(Happening::Down { peer, sure: end == End::Goodbye }, road);
            }
        });
        if let Some(pulse) = pulse {
            pulse.abort();
        }
        hands.near.iter().for_each(|near| near.forget(connection, peer));
        match end {
            End::Goodbye => connection.close(Code::Goodbye.into(), b""),
            End::Broken => connection.close(Code::Protocol.into(), b"the frames are broken"),
            End::Cut => {
                tracing::info!(%peer, "the shortcut has ended: packets go by the link");
                hands.near.iter().for_each(|near| near.was_cut(peer));
                connection.close(Code::Fault.into(), b"the shortcut has ended");
            }
            End::Panicked => connection.close(Code::Fault.into(), b""),
            // The writer may still have a goodbye to say.
            End::Lost => {}
        }
        outbox.close();
        carrier.shortcut.get().into_iter().for_each(|shortcut| shortcut.end());
    }
}

/// Answers each further stream that the peer opens, until the connection ends.
async fn answer_all(carrier: Arc<Carrier>) {
    while let Ok((send, receive)) = carrier.connection.accept_bi().await {
        let carrier = Arc::clone(&carrier);
        tokio::spawn(async move {
            if let Err(error) = answer(&carrier, send, receive).await {
                tracing::debug!(peer = %carrier.peer, %error, "a request was not answered");
            }
        });
    }
}

async fn answer(carrier: &Carrier, send: SendStream, receive: RecvStream) -> Result<()> {
    let Carrier { hands, connection, peer, shortcut, .. } = carrier;
    let (asked, peer) = (streams::asked(receive).await?, *peer);
    if hands.road(|road| road.is_fenced(peer)) {
        return Err(failed("the peer was declared dead, or is kept out"));
    }
    match asked {
        (Kind::Fetch, request) => bulk::send(send, hands.serve(peer, &request)).await,
        (Kind::Renew, _) => streams::answer(send, &renew::answer(hands, connection)?).await,
        (kind @ (Kind::Near | Kind::Shortcut), host) => {
            let place = (kind == Kind::Shortcut).then(|| Arc::clone(shortcut));
            // One who was dialled has no shortcut to ask for.
            let may = place.is_none() || !carrier.dialled;
            let near = hands.near.as_ref().filter(|_| may);
            let invitation = near.map_or(Ok(Vec::new()), |near| near.invite(peer, &host, place))?;
            streams::answer(send, &invitation).await
        }
    }
}
