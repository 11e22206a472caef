//! Several nodes in one process, whose road is a channel.
#![allow(
    unsafe_code,
    unreachable_pub,
    dead_code,
    reason = "what the attribute writes is meant for other crates"
)]
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use super::cluster::{Cluster, Fetch, Post};
use super::hands::{Hands, Road};
use super::settings::Settings;
use super::{Node, current};
use crate::ObjectRef;
use crate::base::NodeId;
use crate::object::buffer::Buffer;
use crate::object::error::{Error, ErrorKind};
use crate::proto::event::Event;
use crate::proto::machine::Welcome;
use crate::proto::wire::Member;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

mod apart;
mod circles;
mod faults;
mod groups;
mod lost;
mod placed;
mod refs;
mod streams;
mod swarms;

enum Word {
    Event(Event),
    Ring,
    Serve { to: NodeId, what: Fetch },
    Ask { by: NodeId, request: Vec<u8>, told: super::survey::Told },
    Admit(Member, Sender<Welcome>),
    End,
}

/// Where words for each node go.
type Lines = Arc<Mutex<HashMap<NodeId, Sender<Word>>>>;

struct Channels {
    me: NodeId,
    lines: Lines,
    cluster: Arc<Cluster>,
    cuts: Arc<Cuts>,
}

/// Links that end over bulk bytes, and over packets.
#[derive(Default)]
struct Cuts {
    /// How many more do, each after half of what it was to carry.
    left: AtomicU32,
    /// Bytes that were sent.
    sent: AtomicUsize,
    /// How many packets are still to be lost, each with its link: every fourth.
    packets: AtomicU32,
    passed: AtomicUsize,
}

impl Cuts {
    fn cut(&self) -> bool {
        one_of(&self.left)
    }

    fn loses(&self) -> bool {
        self.packets.load(Relaxed) > 0
            && self.passed.fetch_add(1, Relaxed) % 4 == 3
            && one_of(&self.packets)
    }
}

/// Takes one of those that are left.
fn one_of(left: &AtomicU32) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
}

impl Channels {
    fn tell(&self, to: NodeId, word: Word) -> bool {
        self.lines.lock().get(&to).is_some_and(|line| line.send(word).is_ok())
    }

    fn carries(&self, bytes: &[u8]) -> Buffer {
        self.cuts.sent.fetch_add(bytes.len(), Relaxed);
        super::survey::buffer(bytes)
    }

    /// The link to that node ends, and both go on.
    fn ends(&self, to: NodeId) {
        self.tell(to, Word::Event(Event::Down { peer: self.me, sure: false }));
        self.tell(self.me, Word::Event(Event::Down { peer: to, sure: false }));
    }
}

impl Road for Channels {
    fn send(&mut self, to: NodeId, packet: Arc<[u8]>) {
        if self.cuts.loses() {
            return self.ends(to);
        }
        self.tell(to, Word::Event(Event::Arrived(self.me, packet)));
    }
    fn connect(&mut self, to: NodeId, _: &[String]) {
        if self.tell(to, Word::Event(Event::Up(self.me))) {
            self.tell(self.me, Word::Event(Event::Up(to)));
        }
    }
    fn disconnect(&mut self, _: NodeId) {}
    fn fetch(&mut self, from: NodeId, what: Fetch) {
        if !self.tell(from, Word::Serve { to: self.me, what }) {
            let bytes = Err(Error::new(ErrorKind::Io, "nobody is there"));
            self.cluster.post(Post::Fetched { what, bytes, got: None });
        }
    }
    fn ask(&mut self, to: NodeId, request: Vec<u8>, told: super::survey::Told) {
        // Where there is nobody the word is dropped, and who asks hears that.
        self.tell(to, Word::Ask { by: self.me, request, told });
    }
}

struct Joined {
    node: Arc<Node>,
    lines: Lines,
    thread: Option<std::thread::JoinHandle<()>>,
}

fn settings(cpus: usize) -> Settings {
    // What a node that vanishes was running is not waited for.
    Settings { num_cpus: cpus, grace: Duration::from_millis(300), ..Settings::standard() }
}

