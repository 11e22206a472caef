//! Values into the store and out of it: `put`, `get`, `shared`, `view`, and awaiting a reference.

use crate::base::clock;
use crate::node::cluster::Foreign;
use crate::node::fetch::{self, Goal};
use crate::node::{Node, current, future, graph, slots};
use crate::object::error::{Error, Result};
use crate::object::raw::RawRef;
use crate::object::slot::Watched;
use crate::object::value::{Payload, Value};
use crate::object::{Object, ObjectRef, View};
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Stores a value and returns a reference to it. Nothing is copied or encoded.
///
/// # Errors
///
/// [`ErrorKind::NotRunning`](crate::ErrorKind::NotRunning) without a node.
///
/// ```
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let numbers = raykit::put(vec![1.0_f64; 1 << 20])?;
/// assert_eq!(numbers.shared()?.len(), 1 << 20); // the stored value itself
/// # Ok(())
/// # }
/// ```
pub fn put<T: Object>(value: T) -> Result<ObjectRef<T>> {
    current::with_node(|node| slots::put(node, Value::new(value)))?.map(ObjectRef::new)
}

/// The payload behind `reference`, once it is there.
fn awaited(reference: &RawRef, deadline: Option<Instant>) -> Result<&Payload> {
    if let Some(Ok(payload)) = reference.outcome() {
        return Ok(payload);
    }
    missed(reference, deadline)
}

/// The same where the object is not there yet, or never will be.
#[cold]
fn missed(reference: &RawRef, deadline: Option<Instant>) -> Result<&Payload> {
    fetch::wait(&[reference], Goal::All, deadline)?;
    match reference.outcome() {
        Some(Ok(payload)) => Ok(payload),
        Some(Err(error)) => Err(error.clone()),
        None => Err(Error::new(crate::ErrorKind::TimedOut, "the object is not there yet")),
    }
}

impl<T: Object> ObjectRef<T> {
    /// An owned copy of the value, once it is there. Blocks; in a task, the task's CPU goes to
    /// others meanwhile.
    ///
    /// # Errors
    ///
    /// The error of the task that should have made the object, or of the wait itself
    /// ([`Deadlock`](crate::ErrorKind::Deadlock),
    /// [`ThreadsExhausted`](crate::ErrorKind::ThreadsExhausted)).
    pub fn get(&self) -> Result<T> {
        awaited(&self.0, None)?.get()
    }

    /// The stored value itself, shared and decoded at most once; otherwise as [`get`](Self::get).
    pub fn shared(&self) -> Result<Arc<T>> {
        awaited(&self.0, None)?.shared()
    }

    /// The archived form, read in place and encoded at most once; otherwise as [`get`](Self::get).
    /// The view keeps its memory, and lives on when the last reference is gone.
    pub fn view(&self) -> Result<View<T>> {
        awaited(&self.0, None)?.view()
    }

    /// The same reads, given up after `limit`. The task goes on.
    ///
    /// ```
    /// use raykit::prelude::*;
    ///
    /// #[remote]
    /// fn slow() {
    ///     while !raykit::context().is_cancelled() {
    ///         std::thread::yield_now();
    ///     }
    /// }
    ///
    /// # fn main() -> raykit::Result<()> {
    /// let _ray = raykit::init()?;
    /// let reference = slow::remote();
    /// assert!(reference.timeout(millis(10)).get().unwrap_err().is_timeout());
    /// reference.cancel();
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(&self, limit: Duration) -> Timed<'_, T> {
        Timed { reference: self, limit }
    }
}

impl<T> ObjectRef<T> {
    /// Says that nobody will ask for the result: the call goes on, and its result goes when it is
    /// there. The same as dropping the reference, for those who read the line.
    pub fn forget(self) {
        drop(self);
    }

    /// Says that nobody wants the object: a task that has not begun never will, a running one sees
    /// it in [`context`](crate::context), and the tasks that it called are cancelled too. The
    /// reference resolves at once; one to another node's object when that has heard of it. `false`
    /// if the object was there already: then nothing happens.
    pub fn cancel(&self) -> bool {
        let Some(task) = crate::node::task::producer(&self.0) else {
            // Its owner is asked, and tells the outcome.
            return self.0.peek::<Foreign>().is_some_and(Foreign::cancel);
        };
        current::node_with(task.id().node).is_some_and(|node| node.cancel(&task))
    }
}

