//! What must always hold (`I`), what must hold in good weather after a while (`V`), and what must
//! hold once nobody wants anything (`Q`). Each check names its rule.

use super::model::Model;
use super::node::Node;
use super::program::Kind;
use crate::base::{NodeId, ObjectId};
use crate::proto::event::{Action, Event};
use std::collections::BTreeMap;

/// The one that says who is dead.
pub(super) const HEAD: NodeId = NodeId(1);

pub(super) type Nodes = BTreeMap<NodeId, Node>;

/// Frames of one peer that nobody has acknowledged: as many as these small worlds could make.
const UNACKED_MAX: usize = 20_000;

/// What must hold of one node after each event.
pub(super) fn after_event(node: &mut Node, model: &mut Model) {
    let me = node.host.me;
    let (lent, taken, _) = node.machine.counts();
    if lent != node.host.offered.len() {
        let offered = node.host.offered.len();
        model.fail(format!("I1: {me} has offered {offered} tasks, of which its brain has {lent}"));
    }
    if taken != node.host.taken.len() {
        let host = node.host.taken.len();
        model.fail(format!("I12: {me} has {host} tasks of others, its brain knows {taken}"));
    }
    let version = node.machine.version();
    if version < node.version {
        model.fail(format!("I18: the list of {me} goes back to {version}"));
    }
    node.version = version;
}

/// What the brain wants must be sound in itself.
pub(super) fn action(node: &Node, action: &Action, event: Option<&Event>, model: &mut Model) {
    let me = node.host.me;
    match action {
        Action::Lost { lease, by, .. } if !node.machine.is_dead(*by) => {
            model.fail(format!("I4: {me} has lost {lease:?} at {by}, which is not dead"));
        }
        Action::Lost { lease, by, .. } if model.mild && model.drained.contains(by) => {
            // Actors are called to the end.
            let task = node.host.tasks.get(&lease.task).map(|task| task.program.kind);
            if task.is_some_and(|kind| !matches!(kind, Kind::Call { .. })) {
                let text = format!("V8: {me} has lost {lease:?} at {by}, which had nothing left");
                model.fail_of([me, *by], text);
            }
        }
        Action::Infeasible { lease, want } => {
            // Bundles have no GPUs here.
            let gpu = want.named.iter().any(|(name, _)| name.ends_with("num_gpus"));
            let group = node.host.group_of(*lease).filter(|group| model.groups.contains_key(group));
            // Where packets are lost, word of it may take longer than the task waits.
            if let Some(group) = group.filter(|_| !gpu && model.mild) {
                let text = format!("V2: {lease:?} of {me} cannot run in {group}, which is there");
                model.fail_of([group.node], text);
            }
            let hard = node.host.is_hard(*lease);
            let fits = |total| want.fits(total);
            let reach = |m: &&crate::proto::wire::Member| hard.is_none_or(|at| at == m.node);
            if node.machine.members().filter(reach).any(|member| fits(&member.total)) {
                model.fail(format!("V2: {lease:?} of {me} is called infeasible, and is not"));
            }
        }
        _ => {}
    }
    let harmless = matches!(action, Action::Send(..) | Action::Disconnect(_));
    if node.deaf && event.is_some() && !harmless {
        model.fail(format!("I18: {me} listens to the dead: {event:?} gives {action:?}"));
    }
}

/// Whether a holder may have lost an object: all that gave it a reference are dead to the owner,
/// and the owner itself has given none.
fn is_excused(owner: &Node, holder: &Node, object: ObjectId) -> bool {
    let Some(claim) = holder.host.claims.get(object) else { return true };
    !claim.givers.contains(&object.node)
        && claim.givers.iter().all(|giver| owner.machine.is_dead(*giver))
}

/// No object is gone that a node holds.
pub(super) fn references(nodes: &Nodes, model: &mut Model) {
    for object in std::mem::take(&mut model.to_check_freed) {
        for (id, holder) in nodes {
            let claim = holder.host.claims.get(object);
            if object.node != *id && claim.is_some_and(|claim| claim.is_held()) {
                holds(nodes, model, *id, object, "I6");
            }
        }
    }
    for (holder, object) in std::mem::take(&mut model.to_check_held) {
        if object.node != holder && model.is_freed(object) {
            holds(nodes, model, holder, object, "I7");
        }
    }
    for (from, object) in std::mem::take(&mut model.to_check_home) {
        comes_home(nodes, model, from, object);
    }
    for (holder, object) in std::mem::take(&mut model.to_check_told) {
        holds(nodes, model, holder, object, "I7 (told)");
    }
}

