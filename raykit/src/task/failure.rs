//! From a function's `Err` to raykit's `Error`: the typed value is kept where its type is an
//! object.

use crate::object::value::Value;
use crate::object::{Error, Object};
use std::cell::Cell;
use std::error::Error as StdError;
use std::sync::Arc;

/// A return type that can say no. `Ok` is what the caller's reference is to.
#[diagnostic::on_unimplemented(
    message = "a remote function's return type that is spelled `Result` must be a `std::result::Result`",
    note = "an alias such as `anyhow::Result<T>` or `io::Result<T>` is fine; rename other types called `Result`"
)]
#[doc(hidden)]
pub trait Fails {
    type Ok;
    type Err;
    fn into_result(self) -> Result<Self::Ok, Self::Err>;
}

impl<T, E> Fails for Result<T, E> {
    type Ok = T;
    type Err = E;
    fn into_result(self) -> Result<T, E> {
        self
    }
}

/// An error that a remote function can return.
#[diagnostic::on_unimplemented(
    message = "a remote function cannot return `{Self}` as its error",
    label = "does not convert into `Box<dyn Error + Send + Sync>`",
    note = "implement `std::error::Error` for it, or return `String` or `anyhow::Error`"
)]
#[doc(hidden)]
pub trait Raise: Into<Box<dyn StdError + Send + Sync>> {}
impl<E: Into<Box<dyn StdError + Send + Sync>>> Raise for E {}

/// Says in one place, and in words, what an error has to be.
#[doc(hidden)]
pub fn raise<E: Raise>(error: E) -> E {
    error
}

/// What a function returned as its error. `(&&&Raised::new(error)).error()` finds the best of the
/// three traits below, the one that takes the most borrows.
#[doc(hidden)]
pub struct Raised<E>(Cell<Option<E>>);

impl<E> Raised<E> {
    pub fn new(error: E) -> Self {
        Raised(Cell::new(Some(error)))
    }
    fn take(&self) -> E {
        self.0.take().expect("the error is taken once")
    }
}

/// An error that is an object is kept as it is, for `downcast_ref`.
#[doc(hidden)]
pub trait RaisedObject {
    fn error(&self) -> Error;
}
impl<E: Object + Into<Box<dyn StdError + Send + Sync>>> RaisedObject for &&Raised<E> {
    fn error(&self) -> Error {
        let error = self.take();
        let value = Value::new(error.clone());
        Error::returned(error.into(), Some(Arc::new(value)))
    }
}

/// Of any other, the message and the sources are kept.
#[doc(hidden)]
pub trait RaisedOther {
    fn error(&self) -> Error;
}
impl<E: Into<Box<dyn StdError + Send + Sync>>> RaisedOther for &Raised<E> {
    fn error(&self) -> Error {
        Error::returned(self.take().into(), None)
    }
}

/// What `raise` has refused already: it is here so that the compiler does not complain twice.
#[doc(hidden)]
pub trait RaisedNothing {
    fn error(&self) -> Error;
}
impl<E> RaisedNothing for Raised<E> {
    fn error(&self) -> Error {
        unreachable!("`raise` lets no such error through")
    }
}
