//! A node on a real road: how it joins, and how the hands move there.

use super::Node;
use super::cluster::{Cluster, Fetch, Post};
use super::courier;
use super::hands::{Hands, Road as Way};
use super::keyring;
use super::keys::{KeyOrder, Keys, Reply};
use super::request;
use super::settings::{Part, Settings};
use super::survey::{ANSWER_BYTES_MAX, Told as Tell};
use crate::base::AUDIT;
use crate::base::limits::net::BULK_BYTES_MAX;
use crate::base::limits::{JOIN_WAIT_MS, QUESTIONS_MAX, REGISTRY_BYTES_MAX};
use crate::base::quantity::Resources;
use crate::base::{NodeId, rng::Rng};
use crate::net::{Authority, Bulk, Driver, Happening, Identity, Net, Road, Role, Token, join};
use crate::object::codec::Sealed;
use crate::object::error::{Error, ErrorKind, Result};
use crate::proto::event::Event;
use crate::proto::machine::Welcome;
use crate::proto::wire::{Member, Reader, Wire, record};
#[cfg(target_os = "linux")]
use crate::shm::{Arena, Region, Share};
use crate::task::registry;
use parking_lot::Mutex;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a node says of itself when it asks to be let in.
pub(super) struct Asks {
    /// How raykit writes: another one could not be read.
    format: u64,
    member: Member,
    functions: Vec<(String, u64)>,
}
record!(Asks { format, member, functions });

/// What it is told.
pub(super) struct Told {
    welcome: Welcome,
    /// Functions that the two programs do not share.
    differ: Vec<String>,
}
record!(Told { welcome, differ });

/// Version of the frames, byte order, and widths of what rkyv writes.
fn format() -> u64 {
    let width = size_of::<usize>() as u64;
    let little = u64::from(cfg!(target_endian = "little"));
    3 << 16 | width << 8 | little
}

fn functions() -> Vec<(String, u64)> {
    registry::functions().iter().map(|one| (one.key(), one.schema())).collect()
}

/// The road, as the hands see it.
struct Lane<'a> {
    road: &'a mut Road,
    cluster: &'a Arc<Cluster>,
    asked: &'a mut Vec<Asked>,
}

/// A question to a node to which there is no link yet.
struct Asked {
    to: NodeId,
    request: Vec<u8>,
    told: Tell,
}

/// Asks a node to which there is a link.
fn put_to(road: &mut Road, to: NodeId, request: Vec<u8>, told: Tell) {
    road.ask(to, request, ANSWER_BYTES_MAX, told);
}

/// There will be no link to that node for now: its questions end.
fn give_up(asked: &mut Vec<Asked>, node: NodeId) {
    for Asked { to, told, .. } in asked.extract_if(.., |asked| asked.to == node) {
        told(Err(Error::new(ErrorKind::Io, format!("{to} cannot be reached"))));
    }
}

impl Way for Lane<'_> {
    fn send(&mut self, to: NodeId, packet: Arc<[u8]>) {
        self.road.send(to, packet);
    }
    fn connect(&mut self, to: NodeId, addresses: &[String]) {
        let addresses: Vec<SocketAddr> =
            addresses.iter().filter_map(|address| address.parse().ok()).collect();
        self.road.connect(to, &addresses);
    }
    fn disconnect(&mut self, from: NodeId) {
        self.road.disconnect(from);
        give_up(self.asked, from); // nobody else says so
    }
    fn fence(&mut self, from: NodeId) {
        self.road.fence(from);
        give_up(self.asked, from); // nobody else says so
    }
    fn fetch(&mut self, from: NodeId, what: Fetch) {
        let mut request = Vec::new();
        what.put(&mut request);
        let cluster = Arc::clone(self.cluster);
        self.road.fetch(from, request, BULK_BYTES_MAX, move |fetched| {
            let (bytes, got) = match fetched {
                Ok(bytes) => (Ok(bytes), None),
                Err(broken) => (Err(broken.error), Some(broken.got)),
            };
            cluster.post(Post::Fetched { what, bytes, got });
        });
    }
    fn ask(&mut self, to: NodeId, request: Vec<u8>, told: Tell) {
        if self.road.role(to).is_some() {
            return put_to(self.road, to, request, told);
        }
        if self.asked.len() >= QUESTIONS_MAX {
            let text = format!("{QUESTIONS_MAX} questions wait for links already");
            return told(Err(Error::new(ErrorKind::PendingCallsLimit, text)));
        }
        let members = self.cluster.members();
        let there = members.into_iter().find(|member| member.node == to);
        let addresses = there.map(|member| member.addresses).unwrap_or_default();
        self.asked.push(Asked { to, request, told });
        self.connect(to, &addresses);
    }
}

