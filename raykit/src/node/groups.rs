//! Placement groups, as a node knows them: which there are and where they lie, what is set aside
//! here for their bundles, and what follows when one ends. Where bundles lie the head decides; a
//! node without a cluster has them all to itself.

use super::Node;
use super::cluster::Post;
use super::slots;
use super::task::Task;
use crate::base::id::next_sequence;
use crate::base::limits::{BUNDLES_MAX, ENDED_GROUPS_KEPT, INFEASIBLE_MS};
use crate::base::quantity::{Amount, Resources};
use crate::base::quiet::quietly;
use crate::base::{PlacementGroupId, PlacementStrategy};
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::raw::RawRef;
use crate::object::value::{Payload, Value};
use crate::proto::wire::Group;
use crate::sched::{Job, LaneId};
use crate::task::options::Options;
use parking_lot::Mutex;
use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::time::Duration;

/// All placement groups that a node knows.
#[derive(Default)]
pub(crate) struct Groups {
    pub(super) state: Mutex<Table>,
}

#[derive(Default)]
pub(super) struct Table {
    pub(super) groups: BTreeMap<PlacementGroupId, Entry>,
    pub(super) bundles: BTreeMap<(PlacementGroupId, u32), Bundle>,
    /// The last of those that have ended.
    ended: VecDeque<PlacementGroupId>,
    pub(super) alone: Alone,
}

/// Groups of a node that is alone which are not set aside as a whole, in their order.
#[derive(Default)]
pub(super) struct Alone {
    pub(super) waiting: VecDeque<PlacementGroupId>,
    /// What the first one needs has been asked for.
    pub(super) asked: bool,
    /// Somebody is asking, and will see what there is to do next.
    pub(super) asking: bool,
}

pub(super) struct Entry {
    /// `None` where a handle has come sooner than the word of the head.
    pub(super) known: Option<Group>,
    /// Filled when it lies somewhere as a whole.
    ready: RawRef,
}

/// What is set aside here for one bundle.
pub(super) struct Bundle {
    attempt: u64,
    want: Resources,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
    Asked(Arc<Request>),
    SetAside,
    /// It is for tasks that ask for it.
    Lies,
}

/// Waits in the pool until what a bundle asks for is free.
pub(super) struct Request {
    node: Weak<Node>,
    group: PlacementGroupId,
    attempt: u64,
    bundle: u32,
    want: Resources,
}

impl Job for Request {
    fn run(self: Arc<Self>) {}

    fn abandon(&self) {}

    fn take_grant(&self) -> bool {
        if let Some(node) = self.node.upgrade() {
            // None is left behind, whatever becomes of it.
            let gpus = node.pool.budget().gpus_of(std::ptr::from_ref(self).cast());
            node.set_aside(self, gpus);
        }
        true
    }

    fn lane(&self) -> LaneId {
        LaneId(0)
    }

    fn label(&self) -> String {
        format!("bundle {} of placement group {}", self.bundle, self.group)
    }
}

impl Groups {
    /// The group as it is known here.
    pub(crate) fn get(&self, group: PlacementGroupId) -> Option<Group> {
        self.state.lock().groups.get(&group).and_then(|entry| entry.known.clone())
    }

    /// All groups that are known here.
    pub(crate) fn all(&self) -> Vec<PlacementGroupId> {
        let table = self.state.lock();
        let known = table.groups.iter().filter(|(_, entry)| entry.known.is_some());
        known.map(|(id, _)| *id).collect()
    }

    /// What is filled when the group lies somewhere, and whether that is new.
    fn ready(&self, node: &Node, group: PlacementGroupId) -> (RawRef, bool) {
        let mut table = self.state.lock();
        if let Some(entry) = table.groups.get(&group) {
            return (entry.ready.clone(), false);
        }
        let ready = slots::open(node.id);
        table.groups.insert(group, Entry { known: None, ready: ready.clone() });
        (ready, true)
    }
}

