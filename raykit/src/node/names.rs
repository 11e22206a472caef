//! Names of actors. On one node they stand in the node's own table. In a cluster the head knows of
//! each name which node has the actor (its *home*), and gives each name once; the handle comes from
//! there.

use super::claim::Claim;
use super::cluster::{Cluster, Post};
use super::fetch::{self, Goal};
use super::forward::{handle, handle_in};
use super::order::WORD;
use super::pack::To;
use super::placed::Placed;
use super::question::{Name, Question, full_name};
use super::task::{Mailbox, Task};
use super::{Node, slots, submit};
use crate::base::clock;
use crate::base::limits::{ASK_MS, CLAIMS_MAX};
use crate::base::thread;
use crate::base::{ActorId, NodeId};
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::raw::{Holder, RawRef};
use crate::object::value::Value;
use crate::task::arg::Inputs;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// What a name stands for when one asks for it for a new actor.
pub(super) enum Claimed {
    /// For that one.
    Ours,
    /// For one that is there.
    Taken(RawRef),
}

fn not_found((namespace, name): &Name) -> Error {
    let text = format!("there is no actor named `{name}` in the namespace `{namespace}`");
    Error::new(ErrorKind::ActorNotFound, text)
}

/// The actor of that name and type.
pub(crate) fn find(
    node: &Arc<Node>,
    namespace: Option<&str>,
    name: &str,
    type_name: &'static str,
) -> Result<RawRef> {
    let name = full_name(namespace, name);
    let Some(cluster) = node.cluster.get() else { return named(node, &name, type_name) };
    if let Ok(own) = named(node, &name, type_name) {
        return Ok(own);
    }
    let home: u32 = asked(node, cluster, cluster.head(), Question::Home { name: name.clone() })?;
    match home {
        0 => Err(not_found(&name)),
        home if home == node.id.0 => named(node, &name, type_name),
        home => there(node, cluster, NodeId(home), name, type_name),
    }
}

/// The handle of an actor whose home is another node.
fn there(
    node: &Arc<Node>,
    cluster: &Arc<Cluster>,
    home: NodeId,
    name: Name,
    type_name: &str,
) -> Result<RawRef> {
    let question = Question::Named { name, type_name: type_name.to_owned() };
    let answer = ask(node, cluster, home, question)?;
    match answer.outcome() {
        Some(Ok(payload)) => handle_in(payload.value()),
        Some(Err(error)) => Err(error.clone()),
        None => Err(late(home)),
    }
}

/// For `named`: an actor of whatever type.
const ANY_TYPE: &str = "";

/// The actor of that name whose home is this node, if it is of that type.
fn named(node: &Node, name: &Name, type_name: &str) -> Result<RawRef> {
    let found = node.actors.find(name).ok_or_else(|| not_found(name))?;
    of_type(found, &name.1, type_name)
}

/// The actor that was found by that name, if it is of that type.
pub(super) fn of_type(found: RawRef, name: &str, type_name: &str) -> Result<RawRef> {
    let there = match (found.peek::<Claim>(), found.peek::<Placed>()) {
        (Some(claim), _) => claim.cell().type_name(),
        (_, Some(placed)) => placed.type_name(),
        _ => "",
    };
    if type_name != ANY_TYPE && there != type_name {
        let text = format!("the actor named `{name}` is a `{there}` and not a `{type_name}`");
        return Err(Error::new(ErrorKind::ActorNotFound, text));
    }
    Ok(found)
}

/// Asks for a name for a new actor, whose home is to be that node.
pub(super) fn claim(
    node: &Arc<Node>,
    cluster: &Arc<Cluster>,
    name: &Name,
    home: NodeId,
) -> Result<Claimed> {
    for _ in 0..CLAIMS_MAX {
        let question = Question::Claim { name: name.clone(), home };
        let other: u32 = asked(node, cluster, cluster.head(), question)?;
        let found = match other {
            0 => return Ok(Claimed::Ours),
            other if other == node.id.0 => named(node, name, ANY_TYPE),
            other => there(node, cluster, NodeId(other), name.clone(), ANY_TYPE),
        };
        match found {
            Ok(actor) => return Ok(Claimed::Taken(actor)),
            // It has just ended, and the head has not heard of it.
            Err(error) if error.kind() == ErrorKind::ActorNotFound => thread::yield_now(),
            Err(error) => return Err(error),
        }
    }
    let text = format!("the name `{}` changes hands all the time", name.1);
    Err(Error::new(ErrorKind::AlreadyRunning, text))
}

