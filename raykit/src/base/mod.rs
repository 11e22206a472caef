//! Words that every room shares: ids, moments, quantities, limits, chance and the primitives of
//! synchronisation. This floor names nothing but the standard library and, for the locks,
//! parking_lot (loom stands in for both when the schedules of small cases are enumerated).
//!
//! Absent on purpose: tasks, objects, and threads of its own. `thread` and `clock` are how other
//! rooms wait and tell the time, so that a simulation can stand in for both.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
pub(crate) mod rng;
#[cfg(feature = "sim")]
pub(crate) mod lineup;
#[cfg(feature = "sim")]
pub(crate) mod turns;
pub(crate) mod thread;
pub(crate) mod clock;
pub(crate) mod channel;
pub(crate) mod maps;
pub(crate) mod id;
pub(crate) mod inorder;
pub(crate) mod labels;
pub(crate) mod limits;
pub(crate) mod moment;
pub(crate) mod quiet;
pub(crate) mod quantity;
pub(crate) mod shards;
pub(crate) mod spin;
pub(crate) mod strategy;
pub(crate) mod sync;

/// The target of words in the log that tell who came and went, and what was done with tokens.
pub(crate) const AUDIT: &str = "raykit::audit";

pub use id::{ActorId, NodeId, ObjectId, PlacementGroupId, TaskId};
pub use strategy::{PlacementStrategy, Strategy};
