//! `Gathered`: what the members of a group give, by rank.

use crate::api::get::{Collected, Gather, Getting};
use crate::api::wait::IntoRefs;
use crate::object::{Object, ObjectRef, Result};
use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// The results of one call to each member of an [`ActorGroup`](crate::ActorGroup): references, in
/// the order of the ranks.
///
/// It ends with [`get`](Gathered::get) or `.await`, if all results are needed, and with
/// [`results`](Gathered::results) if errors are to stand in their places. Whatever takes references
/// takes it too: [`raykit::get`](fn@crate::get), [`wait`](fn@crate::wait),
/// [`as_completed`](crate::as_completed).
///
/// ```
/// use raykit::{ActorGroup, prelude::*};
///
/// #[remote]
/// struct Divider {
///     by: u64,
/// }
///
/// #[remote]
/// impl Divider {
///     pub fn new(by: usize) -> Self {
///         Divider { by: by as u64 }
///     }
///     pub fn divide(&self, x: u64) -> Result<u64, String> {
///         x.checked_div(self.by).ok_or_else(|| "by nothing".into())
///     }
/// }
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let group = ActorGroup::spawn(3, Divider::remote);
/// let quotients = group.call(|actor| actor.divide(60));
/// assert!(quotients.get().is_err());
/// let results = quotients.results();
/// assert_eq!(results[0].as_ref().unwrap_err().message(), "by nothing");
/// assert_eq!(results[2].as_ref().ok(), Some(&30));
/// # Ok(())
/// # }
/// ```
#[must_use = "call `get`, await it, or let `broadcast` make the calls"]
pub struct Gathered<T> {
    refs: Vec<ObjectRef<T>>,
}

impl<T> Gathered<T> {
    pub(super) fn new(refs: Vec<ObjectRef<T>>) -> Gathered<T> {
        Gathered { refs }
    }

    /// The references, by rank.
    pub fn refs(&self) -> &[ObjectRef<T>] {
        &self.refs
    }

    /// How many there are: as many as the group had members.
    pub fn len(&self) -> usize {
        self.refs.len()
    }

    /// Whether the group had no member.
    pub fn is_empty(&self) -> bool {
        self.refs.is_empty()
    }

    /// Goes through the references, by rank.
    pub fn iter(&self) -> std::slice::Iter<'_, ObjectRef<T>> {
        self.refs.iter()
    }

    /// Says that nobody wants the results, as [`ObjectRef::cancel`] does of one. How many were not
    /// there yet.
    pub fn cancel(&self) -> usize {
        self.refs.iter().filter(|reference| reference.cancel()).count()
    }
}

impl<T: Object> Gathered<T> {
    /// All results, by rank, once they are there.
    ///
    /// # Errors
    ///
    /// The first error in the order of the ranks, without waiting for those that come after it; and
    /// as [`raykit::get`](fn@crate::get).
    pub fn get(&self) -> Result<Vec<T>> {
        crate::get(self)
    }

    /// As [`get`](Self::get), given up after `limit`. The calls go on.
    ///
    /// # Errors
    ///
    /// Also [`TimedOut`](crate::ErrorKind::TimedOut).
    pub fn get_timeout(&self, limit: Duration) -> Result<Vec<T>> {
        crate::get_timeout(self, limit)
    }

    /// Each member's result or error in its rank's place, once all are there.
    ///
    /// With a time limit: `raykit::wait(&gathered).at_least(gathered.len()).timeout(limit)`.
    pub fn results(&self) -> Vec<Result<T>> {
        self.refs.iter().map(ObjectRef::get).collect()
    }
}

impl<T> Clone for Gathered<T> {
    fn clone(&self) -> Self {
        Gathered { refs: self.refs.clone() }
    }
}

impl<T> fmt::Debug for Gathered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gathered").field(&self.refs).finish()
    }
}

impl<T: Object> Gather for Gathered<T> {
    type Values = Vec<T>;
    fn collect_refs<'a>(&'a self, all: &mut Collected<'a>) {
        self.refs.collect_refs(all);
    }
    fn read(&self) -> Result<Vec<T>> {
        self.refs.read()
    }
}

impl<T> IntoRefs<T> for Gathered<T> {
    fn into_refs(self) -> Vec<ObjectRef<T>> {
        self.refs
    }
}
impl<T> IntoRefs<T> for &Gathered<T> {
    fn into_refs(self) -> Vec<ObjectRef<T>> {
        self.refs.clone()
    }
}

impl<T> IntoIterator for Gathered<T> {
    type Item = ObjectRef<T>;
    type IntoIter = std::vec::IntoIter<ObjectRef<T>>;
    fn into_iter(self) -> Self::IntoIter {
        self.refs.into_iter()
    }
}
impl<'a, T> IntoIterator for &'a Gathered<T> {
    type Item = &'a ObjectRef<T>;
    type IntoIter = std::slice::Iter<'a, ObjectRef<T>>;
    fn into_iter(self) -> Self::IntoIter {
        self.refs.iter()
    }
}

impl<T: Object> IntoFuture for Gathered<T> {
    type Output = Result<Vec<T>>;
    type IntoFuture = Gathering<T>;
    fn into_future(self) -> Gathering<T> {
        let values = Vec::with_capacity(self.len());
        Gathering { left: self.refs.into_iter(), next: None, values }
    }
}
impl<T: Object> IntoFuture for &Gathered<T> {
    type Output = Result<Vec<T>>;
    type IntoFuture = Gathering<T>;
    fn into_future(self) -> Gathering<T> {
        self.clone().into_future()
    }
}

/// The future of a [`Gathered`]: all results by rank, or the first error.
#[must_use = "futures do nothing unless awaited"]
pub struct Gathering<T> {
    left: std::vec::IntoIter<ObjectRef<T>>,
    /// One at a time: the calls run whether they are awaited or not, and the graph of waits knows
    /// exactly what this task waits for.
    next: Option<Getting<T>>,
    values: Vec<T>,
}

/// The values are not pinned.
impl<T> Unpin for Gathering<T> {}

impl<T: Object> Future for Gathering<T> {
    type Output = Result<Vec<T>>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            if self.next.is_none() {
                self.next = self.left.next().map(ObjectRef::into_future);
            }
            let Some(next) = &mut self.next else {
                return Poll::Ready(Ok(std::mem::take(&mut self.values)));
            };
            let value = ready!(Pin::new(next).poll(cx));
            self.next = None;
            self.values.push(value?);
        }
    }
}

impl<T> fmt::Debug for Gathering<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gathering({} there, {:?} left)", self.values.len(), self.left.len())
    }
}
