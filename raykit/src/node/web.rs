//! `Web`: the network of a simulation. A packet takes its time, drawn from the seed, and arrives
//! after those before it; where two nodes are cut off from each other it is held back until they
//! are not, or until the link is given up, as a real one is that nothing comes from.

use crate::base::channel::Sender;
use crate::base::limits::HEAD_LOST_MS;
use crate::base::rng::Rng;
use crate::base::thread::Condvar;
use crate::base::{NodeId, clock};
use crate::object::error::Result;
use crate::proto::machine::Welcome;
use crate::proto::wire::Member;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A link from which nothing has come for so long is lost. The road's own limit is the same.
const IDLE: Duration = Duration::from_millis(HEAD_LOST_MS + HEAD_LOST_MS / 2);
/// What a byte takes: a gigabyte in a second.
const BYTE_NS: u64 = 1;

/// What comes to a node.
pub(super) enum Word {
    Dial {
        by: NodeId,
    },
    /// Nobody has answered the call.
    DialLate {
        peer: NodeId,
        ticket: u64,
    },
    Up {
        peer: NodeId,
        epoch: u64,
    },
    Down {
        peer: NodeId,
        epoch: u64,
        sure: bool,
    },
    /// Nothing has come from there since the silence of this number began.
    Silence {
        peer: NodeId,
        silence: u64,
    },
    /// That process seems to have died.
    Doubt {
        node: NodeId,
    },
    Packet {
        from: NodeId,
        epoch: u64,
        bytes: Arc<[u8]>,
    },
    Ask {
        by: NodeId,
        epoch: u64,
        number: u64,
        asked: Asked,
    },
    Answer {
        from: NodeId,
        number: u64,
        bytes: Result<Vec<u8>>,
    },
    /// The head's: somebody wants to come in.
    Admit(Member, Sender<Welcome>),
    /// The node goes.
    Leave,
}

/// What is asked of another node.
pub(super) enum Asked {
    Question(Vec<u8>),
    Bytes(Vec<u8>),
}

/// Where a node's words come in, and its bell is.
#[derive(Default)]
pub(super) struct Door {
    inbox: Mutex<Inbox>,
    changed: Condvar,
}

#[derive(Default)]
struct Inbox {
    words: BTreeMap<(Instant, u64), Word>,
    count: u64,
    rung: bool,
}

/// What there is for the hands to do.
pub(super) enum Next {
    Rung,
    Overdue,
    Word(Word),
}

impl Door {
    pub(super) fn ring(&self) {
        self.inbox.lock().rung = true;
        self.changed.notify_one();
    }

    pub(super) fn put(&self, at: Instant, word: Word) {
        let mut inbox = self.inbox.lock();
        inbox.count += 1;
        let key = (at, inbox.count);
        inbox.words.insert(key, word);
        drop(inbox);
        self.changed.notify_one();
    }

    /// Waits for what is next.
    pub(super) fn next(&self, deadline: Option<Instant>) -> Next {
        let mut inbox = self.inbox.lock();
        loop {
            if std::mem::take(&mut inbox.rung) {
                return Next::Rung;
            }
            let now = clock::now();
            let first = inbox.words.first_entry();
            let at = first.as_ref().map(|first| first.key().0);
            match first {
                Some(first) if first.key().0 <= now => return Next::Word(first.remove()),
                _ if deadline.is_some_and(|deadline| deadline <= now) => return Next::Overdue,
                _ => {}
            }
            match at.into_iter().chain(deadline).min() {
                Some(until) => drop(self.changed.wait_until(&mut inbox, until)),
                None => self.changed.wait(&mut inbox),
            }
        }
    }
}

/// The network of a simulation.
pub(crate) struct Web(Mutex<State>);

struct State {
    rng: Rng,
    delay: (Duration, Duration),
    doors: BTreeMap<NodeId, Arc<Door>>,
    head: Option<NodeId>,
    nodes: u32,
    links: BTreeMap<Pair, Link>,
    /// Between whom nothing goes, and the number of that silence.
    cuts: BTreeMap<Pair, u64>,
    /// What is held back there.
    held: BTreeMap<Pair, Vec<(NodeId, Word)>>,
    /// Which roads are slower, and by how much.
    slow: BTreeMap<Pair, Duration>,
    /// Processes that stand still: the number of that silence, and since when.
    still: BTreeMap<NodeId, (u64, Instant)>,
    /// When the last word on a link arrives.
    last: BTreeMap<(NodeId, NodeId), Instant>,
    count: u64,
}

type Pair = (NodeId, NodeId);

fn pair(a: NodeId, b: NodeId) -> Pair {
    (a.min(b), a.max(b))
}

struct Link {
    epoch: u64,
    /// Which ends have not given it up.
    ends: BTreeSet<NodeId>,
}

