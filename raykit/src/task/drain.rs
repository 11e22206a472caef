//! How an iterator or a stream is emptied into a `Yield`. The code that the macro writes calls one
//! of these ways.

use super::call::{Results, Returns};
use super::yields::{Put, Yield};
use crate::object::value::Value;
use crate::object::{Error, ErrorKind, Result};
use futures_core::Stream;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// After so many items a future lets others have a turn.
const TURN_ITEMS: u32 = 256;

/// The value of one item.
#[inline(always)]
fn one(item: Returns) -> Result<Value> {
    match item.0 {
        Results::One(value) => Ok(value),
        Results::Many(_) => Err(Error::new(ErrorKind::Config, "an item of a stream is one value")),
    }
}

impl Yield {
    /// Puts in all items, each as `each` sees it, until nobody wants more. The first error ends it.
    pub fn drain<I: IntoIterator>(
        mut self,
        items: I,
        mut each: impl FnMut(I::Item) -> Result<Returns>,
    ) -> Result<()> {
        for item in items {
            let more = match self.0.put(one(each(item)?)?)? {
                Put::On => true,
                Put::Full => self.0.rest()?,
                Put::Over => false,
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    /// The same inside a future.
    pub async fn drain_async<I: IntoIterator>(
        mut self,
        items: I,
        mut each: impl FnMut(I::Item) -> Result<Returns>,
    ) -> Result<()> {
        let mut turn = 0;
        for item in items {
            if !self.put(each(item)?, &mut turn).await? {
                break;
            }
        }
        Ok(())
    }

    /// The same for a stream.
    pub async fn pump<S: Stream>(
        mut self,
        items: S,
        mut each: impl FnMut(S::Item) -> Result<Returns>,
    ) -> Result<()> {
        let mut items = pin!(items);
        let mut turn = 0;
        while let Some(item) = poll_fn(|cx| items.as_mut().poll_next(cx)).await {
            if !self.put(each(item)?, &mut turn).await? {
                break;
            }
        }
        Ok(())
    }

    /// Whether more is wanted.
    async fn put(&mut self, item: Returns, turn: &mut u32) -> Result<bool> {
        match self.0.put(one(item)?)? {
            Put::On => {}
            Put::Full if poll_fn(|cx| self.0.poll_rest(cx)).await => {}
            Put::Full | Put::Over => return Ok(false),
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
