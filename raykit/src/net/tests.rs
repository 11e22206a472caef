//! Two ends of the road in one process, over loopback.

use super::endpoint::{self, Doors, Pace};
use super::identity::Key;
use super::join::Joined;
use super::link::Hello;
use super::road::{Broken, Code, closed_with};
use super::streams::{self, Kind};
use super::tls::{self, Wallet};
use super::*;
use crate::base::NodeId;
use crate::base::limits::net::{
    FRAME_BYTES_MAX, HANDSHAKES_PER_ADDRESS, HANDSHAKES_TRUSTED, JOIN_FAILURES_MAX,
    REQUEST_BYTES_MAX, STREAMS_MAX,
};
use crate::object::buffer::Buffer;
use parking_lot::Mutex;
use quinn::{Connection, RecvStream, SendStream};
use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// A folder of a test's own, gone after it.
pub(super) struct Folder {
    pub(super) path: PathBuf,
}

impl Folder {
    pub(super) fn new(name: &str) -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("raykit-net-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a folder");
        Folder { path }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

const LONG: Duration = Duration::from_secs(60);

/// A packet that the driver panics at.
const PANIC: &[u8] = b"panic";

fn arrived(from: NodeId, packet: impl Into<Arc<[u8]>>) -> Happening {
    Happening::Arrived(from, packet.into())
}

type Act = Box<dyn FnOnce(&mut Road) + Send>;
type Admits = Box<dyn FnMut(Role, &[u8]) -> Result<(NodeId, Vec<u8>), String> + Send>;

/// A driver that tells what happens, and does what it is told.
struct Puppet {
    happened: mpsc::Sender<Happening>,
    acts: Arc<Mutex<Vec<Act>>>,
    admits: Admits,
    things: Arc<HashMap<Vec<u8>, Vec<u8>>>,
    /// Sends each packet back.
    echoes: bool,
    #[cfg(target_os = "linux")]
    arena: Option<Arc<crate::shm::Arena>>,
}

struct Thing(Arc<HashMap<Vec<u8>, Vec<u8>>>, Vec<u8>);

impl Bulk for Thing {
    fn bytes(&self) -> &[u8] {
        &self.0[&self.1]
    }
}

impl Driver for Puppet {
    fn admit(&mut self, role: Role, asks: &[u8]) -> Result<(NodeId, Vec<u8>), String> {
        (self.admits)(role, asks)
    }
    fn happened(&mut self, what: Happening, road: &mut Road) {
        assert!(!matches!(&what, Happening::Arrived(_, packet) if packet[..] == *PANIC));
        if let (true, Happening::Arrived(peer, packet)) = (self.echoes, &what) {
            return road.send(*peer, packet.clone());
        }
        let _ = self.happened.send(what);
    }
    fn rung(&mut self, road: &mut Road) {
        let acts = std::mem::take(&mut *self.acts.lock());
        acts.into_iter().for_each(|act| act(road));
    }
    fn deadline(&self) -> Option<Instant> {
        None
    }
    fn overdue(&mut self, _: &mut Road) {}
    fn serve(&mut self, _: NodeId, _: Option<Role>, request: &[u8]) -> Option<Box<dyn Bulk>> {
        self.things.get(request)?;
        Some(Box::new(Thing(Arc::clone(&self.things), request.to_vec())) as _)
    }
    #[cfg(target_os = "linux")]
    fn share(&mut self, _: NodeId, request: &[u8]) -> Option<crate::shm::Share> {
        use crate::object::buffer::Lender;
        let thing = self.things.get(request).filter(|thing| !thing.is_empty())?;
        let mut lent = self.arena.as_ref()?.lend(thing.len())?;
        lent.room(0..thing.len()).expect("room in it").copy_from_slice(thing);
        lent.shorten(thing.len());
        crate::shm::Region::of(&*lent).map(crate::shm::Region::share)
    }
    #[cfg(target_os = "linux")]
    fn arena(&self) -> Option<Arc<crate::shm::Arena>> {
        self.arena.clone()
    }
}

/// One end of the road.
struct End {
    net: Net,
    id: NodeId,
    happens: mpsc::Receiver<Happening>,
    acts: Arc<Mutex<Vec<Act>>>,
}

#[derive(Default)]
struct Setting {
    pace: Option<Pace>,
    things: HashMap<Vec<u8>, Vec<u8>>,
    admits: Option<Admits>,
    echoes: bool,
    #[cfg(target_os = "linux")]
    arena: Option<Arc<crate::shm::Arena>>,
}

impl End {
    fn new(identity: Identity, authority: Option<Authority>, setting: Setting) -> End {
        let (happened, happens) = mpsc::channel();
        let acts = Arc::<Mutex<Vec<Act>>>::default();
        let puppet = Puppet {
            happened,
            acts: Arc::clone(&acts),
            admits: setting.admits.unwrap_or_else(|| {
                let mut next = 1;
                Box::new(move |_, asks| {
                    next += 1;
                    Ok((NodeId(next), [b"you said ", asks].concat()))
                })
            }),
            things: Arc::new(setting.things),
            echoes: setting.echoes,
            #[cfg(target_os = "linux")]
            arena: setting.arena,
        };
        let id = identity.name().node;
        let listen = ["127.0.0.1:0".parse().unwrap()];
        let pace = setting.pace.unwrap_or_default();
        let net = Net::start_at(identity, authority, &listen, puppet, pace).unwrap();
        End { net, id, happens, acts }
    }

