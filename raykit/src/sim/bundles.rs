//! What a host has set aside for the bundles of placement groups.

use crate::base::PlacementGroupId;
use crate::base::quantity::Resources;
use std::collections::{BTreeMap, BTreeSet};

/// What is set aside for one bundle.
#[derive(Debug)]
pub(super) struct Bundle {
    pub(super) attempt: u64,
    pub(super) want: Resources,
    pub(super) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits until that much is free.
    Asked,
    SetAside,
    /// It is for tasks that ask for it.
    Lies,
    /// As soon as no task uses it, it is free.
    Ends,
}

#[derive(Debug, Default)]
pub(super) struct Gangs {
    pub(super) bundles: BTreeMap<(PlacementGroupId, u32), Bundle>,
    /// All groups of the cluster that this host has heard of.
    pub(super) known: BTreeSet<PlacementGroupId>,
}

impl Gangs {
    pub(super) fn is_empty(&self) -> bool {
        self.bundles.is_empty() && self.known.is_empty()
    }

    /// Whether a task asks for what is set aside for a group that has ended.
    pub(super) fn is_over(&self, want: &Resources) -> bool {
        let ends = self.bundles.iter().filter(|(_, bundle)| bundle.stage == Stage::Ends);
        ends.map(|((group, _), _)| *group).any(|group| want.is_of_group(group))
    }
}
