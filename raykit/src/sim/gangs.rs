//! The host's part in placement groups: it wants some, sets aside what is asked for, and gives it
//! back.

use super::bundles::{Bundle, Stage};
use super::claims::cause;
use super::host::{Chore, Host, cpus, ms};
use super::model::Model;
use crate::base::quantity::Resources;
use crate::base::{NodeId, PlacementGroupId, PlacementStrategy};
use crate::proto::event::{Action, Event, Wish};
use crate::proto::wire::{Bytes, Group, LeaseId};

impl Host {
    /// Now and then the host wants a group, and after a while no more.
    pub(super) fn wants_group(&mut self, model: &mut Model) {
        if self.rng.below(6) > 0 {
            return;
        }
        let group = PlacementGroupId { node: self.me, sequence: self.next };
        self.next += 1;
        let wants = (0..1 + self.rng.below(4)).map(|_| cpus(1 + self.rng.below(2))).collect();
        let strategy = match self.rng.below(4) {
            0 => PlacementStrategy::Pack,
            1 => PlacementStrategy::Spread,
            2 => PlacementStrategy::StrictPack,
            _ => PlacementStrategy::StrictSpread,
        };
        let known = Group { wants, strategy, homes: Vec::new() };
        let detached = self.rng.below(8) == 0;
        self.post(model, Event::NewGroup { group, known, detached });
        // Some outlast the time after which what cannot be placed fails.
        let most = if self.rng.below(4) == 0 { 80_000 } else { 6_000 };
        self.chores.push((ms(self.rng.below(most)), Chore::EndGroup(group)));
    }

    /// A node is gone: what it wanted to outlive it the head's host ends one day.
    pub(super) fn inherits_groups(&mut self, node: NodeId) {
        let is_head = self.is_head();
        let own = self.gangs.known.iter().filter(|group| is_head && group.node == node);
        for group in own.copied().collect::<Vec<PlacementGroupId>>() {
            self.chores.push((ms(self.rng.below(6_000)), Chore::EndGroup(group)));
        }
    }

    /// A wish for a bundle of a group that there is, whether this host has heard of it or not.
    pub(super) fn wishes_group(&mut self, model: &Model) -> Option<Wish> {
        let all: Vec<(PlacementGroupId, usize)> =
            model.groups.iter().map(|(group, count)| (*group, *count)).collect();
        let (group, count) = self.choice(&all)?;
        let bundle = (self.rng.below(2) == 0).then(|| self.rng.below(count) as u32);
        Some(Wish::Group { group, bundle })
    }

    /// Does what the brain wants done about groups.
    pub(super) fn of_groups(&mut self, model: &mut Model, action: Action) {
        match action {
            Action::Reserve { group, attempt, bundle, want } => {
                let new = Bundle { attempt, want, stage: Stage::Asked };
                if let Some(old) = self.gangs.bundles.insert((group, bundle), new) {
                    let me = self.me;
                    model
                        .fail(format!("I11: {me} is to set {group}.{bundle} aside twice: {old:?}"));
                }
            }
            Action::Unreserve { group, attempt } => {
                let (free, bundles) = (&mut self.free, &mut self.gangs.bundles);
                bundles.retain(|(of, _), bundle| {
                    let open = matches!(bundle.stage, Stage::Asked | Stage::SetAside);
                    let goes = *of == group && bundle.attempt == attempt && open;
                    if goes && bundle.stage == Stage::SetAside {
                        free.give(&bundle.want);
                    }
                    !goes
                });
            }
            Action::GroupLies { group, known } => self.lies(model, group, &known),
            Action::GroupEnded { group, .. } => self.ended(model, group),
            _ => {}
        }
    }

    fn lies(&mut self, model: &mut Model, group: PlacementGroupId, known: &Group) {
        self.gangs.known.insert(group);
        if self.is_head() {
            model.groups.insert(group, known.wants.len());
        }
        for (home, at) in known.homes.iter().zip(0_u32..) {
            if *home != Some(self.me) {
                continue;
            }
            match self.gangs.bundles.get_mut(&(group, at)) {
                Some(bundle) if bundle.stage == Stage::SetAside => {
                    bundle.stage = Stage::Lies;
                    let named = bundle.want.in_group(group, Some(at));
                    self.total.add(&named);
                    self.free.add(&named);
                }
                Some(bundle) if bundle.stage == Stage::Lies => {}
                other => {
                    let me = self.me;
                    let text = format!("I11: {group}.{at} is to lie on {me}, which has {other:?}");
                    model.fail_of([me], text);
                }
            }
        }
    }

    fn ended(&mut self, model: &mut Model, group: PlacementGroupId) {
        self.gangs.known.remove(&group);
        if self.is_head() {
            model.groups.remove(&group);
        }
        for ((of, _), bundle) in &mut self.gangs.bundles {
            if *of == group {
                bundle.stage = match bundle.stage {
                    Stage::Asked => {
                        bundle.want = Resources::NOTHING;
                        Stage::SetAside
                    }
                    other => other,
                };
                if bundle.stage == Stage::Lies {
                    bundle.stage = Stage::Ends;
                }
            }
        }
        // What was only set aside nobody can be using.
        let (free, bundles) = (&mut self.free, &mut self.gangs.bundles);
        bundles.retain(|(of, _), bundle| {
            let goes = *of == group && bundle.stage == Stage::SetAside;
            if goes {
                free.give(&bundle.want);
            }
            !goes
        });
        let waits =
            |lease: &&LeaseId| self.jobs.get(*lease).is_some_and(|job| job.want.is_of_group(group));
        let waiting: Vec<LeaseId> = self.queue.iter().filter(waits).copied().collect();
        for lease in waiting {
            self.dequeue(model, lease);
            if lease.task.node == self.me {
                self.fail(model, lease.task, cause::INFEASIBLE);
            } else {
                let why = Bytes::from(*b"the group has ended");
                self.post(model, Event::Refused { lease, why });
            }
        }
    }

    /// Sets aside what it can, and gives back what nobody uses any more.
    pub(super) fn tends_groups(&mut self, model: &mut Model) {
        let mut set_aside = Vec::new();
        for ((group, at), bundle) in &mut self.gangs.bundles {
            if bundle.stage == Stage::Asked && self.free.take(&bundle.want) {
                bundle.stage = Stage::SetAside;
                set_aside.push((*group, bundle.attempt, *at));
            }
        }
        for (group, attempt, bundle) in set_aside {
            self.post(model, Event::Reserved { group, attempt, bundle });
        }
        let ends = self.gangs.bundles.iter().filter(|(_, bundle)| bundle.stage == Stage::Ends);
        let ends: Vec<(PlacementGroupId, u32)> = ends.map(|(id, _)| *id).collect();
        for (group, at) in ends {
            let used = self.jobs.values().any(|job| job.running && job.want.is_of_group(group));
            if let Some(bundle) = self.gangs.bundles.get(&(group, at)).filter(|_| !used) {
                let named = bundle.want.in_group(group, Some(at));
                let was_whole = self.free.take(&named) && self.total.take(&named);
                self.free.give(&bundle.want);
                if !was_whole {
                    let text = format!("I11: {} lacks something of {group}.{at}", self.me);
                    model.fail_of([self.me], text);
                }
                self.gangs.bundles.remove(&(group, at));
                if self.gangs.bundles.keys().all(|(of, _)| *of != group) {
                    self.total.forget_group(group);
                    self.free.forget_group(group);
                }
            }
        }
    }
}