fn no_group(group: PlacementGroupId, why: &str) -> Error {
    Error::new(ErrorKind::Unschedulable, format!("there is no placement group {group}: {why}"))
}

impl Node {
    /// Wants a group.
    pub(crate) fn new_group(
        self: &Arc<Node>,
        wants: Vec<Resources>,
        strategy: PlacementStrategy,
        detached: bool,
    ) -> Result<PlacementGroupId> {
        if self.is_closed() {
            return Err(self.closed_error());
        }
        if !(1..=BUNDLES_MAX).contains(&wants.len()) {
            let text = format!(
                "a placement group has 1 to {BUNDLES_MAX} bundles, and not {}",
                wants.len()
            );
            return Err(Error::new(ErrorKind::Config, text));
        }
        if let Some(at) = wants.iter().position(|want| *want == Resources::NOTHING) {
            let text = format!("bundle {at} of the placement group asks for nothing");
            return Err(Error::new(ErrorKind::Config, text));
        }
        let group = PlacementGroupId { node: self.id, sequence: next_sequence() };
        let homes = vec![None; wants.len()];
        let known = Group { wants, strategy, homes };
        let cluster = self.cluster.get();
        match cluster.map(|cluster| cluster.lost()) {
            Some(Some(lost)) => return Err(lost),
            Some(None) => {}
            None => self.could_lie(&known)?,
        }
        let entry = Entry { known: Some(known.clone()), ready: slots::open(self.id) };
        self.groups.state.lock().groups.insert(group, entry);
        match cluster {
            Some(cluster) => cluster.post(Post::NewGroup { group, known, detached }),
            None => self.reserve_alone(group, &known),
        }
        Ok(group)
    }

    /// What is filled when a group lies somewhere as a whole.
    pub(crate) fn group_ready(self: &Arc<Node>, group: PlacementGroupId) -> RawRef {
        let unknown = self.cluster.get().is_none() && self.groups.get(group).is_none();
        if unknown || self.groups.state.lock().ended.contains(&group) {
            return slots::failed(no_group(group, "it has ended, or never was"));
        }
        let (ready, unheard) = self.groups.ready(self, group);
        if unheard {
            let waits = Unheard { node: Arc::downgrade(self), group };
            let pause = Duration::from_millis(INFEASIBLE_MS);
            self.timer.wake(self, pause, Waker::from(Arc::new(waits)));
        }
        ready
    }

    /// The group is not wanted any more.
    pub(crate) fn end_group(self: &Arc<Node>, group: PlacementGroupId) {
        match self.cluster.get().filter(|cluster| cluster.lost().is_none()) {
            Some(cluster) => cluster.post(Post::EndGroup(group)),
            None => self.group_ended(group, "it was removed"),
        }
    }

    /// Sets something aside as soon as it is free.
    pub(super) fn reserve(
        self: &Arc<Node>,
        group: PlacementGroupId,
        attempt: u64,
        bundle: u32,
        want: Resources,
    ) {
        let request = self.wish(group, attempt, bundle, want);
        self.request(request);
    }

    /// Notes that something is to be set aside.
    pub(super) fn wish(
        self: &Arc<Node>,
        group: PlacementGroupId,
        attempt: u64,
        bundle: u32,
        want: Resources,
    ) -> Arc<Request> {
        let node = Arc::downgrade(self);
        let request = Arc::new(Request { node, group, attempt, bundle, want: want.clone() });
        let stage = Stage::Asked(Arc::clone(&request));
        let new = Bundle { attempt, want, stage };
        self.groups.state.lock().bundles.insert((group, bundle), new);
        request
    }

    pub(super) fn request(&self, request: Arc<Request>) {
        let (group, bundle) = (request.group, request.bundle);
        // What the node has not by name it never will: nobody who knows that asks for it.
        if !self.pool.request(request.want.clone(), request) {
            tracing::warn!(%group, bundle, "a bundle asks for what is not here");
        }
    }

