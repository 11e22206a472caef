//! How an actor is made on a node other than the one that wants it: its constructor and options, as
//! they travel. What it asks for in resources travels beside them, as for any call.

use crate::actor::options::ActorOptions;
use crate::base::{ActorId, NodeId, PlacementGroupId, Strategy};
use crate::proto::wire::record;
use crate::task::function::Function;
use std::borrow::Cow;
use std::time::Duration;

pub(super) struct Plan {
    pub(super) constructor: &'static Function,
    pub(super) options: ActorOptions,
    /// The head is to have it made somewhere, and to keep it.
    pub(super) by_head: bool,
}

/// The options that travel. Those of the type (its groups, whether it is pinned) do not.
pub(super) struct Written {
    max_restarts: u32,
    /// Milliseconds.
    restart_window: Option<u64>,
    max_retries: u32,
    max_concurrency: u32,
    max_pending: u32,
    checkpoint_every: u32,
    priority: Option<u32>,
    out_of_order: bool,
    name: Option<String>,
    namespace: Option<String>,
    get_if_exists: bool,
    detached: bool,
    strategy: (u32, NodeId),
    group: Option<(PlacementGroupId, Option<u32>)>,
    known_as: (NodeId, u64),
    lost_before: u64,
    pub(super) by_head: bool,
}
record!(Written {
    max_restarts,
    restart_window,
    max_retries,
    max_concurrency,
    max_pending,
    checkpoint_every,
    priority,
    out_of_order,
    name,
    namespace,
    get_if_exists,
    detached,
    strategy,
    group,
    known_as,
    lost_before,
    by_head,
});

impl Plan {
    pub(super) fn write(&self) -> Written {
        let own = &self.options;
        let id = own.known_as.unwrap_or(ActorId { node: NodeId(0), sequence: 0 });
        Written {
            max_restarts: own.max_restarts,
            restart_window: own.restart_window.map(|window| window.as_millis() as u64),
            max_retries: own.max_retries,
            max_concurrency: own.max_concurrency,
            max_pending: own.max_pending,
            checkpoint_every: own.checkpoint_every,
            priority: own.priority.map(|priority| priority as u32),
            out_of_order: own.out_of_order,
            name: own.name.as_ref().map(|name| name.to_string()),
            namespace: own.namespace.as_ref().map(|name| name.to_string()),
            get_if_exists: own.get_if_exists && self.by_head,
            detached: own.detached && self.by_head,
            strategy: match own.strategy {
                Strategy::Default | Strategy::Group { .. } => (0, NodeId(0)),
                Strategy::Spread => (1, NodeId(0)),
                Strategy::Node { node, soft: false } => (2, node),
                Strategy::Node { node, soft: true } => (3, node),
            },
            // What a bundle has to give is asked for already, but for what the head is to see to.
            group: match own.strategy {
                Strategy::Group { group, bundle } if self.by_head => Some((group, bundle)),
                _ => None,
            },
            known_as: (id.node, id.sequence),
            lost_before: own.lost_before,
            by_head: self.by_head,
        }
    }
}

impl Written {
    /// The options of an actor of this type, the resources left out.
    pub(super) fn read(self, defaults: &ActorOptions) -> ActorOptions {
        let (which, node) = self.strategy;
        let (creator, sequence) = self.known_as;
        ActorOptions {
            max_restarts: self.max_restarts,
            restart_window: self.restart_window.map(Duration::from_millis),
            max_retries: self.max_retries,
            max_concurrency: self.max_concurrency,
            max_pending: self.max_pending,
            checkpoint_every: self.checkpoint_every,
            priority: self.priority.map(|priority| priority as i32),
            out_of_order: self.out_of_order,
            name: self.name.map(Cow::Owned),
            namespace: self.namespace.map(Cow::Owned),
            detached: self.detached,
            strategy: match (self.group, which) {
                (Some((group, bundle)), _) => Strategy::Group { group, bundle },
                (None, 1) => Strategy::Spread,
                (None, 2) => Strategy::Node { node, soft: false },
                (None, 3) => Strategy::Node { node, soft: true },
                (None, _) => Strategy::Default,
            },
            known_as: Some(ActorId { node: creator, sequence }),
            lost_before: self.lost_before,
            get_if_exists: self.get_if_exists,
            supervisor: None,
            ..defaults.clone()
        }
    }
}
