//! `raykit nodes|tasks|actors|objects|functions`.

use super::args::Asked;
use super::table::{Table, amount, bytes, span};
use super::{Done, print, print_json, with_silent};
use raykit::state::{
    self, ActorState, FunctionState, Listed, Listing, NodeState, ObjectState, Query, TaskState,
};
use raykit::{Error, NodeId};
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) fn show(kind: &str, asked: &Asked<'_>) -> Done {
    match kind {
        "nodes" => told(asked, state::nodes(), nodes),
        "tasks" => told(asked, state::tasks(), tasks),
        "actors" => told(asked, state::actors(), actors),
        "objects" => told(asked, state::objects(), objects),
        _ => told(asked, state::functions(), functions),
    }
}

/// The node that a user names.
pub(crate) fn node_named(name: &str) -> Result<NodeId, Error> {
    let nodes = raykit::nodes()?;
    let same = |node: &&raykit::NodeInfo| node.id.to_string() == name || node.name == name;
    match nodes.iter().filter(same).collect::<Vec<_>>()[..] {
        [one] => Ok(one.id),
        [] => Err(problem(format!("there is no node `{name}`; `raykit nodes` lists them"))),
        _ => Err(problem(format!("several nodes are called `{name}`; say its id"))),
    }
}

/// A failure of this command.
pub(crate) fn problem(text: String) -> Error {
    std::io::Error::new(std::io::ErrorKind::InvalidInput, text).into()
}

/// Asks, and shows what was answered.
fn told<T: Listed + Serialize + Own>(
    asked: &Asked<'_>,
    mut query: Query<T>,
    table: fn(&[T]) -> Table,
) -> Done {
    query = query.timeout(asked.wait);
    if let Some(state) = asked.word("state") {
        query = query.state(state);
    }
    if let Some(name) = asked.word("name") {
        query = query.name(name);
    }
    if let Some(node) = asked.word("node") {
        query = query.node(node_named(node)?);
    }
    if let Some(limit) = asked.own.get_one::<u32>("limit") {
        query = query.limit(*limit);
    }
    let mut listing = query.get()?;
    let own = raykit::context().node_id();
    listing.items.retain_mut(|row| row.is_of_others(own));
    if asked.json {
        print_json(&listing)?;
    } else {
        print(&table(&listing.items).text())?;
        say_cut(&listing);
    }
    Ok(with_silent(&listing.silent))
}

fn say_cut<T>(listing: &Listing<T>) {
    if listing.truncated {
        let shown = listing.items.len();
        eprintln!("raykit: there are more than these {shown}; filter them, or raise --limit");
    }
}

/// Leaves out this command's own node, which is gone when one reads of it.
trait Own {
    fn is_of_others(&mut self, own: Option<NodeId>) -> bool;
}

impl Own for NodeState {
    fn is_of_others(&mut self, own: Option<NodeId>) -> bool {
        Some(self.node_id) != own
    }
}
impl Own for TaskState {
    fn is_of_others(&mut self, own: Option<NodeId>) -> bool {
        Some(self.node_id) != own
    }
}
impl Own for ActorState {
    fn is_of_others(&mut self, own: Option<NodeId>) -> bool {
        Some(self.node_id) != own
    }
}
impl Own for ObjectState {
    fn is_of_others(&mut self, own: Option<NodeId>) -> bool {
        Some(self.node_id) != own
    }
}
impl Own for FunctionState {
    fn is_of_others(&mut self, own: Option<NodeId>) -> bool {
        self.nodes.retain(|node| Some(*node) != own);
        !self.nodes.is_empty()
    }
}

/// `used/total` of a resource.
fn used(node: &NodeState, name: &str, text: fn(f64) -> String) -> String {
    let of = |all: &std::collections::BTreeMap<String, f64>| all.get(name).copied().unwrap_or(0.0);
    let total = of(&node.resources_total);
    format!("{}/{}", text(total - of(&node.resources_free)), text(total))
}

fn nodes(rows: &[NodeState]) -> Table {
    let mut table = Table::new(&[
        "NODE", "NAME", "KIND", "ADDRESS", "PID", "UP", "CPU", "GPU", "RUNNING", "QUEUED", "DONE",
        "FAILED", "ACTORS", "OBJECTS", "BYTES",
    ]);
    for row in rows {
        let kind = match (row.is_head, row.is_driver) {
            (true, _) => "head",
            (_, true) => "driver",
            _ => "worker",
        };
        table.add([
            row.node_id.to_string(),
            row.name.clone(),
            kind.to_owned(),
            row.addresses.first().cloned().unwrap_or_default(),
            row.pid.to_string(),
            span(row.uptime_ms),
            used(row, "CPU", amount),
            used(row, "GPU", amount),
            row.tasks_running.to_string(),
            row.tasks_queued.to_string(),
            row.tasks_finished.to_string(),
            row.tasks_failed.to_string(),
            row.actors.to_string(),
            row.objects.to_string(),
            bytes(row.object_bytes as f64),
        ]);
    }
    table
}

/// How long ago that was.
fn ago(at_ms: Option<u64>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
    at_ms.map_or_else(|| "-".to_owned(), |at| span(now.saturating_sub(at)))
}

fn tasks(rows: &[TaskState]) -> Table {
    let mut table =
        Table::new(&["TASK", "NAME", "STATE", "NODE", "OWNER", "TRY", "SINCE", "ERROR"]);
    for row in rows {
        let error = row.error_message.as_deref().unwrap_or_default();
        table.add([
            row.task_id.to_string(),
            row.name.clone(),
            row.status.to_string(),
            row.node_id.to_string(),
            row.owner.to_string(),
            row.attempt.to_string(),
            ago(row.since_ms),
            error.to_owned(),
        ]);
    }
    table
}

fn actors(rows: &[ActorState]) -> Table {
    let mut table = Table::new(&[
        "ACTOR", "CLASS", "NAME", "STATE", "NODE", "PID", "RESTARTS", "PENDING", "WHY",
    ]);
    for row in rows {
        table.add([
            row.actor_id.to_string(),
            row.class_name.clone(),
            row.name.clone().unwrap_or_else(|| "-".to_owned()),
            row.status.to_string(),
            row.node_id.to_string(),
            row.pid.to_string(),
            row.num_restarts.to_string(),
            row.pending_calls.to_string(),
            row.death_cause.clone().unwrap_or_default(),
        ]);
    }
    table
}

fn objects(rows: &[ObjectState]) -> Table {
    let mut table = Table::new(&["OBJECT", "SIZE", "OWNER", "NODE", "REFERENCE", "READY"]);
    for row in rows {
        table.add([
            row.object_id.to_string(),
            bytes(row.object_size as f64),
            row.owner.to_string(),
            row.node_id.to_string(),
            row.reference_type.to_string(),
            if row.is_ready { "yes" } else { "no" }.to_owned(),
        ]);
    }
    table
}

fn functions(rows: &[FunctionState]) -> Table {
    let mut table = Table::new(&["FUNCTION", "SIGNATURE", "PLACE", "NODES", "DONE", "FAILED"]);
    for row in rows {
        table.add([
            row.key.clone(),
            row.signature.clone(),
            row.location.clone(),
            row.nodes.len().to_string(),
            row.finished.to_string(),
            row.failed.to_string(),
        ]);
    }
    table
}
