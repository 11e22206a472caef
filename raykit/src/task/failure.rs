//! From a function's `Err` to raykit's `Error`: the typed value is kept where its type is an object.

use crate::object::value::Value;
use crate::object::{Error, Object};
use std::cell::Cell;
use std::error::Error as StdError;

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

/// What a function returned as its error. `(&Raised::new(error)).error()` finds the better of the two
/// traits below: the second takes one more borrow.
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

#[doc(hidden)]
pub trait RaisedObject {
    fn error(&self) -> Error;
}
impl<E: Object + Into<Box<dyn StdError + Send + Sync>>> RaisedObject for Raised<E> {
    fn error(&self) -> Error {
        let error = self.take();
        let value = Value::new(error.clone());
        Error::returned(error.into(), Some(value))
    }
}

#[doc(hidden)]
pub trait RaisedOther {
    fn error(&self) -> Error;
}
impl<E: Into<Box<dyn StdError + Send + Sync>>> RaisedOther for &Raised<E> {
    fn error(&self) -> Error {
        Error::returned(self.take().into(), None)
    }
}