/// The hands on the road's thread.
struct Steering {
    hands: Hands,
    /// The head's: the number of the next node.
    next: u32,
    begun: bool,
    /// Told once, when the head can be reached.
    reached: Option<Box<dyn FnOnce() + Send>>,
    head: NodeId,
    #[cfg(target_os = "linux")]
    arena: Option<Arc<Arena>>,
    /// Questions that wait for a link.
    asked: Vec<Asked>,
}

impl Steering {
    /// There is a link to that node: its questions go.
    fn linked(&mut self, node: NodeId, road: &mut Road) {
        for Asked { to, request, told } in self.asked.extract_if(.., |asked| asked.to == node) {
            put_to(road, to, request, told);
        }
    }

    fn with<R>(&mut self, road: &mut Road, act: impl FnOnce(&mut Hands, &mut Lane<'_>) -> R) -> R {
        let cluster = Arc::clone(&self.hands.cluster);
        let mut lane = Lane { road, cluster: &cluster, asked: &mut self.asked };
        if !std::mem::replace(&mut self.begun, true) {
            self.hands.begin(&mut lane);
        }
        act(&mut self.hands, &mut lane)
    }
}

impl Steering {
    /// What comes of an order about tokens from another process.
    fn ordered(&self, peer: NodeId, role: Option<Role>, order: &KeyOrder) -> Reply {
        if role != Some(Role::Admin) {
            tracing::warn!(target: AUDIT, %peer, ?role, "an order about tokens was refused");
            return Reply::Refused(NOT_ADMIN.to_owned());
        }
        tracing::info!(target: AUDIT, %peer, ?order, "an order about tokens");
        let road = self.hands.cluster.road();
        match road.map(|road| road.keys(order)) {
            Some(Ok(keys)) => Reply::Done(keys),
            Some(Err(error)) => Reply::Refused(error.message().to_owned()),
            None => Reply::Refused("the head is not there".to_owned()),
        }
    }
}

/// What somebody is told who is no administrator.
const NOT_ADMIN: &str = "only an administrator sees to tokens: on the head's host and as its user \
    `raykit token` finds a token that makes one; elsewhere name its file by `--token-file`";

impl Driver for Steering {
    fn admit(&mut self, role: Role, asks: &[u8]) -> Result<(NodeId, Vec<u8>), String> {
        let mut reader = Reader::new(asks);
        let asks = Asks::take(&mut reader).ok_or("what the node says of itself cannot be read")?;
        if asks.format != format() {
            return Err(format!(
                "the node writes another format ({:#x}) than the head ({:#x}): build both from one \
                 version of raykit, for machines of one byte order",
                asks.format,
                format()
            ));
        }
        let own = functions();
        let same = |list: &[(String, u64)], one: &(String, u64)| list.contains(one);
        let mut differ: Vec<String> = (own.iter().filter(|one| !same(&asks.functions, one)))
            .chain(asks.functions.iter().filter(|one| !same(&own, one)))
            .map(|(key, _)| key.clone())
            .collect();
        differ.sort();
        differ.dedup();
        let node = NodeId(self.next);
        self.next = self.next.checked_add(1).ok_or("there are no numbers left")?;
        // Only a node's token makes a process one that others count on.
        let driver = asks.member.driver || role != Role::Node;
        let member = Member { node, driver, ..asks.member };
        tracing::info!(%node, name = member.name, ?differ, "a node has come");
        let welcome = self.hands.admit(member);
        let mut reply = Vec::new();
        Told { welcome, differ }.put(&mut reply);
        self.hands.cluster.ring();
        Ok((node, reply))
    }

    fn happened(&mut self, what: Happening, road: &mut Road) {
        let event = match what {
            Happening::Up(node) => {
                if node == self.head {
                    self.reached.take().into_iter().for_each(|reached| reached());
                }
                self.linked(node, road);
                Event::Up(node)
            }
            Happening::Down { peer, sure } => {
                give_up(&mut self.asked, peer);
                Event::Down { peer, sure }
            }
            Happening::Suspect { peer, near } => Event::Doubt { node: peer, near },
            Happening::Arrived(from, packet) => Event::Arrived(from, packet),
        };
        self.with(road, |hands, lane| hands.happened(event, lane));
    }

