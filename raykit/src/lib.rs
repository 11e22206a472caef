//! Tasks and objects on all cores, written as ordinary functions and values.
//!
//! Put [`#[remote]`](macro@remote) on a function, call it with `remote(..)`, and read the result
//! from the [`ObjectRef`] that you get at once:
//!
//! ```
//! use raykit::prelude::*;
//!
//! #[remote]
//! fn hello_world() -> String {
//!     "Hello, world!".into()
//! }
//!
//! fn main() -> raykit::Result<()> {
//!     let _ray = raykit::init()?;
//!     println!("{}", hello_world::remote().get()?);
//!     Ok(())
//! }
//! ```
//!
//! # Where to look
//!
//! - [`init`] and [`Config`] start a node; nothing runs beside your program.
//! - [`macro@remote`]: what a remote function may take and return, and its options.
//! - `#[remote]` on a struct makes an actor: [`_docs::actors`] says what is promised of it.
//! - [`put`], [`get`](fn@get), [`wait`], [`as_completed`]: values into the store and out of it.
//! - [`ActorPool`], [`ActorGroup`], [`Supervisor`], [`VirtualActors`] and [`Queue`]: ready-made
//!   things for actors and tasks.
//! - [`Object`] and [`macro@object`]: which types travel. [`View`] reads one in place.
//! - [`Error`]: what can go wrong, and how it says so. [`explain`] tells what a reference waits
//!   for.
//! - [`context`], [`stats`], [`progress`]: what goes on here. [`state`](mod@state): what goes on in
//!   the cluster; [`_docs::state`] is the chapter on that, the command `raykit`, metrics and logs.
//! - With the feature `sim`, `raykit::sim` runs jobs on pretend clusters; [`_docs::simulate`] is
//!   its chapter.
//! - [`_docs`]: the architecture, the opinions behind it, a comparison, a glossary.
//!
//! # How it is built
//!
//! ```text
//! floor 7   sim                a pretend world: clusters in one process, decided by a seed
//! floor 6   kit                ready-made things: pools, groups, supervisors, queues
//! floor 5   api                the porch: the words a user says
//! floor 4   node               the stairwell: the only place where rooms meet
//! floor 3   task proto net     a call written down · the cluster's brain · its road
//! floor 2   actor     shm      state with a mailbox: what may run when · memory to share
//! floor 1   object sched logs  what travels · who works · what is printed
//! floor 0   base               ids, amounts, limits: words that all share
//! ```
//!
//! A file imports only from lower floors, or from files of its own room. A call goes down them
//! once, from `api/call` through `task` and `node` into a queue of `sched`; its outcome goes by one
//! door, `node/run`'s `settle`, into the slot where `api/get` reads it. A value that is made and
//! used here is never encoded.

#![cfg_attr(
    not(feature = "cluster"),
    allow(dead_code, reason = "without it nobody joins a cluster")
)]

extern crate self as raykit;

mod base;
mod object;
mod sched;
mod actor;
#[cfg(all(feature = "cluster", target_os = "linux"))]
mod shm;
mod task;
mod proto;
#[cfg(feature = "cluster")]
#[cfg_attr(
    not(test),
    allow(dead_code, reason = "lists of tokens and bans wait for who asks for them")
)]
mod net;
#[cfg(feature = "cluster")]
mod logs;
mod node;
mod api;
mod kit;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(all(test, not(feature = "sim")))]
mod sim;

pub use actor::supervise::{Decision, Restart};
pub use api::actor::{Actor, ActorRef, Handle, WeakHandle, actor, actor_in};
pub use api::cluster::{Context, NodeInfo, Stats, context, explain, join_token, nodes, stats};
pub use api::get::{Gather, Getting, Timed, get, get_timeout, put};
pub use api::group::{Bundle, PlacementGroup, PlacementGroupOptions, placement_groups};
pub use api::init::{Config, Guard, init};
pub use api::own::{Entered, Node};
pub use api::progress::progress;
pub use api::say::{LogWriter, log_writer};
pub use api::wait::{AsCompleted, IntoRefs, Ready, WaitFuture, Waiting, as_completed, wait};
#[cfg(feature = "cluster")]
pub use api::worker::{NodeArgs, worker};
pub use base::{ActorId, NodeId, ObjectId, PlacementGroupId, PlacementStrategy, Strategy, TaskId};
pub use kit::gathered::{Gathered, Gathering};
pub use kit::group::ActorGroup;
pub use kit::map::Mapped;
pub use kit::pool::ActorPool;
pub use kit::queue::{PutError, Queue};
pub use kit::shape::{Point, Shape};
pub use kit::supervisor::{Failure, Supervisor};
pub use kit::virtual_actors::VirtualActors;
pub use object::{Error, ErrorKind, Object, ObjectRef, ObjectStream, Result, Serde, View};
#[doc(inline)]
#[doc = include_str!("../docs/main.md")]
pub use raykit_macros::main;
#[doc(inline)]
#[doc = include_str!("../docs/object.md")]
pub use raykit_macros::object;
#[doc(inline)]
#[doc = include_str!("../docs/remote.md")]
pub use raykit_macros::remote;
pub use task::arg::IntoArg;
pub use task::function::{Function, RemoteFunction};
pub use task::options::{RetryOn, WhenFull};
pub use task::registry::{function, functions};

