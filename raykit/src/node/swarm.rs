//! A large object that several nodes fetch at once. It is cut into pieces; its owner sends each
//! piece to one of them, and they give each other the rest, so that its road carries the object
//! about once, however many want it. The owner alone decides who gets which piece from whom: it
//! hears what each of them has with the question for the next piece. (BitTorrent's swarms, with a
//! tracker that is the seed as well.)

use crate::base::id::next_sequence;
use crate::base::limits::{PIECE_BYTES, SWARM_BYTES_MAX, SWARM_BYTES_MIN};
use crate::base::{NodeId, ObjectId};
use crate::object::buffer::Buffer;
use crate::proto::wire::{choice, record};
use std::cmp::Ordering::{Equal, Greater, Less};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug, PartialEq)]
pub(super) enum Question {
    /// The owner: which piece is next?
    Next(Next),
    /// Anybody who has it: that piece.
    Piece { object: ObjectId, piece: u32 },
}

/// What a node that fetches says to the owner.
#[derive(Debug, PartialEq)]
pub(super) struct Next {
    pub(super) object: ObjectId,
    /// Which fetch of it: another one begins anew.
    pub(super) fetch: u64,
    /// What has come since the last time, and what was asked of another node and has not come.
    pub(super) got: Vec<u32>,
    pub(super) failed: Vec<u32>,
    /// One that others have will do.
    pub(super) swap: bool,
    /// Nothing is on its way: the owner's own, if nobody else has one.
    pub(super) starves: bool,
}
record!(Next { object, fetch, got, failed, swap, starves });

choice!(Question { 0 Next(next), 1 Piece { object, piece } });

/// The answer to either. The bytes of a piece stand behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nobody else wants it: fetch it as a whole.
    Whole,
    Piece(u32),
    /// That node has this piece.
    At(u32, NodeId),
    /// None that can be had now.
    Wait,
    /// There is no such thing here.
    None,
}

choice!(Answer { 0 Whole, 1 Piece(piece), 2 At(piece, node), 3 Wait, 4 None });

/// Whether an object is so large that its owner is asked first, and not too large for that.
pub(super) fn is_large(len: u64) -> bool {
    (SWARM_BYTES_MIN..=SWARM_BYTES_MAX).contains(&len)
}

pub(super) fn pieces(len: usize) -> usize {
    len.div_ceil(PIECE_BYTES)
}

/// Where a piece lies in the whole.
pub(super) fn range(piece: u32, len: usize) -> Option<std::ops::Range<usize>> {
    let from = (piece as usize).checked_mul(PIECE_BYTES).filter(|from| *from < len)?;
    Some(from..len.min(from + PIECE_BYTES))
}

/// What the owner knows of the nodes that fetch one of its objects.
#[derive(Debug)]
pub(super) struct Swarm {
    /// How often the owner has sent each piece.
    given: Vec<u32>,
    nodes: BTreeMap<NodeId, Fetcher>,
}

#[derive(Debug)]
struct Fetcher {
    fetch: u64,
    /// Where it begins, so that not all want the same.
    first: usize,
    pieces: Vec<Has>,
    /// Pieces that others are getting from it.
    busy: u32,
    /// It has let the object go, and gives nothing more.
    spent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Has {
    Nothing,
    /// It is on its way, from that node or the owner.
    Asked(Option<NodeId>),
    It,
}

impl Swarm {
    pub(super) fn new(len: usize) -> Swarm {
        Swarm { given: vec![0; pieces(len)], nodes: BTreeMap::new() }
    }

    /// What the node `by` should do next.
    pub(super) fn next(&mut self, by: NodeId, asks: &Next) -> Answer {
        let count = self.given.len();
        match self.nodes.get(&by).map(|known| asks.fetch.cmp(&known.fetch)) {
            Some(Less) => return Answer::Wait, // of a fetch that it has given up
            Some(Greater) => self.gone(by),    // it has let the object go, and fetches it once more
            Some(Equal) | None => {}
        }
        // Far apart, however many come: halves, quarters, ...
        let rank = self.nodes.len() as u32;
        let first = ((u64::from(rank.reverse_bits()) * count as u64) >> 32) as usize;
        let fetch = asks.fetch;
        let pieces = || vec![Has::Nothing; count];
        let new = || Fetcher { fetch, first, pieces: pieces(), busy: 0, spent: false };
        self.nodes.entry(by).or_insert_with(new);
        for piece in &asks.got {
            self.set(by, *piece, Has::It);
        }
        for piece in &asks.failed {
            if let Some(from) = self.set(by, *piece, Has::Nothing)
                && let Some(from) = self.nodes.get_mut(&from)
            {
                from.spent = true;
            }
        }
        let Some(own) = self.nodes.get(&by) else { return Answer::None };
        let missing = (0..count).map(|at| (own.first + at) % count);
        let missing: Vec<usize> = missing.filter(|at| own.pieces[*at] == Has::Nothing).collect();
        let fresh = missing.iter().copied().find(|at| self.given[*at] == 0);
        if let Some(at) = fresh.filter(|_| !asks.swap) {
            return self.give(by, at);
        }
        let held = missing.iter().filter_map(|at| Some((*at, self.holder(*at, by)?)));
        // The node that has least to do.
        if let Some((at, (_, from))) = held.min_by_key(|(_, (busy, _))| *busy) {
            self.set(by, at as u32, Has::Asked(Some(from)));
            if let Some(from) = self.nodes.get_mut(&from) {
                from.busy += 1;
            }
            return Answer::At(at as u32, from);
        }
        match fresh.or_else(|| missing.first().copied().filter(|_| asks.starves)) {
            Some(at) => self.give(by, at),
            None => Answer::Wait,
        }
    }

