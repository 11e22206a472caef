//! Placement groups: bundles of resources that are set aside together or not at all. The head
//! decides where they lie. It has each node set aside what its bundles ask for, and only when all
//! have done so the group lies there, and everybody is told; if one is late, all give back what
//! they have set aside, and the group stands at the end of the line. One group is tried at a time,
//! so that two never hold each other up.
//!
//! When a node dies its bundles find another place, and the others stay where they are.

use super::bugs::{Bug, planted};
use super::bundles::{self, Plot};
use super::context::{Context, Note};
use super::peers::{Peers, ms};
use super::timer::Timer;
use super::wire::{Frame, Group};
use super::work::Work;
use crate::base::limits::{
    BUNDLES_MAX, GROUPS_MAX, INFEASIBLE_MS, RESERVE_AGAIN_MS, RESERVE_AGAIN_MS_MAX, RESERVE_MS,
};
use crate::base::moment::Moment;
use crate::base::quantity::{Amount, Resources};
use crate::base::{NodeId, PlacementGroupId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The head's book of groups. Where they lie stands in `Peers`, as with every node.
#[derive(Debug, Default)]
pub(super) struct Groups {
    gangs: BTreeMap<PlacementGroupId, Gang>,
    /// Those that do not lie somewhere as a whole, the next to be tried first.
    line: VecDeque<PlacementGroupId>,
    /// The one that is being tried, and for how long.
    trying: Option<(PlacementGroupId, Moment)>,
}

#[derive(Debug, Default)]
struct Gang {
    detached: bool,
    attempt: u64,
    /// Bundles of the present attempt, where they are to lie, and whether that node has said so.
    asked: BTreeMap<u32, (NodeId, bool)>,
    failures: u32,
    not_before: Moment,
    /// Since when no nodes are there on which it could lie.
    hopeless: Option<Moment>,
}

/// What the head looks at beside its own book.
pub(super) struct View<'a> {
    pub(super) peers: &'a mut Peers,
    pub(super) work: &'a Work,
}

impl View<'_> {
    fn tell(&mut self, cx: &mut Context, to: NodeId, frame: Frame) {
        if to == self.peers.me() {
            cx.notes.push_back(Note::Frame(to, frame));
        } else {
            self.peers.send(cx, to, &frame);
        }
    }

    fn tell_all(&mut self, cx: &mut Context, frame: Frame) {
        self.peers.broadcast(cx, &frame);
        cx.notes.push_back(Note::Frame(self.peers.me(), frame));
    }

    /// Tells all where a group lies.
    fn tell_where(&mut self, cx: &mut Context, group: PlacementGroupId) {
        if let Some(known) = self.peers.groups.get(&group).cloned() {
            self.tell_all(cx, Frame::GroupLies { group, known });
        }
    }

    /// Nodes that take something, each with what it has in all and what it has free.
    fn nodes(&self) -> Vec<(NodeId, Resources, Resources)> {
        let all = self.peers.members().keys();
        all.filter_map(|node| {
            let (total, free) = self.work.has(self.peers, *node)?;
            Some((*node, total, free))
        })
        .collect()
    }

    /// CPUs of a node that are set aside for bundles.
    fn reserved(&self, node: NodeId) -> Amount {
        let all = self.peers.groups.values().flat_map(|known| known.homes.iter().zip(&known.wants));
        let there = all.filter(|(home, _)| **home == Some(node));
        Amount(there.map(|(_, want)| want.cpu.0).sum())
    }
}

impl Groups {
    /// A node wants a group.
    pub(super) fn new_group(
        &mut self,
        cx: &mut Context,
        view: &mut View<'_>,
        group: PlacementGroupId,
        known: Group,
        detached: bool,
    ) {
        if view.peers.is_dead(group.node) || self.gangs.contains_key(&group) {
            return;
        }
        let count = known.wants.len();
        let refused = match (self.gangs.len() >= GROUPS_MAX, (1..=BUNDLES_MAX).contains(&count)) {
            (true, _) => format!("there are {GROUPS_MAX} placement groups, as many as can be"),
            (_, false) => format!("it has {count} bundles, and may have 1 to {BUNDLES_MAX}"),
            _ => String::new(),
        };
        if !refused.is_empty() {
            return view.tell(cx, group.node, Frame::GroupEnded { group, why: refused });
        }
        let homes = vec![None; known.wants.len()];
        view.peers.groups.insert(group, Group { homes, ..known });
        self.gangs.insert(group, Gang { detached, ..Gang::default() });
        self.line.push_back(group);
        view.tell_where(cx, group);
        self.look(cx, view);
    }