fn run(mut hands: Hands, mut road: Channels, words: &Receiver<Word>, all: &Clusters) {
    loop {
        let until = hands.deadline();
        let wait =
            until.map_or(Duration::from_secs(1), |at| at.saturating_duration_since(Instant::now()));
        match words.recv_timeout(wait) {
            Ok(Word::Event(event)) => hands.happened(event, &mut road),
            Ok(Word::Ring) => hands.rung(&mut road),
            Ok(Word::Serve { to, what }) => {
                let mut request = Vec::new();
                crate::proto::wire::Wire::put(&what, &mut request);
                let mut got = None;
                let bytes = match hands.serve(&request) {
                    Some(sealed) if road.cuts.cut() => {
                        got = Some(road.carries(&sealed.bytes()[..sealed.len() / 2]));
                        road.ends(to);
                        Err(Error::new(ErrorKind::Io, "the link has ended"))
                    }
                    Some(sealed) => Ok(road.carries(sealed.bytes())),
                    None => Err(Error::new(ErrorKind::ObjectLost, "there is no such thing")),
                };
                if let Some(cluster) = all.lock().get(&to) {
                    cluster.post(Post::Fetched { what, bytes, got });
                }
            }
            Ok(Word::Ask { by, request, told }) => {
                let answer = hands.answer(by, &request);
                if answer.as_ref().is_some_and(|answer| answer.len() > 1_000) && road.cuts.cut() {
                    road.ends(by);
                    told(Err(Error::new(ErrorKind::Io, "the link has ended")));
                    continue;
                }
                let none = || Error::new(ErrorKind::ObjectLost, "there is no such thing");
                told(answer.map(|bytes| road.carries(&bytes)).ok_or_else(none));
            }
            Ok(Word::Admit(member, back)) => {
                let _ = back.send(hands.admit(member));
                hands.rung(&mut road);
            }
            Ok(Word::End) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => hands.overdue(&mut road),
        }
    }
}

type Clusters = Arc<Mutex<HashMap<NodeId, Arc<Cluster>>>>;

/// A cluster in this process.
struct World {
    lines: Lines,
    clusters: Clusters,
    head: Option<NodeId>,
    cuts: Arc<Cuts>,
}

impl World {
    fn new() -> World {
        let (lines, clusters, cuts) = Default::default();
        World { lines, clusters, head: None, cuts }
    }

    fn join(&mut self, cpus: usize) -> Joined {
        self.join_as(cpus, "")
    }

    /// A node with as little memory as there can be.
    fn join_small(&mut self, cpus: usize) -> Joined {
        self.join_with(Settings { memory: 0, ..settings(cpus) }, "")
    }

    /// A node with the label `zone`, unless that is empty.
    fn join_as(&mut self, cpus: usize, zone: &str) -> Joined {
        self.join_with(settings(cpus), zone)
    }

    fn join_with(&mut self, settings: Settings, zone: &str) -> Joined {
        let node = Node::start(settings).expect("a node starts");
        let cluster = Cluster::new(node.id, self.head.unwrap_or(node.id), Vec::new());
        let member = Member {
            node: node.id,
            name: format!("{}", node.id),
            addresses: vec![node.id.to_string()],
            host: 1,
            driver: false,
            total: node.pool.budget().total().clone(),
            labels: [("zone".to_owned(), zone.to_owned())]
                .into_iter()
                .filter(|(_, zone)| !zone.is_empty())
                .collect(),
        };
        let welcome = match self.head {
            None => Welcome { head: node.id, version: 1, members: vec![member], gone: Vec::new() },
            Some(head) => {
                let (back, answer) = channel();
                let line = self.lines.lock().get(&head).cloned().expect("a head");
                line.send(Word::Admit(member, back)).expect("it lives");
                answer.recv().expect("an answer")
            }
        };
        self.head.get_or_insert(node.id);
        let (line, words) = channel();
        self.lines.lock().insert(node.id, line.clone());
        self.clusters.lock().insert(node.id, Arc::clone(&cluster));
        node.cluster.set(Arc::clone(&cluster)).ok();
        cluster.set_bell(move || drop(line.send(Word::Ring)));
        let mut hands = Hands::new(&node, &cluster, welcome);
        let (lines, cuts) = (Arc::clone(&self.lines), Arc::clone(&self.cuts));
        let mut road = Channels { me: node.id, lines, cluster, cuts };
        let clusters = Arc::clone(&self.clusters);
        let thread = std::thread::spawn(move || {
            hands.begin(&mut road);
            run(hands, road, &words, &clusters);
        });
        Joined { node, lines: Arc::clone(&self.lines), thread: Some(thread) }
    }
}

