//! `Yield`: where a function that gives a stream puts its items. The code that the macro writes
//! calls one of the three ways to empty an iterator or a stream into it.

use crate::object::value::Value;
use crate::object::{Object, Result};
use futures_core::Stream;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

/// After so many items a future lets others have a turn.
const TURN_ITEMS: u32 = 256;

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

    /// Blocks until the consumer has caught up.
    fn rest(&mut self) -> Result<()>;

    /// The same for a future.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// Takes the items of one call.
#[doc(hidden)]
pub struct Yield(pub(crate) Box<dyn Sink>);

impl Yield {
    /// Puts in all items, each as `each` sees it, until nobody wants more. The first error ends it.
    pub fn drain<I: IntoIterator, T: Object>(
        mut self,
        items: I,
        mut each: impl FnMut(I::Item) -> Result<T>,
    ) -> Result<()> {
        for item in items {
            match self.0.put(Value::new(each(item)?))? {
                Put::On => {}
                Put::Full => self.0.rest()?,
                Put::Over => break,
            }
        }
        Ok(())
    }

    /// The same inside a future.
    pub async fn drain_async<I: IntoIterator, T: Object>(
        mut self,
        items: I,
        mut each: impl FnMut(I::Item) -> Result<T>,
    ) -> Result<()> {
        let mut turn = 0;
        for item in items {
            if !self.put(Value::new(each(item)?), &mut turn).await? {
                break;
            }
        }
        Ok(())
    }

    /// The same for a stream.
    pub async fn pump<S: Stream, T: Object>(
        mut self,
        items: S,
        mut each: impl FnMut(S::Item) -> Result<T>,
    ) -> Result<()> {
        let mut items = pin!(items);
        let mut turn = 0;
        while let Some(item) = poll_fn(|cx| items.as_mut().poll_next(cx)).await {
            if !self.put(Value::new(each(item)?), &mut turn).await? {
                break;
            }
        }
        Ok(())
    }

    /// Whether more is wanted.
    async fn put(&mut self, value: Value, turn: &mut u32) -> Result<bool> {
        match self.0.put(value)? {
            Put::On => {}
            Put::Full => poll_fn(|cx| self.0.poll_rest(cx)).await,
            Put::Over => return Ok(false),
        }
        *turn += 1;
        if *turn == TURN_ITEMS {
            *turn = 0;
            let mut waited = false;
            poll_fn(|cx| {
                if std::mem::replace(&mut waited, true) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
        Ok(true)
    }
}