impl Web {
    pub(crate) fn new(seed: u64, delay: (Duration, Duration)) -> Arc<Web> {
        let maps = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Arc::new(Web(Mutex::new(State {
            rng: Rng::new(seed),
            delay,
            doors: BTreeMap::new(),
            head: None,
            nodes: 0,
            links: maps.0,
            cuts: maps.1,
            held: maps.2,
            slow: BTreeMap::new(),
            still: BTreeMap::new(),
            last: BTreeMap::new(),
            count: 0,
        })))
    }

    /// The next node's number, and that of the head, which is the first node.
    pub(super) fn newcomer(&self) -> (NodeId, NodeId) {
        let mut state = self.0.lock();
        state.nodes += 1;
        let me = NodeId(state.nodes);
        (me, *state.head.get_or_insert(me))
    }

    pub(super) fn open(&self, node: NodeId) -> Arc<Door> {
        Arc::clone(self.0.lock().doors.entry(node).or_default())
    }

    /// That node is there no more.
    pub(super) fn close(&self, node: NodeId) {
        self.0.lock().doors.remove(&node);
    }

    /// Nothing goes between the two from now on.
    pub(crate) fn cut(&self, a: NodeId, b: NodeId) {
        let state = &mut *self.0.lock();
        if a == b || state.cuts.contains_key(&pair(a, b)) {
            return;
        }
        state.count += 1;
        let silence = state.count;
        state.cuts.insert(pair(a, b), silence);
        for (node, peer) in [(a, b), (b, a)] {
            state.put(node, clock::now() + IDLE, Word::Silence { peer, silence });
        }
    }

    /// The road between the two is open again, and what was held back goes on.
    pub(crate) fn heal(&self, a: NodeId, b: NodeId) {
        let state = &mut *self.0.lock();
        state.cuts.remove(&pair(a, b));
        for (to, word) in state.held.remove(&pair(a, b)).unwrap_or_default() {
            let from = if to == a { b } else { a };
            state.send(from, to, word, 0);
        }
    }

    /// All roads are open, and none is slow.
    pub(crate) fn heal_all(&self) {
        let cuts: Vec<Pair> = self.0.lock().cuts.keys().copied().collect();
        cuts.into_iter().for_each(|(a, b)| self.heal(a, b));
        self.0.lock().slow.clear();
    }

    /// What goes between the two takes so much longer.
    pub(crate) fn slow(&self, a: NodeId, b: NodeId, longer: Duration) {
        self.0.lock().slow.insert(pair(a, b), longer);
    }

    /// The link between the two is lost, with what is on its way; they may make another one.
    pub(crate) fn lose(&self, a: NodeId, b: NodeId) {
        let state = &mut *self.0.lock();
        let Some(epoch) = state.links.get(&pair(a, b)).map(|link| link.epoch) else { return };
        state.held.remove(&pair(a, b));
        for (node, peer) in [(a, b), (b, a)] {
            state.put(node, clock::now(), Word::Down { peer, epoch, sure: false });
        }
    }

    /// A process stands still: it answers nobody.
    pub(crate) fn stop(&self, node: NodeId) {
        let state = &mut *self.0.lock();
        state.count += 1;
        let silence = state.count;
        let now = clock::now();
        if state.still.insert(node, (silence, now)).is_none() {
            for peer in state.peers(node) {
                state.put(peer, now + IDLE, Word::Silence { peer: node, silence });
            }
        }
    }

    /// It goes on. If that was long, others have given up its links.
    pub(crate) fn go_on(&self, node: NodeId) {
        let state = &mut *self.0.lock();
        let Some((_, since)) = state.still.remove(&node) else { return };
        if clock::since(since) < IDLE {
            return;
        }
        for peer in state.peers(node) {
            let Some(epoch) = state.links.get(&pair(node, peer)).map(|link| link.epoch) else {
                continue;
            };
            state.put(node, clock::now(), Word::Down { peer, epoch, sure: false });
        }
    }

    /// A process has ended, and others may see that at once: they hear that it is gone, or have
    /// some reason to think so, or nothing at all.
    pub(crate) fn die(&self, node: NodeId) {
        self.stop(node);
        let state = &mut *self.0.lock();
        let heard = state.rng.below(3);
        for peer in state.peers(node) {
            let at = clock::now() + state.delay(node, peer);
            let Some(epoch) = state.links.get(&pair(node, peer)).map(|link| link.epoch) else {
                continue;
            };
            match heard {
                0 => state.put(peer, at, Word::Down { peer: node, epoch, sure: true }),
                1 => state.put(peer, at, Word::Doubt { node }),
                _ => {}
            }
        }
        state.doors.remove(&node);
    }

