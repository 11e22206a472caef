//! `Mapped`: the results of a pool's actors, one after the other.

use super::pool::{ActorPool, Arrivals};
use crate::api::actor::Handle;
use crate::api::wait::Ready;
use crate::base::clock;
use crate::object::{Error, ErrorKind, Object, ObjectRef, Result};
use std::collections::VecDeque;
use std::fmt;
use std::iter::Fuse;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl<H: Handle> ActorPool<H> {
    /// Calls an actor for each item, and goes through the results in the order of the items.
    ///
    /// It is lazy: calls are made while one asks for results, [`in_flight`](Self::in_flight) for
    /// each actor, so that there may be any number of items. A call that failed gives its error in
    /// the place of the result. Dropping the iterator leaves the calls in flight to themselves.
    ///
    /// ```
    /// use raykit::{ActorPool, prelude::*};
    ///
    /// #[remote]
    /// struct Lengths;
    ///
    /// #[remote]
    /// impl Lengths {
    ///     pub fn new() -> Self {
    ///         Lengths
    ///     }
    ///     pub fn of(&self, word: String) -> Result<usize, String> {
    ///         if word.is_empty() { Err("no word".into()) } else { Ok(word.len()) }
    ///     }
    /// }
    ///
    /// # fn main() -> raykit::Result<()> {
    /// let _ray = raykit::init()?;
    /// let pool = ActorPool::with(2..=2, Lengths::remote);
    /// let words = ["one", "", "three"].map(String::from);
    /// let lengths: Vec<_> = pool.map(words, |actor, word| actor.of(word)).collect();
    /// assert_eq!(lengths[0].as_ref().ok(), Some(&3));
    /// assert!(lengths[1].is_err());
    /// assert_eq!(lengths[2].as_ref().ok(), Some(&5));
    /// # Ok(())
    /// # }
    /// ```
    pub fn map<I, F, T>(&self, items: I, call: F) -> Mapped<'_, H, I::IntoIter, F, T>
    where
        I: IntoIterator<Item: Clone>,
        F: FnMut(&H, I::Item) -> ObjectRef<T>,
        T: Object,
    {
        Mapped::new(self, items.into_iter(), call, true)
    }

    /// As [`map`](Self::map), in the order in which the results are there.
    pub fn map_unordered<I, F, T>(&self, items: I, call: F) -> Mapped<'_, H, I::IntoIter, F, T>
    where
        I: IntoIterator<Item: Clone>,
        F: FnMut(&H, I::Item) -> ObjectRef<T>,
        T: Object,
    {
        Mapped::new(self, items.into_iter(), call, false)
    }
}

/// The results of [`ActorPool::map`] and [`ActorPool::map_unordered`]. Asking for the next one
/// makes calls and waits.
#[must_use = "it is lazy: no call is made before one asks for a result"]
pub struct Mapped<'a, H: Handle, I: Iterator, F, T> {
    pool: &'a ActorPool<H>,
    items: Fuse<I>,
    /// Whether there may be more items.
    more: bool,
    call: F,
    ordered: bool,
    /// Calls whose results nobody has asked for, in the order of the items.
    flying: VecDeque<Flight<I::Item, T>>,
    arrivals: Arc<Arrivals>,
    count: u64,
}

/// A call that was made.
struct Flight<X, T> {
    number: u64,
    /// The item, where it may be needed again.
    item: Option<X>,
    retries: u32,
    reference: ObjectRef<T>,
}

impl<H: Handle, I: Iterator, F, T> fmt::Debug for Mapped<'_, H, I, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapped")
            .field("pool", self.pool)
            .field("flying", &self.flying.len())
            .finish_non_exhaustive()
    }
}

