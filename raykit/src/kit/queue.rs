//! `Queue`: values from some tasks and actors to others, first in, first out.

use super::belt::{Belt, BeltHandle, Got, Item, Put};
use crate::object::{Error, ErrorKind, Object, ObjectRef, Result};
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

/// A queue of values between tasks, actors and threads: what one puts another gets.
///
/// It is a handle, cheap to clone and itself an [`Object`]: pass it to tasks and actors. What a
/// producer puts comes out in its order, and each value once. Any number may put and get at the
/// same time; those who wait are served in the order in which they came. In a task, a wait gives
/// the task's CPU to others. The queue lives as long as anybody has a handle.
///
/// Whoever has nothing more to put says [`close`](Queue::close): the others get what is left, and
/// then `None`.
///
/// A get with a time limit, and a [`get_async`](Queue::get_async) that is dropped, take nothing
/// with them: the value stays for the next. The exception is a consuming *task* that is cancelled
/// at the very moment in which a value is handed to it: the value may be lost with it, as if it had
/// been read.
///
/// ```
/// use raykit::{Queue, prelude::*};
///
/// #[remote]
/// fn squares(queue: Queue<u64>) -> raykit::Result<()> {
///     for x in 0..10 {
///         queue.put(x * x)?; // waits while there are four that nobody has got
///     }
///     queue.close()
/// }
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let queue = Queue::bounded(4);
/// squares::remote(&queue).forget();
/// let mut sum = 0;
/// while let Some(x) = queue.get()? {
///     sum += x;
/// }
/// assert_eq!(sum, 285);
/// # Ok(())
/// # }
/// ```
#[crate::object]
pub struct Queue<T> {
    belt: BeltHandle,
    capacity: Option<usize>,
    of: PhantomData<T>,
}

/// Why something was not put, and the thing itself.
///
/// It becomes an [`Error`] by `?`; of [`Full`](PutError::Full) and [`Closed`](PutError::Closed) the
/// kind is [`ErrorKind::QueueFull`] and [`ErrorKind::QueueClosed`].
///
/// ```
/// use raykit::{PutError, Queue};
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let queue = Queue::bounded(1);
/// queue.put("first".to_owned())?;
/// match queue.try_put("second".to_owned()) {
///     Err(PutError::Full(text)) => assert_eq!(text, "second"),
///     other => panic!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum PutError<T> {
    /// There was no room (in time). Of a batch, this is what did not go in.
    Full(T),
    /// The queue was closed. Of a batch, this is what did not go in.
    Closed(T),
    /// The queue could not be reached; whether anything went in is not known.
    Failed(Error),
}

impl<T> PutError<T> {
    /// What was not put.
    pub fn into_inner(self) -> Option<T> {
        match self {
            PutError::Full(left) | PutError::Closed(left) => Some(left),
            PutError::Failed(_) => None,
        }
    }

    fn map<U>(self, map: impl FnOnce(T) -> Option<U>) -> PutError<U> {
        let gone = || PutError::Failed(Error::new(ErrorKind::Encoding, "nothing is left of it"));
        match self {
            PutError::Full(left) => map(left).map_or_else(gone, PutError::Full),
            PutError::Closed(left) => map(left).map_or_else(gone, PutError::Closed),
            PutError::Failed(error) => PutError::Failed(error),
        }
    }
}

impl<T> fmt::Display for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PutError::Full(_) => f.write_str("the queue is full"),
            PutError::Closed(_) => f.write_str("the queue is closed"),
            PutError::Failed(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PutError({self})")
    }
}

impl<T> std::error::Error for PutError<T> {}

impl<T> From<PutError<T>> for Error {
    fn from(error: PutError<T>) -> Error {
        let text = error.to_string();
        match error {
            PutError::Full(_) => Error::new(ErrorKind::QueueFull, text),
            PutError::Closed(_) => Error::new(ErrorKind::QueueClosed, text),
            PutError::Failed(error) => error,
        }
    }
}

impl<T> fmt::Debug for Queue<T>
where
    T: Object,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = std::any::type_name::<T>();
        write!(f, "Queue<{name}>({:?}, capacity {:?})", self.belt.id(), self.capacity)
    }
}

/// What `put` has sent, until it hears what became of it.
struct Sent<T> {
    values: Vec<ObjectRef<T>>,
    call: ObjectRef<Put>,
}