/// An actor with that name has ended.
pub(super) fn free(node: &Arc<Node>, name: Name) {
    let Some(cluster) = node.cluster.get().filter(|cluster| cluster.lost().is_none()) else {
        return;
    };
    if cluster.head() == node.id {
        cluster.names.free(&name, node.id);
    } else if !node.is_closed() {
        send(node, cluster, cluster.head(), Question::Free { name });
    }
}

/// A node is gone, and with it the names of what it had, or had asked for and not made.
pub(super) fn gone(node: &Node, cluster: &Cluster, gone: NodeId) {
    for name in cluster.names.gone(gone) {
        if node.actors.find(&name).is_none() {
            cluster.names.free(&name, node.id);
        }
    }
}

/// The answer of this node, the head for questions about names.
pub(super) fn answer(node: &Arc<Node>, from: NodeId, question: &Question) -> RawRef {
    let Some(cluster) = node.cluster.get() else {
        return slots::failed(Error::new(ErrorKind::ClusterLost, "the node has no cluster"));
    };
    let number = |node: Option<NodeId>| Value::new(node.map_or(0, |node| node.0));
    let value = match question {
        Question::Claim { name, home } => {
            // Of what the head itself has it knows more than the table.
            let here = *home == node.id && node.actors.find(name).is_some();
            number(cluster.names.claim(name, *home, from, here))
        }
        Question::Free { name } => {
            cluster.names.free(name, from);
            Value::new(())
        }
        Question::Home { name } => number(cluster.names.home(name)),
        Question::Named { name, type_name } => match named(node, name, type_name) {
            Ok(actor) => handle(actor),
            Err(error) => return slots::failed(error),
        },
    };
    slots::value(node.id, value)
}

fn late(to: NodeId) -> Error {
    let text = format!("{to} has not answered within {} s", ASK_MS / 1_000);
    Error::new(ErrorKind::TimedOut, text)
}

fn asked(node: &Arc<Node>, cluster: &Arc<Cluster>, to: NodeId, question: Question) -> Result<u32> {
    let answer = ask(node, cluster, to, question)?;
    match answer.outcome() {
        Some(Ok(payload)) => payload.get(),
        Some(Err(error)) => Err(error.clone()),
        None => Err(late(to)),
    }
}

/// Asks a node, and waits for its answer.
fn ask(node: &Arc<Node>, cluster: &Arc<Cluster>, to: NodeId, question: Question) -> Result<RawRef> {
    if to == node.id {
        return Ok(answer(node, to, &question));
    }
    let asked = RawRef(send(node, cluster, to, question) as Arc<dyn Holder>);
    let deadline = clock::now().checked_add(Duration::from_millis(ASK_MS));
    fetch::wait(&[&asked], Goal::Some(1), deadline)?;
    Ok(asked)
}

fn send(node: &Arc<Node>, cluster: &Arc<Cluster>, to: NodeId, question: Question) -> Arc<Task> {
    let asked = Asked { cluster: Arc::clone(cluster), to, question: Mutex::new(Some(question)) };
    let mailbox = Arc::new(asked) as Arc<dyn Mailbox>;
    let task = submit::by_itself(node, &WORD, None, Inputs::None, mailbox);
    node.send(&task, false);
    task
}

/// The way of a question.
struct Asked {
    cluster: Arc<Cluster>,
    to: NodeId,
    question: Mutex<Option<Question>>,
}

impl Mailbox for Asked {
    fn actor(&self) -> ActorId {
        ActorId { node: self.to, sequence: 0 }
    }

    fn is_far(&self) -> bool {
        true
    }

    fn post(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, _: bool) -> Result<()> {
        let _ = task.make_ready();
        let question = self.question.lock().take();
        if let Some(question) = question
            && let Some(lease) = node.send_to(&self.cluster, task, &To::Ask(question))
        {
            self.cluster.post(Post::Call { lease, home: self.to });
        }
        Ok(())
    }

    fn lost(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, by: NodeId, why: &str) {
        let text = format!("{by}, which was asked for an actor, is gone: {why}");
        node.settle_away(task, Err(Error::new(ErrorKind::ActorNotFound, text)));
    }
}