    fn head(setting: Setting) -> End {
        let authority = Authority::create().unwrap();
        End::new(authority.own(NodeId(1)).unwrap(), Some(authority), setting)
    }

    fn address(&self) -> SocketAddr {
        self.net.local_addresses()[0]
    }

    fn act(&self, act: impl FnOnce(&mut Road) + Send + 'static) {
        self.acts.lock().push(Box::new(act));
        self.net.bell().ring();
    }

    /// Runs `look` on the road's thread.
    fn look<R: Send + 'static>(&self, look: impl FnOnce(&mut Road) -> R + Send + 'static) -> R {
        let (tell, told) = mpsc::channel();
        self.act(move |road| drop(tell.send(look(road))));
        told.recv_timeout(LONG).expect("an answer")
    }

    fn connect(&self, other: &End) {
        let (peer, address) = (other.id, other.address());
        self.act(move |road| road.connect(peer, &[address]));
    }

    fn send(&self, peer: NodeId, packet: &[u8]) {
        let packet = packet.to_vec();
        self.act(move |road| road.send(peer, packet));
    }

    fn next(&self) -> Happening {
        self.happens.recv_timeout(LONG).expect("something happens")
    }

    /// Skips hints.
    fn next_but_suspect(&self) -> Happening {
        loop {
            match self.next() {
                Happening::Suspect { .. } => {}
                other => return other,
            }
        }
    }

    fn fetch(&self, peer: NodeId, request: &[u8]) -> crate::Result<Buffer> {
        let (tell, told) = mpsc::channel();
        let request = request.to_vec();
        self.act(move |road| road.fetch(peer, request, u64::MAX, move |got| drop(tell.send(got))));
        told.recv_timeout(LONG).expect("an answer").map_err(|broken| broken.error)
    }

    fn issue(&self, ttl: Option<Duration>, uses: Option<u32>) -> Token {
        self.net.with_authority(|a| a.issue(Role::Node, ttl, uses)).unwrap().unwrap()
    }

    fn join(&self, token: &Token) -> crate::Result<Joined> {
        join(&self.address().to_string(), token, b"hello".to_vec(), LONG)
    }

    /// A node of this head's cluster.
    fn node(&self, setting: Setting) -> End {
        let token = self.issue(None, None);
        End::new(self.join(&token).unwrap().identity, None, setting)
    }
}

/// A head and a node, with a link between them that the node has dialled.
fn pair(head: Setting, node: Setting) -> (End, End) {
    let head = End::head(head);
    let node = head.node(node);
    node.connect(&head);
    assert_eq!(node.next(), Happening::Up(head.id));
    assert_eq!(head.next(), Happening::Up(node.id));
    (head, node)
}

/// So short that a silent death is found out within a test.
fn brisk() -> Option<Pace> {
    Some(Pace { keep_alive: Duration::from_millis(100), idle: Duration::from_millis(600) })
}

fn down(peer: NodeId, sure: bool) -> Happening {
    Happening::Down { peer, sure }
}

#[test]
fn who_has_a_token_joins() {
    let head = End::head(Setting::default());
    let token = Token::parse(&head.issue(Some(LONG), Some(2)).reveal()).unwrap();
    let joined = head.join(&token).unwrap();
    let name = joined.identity.name();
    assert_eq!((name.node, name.role), (NodeId(2), Role::Node));
    assert_eq!(Some(name.cluster), head.net.with_authority(|a| a.cluster()));
    assert_eq!((joined.reply.as_slice(), joined.head), (&b"you said hello"[..], NodeId(1)));
    assert_eq!(joined.address, head.address());
    assert_eq!(head.join(&token).unwrap().identity.name().node, NodeId(3));
    let error = head.join(&token).err().expect("it is used up");
    assert_eq!(error.message(), "the head refuses: the token was refused");
}

#[test]
fn a_bad_token_is_refused_in_the_same_words() {
    let head = End::head(Setting::default());
    let other = Authority::create().unwrap().issue(Role::Node, None, None).unwrap();
    let revoked = head.issue(None, None);
    head.net.with_authority(|a| a.revoke(revoked.id())).unwrap().unwrap();
    let good = head.issue(None, None);
    let unknown = Token { pin: good.pin, ..other.clone() };
    let forged = Token { seed: other.seed.clone(), ..good.clone() };
    let expired = head.issue(Some(Duration::ZERO), None);
    for token in [revoked, unknown, forged, expired] {
        let error = head.join(&token).err().expect("a refusal");
        assert_eq!(error.message(), "the head refuses: the token was refused");
    }
    let error = head.join(&other).err().expect("a refusal");
    assert_eq!(error.message(), "the head's key is not the one in the token");
    head.join(&good).unwrap();
}

