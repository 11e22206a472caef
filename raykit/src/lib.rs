//! raykit

extern crate self as raykit;

mod base;
mod object;
mod task;
mod sched;
mod node;
mod api;

pub use base::{NodeId, ObjectId, TaskId};
pub use object::{Error, ErrorKind, Object, ObjectRef, Result, Serde, View};
pub use raykit_macros::{object, remote};
pub use task::arg::IntoArg;
pub use task::function::Function;
pub use task::options::{RetryOn, Strategy};
pub use task::registry::{function, functions};

pub mod prelude {
    //! What most programs use: `use raykit::prelude::*;`.
    pub use crate::{Object, ObjectRef, Serde, View, object, remote};
}

#[doc(hidden)]
pub mod __private {
    //! Names that the macros write. Not part of the public interface: they may change in any release.
    pub use crate::object::codec::{Check, Decode, Door, Encode, nested, read, write};
    pub use crate::object::estimate::estimated;
    pub use crate::object::schema;
    pub use crate::task::arg::{Input, IntoArg, Param, form};
    pub use crate::task::call::{Call, Held, HeldSlice, Returns, Tuple};
    pub use crate::task::failure::{Fails, Raised, RaisedObject, RaisedOther};
    pub use crate::task::function::{Body, Function, Running};
    pub use crate::task::options::Options;
    pub use crate::task::registry::FUNCTIONS;
    pub use crate::api::call::{submit, submit_many};
    pub use {linkme, rkyv};
}