/// Reads of a reference with a time limit, made by [`ObjectRef::timeout`].
#[must_use = "call `get`, `shared` or `view`"]
pub struct Timed<'a, T> {
    reference: &'a ObjectRef<T>,
    limit: Duration,
}

impl<T> std::fmt::Debug for Timed<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Timed({:?}, {:?})", self.reference, self.limit)
    }
}

impl<T: Object> Timed<'_, T> {
    fn awaited(&self) -> Result<&Payload> {
        awaited(&self.reference.0, clock::now().checked_add(self.limit))
    }

    /// As [`ObjectRef::get`].
    ///
    /// # Errors
    ///
    /// Also [`TimedOut`](crate::ErrorKind::TimedOut).
    pub fn get(&self) -> Result<T> {
        self.awaited()?.get()
    }

    /// As [`ObjectRef::shared`].
    ///
    /// # Errors
    ///
    /// Also [`TimedOut`](crate::ErrorKind::TimedOut).
    pub fn shared(&self) -> Result<Arc<T>> {
        self.awaited()?.shared()
    }

    /// As [`ObjectRef::view`].
    ///
    /// # Errors
    ///
    /// Also [`TimedOut`](crate::ErrorKind::TimedOut).
    pub fn view(&self) -> Result<View<T>> {
        self.awaited()?.view()
    }
}

/// References that [`get`](fn@get) can read together: one, a slice, a `Vec`, an array, or a tuple
/// of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something that `raykit::get` can read",
    label = "expected references",
    note = "pass `&ObjectRef<T>`, `&[ObjectRef<T>]`, `&Vec<ObjectRef<T>>`, `&[ObjectRef<T>; N]` or a tuple of these"
)]
pub trait Gather {
    /// The values, in the same shape.
    type Values;
    #[doc(hidden)]
    fn collect_refs<'a>(&'a self, all: &mut Collected<'a>);
    #[doc(hidden)]
    fn read(&self) -> Result<Self::Values>;
}

/// The references of a [`Gather`], in order.
#[doc(hidden)]
#[derive(Default)]
pub struct Collected<'a>(Vec<&'a RawRef>);

impl<T: Object> Gather for ObjectRef<T> {
    type Values = T;
    fn collect_refs<'a>(&'a self, all: &mut Collected<'a>) {
        all.0.push(&self.0);
    }
    fn read(&self) -> Result<T> {
        self.get()
    }
}
impl<G: Gather + ?Sized> Gather for &G {
    type Values = G::Values;
    fn collect_refs<'a>(&'a self, all: &mut Collected<'a>) {
        G::collect_refs(self, all);
    }
    fn read(&self) -> Result<G::Values> {
        G::read(self)
    }
}
impl<G: Gather> Gather for [G] {
    type Values = Vec<G::Values>;
    fn collect_refs<'a>(&'a self, all: &mut Collected<'a>) {
        all.0.reserve(self.len());
        self.iter().for_each(|one| one.collect_refs(all));
    }
    fn read(&self) -> Result<Vec<G::Values>> {
        self.iter().map(G::read).collect()
    }
}
impl<G: Gather> Gather for Vec<G> {
    type Values = Vec<G::Values>;
    fn collect_refs<'a>(&'a self, all: &mut Collected<'a>) {
        self.as_slice().collect_refs(all);
    }
    fn read(&self) -> Result<Vec<G::Values>> {
        self.as_slice().read()
    }
}
impl<G: Gather, const N: usize> Gather for [G; N] {
    type Values = [G::Values; N];
    fn collect_refs<'a>(&'a self, all: &mut Collected<'a>) {
        self.as_slice().collect_refs(all);
    }
    fn read(&self) -> Result<[G::Values; N]> {
        let values = self.as_slice().read()?;
        Ok(values.try_into().unwrap_or_else(|_| unreachable!("as many values as references")))
    }
}

