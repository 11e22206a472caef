//! `Strategy`: where a call should run, or an actor live.

use super::id::NodeId;

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
}
