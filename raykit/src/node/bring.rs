//! Large objects of other nodes, on their way here and on to others: the hands' part in `swarm`.

use super::cluster::{Cluster, Fetch, Post};
use super::hands::{Hands, Road};
use super::post::Asked;
use super::request;
use super::survey;
use super::swarm::{self, Answer, Incoming, Next, Question, Swarm};
use crate::base::limits::PIECES_AHEAD;
use crate::base::thread;
use crate::base::{NodeId, ObjectId};
use crate::object::buffer::Buffer;
use crate::object::codec::Sealed;
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::value::Value;
use crate::proto::wire::{Reader, Wire};
use std::sync::Arc;

impl Hands {
    /// Brings an object here from its owner.
    pub(super) fn bring(&mut self, object: ObjectId, len: u64, road: &mut dyn Road) {
        let owner = object.node;
        let whole = usize::try_from(len).ok().filter(|_| swarm::is_large(len));
        let Some(len) = whole.filter(|_| !self.cluster.is_near(owner)) else {
            return road.fetch(owner, Fetch::Object(object));
        };
        self.incoming.insert(object, Incoming::new(owner, len));
        self.ask_next(object, false, road);
    }

    /// Goes on with what a lost link has broken off.
    pub(super) fn resume(&mut self, object: ObjectId, road: &mut dyn Road) {
        let Some(incoming) = self.incoming.get_mut(&object) else { return };
        incoming.begin_again();
        match incoming.missing {
            0 => self.complete(object, road),
            _ => self.ask_next(object, false, road),
        }
    }

    fn ask_next(&mut self, object: ObjectId, swap: bool, road: &mut dyn Road) {
        let Some(incoming) = self.incoming.get_mut(&object) else { return };
        let (got, failed) =
            (std::mem::take(&mut incoming.got), std::mem::take(&mut incoming.failed));
        let starves = incoming.asked == 0;
        incoming.asked += 1;
        incoming.swaps += usize::from(swap);
        let fetch = incoming.fetch;
        let next = Question::Next(Next { object, fetch, got, failed, swap, starves });
        let asked = Asked { object, fetch, piece: None, swap, starves };
        send(&self.cluster, road, incoming.owner, next, asked);
    }

    /// Asks for more, as long as there is room on the road.
    fn go_on(&mut self, object: ObjectId, road: &mut dyn Road) {
        while let Some(incoming) = self.incoming.get(&object)
            && incoming.shared
            && incoming.asked < PIECES_AHEAD.min(incoming.missing)
        {
            let swap = incoming.swaps < PIECES_AHEAD / 2;
            self.ask_next(object, swap, road);
        }
    }

    /// The answer to a question for a piece, or that there will be none.
    pub(super) fn piece(&mut self, asked: &Asked, bytes: Result<Buffer>, road: &mut dyn Road) {
        let Asked { object, fetch, piece, swap, starves } = *asked;
        let present = |incoming: &&mut Incoming| incoming.fetch == fetch && incoming.missing > 0;
        let Some(incoming) = self.incoming.get_mut(&object).filter(present) else { return };
        incoming.asked -= 1;
        incoming.swaps -= usize::from(swap);
        let answer = bytes.map(|bytes| {
            let mut reader = Reader::new(&bytes);
            let answer = Answer::take(&mut reader).unwrap_or(Answer::None);
            let rest = bytes.len() - reader.rest().len();
            (answer, bytes, rest)
        });
        match (answer, piece) {
            (Ok((Answer::Whole, ..)), None) => {
                let owner = incoming.owner;
                self.incoming.remove(&object);
                return road.fetch(owner, Fetch::Object(object));
            }
            (Ok((Answer::Piece(at), bytes, from)), _) if piece.is_none_or(|asked| asked == at) => {
                incoming.shared = true;
                let right = swarm::range(at, incoming.len).map(|range| range.len());
                match incoming.pieces.get_mut(at as usize) {
                    // Its owner has not heard that it is there.
                    Some(Some(_)) => incoming.got.push(at),
                    Some(place) if right == Some(bytes.len() - from) => {
                        *place = Some(Arc::new(survey::buffer(&bytes[from..])));
                        incoming.missing -= 1;
                        incoming.got.push(at);
                    }
                    _ => incoming.failed.push(at),
                }
            }
            (Ok((Answer::At(at, node), ..)), None) => {
                incoming.shared = true;
                incoming.asked += 1;
                incoming.swaps += usize::from(swap);
                let question = Question::Piece { object, piece: at };
                let asked = Asked { object, fetch, piece: Some(at), swap, starves };
                return send(&self.cluster, road, node, question, asked);
            }
            // Another piece comes first, and then it is asked again.
            (Ok((Answer::Wait, ..)), None) if incoming.asked > 0 => return,
            (_, Some(at)) => incoming.failed.push(at),
            // What was on its way when this was asked has not come.
            (Ok((Answer::Wait, ..)), None) if !starves => {}
            // The owner has heard what is missing.
            (Ok((Answer::Wait, ..)), None) => {
                return self.fails(object, "its owner gives none of it", road);
            }
            (Ok(_), None) => return self.fails(object, "its owner does not keep it", road),
            (Err(error), None) => {
                return self.fetched(Fetch::Object(object), Err(error), None, road);
            }
        }
        if incoming.missing == 0 {
            return self.complete(object, road);
        }
        if incoming.asked == 0 {
            self.ask_next(object, false, road);
        }
        self.go_on(object, road);
    }

