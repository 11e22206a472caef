//! What a node tells of itself to whoever asks for the state of a cluster: rows of plain values.
//! Users see them as `raykit::state`; on the wire they stand field by field.

use crate::base::{ActorId, NodeId, ObjectId, TaskId};
use crate::proto::wire::{Reader, Wire, record};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// A closed list of words, each of which stands for itself in text and by its number on the wire.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            const ALL: &[$name] = &[$($name::$variant),*];

            /// The word that stands for it, as Ray writes it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                out.push(*self as u8);
            }
            fn take(from: &mut Reader<'_>) -> Option<Self> {
                Self::ALL.get(usize::from(u8::take(from)?)).copied()
            }
        }
    };
}

words! {
    /// Where a task stands. The words are Ray's.
    TaskStatus {
        /// An argument is not there yet, or the pause before another attempt is not over.
        PendingArgsAvail = "PENDING_ARGS_AVAIL",
        /// It is queued: for a thread, for resources, or for a place in the cluster.
        PendingNodeAssignment = "PENDING_NODE_ASSIGNMENT",
        /// A call of an actor that stands in line there.
        PendingActorTask = "PENDING_ACTOR_TASK_ORDERING_OR_CONCURRENCY",
        /// Its owner has given it to another node, which has not said yet what it does with it.
        SubmittedToWorker = "SUBMITTED_TO_WORKER",
        /// Its function runs.
        Running = "RUNNING",
        /// An attempt ended in an error.
        Failed = "FAILED",
    }
}

words! {
    /// What kind of call a task is.
    TaskType {
        /// A remote function.
        NormalTask = "NORMAL_TASK",
        /// An actor's constructor.
        ActorCreationTask = "ACTOR_CREATION_TASK",
        /// A method of an actor.
        ActorTask = "ACTOR_TASK",
    }
}

words! {
    /// Where an actor stands. The words are Ray's.
    ActorStatus {
        /// Its constructor runs, or is about to.
        PendingCreation = "PENDING_CREATION",
        /// It takes calls.
        Alive = "ALIVE",
        /// It has crashed, and may start again.
        Restarting = "RESTARTING",
        /// It has ended.
        Dead = "DEAD",
    }
}

words! {
    /// Why a node knows an object.
    ReferenceType {
        /// It is this node's own, and large; references of this process hold it.
        LocalReference = "LOCAL_REFERENCE",
        /// It is this node's own, and other nodes refer to it.
        HeldByOthers = "HELD_BY_OTHERS",
        /// It belongs to another node, and this one refers to it.
        Borrowed = "BORROWED",
        /// It stands for an actor: whoever holds it has a handle.
        ActorHandle = "ACTOR_HANDLE",
    }
}

macro_rules! ids_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
    )*};
}
ids_as_text!(NodeId, TaskId, ObjectId, ActorId);

record!(ActorId { node, sequence });

impl Wire for f64 {
    fn put(&self, out: &mut Vec<u8>) {
        self.to_bits().put(out);
    }
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        u64::take(from).map(f64::from_bits)
    }
}

/// A node, and counts of what is on it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NodeState {
    /// Its id; never given to another node.
    pub node_id: NodeId,
    /// What it is called: its host's name, unless it was given one.
    pub name: String,
    /// Whether others join the cluster there.
    pub is_head: bool,
    /// Whether it is a program's own node, and not there for others.
    pub is_driver: bool,
    /// Where it is reached.
    pub addresses: Vec<String>,
    /// What it can be known by.
    pub labels: BTreeMap<String, String>,
    /// Where its counters are read, if anywhere.
    pub metrics_address: Option<String>,
    /// The file of its host in which what it prints is kept, if it is.
    pub log_file: Option<String>,
    /// Its process on its host.
    pub pid: u32,
    /// How long it has been there, milliseconds.
    pub uptime_ms: u64,
    /// What it has in all: `CPU`, `GPU`, `memory` in bytes, and named resources.
    pub resources_total: BTreeMap<String, f64>,
    /// What of it no task and no actor holds.
    pub resources_free: BTreeMap<String, f64>,
    /// Tasks that run.
    pub tasks_running: u64,
    /// Tasks that are queued, those of actors included.
    pub tasks_queued: u64,
    /// Tasks of this node that wait for arguments.
    pub tasks_waiting: u64,
    /// Tasks since the node began: calls that were made here, and calls of others that came here.
    pub tasks_submitted: u64,
    /// Of these, the ones that ended well.
    pub tasks_finished: u64,
    /// Of these, the ones that ended in an error.
    pub tasks_failed: u64,
    /// Actors that have not ended.
    pub actors: u64,
    /// Objects that exist, as values or as promises.
    pub objects: u64,
    /// Bytes that they take.
    pub object_bytes: u64,
    /// Threads, those that wait included.
    pub threads: u64,
    /// Threads whose task waits for an object.
    pub threads_waiting: u64,
}
record!(NodeState {
    node_id,
    name,
    is_head,
    is_driver,
    addresses,
    labels,
    metrics_address,
    log_file,
    pid,
    uptime_ms,
    resources_total,
    resources_free,
    tasks_running,
    tasks_queued,
    tasks_waiting,
    tasks_submitted,
    tasks_finished,
    tasks_failed,
    actors,
    objects,
    object_bytes,
    threads,
    threads_waiting,
});