    /// A node has set aside what a bundle asks for.
    pub(super) fn reserved(
        &mut self,
        cx: &mut Context,
        view: &mut View<'_>,
        from: NodeId,
        group: PlacementGroupId,
        (attempt, bundle): (u64, u32),
    ) {
        let Some(gang) = self.gangs.get_mut(&group).filter(|gang| gang.attempt == attempt) else {
            return;
        };
        match gang.asked.get_mut(&bundle) {
            Some((node, there)) if *node == from => *there = true,
            _ => return,
        }
        if planted(Bug::HalfGroup) || gang.asked.values().all(|(_, there)| *there) {
            gang.failures = 0;
            if let Some(known) = view.peers.groups.get_mut(&group) {
                for (bundle, (node, _)) in std::mem::take(&mut gang.asked) {
                    known.homes[bundle as usize] = Some(node);
                }
            }
            self.line.retain(|other| *other != group);
            self.trying = None;
            view.tell_where(cx, group);
            self.look(cx, view);
        }
    }

    /// The attempt has failed: all give back what they have set aside for it.
    fn give_up(&mut self, cx: &mut Context, view: &mut View<'_>) {
        let Some((group, _)) = self.trying.take() else { return };
        let Some(gang) = self.gangs.get_mut(&group) else { return };
        let asked = std::mem::take(&mut gang.asked);
        let nodes: BTreeSet<NodeId> = asked.into_values().map(|(node, _)| node).collect();
        let attempt = gang.attempt;
        let pause = RESERVE_AGAIN_MS << gang.failures.min(16);
        gang.not_before = cx.now + ms(pause.min(RESERVE_AGAIN_MS_MAX));
        gang.failures += 1;
        for node in nodes.into_iter().filter(|_| !planted(Bug::ReservedForEver)) {
            view.tell(cx, node, Frame::Unreserve { group, attempt });
        }
        self.line.retain(|other| *other != group);
        self.line.push_back(group);
    }

    /// The group is not wanted, or cannot be.
    pub(super) fn end(
        &mut self,
        cx: &mut Context,
        view: &mut View<'_>,
        group: PlacementGroupId,
        why: &str,
    ) {
        if self.gangs.remove(&group).is_none() {
            return;
        }
        self.line.retain(|other| *other != group);
        self.trying = self.trying.filter(|(tried, _)| *tried != group);
        view.peers.groups.remove(&group);
        view.tell_all(cx, Frame::GroupEnded { group, why: why.to_owned() });
        self.look(cx, view);
    }

    /// A node is gone: so are its groups, and what lay there of others.
    pub(super) fn gone(&mut self, cx: &mut Context, view: &mut View<'_>, node: NodeId) {
        if !view.peers.is_head() {
            return; // the head says what follows from that
        }
        let own = self.gangs.iter().filter(|(group, gang)| group.node == node && !gang.detached);
        let own: Vec<PlacementGroupId> = own.map(|(group, _)| *group).collect();
        for group in own {
            self.end(cx, view, group, "the node that wanted it is gone");
        }
        let tried = self.trying.and_then(|(group, _)| self.gangs.get(&group));
        if tried.is_some_and(|gang| gang.asked.values().any(|(asked, _)| *asked == node)) {
            self.give_up(cx, view);
        }
        let mut torn = Vec::new();
        for (group, known) in &mut view.peers.groups {
            let lost = known.homes.iter_mut().filter(|home| **home == Some(node));
            if lost.map(|home| *home = None).count() > 0 {
                torn.push(*group);
            }
        }
        for group in torn {
            // One that is being tried already, for what it lost before, has to be tried anew.
            if self.trying.is_some_and(|(tried, _)| tried == group) {
                self.give_up(cx, view);
            }
            self.line.retain(|other| *other != group);
            self.line.push_back(group);
            view.tell_where(cx, group);
        }
        self.look(cx, view);
    }

    /// The time has come for something: an attempt is over, or may be made again.
    pub(super) fn overdue(&mut self, cx: &mut Context, view: &mut View<'_>) {
        if self.trying.is_some_and(|(_, until)| until <= cx.now) {
            self.give_up(cx, view);
        }
        // One whose node has come meanwhile has hope again.
        self.doubt(cx, view, &view.nodes());
        let late = |gang: &Gang| {
            gang.hopeless.is_some_and(|since| cx.now.since(since) >= ms(INFEASIBLE_MS))
        };
        let late = self.gangs.iter().filter(|(_, gang)| late(gang)).map(|(group, _)| *group);
        for group in late.collect::<Vec<_>>() {
            self.end(cx, view, group, "no nodes of the cluster could ever hold its bundles");
        }
        self.look(cx, view);
    }