impl<'a, H, I, F, T> Mapped<'a, H, I, F, T>
where
    H: Handle,
    I: Iterator<Item: Clone>,
    F: FnMut(&H, I::Item) -> ObjectRef<T>,
    T: Object,
{
    pub(super) fn new(pool: &'a ActorPool<H>, items: I, call: F, ordered: bool) -> Self {
        let (flying, arrivals) = (VecDeque::new(), Arc::default());
        Mapped { pool, items: items.fuse(), more: true, call, ordered, flying, arrivals, count: 0 }
    }

    fn send(&mut self, number: u64, item: I::Item, retries: u32) -> Flight<I::Item, T> {
        let kept = (retries > 0).then(|| item.clone());
        // Only who asks by order of arrival looks at the arrivals.
        let arrival = (!self.ordered).then(|| (Arc::clone(&self.arrivals), number));
        let call = &mut self.call;
        let reference = self.pool.send(arrival, |actor| call(actor, item));
        Flight { number, item: kept, retries, reference }
    }

    /// Makes calls while there are items and actors for them. When none is in flight one is made
    /// however busy the pool is.
    fn fill(&mut self) {
        while self.more && self.flying.len() < self.pool.window() {
            if !self.flying.is_empty() && !self.pool.has_room() {
                return;
            }
            let Some(item) = self.items.next() else {
                self.more = false;
                return;
            };
            self.count += 1;
            let flight = self.send(self.count, item, self.pool.retries());
            self.flying.push_back(flight);
        }
    }

    /// The place of the result that is next, if it is there.
    fn next_ready(&self) -> Option<usize> {
        if self.ordered {
            return self.flying.front().filter(|first| first.reference.is_ready()).map(|_| 0);
        }
        while let Some(number) = self.arrivals.pop() {
            let arrived =
                |flight: &Flight<_, T>| flight.number == number && flight.reference.is_ready();
            if let Some(at) = self.flying.iter().position(arrived) {
                return Some(at);
            }
        }
        // One that is there and is about to be told of.
        self.flying.iter().position(|flight| flight.reference.is_ready())
    }

    /// The result in that place, unless its call is made again.
    fn land(&mut self, at: usize) -> Option<Result<T>> {
        let result = self.flying[at].reference.get();
        let died = result.as_ref().is_err_and(Error::is_actor_died);
        let flight = &mut self.flying[at];
        if died && let Some(item) = flight.item.take() {
            let (number, retries) = (flight.number, flight.retries - 1);
            self.flying[at] = self.send(number, item, retries);
            return None;
        }
        self.flying.remove(at);
        Some(result)
    }

    /// Waits until something has changed.
    fn wait(&self, until: Option<Instant>) -> Result<()> {
        let full = !self.more || self.flying.len() >= self.pool.window();
        // With more items and room for results, whatever ends makes room for a call.
        let some = if self.ordered && full { 1 } else { self.flying.len() };
        let open = self.flying.iter().take(some).map(|flight| &flight.reference);
        let open: Vec<_> = open.filter(|reference| !reference.is_ready()).cloned().collect();
        if open.is_empty() {
            return Ok(());
        }
        let wait = crate::wait(open);
        let Ready { done, .. } = match until {
            Some(until) => wait.timeout(until.saturating_duration_since(clock::now())).get()?,
            None => wait.get()?,
        };
        if done.is_empty() && until.is_some_and(|until| clock::now() >= until) {
            return Err(Error::new(ErrorKind::TimedOut, "no result of the pool was there in time"));
        }
        Ok(())
    }

    fn advance(&mut self, until: Option<Instant>) -> Result<Option<Result<T>>> {
        loop {
            self.fill();
            if self.flying.is_empty() {
                return Ok(None);
            }
            match self.next_ready() {
                Some(at) => {
                    if let Some(result) = self.land(at) {
                        return Ok(Some(result));
                    }
                }
                None => self.wait(until)?,
            }
        }
    }

    /// The next result, waited for no longer than `limit`; `Ok(None)` after the last. After a
    /// time-out one can ask again, and no result is skipped.
    ///
    /// # Errors
    ///
    /// Those of the wait: [`ErrorKind::TimedOut`], and as of [`wait`](fn@crate::wait). The error of
    /// a call is inside, in the place of its result.
    pub fn next_timeout(&mut self, limit: Duration) -> Result<Option<Result<T>>> {
        self.advance(clock::now().checked_add(limit))
    }
}

impl<H, I, F, T> Iterator for Mapped<'_, H, I, F, T>
where
    H: Handle,
    I: Iterator<Item: Clone>,
    F: FnMut(&H, I::Item) -> ObjectRef<T>,
    T: Object,
{
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        match self.advance(None) {
            Ok(next) => next,
            Err(error) => {
                // A wait that can never end: the first call is given up, and says why.
                self.flying.pop_front();
                Some(Err(error))
            }
        }
    }
}