pub mod token {
    //! The tokens with which processes join a cluster: making, listing, revoking and replacing
    //! them. On the head, and for an administrator.
    pub use crate::api::token::{
        NewToken, TokenRole, TokenState, Tokens, admin_file, issue, list, revoke, rotate, within,
    };
}

pub mod state {
    //! What is on the nodes of a cluster: its nodes, tasks, actors, objects and functions. Ray's
    //! state API; [`_docs::state`](crate::_docs::state) is its chapter.
    //!
    //! ```
    //! use raykit::prelude::*;
    //! use raykit::state;
    //!
    //! #[remote]
    //! fn fails() -> Result<u32, String> {
    //!     Err("no".into())
    //! }
    //!
    //! # fn main() -> raykit::Result<()> {
    //! let _ray = raykit::init()?;
    //! assert!(fails::remote().get().is_err());
    //! let failed = state::tasks().state("FAILED").get()?;
    //! assert_eq!(failed.items[0].name, "fails");
    //! # Ok(())
    //! # }
    //! ```
    pub use crate::api::state::{
        Listed, Listing, Metrics, Query, Silent, Summary, actors, functions, metrics,
        metrics_timeout, nodes, objects, summary, summary_timeout, tasks,
    };
    #[cfg(feature = "cluster")]
    pub use crate::api::state::{Log, LogQuery, log};
    #[cfg(feature = "cluster")]
    pub use crate::logs::plain;
    pub use crate::node::report::{
        ActorState, ActorStatus, FunctionState, NodeState, ObjectState, ReferenceType, TaskState,
        TaskStatus, TaskType,
    };
}

pub mod prelude {
    //! What most programs use: `use raykit::prelude::*;`.
    pub use crate::{Object, ObjectRef, ObjectStream, Serde, View, object, remote};
    use std::time::Duration;

    /// So many seconds.
    pub const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// So many milliseconds.
    pub const fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }
}

pub mod _docs {
    //! Chapters that belong to no single item.

    pub mod architecture {
        #![doc = include_str!("../docs/architecture.md")]
    }
    pub mod actors {
        #![doc = include_str!("../docs/actors.md")]
    }
    pub mod cluster {
        #![doc = include_str!("../docs/cluster.md")]
    }
    pub mod state {
        #![doc = include_str!("../docs/state.md")]
    }
    pub mod simulate {
        #![doc = include_str!("../docs/simulate.md")]
    }
    pub mod deploy {
        #![doc = include_str!("../docs/deploy.md")]
    }
    pub mod wire {
        #![doc = include_str!("../docs/wire.md")]
    }
    pub mod security {
        #![doc = include_str!("../docs/security.md")]
    }
    pub mod design {
        #![doc = include_str!("../docs/design.md")]
    }
    pub mod comparison {
        #![doc = include_str!("../docs/comparison.md")]
    }
    pub mod glossary {
        #![doc = include_str!("../docs/glossary.md")]
    }
}

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

/// What `raykit-sim` does, given its arguments.
#[doc(hidden)]
#[cfg(feature = "sim")]
#[must_use]
pub fn __sim(args: &[String]) -> std::process::ExitCode {
    sim::command::main(args)
}

#[doc(hidden)]
#[cfg(feature = "fuzzing")]
pub mod __fuzz {
    //! What reads bytes from outside, for a fuzzer. Not part of the public interface.
    pub use crate::base::fuzz::Target;

    /// All of it.
    pub fn targets() -> impl Iterator<Item = &'static Target> {
        let rooms = [
            crate::object::fuzz::TARGETS,
            #[cfg(all(feature = "cluster", target_os = "linux"))]
            crate::shm::fuzz::TARGETS,
            crate::proto::fuzz::TARGETS,
            #[cfg(feature = "cluster")]
            crate::net::fuzz::TARGETS,
            crate::node::fuzz::TARGETS,
        ];
        rooms.into_iter().flatten()
    }
}

#[doc(hidden)]
pub mod __private {
    //! Names that the macros write. Not part of the public interface: they may change in any
    //! release.
    pub use crate::actor::options::ActorOptions;
    pub use crate::actor::state::{Access, Checkpoint, State};
    pub use crate::actor::threads::{AnyThread, Keeps, OneThread, Roams, Shares};
    pub use crate::api::actor::{actor_type, call, call_many, create, handle};
    pub use crate::api::call::{submit, submit_many};
    pub use crate::api::program::{be_node, is_node};
    pub use crate::api::say::say;
    pub use crate::api::stream::{call_stream, submit_stream};
    pub use crate::object::codec::{Check, Decode, Door, Encode, nested, read, write};
    pub use crate::object::estimate::estimated;
    pub use crate::object::schema;
    pub use crate::task::arg::{Input, IntoArg, form};
    pub use crate::task::call::{Call, Held, HeldSlice, Returns, Single, Tuple};
    pub use crate::task::failure::{
        Fails, Raised, RaisedNothing, RaisedObject, RaisedOther, raise,
    };
    pub use crate::task::function::{Body, Function, Making, Running, krate, major};
    pub use crate::task::options::{Options, amount, set};
    pub use crate::task::param::{Lend, Param};
    pub use crate::task::registry::FUNCTIONS;
    pub use crate::task::yields::Yield;
    pub use {linkme, rkyv};
}
