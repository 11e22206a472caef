//! Nodes of a simulation: they join and live as others do, and their hands move on a road that goes
//! through a `Web`.

use super::Node;
use super::cluster::{Cluster, Fetch, OnRoad, Post};
use super::hands::{Hands, Road};
use super::keys::{KeyOrder, Keys};
use super::settings::Settings;
use super::start::sound;
use super::survey::{self, Told};
use super::web::{Asked, Door, Next, Web, Word};
use crate::base::channel::{Sender, channel};
use crate::base::limits::{JOIN_WAIT_MS, QUESTIONS_MAX};
use crate::base::quantity::Resources;
use crate::base::thread::{self, JoinHandle};
use crate::base::{NodeId, clock, turns};
use crate::object::error::{Error, ErrorKind, Result};
use crate::proto::event::Event;
use crate::proto::machine::Welcome;
use crate::proto::wire::{Member, Wire};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long a call of another node goes on that is not answered.
const DIAL: Duration = Duration::from_secs(5);

/// Starts a node on the web: the first one is the head, others join it. Its threads are those of a
/// process of its number.
pub(crate) fn start(web: &Arc<Web>, settings: Settings) -> Result<Arc<Node>> {
    let total = sound(&settings)?;
    let (me, head) = web.newcomer();
    let member = member(&settings, me, &total);
    let welcome = match me == head {
        true => Welcome { head, version: 1, members: vec![member], gone: Vec::new() },
        false => {
            let (tell, told) = channel();
            web.call(me, head, Word::Admit(member, tell));
            let none = || unreachable("the head has not answered");
            told.take_within(Duration::from_millis(JOIN_WAIT_MS)).ok_or_else(none)?
        }
    };
    let build = || {
        let node = Node::build(me, settings, &total)?;
        match ride(web, &node, welcome) {
            Ok(()) => Ok(node),
            Err(error) => {
                node.close()?;
                Err(error)
            }
        }
    };
    turns::on_behalf(me.0, build)
}

fn unreachable(text: &str) -> Error {
    Error::new(ErrorKind::ClusterLost, text)
}

fn member(settings: &Settings, node: NodeId, total: &Resources) -> Member {
    Member {
        node,
        name: settings.name.clone().unwrap_or_else(|| node.to_string()),
        addresses: vec![address(node).to_string()],
        host: u128::from(node.0),
        driver: false,
        total: total.clone(),
        labels: settings.labels.clone(),
    }
}

/// Where a node says that it can be reached: nobody looks there.
fn address(node: NodeId) -> SocketAddr {
    SocketAddr::from(([10, 0, (node.0 >> 8) as u8, node.0 as u8], 6379))
}

/// Puts a node that has been let in on the road, and waits until it can reach the head.
fn ride(web: &Arc<Web>, node: &Arc<Node>, welcome: Welcome) -> Result<()> {
    let (me, head) = (node.id, welcome.head);
    let door = web.open(me);
    let cluster = Cluster::new(me, head, welcome.members.clone());
    let hands = Hands::new(node, &cluster, welcome);
    let (tell, reaches) = channel();
    let lane = Lane {
        me,
        web: Arc::clone(web),
        door: Arc::clone(&door),
        cluster: Arc::clone(&cluster),
        dials: BTreeMap::new(),
        open: BTreeMap::new(),
        waiting: Vec::new(),
        fenced: BTreeSet::new(),
        count: 0,
        reached: (me != head).then_some((head, tell)),
    };
    let _ = node.cluster.set(Arc::clone(&cluster));
    let thread = thread::spawn(format!("raykit-{me}-road"), None, move || run(hands, lane))?;
    let bell = Arc::clone(&door);
    cluster.be_on(Arc::new(Ends { me, door, thread: Mutex::new(Some(thread)) }));
    cluster.set_bell(move || bell.ring());
    let reached = || reaches.take_within(Duration::from_millis(JOIN_WAIT_MS)).is_some();
    match me == head || reached() {
        true => Ok(()),
        false => Err(unreachable("the head has let this node in and cannot be reached")),
    }
}

/// The road as the rest of the node sees it.
struct Ends {
    me: NodeId,
    door: Arc<Door>,
    thread: Mutex<Option<JoinHandle>>,
}

