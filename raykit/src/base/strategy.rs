//! `Strategy`: where a call should run, or an actor live; and `PlacementStrategy`, the same for the
//! bundles of a placement group.

use super::id::{NodeId, PlacementGroupId};

/// Where a call should run, or an actor live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strategy {
    /// Here first, then where there is room.
    #[default]
    Default,
    /// Evenly over all nodes. On one node, the same as the default.
    Spread,
    /// On this node.
    Node {
        /// Which.
        node: NodeId,
        /// Elsewhere if that one is gone; otherwise there is an error when none such has come for a
        /// while.
        soft: bool,
    },
    /// On what a placement group has reserved; [`PlacementGroup::bundle`] and
    /// [`PlacementGroup::any`] give this.
    ///
    /// [`PlacementGroup::bundle`]: crate::PlacementGroup::bundle
    /// [`PlacementGroup::any`]: crate::PlacementGroup::any
    Group {
        /// Which.
        group: PlacementGroupId,
        /// The bundle; `None`: whichever has room.
        bundle: Option<u32>,
    },
}

/// How the bundles of a placement group lie on nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlacementStrategy {
    /// On as few nodes as can be.
    #[default]
    Pack,
    /// On different nodes, as far as there are so many.
    Spread,
    /// All on one node, or there is no group.
    StrictPack,
    /// Each on a node of its own, or there is no group.
    StrictSpread,
}