#[test]
fn who_fails_again_and_again_is_locked_out() {
    let head = End::head(Setting::default());
    let (good, bad) = (head.issue(None, None), head.issue(Some(Duration::ZERO), None));
    for _ in 0..JOIN_FAILURES_MAX {
        assert!(head.join(&bad).is_err());
    }
    let error = head.join(&good).err().expect("locked out");
    assert_eq!(error.message(), "the head refuses: the token was refused");
}

/// N14
#[test]
fn the_driver_has_the_last_word() {
    let admits: Admits = Box::new(|_, _| Err("this build is another one".into()));
    let head = End::head(Setting { admits: Some(admits), ..Setting::default() });
    let token = head.issue(None, Some(1));
    for _ in 0..2 {
        let error = head.join(&token).err().expect("a refusal");
        assert_eq!(error.message(), "the head refuses: this build is another one");
    }
}

#[test]
fn a_join_says_what_is_wrong_with_the_address() {
    let head = End::head(Setting::default());
    let token = head.issue(None, None);
    let try_at = |address: &str, time| join(address, &token, Vec::new(), time).err().expect("none");
    let unknown = try_at("a host without a port", LONG);
    assert!(unknown.message().contains("cannot be found"), "{unknown}");
    // A socket that nobody reads.
    let deaf = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = try_at(&deaf.local_addr().unwrap().to_string(), Duration::from_millis(50));
    assert!(silent.is_timeout() && silent.message().contains("nobody answers"), "{silent}");
    let node = head.node(Setting::default());
    let not_head = try_at(&node.address().to_string(), LONG);
    assert!(not_head.message().contains("is not a head"), "{not_head}");
}

#[test]
fn packets_arrive_in_order_both_ways() {
    const PACKETS: u32 = 100_000;
    let (head, node) = pair(Setting::default(), Setting::default());
    let send = |from: &End, to: NodeId| {
        from.act(move |road| {
            (0..PACKETS).for_each(|number| road.send(to, number.to_le_bytes()));
        });
    };
    send(&head, node.id);
    send(&node, head.id);
    for (end, peer) in [(&head, node.id), (&node, head.id)] {
        for number in 0..PACKETS {
            assert_eq!(end.next(), arrived(peer, number.to_le_bytes()));
        }
    }
    assert_eq!(head.look(|road| road.role(NodeId(2))), Some(Role::Node));
    let large = vec![7; FRAME_BYTES_MAX];
    head.send(node.id, &large);
    head.send(node.id, b"");
    assert_eq!(node.next(), arrived(head.id, large));
    assert_eq!(node.next(), arrived(head.id, Vec::new()));
    let peer = node.id;
    assert_eq!(head.look(move |road| road.queued_bytes(peer)), 0);
}

#[test]
fn two_that_dial_at_once_have_one_link() {
    let head = End::head(Setting::default());
    let (one, other) = (head.node(Setting::default()), head.node(Setting::default()));
    for round in 0..20u32 {
        one.connect(&other);
        other.connect(&one);
        assert_eq!(one.next(), Happening::Up(other.id), "round {round}");
        assert_eq!(other.next(), Happening::Up(one.id), "round {round}");
        one.send(other.id, &round.to_le_bytes());
        other.send(one.id, &round.to_le_bytes());
        let packet = round.to_le_bytes().to_vec();
        assert_eq!(one.next(), arrived(other.id, packet.clone()));
        assert_eq!(other.next(), arrived(one.id, packet));
        let peer = other.id;
        one.act(move |road| road.disconnect(peer));
        assert_eq!(other.next(), down(one.id, true), "round {round}");
    }
}

/// A34, N15: who answers at an address is not taken for the one who had it before.
#[test]
fn a_dial_that_reaches_nobody_is_told() {
    let head = End::head(Setting::default());
    let (one, other) = (head.node(Setting::default()), head.node(Setting::default()));
    // Another node answers there.
    let (peer, address) = (NodeId(99), other.address());
    one.act(move |road| road.connect(peer, &[address]));
    assert_eq!(one.next(), down(peer, false));
    one.act(move |road| road.connect(peer, &[]));
    assert_eq!(one.next(), down(peer, false));
}

#[test]
fn who_closes_says_goodbye_after_its_last_packet() {
    let (head, node) = pair(Setting::default(), Setting::default());
    let (head_id, node_id) = (head.id, node.id);
    node.look(move |road| road.send(head_id, b"last".to_vec()));
    let End { net, .. } = node;
    net.close(LONG);
    assert_eq!(head.next_but_suspect(), arrived(node_id, b"last".to_vec()));
    assert_eq!(head.next_but_suspect(), down(node_id, true));
}

#[test]
fn who_falls_silent_is_suspected_and_then_lost() {
    let brisk = || Setting { pace: brisk(), ..Setting::default() };
    let (head, node) = pair(brisk(), brisk());
    // A sign that the socket for signs of life is held: the head has taken the nonce.
    let (peer, other) = (node.id, head.id);
    let proven =
        move |road: &mut Road| road.links().any(|(id, link)| *id == peer && link.nonce.is_none());
    while !head.look(proven) {}
    drop(node);
    assert_eq!(head.next(), Happening::Suspect { peer, near: true });
    assert_eq!(head.next(), down(peer, false));

    let node = head.node(brisk());
    node.connect(&head);
    assert_eq!(node.next(), Happening::Up(other));
    drop(head);
    assert_eq!(node.next_but_suspect(), down(other, false));
}