    /// Tries the first group for which there is room, unless one is being tried.
    pub(super) fn look(&mut self, cx: &mut Context, view: &mut View<'_>) {
        if !view.peers.is_head() {
            return;
        }
        if self.trying.is_none() && !self.line.is_empty() {
            let nodes = view.nodes();
            let plots = Plots::new(view, &nodes);
            let found = self.line.iter().find_map(|group| {
                let ready = self.gangs.get(group).is_some_and(|gang| gang.not_before <= cx.now);
                let known = view.peers.groups.get(group).filter(|_| ready)?;
                Some((*group, plots.plan(known)?))
            });
            self.doubt(cx, view, &nodes);
            if let Some((group, plan)) = found {
                self.ask(cx, view, group, plan);
            }
        }
        self.set_timer(cx);
    }

    /// Notes for which groups there is no hope, and since when.
    fn doubt(&mut self, cx: &Context, view: &View<'_>, nodes: &[(NodeId, Resources, Resources)]) {
        for group in &self.line {
            let (Some(gang), Some(known)) =
                (self.gangs.get_mut(group), view.peers.groups.get(group))
            else {
                continue;
            };
            let totals = nodes.iter().map(|(node, total, _)| (*node, total.clone()));
            match bundles::could_be(&known.wants, known.strategy, totals) {
                true => gang.hopeless = None,
                false => drop(gang.hopeless.get_or_insert(cx.now)),
            }
        }
    }

    fn ask(
        &mut self,
        cx: &mut Context,
        view: &mut View<'_>,
        group: PlacementGroupId,
        plan: Vec<(u32, NodeId)>,
    ) {
        let Some(known) = view.peers.groups.get(&group) else { return };
        let Some(gang) = self.gangs.get_mut(&group) else { return };
        let wants = known.wants.clone();
        gang.attempt += 1;
        gang.asked = plan.iter().map(|(bundle, node)| (*bundle, (*node, false))).collect();
        let attempt = gang.attempt;
        self.trying = Some((group, cx.now + ms(RESERVE_MS)));
        for (bundle, node) in plan {
            let want = wants[bundle as usize].clone();
            view.tell(cx, node, Frame::Reserve { group, attempt, bundle, want });
        }
    }

    fn set_timer(&self, cx: &mut Context) {
        let waits = self.line.iter().filter_map(|group| self.gangs.get(group));
        let again = waits.flat_map(|gang| {
            let over = gang.hopeless.map(|since| since + ms(INFEASIBLE_MS));
            [Some(gang.not_before).filter(|at| *at > cx.now), over].into_iter().flatten()
        });
        match again.chain(self.trying.map(|(_, until)| until)).min() {
            Some(at) => cx.timers.set(Timer::Groups, at),
            None => cx.timers.clear(Timer::Groups),
        }
    }
}

/// Where bundles could lie: where there is room now, or where the CPUs are in use by tasks that
/// will end.
struct Plots {
    now: Vec<Plot>,
    soon: Vec<Plot>,
}

impl Plots {
    fn new(view: &View<'_>, nodes: &[(NodeId, Resources, Resources)]) -> Plots {
        let now = nodes.iter().map(|(node, _, free)| Plot { node: *node, room: free.clone() });
        let soon = nodes.iter().map(|(node, total, free)| {
            let room = bundles::in_a_while(total, free, view.reserved(*node));
            Plot { node: *node, room }
        });
        Plots { now: now.collect(), soon: soon.collect() }
    }

    /// Nodes for the bundles of a group that have no home.
    fn plan(&self, known: &Group) -> Option<Vec<(u32, NodeId)>> {
        let Group { wants, strategy, homes } = known;
        let at = |plots| bundles::assign(wants, homes, *strategy, plots);
        at(&self.now).or_else(|| at(&self.soon))
    }
}

/// What tests and the simulator look at.
#[cfg(any(test, feature = "sim"))]
impl Groups {
    /// Whether nothing is left to be done, and nobody has anything set aside in vain.
    pub(super) fn is_quiet(&self) -> bool {
        self.trying.is_none() && self.line.is_empty()
    }
}
