//! `Road`: what the one who decides sees of the network. It holds the table of links and says who
//! wins when two nodes dial each other at once; it opens no connection and waits for nothing.
//! Orders that need waiting are left for the hands, which are tasks on the same thread.

use super::leaving::Leaving;
use super::name::{Name, Role};
use super::outbox::Outbox;
use crate::base::NodeId;
use crate::base::limits::net::{FRAME_BYTES_MAX, OUTBOX_BYTES_MAX};
use crate::object::buffer::Buffer;
use crate::object::{Error, ErrorKind, Result};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use tokio::sync::watch;

/// Decides what is sent. It lives on the road's thread and must never block.
pub(crate) trait Driver: Send + 'static {
    /// On a head: whether who asks may come in; the id for it, and bytes for it to read. An `Err`
    /// is one line that it is told.
    fn admit(&mut self, role: Role, asks: &[u8]) -> Result<(NodeId, Vec<u8>), String>;

    /// Something came to pass.
    fn happened(&mut self, what: Happening, road: &mut Road);

    /// Somebody has rung the bell, once or more, since the last call.
    fn rung(&mut self, road: &mut Road);

    /// When `overdue` is to be called. Asked again after each call of another method.
    fn deadline(&self) -> Option<Instant>;

    /// The deadline has passed.
    fn overdue(&mut self, road: &mut Road);

    /// A peer asks for bulk bytes; `None` where there is no such thing here. `role` is what its
    /// certificate makes it, as long as there is a link to it.
    fn serve(&mut self, peer: NodeId, role: Option<Role>, request: &[u8]) -> Option<Box<dyn Bulk>>;

    /// A peer of this host asks where bytes lie in the memory that it can read; `None` where they
    /// do not. It changes nothing: what is not there is asked for once more, on the link.
    #[cfg(target_os = "linux")]
    fn share(&mut self, _peer: NodeId, _request: &[u8]) -> Option<crate::shm::Share> {
        None
    }

    /// The memory that peers of this host can read, if there is any. Asked for at the start.
    #[cfg(target_os = "linux")]
    fn arena(&self) -> Option<Arc<crate::shm::Arena>> {
        None
    }
}

/// Bytes that stay where they are until they are sent.
pub(crate) trait Bulk: Send {
    fn bytes(&self) -> &[u8];
}

/// What comes to pass on the road.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// There is a link to the peer, where there was none.
    Up(NodeId),
    /// There is no link any more, or none came of `connect`.
    Down {
        peer: NodeId,
        /// The process is gone, or has said goodbye.
        sure: bool,
    },
    /// The peer's process seems to have died; the link does not know yet. A hint: it may come just
    /// before a goodbye too. `near`: it was on this host, where there is no road between that may
    /// have given the same sign.
    Suspect { peer: NodeId, near: bool },
    /// A packet, in the order of the peer's `send`s.
    Arrived(NodeId, Arc<[u8]>),
}

/// What is done with bulk bytes when they are here. It is called in any case: when this is dropped
/// with an error.
pub(super) struct Done(Option<Box<dyn FnOnce(Fetched) + Send>>);

/// Bulk bytes, or why they have not come.
pub(crate) type Fetched = std::result::Result<Buffer, Broken>;

pub(crate) struct Broken {
    /// Of the kind `Io` where there was no link, or it has ended; with another one they may come.
    pub(crate) error: Error,
    /// What had come by then.
    pub(crate) got: Buffer,
}

impl From<Error> for Broken {
    fn from(error: Error) -> Broken {
        Broken { error, got: Buffer::default() }
    }
}

impl Done {
    pub(super) fn call(mut self, fetched: Fetched) {
        if let Some(done) = self.0.take() {
            done(fetched);
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(Error::new(ErrorKind::ShutDown, "the node was closed").into()));
        }
    }
}

/// What the hands are to do.
pub(super) enum Order {
    Dial {
        peer: NodeId,
        ticket: u64,
        addresses: Vec<SocketAddr>,
    },
    Fetch {
        link: Option<(quinn::Connection, Lifeline)>,
        peer: NodeId,
        request: Vec<u8>,
        bytes_max: u64,
        /// They may lie in memory that this node can read.
        near: bool,
        done: Done,
    },
    /// Close it soon.
    Cut(quinn::Connection),
}

