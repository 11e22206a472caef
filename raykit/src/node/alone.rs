//! Placement groups of a node that has no cluster: it has them all to itself. What their bundles
//! ask for is set aside for one group after the other, so that no two wait for each other.

use super::Node;
use super::groups::{Stage, named, sum};
use crate::base::{PlacementGroupId, PlacementStrategy};
use crate::object::error::{Error, ErrorKind, Result};
use crate::proto::wire::Group;
use std::sync::Arc;

impl Node {
    /// Whether a group could lie on this node.
    pub(super) fn could_lie(&self, known: &Group) -> Result<()> {
        let count = known.wants.len();
        if known.strategy == PlacementStrategy::StrictSpread && count > 1 {
            let text =
                format!("{count} bundles are to lie on nodes of their own, and there is one");
            return Err(Error::new(ErrorKind::Unschedulable, text));
        }
        match sum(&known.wants).lacking(self.pool.budget().total()) {
            None => Ok(()),
            Some((name, wanted, had)) => {
                let text = format!(
                    "the bundles ask for {name} = {wanted} together, and this node has {had} in all"
                );
                Err(Error::new(ErrorKind::Unschedulable, text))
            }
        }
    }

    /// Sets all of a group aside here, in its turn.
    pub(super) fn reserve_alone(self: &Arc<Node>, group: PlacementGroupId, known: &Group) {
        // Tasks may ask for it before it is there.
        self.pool.announce(&named(group, known));
        self.groups.state.lock().alone.waiting.push_back(group);
        self.assemble();
    }

    /// Asks for what the first group needs. What is free is granted in the middle of that, so that
    /// the next one may have its turn.
    fn assemble(self: &Arc<Node>) {
        if std::mem::replace(&mut self.groups.state.lock().alone.asking, true) {
            return;
        }
        loop {
            let next = {
                let table = &mut *self.groups.state.lock();
                let first = table.alone.waiting.front().filter(|_| !table.alone.asked);
                let known = first.and_then(|group| {
                    let known = table.groups.get(group)?.known.as_ref()?;
                    Some((*group, known.wants.clone()))
                });
                table.alone.asked |= known.is_some();
                table.alone.asking = known.is_some();
                known
            };
            let Some((group, wants)) = next else { return };
            // All are noted before one is granted.
            let wishes = wants.into_iter().zip(0..).map(|(want, at)| self.wish(group, 0, at, want));
            let wishes: Vec<_> = wishes.collect();
            wishes.into_iter().for_each(|request| self.request(request));
        }
    }

    /// Something was set aside: the group lies here when all of it is.
    pub(super) fn reserved_alone(self: &Arc<Node>, group: PlacementGroupId) {
        let known = {
            let mut table = self.groups.state.lock();
            let mut of_it = table.bundles.range((group, 0)..=(group, u32::MAX));
            let waits = of_it.any(|(_, one)| matches!(one.stage, Stage::Asked(_)));
            let entry = table.groups.get_mut(&group).filter(|_| !waits);
            entry.and_then(|entry| entry.known.as_mut()).map(|known| {
                known.homes = vec![Some(self.id); known.wants.len()];
                known.clone()
            })
        };
        if let Some(known) = known {
            self.group_lies(group, known);
            self.assembled(group);
        }
    }

    /// The group needs nothing more: it lies here, or has ended.
    pub(super) fn assembled(self: &Arc<Node>, group: PlacementGroupId) {
        {
            let alone = &mut self.groups.state.lock().alone;
            if alone.waiting.front() == Some(&group) {
                alone.asked = false;
            }
            alone.waiting.retain(|waits| *waits != group);
        }
        self.assemble();
    }
}
