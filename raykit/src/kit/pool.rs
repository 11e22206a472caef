//! `ActorPool`: several actors of one type that share some work.

use crate::__private::handle;
use crate::api::actor::Handle;
use crate::base::clock;
use crate::node::{Node, current, slots};
use crate::object::slot::Watched;
use crate::object::{Error, ErrorKind, ObjectRef};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

/// Calls of each actor that `map` has in flight at a time, unless it is told otherwise.
const IN_FLIGHT: usize = 2;
/// For how long an actor that is not needed has to be idle before it goes.
const IDLE_AFTER: Duration = Duration::from_secs(10);

/// Several actors of one type that share some work: each call goes to the one with the fewest calls
/// in flight.
///
/// It is made from handles, or from a function that makes one; then it can grow while calls wait,
/// shrinks when they do not, and replaces actors that have died. An actor that died is taken out of
/// the pool. A call that it could not finish fails ([`Error::is_actor_died`]) and is not tried
/// again, since it may have run in part; [`retry_died`](ActorPool::retry_died) says otherwise.
///
/// The pool may be used by many threads at once, and in tasks.
///
/// ```
/// use raykit::{ActorPool, prelude::*};
///
/// #[remote]
/// struct Squarer;
///
/// #[remote]
/// impl Squarer {
///     pub fn new() -> Self {
///         Squarer
///     }
///     pub fn square(&mut self, x: u64) -> u64 {
///         x * x
///     }
/// }
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let pool = ActorPool::new([Squarer::remote(), Squarer::remote()]);
/// let first: raykit::Result<Vec<u64>> =
///     pool.map(0.., |actor, x| actor.square(x)).take(5).collect();
/// assert_eq!(first?, [0, 1, 4, 9, 16]);
/// assert_eq!(pool.submit(|actor| actor.square(9)).get()?, 81);
///
/// let elastic = ActorPool::with(1..=4, Squarer::remote); // grows while calls wait
/// assert_eq!(elastic.len(), 1);
/// # Ok(())
/// # }
/// ```
pub struct ActorPool<H: Handle> {
    shared: Arc<Shared<H>>,
    in_flight: usize,
    retries: u32,
}

struct Shared<H> {
    state: Mutex<State<H>>,
    make: Option<Box<dyn Fn() -> H + Send + Sync>>,
    least: usize,
    most: usize,
}

struct State<H> {
    members: Vec<Member<H>>,
    /// Actors that are being made at this moment.
    making: usize,
    idle_after: Duration,
    /// Whether somebody will look for idle actors.
    alarm: bool,
}

struct Member<H> {
    handle: H,
    load: Arc<Load>,
}

/// Which results are there, in the order in which they came.
#[derive(Default)]
pub(super) struct Arrivals(Mutex<VecDeque<u64>>);

impl Arrivals {
    fn push(&self, number: u64) {
        self.0.lock().push_back(number);
    }

    pub(super) fn pop(&self) -> Option<u64> {
        self.0.lock().pop_front()
    }
}

/// What an actor of the pool has to do.
struct Load {
    calls: AtomicUsize,
    /// When it had its last call.
    last: Mutex<Instant>,
}

impl Load {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

/// A call is in flight for as long as this exists.
struct Busy(Arc<Load>);

impl Busy {
    fn begin(load: &Arc<Load>) -> Busy {
        load.calls.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(load))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.last.lock() = clock::now();
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits in the place of a result, and tells of it.
struct Landing {
    busy: Mutex<Option<Busy>>,
    arrival: Option<(Arc<Arrivals>, u64)>,
}

impl Wake for Landing {
    fn wake(self: Arc<Self>) {
        drop(self.busy.lock().take());
        if let Some((arrivals, number)) = &self.arrival {
            arrivals.push(*number);
        }
    }
}

impl<H: Handle> State<H> {
    /// Takes out those that have died, for the caller to drop.
    fn without_dead(&mut self) -> Vec<Member<H>> {
        let alive = |member: &mut Member<H>| handle::is_alive(member.handle.__actor());
        if self.members.iter_mut().all(alive) {
            return Vec::new();
        }
        let all = std::mem::take(&mut self.members);
        let (alive, dead) = all.into_iter().partition(|m| handle::is_alive(m.handle.__actor()));
        self.members = alive;
        dead
    }

    fn add(&mut self, handle: H) -> &Member<H> {
        let load = Load { calls: AtomicUsize::new(0), last: Mutex::new(clock::now()) };
        self.members.push(Member { handle, load: Arc::new(load) });
        &self.members[self.members.len() - 1]
    }