/// Whether a link is still in the table: `changed` when it is not. The value says whether its peer
/// was declared dead.
pub(super) type Lifeline = watch::Receiver<bool>;

/// A link that is up.
pub(super) struct Link {
    pub(super) id: u64,
    pub(super) connection: quinn::Connection,
    pub(super) outbox: Arc<Outbox>,
    pub(super) name: Name,
    /// Which process it is: another one may come with the same id.
    pub(super) incarnation: u64,
    /// This side dialled.
    pub(super) dialled: bool,
    /// Proves whose the socket for signs of life is. Good once.
    pub(super) nonce: Option<[u8; 16]>,
    /// The peer's process seems to have died.
    pub(super) doubted: Arc<AtomicBool>,
    /// Dropped with this.
    pub(super) life: watch::Sender<bool>,
}

/// An attempt to reach a peer.
struct Dial {
    ticket: u64,
    /// The peer may have accepted already.
    greeted: bool,
}

/// What a dialler says of itself, as far as the decision about it needs it.
#[derive(Clone, Copy)]
pub(super) struct Caller {
    pub(super) name: Name,
    pub(super) incarnation: u64,
    /// The last link to this node that it knew of.
    pub(super) last: u64,
}

/// What becomes of a connection from a peer.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meeting {
    /// It is the link now.
    Welcome,
    /// It takes the place of a link that has ended without a word.
    Instead { sure: bool },
    /// Another connection between the two is the link, or is about to be.
    Double,
    /// It is kept out.
    Banned,
}

/// The links of this node.
pub(crate) struct Road {
    own: NodeId,
    links: HashMap<NodeId, Link>,
    dials: HashMap<NodeId, Dial>,
    /// The last link to each peer, by its id.
    last: HashMap<NodeId, u64>,
    banned: HashSet<NodeId>,
    /// Declared dead.
    fenced: HashSet<NodeId>,
    tickets: u64,
    closing: bool,
    /// Connections on which a goodbye is under way.
    leaving: Vec<Leaving>,
    pub(super) orders: Vec<Order>,
}

impl Road {
    pub(super) fn new(own: NodeId) -> Road {
        Road {
            own,
            links: HashMap::new(),
            dials: HashMap::new(),
            last: HashMap::new(),
            banned: HashSet::new(),
            fenced: HashSet::new(),
            tickets: 0,
            closing: false,
            leaving: Vec::new(),
            orders: Vec::new(),
        }
    }

    /// Sends a packet after those before it. Without a link to the peer it is dropped: what has to
    /// arrive is sent again after `Up`.
    ///
    /// # Panics
    ///
    /// If the packet is longer than a frame may be.
    pub(crate) fn send(&mut self, peer: NodeId, packet: impl Into<Arc<[u8]>>) {
        let packet = packet.into();
        assert!(packet.len() <= FRAME_BYTES_MAX, "a packet of {} bytes", packet.len());
        let Some(link) = self.links.get(&peer) else { return };
        if link.outbox.push(packet) > OUTBOX_BYTES_MAX {
            tracing::warn!(%peer, "the peer does not read: its link is cut");
            link.connection.close(Code::Protocol.into(), b"too far behind");
        }
    }

    /// Dials the peer at one address after the other. `Up` follows, or `Down`; nothing where there
    /// is a link, or it is being dialled.
    pub(crate) fn connect(&mut self, peer: NodeId, addresses: &[SocketAddr]) {
        let known = self.links.contains_key(&peer) || self.dials.contains_key(&peer);
        if self.closing || known || peer == self.own || self.banned.contains(&peer) {
            return;
        }
        self.tickets += 1;
        let ticket = self.tickets;
        self.dials.insert(peer, Dial { ticket, greeted: false });
        self.orders.push(Order::Dial { peer, ticket, addresses: addresses.to_vec() });
    }

    /// Says goodbye to the peer, after what was sent to it. No `Down` follows. What was being
    /// fetched from it ends at once in an error.
    pub(crate) fn disconnect(&mut self, peer: NodeId) {
        self.dials.remove(&peer);
        if let Some(link) = self.links.remove(&peer) {
            self.leave(link);
        }
    }