    /// What was asked for is free, and taken.
    fn set_aside(self: &Arc<Node>, request: &Request, gpus: Vec<(u16, Amount)>) {
        let want = Resources { gpus, ..request.want.clone() };
        let there = {
            let mut table = self.groups.state.lock();
            let bundle = table.bundles.get_mut(&(request.group, request.bundle));
            let bundle = bundle.filter(|bundle| {
                bundle.attempt == request.attempt && matches!(bundle.stage, Stage::Asked(_))
            });
            bundle
                .map(|bundle| {
                    bundle.stage = Stage::SetAside;
                    bundle.want.gpus.clone_from(&want.gpus);
                })
                .is_some()
        };
        let Request { group, attempt, bundle, .. } = *request;
        match self.cluster.get() {
            _ if !there => self.pool.give(&want),
            Some(cluster) => cluster.post(Post::Reserved { group, attempt, bundle }),
            None => self.reserved_alone(group),
        }
    }

    /// What was set aside at that attempt is not needed.
    pub(super) fn unreserve(&self, group: PlacementGroupId, attempt: u64) {
        self.take_back(group, |bundle| {
            bundle.attempt == attempt && !matches!(bundle.stage, Stage::Lies)
        });
    }

    /// Takes out bundles of a group, and gives back what nobody can be using. What lies here is
    /// returned.
    fn take_back(
        &self,
        group: PlacementGroupId,
        which: impl Fn(&Bundle) -> bool,
    ) -> Vec<Resources> {
        let mut gone = Vec::new();
        self.groups.state.lock().bundles.retain(|(of, _), bundle| {
            let goes = *of == group && which(bundle);
            if goes {
                let stage = std::mem::replace(&mut bundle.stage, Stage::SetAside);
                gone.push((stage, bundle.want.clone()));
            }
            !goes
        });
        let mut lay = Vec::new();
        for (stage, want) in gone {
            match stage {
                Stage::Asked(request) => self.pool.withdraw(&request),
                Stage::SetAside => self.pool.give(&want),
                Stage::Lies => lay.push(want),
            }
        }
        lay
    }

    /// A group lies there: the head has said so, or this node where it is alone.
    pub(super) fn group_lies(self: &Arc<Node>, group: PlacementGroupId, known: Group) {
        let whole = known.homes.iter().all(Option::is_some);
        let (mut own, mut gpus) = (Resources::NOTHING, Vec::new());
        let ready = {
            let mut table = self.groups.state.lock();
            if table.ended.contains(&group) {
                return; // it was removed meanwhile
            }
            for ((home, want), at) in known.homes.iter().zip(&known.wants).zip(0_u32..) {
                let here = table.bundles.get_mut(&(group, at));
                let here = here.filter(|bundle| {
                    *home == Some(self.id) && matches!(bundle.stage, Stage::SetAside)
                });
                if let Some(bundle) = here {
                    bundle.stage = Stage::Lies;
                    own.add(&want.in_group(group, Some(at)));
                    gpus.extend(bundle.want.gpus.iter().copied());
                }
            }
            let new = || Entry { known: None, ready: slots::open(self.id) };
            let entry = table.groups.entry(group).or_insert_with(new);
            entry.known = Some(known);
            entry.ready.clone()
        };
        if own != Resources::NOTHING {
            self.pool.set_aside(group, &own, &gpus);
        }
        if whole {
            ready.seal(Ok(Payload::new(Value::new(()))));
        }
    }