#[test]
fn a_process_that_comes_again_takes_its_place() {
    let head = End::head(Setting::default());
    let token = head.issue(None, None);
    let identity = head.join(&token).unwrap().identity;
    let first = End::new(identity.clone(), None, Setting::default());
    first.connect(&head);
    assert_eq!(head.next(), Happening::Up(first.id));
    assert_eq!(first.next(), Happening::Up(head.id));
    drop(first);
    let second = End::new(identity, None, Setting::default());
    second.connect(&head);
    assert_eq!(head.next_but_suspect(), down(second.id, true));
    assert_eq!(head.next(), Happening::Up(second.id));
    assert_eq!(second.next(), Happening::Up(head.id));
}

#[test]
fn who_is_banned_stays_out() {
    let (head, node) = pair(Setting::default(), Setting::default());
    let peer = node.id;
    head.act(move |road| road.ban(peer));
    assert_eq!(node.next_but_suspect(), down(head.id, true));
    node.connect(&head);
    assert_eq!(node.next_but_suspect(), down(head.id, false));
}

/// A peer that holds its connection and says nothing any more is not waited for: QUIC would keep
/// such a connection for an hour here.
#[test]
fn a_goodbye_is_not_waited_for_from_one_that_is_silent() {
    let hour = Duration::from_secs(3600);
    let patient =
        || Setting { pace: Some(Pace { keep_alive: hour, idle: hour }), ..Setting::default() };
    let (head, node) = pair(patient(), patient());
    let peer = node.id;
    let connection = head.look(move |road| {
        road.links().find(|(id, _)| **id == peer).map(|(_, link)| link.connection.clone())
    });
    let connection = connection.expect("a link");
    drop(node); // silently, as when it is killed
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for doubted in [true, false] {
        let (connection, doubted) = (connection.clone(), Arc::new(doubted.into()));
        runtime.block_on(leaving::Leaving { connection, doubted }.gone());
    }
    assert!(connection.close_reason().is_none(), "nobody has closed it");
    head.net.close(hour);
    assert!(connection.close_reason().is_some());
}

/// What is fetched from a peer that was declared dead ends at once, and for a reason of its own.
/// Should it come again, it is told of its death, and nothing is done for it.
#[test]
fn nothing_is_waited_for_from_the_dead_nor_done_for_them() {
    let things = HashMap::from([(b"thing".to_vec(), vec![1; 9])]);
    let head = End::head(Setting { things, ..Setting::default() });
    let (stranger, connection, _streams) = Stranger::linked(&head);
    let peer = stranger.node;
    let ask = |connection: &Connection, kind, request: &[u8]| {
        stranger.runtime.block_on(async {
            let mut answer = streams::ask(connection, kind, request).await?;
            answer.read_to_end(10_000).await.map_err(streams::lost)
        })
    };
    assert_eq!(ask(&connection, Kind::Fetch, b"thing").unwrap().len(), 9 + 9);
    assert!(ask(&connection, Kind::Renew, b"").unwrap().len() > 100);
    // It does not answer.
    let (tell, told) = mpsc::channel();
    head.look(move |road| {
        road.fetch(peer, b"x".to_vec(), u64::MAX, move |got| tell.send(got).unwrap_or(()));
    });
    let _asked = stranger.runtime.block_on(connection.accept_bi()).unwrap();
    head.act(move |road| road.fence(peer));
    let Broken { error, .. } = told.recv_timeout(LONG).unwrap().err().expect("it is dead");
    assert_eq!(error.kind(), crate::ErrorKind::NodeDied, "{error}");
    let reason = stranger.reason(&connection);
    assert!(closed_with(&reason, Code::Goodbye), "{reason}");

    let again = stranger.call(head.address()).unwrap();
    let _streams = stranger.greet(&again, hello(peer));
    assert_eq!(head.next_but_suspect(), Happening::Up(peer));
    for (kind, request) in [(Kind::Fetch, &b"thing"[..]), (Kind::Renew, b"")] {
        assert_eq!(ask(&again, kind, request).ok().filter(|got| !got.is_empty()), None, "{kind:?}");
    }
}