    /// The peer was declared dead. Its link is cut: what was sent on it has a moment to arrive, and
    /// nothing is waited for. From now on it is told by packets alone what has become of it, should
    /// it come again: no request of its is answered, and its certificate not renewed.
    pub(crate) fn fence(&mut self, peer: NodeId) {
        self.fenced.insert(peer);
        self.dials.remove(&peer);
        if let Some(link) = self.links.remove(&peer) {
            link.outbox.close();
            link.life.send_replace(true);
            self.orders.push(Order::Cut(link.connection));
        }
    }

    fn leave(&mut self, link: Link) {
        link.outbox.close();
        self.leaving.retain(|leaving| leaving.connection.close_reason().is_none());
        let Link { connection, doubted, .. } = link;
        self.leaving.push(Leaving { connection, doubted });
    }

    /// Disconnects the peer, and keeps it out from now on.
    pub(crate) fn ban(&mut self, peer: NodeId) {
        self.banned.insert(peer);
        self.disconnect(peer);
    }

    /// Asks the peer for bulk bytes that it has, `bytes_max` at the most: in shared memory, where
    /// they lie there, else by the link. `done` is called on the road's thread, and must not block.
    pub(crate) fn fetch(
        &mut self,
        peer: NodeId,
        request: Vec<u8>,
        bytes_max: u64,
        done: impl FnOnce(Fetched) + Send + 'static,
    ) {
        self.order(peer, request, bytes_max, true, Done(Some(Box::new(done))));
    }

    /// The same by the link alone: for an answer that is made when it is asked for. The peer hears
    /// the question once.
    pub(crate) fn ask(
        &mut self,
        peer: NodeId,
        request: Vec<u8>,
        bytes_max: u64,
        done: impl FnOnce(Result<Buffer>) + Send + 'static,
    ) {
        let done = |fetched: Fetched| done(fetched.map_err(|broken| broken.error));
        self.order(peer, request, bytes_max, false, Done(Some(Box::new(done))));
    }

    fn order(&mut self, peer: NodeId, request: Vec<u8>, bytes_max: u64, near: bool, done: Done) {
        let of = |link: &Link| (link.connection.clone(), link.life.subscribe());
        let link = self.links.get(&peer).map(of);
        self.orders.push(Order::Fetch { link, peer, request, bytes_max, near, done });
    }

    /// Bytes sent to the peer for which its link has not made room.
    pub(crate) fn queued_bytes(&self, peer: NodeId) -> usize {
        self.links.get(&peer).map_or(0, |link| link.outbox.bytes())
    }

    /// What the peer's certificate makes it.
    pub(crate) fn role(&self, peer: NodeId) -> Option<Role> {
        self.links.get(&peer).map(|link| link.name.role)
    }
}

/// What the hands do with the table.
impl Road {
    pub(super) fn own(&self) -> NodeId {
        self.own
    }

    pub(super) fn last(&self, peer: NodeId) -> u64 {
        self.last.get(&peer).copied().unwrap_or(0)
    }

    pub(super) fn is_banned(&self, peer: NodeId) -> bool {
        self.closing || self.banned.contains(&peer)
    }

    /// Whether nothing is done for the peer that it asks for.
    pub(super) fn is_fenced(&self, peer: NodeId) -> bool {
        self.banned.contains(&peer) || self.fenced.contains(&peer)
    }

    pub(super) fn is_up(&self, peer: NodeId, id: u64) -> bool {
        self.links.get(&peer).is_some_and(|link| link.id == id)
    }

    pub(super) fn is_linked(&self, peer: NodeId) -> bool {
        self.links.contains_key(&peer)
    }

    pub(super) fn links(&self) -> impl Iterator<Item = (&NodeId, &Link)> {
        self.links.iter()
    }

    /// Whether the dialler may greet the peer; from then on its connection may be the link.
    pub(super) fn greet(&mut self, peer: NodeId, ticket: u64) -> bool {
        match self.dials.get_mut(&peer) {
            Some(dial) if dial.ticket == ticket => {
                dial.greeted = true;
                true
            }
            _ => false,
        }
    }

