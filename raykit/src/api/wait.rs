//! Some of many: `wait` and `as_completed`.

use crate::base::clock;
use crate::node::fetch::{self, Goal};
use crate::node::graph::Wait;
use crate::node::{current, graph};
use crate::object::ObjectRef;
use crate::object::error::Result;
use crate::object::raw::RawRef;
use crate::object::slot::Watched;
use crate::sched::parker;
use std::collections::VecDeque;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// A list of references that `wait` and `as_completed` take: owned, or borrowed and cloned.
pub trait IntoRefs<T> {
    /// The references as a list of their own.
    fn into_refs(self) -> Vec<ObjectRef<T>>;
}
impl<T> IntoRefs<T> for Vec<ObjectRef<T>> {
    fn into_refs(self) -> Vec<ObjectRef<T>> {
        self
    }
}
impl<T> IntoRefs<T> for &[ObjectRef<T>] {
    fn into_refs(self) -> Vec<ObjectRef<T>> {
        self.to_vec()
    }
}
impl<T> IntoRefs<T> for &Vec<ObjectRef<T>> {
    fn into_refs(self) -> Vec<ObjectRef<T>> {
        self.clone()
    }
}
impl<T, const N: usize> IntoRefs<T> for [ObjectRef<T>; N] {
    fn into_refs(self) -> Vec<ObjectRef<T>> {
        self.into()
    }
}
impl<T, const N: usize> IntoRefs<T> for &[ObjectRef<T>; N] {
    fn into_refs(self) -> Vec<ObjectRef<T>> {
        self.to_vec()
    }
}

/// Waits until some of `refs` are ready: as values or as errors, for a failed object is ready too.
///
/// One, unless [`at_least`](Waiting::at_least) says more. It ends with [`get`](Waiting::get) or
/// `.await`, and with a time limit it ends in what was ready by then.
///
/// ```
/// use raykit::{Ready, prelude::*};
///
/// #[remote]
/// fn square(x: u64) -> u64 {
///     x * x
/// }
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let refs = square::map(0..100);
/// let Ready { done, pending } = raykit::wait(&refs).at_least(10).timeout(secs(60)).get()?;
/// assert!(done.len() >= 10 && done.len() + pending.len() == 100);
/// # Ok(())
/// # }
/// ```
pub fn wait<T>(refs: impl IntoRefs<T>) -> Waiting<T> {
    Waiting { refs: refs.into_refs(), least: 1, most: usize::MAX, limit: None }
}

/// A wait that has been described and not begun; made by [`wait`].
#[must_use = "call `get`, or await it"]
pub struct Waiting<T> {
    refs: Vec<ObjectRef<T>>,
    least: usize,
    most: usize,
    limit: Option<Duration>,
}

/// What [`wait`] found, both in the order of the list.
pub struct Ready<T> {
    /// The objects that are there, as values or as errors.
    pub done: Vec<ObjectRef<T>>,
    /// The others.
    pub pending: Vec<ObjectRef<T>>,
}

impl<T> std::fmt::Debug for Ready<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ready").field("done", &self.done).field("pending", &self.pending).finish()
    }
}

impl<T> std::fmt::Debug for Waiting<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").field("refs", &self.refs).field("least", &self.least).finish()
    }
}

impl<T> Waiting<T> {
    /// Waits for this many; all of them where there are fewer.
    pub fn at_least(mut self, n: usize) -> Self {
        self.least = n;
        self
    }

    /// Counts no more than this many as done, the first in the order of the list; the rest stays
    /// pending, as with Ray's `num_returns`.
    pub fn at_most(mut self, n: usize) -> Self {
        self.most = n;
        self
    }

