//! Reading a stream: as an iterator, as a `futures::Stream`, with a time limit.

use crate::base::clock;
use crate::node::reader::{self, read_here};
use crate::node::stream::{Tap, tap};
use crate::node::{slots, submit};
use crate::object::ObjectRef;
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::stream::ObjectStream;
use crate::task::arg::{Input, Inputs};
use crate::task::function::Function;
use crate::task::options::Options;
use futures_core::Stream;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

impl<T> ObjectStream<T> {
    fn tap(&self) -> Result<&Tap> {
        self.claim.0.peek::<Tap>().ok_or_else(|| match self.claim.0.outcome() {
            Some(Err(error)) => error.clone(),
            _ => Error::new(ErrorKind::Encoding, "this is no reference to a stream"),
        })
    }

    /// What another node gives is read here from now on.
    fn begin(&mut self) {
        if let Some(here) = read_here(&self.claim.0) {
            self.claim = ObjectRef::new(here);
        }
    }

    fn failed(&mut self, error: Error) -> Option<ObjectRef<T>> {
        let first = !std::mem::replace(&mut self.given_up, true);
        first.then(|| ObjectRef::new(slots::failed(error)))
    }

    /// The next reference, waited for as long as this at the most; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](crate::ErrorKind::TimedOut); the stream goes on, and can be asked again.
    ///
    /// ```
    /// use raykit::prelude::*;
    ///
    /// #[remote]
    /// fn slow() -> impl Iterator<Item = u32> {
    ///     (0..2).inspect(|_| std::thread::sleep(millis(50)))
    /// }
    ///
    /// # fn main() -> raykit::Result<()> {
    /// let _ray = raykit::init()?;
    /// let mut stream = slow::remote();
    /// assert!(stream.next_timeout(millis(1)).unwrap_err().is_timeout());
    /// assert_eq!(stream.next_timeout(secs(10))?.unwrap().get()?, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn next_timeout(&mut self, limit: Duration) -> Result<Option<ObjectRef<T>>> {
        if self.given_up {
            return Ok(None);
        }
        self.begin();
        let next = match self.tap() {
            Ok(tap) => tap.next(clock::now().checked_add(limit))?,
            Err(error) => return Ok(self.failed(error)),
        };
        Ok(next.map(ObjectRef::new))
    }

    /// The next reference, for `async` code: a stream is an iterator too, and where `StreamExt` is
    /// in scope `next` could be either's.
    ///
    /// ```
    /// use raykit::prelude::*;
    ///
    /// #[remote]
    /// fn count(n: u32) -> impl Iterator<Item = u32> {
    ///     0..n
    /// }
    ///
    /// #[remote]
    /// async fn sum(mut items: ObjectStream<u32>) -> raykit::Result<u32> {
    ///     let mut sum = 0;
    ///     while let Some(item) = items.next_async().await {
    ///         sum += item.await?;
    ///     }
    ///     Ok(sum)
    /// }
    ///
    /// # fn main() -> raykit::Result<()> {
    /// let _ray = raykit::init()?;
    /// assert_eq!(sum::remote(count::remote(4)).get()?, 6);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next_async(&mut self) -> Option<ObjectRef<T>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Says that nobody wants more: the task stops at its next item, sees it in
    /// [`context`](crate::context) before that, and the tasks that it called are cancelled too.
    /// What it has given can still be read, then comes the error. `false` if the stream had ended
    /// already.
    pub fn cancel(&self) -> bool {
        reader::cancel(&self.claim.0).unwrap_or_else(|| self.tap().is_ok_and(Tap::cancel))
    }
}

/// Waits for the next reference; in a task, the task's CPU goes to others meanwhile. A wait that
/// could never end gives a reference to that error, and the iteration ends.
impl<T> Iterator for ObjectStream<T> {
    type Item = ObjectRef<T>;

    fn next(&mut self) -> Option<ObjectRef<T>> {
        if self.given_up {
            return None;
        }
        if let Some(ready) = self.claim.0.peek::<Tap>().and_then(Tap::ready) {
            return Some(ObjectRef::new(ready));
        }
        self.begin();
        match self.tap().and_then(|tap| tap.next(None)) {
            Ok(next) => next.map(ObjectRef::new),
            Err(error) => self.failed(error),
        }
    }
}

impl<T> Stream for ObjectStream<T> {
    type Item = ObjectRef<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ObjectRef<T>>> {
        if self.given_up {
            return Poll::Ready(None);
        }
        self.begin();
        let mut waiting = self.waiting.take();
        let polled = match self.tap() {
            Ok(tap) => tap.poll_next(&mut waiting, cx).map(|next| next.map(ObjectRef::new)),
            Err(error) => Poll::Ready(self.failed(error)),
        };
        self.waiting = waiting;
        polled
    }
}

impl<T> fmt::Debug for ObjectStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = std::any::type_name::<T>();
        match self.tap() {
            Ok(tap) => {
                let state = if tap.is_over() { "ended" } else { "open" };
                write!(f, "ObjectStream<{name}>({}, {state})", tap.task().id())
            }
            Err(_) => write!(f, "ObjectStream<{name}>(failed)"),
        }
    }
}

/// Submits a call that gives a stream.
pub fn submit_stream<T, const N: usize>(
    function: &'static Function,
    options: Option<Options>,
    inputs: [Input; N],
) -> ObjectStream<T> {
    let options = options.map(Box::new);
    ObjectStream::new(tap(submit::submit(function, options, Inputs::new(inputs), |_| ()), None))
}

/// Calls a method that gives a stream.
pub fn call_stream<T, const N: usize, A>(
    actor: &super::actor::ActorRef<A>,
    method: &'static Function,
    options: Option<Options>,
    inputs: [Input; N],
) -> ObjectStream<T> {
    match super::actor::called(actor, method, options, Inputs::new(inputs), |_| ()) {
        Ok(task) => ObjectStream::new(tap(task, None)),
        Err(error) => ObjectStream::new(slots::failed(error)),
    }
}
