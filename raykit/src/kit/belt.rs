//! The actor inside a [`Queue`](crate::Queue). It knows items as references without their type.
//!
//! Its methods are `async`, so that they need no CPU: a call that waits holds nothing but its place
//! in line. Time limits are kept here and not by the caller, who therefore always gets a definite
//! answer: an item is either in that answer or in the queue. A waiting call whose future is dropped
//! leaves the line, and what it was handed and has not taken goes back to the front.

use crate::base::TaskId;
use crate::base::maps::{HashMap, HashSet};
use crate::node::future::{Resting, within};
use crate::object::ObjectRef;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// An object of the queue's type.
pub(crate) type Item = ObjectRef<()>;

/// What a `get` gives.
#[crate::object]
pub(crate) enum Got {
    /// At least one.
    Items(Vec<Item>),
    /// There is none, and there will be none.
    Closed,
    /// There was none in time.
    Late,
}

/// What became of a `put`.
#[crate::object]
pub(crate) enum Put {
    All,
    /// There was no room in time but for so many.
    Full(usize),
    /// The queue was closed when so many were in.
    Closed(usize),
}

/// What a queue looks like from outside.
#[crate::object]
pub(crate) struct State {
    pub(crate) items: usize,
    /// Calls that wait for an item.
    pub(crate) getters: usize,
    /// Calls that wait for room.
    pub(crate) putters: usize,
    pub(crate) closed: bool,
}

/// The state: the items, and who waits.
#[raykit::remote(max_concurrency = u32::MAX)]
pub(crate) struct Belt {
    line: Mutex<Line>,
}

/// While somebody waits to get there is no item, and while somebody waits to put there is no room.
struct Line {
    capacity: usize,
    items: VecDeque<Item>,
    closed: bool,
    getters: VecDeque<Getter>,
    putters: VecDeque<Putter>,
    /// What getters were given and have not taken, by their number.
    handed: HashMap<u64, Vec<Item>>,
    /// How much is left of the puts that waited when the queue was closed, by their number.
    refused: HashMap<u64, usize>,
    /// Calls of `get` that nobody waits for any more and that have perhaps not begun.
    given_up: HashSet<TaskId>,
    numbers: u64,
}

struct Getter {
    number: u64,
    call: Option<TaskId>,
    max: usize,
    waker: Waker,
}

struct Putter {
    number: u64,
    items: VecDeque<Item>,
    waker: Waker,
}

impl Line {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn room(&self) -> usize {
        self.capacity.saturating_sub(self.items.len())
    }

    /// Items move up until nobody who waits can go on. Returns whom to wake.
    fn move_up(&mut self) -> Vec<Waker> {
        let mut awake = Vec::new();
        loop {
            while self.room() > 0
                && let Some(first) = self.putters.front_mut()
            {
                match first.items.pop_front() {
                    Some(item) => self.items.push_back(item),
                    None => awake.extend(self.putters.pop_front().map(|done| done.waker)),
                }
            }
            // One whose last item went in with the last room is done too.
            while self.putters.front().is_some_and(|first| first.items.is_empty()) {
                awake.extend(self.putters.pop_front().map(|done| done.waker));
            }
            if self.items.is_empty() {
                return awake;
            }
            let Some(getter) = self.getters.pop_front() else { return awake };
            let items = self.take(getter.max);
            self.handed.insert(getter.number, items);
            awake.push(getter.waker);
        }
    }

    fn take(&mut self, max: usize) -> Vec<Item> {
        let some = max.min(self.items.len());
        self.items.drain(..some).collect()
    }

    fn put_back(&mut self, items: Vec<Item>) {
        items.into_iter().rev().for_each(|item| self.items.push_front(item));
    }
}

impl Belt {
    /// Changes the line, and lets go on who can because of it.
    fn change<R>(&self, change: impl FnOnce(&mut Line) -> R) -> R {
        let (result, awake) = {
            let mut line = self.line.lock();
            let result = change(&mut line);
            (result, line.move_up())
        };
        awake.into_iter().for_each(Waker::wake);
        result
    }
}