#[test]
fn bulk_bytes_are_fetched_whole_or_not_at_all() {
    let large: Vec<u8> = (0..64 << 20).map(|at: u32| ((at * 31) >> 7) as u8).collect();
    let things = HashMap::from([(b"large".to_vec(), large.clone()), (b"empty".to_vec(), vec![])]);
    let (head, node) = pair(Setting { things, ..Setting::default() }, Setting::default());
    let fetched = node.fetch(head.id, b"large").unwrap();
    assert!(fetched[..] == large[..]);
    assert_eq!(fetched.as_ptr().addr() % 64, 0);
    assert_eq!(node.fetch(head.id, b"empty").unwrap().len(), 0);
    let missing = node.fetch(head.id, b"none").err().expect("there is none");
    assert_eq!(missing.message(), "bytes from n1: the peer has no such thing");
    assert_eq!(missing.kind(), crate::ErrorKind::ObjectLost);
    let nobody = node.fetch(NodeId(9), b"large").err().expect("there is no link");
    assert_eq!(nobody.message(), "there is no link to n9");
    assert_eq!(nobody.kind(), crate::ErrorKind::Io);
    let long = node.fetch(head.id, &vec![0; REQUEST_BYTES_MAX + 1]).err().expect("too long");
    assert!(long.message().contains("too long"));
}

/// What had come when a link ended is not lost with it.
#[test]
fn a_link_that_ends_leaves_the_bytes_that_had_come() {
    let head = End::head(Setting::default());
    let (stranger, connection, (mut send, _receive)) = Stranger::linked(&head);
    let peer = stranger.node;
    let (tell, told) = mpsc::channel();
    head.look(move |road| {
        road.fetch(peer, b"x".to_vec(), u64::MAX, move |got| tell.send(got).unwrap_or(()));
    });
    let _answer = stranger.runtime.block_on(async {
        let (mut answer, asked) = connection.accept_bi().await.unwrap();
        let some = [&[1], &1_000_u64.to_le_bytes()[..], &[7; 400]].concat();
        answer.write_all(&some).await.unwrap();
        send.write_all(b"\x02\0\0\0ok").await.unwrap();
        (answer, asked)
    });
    assert_eq!(head.next(), arrived(peer, b"ok".to_vec())); // and what was sent before it
    connection.close(0_u32.into(), b"");
    let Broken { error, got } = told.recv_timeout(LONG).unwrap().err().expect("the link has ended");
    assert_eq!(error.kind(), crate::ErrorKind::Io, "{error}");
    assert_eq!(got[..], [7; 400]);
}

/// Somebody with a certificate who speaks the protocol by hand.
struct Stranger {
    node: NodeId,
    runtime: tokio::runtime::Runtime,
    doors: Doors,
}

impl Stranger {
    fn new(identity: Identity) -> Stranger {
        let node = identity.name().node;
        // It goes on speaking while the test waits for the other side.
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let within = runtime.enter();
        let wallet = Wallet::new(identity).unwrap();
        let doors = Doors::open(&wallet, false, &[], Pace::default()).unwrap();
        drop(within);
        Stranger { node, runtime, doors }
    }

    /// One that was let in, and has a link to the head.
    fn linked(head: &End) -> (Stranger, Connection, (SendStream, RecvStream)) {
        let stranger = Stranger::new(head.join(&head.issue(None, None)).unwrap().identity);
        let connection = stranger.call(head.address()).unwrap();
        let streams = stranger.greet(&connection, hello(stranger.node));
        assert_eq!(head.next(), Happening::Up(stranger.node));
        (stranger, connection, streams)
    }

    fn call(&self, address: SocketAddr) -> Result<Connection, quinn::ConnectionError> {
        let within = self.runtime.enter();
        let connecting = self.doors.dial(address).unwrap();
        drop(within);
        self.runtime.block_on(connecting)
    }

    fn greet(&self, connection: &Connection, hello: Hello) -> (SendStream, RecvStream) {
        self.runtime.block_on(async {
            let (mut send, receive) = connection.open_bi().await.unwrap();
            send.write_all(&hello.encode()).await.unwrap();
            (send, receive)
        })
    }

    fn reason(&self, connection: &Connection) -> quinn::ConnectionError {
        self.runtime.block_on(connection.closed())
    }
}

fn hello(node: NodeId) -> Hello {
    Hello { node, incarnation: 7, link: 0, nonce: [0; 16], pulse_port: 0 }
}

#[test]
fn a_certificate_of_another_cluster_opens_nothing() {
    let head = End::head(Setting::default());
    let stranger = Stranger::new(Authority::create().unwrap().own(NodeId(5)).unwrap());
    assert!(stranger.call(head.address()).is_err(), "neither trusts the other");
    // Nor does one that shows no certificate get into the protocol of links.
    let token = head.issue(None, None);
    let (mut tls, _) = tls::joining(token.pin).unwrap();
    tls.alpn_protocols = vec![tls::ALPN_LINK.to_vec()];
    let config = endpoint::client(tls, true, Pace::default());
    stranger.runtime.block_on(async {
        let door = endpoint::Door::anywhere(head.address()).unwrap();
        let connecting = door.endpoint.connect_with(config, head.address(), tls::server_name());
        let connection = connecting.unwrap().await.unwrap();
        let reason = connection.closed().await;
        assert!(closed_with(&reason, Code::Unwelcome), "{reason}");
    });
    assert!(head.happens.try_recv().is_err());
}

