//! raykit

extern crate self as raykit;

mod base;
mod object;
mod task;
mod sched;
mod node;
mod api;

pub use api::cluster::{Context, Stats, context, explain, stats};
pub use api::get::{Gather, Getting, Timed, get, get_timeout, put};
pub use api::init::{Config, Entered, Guard, Node, init};
pub use api::progress::progress;
pub use api::wait::{AsCompleted, IntoRefs, Ready, WaitFuture, Waiting, as_completed, wait};
pub use base::{NodeId, ObjectId, TaskId};
pub use object::{Error, ErrorKind, Object, ObjectRef, Result, Serde, View};
pub use raykit_macros::object;
#[doc(inline)]
#[doc = include_str!("../docs/remote.md")]
pub use raykit_macros::remote;
pub use task::arg::IntoArg;
pub use task::function::{Function, RemoteFunction};
pub use task::options::{RetryOn, Strategy};
pub use task::registry::{function, functions};

pub mod prelude {
    //! What most programs use: `use raykit::prelude::*;`.
    pub use crate::{Object, ObjectRef, Serde, View, object, remote};
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

#[doc(hidden)]
pub mod __private {
    //! Names that the macros write. Not part of the public interface: they may change in any release.
    pub use crate::object::codec::{Decode, Door, Encode, nested, read, write};
    pub use crate::object::estimate::estimated;
    pub use crate::object::schema;
    pub use crate::task::arg::{Input, IntoArg, Lend, Param, form};
    pub use crate::task::call::{Call, Held, HeldSlice, Returns, Single, Tuple};
    pub use crate::task::failure::{Fails, Raised, RaisedNothing, RaisedObject, RaisedOther, raise};
    pub use crate::task::function::{Body, Function, Running, krate, major};
    pub use crate::task::options::{Options, amount, set};
    pub use crate::task::registry::FUNCTIONS;
    pub use crate::api::call::{submit, submit_many};
    pub use {linkme, rkyv};
}