#[raykit::remote]
impl Belt {
    #[expect(clippy::unused_async, reason = "an async constructor needs no CPU")]
    pub(crate) async fn new(capacity: usize) -> Belt {
        let line = Line {
            capacity,
            items: VecDeque::new(),
            closed: false,
            getters: VecDeque::new(),
            putters: VecDeque::new(),
            handed: HashMap::default(),
            refused: HashMap::default(),
            given_up: HashSet::default(),
            numbers: 0,
        };
        Belt { line: Mutex::new(line) }
    }

    /// At most `max` items, waiting for the first no longer than `limit`.
    pub(crate) async fn get(&self, max: usize, limit: Option<Duration>) -> Got {
        let mut getting = Getting { belt: self, max, place: Place::default() };
        match limit {
            None => getting.await,
            Some(limit) => match within(limit, &mut getting).await {
                Some(got) => got,
                None => getting.late(),
            },
        }
    }

    /// Puts the items one after the other, waiting for room no longer than `limit`.
    pub(crate) async fn put(&self, items: Vec<Item>, limit: Option<Duration>) -> Put {
        let (all, items) = (items.len(), Some(items));
        let mut putting = Putting { belt: self, items, all, place: Place::default() };
        match limit {
            None => putting.await,
            Some(limit) => match within(limit, &mut putting).await {
                Some(put) => put,
                None => putting.late(),
            },
        }
    }

    /// Nobody waits any more for what `call`, a `get`, gives: it goes back to the front.
    pub(crate) async fn give_back(&self, call: ObjectRef<Got>) {
        let task = call.id().task();
        let waker = self.change(|line| {
            let at = line.getters.iter().position(|getter| getter.call == Some(task));
            let waiting = at.and_then(|at| line.getters.remove(at));
            if waiting.is_none() {
                line.given_up.insert(task);
            }
            waiting.map(|getter| getter.waker)
        });
        waker.into_iter().for_each(Waker::wake);
        let got = call.await;
        self.change(|line| {
            line.given_up.remove(&task);
            if let Ok(Got::Items(items)) = got {
                line.put_back(items);
            }
        });
    }

    /// No more puts, those that wait included.
    #[expect(clippy::unused_async, reason = "an async method needs no CPU")]
    pub(crate) async fn close(&self) {
        let (putters, getters) = self.change(|line| {
            line.closed = true;
            let putters = std::mem::take(&mut line.putters);
            line.refused.extend(putters.iter().map(|putter| (putter.number, putter.items.len())));
            (putters, std::mem::take(&mut line.getters))
        });
        putters.iter().map(|putter| &putter.waker).for_each(Waker::wake_by_ref);
        getters.into_iter().for_each(|getter| getter.waker.wake());
    }

    #[expect(clippy::unused_async, reason = "an async method needs no CPU")]
    pub(crate) async fn state(&self) -> State {
        let line = self.line.lock();
        State {
            items: line.items.len(),
            getters: line.getters.len(),
            putters: line.putters.len(),
            closed: line.closed,
        }
    }
}

/// A call's place in line, once it has one.
#[derive(Default)]
struct Place {
    number: Option<u64>,
    resting: Option<Resting>,
}

impl Place {
    /// `polled` is what the call has come to; while it waits another one may run.
    fn after<T>(&mut self, polled: Poll<T>) -> Poll<T> {
        match polled {
            Poll::Ready(_) => *self = Place::default(),
            Poll::Pending if self.resting.is_none() => self.resting = Resting::begin(),
            Poll::Pending => {}
        }
        polled
    }
}

/// A `get` that waits in line.
struct Getting<'a> {
    belt: &'a Belt,
    max: usize,
    place: Place,
}

