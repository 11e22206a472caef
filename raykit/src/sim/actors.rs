//! What a host knows of actors: its own, and those of others that it calls.

use crate::base::NodeId;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct Actors {
    /// Rounds of calls that are still to be made.
    pub(super) rounds_left: u32,
    /// The number of the next call, by the actor's node and the caller here.
    pub(super) next: BTreeMap<(NodeId, u32), u32>,
    /// Of the own actor: how many calls have come, and how many were begun or passed over, by the
    /// caller.
    pub(super) come: BTreeMap<(NodeId, u32), u32>,
    pub(super) begun: BTreeMap<(NodeId, u32), u32>,
}