    /// Sends a word that needs no link.
    pub(super) fn call(&self, from: NodeId, to: NodeId, word: Word) {
        let state = &mut *self.0.lock();
        if !state.cuts.contains_key(&pair(from, to)) {
            let at = clock::now() + state.delay(from, to);
            state.put(to, at, word);
        }
    }

    /// Sends a word on the link, if there is one: `word` gets its number. Whether there is.
    pub(super) fn send(
        &self,
        from: NodeId,
        to: NodeId,
        len: usize,
        word: impl FnOnce(u64) -> Word,
    ) -> bool {
        let state = &mut *self.0.lock();
        let Some(epoch) = state.epoch(from, to) else { return false };
        state.send(from, to, word(epoch), len);
        true
    }

    /// Whether a word of that link is still for this end of it.
    pub(super) fn is_up(&self, me: NodeId, peer: NodeId, epoch: u64) -> bool {
        self.0.lock().epoch(me, peer) == Some(epoch)
    }

    /// The link at this end, if it is up.
    pub(super) fn link(&self, me: NodeId, peer: NodeId) -> Option<u64> {
        self.0.lock().epoch(me, peer)
    }

    /// `me` is dialled, and answers: the number of the new link. The old one is given up if there
    /// was one, and that is said.
    pub(super) fn answer(&self, me: NodeId, by: NodeId) -> (bool, Option<u64>) {
        let state = &mut *self.0.lock();
        let mut gave_up = false;
        if let Some(link) = state.links.get(&pair(me, by)) {
            if link.ends.contains(&by) {
                return (false, None); // there is one, or about to be
            }
            gave_up = link.ends.contains(&me);
        }
        state.count += 1;
        let epoch = state.count;
        state.held.remove(&pair(me, by));
        let ends = BTreeSet::from([me, by]);
        state.links.insert(pair(me, by), Link { epoch, ends });
        // It may have become silent since it called.
        let cut = state.cuts.get(&pair(me, by)).copied();
        let silence = cut.or_else(|| state.still.get(&by).map(|(silence, _)| *silence));
        if let Some(silence) = silence {
            let at = clock::now() + IDLE;
            state.put(me, at, Word::Silence { peer: by, silence });
            state.put(by, at, Word::Silence { peer: me, silence });
        }
        state.send(me, by, Word::Up { peer: me, epoch }, 0);
        (gave_up, Some(epoch))
    }

    /// This end gives the link up. Whether it had one.
    pub(super) fn give_up(&self, me: NodeId, peer: NodeId) -> bool {
        self.0.lock().give_up(me, peer)
    }

    /// The same if nothing has come from there since that silence began.
    pub(super) fn give_up_silent(&self, me: NodeId, peer: NodeId, silence: u64) -> bool {
        let state = &mut *self.0.lock();
        let silent = state.cuts.get(&pair(me, peer)) == Some(&silence)
            || state.still.get(&peer).is_some_and(|(number, _)| *number == silence);
        silent && state.give_up(me, peer)
    }
}

impl State {
    /// The link as `me` sees it.
    fn epoch(&self, me: NodeId, peer: NodeId) -> Option<u64> {
        let link = self.links.get(&pair(me, peer)).filter(|link| link.ends.contains(&me))?;
        Some(link.epoch)
    }

    fn give_up(&mut self, me: NodeId, peer: NodeId) -> bool {
        let Some(link) = self.links.get_mut(&pair(me, peer)) else { return false };
        let had = link.ends.remove(&me);
        if link.ends.is_empty() {
            self.links.remove(&pair(me, peer));
        }
        had
    }

    fn peers(&self, node: NodeId) -> Vec<NodeId> {
        let all = self.links.keys().filter(|(a, b)| *a == node || *b == node);
        all.map(|(a, b)| if *a == node { *b } else { *a }).collect()
    }

    fn delay(&mut self, a: NodeId, b: NodeId) -> Duration {
        let (least, most) = self.delay;
        let more = u64::try_from(most.saturating_sub(least).as_nanos()).unwrap_or(0);
        let drawn = Duration::from_nanos(self.rng.next() % (more + 1));
        least + drawn + self.slow.get(&pair(a, b)).copied().unwrap_or_default()
    }

    fn put(&mut self, to: NodeId, at: Instant, word: Word) {
        if let Some(door) = self.doors.get(&to) {
            door.put(at, word);
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, word: Word, len: usize) {
        if self.cuts.contains_key(&pair(from, to)) {
            return self.held.entry(pair(from, to)).or_default().push((to, word));
        }
        let at = clock::now() + self.delay(from, to) + Duration::from_nanos(len as u64 * BYTE_NS);
        let last = self.last.entry((from, to)).or_insert(at);
        *last = at.max(*last + Duration::from_nanos(1));
        let at = *last;
        self.put(to, at, word);
    }
}
