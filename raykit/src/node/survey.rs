//! A question to the nodes of a cluster about their state, and its answer. A question goes as a
//! request for bytes, as those for objects do; who does not answer in time is named.

use super::Node;
use super::census::{Filter, Found};
use super::cluster::{Cluster, Post};
use super::report::{ActorState, FunctionState, NodeState, ObjectState, ReferenceType, TaskState};
use super::request;
use crate::base::channel::{Receiver, Sender, channel};
use crate::base::clock;
use crate::base::limits::{REPORT_BYTES_MAX, REPORT_ROWS_MAX};
use crate::base::maps::HashMap;
use crate::base::quiet::quietly;
use crate::base::{NodeId, ObjectId};
use crate::object::buffer::Buffer;
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::raw::{RawRef, Stage};
use crate::proto::wire::{Reader, Wire, record};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    Node,
    Tasks,
    Actors,
    Objects,
    Functions,
}

const TOPICS: [Topic; 5] =
    [Topic::Node, Topic::Tasks, Topic::Actors, Topic::Objects, Topic::Functions];

/// A question about a node's state.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Question {
    pub(crate) topic: Topic,
    pub(crate) filter: Filter,
}

record!(Filter { state, name, limit });

record!(Question { topic, filter });

impl Wire for Topic {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        TOPICS.get(usize::from(u8::take(from)?)).copied()
    }
}

impl<T: Wire> Wire for Found<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.rows.put(out);
        self.truncated.put(out);
    }
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        Some(Found { rows: Wire::take(from)?, truncated: Wire::take(from)? })
    }
}

/// A kind of row that nodes can be asked for.
pub(crate) trait Row: Wire + Send {
    const TOPIC: Topic;
}

impl Row for NodeState {
    const TOPIC: Topic = Topic::Node;
}
impl Row for TaskState {
    const TOPIC: Topic = Topic::Tasks;
}
impl Row for ActorState {
    const TOPIC: Topic = Topic::Actors;
}
impl Row for ObjectState {
    const TOPIC: Topic = Topic::Objects;
}
impl Row for FunctionState {
    const TOPIC: Topic = Topic::Functions;
}

/// What the brain has claimed, by the names that other nodes know it by.
pub(super) type Claims = HashMap<ObjectId, RawRef>;

/// Told what became of a question.
pub(crate) type Told = Box<dyn FnOnce(Result<Buffer>) + Send>;

/// The answer to a question, for nobody but who has been let into the cluster.
pub(super) fn answer(node: &Node, claims: Option<&Claims>, question: &Question) -> Vec<u8> {
    let limit = question.filter.limit.min(REPORT_ROWS_MAX);
    let filter = Filter { limit, ..question.filter.clone() };
    let mut out = Vec::new();
    match question.topic {
        Topic::Node => Found { rows: vec![node.state()], truncated: false }.put(&mut out),
        Topic::Tasks => node.tasks(&filter).put(&mut out),
        Topic::Actors => node.actors_of(&filter).put(&mut out),
        Topic::Functions => node.functions_of(&filter).put(&mut out),
        Topic::Objects => objects(node, claims, &filter).put(&mut out),
    }
    out
}

/// The answer to a request, if it is a question.
pub(super) fn serve(node: &Node, claims: &Claims, asked: &[u8]) -> Option<Vec<u8>> {
    let question: Question = request::read(request::STATE, asked)?;
    Some(answer(node, Some(claims), &question))
}

/// `bytes`, as they would have come from another node.
pub(super) fn buffer(bytes: &[u8]) -> Buffer {
    let mut buffer = Buffer::for_about(bytes.len());
    buffer.extend_from_slice(bytes);
    buffer
}

/// The objects of which the node knows more than their number.
fn objects(node: &Node, claims: Option<&Claims>, filter: &Filter) -> Found<ObjectState> {
    let most = filter.limit as usize;
    let mut all: BTreeMap<ObjectId, ObjectState> = BTreeMap::new();
    let row = |id: ObjectId, bytes, kind, is_ready| ObjectState {
        object_id: id,
        object_size: bytes,
        owner: id.node,
        node_id: node.id,
        reference_type: if id.is_actor() { ReferenceType::ActorHandle } else { kind },
        is_ready,
    };
    let mut add = |new: ObjectState| {
        if filter.takes(new.reference_type.as_str(), &new.object_id.to_string())
            && all.len() <= most
        {
            all.insert(new.object_id, new);
        }
    };
    for (id, bytes) in node.ledger.large(most + 1) {
        add(row(id, bytes, ReferenceType::LocalReference, true));
    }
    if let Some(cluster) = node.cluster.get() {
        let foreign: Vec<RawRef> = {
            let table = cluster.foreign.lock();
            let there = table.values().filter_map(std::sync::Weak::upgrade);
            there.take(most + 1).map(|there| RawRef(there as _)).collect()
        };
        for reference in &foreign {
            let ready = reference.0.stage() != Stage::Open;
            add(row(reference.id(), reference.charged(), ReferenceType::Borrowed, ready));
        }
        // After the lock, which the end of a last claim takes.
        quietly(|| drop(foreign));
    }
    for (id, reference) in claims.into_iter().flatten() {
        let ready = reference.0.stage() != Stage::Open;
        add(row(*id, reference.charged(), ReferenceType::HeldByOthers, ready));
    }
    let truncated = all.len() > most;
    Found { rows: all.into_values().take(most).collect(), truncated }
}