    fn rung(&mut self, road: &mut Road) {
        self.with(road, |hands, lane| hands.rung(lane));
    }

    fn deadline(&self) -> Option<Instant> {
        self.hands.deadline()
    }

    fn overdue(&mut self, road: &mut Road) {
        self.with(road, |hands, lane| hands.overdue(lane));
    }

    fn serve(&mut self, peer: NodeId, role: Option<Role>, asked: &[u8]) -> Option<Box<dyn Bulk>> {
        if let Some(order) = request::read(request::KEYS, asked) {
            let mut reply = Vec::new();
            self.ordered(peer, role, &order).put(&mut reply);
            return Some(Box::new(Answer(reply)));
        }
        let letter = self.hands.node.upgrade().and_then(|node| courier::serve(&node, asked));
        if let Some(answer) = letter.or_else(|| self.hands.answer(peer, asked)) {
            return Some(Box::new(Answer(answer)));
        }
        self.hands.serve(asked).map(|sealed| Box::new(Served(sealed)) as Box<dyn Bulk>)
    }

    /// Of an object, or of a result.
    #[cfg(target_os = "linux")]
    fn share(&mut self, _peer: NodeId, asked: &[u8]) -> Option<Share> {
        Region::of(self.hands.serve(asked)?.memory()?).map(Region::share)
    }

    #[cfg(target_os = "linux")]
    fn arena(&self) -> Option<Arc<Arena>> {
        self.arena.clone()
    }
}

struct Answer(Vec<u8>);

impl Bulk for Answer {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

struct Served(Arc<Sealed>);

impl Bulk for Served {
    fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }
}

/// What a node has before it begins: a number, and who let it in.
pub(super) struct Entry {
    pub(super) node: NodeId,
    identity: Identity,
    authority: Option<Authority>,
    listen: SocketAddr,
    welcome: Option<Welcome>,
    head: NodeId,
}

/// Joins the cluster that the settings name, or founds one.
pub(super) fn enter(settings: &Settings, total: &Resources) -> Result<Entry> {
    match &settings.part {
        Part::Alone => Err(Error::new(ErrorKind::Config, "the settings name no cluster")),
        Part::Head { listen, keep } => {
            let authority = match keep {
                Some(folder) if folder.exists() => Authority::load(folder)?,
                Some(folder) => {
                    let mut new = Authority::create()?;
                    new.save(folder)?;
                    new
                }
                None => Authority::create()?,
            };
            // Numbers begin somewhere else each time: an old node is not taken for a new one.
            let seed = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |time| time.as_nanos() as u64);
            let node = NodeId(1 << 31 | (Rng::new(seed).next() as u32 >> 2));
            let identity = authority.own(node)?;
            let authority = Some(authority);
            let listen = match listen.port() {
                0 => UdpSocket::bind(listen)?.local_addr()?, // a free one
                _ => *listen,
            };
            Ok(Entry { node, identity, authority, listen, welcome: None, head: node })
        }
        Part::Member { address, token } => {
            let token = Token::parse(token.reveal())?;
            let listen = reserve(address)?;
            let asks = Asks {
                format: format(),
                member: member(settings, NodeId(0), listen, total),
                functions: functions(),
            };
            let mut bytes = Vec::new();
            asks.put(&mut bytes);
            if bytes.len() > REGISTRY_BYTES_MAX {
                let text = "the names of the program's functions are too long to be told";
                return Err(Error::new(ErrorKind::Config, text));
            }
            let joined = join(address, &token, bytes, Duration::from_millis(JOIN_WAIT_MS))?;
            let told = Told::take(&mut Reader::new(&joined.reply));
            let broken = || Error::new(ErrorKind::Encoding, "the head's welcome cannot be read");
            let Told { mut welcome, differ } = told.ok_or_else(broken)?;
            if !differ.is_empty() {
                tracing::warn!(
                    ?differ,
                    "the head's program has other functions: these can run only where they are"
                );
            }
            // Where it has answered, whatever it says of itself.
            let head = welcome.members.iter_mut().find(|member| member.node == joined.head);
            if let Some(head) = head {
                head.addresses.insert(0, joined.address.to_string());
            }
            let (node, head) = (joined.identity.name().node, joined.head);
            let identity = joined.identity;
            let welcome = Some(welcome);
            Ok(Entry { node, identity, authority: None, listen, welcome, head })
        }
    }
}