    fn least_loaded(&self) -> Option<&Member<H>> {
        self.members.iter().min_by_key(|member| member.load.calls())
    }
}

impl<H: Handle> Shared<H> {
    /// Whether one more actor should be made now.
    fn wants_more(&self, state: &State<H>) -> bool {
        let all = state.members.len() + state.making;
        let waits = state.least_loaded().is_none_or(|member| member.load.calls() > 0);
        let wanted = all < self.least || state.members.is_empty() || (waits && all < self.most);
        wanted && self.make.is_some()
    }

    /// An actor for one more call. `None` if there is none.
    fn take(self: &Arc<Self>) -> Option<(H, Busy)> {
        /// An actor that is being made is counted, whatever becomes of it.
        struct Making<'a, H>(&'a Mutex<State<H>>);
        impl<H> Drop for Making<'_, H> {
            fn drop(&mut self) {
                self.0.lock().making -= 1;
            }
        }
        // Of actors that die at once no more are made than there is room for.
        for _ in 0..self.most.max(1) {
            let mut state = self.state.lock();
            let dead = state.without_dead();
            let make = self.make.as_ref().filter(|_| self.wants_more(&state));
            let Some(make) = make else {
                let chosen = state.least_loaded();
                let chosen =
                    chosen.map(|member| (member.handle.clone(), Busy::begin(&member.load)));
                drop(state);
                drop(dead);
                return chosen;
            };
            state.making += 1;
            drop(state);
            drop(dead);
            let making = Making(&self.state);
            let made = make(); // not under the lock: it is the user's
            drop(making);
            let mut state = self.state.lock();
            state.add(made);
            self.watch_idle(state);
        }
        // The last one that was made has had no chance to be dropped.
        let state = self.state.lock();
        state.least_loaded().map(|member| (member.handle.clone(), Busy::begin(&member.load)))
    }

    /// Sees that actors beyond the lower bound go when they are idle.
    fn watch_idle(self: &Arc<Self>, mut state: parking_lot::MutexGuard<'_, State<H>>) {
        if state.alarm || state.members.len() <= self.least {
            return;
        }
        let Ok(node) = current::node() else { return };
        state.alarm = true;
        let after = state.idle_after;
        drop(state);
        Arc::new(Shrink { shared: Arc::downgrade(self), node: Arc::downgrade(&node) }).later(after);
    }

    /// Takes out actors beyond the lower bound that were idle for long, for the caller to drop, and
    /// says when to look again.
    fn shrink(&self) -> (Vec<Member<H>>, Option<Duration>) {
        let mut state = self.state.lock();
        let mut gone = state.without_dead();
        let now = clock::now();
        for at in (0..state.members.len()).rev() {
            let load = &state.members[at].load;
            let idle = now.saturating_duration_since(*load.last.lock());
            if load.calls() == 0 && idle >= state.idle_after && state.members.len() > self.least {
                gone.push(state.members.remove(at));
            }
        }
        state.alarm = state.members.len() > self.least;
        (gone, state.alarm.then_some(state.idle_after))
    }
}

/// Looks for idle actors now and then, while there are more than the least number.
struct Shrink<H> {
    shared: Weak<Shared<H>>,
    node: Weak<Node>,
}

impl<H: Handle> Shrink<H> {
    fn later(self: Arc<Self>, after: Duration) {
        // Not all the time, however short the pause is meant to be.
        let after = after.max(Duration::from_millis(1));
        if let Some(node) = self.node.upgrade() {
            node.timer.wake(&node, after, Waker::from(self));
        }
    }
}

impl<H: Handle> Wake for Shrink<H> {
    fn wake(self: Arc<Self>) {
        let Some(shared) = self.shared.upgrade() else { return };
        let (gone, again) = shared.shrink();
        drop((gone, shared));
        if let Some(after) = again {
            self.later(after);
        }
    }
}

impl<H: Handle> ActorPool<H> {
    /// A pool of these actors.
    pub fn new(handles: impl IntoIterator<Item = H>) -> ActorPool<H> {
        let pool = ActorPool::made(0..=usize::MAX, None);
        handles.into_iter().for_each(|handle| pool.push(handle));
        pool
    }

    /// A pool that makes its actors: as many as the lower bound now, and more up to the upper bound
    /// when a call finds all of them busy. Those that were idle for a while go again, down to the
    /// lower bound.
    pub fn with(
        size: RangeInclusive<usize>,
        make: impl Fn() -> H + Send + Sync + 'static,
    ) -> ActorPool<H> {
        let first: Vec<H> = (0..*size.start()).map(|_| make()).collect();
        let pool = ActorPool::made(size, Some(Box::new(make)));
        first.into_iter().for_each(|handle| pool.push(handle));
        pool
    }