    /// Ends a dial; whether it was still wanted.
    pub(super) fn dialled(&mut self, peer: NodeId, ticket: u64) -> bool {
        match self.dials.get(&peer) {
            Some(dial) if dial.ticket == ticket => self.dials.remove(&peer).is_some(),
            _ => false,
        }
    }

    /// The connection of a dial did not become the link.
    pub(super) fn ungreet(&mut self, peer: NodeId, ticket: u64) {
        if let Some(dial) = self.dials.get_mut(&peer)
            && dial.ticket == ticket
        {
            dial.greeted = false;
        }
    }

    /// What becomes of a connection that `caller` has dialled. Each side decides by what it knows,
    /// and both come to the same end:
    ///
    /// 1. Both dial, and neither has a link: the dial of the lower id wins, unless it has not got
    ///    as far as greeting.
    /// 2. There is a link that the caller knows of: the caller has lost it, or it would not dial.
    /// 3. There is one that it does not know of. If it is another process, the old one is gone. If
    ///    this side dialled that link, the caller learns of it in a moment. If the caller did, it
    ///    has given that attempt up.
    pub(super) fn meet(&self, caller: Caller) -> Meeting {
        let peer = caller.name.node;
        if self.is_banned(peer) || peer == self.own {
            return Meeting::Banned;
        }
        if let Some(link) = self.links.get(&peer) {
            let other = link.incarnation != caller.incarnation;
            return match link.dialled && !other && caller.last != link.id {
                true => Meeting::Double,
                false => Meeting::Instead { sure: other },
            };
        }
        match self.dials.get(&peer) {
            Some(dial) if dial.greeted && self.own < peer => Meeting::Double,
            _ => Meeting::Welcome,
        }
    }

    /// Puts a link into the table; the one that it replaces, if any. A dial to the peer is over.
    pub(super) fn up(&mut self, link: Link) -> Option<Link> {
        let peer = link.name.node;
        self.dials.remove(&peer);
        self.last.insert(peer, link.id);
        self.links.insert(peer, link)
    }

    /// Takes a link out of the table, if it is still the one in force.
    pub(super) fn down(&mut self, peer: NodeId, id: u64) -> bool {
        self.is_up(peer, id) && self.links.remove(&peer).is_some()
    }

    /// The id of the peer's link, if it has this nonce, and where to say that the peer seems dead.
    pub(super) fn prove(
        &mut self,
        peer: NodeId,
        nonce: [u8; 16],
    ) -> Option<(u64, Arc<AtomicBool>)> {
        let link = self.links.get_mut(&peer)?;
        if link.nonce != Some(nonce) {
            return None;
        }
        link.nonce = None;
        Some((link.id, Arc::clone(&link.doubted)))
    }

    /// No link comes up from now on, and those that are up say goodbye: on these connections, which
    /// are closed when it has arrived.
    pub(super) fn close(&mut self) -> Vec<Leaving> {
        self.closing = true;
        self.dials.clear();
        for link in std::mem::take(&mut self.links).into_values() {
            self.leave(link);
        }
        std::mem::take(&mut self.leaving)
    }
}

/// Why a connection is closed, told to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Code {
    /// The link is not wanted any more, and all on it has arrived.
    Goodbye = 1,
    /// Another connection is the link.
    Double = 2,
    /// The other side broke the rules.
    Protocol = 3,
    /// Who the other side is, or says it is, is not welcome.
    Unwelcome = 4,
    /// This side has failed.
    Fault = 5,
}

impl From<Code> for quinn::VarInt {
    fn from(code: Code) -> quinn::VarInt {
        quinn::VarInt::from_u32(code as u32)
    }
}

/// Whether a connection was closed by the other side with this code.
pub(super) fn closed_with(error: &quinn::ConnectionError, code: Code) -> bool {
    match error {
        quinn::ConnectionError::ApplicationClosed(close) => close.error_code == code.into(),
        _ => false,
    }
}

pub(super) fn no_link(peer: NodeId) -> Error {
    Error::new(ErrorKind::Io, format!("there is no link to {peer}"))
}
