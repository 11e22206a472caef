//! Names of nodes, tasks and objects: newtypes, cheap to copy, and how they print.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::Ordering;

/// One node: a process that takes part, or one of several in the same process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

/// One call of a remote function. Unique for the life of the process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    pub(crate) node: NodeId,
    pub(crate) sequence: u64,
}

/// One object: a result of a task, or what `put` stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    pub(crate) node: NodeId,
    pub(crate) index: u32,
    pub(crate) sequence: u64,
}

/// One actor. Unique for the life of the process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActorId {
    pub(crate) node: NodeId,
    pub(crate) sequence: u64,
}

/// One placement group.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlacementGroupId {
    pub(crate) node: NodeId,
    pub(crate) sequence: u64,
}

impl TaskId {
    /// The id of the result at `index` of this task.
    pub(crate) fn result(self, index: u32) -> ObjectId {
        ObjectId { node: self.node, index, sequence: self.sequence }
    }
}

impl ObjectId {
    /// The index of what is no result but an actor's handles.
    pub(crate) const ACTOR: u32 = u32::MAX;

    /// The index of the handle of a stream; no item has it.
    pub(crate) const STREAM: u32 = u32::MAX - 1;

    /// Whether it stands for an actor.
    pub(crate) fn is_actor(self) -> bool {
        self.index == ObjectId::ACTOR
    }

    pub(crate) fn is_stream(self) -> bool {
        self.index == ObjectId::STREAM
    }

    /// The task that makes this object; for what `put` stored, a task id that no task has.
    pub(crate) fn task(self) -> TaskId {
        TaskId { node: self.node, sequence: self.sequence }
    }
}

/// How many ids a thread takes from the common counter at once, so that threads seldom meet there.
pub(super) const IDS_PER_BLOCK: u64 = 1024;

std::thread_local! {
    static BLOCK: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// The next number, unique in this process.
pub(crate) fn next_sequence() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    #[cfg(feature = "sim")]
    if let Some(number) = super::turns::number() {
        return number;
    }
    BLOCK
        .try_with(|block| {
            let (next, end) = block.get();
            if next < end {
                block.set((next + 1, end));
                return next;
            }
            let start = NEXT.fetch_add(IDS_PER_BLOCK, Ordering::Relaxed);
            block.set((start + 1, start + IDS_PER_BLOCK));
            start
        })
        .unwrap_or_else(|_| NEXT.fetch_add(1, Ordering::Relaxed))
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}
impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}@{}", self.sequence, self.node)
    }
}
impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a{}@{}", self.sequence, self.node)
    }
}
impl fmt::Display for PlacementGroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{}@{}", self.sequence, self.node)
    }
}
impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "o{}.{}@{}", self.sequence, self.index, self.node)
    }
}

macro_rules! debug_as_display {
    ($($name:ty),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}
debug_as_display!(NodeId, TaskId, ObjectId, ActorId, PlacementGroupId);