/// What nodes have answered.
pub(crate) struct Survey<T> {
    pub(crate) answers: Vec<(NodeId, Found<T>)>,
    /// Who has not, and why.
    pub(crate) silent: Vec<(NodeId, String)>,
}

impl<T: Row> Survey<T> {
    fn take(&mut self, from: NodeId, bytes: Result<&[u8]>) {
        match bytes {
            Ok(bytes) => match Found::take(&mut Reader::new(bytes)) {
                Some(found) => self.answers.push((from, found)),
                None => self.silent.push((from, "its answer cannot be read".to_owned())),
            },
            Err(error) => self.silent.push((from, error.to_string())),
        }
    }
}

/// A question that was asked. Several can be open at once, and have the same time then.
pub(crate) struct Open<T> {
    survey: Survey<T>,
    /// Who has been asked and was not heard yet.
    asked: Vec<NodeId>,
    told: Receiver<(NodeId, Result<Buffer>)>,
    limit: Duration,
    /// `None` where it is too far away to be a time.
    deadline: Option<Instant>,
}

impl<T: Row> Open<T> {
    /// Waits for the answers.
    pub(crate) fn answers(mut self) -> Survey<T> {
        while !self.asked.is_empty() {
            let left = self.deadline.map(|at| at.saturating_duration_since(clock::now()));
            let told = self.told.take_within(left.unwrap_or(Duration::MAX));
            let Some((from, bytes)) = told else { break };
            self.asked.retain(|node| *node != from);
            self.survey.take(from, bytes.as_ref().map(|bytes| &bytes[..]).map_err(Error::clone));
        }
        for node in self.asked {
            self.survey.take(node, Err(late(self.limit)));
        }
        self.survey.answers.sort_by_key(|(node, _)| *node);
        self.survey.silent.sort();
        self.survey
    }
}

/// Asks the nodes of the cluster, or one of them. They have `limit` for their answers.
pub(crate) fn survey<T: Row>(
    node: &Arc<Node>,
    filter: &Filter,
    only: Option<NodeId>,
    limit: Duration,
) -> Open<T> {
    let question = Question { topic: T::TOPIC, filter: filter.clone() };
    let survey = Survey { answers: Vec::new(), silent: Vec::new() };
    let (tell, told) = channel();
    let deadline = clock::now().checked_add(limit);
    let mut open = Open { survey, asked: Vec::new(), told, limit, deadline };
    let Some(cluster) = node.cluster.get().filter(|cluster| cluster.lost().is_none()) else {
        match only {
            Some(other) if other != node.id => open.survey.take(other, Err(unknown(other))),
            _ => open.survey.take(node.id, Ok(&answer(node, None, &question))),
        }
        return open;
    };
    open.asked = match only {
        Some(only) => vec![only],
        None => cluster.members().iter().map(|member| member.node).collect(),
    };
    for to in &open.asked {
        ask(cluster, *to, &question, tell.clone());
    }
    open
}

fn unknown(node: NodeId) -> Error {
    Error::new(ErrorKind::NodeDied, format!("{node} is no node of this cluster"))
}

/// Asks one node something, and waits for its answer for at most `limit`.
pub(crate) fn ask_one(
    cluster: &Cluster,
    to: NodeId,
    request: Vec<u8>,
    limit: Duration,
) -> Result<Buffer> {
    let (tell, told) = channel();
    let told_of: Told = Box::new(move |bytes| tell.send(bytes));
    cluster.post(Post::Ask { to, request, told: told_of });
    told.take_within(limit).unwrap_or_else(|| Err(late(limit)))
}

fn late(limit: Duration) -> Error {
    Error::new(ErrorKind::TimedOut, format!("no answer within {limit:?}"))
}

type Answers = Sender<(NodeId, Result<Buffer>)>;

fn ask(cluster: &Arc<Cluster>, to: NodeId, question: &Question, tell: Answers) {
    let request = request::write(request::STATE, question);
    let told: Told = Box::new(move |bytes| tell.send((to, bytes)));
    if cluster.members().iter().all(|member| member.node != to) {
        return told(Err(unknown(to)));
    }
    cluster.post(Post::Ask { to, request, told });
}

/// What is asked of a node takes no more than this of the asker's memory.
pub(super) const ANSWER_BYTES_MAX: u64 = REPORT_BYTES_MAX;