impl OnRoad for Ends {
    fn address(&self) -> SocketAddr {
        address(self.me)
    }

    fn close(&self, grace: Duration) {
        self.door.put(clock::now(), Word::Leave);
        let thread = self.thread.lock().take();
        thread.into_iter().for_each(|thread| thread.join_until(clock::now() + grace));
    }

    fn keys(&self, _: &KeyOrder) -> Result<Keys> {
        Err(Error::new(ErrorKind::Refused, "a simulation lets everybody in and has no tokens"))
    }
}

/// The thread of the hands.
fn run(mut hands: Hands, mut lane: Lane) {
    hands.begin(&mut lane);
    loop {
        match lane.door.next(hands.deadline()) {
            Next::Rung => hands.rung(&mut lane),
            Next::Overdue => hands.overdue(&mut lane),
            Next::Word(Word::Leave) => return lane.leave(),
            Next::Word(word) => lane.hears(word, &mut hands),
        }
    }
}

/// The road of one node, for its hands.
struct Lane {
    me: NodeId,
    web: Arc<Web>,
    door: Arc<Door>,
    cluster: Arc<Cluster>,
    /// Who is being dialled, and the number of that call.
    dials: BTreeMap<NodeId, u64>,
    /// Questions that were asked.
    open: BTreeMap<u64, (NodeId, Told)>,
    /// Those that wait for a link.
    waiting: Vec<(NodeId, Asked, Told)>,
    /// They are dead, and nothing that they ask is answered.
    fenced: BTreeSet<NodeId>,
    count: u64,
    /// Told once, when there is a link to that node.
    reached: Option<(NodeId, Sender<()>)>,
}

impl Road for Lane {
    fn send(&mut self, to: NodeId, packet: Arc<[u8]>) {
        let from = self.me;
        self.web.send(from, to, packet.len(), |epoch| Word::Packet { from, epoch, bytes: packet });
    }

    fn connect(&mut self, to: NodeId, _: &[String]) {
        if to == self.me || self.dials.contains_key(&to) || self.web.link(self.me, to).is_some() {
            return;
        }
        self.count += 1;
        let ticket = self.count;
        self.dials.insert(to, ticket);
        self.web.call(self.me, to, Word::Dial { by: self.me });
        self.door.put(clock::now() + DIAL, Word::DialLate { peer: to, ticket });
    }

    fn disconnect(&mut self, from: NodeId) {
        self.parts(from, true);
    }

    fn fence(&mut self, from: NodeId) {
        self.fenced.insert(from);
        self.parts(from, false);
    }

    fn fetch(&mut self, from: NodeId, what: Fetch) {
        let mut request = Vec::new();
        what.put(&mut request);
        let cluster = Arc::clone(&self.cluster);
        let told = move |bytes: Result<_>| {
            let got = bytes.is_err().then(Default::default);
            cluster.post(Post::Fetched { what, bytes, got });
        };
        self.put(from, Asked::Bytes(request), Box::new(told));
    }

    fn ask(&mut self, to: NodeId, request: Vec<u8>, told: Told) {
        if self.web.link(self.me, to).is_some() {
            return self.put(to, Asked::Question(request), told);
        }
        if self.waiting.len() >= QUESTIONS_MAX {
            let text = format!("{QUESTIONS_MAX} questions wait for links already");
            return told(Err(Error::new(ErrorKind::PendingCallsLimit, text)));
        }
        self.waiting.push((to, Asked::Question(request), told));
        self.connect(to, &[]);
    }
}

impl Lane {
    /// Puts a question on the link.
    fn put(&mut self, to: NodeId, asked: Asked, told: Told) {
        self.count += 1;
        let (by, number) = (self.me, self.count);
        if self.web.send(by, to, 0, |epoch| Word::Ask { by, epoch, number, asked }) {
            self.open.insert(number, (to, told));
        } else {
            told(Err(no_link(to)));
        }
    }

