//! Both ends of a stream: how far its producer is, and who reads it.

use super::program::Program;
use crate::base::{NodeId, ObjectId};
use crate::proto::wire::Outcome;
use std::collections::VecDeque;

/// How far the producer is.
#[derive(Debug, Default)]
pub(super) struct Flow {
    pub(super) sent: u32,
    /// Of these so many are known to be taken.
    pub(super) known: u32,
    /// It waits until more are.
    pub(super) parked: bool,
    /// It is to end at its next step.
    pub(super) over: bool,
}

/// Who reads a stream.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) program: Program,
    pub(super) args: Vec<ObjectId>,
    /// The attempt whose items come, how many have come of it, and how many of those its producer
    /// knows to be taken.
    pub(super) attempt: u32,
    /// Who gives them, where that is another node.
    pub(super) by: Option<NodeId>,
    pub(super) come: u32,
    pub(super) credited: u32,
    pub(super) line: VecDeque<Outcome>,
    pub(super) taken: u32,
    /// It takes no more than that.
    pub(super) stops_at: u32,
    pub(super) slow: bool,
    /// A step of it is to come.
    pub(super) awake: bool,
    pub(super) ended: bool,
}