/// A task: one that waits, one that runs, or an attempt of one that has failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TaskState {
    /// Its id.
    pub task_id: TaskId,
    /// Its function's name, unless the call was given one.
    pub name: String,
    /// The key of its function.
    pub function: String,
    /// Where it stands.
    #[serde(rename = "state")]
    pub status: TaskStatus,
    /// What kind of call it is.
    #[serde(rename = "type")]
    pub task_type: TaskType,
    /// The node where it stands so.
    pub node_id: NodeId,
    /// The node whose call it is.
    pub owner: NodeId,
    /// How often it was tried before.
    pub attempt: u32,
    /// The actor whose method it is, or which it makes.
    pub actor_id: Option<ActorId>,
    /// Of a failed one: the kind of its error.
    pub error_type: Option<String>,
    /// Of a failed one: the error, cut to 512 bytes.
    pub error_message: Option<String>,
    /// Since when, in milliseconds since 1970: known of those that have failed or wait for
    /// arguments. To read the clock for each task that begins would cost more than a small task
    /// does.
    pub since_ms: Option<u64>,
}
record!(TaskState {
    task_id,
    name,
    function,
    status,
    task_type,
    node_id,
    owner,
    attempt,
    actor_id,
    error_type,
    error_message,
    since_ms,
});

/// An actor.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ActorState {
    /// Its id.
    pub actor_id: ActorId,
    /// The struct, with its path.
    pub class_name: String,
    /// The name that it was given.
    pub name: Option<String>,
    /// Where that name is known.
    pub namespace: Option<String>,
    /// Where it stands.
    #[serde(rename = "state")]
    pub status: ActorStatus,
    /// The node on which it is.
    pub node_id: NodeId,
    /// The process of that node.
    pub pid: u32,
    /// How often it has started again.
    pub num_restarts: u64,
    /// Calls that have not begun.
    pub pending_calls: u64,
    /// Of a dead one: why.
    pub death_cause: Option<String>,
}
record!(ActorState {
    actor_id,
    class_name,
    name,
    namespace,
    status,
    node_id,
    pid,
    num_restarts,
    pending_calls,
    death_cause,
});

/// An object that a node knows: a large one of its own, or one that several nodes know.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ObjectState {
    /// Its id.
    pub object_id: ObjectId,
    /// Bytes that it takes on this node; 0 where it is not there, or not yet.
    pub object_size: u64,
    /// The node that made the call whose result it is, or that stored it.
    pub owner: NodeId,
    /// The node that knows it.
    pub node_id: NodeId,
    /// Why that node knows it.
    pub reference_type: ReferenceType,
    /// Whether there is an outcome.
    pub is_ready: bool,
}
record!(ObjectState { object_id, object_size, owner, node_id, reference_type, is_ready });

/// A remote function, and what became of its calls.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FunctionState {
    /// Its stable key: crate, major version, module path and name.
    pub key: String,
    /// Its own name.
    pub name: String,
    /// The signature as it stands in the source.
    pub signature: String,
    /// Where it stands: file and line.
    pub location: String,
    /// The hash of its types, in hexadecimal.
    pub schema: String,
    /// The nodes whose programs have it.
    pub nodes: Vec<NodeId>,
    /// Calls that ended well there since those nodes began.
    pub finished: u64,
    /// Calls that ended in an error.
    pub failed: u64,
}
record!(FunctionState { key, name, signature, location, schema, nodes, finished, failed });