#[test]
fn an_id_that_is_not_the_certificates_is_turned_away() {
    let head = End::head(Setting::default());
    let token = head.issue(None, None);
    let identity = head.join(&token).unwrap().identity;
    let own = identity.name().node;
    let stranger = Stranger::new(identity);
    for wrong in [NodeId(1), NodeId(77)] {
        let connection = stranger.call(head.address()).unwrap();
        let _streams = stranger.greet(&connection, hello(wrong));
        let reason = stranger.reason(&connection);
        assert!(closed_with(&reason, Code::Unwelcome), "{reason}");
    }
    let connection = stranger.call(head.address()).unwrap();
    let _streams = stranger.greet(&connection, hello(own));
    assert_eq!(head.next(), Happening::Up(own));
}

/// P10
#[test]
fn a_frame_that_is_too_long_ends_the_link() {
    let head = End::head(Setting::default());
    let (stranger, connection, (mut send, _receive)) = Stranger::linked(&head);
    let own = stranger.node;
    let mut bytes = b"\x02\0\0\0ok".to_vec();
    bytes.extend((FRAME_BYTES_MAX as u32 + 1).to_le_bytes());
    stranger.runtime.block_on(send.write_all(&bytes)).unwrap();
    assert_eq!(head.next(), arrived(own, b"ok".to_vec()));
    assert_eq!(head.next(), down(own, false));
    let reason = stranger.reason(&connection);
    assert!(closed_with(&reason, Code::Protocol), "{reason}");
}

/// P11
#[test]
fn a_flood_of_streams_is_stopped_and_the_rest_goes_on() {
    let (head, node) = pair(Setting::default(), Setting::default());
    let (stranger, connection, (mut send, mut receive)) = Stranger::linked(&head);
    let own = stranger.node;
    stranger.runtime.block_on(async {
        receive.read_exact(&mut [0; 40]).await.unwrap();
        let mut open = Vec::new();
        // One is the link's own. On each the beginning of a request, which never ends.
        for _ in 1..STREAMS_MAX {
            let (mut send, receive) = connection.open_bi().await.unwrap();
            send.write_all(&[1, 255, 0, 0, 0]).await.unwrap();
            open.push((send, receive));
        }
        let mut next = std::pin::pin!(connection.open_bi());
        let once = std::future::poll_fn(|context| {
            std::task::Poll::Ready(next.as_mut().poll(context).is_pending())
        });
        assert!(once.await, "there is no room for another");
        send.write_all(b"\x05\0\0\0still").await.unwrap();
    });
    assert_eq!(head.next(), arrived(own, b"still".to_vec()));
    node.send(head.id, b"mine too");
    assert_eq!(head.next(), arrived(node.id, b"mine too".to_vec()));
}

#[test]
fn what_is_fetched_from_one_that_closes_is_told_as_lost() {
    let things = HashMap::from([(b"large".to_vec(), vec![1; 64 << 20])]);
    let (head, node) = pair(Setting { things, ..Setting::default() }, Setting::default());
    let (tell, told) = mpsc::channel();
    let peer = head.id;
    node.look(move |road| {
        road.fetch(peer, b"large".to_vec(), u64::MAX, move |got| {
            tell.send(got.is_ok()).unwrap_or(())
        });
        road.disconnect(peer);
    });
    // Whether it made it is a matter of time; that it is told is not.
    told.recv_timeout(LONG).expect("an answer");
    let (tell, told) = mpsc::channel();
    node.look(move |road| {
        road.fetch(peer, vec![], u64::MAX, move |got| tell.send(got.is_ok()).unwrap_or(()))
    });
    drop(node);
    assert!(!told.recv_timeout(LONG).expect("an answer"));
}

/// X10: a certificate that is about to end.
#[test]
fn a_certificate_is_renewed_while_the_link_is_up() {
    let head = End::head(Setting::default());
    let key = Key::generate().unwrap();
    // It holds for another minute, which is less than a third of its time.
    let minute = Duration::from_secs(60);
    let certify = |a: &mut Authority| {
        let signed = a.certify(key.public().unwrap(), Role::Node, NodeId(2), minute);
        Identity::new(key.clone(), signed.unwrap(), a.certificate().clone())
    };
    let identity = head.net.with_authority(certify).unwrap().unwrap();
    let until = identity.valid.until;
    let node = End::new(identity, None, Setting::default());
    node.connect(&head);
    assert_eq!(node.next(), Happening::Up(head.id));
    while node.net.identity().valid.until == until {
        std::thread::yield_now();
    }
    assert!(node.net.identity().renew_at() > std::time::SystemTime::now());
    node.send(head.id, b"still the same link");
    assert_eq!(head.next(), Happening::Up(node.id));
    let packet = b"still the same link".to_vec();
    assert_eq!(head.next(), arrived(node.id, packet));
}

#[test]
fn a_driver_that_panics_costs_one_link_and_nothing_else() {
    let (head, node) = pair(Setting::default(), Setting::default());
    let other = head.node(Setting::default());
    other.connect(&head);
    assert_eq!(head.next(), Happening::Up(other.id));
    assert_eq!(other.next(), Happening::Up(head.id));
    node.send(head.id, PANIC);
    assert_eq!(node.next_but_suspect(), down(head.id, false));
    assert_eq!(head.next_but_suspect(), down(node.id, false));
    let (tell, told) = mpsc::channel::<()>();
    head.act(move |_| {
        drop(tell);
        panic!("on the bell")
    });
    // What is asked for now does not share the turn of what panics.
    assert!(told.recv().is_err());
    other.send(head.id, b"still here");
    assert_eq!(head.next_but_suspect(), arrived(other.id, b"still here".to_vec()));
    assert_eq!(head.look(|road| road.role(NodeId(3))), Some(Role::Node));
}