impl Joined {
    /// Ends without a word, as a process that is killed.
    fn vanish(&mut self) {
        let line = self.lines.lock().remove(&self.node.id);
        let _ = line.map(|line| line.send(Word::End).is_ok());
        self.thread.take().map(std::thread::JoinHandle::join);
        for (_, line) in self.lines.lock().iter() {
            let _ = line.send(Word::Event(Event::Down { peer: self.node.id, sure: true }));
        }
        self.node.close().ok();
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let line = self.lines.lock().remove(&self.node.id);
        let _ = line.map(|line| line.send(Word::End).is_ok());
        self.thread.take().map(std::thread::JoinHandle::join);
        self.node.close().ok();
    }
}

fn here<R>(member: &Joined, f: impl FnOnce() -> R) -> R {
    current::enter(Arc::clone(&member.node));
    let result = f();
    current::leave();
    result
}

#[raykit::remote]
fn where_am_i(x: i64) -> (i64, u32) {
    (x, current::node().expect("a node").id.0)
}

#[raykit::remote]
fn sum(xs: &[f64]) -> f64 {
    xs.iter().sum()
}

#[raykit::remote]
fn many(len: usize) -> Vec<f64> {
    vec![1.0; len]
}

#[raykit::remote]
fn slowly(x: i64) -> i64 {
    let until = Instant::now() + Duration::from_millis(2);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    x
}

#[raykit::remote]
fn refuses(x: i64) -> Result<i64, String> {
    Err(format!("not {x}"))
}

/// A reference to an object of the node that runs it.
#[raykit::remote]
fn nested(x: i64) -> ObjectRef<i64> {
    crate::put(x + 1).expect("stored")
}

#[raykit::remote]
fn unwraps(inner: Vec<ObjectRef<i64>>) -> Result<i64, crate::Error> {
    Ok(crate::get(&inner)?.iter().sum())
}

fn at(member: &Joined) -> crate::Strategy {
    crate::Strategy::Node { node: member.node.id, soft: false }
}

#[test]
fn a_task_runs_on_the_node_that_it_is_sent_to() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    here(&head, || {
        for member in [&head, &other] {
            let asked = where_am_i::options().strategy(at(member)).remote(7);
            assert_eq!(asked.get().unwrap(), (7, member.node.id.0));
        }
        let failed = refuses::options().strategy(at(&other)).remote(1).get().unwrap_err();
        assert!(failed.is_task_error(), "{failed}");
        assert!(failed.to_string().contains("not 1"), "{failed}");
    });
}

#[test]
fn large_values_go_both_ways() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    here(&head, || {
        let made = many::options().strategy(at(&other)).remote(1_000_000);
        assert_eq!(made.get().unwrap().len(), 1_000_000);
        let sent = sum::options().strategy(at(&other)).remote(vec![0.5; 1_000_000]);
        assert_eq!(sent.get().unwrap(), 500_000.0);
        let stored = crate::put(vec![2.0; 100_000]).unwrap();
        let sums: Vec<_> =
            (0..4).map(|_| sum::options().strategy(at(&other)).remote(&stored)).collect();
        assert_eq!(crate::get(&sums).unwrap(), vec![200_000.0; 4]);
    });
    nothing_left(&[&head, &other]);
}

fn until(what: &str, done: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < limit, "{what}");
        std::thread::yield_now();
    }
}

fn nothing_left(members: &[&Joined]) {
    for member in members {
        let until = Instant::now() + Duration::from_secs(20);
        here(member, || {
            loop {
                let stats = crate::stats().unwrap();
                if stats.objects == 0 && stats.tasks_pending == 0 {
                    break;
                }
                assert!(Instant::now() < until, "{}: {stats:?}", member.node.id);
                std::thread::yield_now();
            }
        });
    }
}