    /// There is no such group any more: what runs in it here ends.
    pub(super) fn group_ended(self: &Arc<Node>, group: PlacementGroupId, why: &str) {
        let entry = {
            let mut table = self.groups.state.lock();
            if table.ended.len() >= ENDED_GROUPS_KEPT {
                table.ended.pop_front();
            }
            table.ended.push_back(group);
            table.groups.remove(&group)
        };
        if let Some(entry) = entry {
            entry.ready.seal(Err(no_group(group, why)));
        }
        let lay = self.take_back(group, |_| true);
        self.assembled(group);
        let refused = self.pool.end_group(group, &sum(&lay));
        for job in refused {
            let any: Arc<dyn Any + Send + Sync> = job;
            if let Ok(task) = any.downcast::<Task>() {
                self.abort(&task, no_group(group, why).in_task(task.name(), task.id()));
            }
        }
        let of_it = |options: &Options| options.request().is_ok_and(|want| want.is_of_group(group));
        for cell in self.actors.all() {
            if of_it(&Options::of_actor(&cell.options)) {
                let text = format!("{} ended: its placement group is gone: {why}", cell.label());
                cell.end(Error::new(ErrorKind::ActorDied, text));
            }
        }
        // What has not begun yet will find that there is no such group. In this order: an async
        // task is begun on a thread, and stands in both tables until that turns to the next one.
        let mut running = Vec::new();
        self.pool.visit_running(&mut |job| {
            let any: Arc<dyn Any + Send + Sync> = Arc::clone(job) as _;
            running.extend(any.downcast::<Task>());
        });
        running.extend(self.futures.tasks());
        for task in running.iter().filter(|task| of_it(task.options())) {
            self.cancel(task);
        }
        quietly(|| drop(running));
    }

    /// Nothing more is heard of any group.
    pub(super) fn end_groups(&self, error: &Error) {
        let groups = std::mem::take(&mut self.groups.state.lock().groups);
        for entry in groups.into_values() {
            entry.ready.seal(Err(error.clone()));
        }
    }

    /// Why a task that asks for a group could never run, if that is so.
    pub(super) fn fits_group(
        &self,
        asked: &Options,
        group: PlacementGroupId,
        bundle: Option<u32>,
    ) -> Result<()> {
        let want = asked.request()?;
        let Some(known) = self.groups.get(group) else {
            return match self.cluster.get() {
                Some(_) => Ok(()), // the word on it may be under way
                None => Err(no_group(group, "it was removed, or is another node's")),
            };
        };
        if known.holds(group, bundle, &want) {
            return Ok(());
        }
        let own = asked.clone();
        let plain = Options { strategy: crate::base::Strategy::Default, ..own }.request()?;
        let text = match bundle {
            Some(at) => match known.wants.get(at as usize) {
                Some(has) => format!("asks for {plain}, and bundle {at} of {group} is {has}"),
                None => format!("asks for bundle {at} of {group}, which has {}", known.wants.len()),
            },
            None => format!("asks for {plain}, and no bundle of {group} is that large"),
        };
        Err(Error::new(ErrorKind::Unschedulable, text))
    }
}

pub(super) fn sum(wants: &[Resources]) -> Resources {
    let mut sum = Resources::NOTHING;
    for want in wants {
        sum.add(want);
        sum.gpus.extend(want.gpus.iter().copied());
    }
    sum
}

/// All that tasks of a group can ask for.
pub(super) fn named(group: PlacementGroupId, known: &Group) -> Resources {
    let all = known.wants.iter().zip(0..).map(|(want, at)| want.in_group(group, Some(at)));
    sum(&all.collect::<Vec<_>>())
}

/// Nobody has said a word about a group that a handle here is of.
struct Unheard {
    node: Weak<Node>,
    group: PlacementGroupId,
}

impl Wake for Unheard {
    fn wake(self: Arc<Self>) {
        let Some(node) = self.node.upgrade() else { return };
        let entry = {
            let mut table = node.groups.state.lock();
            let unheard = table.groups.get(&self.group).is_some_and(|one| one.known.is_none());
            if unheard { table.groups.remove(&self.group) } else { None }
        };
        if let Some(entry) = entry {
            let why = "the cluster has none of that name";
            entry.ready.seal(Err(no_group(self.group, why)));
        }
    }
}