impl<T: Object> Sent<T> {
    fn read(&self, put: Result<Put>) -> Result<(), PutError<Vec<T>>> {
        let rest = |from: usize| self.values[from..].iter().map(ObjectRef::get).collect();
        let (left, why): (Result<_>, fn(_) -> _) = match put.map_err(PutError::Failed)? {
            Put::All => return Ok(()),
            Put::Full(from) => (rest(from), PutError::Full),
            Put::Closed(from) => (rest(from), PutError::Closed),
        };
        Err(left.map_or_else(PutError::Failed, why))
    }
}

/// A dropped `get_async` gives back what it may have been given.
struct GiveBack<'a> {
    belt: &'a BeltHandle,
    call: Option<ObjectRef<Got>>,
}

impl Drop for GiveBack<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            self.belt.give_back(call).forget();
        }
    }
}

impl<T: Object> Queue<T> {
    /// A queue that holds at most `capacity` values, and at least one.
    pub fn bounded(capacity: usize) -> Queue<T> {
        let capacity = capacity.max(1);
        Queue { belt: Belt::remote(capacity), capacity: Some(capacity), of: PhantomData }
    }

    /// A queue that holds any number of values, so that no put ever waits.
    pub fn unbounded() -> Queue<T> {
        Queue { belt: Belt::remote(usize::MAX), capacity: None, of: PhantomData }
    }

    fn send(&self, values: Vec<T>, limit: Option<Duration>) -> Result<Sent<T>> {
        let values: Vec<_> = values.into_iter().map(crate::put).collect::<Result<_>>()?;
        let items: Vec<Item> = values.iter().map(|of| ObjectRef::new(of.0.clone())).collect();
        let call = self.belt.put(items, limit);
        Ok(Sent { values, call })
    }

    fn put_all(&self, values: Vec<T>, limit: Option<Duration>) -> Result<(), PutError<Vec<T>>> {
        if values.is_empty() {
            return Ok(());
        }
        let sent = self.send(values, limit).map_err(PutError::Failed)?;
        sent.read(sent.call.get())
    }

    fn put_one(&self, value: T, limit: Option<Duration>) -> Result<(), PutError<T>> {
        self.put_all(vec![value], limit).map_err(|error| error.map(|mut left| left.pop()))
    }

    /// Puts a value, and waits for room if there is none.
    ///
    /// # Errors
    ///
    /// [`PutError::Closed`] gives the value back.
    pub fn put(&self, value: T) -> Result<(), PutError<T>> {
        self.put_one(value, None)
    }

    /// Puts a value if there is room for it now.
    ///
    /// # Errors
    ///
    /// [`PutError::Full`] and [`PutError::Closed`] give the value back.
    pub fn try_put(&self, value: T) -> Result<(), PutError<T>> {
        self.put_one(value, Some(Duration::ZERO))
    }

    /// Puts a value, and waits for room for `limit` at most.
    ///
    /// # Errors
    ///
    /// [`PutError::Full`] and [`PutError::Closed`] give the value back: then it is not in the
    /// queue.
    pub fn put_timeout(&self, value: T, limit: Duration) -> Result<(), PutError<T>> {
        self.put_one(value, Some(limit))
    }

    /// Puts values one after the other, without another producer's between them, and waits until
    /// all are in. There may be more than the queue holds.
    ///
    /// # Errors
    ///
    /// [`PutError::Closed`] gives back what did not go in.
    pub fn put_batch(&self, values: impl IntoIterator<Item = T>) -> Result<(), PutError<Vec<T>>> {
        self.put_all(values.into_iter().collect(), None)
    }

    /// As [`put_batch`](Self::put_batch), for `limit` at most.
    ///
    /// # Errors
    ///
    /// [`PutError::Full`] and [`PutError::Closed`] give back what did not go in.
    pub fn put_batch_timeout(
        &self,
        values: impl IntoIterator<Item = T>,
        limit: Duration,
    ) -> Result<(), PutError<Vec<T>>> {
        self.put_all(values.into_iter().collect(), Some(limit))
    }