    fn complete(&mut self, object: ObjectId, road: &mut dyn Road) {
        // The owner hears of the last pieces too: others may be sent for them.
        self.ask_next(object, true, road);
        let Some(incoming) = self.incoming.get(&object) else { return };
        // They stay here, to be given on, until they are one; and that is no work for this thread.
        let (pieces, len) = (incoming.pieces.clone(), incoming.len);
        let cluster = Arc::clone(&self.cluster);
        let join = move || {
            let mut whole = Buffer::for_about(len);
            pieces.iter().flatten().for_each(|piece| whole.extend_from_slice(piece));
            cluster.post(Post::Fetched {
                what: Fetch::Object(object),
                bytes: Ok(whole),
                got: None,
            });
        };
        if let Err(error) = thread::spawn("raykit-join".to_owned(), None, join) {
            self.fails(object, &error.to_string(), road);
        }
    }

    fn fails(&mut self, object: ObjectId, why: &str, road: &mut dyn Road) {
        let error = Error::new(ErrorKind::ObjectLost, format!("{object} cannot be fetched: {why}"));
        self.fetched(Fetch::Object(object), Err(error), None, road);
    }

    /// The bytes that another node asks for.
    pub(super) fn serve(&self, request: &[u8]) -> Option<Arc<Sealed>> {
        match Fetch::take(&mut Reader::new(request))? {
            Fetch::Object(object) => self.exports.get(&object).cloned(),
            Fetch::Result { lease, index } => self.parked.get(&lease)?.get(index as usize)?.clone(),
        }
    }

    /// The answer to such a question of another node.
    pub(super) fn answer_of_swarm(&mut self, by: NodeId, asked: &[u8]) -> Option<Vec<u8>> {
        let question = request::read(request::SWARM, asked)?;
        let mut out = Vec::new();
        match question {
            Question::Next(next) => self.next_piece(by, &next, &mut out),
            Question::Piece { object, piece } => self.put_piece(object, piece, &mut out),
        }
        Some(out)
    }

    fn next_piece(&mut self, by: NodeId, next: &Next, out: &mut Vec<u8>) {
        let Some(sealed) = self.exports.get(&next.object).cloned() else {
            return Answer::None.put(out);
        };
        let alone = self.machine.holders(next.object) < 2 && next.got.is_empty();
        if alone && !self.swarms.contains_key(&next.object) {
            return Answer::Whole.put(out);
        }
        let new = || Swarm::new(sealed.len());
        let answer = self.swarms.entry(next.object).or_insert_with(new).next(by, next);
        answer.put(out);
        if let Answer::Piece(piece) = answer {
            let range = swarm::range(piece, sealed.len());
            range.into_iter().for_each(|range| out.extend_from_slice(&sealed.bytes()[range]));
        }
    }

    /// A piece of an object that is here, or on its way here.
    fn put_piece(&self, object: ObjectId, piece: u32, out: &mut Vec<u8>) {
        let mut put = |bytes: &[u8]| {
            Answer::Piece(piece).put(out);
            out.extend_from_slice(bytes);
        };
        if let Some(incoming) = self.incoming.get(&object) {
            match incoming.pieces.get(piece as usize) {
                Some(Some(bytes)) => put(bytes),
                _ => Answer::None.put(out),
            }
            return;
        }
        match self.sealed(object) {
            Some(sealed) => match swarm::range(piece, sealed.len()) {
                Some(range) => put(&sealed.bytes()[range]),
                None => Answer::None.put(out),
            },
            None => Answer::None.put(out),
        }
    }

    /// The archive of another node's object that has come.
    fn sealed(&self, object: ObjectId) -> Option<Arc<Sealed>> {
        let held = self.cluster.held(object)?;
        match held.outcome()?.as_ref().ok()?.value() {
            Value::Sealed(sealed) => Some(Arc::clone(sealed)),
            _ => None,
        }
    }
}

fn send(cluster: &Arc<Cluster>, road: &mut dyn Road, to: NodeId, question: Question, asked: Asked) {
    let request = request::write(request::SWARM, &question);
    let post = Answered { cluster: Arc::clone(cluster), asked: Some(asked) };
    road.ask(to, request, Box::new(move |bytes| post.with(bytes)));
}

/// Posts the answer, or that there is none if it is dropped before.
struct Answered {
    cluster: Arc<Cluster>,
    asked: Option<Asked>,
}

impl Answered {
    fn with(mut self, bytes: Result<Buffer>) {
        if let Some(asked) = self.asked.take() {
            self.cluster.post(Post::Piece { asked, bytes });
        }
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        if let Some(asked) = self.asked.take() {
            let bytes = Err(Error::new(ErrorKind::Io, "nobody has answered"));
            self.cluster.post(Post::Piece { asked, bytes });
        }
    }
}