macro_rules! gather_tuple {
    ($($name:ident $at:tt),+) => {
        impl<$($name: Gather),+> Gather for ($($name,)+) {
            type Values = ($($name::Values,)+);
            fn collect_refs<'a>(&'a self, all: &mut Collected<'a>) {
                $(self.$at.collect_refs(all);)+
            }
            fn read(&self) -> Result<Self::Values> {
                Ok(($(self.$at.read()?,)+))
            }
        }
    };
}
gather_tuple!(A 0);
gather_tuple!(A 0, B 1);
gather_tuple!(A 0, B 1, C 2);
gather_tuple!(A 0, B 1, C 2, D 3);
gather_tuple!(A 0, B 1, C 2, D 3, E 4);
gather_tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
gather_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
gather_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

/// Waits for all the references and returns owned copies of their values, in the same shape.
///
/// # Errors
///
/// The first error in the order of the references, without waiting for those that come after it;
/// and as [`ObjectRef::get`].
///
/// ```
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let (x, y) = (raykit::put(1)?, raykit::put(2.5)?);
/// let (x, y): (i32, f64) = raykit::get((&x, &y))?;
/// let many = [raykit::put(1)?, raykit::put(2)?];
/// let all: [i32; 2] = raykit::get(&many)?;
/// # assert_eq!((x, y, all), (1, 2.5, [1, 2]));
/// # Ok(())
/// # }
/// ```
pub fn get<G: Gather>(refs: G) -> Result<G::Values> {
    get_by(refs, None)
}

/// As [`get`](fn@get), given up after `limit`.
///
/// # Errors
///
/// Also [`TimedOut`](crate::ErrorKind::TimedOut).
pub fn get_timeout<G: Gather>(refs: G, limit: Duration) -> Result<G::Values> {
    get_by(refs, clock::now().checked_add(limit))
}

fn get_by<G: Gather>(refs: G, deadline: Option<Instant>) -> Result<G::Values> {
    let mut all = Collected::default();
    refs.collect_refs(&mut all);
    fetch::wait(&all.0, Goal::All, deadline)?;
    refs.read()
}

/// The future of a reference: an owned copy of the value, once it is there.
#[must_use = "futures do nothing unless awaited"]
pub struct Getting<T> {
    reference: ObjectRef<T>,
    watch: Option<Waiting>,
    _value: PhantomData<fn() -> T>,
}

struct Waiting {
    waker: Waker,
    /// What this future's task waits for, in the graph of waits.
    edge: Option<graph::Registered>,
}

impl<T> std::fmt::Debug for Getting<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Getting({:?})", self.reference)
    }
}

impl<T> Getting<T> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let raw = &self.reference.0;
        if raw.outcome().is_some() {
            return Poll::Ready(Ok(()));
        }
        if self.watch.is_none() && future::poll_here(&self.reference.0, cx) {
            return Poll::Ready(Ok(()));
        }
        if let Some(edge) = self.watch.as_ref().and_then(|watch| watch.edge.as_ref()) {
            edge.recheck(cx.waker())?;
        }
        if self.watch.as_ref().is_some_and(|watch| watch.waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        let edge = match self.watch.take() {
            Some(old) => {
                raw.unwatch(&old.waker);
                old.edge
            }
            None => {
                let refs = vec![self.reference.0.clone()];
                let node = current::node().ok();
                let register =
                    |node: Arc<_>| Node::register_future(&node, refs, graph::Wait::All, cx.waker());
                node.map_or(Ok(None), register)?
            }
        };
        match raw.watch(cx.waker()) {
            Watched::Ready => Poll::Ready(Ok(())),
            Watched::Kept => {
                self.watch = Some(Waiting { waker: cx.waker().clone(), edge });
                Poll::Pending
            }
        }
    }
}

impl<T: Object> Future for Getting<T> {
    type Output = Result<T>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        match self.poll_ready(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => Poll::Ready(self.reference.get()),
        }
    }
}

impl<T> Drop for Getting<T> {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.take() {
            self.reference.0.unwatch(&watch.waker);
        }
    }
}

impl<T: Object> IntoFuture for ObjectRef<T> {
    type Output = Result<T>;
    type IntoFuture = Getting<T>;
    fn into_future(self) -> Getting<T> {
        Getting { reference: self, watch: None, _value: PhantomData }
    }
}
impl<T: Object> IntoFuture for &ObjectRef<T> {
    type Output = Result<T>;
    type IntoFuture = Getting<T>;
    fn into_future(self) -> Getting<T> {
        self.clone().into_future()
    }
}