/// R9, R13: some come back to their owner as arguments, and some go where they have come from.
#[test]
fn references_go_through_several_nodes() {
    let mut world = World::new();
    let members = [world.join(1), world.join(1), world.join(1)];
    here(&members[0], || {
        let inner: Vec<_> = (0..9)
            .map(|x| nested::options().strategy(at(&members[x as usize % 3])).remote(x))
            .map(|outer| outer.get().unwrap())
            .collect();
        let asked = unwraps::options().strategy(at(&members[1])).remote(inner.clone());
        assert_eq!(asked.get().unwrap(), 45);
        let last = unwraps::options().strategy(at(&members[2])).remote(inner);
        assert_eq!(last.get().unwrap(), 45);
    });
    nothing_left(&members.iter().collect::<Vec<_>>());
}

#[test]
fn an_idle_node_takes_work_from_a_busy_one() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    here(&head, || {
        let all: Vec<_> = (0..400).map(slowly::remote).collect();
        assert_eq!(crate::get(&all).unwrap(), (0..400).collect::<Vec<_>>());
    });
    here(&other, || {
        let done = crate::stats().unwrap().tasks_submitted;
        assert!(done > 50, "{done} of 400 went to the idle node");
    });
    nothing_left(&[&head, &other]);
}

#[test]
fn what_a_dead_node_had_runs_again() {
    let mut world = World::new();
    let (head, mut other) = (world.join(1), world.join(1));
    here(&head, || {
        let soft = crate::Strategy::Node { node: other.node.id, soft: true };
        let all: Vec<_> = (0..50).map(|x| slowly::options().strategy(soft).remote(x)).collect();
        let owned = nested::options().strategy(at(&other)).remote(1).get().unwrap();
        let once = slowly::options().strategy(soft).max_retries(0).remote(1);
        other.vanish();
        assert_eq!(crate::get(&all).unwrap(), (0..50).collect::<Vec<_>>());
        match once.get() {
            Ok(value) => assert_eq!(value, 1),
            Err(error) => assert_eq!(error.kind(), ErrorKind::NodeDied, "{error}"),
        }
        match owned.get() {
            Ok(value) => assert_eq!(value, 2),
            Err(error) => assert_eq!(error.kind(), ErrorKind::OwnerDied, "{error}"),
        }
    });
    nothing_left(&[&head]);
}

#[test]
fn a_head_alone_runs_all_by_itself() {
    let mut world = World::new();
    let head = world.join(2);
    here(&head, || {
        let asked = where_am_i::options().strategy(crate::Strategy::Spread).remote(1);
        assert_eq!(asked.get().unwrap(), (1, head.node.id.0));
    });
}

#[raykit::remote(max_restarts = 1)]
struct Tally {
    notes: Vec<i64>,
}

#[raykit::remote]
impl Tally {
    pub fn new() -> Self {
        Tally { notes: Vec::new() }
    }
    pub fn note(&mut self, x: i64) -> (i64, u32) {
        self.notes.push(x);
        (self.notes.len() as i64, current::node().expect("a node").id.0)
    }
    pub fn notes(&self) -> Vec<i64> {
        self.notes.clone()
    }
    pub fn stream(&self) -> impl Iterator<Item = i64> {
        self.notes.clone().into_iter()
    }
    pub fn panics(&mut self) {
        panic!("as asked");
    }
    pub async fn later(&self, x: ObjectRef<i64>) -> crate::Result<i64> {
        Ok(x.await? + self.notes.len() as i64)
    }
}

#[raykit::remote]
fn makes_tally() -> TallyHandle {
    Tally::remote()
}

#[raykit::remote]
fn notes_many(tally: TallyHandle, from: i64, count: i64) -> crate::Result<i64> {
    let noted: Vec<_> = (from..from + count).map(|x| tally.note(x)).collect();
    crate::get(&noted).map(|noted| noted.len() as i64)
}

