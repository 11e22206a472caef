//! Placement groups: resources of several nodes, set aside together.

use super::get;
use crate::base::{NodeId, PlacementGroupId, PlacementStrategy, Strategy};
use crate::node::current;
use crate::object::ObjectRef;
use crate::object::error::{ErrorKind, Result};
use crate::task::options::Options;
use std::borrow::Cow;
use std::time::Duration;

/// What one bundle of a [`PlacementGroup`] holds: resources of one node.
#[derive(Clone, Debug)]
pub struct Bundle(Options);

impl Bundle {
    /// A bundle of nothing, to be added to.
    #[expect(clippy::new_without_default, reason = "a bundle of nothing is refused")]
    pub fn new() -> Bundle {
        Bundle(Options { num_cpus: 0.0, ..Options::new() })
    }

    /// CPUs, fractions allowed.
    pub fn num_cpus(mut self, n: f64) -> Bundle {
        self.0.num_cpus = n;
        self
    }

    /// GPUs, fractions allowed.
    pub fn num_gpus(mut self, n: f64) -> Bundle {
        self.0.num_gpus = n;
        self
    }

    /// Bytes of memory.
    pub fn memory(mut self, bytes: u64) -> Bundle {
        self.0.memory = bytes;
        self
    }

    /// An amount of a resource that the nodes' configuration names. The last amount
    /// of a name counts.
    pub fn resource(mut self, name: impl Into<Cow<'static, str>>, amount: f64) -> Bundle {
        self.0.resources.to_mut().push((name.into(), amount));
        self
    }
}

/// Bundles of resources that are set aside together, or not at all: a gang of tasks or actors that
/// need each other starts as a whole.
///
/// Tasks and actors that are given [`bundle`](Self::bundle) or [`any`](Self::any) as their strategy
/// run on what is set aside, and on nothing else. When a node dies, the bundles that lay there are
/// set aside elsewhere, and the others stay where they are.
///
/// The handle is a value: it can be copied, stored and given to tasks. What is set aside is free
/// again after [`remove`](Self::remove), and when the node that made the group has gone, unless the
/// group is [`detached`](PlacementGroupOptions::detached).
///
/// ```
/// use raykit::prelude::*;
/// use raykit::{Bundle, PlacementGroup, PlacementStrategy};
///
/// #[remote]
/// fn train(shard: u32) -> u32 {
///     shard * 10
/// }
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::Config::new().num_cpus(4).init()?;
/// let two = [Bundle::new().num_cpus(1.0), Bundle::new().num_cpus(2.0)];
/// let group = PlacementGroup::of(two).strategy(PlacementStrategy::Pack).create()?;
/// group.ready().get()?;
/// let first = train::options().strategy(group.bundle(0)).remote(1);
/// let second = train::options().num_cpus(2.0).strategy(group.bundle(1)).remote(2);
/// assert_eq!((first.get()?, second.get()?), (10, 20));
/// group.remove()?;
/// # Ok(())
/// # }
/// ```
#[crate::object]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlacementGroup {
    node: u32,
    sequence: u64,
}

/// What a placement group is to be; [`create`](Self::create) sets it aside.
#[derive(Clone, Debug)]
#[must_use = "nothing is set aside before `create`"]
pub struct PlacementGroupOptions {
    bundles: Vec<Bundle>,
    strategy: PlacementStrategy,
    detached: bool,
}

impl PlacementGroupOptions {
    /// How the bundles lie on nodes: [`Pack`](PlacementStrategy::Pack) unless said otherwise.
    pub fn strategy(mut self, strategy: PlacementStrategy) -> PlacementGroupOptions {
        self.strategy = strategy;
        self
    }

    /// The group outlives the node that makes it.
    pub fn detached(mut self) -> PlacementGroupOptions {
        self.detached = true;
        self
    }

    /// Wants the group. It is there when [`PlacementGroup::ready`] is; tasks may be given to it at
    /// once, and wait.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] without bundles, with more than 1,000, and for a bundle of nothing;
    /// [`ErrorKind::Unschedulable`] where a node without a cluster has not as much.
    pub fn create(self) -> Result<PlacementGroup> {
        let wants = self.bundles.iter().map(|bundle| bundle.0.request());
        let wants = wants.collect::<Result<Vec<_>>>()?;
        let id = current::node()?.new_group(wants, self.strategy, self.detached)?;
        Ok(PlacementGroup::with(id))
    }
}

impl PlacementGroup {
    /// A group of these bundles.
    pub fn of(bundles: impl IntoIterator<Item = Bundle>) -> PlacementGroupOptions {
        PlacementGroupOptions {
            bundles: bundles.into_iter().collect(),
            strategy: PlacementStrategy::default(),
            detached: false,
        }
    }

    fn with(id: PlacementGroupId) -> PlacementGroup {
        PlacementGroup { node: id.node.0, sequence: id.sequence }
    }

    /// Its id.
    pub fn id(self) -> PlacementGroupId {
        PlacementGroupId { node: NodeId(self.node), sequence: self.sequence }
    }

    /// On the bundle of that number, counted from 0 as they were given.
    pub fn bundle(self, index: u32) -> Strategy {
        Strategy::Group { group: self.id(), bundle: Some(index) }
    }

    /// On whichever bundle has room.
    pub fn any(self) -> Strategy {
        Strategy::Group { group: self.id(), bundle: None }
    }

    /// There when all bundles are set aside. It fails with [`ErrorKind::Unschedulable`] when the
    /// group was removed, and when for 30 seconds the cluster has not had the nodes for it.
    pub fn ready(self) -> ObjectRef<()> {
        match current::node() {
            Ok(node) => ObjectRef::new(node.group_ready(self.id())),
            Err(error) => ObjectRef::new(crate::node::slots::failed(error)),
        }
    }

    /// Waits until all bundles are set aside, so long at the most: whether they are.
    ///
    /// # Errors
    ///
    /// As [`ready`](Self::ready).
    pub fn wait(self, limit: Duration) -> Result<bool> {
        match get::get_timeout(&self.ready(), limit) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::TimedOut => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Where its bundles lie, in their order; `None` for one that does not lie anywhere yet, and no
    /// entry at all if the group is not known here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotRunning`] where no node is in force.
    pub fn nodes(self) -> Result<Vec<Option<NodeId>>> {
        let known = current::node()?.groups.get(self.id());
        Ok(known.map_or_else(Vec::new, |known| known.homes))
    }

    /// Frees what is set aside. Tasks that wait for it fail, those that run on it are cancelled,
    /// and actors that hold some of it end; as the last of them lets go all of it is free.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotRunning`] where no node is in force.
    pub fn remove(self) -> Result<()> {
        current::node()?.end_group(self.id());
        Ok(())
    }
}

/// All placement groups of the cluster that this node has heard of.
///
/// # Errors
///
/// [`ErrorKind::NotRunning`] where no node is in force.
pub fn placement_groups() -> Result<Vec<PlacementGroup>> {
    let all = current::node()?.groups.all();
    Ok(all.into_iter().map(PlacementGroup::with).collect())
}