    /// As [`put`](Self::put), for async code. Dropped while it waits it has put nothing; dropped at
    /// the moment in which there is room it may have.
    ///
    /// # Errors
    ///
    /// [`PutError::Closed`] gives the value back.
    pub async fn put_async(&self, value: T) -> Result<(), PutError<T>> {
        /// Takes a put that nobody waits for out of the line.
        struct Withdraw<'a>(&'a ObjectRef<Put>);
        impl Drop for Withdraw<'_> {
            fn drop(&mut self) {
                self.0.cancel(); // of one that is done nothing changes
            }
        }
        let sent = self.send(vec![value], None).map_err(PutError::Failed)?;
        let withdraw = Withdraw(&sent.call);
        let put = (&sent.call).await;
        drop(withdraw);
        sent.read(put).map_err(|error| error.map(|mut left| left.pop()))
    }

    fn values(got: Result<Got>) -> Result<Option<Vec<T>>> {
        match got? {
            Got::Items(items) => {
                let value = |item: Item| ObjectRef::<T>::new(item.0).get();
                items.into_iter().map(value).collect::<Result<_>>().map(Some)
            }
            Got::Closed => Ok(None),
            Got::Late => Err(Error::new(ErrorKind::TimedOut, "the queue stayed empty")),
        }
    }

    fn take(&self, max: usize, limit: Option<Duration>) -> Result<Option<Vec<T>>> {
        Self::values(self.belt.get(max, limit).get())
    }

    fn take_one(&self, limit: Option<Duration>) -> Result<Option<T>> {
        Ok(self.take(1, limit)?.and_then(|mut one| one.pop()))
    }

    /// The next value, once there is one; `None` when the queue is closed and empty.
    ///
    /// # Errors
    ///
    /// Those of a call of an actor: [`ErrorKind::ActorDied`] when its node was closed.
    pub fn get(&self) -> Result<Option<T>> {
        self.take_one(None)
    }

    /// The next value if there is one now. `None` does not tell whether there will be another; that
    /// tells [`is_closed`](Self::is_closed).
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn try_get(&self) -> Result<Option<T>> {
        match self.take_one(Some(Duration::ZERO)) {
            Err(error) if error.is_timeout() => Ok(None),
            other => other,
        }
    }

    /// As [`get`](Self::get), waiting for `limit` at most. What comes later stays in the queue.
    ///
    /// # Errors
    ///
    /// Also [`ErrorKind::TimedOut`].
    pub fn get_timeout(&self, limit: Duration) -> Result<Option<T>> {
        self.take_one(Some(limit))
    }

    /// The next values, at least one, waiting for that, and at most `max` (or one, if that is 0).
    /// None at all when the queue is closed and empty.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_batch(&self, max: usize) -> Result<Vec<T>> {
        self.take(max.max(1), None).map(Option::unwrap_or_default)
    }

    /// As [`get_batch`](Self::get_batch), waiting for `limit` at most.
    ///
    /// # Errors
    ///
    /// Also [`ErrorKind::TimedOut`].
    pub fn get_batch_timeout(&self, max: usize, limit: Duration) -> Result<Vec<T>> {
        self.take(max.max(1), Some(limit)).map(Option::unwrap_or_default)
    }

    /// As [`get`](Self::get), for async code. It can be dropped at any time, and no value is lost;
    /// one that was on its way then comes back to the front of the queue a moment later.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn get_async(&self) -> Result<Option<T>> {
        let call = self.belt.get(1, None);
        let mut guard = GiveBack { belt: &self.belt, call: Some(call.clone()) };
        let got = call.await;
        guard.call = None;
        Ok(Self::values(got)?.and_then(|mut one| one.pop()))
    }

    /// Goes through the values as they come, until the queue is closed and empty.
    ///
    /// ```
    /// # fn main() -> raykit::Result<()> {
    /// let _ray = raykit::init()?;
    /// let queue = raykit::Queue::unbounded();
    /// queue.put_batch([1, 2, 3])?;
    /// queue.close()?;
    /// let all: raykit::Result<Vec<i32>> = queue.iter().collect();
    /// assert_eq!(all?, [1, 2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = Result<T>> + '_ {
        std::iter::from_fn(|| self.get().transpose())
    }

    /// No more puts: those that wait, and all later ones, get [`PutError::Closed`]. What is in the
    /// queue can still be got. To close it twice is no error.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn close(&self) -> Result<()> {
        self.belt.close().get()
    }

    /// How many values are in the queue. Others may put and get meanwhile.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn len(&self) -> Result<usize> {
        self.belt.state().get().map(|state| state.items)
    }

    /// Whether there is no value in the queue.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn is_empty(&self) -> Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Whether [`close`](Self::close) was called.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn is_closed(&self) -> Result<bool> {
        self.belt.state().get().map(|state| state.closed)
    }

    /// How many calls wait for a value: whether consumers are idle.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn waiting_to_get(&self) -> Result<usize> {
        self.belt.state().get().map(|state| state.getters)
    }

    /// How many calls wait for room: whether producers are held up.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn waiting_to_put(&self) -> Result<usize> {
        self.belt.state().get().map(|state| state.putters)
    }

    /// How many values the queue holds at most; `None` if any number.
    pub fn capacity(&self) -> Option<usize> {
        self.capacity
    }
}