    fn made(
        size: RangeInclusive<usize>,
        make: Option<Box<dyn Fn() -> H + Send + Sync>>,
    ) -> ActorPool<H> {
        let (least, most) = size.into_inner();
        let (members, idle_after) = (Vec::new(), IDLE_AFTER);
        let state = Mutex::new(State { members, making: 0, idle_after, alarm: false });
        let most = most.max(least);
        let shared = Arc::new(Shared { state, make, least, most });
        ActorPool { shared, in_flight: IN_FLIGHT, retries: 0 }
    }

    /// How many calls of each actor `map` has in flight at a time: 2 unless said otherwise, so that
    /// an actor finds the next call when it is done with one. At least 1.
    pub fn in_flight(mut self, calls: usize) -> Self {
        self.in_flight = calls.max(1);
        self
    }

    /// How often `map` tries an item again, with another actor, after its actor died: never unless
    /// said otherwise. A call that is tried again may have run in part, or to its end.
    pub fn retry_died(mut self, times: u32) -> Self {
        self.retries = times;
        self
    }

    /// How long an actor beyond the lower bound has to be idle before it goes: 10 s unless said
    /// otherwise. It goes within twice that time.
    pub fn idle_after(self, pause: Duration) -> Self {
        self.shared.state.lock().idle_after = pause;
        self
    }

    /// Calls the actor with the fewest calls in flight, at once and however many that are.
    ///
    /// A pool without an actor gives a reference that failed with [`ErrorKind::ActorNotFound`].
    pub fn submit<T>(&self, call: impl FnOnce(&H) -> ObjectRef<T>) -> ObjectRef<T> {
        self.send(None, call)
    }

    /// As `submit`; `arrival` hears when the result is there.
    pub(super) fn send<T>(
        &self,
        arrival: Option<(Arc<Arrivals>, u64)>,
        call: impl FnOnce(&H) -> ObjectRef<T>,
    ) -> ObjectRef<T> {
        let (reference, busy) = match self.shared.take() {
            Some((handle, busy)) => (call(&handle), Some(busy)),
            None => {
                let text = "the pool has no actor: none was put into it, or all have died";
                let error = Error::new(ErrorKind::ActorNotFound, text);
                (ObjectRef::new(slots::failed(error)), None)
            }
        };
        let landing = Waker::from(Arc::new(Landing { busy: Mutex::new(busy), arrival }));
        if reference.0.watch(&landing) == Watched::Ready {
            landing.wake();
        }
        reference
    }

    /// Puts one more actor into the pool.
    pub fn push(&self, handle: H) {
        self.shared.state.lock().add(handle);
    }

    /// Takes an actor that has nothing to do out of the pool; `None` if all are busy.
    pub fn pop_idle(&self) -> Option<H> {
        let mut state = self.shared.state.lock();
        let dead = state.without_dead();
        let at = state.members.iter().position(|member| member.load.calls() == 0);
        let idle = at.map(|at| state.members.remove(at).handle);
        drop(state);
        drop(dead);
        idle
    }

    /// How many actors the pool has.
    pub fn len(&self) -> usize {
        let mut state = self.shared.state.lock();
        let dead = state.without_dead();
        let len = state.members.len();
        drop(state);
        drop(dead);
        len
    }

    /// Whether the pool has no actor.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of its actors have no call of this pool to do.
    pub fn idle(&self) -> usize {
        let state = self.shared.state.lock();
        let idle = |member: &&Member<H>| {
            member.load.calls() == 0 && handle::is_alive(member.handle.__actor())
        };
        state.members.iter().filter(idle).count()
    }

    pub(super) fn retries(&self) -> u32 {
        self.retries
    }

    /// Whether `map` may make one more call now.
    pub(super) fn has_room(&self) -> bool {
        let state = self.shared.state.lock();
        let grows = self.shared.make.is_some() && state.members.len() < self.shared.most;
        grows || state.members.iter().any(|member| member.load.calls() < self.in_flight)
    }

    /// How many calls `map` may have whose results nobody has asked for.
    pub(super) fn window(&self) -> usize {
        /// Results that wait for an earlier one, for each call in flight.
        const AHEAD: usize = 4;
        let actors = self.shared.state.lock().members.len().max(1);
        self.in_flight.saturating_mul(actors).saturating_mul(AHEAD)
    }
}

impl<H: Handle> fmt::Debug for ActorPool<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actor = std::any::type_name::<H::Actor>();
        write!(f, "ActorPool<{actor}>({} actors, {} idle)", self.len(), self.idle())
    }
}