#[test]
fn who_only_fills_the_hall_is_turned_away_in_the_end() {
    let head = End::head(Setting::default());
    let token = head.issue(None, None);
    let stranger = Stranger::new(head.join(&token).unwrap().identity);
    let call = || stranger.call(head.address());
    // None of them greets. From some number on, addresses have to be shown to be real.
    let waiting: Vec<_> = (0..HANDSHAKES_TRUSTED + 4).map(|_| call().unwrap()).collect();
    head.join(&token).unwrap();
    let more: Vec<_> = (0..).map(|_| call()).take_while(Result::is_ok).collect();
    assert!(waiting.len() + more.len() >= HANDSHAKES_PER_ADDRESS - 1, "{}", more.len());
    // Once they have left there is room again.
    for connection in waiting.into_iter().chain(more.into_iter().flatten()) {
        connection.close(Code::Goodbye.into(), b"");
    }
    while head.join(&token).is_err() {}
}

#[test]
fn a_process_that_is_killed_is_suspected() {
    const CALLED: &str = "RAYKIT_TEST_NET_HEAD";
    if let Ok(head) = std::env::var(CALLED) {
        // This is the other process: it joins, and lives until it is killed.
        let (address, token) = head.split_once(' ').unwrap();
        let joined = join(address, &Token::parse(token).unwrap(), vec![], LONG).unwrap();
        let (peer, address) = (joined.head, joined.address);
        let node = End::new(joined.identity, None, Setting::default());
        node.act(move |road| road.connect(peer, &[address]));
        while !matches!(node.next(), Happening::Down { .. }) {}
        return;
    }
    let head = End::head(Setting::default());
    let token = head.issue(None, Some(1)).reveal();
    let mut other = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "net::tests::a_process_that_is_killed_is_suspected"])
        .env(CALLED, format!("{} {token}", head.address()))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let up = head.next();
    while !head.look(|road| road.links().all(|(_, link)| link.nonce.is_none())) {}
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(
        (up, head.next()),
        (Happening::Up(NodeId(2)), Happening::Suspect { peer: NodeId(2), near: true })
    );
}

#[cfg(target_os = "linux")]
#[path = "shortcut_tests.rs"]
mod shortcuts;

#[cfg(target_os = "linux")]
mod near {
    use super::*;
    use crate::object::buffer::Lender;
    use crate::shm::{self, Arena, Foreign, Secret, Socket, Word};
    use std::io::ErrorKind;
    use std::os::fd::AsFd;

    const BYTES: usize = 3 << 20;

    fn setting(arena: &Arc<Arena>) -> Setting {
        let things = HashMap::from([(b"large".to_vec(), vec![7; BYTES])]);
        Setting { things, arena: Some(Arc::clone(arena)), ..Setting::default() }
    }

    /// Room for one thing and no second one.
    fn small() -> Arc<Arena> {
        Arena::new((BYTES + BYTES / 2) as u64)
    }

    /// Waits until the arena has room for another thing.
    fn await_room(arena: &Arena) {
        let begun = Instant::now();
        while arena.lend(BYTES).is_none() {
            assert!(begun.elapsed() < LONG, "what was released is not used again");
            std::thread::yield_now();
        }
    }

    /// What has come, once it has.
    pub(super) fn wait(
        socket: &Socket,
    ) -> std::io::Result<Option<(Word, Option<std::os::fd::OwnedFd>)>> {
        let begun = Instant::now();
        loop {
            match socket.receive() {
                Err(error) if error.kind() == ErrorKind::WouldBlock && begun.elapsed() < LONG => {
                    std::thread::yield_now();
                }
                other => return other,
            }
        }
    }

    #[test]
    fn what_lies_in_shared_memory_is_read_there() {
        let (arena, other) = (small(), small());
        let (head, node) = pair(setting(&arena), setting(&other));
        for (reader, owner, arena) in [(&node, &head, &arena), (&head, &node, &other)] {
            for _ in 0..3 {
                let fetched = reader.fetch(owner.id, b"large").unwrap();
                assert!(fetched.memory().is_some_and(|memory| !memory.is_own()));
                assert!(fetched.len() == BYTES && fetched.iter().all(|byte| *byte == 7));
                assert!(arena.lend(BYTES).is_none(), "it is being read");
                drop(fetched);
                await_room(arena);
            }
        }
        let missing = node.fetch(head.id, b"none").err().expect("there is none");
        assert_eq!(missing.message(), "bytes from n1: the peer has no such thing");
    }

    #[test]
    fn who_shares_nothing_is_sent_everything() {
        let arena = small();
        let (head, node) = pair(setting(&arena), Setting::default());
        let fetched = node.fetch(head.id, b"large").unwrap();
        assert!(fetched.memory().is_none() && fetched.len() == BYTES);
    }

