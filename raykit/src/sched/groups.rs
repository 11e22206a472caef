//! A node's account, as far as placement groups are concerned.

use super::budget::{Budget, Jobs, State};
use super::gpus::{Gpus, Share};
use crate::base::PlacementGroupId;
use crate::base::quantity::{Amount, Resources};
use crate::base::sync::{Arc, Ordering};

impl State {
    /// The GPUs among which a request has its own, and how many it asks for.
    pub(super) fn pool_of(&mut self, want: &Resources) -> (&mut Gpus, Amount) {
        match self.aside.pool_of(want) {
            Some(found) => found,
            None => (&mut self.gpus, want.gpu),
        }
    }

    /// Gives back what was set aside for groups that have ended, as far as no task uses any of it.
    /// The CPUs are returned.
    pub(super) fn settle_groups(&mut self) -> Amount {
        let back = self.aside.settle(&mut self.rest);
        self.rest.give(&Resources { cpu: Amount::ZERO, ..back.clone() });
        self.gpus.give(&back.gpus);
        back.cpu
    }
}

impl Budget {
    /// Tasks may ask for this, and will have to wait until it is set aside.
    pub(crate) fn announce(&self, named: &Resources) {
        self.state.lock().rest.add_names(named);
    }

    /// What was granted to the bundles of a placement group can be asked for by these names.
    /// Returns the jobs that can run now.
    #[must_use]
    pub(crate) fn set_aside(
        &self,
        group: PlacementGroupId,
        named: &Resources,
        gpus: &[Share],
    ) -> Jobs {
        {
            let mut state = self.state.lock();
            state.rest.add(named);
            state.aside.add(group, named, gpus);
        }
        self.serve()
    }

    /// A group has ended: `real` is what was set aside for it, and is free again when no task uses
    /// any of it. Returns the jobs that can run now, and those that asked for it in vain.
    #[must_use]
    pub(crate) fn end_group(&self, group: PlacementGroupId, real: &Resources) -> (Jobs, Jobs) {
        let mut refused = Vec::new();
        let cpu = {
            let mut state = self.state.lock();
            state.requests.retain(|request| {
                let vain = request.want.is_of_group(group);
                if vain {
                    refused.push(Arc::clone(&request.job));
                }
                !vain
            });
            self.hungry.fetch_sub(refused.len(), Ordering::SeqCst);
            state.aside.end(group, real);
            state.settle_groups()
        };
        let mut jobs = self.give_cpu(cpu);
        jobs.extend(self.serve());
        (jobs, refused)
    }

    /// Whether this has all that is asked for by name.
    pub(crate) fn knows(&self, want: &Resources) -> bool {
        want.named.is_empty() || {
            let state = self.state.lock();
            !state.aside.has_ended(want) && want.is_named_in(&state.rest)
        }
    }

    /// What there is in all, by the names of placement groups once more.
    pub(crate) fn whole(&self) -> Resources {
        let mut whole = self.total().clone();
        whole.add(&self.state.lock().aside.all);
        whole
    }
}