/// An address of this host at which the head, and with it the others, can reach it.
fn reserve(head: &str) -> Result<SocketAddr> {
    let unknown = |error: std::io::Error| {
        Error::new(ErrorKind::Io, format!("`{head}` cannot be found: {error}"))
    };
    let to = head.to_socket_addrs().map_err(unknown)?.next();
    let to = to.ok_or_else(|| Error::new(ErrorKind::Io, format!("`{head}` has no address")))?;
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { [0_u16; 8].into() };
    let probe = UdpSocket::bind((any, 0))?;
    probe.connect(to)?; // nothing is sent: it only finds the way
    let ip = probe.local_addr()?.ip();
    Ok(UdpSocket::bind((ip, 0))?.local_addr()?)
}

fn member(settings: &Settings, node: NodeId, at: SocketAddr, total: &Resources) -> Member {
    let name = settings.name.clone().unwrap_or_else(host_name);
    Member {
        node,
        name,
        addresses: vec![at.to_string()],
        host: host(settings),
        driver: settings.driver,
        total: total.clone(),
        labels: settings.labels.clone(),
    }
}

/// The number of this host and user, where the node shares memory with others of it.
fn host(settings: &Settings) -> u128 {
    #[cfg(target_os = "linux")]
    if settings.object_memory > 0 {
        return crate::shm::host();
    }
    let _ = settings;
    0
}

/// The memory that the node shares, if it does.
#[cfg(target_os = "linux")]
fn arena(settings: &Settings, cluster: &Cluster) -> Option<Arc<Arena>> {
    let host = Some(host(settings)).filter(|host| *host != 0)?;
    let arena = Arena::new(settings.object_memory);
    cluster.share(Arc::clone(&arena) as _, host);
    Some(arena)
}

fn host_name() -> String {
    let told = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = told.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    name.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_else(|| "node".to_owned())
}

/// Puts a node that has been let in on the road, and waits until it can reach the head.
pub(super) fn begin(node: &Arc<Node>, entry: Entry) -> Result<()> {
    let Entry { identity, authority, listen, welcome, head, .. } = entry;
    let total = node.pool.budget().total();
    let own = member(&node.config, node.id, listen, total);
    let welcome = welcome.unwrap_or_else(|| Welcome {
        head: node.id,
        version: 1,
        members: vec![own],
        gone: Vec::new(),
    });
    let cluster = Cluster::new(node.id, head, welcome.members.clone());
    let (reached, reaches) = std::sync::mpsc::sync_channel(1);
    let steering = Steering {
        hands: Hands::new(node, &cluster, welcome),
        next: node.id.0 + 1,
        begun: false,
        reached: Some(Box::new(move || {
            let _ = reached.send(());
        })),
        head,
        #[cfg(target_os = "linux")]
        arena: arena(&node.config, &cluster),
        asked: Vec::new(),
    };
    let net = Net::start(identity, authority, &[listen], steering)?;
    let address = net.local_addresses().first().copied().unwrap_or(listen);
    let bell = net.bell();
    let road = Arc::new(Mutex::new(Some(net)));
    cluster.be_on(Arc::new(OnRoad { road, address }));
    let _ = node.cluster.set(Arc::clone(&cluster));
    cluster.set_bell(move || bell.ring());
    if head != node.id && reaches.recv_timeout(Duration::from_millis(JOIN_WAIT_MS)).is_err() {
        let why = cluster.lost().map_or_else(String::new, |error| format!(": {error}"));
        let text = format!("the head has let this node in and cannot be reached{why}");
        return Err(Error::new(ErrorKind::ClusterLost, text));
    }
    Ok(())
}

/// The road, as the rest of the node sees it.
struct OnRoad {
    road: Arc<Mutex<Option<Net>>>,
    address: SocketAddr,
}

impl super::cluster::OnRoad for OnRoad {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn close(&self, grace: Duration) {
        let net = self.road.lock().take();
        net.into_iter().for_each(|net| net.close(grace));
    }

    fn keys(&self, order: &KeyOrder) -> Result<Keys> {
        let road = self.road.lock();
        let done =
            road.as_ref().and_then(|net| net.with_authority(|own| keyring::keys(own, order)));
        done.ok_or_else(|| Error::new(ErrorKind::Refused, "only the head sees to tokens"))?
    }
}