/// A node has sent a reference to the object's owner, who has freed it: excused if that node is
/// dead, or had it from the dead alone.
fn comes_home(nodes: &Nodes, model: &mut Model, from: NodeId, object: ObjectId) {
    let gone = |node: &NodeId| {
        let by = [HEAD, object.node];
        let by_one = by.iter().filter_map(|by| nodes.get(by)).any(|by| by.machine.is_dead(*node));
        by_one || model.ended.contains(node)
    };
    let claim = nodes.get(&from).and_then(|node| node.host.claims.get(object));
    let givers = claim.map(|claim| &claim.givers).or(model.given.get(&(from, object)));
    let void =
        givers.is_some_and(|givers| !givers.contains(&object.node) && givers.iter().all(gone));
    if !void && !gone(&from) && !model.excused.contains(&object) && !model.tainted.contains(&object)
    {
        model.fail_of([from], format!("I6: {from} sends {object} home, where it is freed"));
    }
}

/// That node holds an object whose owner has let it go.
fn holds(nodes: &Nodes, model: &mut Model, holder: NodeId, object: ObjectId, rule: &str) {
    let (Some(owner), Some(node)) = (nodes.get(&object.node), nodes.get(&holder)) else { return };
    let dead = |by: &Node| by.machine.is_dead(holder) || by.machine.is_dead(object.node);
    let head = nodes.get(&HEAD);
    let hostile = [holder, object.node].into_iter().any(|node| Some(node) == model.hostile);
    if hostile || model.tainted.contains(&object) {
        return;
    }
    if dead(owner) || dead(node) || head.is_some_and(dead) || model.excused.contains(&object) {
        return;
    }
    if is_excused(owner, node, object) {
        model.excused.insert(object);
        return;
    }
    model.fail(format!("{rule}: {object} is gone, and {holder} holds it"));
}

/// In good weather: all have the same list, which is those that live, and all tasks have ended.
/// N16, P8: whatever word of a death was lost, or late.
/// `drains`: and all that were told to go have gone.
pub(super) fn is_well(nodes: &Nodes, head: NodeId, drains: bool) -> Result<(), String> {
    let version = nodes.get(&head).map(|node| node.machine.version());
    let Some(version) = version else { return Ok(()) };
    for (id, node) in nodes {
        if node.machine.version() != version {
            let theirs = node.machine.version();
            return Err(format!("V3: {id} has version {theirs}, and the head {version}"));
        }
        for member in node.machine.members() {
            if !nodes.contains_key(&member.node) {
                return Err(format!("V5: {id} does not know that {} is gone", member.node));
            }
        }
        if node.machine.members().count() != nodes.len() {
            return Err(format!("V3: {id} does not know all members"));
        }
    }
    for (id, node) in nodes {
        if node.host.left || drains && node.host.draining {
            return Err(format!("V8: {id} was told to go, and is there"));
        }
        if node.machine.groups() > 0 {
            return Err(format!("V10: {id} knows groups that nobody wants"));
        }
        let (read, parked) = node.host.streams();
        if let Some(lease) = parked {
            return Err(format!("V6: {id} has a producer that waits: {lease:?}"));
        }
        if read > 0 {
            return Err(format!("V1: {id} reads streams that do not end: {read}"));
        }
        if let Some((task, state)) = node.host.tasks.iter().next() {
            return Err(format!("V1: {task} of {id} has not ended: {state:?}"));
        }
    }
    for (id, node) in nodes {
        if !node.host.is_idle() {
            return Err(format!(
                "V2: {id} has not run all that it was given: {}",
                node.host.waits()
            ));
        }
    }
    Ok(())
}

/// Once nobody wants anything, nothing is left. Q6: nor is what was sent kept once it has come.
pub(super) fn is_empty(nodes: &Nodes) -> Result<(), String> {
    for (id, node) in nodes {
        let (lent, taken, no_refs) = node.machine.counts();
        if !node.host.claims.is_empty() {
            let first = node.host.claims.objects().next();
            return Err(format!("Q1: {id} still claims {first:?}"));
        }
        if !no_refs {
            return Err(format!("Q1: the brain of {id} keeps references: {}", node.machine.refs()));
        }
        if !node.host.parked.is_empty() {
            return Err(format!("Q2: {id} keeps large results: {:?}", node.host.parked));
        }
        if node.host.streams() != (0, None) {
            return Err(format!("Q5: {id} has open streams: {:?}", node.host.readers));
        }
        if lent + taken > 0 || !node.host.is_idle() {
            return Err(format!("Q5: {id} has lent {lent} tasks and has {taken}"));
        }
        if !node.host.is_whole() || !node.machine.is_unused() {
            return Err(format!("Q3: {id} has not got back all that it has"));
        }
        if node.machine.unacked() > 0 {
            return Err(format!("Q5: {id} waits for acknowledgements"));
        }
    }
    Ok(())
}

pub(super) fn is_bounded(node: &Node, model: &mut Model) {
    let unacked = node.machine.unacked();
    if unacked > UNACKED_MAX {
        model.fail(format!("I23: {} has {unacked} frames that wait", node.host.me));
    }
}
