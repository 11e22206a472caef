//! What the alcoves of the brain have in common while one event is handled: the time, the
//! deadlines, and where they put what they want done.

use super::event::Action;
use super::timer::Timers;
use super::wire::Frame;
use crate::base::NodeId;
use crate::base::moment::Moment;
use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct Context {
    pub(super) now: Moment,
    pub(super) timers: Timers,
    pub(super) actions: VecDeque<Action>,
    /// Frames for other nodes, in the order in which they are to arrive.
    pub(super) frames: VecDeque<(NodeId, Frame)>,
    pub(super) notes: VecDeque<Note>,
}

/// What one alcove of the brain has the others know.
#[derive(Debug)]
pub(super) enum Note {
    /// A frame of this node for the other alcoves.
    Frame(NodeId, Frame),
    Joined(NodeId),
    Gone(NodeId, String),
    /// What others have to do or to give has changed.
    Loads,
}