#[test]
fn actors_are_called_from_other_nodes_in_order() {
    let mut world = World::new();
    let (head, other) = (world.join(2), world.join(2));
    here(&head, || {
        // One here, called from there, and the other way round.
        let own = Tally::remote();
        let noted = notes_many::options().strategy(at(&other)).remote(&own, 0, 500);
        assert_eq!(noted.get().unwrap(), 500);
        assert_eq!(own.notes().get().unwrap(), (0..500).collect::<Vec<_>>());
        let far = makes_tally::options().strategy(at(&other)).remote().get().unwrap();
        let noted: Vec<_> = (0..500).map(|x| far.note(x)).collect();
        let noted = crate::get(&noted).unwrap();
        assert_eq!(noted.last(), Some(&(500, other.node.id.0)));
        assert_eq!(far.notes().get().unwrap(), (0..500).collect::<Vec<_>>());
        let x = crate::put(7).unwrap();
        assert_eq!(far.later(&x).get().unwrap(), 507);
        // What is not ready holds back those behind it.
        let slow = slowly::remote(7);
        let last = [far.later(&slow), far.later(&slow)];
        assert_eq!(crate::get(&last).unwrap(), [507, 507]);
        assert_eq!(far.id().unwrap().node, other.node.id);
        assert!(far.is_alive() && far.ready().get().is_ok());
        let streamed: Vec<i64> = far.stream().map(|item| item.get().unwrap()).collect();
        assert_eq!(streamed, (0..500).collect::<Vec<_>>());
        // A crash, a new life, and the end.
        assert!(far.panics().get().unwrap_err().is_panic());
        assert_eq!(far.note(1).get().unwrap().0, 1);
        let ended = far.ended();
        assert!(far.kill());
        assert!(ended.get().unwrap().contains("killed"));
        assert!(far.note(2).get().unwrap_err().is_actor_died());
    });
    nothing_left(&[&head, &other]);
}

static LET_GO: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

#[raykit::remote]
struct Heap;

#[raykit::remote]
impl Heap {
    pub fn new() -> Self {
        Heap
    }
    pub fn put(&mut self, bytes: Vec<u8>) -> usize {
        until("it is let go", || LET_GO.load(Relaxed));
        bytes.len()
    }
}

#[raykit::remote]
fn makes_heap() -> HeapHandle {
    Heap::remote()
}

/// SEC22: calls that wait take so much memory of another node and no more.
#[test]
fn a_node_does_not_fill_the_memory_of_another_one() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join_small(1));
    here(&head, || {
        let far = makes_heap::options().strategy(at(&other)).remote().get().unwrap();
        let len = 60_000;
        let called: Vec<_> = (0..1_500).map(|_| far.put(vec![1; len])).collect();
        let refused = called[1_499].get().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PendingCallsLimit, "{refused}");
        LET_GO.store(true, Relaxed);
        let done = called.iter().filter(|one| one.get().is_ok_and(|got| got == len)).count();
        assert!((1_000..1_300).contains(&done), "{done}");
        assert_eq!(far.put(vec![1; len]).get().unwrap(), len);
    });
    nothing_left(&[&head, &other]);
}

/// with the last handle of all nodes an actor ends.
#[test]
fn the_last_handle_anywhere_ends_an_actor() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    let far = here(&head, || makes_tally::options().strategy(at(&other)).remote().get().unwrap());
    let alive = || here(&other, || crate::stats().unwrap().actors);
    here(&head, || assert_eq!(far.note(1).get().unwrap().0, 1));
    assert_eq!(alive(), 1);
    here(&head, || drop(far));
    let until = Instant::now() + Duration::from_secs(20);
    while alive() > 0 {
        assert!(Instant::now() < until, "the actor is still there");
        std::thread::yield_now();
    }
    nothing_left(&[&head, &other]);
}

/// A1, A4: an actor goes with its node, and whoever calls it is told.
#[test]
fn an_actor_goes_with_its_node() {
    let mut world = World::new();
    let (head, mut other) = (world.join(1), world.join(1));
    here(&head, || {
        let far = makes_tally::options().strategy(at(&other)).remote().get().unwrap();
        assert_eq!(far.note(1).get().unwrap().0, 1);
        other.vanish();
        let error = far.note(2).get().unwrap_err();
        assert!(error.is_actor_died(), "{error}");
        let late = far.note(3).get().unwrap_err();
        assert!(late.is_actor_died(), "{late}");
        assert!(!far.is_alive());
    });
    nothing_left(&[&head]);
}

/// Gives numbers, and says how far it was.
static GIVEN: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(0);

#[raykit::remote]
fn gives(n: i64, fails: bool) -> Result<impl Iterator<Item = Result<i64, String>>, String> {
    GIVEN.store(0, std::sync::atomic::Ordering::SeqCst);
    Ok((0..n).map(move |x| {
        GIVEN.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if fails && x == n - 1 { Err("the last one".into()) } else { Ok(x) }
    }))
}

