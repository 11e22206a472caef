//! What of a node is set aside for placement groups. Tasks ask for it by names of its own, so that
//! it is counted as any other resource; the GPUs among it are told apart by their indices.

use super::gpus::{Gpus, Share};
use crate::base::PlacementGroupId;
use crate::base::quantity::{Amount, Resources};

#[derive(Default)]
pub(super) struct Aside {
    /// All of it, by the names that tasks ask for it by.
    pub(super) all: Resources,
    /// The GPUs of each group, and the name of these.
    pools: Vec<(PlacementGroupId, String, Gpus)>,
    /// Groups that have ended, and what is free again when the last task has given back its part.
    ending: Vec<(PlacementGroupId, Resources)>,
}

impl Aside {
    /// The GPUs among which a request has its own, if it asks for some of a group, and how many.
    pub(super) fn pool_of(&mut self, want: &Resources) -> Option<(&mut Gpus, Amount)> {
        if want.named.is_empty() {
            return None;
        }
        self.pools.iter_mut().find_map(|(_, name, pool)| {
            let wanted = want.named.iter().find(|(wanted, _)| wanted == name)?;
            Some((pool, wanted.1))
        })
    }

    /// More of a group can be asked for.
    pub(super) fn add(&mut self, group: PlacementGroupId, named: &Resources, gpus: &[Share]) {
        self.all.add(named);
        if gpus.is_empty() {
            return;
        }
        match self.pools.iter_mut().find(|(of, _, _)| *of == group) {
            Some((_, _, pool)) => pool.give(gpus),
            None => {
                let name = format!("{group}{}", Resources::GPU_OF_BUNDLE);
                self.pools.push((group, name, Gpus::of(gpus)));
            }
        }
    }

    /// A group has ended.
    pub(super) fn end(&mut self, group: PlacementGroupId, real: &Resources) {
        self.ending.push((group, real.clone()));
    }

    pub(super) fn has_ended(&self, want: &Resources) -> bool {
        self.ending.iter().any(|(group, _)| want.is_of_group(*group))
    }

    /// Forgets the groups that have ended and of which no task uses anything. What they had.
    pub(super) fn settle(&mut self, rest: &mut Resources) -> Resources {
        let mut back = Resources::NOTHING;
        let Aside { all, pools, ending } = self;
        ending.retain(|(group, real)| {
            if !all.of_group(*group).fits(rest) {
                return true;
            }
            rest.forget_group(*group);
            all.forget_group(*group);
            pools.retain(|(of, _, _)| of != group);
            back.add(real);
            back.gpus.extend(real.gpus.iter().copied());
            false
        });
        back
    }
}