    fn give(&mut self, to: NodeId, at: usize) -> Answer {
        self.given[at] += 1;
        self.set(to, at as u32, Has::Asked(None));
        Answer::Piece(at as u32)
    }

    /// Who has a piece and least to do, other than that node.
    fn holder(&self, at: usize, not: NodeId) -> Option<(u32, NodeId)> {
        let gives = |one: &Fetcher| !one.spent && one.pieces[at] == Has::It;
        let has = self.nodes.iter().filter(|(id, one)| **id != not && gives(one));
        has.map(|(id, one)| (one.busy, *id)).min()
    }

    /// Notes how it stands with a piece; from which node it was to come before.
    fn set(&mut self, node: NodeId, piece: u32, has: Has) -> Option<NodeId> {
        let place = self.nodes.get_mut(&node)?.pieces.get_mut(piece as usize)?;
        let Has::Asked(Some(from)) = std::mem::replace(place, has) else { return None };
        if let Some(from) = self.nodes.get_mut(&from) {
            from.busy = from.busy.saturating_sub(1);
        }
        Some(from)
    }

    /// A node is gone: who gets pieces from it will say that none come.
    pub(super) fn gone(&mut self, node: NodeId) {
        let Some(gone) = self.nodes.remove(&node) else { return };
        for has in gone.pieces {
            if let Has::Asked(Some(from)) = has
                && let Some(from) = self.nodes.get_mut(&from)
            {
                from.busy = from.busy.saturating_sub(1);
            }
        }
    }
}

/// An object that comes in pieces.
pub(super) struct Incoming {
    pub(super) fetch: u64,
    pub(super) owner: NodeId,
    pub(super) len: usize,
    pub(super) pieces: Vec<Option<Arc<Buffer>>>,
    pub(super) missing: usize,
    /// Questions on their way, and those of them to which a piece that others have is an answer.
    pub(super) asked: usize,
    pub(super) swaps: usize,
    /// What the owner has not heard yet.
    pub(super) got: Vec<u32>,
    pub(super) failed: Vec<u32>,
    /// The owner has said that others want it too.
    pub(super) shared: bool,
}

impl Incoming {
    pub(super) fn new(owner: NodeId, len: usize) -> Incoming {
        let count = pieces(len);
        Incoming {
            fetch: next_sequence(),
            owner,
            len,
            pieces: (0..count).map(|_| None).collect(),
            missing: count,
            asked: 0,
            swaps: 0,
            got: Vec::new(),
            failed: Vec::new(),
            shared: false,
        }
    }

    /// The same, of which the beginning has come by another way.
    pub(super) fn after(owner: NodeId, len: usize, beginning: &[u8]) -> Incoming {
        let mut incoming = Incoming::new(owner, len);
        for (piece, place) in beginning.chunks_exact(PIECE_BYTES).zip(&mut incoming.pieces) {
            let mut bytes = Buffer::for_about(PIECE_BYTES);
            bytes.extend_from_slice(piece);
            *place = Some(Arc::new(bytes));
            incoming.missing -= 1;
        }
        incoming
    }