    /// Ends the wait after `limit` with what is ready then.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    fn want(&self) -> usize {
        self.least.min(self.most).min(self.refs.len())
    }

    /// Blocks until enough are ready.
    ///
    /// # Errors
    ///
    /// Those of the wait itself: [`Deadlock`](crate::ErrorKind::Deadlock) and
    /// [`ThreadsExhausted`](crate::ErrorKind::ThreadsExhausted). That a time limit passed is none.
    pub fn get(self) -> Result<Ready<T>> {
        if self.most >= self.refs.len() && self.refs.iter().all(ObjectRef::is_ready) {
            return Ok(Ready { done: self.refs, pending: Vec::new() });
        }
        let deadline = self.limit.and_then(|limit| clock::now().checked_add(limit));
        if !self.enough() {
            let refs: Vec<&RawRef> = self.refs.iter().map(|reference| &reference.0).collect();
            match fetch::wait(&refs, Goal::Some(self.want()), deadline) {
                Err(error) if !error.is_timeout() => return Err(error),
                _ => {}
            }
        }
        Ok(self.split())
    }

    fn enough(&self) -> bool {
        let want = self.want();
        self.refs.iter().filter(|reference| reference.is_ready()).take(want).count() >= want
    }

    /// Tells the graph of waits what a future's task is about to wait for.
    fn register(&self, waker: &Waker) -> Result<Option<graph::Registered>> {
        let open: Vec<RawRef> = self
            .refs
            .iter()
            .filter(|r| !r.is_ready())
            .map(|reference| reference.0.clone())
            .collect();
        let ready = self.refs.len() - open.len();
        match current::node() {
            Ok(node) if self.limit.is_none() && ready < self.want() => {
                node.register_future(open, graph::Wait::Some(self.want() - ready), waker)
            }
            _ => Ok(None),
        }
    }

    fn split(mut self) -> Ready<T> {
        if self.most == 1 {
            // One at a time out of many: no second list, and the first is moved over once.
            let first = self.refs.iter().position(ObjectRef::is_ready);
            let done = first.map(|at| self.refs.remove(at)).into_iter().collect();
            return Ready { done, pending: self.refs };
        }
        let mut done = Vec::new();
        let mut pending = Vec::new();
        for reference in self.refs {
            match done.len() < self.most && reference.is_ready() {
                true => done.push(reference),
                false => pending.push(reference),
            }
        }
        Ready { done, pending }
    }
}

/// The future of a [`Waiting`].
#[must_use = "futures do nothing unless awaited"]
pub struct WaitFuture<T> {
    waiting: Option<Waiting<T>>,
    watched: Option<Waker>,
    alarm: Option<Alarm>,
    /// What this future's task waits for, in the graph of waits; a timed wait is not in it.
    edge: Option<graph::Registered>,
}

impl<T> std::fmt::Debug for WaitFuture<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WaitFuture")
    }
}

impl<T> IntoFuture for Waiting<T> {
    type Output = Result<Ready<T>>;
    type IntoFuture = WaitFuture<T>;
    fn into_future(self) -> WaitFuture<T> {
        let alarm = self.limit.and_then(Alarm::after);
        WaitFuture { waiting: Some(self), watched: None, alarm, edge: None }
    }
}

impl<T> WaitFuture<T> {
    fn unwatch(&mut self) {
        if let (Some(waker), Some(waiting)) = (self.watched.take(), &self.waiting) {
            waiting.refs.iter().for_each(|reference| reference.0.unwatch(&waker));
        }
    }
}

impl<T> Future for WaitFuture<T> {
    type Output = Result<Ready<T>>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let over = self.alarm.as_mut().is_some_and(|alarm| alarm.is_over(cx));
        let same = self.watched.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if self.watched.is_none() {
            let register = |waiting: &Waiting<T>| waiting.register(cx.waker());
            self.edge = self.waiting.as_ref().map_or(Ok(None), register)?;
        } else if let Some(edge) = &self.edge {
            edge.recheck(cx.waker())?;
        }
        if !same {
            self.unwatch();
            if let Some(waiting) = &self.waiting {
                for reference in &waiting.refs {
                    if reference.0.watch(cx.waker()) == Watched::Ready {
                        continue;
                    }
                }
            }
            self.watched = Some(cx.waker().clone());
        }
        // Counted after the wakers were placed: what came in between is seen here.
        if !over && self.waiting.as_ref().is_some_and(|waiting| !waiting.enough()) {
            return Poll::Pending;
        }
        self.unwatch();
        self.edge = None;
        let waiting = self.waiting.take();
        Poll::Ready(Ok(waiting.map_or(Ready { done: vec![], pending: vec![] }, Waiting::split)))
    }
}

impl<T> Drop for WaitFuture<T> {
    fn drop(&mut self) {
        self.unwatch();
    }
}

/// The time limit of a wait in async code, on any runtime: the node's timer keeps it.
struct Alarm {
    deadline: Instant,
    set: bool,
}

impl Alarm {
    fn after(limit: Duration) -> Option<Alarm> {
        Some(Alarm { deadline: clock::now().checked_add(limit)?, set: false })
    }