    /// There is no link to that node for now: what was asked of it is not answered.
    fn give_up(&mut self, node: NodeId) {
        let open: Vec<u64> =
            self.open.iter().filter(|(_, (to, _))| *to == node).map(|(at, _)| *at).collect();
        let open = open.into_iter().filter_map(|at| self.open.remove(&at)).map(|(_, told)| told);
        let mut all: Vec<Told> = open.collect();
        let waiting = self.waiting.extract_if(.., |(to, ..)| *to == node);
        all.extend(waiting.map(|(.., told)| told));
        all.into_iter().for_each(|told| told(Err(no_link(node))));
    }

    /// Ends the link from here.
    fn parts(&mut self, peer: NodeId, sure: bool) {
        self.dials.remove(&peer);
        let me = self.me;
        self.web.send(me, peer, 0, |epoch| Word::Down { peer: me, epoch, sure });
        self.web.give_up(me, peer);
        self.give_up(peer);
    }

    /// Says goodbye to all.
    fn leave(mut self) {
        for member in self.cluster.members() {
            self.parts(member.node, true);
        }
        self.web.close(self.me);
    }

    fn hears(&mut self, word: Word, hands: &mut Hands) {
        let me = self.me;
        match word {
            Word::Dial { by } => {
                let (gave_up, epoch) = self.web.answer(me, by);
                if gave_up {
                    self.lost(by, false, hands);
                }
                if epoch.is_some() {
                    self.linked(by, hands);
                }
            }
            Word::Up { peer, epoch } if self.web.is_up(me, peer, epoch) => self.linked(peer, hands),
            Word::Down { peer, epoch, sure } if self.web.is_up(me, peer, epoch) => {
                self.web.give_up(me, peer);
                self.lost(peer, sure, hands);
            }
            Word::Silence { peer, silence } if self.web.give_up_silent(me, peer, silence) => {
                self.lost(peer, false, hands);
            }
            Word::DialLate { peer, ticket } if self.dials.get(&peer) == Some(&ticket) => {
                self.lost(peer, false, hands);
            }
            Word::Doubt { node } => hands.happened(Event::Doubt { node, near: false }, self),
            Word::Packet { from, epoch, bytes } if self.web.is_up(me, from, epoch) => {
                turns::here(|here| here.run().note(u64::from(from.0) << 32 | bytes.len() as u64));
                hands.happened(Event::Arrived(from, bytes), self);
            }
            Word::Ask { by, epoch, number, asked }
                if self.web.is_up(me, by, epoch) && !self.fenced.contains(&by) =>
            {
                self.answer(by, number, &asked, hands);
            }
            Word::Answer { from, number, bytes } => {
                if let Some((_, told)) = self.open.remove(&number).filter(|(to, _)| *to == from) {
                    told(bytes.map(|bytes| survey::buffer(&bytes)));
                }
            }
            Word::Admit(member, back) => {
                back.send(hands.admit(member));
                hands.rung(self);
            }
            _ => {} // of a link that is there no more
        }
    }

    fn linked(&mut self, peer: NodeId, hands: &mut Hands) {
        self.dials.remove(&peer);
        if let Some((_, tell)) = self.reached.take_if(|(head, _)| *head == peer) {
            tell.send(());
        }
        let waiting: Vec<_> = self.waiting.extract_if(.., |(to, ..)| *to == peer).collect();
        waiting.into_iter().for_each(|(to, asked, told)| self.put(to, asked, told));
        hands.happened(Event::Up(peer), self);
    }

    fn lost(&mut self, peer: NodeId, sure: bool, hands: &mut Hands) {
        self.dials.remove(&peer);
        self.give_up(peer);
        hands.happened(Event::Down { peer, sure }, self);
    }

    fn answer(&mut self, by: NodeId, number: u64, asked: &Asked, hands: &mut Hands) {
        let bytes = match asked {
            Asked::Question(request) => hands.answer(by, request),
            Asked::Bytes(request) => hands.serve(request).map(|sealed| sealed.bytes().to_vec()),
        };
        let none = || Error::new(ErrorKind::ObjectLost, "there is no such thing");
        let bytes = bytes.ok_or_else(none);
        let (from, len) = (self.me, bytes.as_ref().map_or(0, Vec::len));
        self.web.send(from, by, len, |_| Word::Answer { from, number, bytes });
    }
}

fn no_link(to: NodeId) -> Error {
    Error::new(ErrorKind::Io, format!("there is no link to {to}, or not any more"))
}