    /// What was asked for will not come: it is another fetch, of what is missing.
    pub(super) fn begin_again(&mut self) {
        self.fetch = next_sequence();
        (self.asked, self.swaps, self.shared) = (0, 0, false);
        self.failed.clear();
        let there = self.pieces.iter().zip(0..).filter(|(piece, _)| piece.is_some());
        self.got = there.map(|(_, at)| at).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::wire::{Reader, Wire};

    fn object() -> ObjectId {
        ObjectId { node: NodeId(1), index: 0, sequence: 1 }
    }

    /// Nodes take turns, one question each; a piece is there when its node asks next.
    fn play(
        nodes: u32,
        count: usize,
        dies: Option<u32>,
        lets_go: bool,
    ) -> (u32, BTreeMap<NodeId, usize>) {
        let mut swarm = Swarm::new(count * PIECE_BYTES);
        let (mut sent, mut sides) = (0, BTreeMap::new());
        let mut has: Vec<Vec<bool>> = (0..nodes).map(|_| vec![false; count]).collect();
        let mut got: Vec<Vec<u32>> = vec![Vec::new(); nodes as usize];
        let mut lost: Vec<Vec<u32>> = got.clone();
        let mut turns = 0;
        let mut alive: Vec<u32> = (0..nodes).collect();
        while alive.iter().any(|at| !has[*at as usize].iter().all(|has| *has)) {
            turns += 1;
            assert!(turns < 10 * count, "it goes on for ever");
            if turns == count
                && let Some(dead) = dies
            {
                alive.retain(|at| *at != dead);
                swarm.gone(NodeId(dead + 2));
            }
            for at in alive.clone() {
                let by = NodeId(at + 2);
                let known = std::mem::take(&mut got[at as usize]);
                let (failed, swap) = (std::mem::take(&mut lost[at as usize]), turns % 2 == 0);
                let asks =
                    Next { object: object(), fetch: 1, got: known, failed, swap, starves: true };
                let piece = match swarm.next(by, &asks) {
                    Answer::Piece(piece) => {
                        sent += 1;
                        piece
                    }
                    Answer::At(piece, from)
                        if lets_go && has[from.0 as usize - 2].iter().all(|has| *has) =>
                    {
                        lost[at as usize].push(piece);
                        continue;
                    }
                    Answer::At(piece, from) => {
                        assert!(has[from.0 as usize - 2][piece as usize], "{from} has not {piece}");
                        *sides.entry(from).or_default() += 1;
                        piece
                    }
                    _ => continue,
                };
                assert!(!std::mem::replace(&mut has[at as usize][piece as usize], true));
                got[at as usize].push(piece);
            }
        }
        (sent, sides)
    }

    #[test]
    fn the_owner_sends_each_piece_about_once() {
        for (nodes, count) in [(2, 10), (4, 50), (8, 64), (16, 40)] {
            let (sent, sides) = play(nodes, count, None, false);
            assert!(sent as usize <= count + count / 5 + 2, "{nodes} nodes, {count}: {sent}");
            let all: usize = sides.values().sum();
            assert_eq!(all + sent as usize, nodes as usize * count);
            // None of them has to send much more than the object.
            assert!(sides.values().all(|sent| *sent <= 2 * count), "{sides:?}");
        }
    }

    #[test]
    fn what_a_dead_node_had_comes_from_others() {
        let (sent, _) = play(4, 40, Some(2), false);
        assert!(sent <= 2 * 40, "{sent}");
    }

    /// Who has it whole may let it go at once.
    #[test]
    fn who_has_let_it_go_is_asked_no_more() {
        for nodes in [2, 4, 8] {
            let (sent, _) = play(nodes, 40, None, true);
            assert!(sent <= nodes * 40, "{sent}");
        }
    }

    /// A node may let the object go, and want it again while others still hold it.
    #[test]
    fn who_fetches_it_once_more_gets_all_of_it_once_more() {
        let mut swarm = Swarm::new(3 * PIECE_BYTES);
        for fetch in 1..4 {
            let mut got = Vec::new();
            for _ in 0..3 {
                let (failed, swap, starves) = (Vec::new(), false, true);
                let known = std::mem::take(&mut got);
                let asks = Next { object: object(), fetch, got: known, failed, swap, starves };
                match swarm.next(NodeId(2), &asks) {
                    Answer::Piece(piece) => got.push(piece),
                    other => panic!("fetch {fetch}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn pieces_cover_the_whole() {
        for len in [1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES + 7] {
            let all = (0..pieces(len) as u32).map(|piece| range(piece, len).expect("in it"));
            assert_eq!(all.map(|range| range.len()).sum::<usize>(), len);
            assert_eq!(range(pieces(len) as u32, len), None);
            assert_eq!(range(u32::MAX, len), None);
        }
    }

    #[test]
    fn words_come_out_as_they_went_in() {
        let next = Next {
            object: object(),
            fetch: 3,
            got: vec![1, 2],
            failed: vec![3],
            swap: true,
            starves: false,
        };
        for question in [Question::Next(next), Question::Piece { object: object(), piece: 9 }] {
            let mut bytes = Vec::new();
            question.put(&mut bytes);
            assert_eq!(Question::take(&mut Reader::new(&bytes)), Some(question));
            for len in 0..bytes.len() {
                assert_eq!(Question::take(&mut Reader::new(&bytes[..len])), None);
            }
        }
        for answer in
            [Answer::Whole, Answer::Piece(5), Answer::At(1, NodeId(2)), Answer::Wait, Answer::None]
        {
            let mut bytes = Vec::new();
            answer.put(&mut bytes);
            assert_eq!(Answer::take(&mut Reader::new(&bytes)), Some(answer));
        }
    }
}
