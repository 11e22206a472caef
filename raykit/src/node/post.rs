//! The words that a node's threads leave for the hands of its cluster's brain.

use super::request;
use super::task::Task;
use crate::base::{NodeId, ObjectId, PlacementGroupId, Strategy};
use crate::object::buffer::Buffer;
use crate::object::codec::Sealed;
use crate::object::error::Result;
use crate::object::raw::RawRef;
use crate::proto::event::{Offer, Wish};
use crate::proto::wire::{Group, LeaseId, Reader, Wire};
use std::sync::Arc;

/// A task that is not here.
pub(super) struct Away {
    pub(super) lease: LeaseId,
    pub(super) task: Arc<Task>,
    /// Until the brain has it: what it is told, but for the objects in it, which are `refs`.
    pub(super) offer: Option<Box<Offer>>,
    pub(super) refs: Vec<RawRef>,
}

/// Bytes of another node that are on their way here.
pub(super) struct Coming {
    pub(super) from: NodeId,
    pub(super) len: u64,
    /// The references inside of the value.
    pub(super) refs: Vec<RawRef>,
    /// How many links there had been to that node when they were asked for.
    pub(super) links: u64,
    /// They will be asked for when there is another one.
    pub(super) waits: bool,
    pub(super) tries: u32,
}

/// Where a task goes that has come back.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Here,
    /// As if it were new.
    Anywhere,
}

/// A value or an error on its way out.
pub(super) enum Packed {
    /// Small enough to go with the word that it is there.
    Inline(Arc<Sealed>),
    /// It is kept here until somebody comes for it.
    Large(Arc<Sealed>),
    Failed(Arc<Sealed>),
}

/// A word to the hands.
pub(super) enum Post {
    Offer {
        lease: LeaseId,
        wish: Wish,
    },
    /// Something for that node and no other.
    Call {
        lease: LeaseId,
        home: NodeId,
    },
    Withdraw(LeaseId),
    /// A task of another node has run here.
    Ran {
        lease: LeaseId,
        results: Vec<Packed>,
    },
    /// The next item of a stream that runs here for another node.
    Item {
        lease: LeaseId,
        packed: Packed,
    },
    /// So many items of an own stream that runs elsewhere are in line here.
    Credit {
        lease: LeaseId,
        items: u64,
    },
    /// An object that others wait for is there.
    Sealed {
        object: ObjectId,
        packed: Packed,
    },
    /// The task that makes another node's object is to be cancelled.
    Cancel(ObjectId),
    /// Somebody here waits for an object, which may lie elsewhere.
    Want(ObjectId),
    Dropped {
        object: ObjectId,
        generation: u64,
    },
    /// Bytes have come that were asked for, or will not.
    Fetched {
        what: Fetch,
        bytes: Result<Buffer>,
        /// What had come when the link ended.
        got: Option<Buffer>,
    },
    /// A placement group is wanted.
    NewGroup {
        group: PlacementGroupId,
        known: Group,
        detached: bool,
    },
    EndGroup(PlacementGroupId),
    /// What a bundle asks for is set aside here.
    Reserved {
        group: PlacementGroupId,
        attempt: u64,
        bundle: u32,
    },
    /// Something is asked of another node, or of this one's hands.
    Ask {
        to: NodeId,
        request: Vec<u8>,
        told: Box<dyn FnOnce(Result<Buffer>) + Send>,
    },
    /// The answer to a question for a piece of an object.
    Piece {
        asked: Asked,
        bytes: Result<Buffer>,
    },
    Leave(String),
}

/// What was asked for: a piece that somebody has, or whichever is next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) object: ObjectId,
    pub(super) fetch: u64,
    pub(super) piece: Option<u32>,
    pub(super) swap: bool,
    /// Nothing else was on its way.
    pub(super) starves: bool,
}

/// What bytes are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fetch {
    Object(ObjectId),
    /// A result of a task that ran elsewhere.
    Result {
        lease: LeaseId,
        index: u32,
    },
}

/// What bytes are for, as it stands in a request.
impl Wire for Fetch {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(match self {
            Fetch::Object(object) => request::write(request::OBJECT, object),
            Fetch::Result { lease, index } => request::write(request::RESULT, &(*lease, *index)),
        });
    }
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        Some(match u8::take(from)? {
            request::OBJECT => Fetch::Object(Wire::take(from)?),
            request::RESULT => Fetch::Result { lease: Wire::take(from)?, index: Wire::take(from)? },
            _ => return None,
        })
    }
}

/// The brain's word for it.
pub(super) fn wish(strategy: Strategy) -> Wish {
    match strategy {
        Strategy::Spread => Wish::Spread,
        Strategy::Node { node, soft } => Wish::At { node, soft },
        Strategy::Group { group, bundle } => Wish::Group { group, bundle },
        Strategy::Default => Wish::Anywhere,
    }
}