#[raykit::remote]
fn gives_large(n: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..n).map(|x| vec![x as u8; 300_000])
}

/// G8, G3, G2: items come while the task runs, as far as they are wanted, in order, and the error
/// after them.
#[test]
fn streams_come_from_other_nodes() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    here(&head, || {
        let all = gives::options().strategy(at(&other)).remote(5_000, false);
        let all: Vec<i64> = all.map(|item| item.get().unwrap()).collect();
        assert_eq!(all, (0..5_000).collect::<Vec<_>>());
        nothing_left(&[&head, &other]);
        let mut failing = gives::options().strategy(at(&other)).remote(10, true);
        let good: Vec<i64> = failing.by_ref().take(9).map(|item| item.get().unwrap()).collect();
        assert_eq!(good, (0..9).collect::<Vec<_>>());
        let error = failing.next().unwrap().get().unwrap_err();
        assert!(error.is_task_error() && error.to_string().contains("the last one"), "{error}");
        assert!(failing.next().is_none());
        drop(failing);
        nothing_left(&[&head, &other]);
        // Nobody reads: the other node stops at the brake, and at the end when nobody will.
        let mut unread =
            gives::options().strategy(at(&other)).backpressure(30).remote(1 << 40, false);
        assert_eq!(unread.next().unwrap().get().unwrap(), 0);
        let given = || GIVEN.load(std::sync::atomic::Ordering::SeqCst);
        let until = Instant::now() + Duration::from_secs(20);
        while given() < 20 {
            assert!(Instant::now() < until, "{} given", given());
            std::thread::yield_now();
        }
        for _ in 0..1_000 {
            assert!(given() <= 33, "{} given", given());
            std::thread::yield_now();
        }
        drop(unread);
        nothing_left(&[&head, &other]);
        let large = gives_large::options().strategy(at(&other)).remote(40);
        let bytes: usize = large.map(|item| item.get().unwrap().len()).sum();
        assert_eq!(bytes, 40 * 300_000);
    });
    nothing_left(&[&head, &other]);
}

/// G1: a stream whose node dies ends in an error after what has come, and does not hang.
#[test]
fn a_stream_ends_with_its_node() {
    let mut world = World::new();
    let (head, mut other) = (world.join(1), world.join(1));
    here(&head, || {
        let mut stream =
            gives::options().strategy(at(&other)).backpressure(30).remote(1 << 40, false);
        assert_eq!(stream.next().unwrap().get().unwrap(), 0);
        other.vanish();
        let error = stream.find_map(|item| item.get().err()).expect("an error at the end");
        assert_eq!(error.kind(), ErrorKind::NodeDied, "{error}");
        assert!(stream.next().is_none());
    });
    nothing_left(&[&head]);
}

#[raykit::remote]
fn until_cancelled() -> bool {
    let until = Instant::now() + Duration::from_secs(20);
    while !crate::context().is_cancelled() && Instant::now() < until {
        std::thread::yield_now();
    }
    true
}

#[raykit::remote]
fn starts() -> ObjectRef<bool> {
    until_cancelled::remote()
}

#[raykit::remote]
fn waits_for(inner: Vec<ObjectRef<bool>>) -> Result<bool, crate::Error> {
    inner[0].get()
}

/// C5, C6: who has a reference cancels the task behind it, wherever it runs and whoever owns it.
#[test]
fn a_borrower_cancels_the_task_of_another_node() {
    let mut world = World::new();
    let (head, other) = (world.join(2), world.join(2));
    here(&head, || {
        let far = starts::options().strategy(at(&other)).remote().get().unwrap();
        assert!(far.cancel());
        assert!(far.get().unwrap_err().is_cancelled());
        assert!(!far.cancel());
        // One's own that runs elsewhere, with what it has called there.
        let own = until_cancelled::options().strategy(at(&other)).remote();
        let waits = waits_for::options().strategy(at(&other)).remote(vec![own.clone()]);
        assert!(own.cancel());
        assert!(own.get().unwrap_err().is_cancelled());
        assert!(waits.get().is_err());
    });
    nothing_left(&[&head, &other]);
}
