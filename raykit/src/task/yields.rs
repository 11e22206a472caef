//! `Yield`: where a function that gives a stream puts its items.

use crate::object::Result;
use crate::object::value::Value;
use std::task::{Context, Poll};

/// What came of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    On,
    /// The next one has to wait until the consumer has caught up.
    Full,
    /// Nobody wants more.
    Over,
}

/// The way out of a call for the items of its stream.
pub(crate) trait Sink: Send {
    fn put(&mut self, value: Value) -> Result<Put>;

    /// Blocks until the consumer has caught up. `false` if nobody wants more.
    fn rest(&mut self) -> Result<bool>;

    /// The same for a future.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<bool>;
}

/// Takes the items of one call.
#[doc(hidden)]
pub struct Yield(pub(crate) Box<dyn Sink>);