impl Getting<'_> {
    /// The time is up; what was handed over just now counts.
    fn late(&mut self) -> Got {
        let Some(number) = self.place.number.take() else { return Got::Late };
        let mut line = self.belt.line.lock();
        match line.handed.remove(&number) {
            Some(items) => Got::Items(items),
            None => {
                line.getters.retain(|getter| getter.number != number);
                Got::Late
            }
        }
    }

    /// Takes what there is, or a place in line.
    fn begin(&mut self, waker: &Waker) -> Poll<Got> {
        let call = crate::context().task_id();
        self.belt.change(|line| {
            if call.is_some_and(|call| line.given_up.contains(&call)) {
                return Poll::Ready(Got::Late);
            }
            if !line.items.is_empty() {
                return Poll::Ready(Got::Items(line.take(self.max)));
            }
            if line.closed {
                return Poll::Ready(Got::Closed);
            }
            let number = line.number();
            line.getters.push_back(Getter { number, call, max: self.max, waker: waker.clone() });
            self.place.number = Some(number);
            Poll::Pending
        })
    }

    fn look(&mut self, number: u64, waker: &Waker) -> Poll<Got> {
        let mut line = self.belt.line.lock();
        if let Some(items) = line.handed.remove(&number) {
            return Poll::Ready(Got::Items(items));
        }
        match line.getters.iter_mut().find(|getter| getter.number == number) {
            Some(getter) => {
                getter.waker.clone_from(waker);
                Poll::Pending
            }
            // Closed, or given up.
            None => Poll::Ready(if line.closed { Got::Closed } else { Got::Late }),
        }
    }
}

impl Future for Getting<'_> {
    type Output = Got;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Got> {
        let polled = match self.place.number {
            None => self.begin(cx.waker()),
            Some(number) => self.look(number, cx.waker()),
        };
        self.place.after(polled)
    }
}

impl Drop for Getting<'_> {
    fn drop(&mut self) {
        let Some(number) = self.place.number else { return };
        self.belt.change(|line| match line.handed.remove(&number) {
            Some(items) => line.put_back(items),
            None => line.getters.retain(|getter| getter.number != number),
        });
    }
}

/// A `put` that waits in line.
struct Putting<'a> {
    belt: &'a Belt,
    /// Until it begins.
    items: Option<Vec<Item>>,
    all: usize,
    place: Place,
}

impl Putting<'_> {
    /// Leaves the line, and says how many have not gone in.
    fn leave(&mut self) -> usize {
        let Some(number) = self.place.number.take() else { return 0 };
        let left = self.belt.change(|line| {
            line.refused.remove(&number);
            let at = line.putters.iter().position(|putter| putter.number == number);
            at.and_then(|at| line.putters.remove(at))
        });
        left.map_or(0, |left| left.items.len())
    }

    fn late(&mut self) -> Put {
        match self.leave() {
            0 => Put::All,
            left => Put::Full(self.all - left),
        }
    }

    fn begin(&mut self, waker: &Waker) -> Poll<Put> {
        let items = VecDeque::from(self.items.take().unwrap_or_default());
        let belt = self.belt;
        let refused = belt.change(|line| {
            if line.closed {
                return Err(items);
            }
            if line.putters.is_empty() && line.room() >= items.len() {
                line.items.extend(items);
                return Ok(());
            }
            let number = line.number();
            line.putters.push_back(Putter { number, items, waker: waker.clone() });
            self.place.number = Some(number);
            Ok(())
        });
        match (refused, self.place.number) {
            (Err(_), _) => Poll::Ready(Put::Closed(0)),
            (Ok(()), None) => Poll::Ready(Put::All),
            // Some of it may have gone in, and with a getter there all of it.
            (Ok(()), Some(number)) => self.look(number, waker),
        }
    }

    fn look(&mut self, number: u64, waker: &Waker) -> Poll<Put> {
        let mut line = self.belt.line.lock();
        if let Some(left) = line.refused.remove(&number) {
            return Poll::Ready(Put::Closed(self.all - left));
        }
        match line.putters.iter_mut().find(|putter| putter.number == number) {
            Some(putter) => {
                putter.waker.clone_from(waker);
                Poll::Pending
            }
            None => Poll::Ready(Put::All),
        }
    }
}

impl Future for Putting<'_> {
    type Output = Put;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Put> {
        let polled = match self.place.number {
            None => self.begin(cx.waker()),
            Some(number) => self.look(number, cx.waker()),
        };
        self.place.after(polled)
    }
}

impl Drop for Putting<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}