    fn is_over(&mut self, cx: &Context<'_>) -> bool {
        let now = clock::now();
        if now >= self.deadline {
            return true;
        }
        if !self.set {
            self.set = true;
            let waker = cx.waker().clone();
            let after = self.deadline - now;
            let _ = crate::node::current::with_node(|node| node.timer.wake(node, after, waker));
        }
        false
    }
}

/// Goes through `refs` in the order in which they become ready.
///
/// ```
/// use raykit::prelude::*;
///
/// #[remote]
/// fn length(word: &str) -> usize {
///     word.len()
/// }
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let mut total = 0;
/// for reference in raykit::as_completed(length::map(["a", "bb", "ccc"])) {
///     total += reference.get()?;
/// }
/// assert_eq!(total, 6);
/// # Ok(())
/// # }
/// ```
pub fn as_completed<T>(refs: impl IntoRefs<T>) -> AsCompleted<T> {
    let refs = refs.into_refs();
    let arrivals = Arc::new(Arrivals::default());
    let mut places: Vec<Option<ObjectRef<T>>> = Vec::with_capacity(refs.len());
    for (at, reference) in refs.into_iter().enumerate() {
        let waker = Waker::from(Arc::new(Arrival { at, arrivals: Arc::clone(&arrivals) }));
        if reference.0.watch(&waker) == Watched::Ready {
            waker.wake();
        }
        places.push(Some(reference));
    }
    let left = places.len();
    AsCompleted { places, arrivals, left }
}

/// The references in the order of their completion; see [`as_completed`].
pub struct AsCompleted<T> {
    places: Vec<Option<ObjectRef<T>>>,
    arrivals: Arc<Arrivals>,
    left: usize,
}

/// What has become ready, and who waits for more.
#[derive(Default)]
struct Arrivals(parking_lot::Mutex<(VecDeque<usize>, Option<Waker>)>);

struct Arrival {
    at: usize,
    arrivals: Arc<Arrivals>,
}

impl Wake for Arrival {
    fn wake(self: Arc<Self>) {
        let consumer = {
            let mut arrivals = self.arrivals.0.lock();
            arrivals.0.push_back(self.at);
            arrivals.1.take()
        };
        if let Some(consumer) = consumer {
            consumer.wake();
        }
    }
}

impl Arrivals {
    fn pop(&self) -> Option<usize> {
        self.0.lock().0.pop_front()
    }

    /// Sleeps until something has arrived (`true`) or the time has come.
    fn park(&self, until: Option<Instant>) -> bool {
        let (parker, waker) = parker::of_this_thread();
        loop {
            {
                let mut arrivals = self.0.lock();
                if !arrivals.0.is_empty() {
                    return true;
                }
                arrivals.1 = Some(waker.clone());
            }
            match until {
                None => parker.park(),
                Some(until) if !parker.park_until(until) => return !self.0.lock().0.is_empty(),
                Some(_) => {}
            }
        }
    }
}

impl<T> AsCompleted<T> {
    /// As `next`, with the error of a wait that could never end kept apart from the objects.
    fn advance(&mut self) -> Result<Option<ObjectRef<T>>> {
        while self.left > 0 {
            if let Some(at) = self.arrivals.pop() {
                if let Some(reference) = self.places[at].take() {
                    self.left -= 1;
                    return Ok(Some(reference));
                }
                continue;
            }
            let worker = crate::sched::worker::current();
            // The graph of waits is told by a task only, which seldom waits for very many.
            let missing = match current::task() {
                Some(_) => self.places.iter().flatten().map(|open| open.0.clone()).collect(),
                None => Vec::new(),
            };
            let park = |until| self.arrivals.park(until);
            fetch::sleep_until(missing, Wait::Some(1), worker.as_deref(), None, park)?;
        }
        Ok(None)
    }
}

impl<T> Iterator for AsCompleted<T> {
    type Item = ObjectRef<T>;

    fn next(&mut self) -> Option<ObjectRef<T>> {
        match self.advance() {
            Ok(next) => next,
            Err(error) => {
                // An object that can never be there is handed out: its `get` tells why.
                tracing::warn!(%error, "a wait in `as_completed` can never end");
                self.left -= 1;
                self.places.iter_mut().find_map(Option::take)
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for AsCompleted<T> {}

impl<T> std::fmt::Debug for AsCompleted<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AsCompleted").field("left", &self.left).finish_non_exhaustive()
    }
}