    /// What is read stays when its owner closes in the same process, and is not used again.
    #[test]
    fn what_is_read_outlives_its_owner() {
        let arena = small();
        let (head, node) = pair(setting(&arena), setting(&small()));
        let fetched = node.fetch(head.id, b"large").unwrap();
        assert!(fetched.memory().is_some());
        head.net.close(LONG);
        assert!(arena.lend(BYTES).is_none());
        drop(arena);
        assert!(fetched.iter().all(|byte| *byte == 7));
        node.net.close(LONG);
        assert!(fetched.iter().all(|byte| *byte == 7));
    }

    /// A peer by hand.
    pub(super) struct Guest {
        pub(super) stranger: Stranger,
        pub(super) connection: Connection,
        pub(super) streams: (SendStream, RecvStream),
    }

    /// What it was given: a secret, the answer to it, and the name of a socket.
    pub(super) type Given = (Secret, Secret, Vec<u8>);

    impl Guest {
        pub(super) fn new(head: &End) -> Guest {
            let (stranger, connection, streams) = Stranger::linked(head);
            Guest { stranger, connection, streams }
        }

        /// What the head answers to one of that host.
        pub(super) fn ask(&self, kind: Kind, host: u128) -> Vec<u8> {
            self.stranger.runtime.block_on(async {
                let (mut send, mut receive) = self.connection.open_bi().await.unwrap();
                let head = [&[kind as u8], &16_u32.to_le_bytes()[..]].concat();
                send.write_all(&[&head[..], &host.to_le_bytes()].concat()).await.unwrap();
                send.finish().unwrap();
                receive.read_to_end(1000).await.unwrap()
            })
        }

        pub(super) fn invitation(&self, kind: Kind) -> Given {
            let given = self.ask(kind, shm::host());
            let (secret, rest) = given.split_first_chunk().unwrap();
            let (answer, rest) = rest.split_first_chunk().unwrap();
            (*secret, *answer, rest[4..].to_vec())
        }
    }

    /// Shows a secret at a socket. The socket, and what comes of it.
    fn enter(name: &[u8], secret: Secret) -> (Socket, Option<Word>) {
        let socket = Socket::connect(name).unwrap();
        socket.send(&Word::Enter(secret), None).unwrap();
        let answer = wait(&socket).unwrap().map(|(word, _)| word);
        (socket, answer)
    }

    fn ask(call: u64) -> Word {
        Word::Ask { call, request: b"large".to_vec() }
    }

    #[test]
    fn who_was_not_invited_gets_no_memory() {
        let arena = small();
        let head = End::head(setting(&arena));
        let guest = Guest::new(&head);
        assert_eq!(guest.ask(Kind::Near, shm::host() ^ 1), b"", "it is on another host");

        let (secret, answer, name) = guest.invitation(Kind::Near);
        assert_eq!(enter(&name, [0; 16]).1, None, "it was guessed");
        let socket = Socket::connect(&name).unwrap();
        let ask = ask(1);
        socket.send(&ask, None).unwrap();
        assert!(wait(&socket).unwrap().is_none(), "it has shown nothing");

        let (reader, welcome) = enter(&name, secret);
        assert_eq!(welcome, Some(Word::Welcome(answer)));
        assert_eq!(enter(&name, secret).1, None, "it is good once");
        reader.send(&ask, None).unwrap();
        let Some((Word::Segment { bytes, .. }, Some(file))) = wait(&reader).unwrap() else {
            panic!("the file of a segment comes first")
        };
        assert!(Foreign::open(file.as_fd(), bytes).is_ok());
        assert!(matches!(wait(&reader), Ok(Some((Word::Here { call: 1, .. }, None)))));
        // A number that is in use, and then what a reader has no business to say.
        reader.send(&ask, None).unwrap();
        assert_eq!(wait(&reader).unwrap().unwrap().0, Word::NotHere { call: 1 });
        reader.send(&Word::Welcome(answer), None).unwrap();
        assert!(wait(&reader).unwrap().is_none(), "it is told that it is told nothing more");
        reader.send(&Word::Release(vec![1]), None).unwrap();
        assert!(arena.lend(BYTES).is_none(), "nothing is believed of it any more");
        drop(reader);
        await_room(&arena);
    }

    /// A reader that is killed while it is answered: what it had is used again, and the arena goes
    /// on for others.
    #[test]
    fn a_reader_may_go_before_it_has_heard_its_answers() {
        let arena = small();
        let head = End::head(setting(&arena));
        let guest = Guest::new(&head);
        for _ in 0..3 {
            let (secret, _, name) = guest.invitation(Kind::Near);
            let (reader, _) = enter(&name, secret);
            // More than an owner can answer to one that does not listen.
            let begun = Instant::now();
            for call in 1..=400 {
                while reader.send(&ask(call), None).is_err() {
                    assert!(begun.elapsed() < LONG, "question {call} is not heard");
                    std::thread::yield_now();
                }
            }
            drop(reader);
            await_room(&arena);
        }
    }
}
