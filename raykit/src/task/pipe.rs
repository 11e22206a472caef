//! `Pipe`: the items of a stream between the task that makes them and whoever takes them: in
//! order, counted, with a brake for a producer that is too far ahead. It knows neither objects nor
//! tasks; those who wait do so by a `Waker`.
//!
//! There is a lock for each side, so that the two seldom meet: the producer appends at the back,
//! and a consumer that finds the front empty exchanges it for the back. Whoever needs both takes
//! the front's first.
//!
//! No wake-up is lost: a consumer leaves its waker under the locks under which it found nothing,
//! and the producer looks for wakers under the lock under which it appends. A paused producer
//! leaves its waker under the front's lock, under which what was taken is counted.

use crate::base::sync::{AtomicBool, AtomicU64, Mutex, Ordering};
use std::collections::VecDeque;
use std::task::Waker;

/// What may go through a pipe.
pub(crate) trait Load {
    /// What it counts for, beside being one item; always the same.
    fn bytes(&self) -> u64;
}

/// How far a producer may be ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    pub(crate) items: u64,
    pub(crate) bytes: u64,
}

/// What came of an item.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed<T> {
    /// It is in, and there is room for more.
    On,
    /// It is in, and the producer should pause.
    Full,
    /// Nobody takes anything any more: here it is again.
    Over(T),
}

/// What a consumer finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken<T> {
    /// With how many came before it.
    Item(T, u64),
    /// There is nothing yet.
    Nothing,
    /// There will be nothing any more.
    Over,
}

/// From such a brake on a producer that has reached it sleeps: to take half of so many takes about
/// as long as to wake a thread, so that both are at work again before the rest is taken. The model
/// has a brake on either side of it.
const WORTH_A_SLEEP_ITEMS: u64 = if cfg!(raykit_loom) { 2 } else { 512 };

type Items<T> = VecDeque<T>;

/// On cache lines of its own.
#[repr(align(128))]
struct Side<S> {
    state: Mutex<S>,
    /// Items that have come by, changed under the lock.
    items: AtomicU64,
    bytes: AtomicU64,
}

/// Where items are taken.
struct Front<T> {
    items: Items<T>,
    /// The producer, while it pauses.
    producer: Option<Waker>,
    over: bool,
}

/// Where items come in.
struct Back<T> {
    items: Items<T>,
    /// Consumers that found nothing.
    consumers: Vec<Waker>,
    /// What the producer knows to be taken, so that it seldom looks.
    taken: (u64, u64),
    over: bool,
}

/// The items on their way.
pub(crate) struct Pipe<T> {
    front: Side<Front<T>>,
    back: Side<Back<T>>,
    over: AtomicBool,
    ahead: Ahead,
}

impl<S> Side<S> {
    fn new(state: S) -> Side<S> {
        Side { state: Mutex::new(state), items: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    /// Counts an item; called under the lock. Returns the sums.
    fn count(&self, bytes: u64) -> (u64, u64) {
        let items = self.items.load(Ordering::Relaxed) + 1;
        self.items.store(items, Ordering::Release);
        let sum = self.bytes.load(Ordering::Relaxed) + bytes;
        if bytes > 0 {
            self.bytes.store(sum, Ordering::Release);
        }
        (items, sum)
    }

    fn counted(&self) -> (u64, u64) {
        (self.items.load(Ordering::Acquire), self.bytes.load(Ordering::Acquire))
    }
}

impl Ahead {
    fn is_reached(self, sent: (u64, u64), taken: (u64, u64)) -> bool {
        sent.0.saturating_sub(taken.0) >= self.items.max(1)
            || sent.1.saturating_sub(taken.1) >= self.bytes.max(1)
    }

    /// Whether a producer that was told to pause, and does not sleep yet, goes on. If it did so at
    /// the first free place, one that is the faster side would stay at the brink, where it looks
    /// at each item at what the consumer writes, and both wait for each other's cache. So it
    /// sleeps, where half of the items is enough to take for the consumer to make up for that.
    fn may_go_on(self, sent: (u64, u64), taken: (u64, u64)) -> bool {
        match self.items < WORTH_A_SLEEP_ITEMS {
            true => !self.is_reached(sent, taken),
            false => self.is_half_empty(sent, taken),
        }
    }

    /// A producer that sleeps goes on when half is taken, so that it is not woken for each item.
    fn is_half_empty(self, sent: (u64, u64), taken: (u64, u64)) -> bool {
        sent.0.saturating_sub(taken.0) <= self.items / 2
            && sent.1.saturating_sub(taken.1) <= self.bytes / 2
    }
}

impl<T: Load> Pipe<T> {
    pub(crate) fn new(ahead: Ahead) -> Pipe<T> {
        let front = Front { items: VecDeque::new(), producer: None, over: false };
        let back =
            Back { items: VecDeque::new(), consumers: Vec::new(), taken: (0, 0), over: false };
        Pipe { front: Side::new(front), back: Side::new(back), over: AtomicBool::new(false), ahead }
    }

    /// Appends an item. There is one producer.
    #[inline]
    pub(crate) fn push(&self, item: T) -> Pushed<T> {
        let bytes = item.bytes();
        let mut back = self.back.state.lock();
        if back.over {
            return Pushed::Over(item);
        }
        back.items.push_back(item);
        let sent = self.back.count(bytes);
        let mut full = self.ahead.is_reached(sent, back.taken);
        if full {
            back.taken = self.front.counted();
            full = self.ahead.is_reached(sent, back.taken);
        }
        if !back.consumers.is_empty() {
            let waiting = std::mem::take(&mut back.consumers);
            drop(back);
            waiting.into_iter().for_each(Waker::wake);
        }
        if full { Pushed::Full } else { Pushed::On }
    }

    /// Whether a producer that was told to pause has to; then `waker` is called when half is taken.
    pub(crate) fn pause(&self, waker: &Waker) -> bool {
        let mut front = self.front.state.lock();
        if front.over || self.ahead.may_go_on(self.back.counted(), self.front.counted()) {
            return false;
        }
        let before = front.producer.replace(waker.clone());
        drop(front);
        drop(before);
        true
    }

    /// Takes the next item. Where there is none yet, `waker` is called when there is something to
    /// look at.
    #[inline]
    pub(crate) fn take(&self, waker: Option<&Waker>) -> Taken<T> {
        let mut front = self.front.state.lock();
        let item = match front.items.pop_front() {
            Some(item) => item,
            None => match self.exchange(&mut front.items, waker) {
                Taken::Item(item, _) => item,
                nothing => return nothing,
            },
        };
        let taken = self.front.count(item.bytes());
        if front.producer.is_some()
            && self.ahead.is_half_empty(self.back.counted(), taken)
            && let Some(producer) = front.producer.take()
        {
            drop(front);
            producer.wake();
        }
        Taken::Item(item, taken.0 - 1)
    }

    /// Puts what has come in into the empty front, and takes the first of it.
    #[cold]
    fn exchange(&self, front: &mut Items<T>, waker: Option<&Waker>) -> Taken<T> {
        let mut back = self.back.state.lock();
        std::mem::swap(front, &mut back.items);
        if let Some(item) = front.pop_front() {
            return Taken::Item(item, 0);
        }
        if back.over {
            return Taken::Over;
        }
        if let Some(waker) = waker
            && !back.consumers.iter().any(|known| known.will_wake(waker))
        {
            back.consumers.push(waker.clone());
        }
        Taken::Nothing
    }

    /// Whether a consumer would find an item or the end, as far as one can tell without a lock.
    pub(crate) fn is_worth_a_look(&self) -> bool {
        self.back.items.load(Ordering::Acquire) != self.front.items.load(Ordering::Relaxed)
            || self.over.load(Ordering::Acquire)
    }

    /// Whether an item has come in, ever.
    pub(crate) fn has_begun(&self) -> bool {
        self.back.items.load(Ordering::Acquire) > 0
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// A consumer does not wait any more.
    pub(crate) fn unwatch(&self, waker: &Waker) {
        let mut back = self.back.state.lock();
        let at = back.consumers.iter().position(|known| known.will_wake(waker));
        let gone = at.map(|at| back.consumers.swap_remove(at));
        drop(back);
        drop(gone);
    }

    /// Nothing comes in from now on; what is there can be taken.
    pub(crate) fn end(&self) {
        self.finish(false);
    }

    /// Nobody takes anything any more. What is left is the caller's to drop.
    pub(crate) fn abandon(&self) -> impl Iterator<Item = T> + use<T> {
        let [first, second] = self.finish(true);
        first.into_iter().chain(second)
    }

    fn finish(&self, all: bool) -> [Items<T>; 2] {
        let mut front = self.front.state.lock();
        let mut back = self.back.state.lock();
        (front.over, back.over) = (true, true);
        self.over.store(true, Ordering::Release);
        let left = match all {
            true => [std::mem::take(&mut front.items), std::mem::take(&mut back.items)],
            false => [VecDeque::new(), VecDeque::new()],
        };
        let (producer, consumers) = (front.producer.take(), std::mem::take(&mut back.consumers));
        drop(back);
        drop(front);
        producer.into_iter().chain(consumers).for_each(Waker::wake);
        left
    }
}

/// In tests: an item and its bytes.
#[cfg(test)]
impl Load for (u32, u64) {
    fn bytes(&self) -> u64 {
        self.1
    }
}

#[cfg(all(test, not(raykit_loom)))]
mod tests {
    use super::*;

    fn pipe(items: u64, bytes: u64) -> Pipe<(u32, u64)> {
        Pipe::new(Ahead { items, bytes })
    }

    #[test]
    fn items_come_out_in_order_and_then_the_end() {
        let pipe = pipe(10, 1 << 20);
        assert_eq!(pipe.take(None), Taken::Nothing);
        (0..3).for_each(|item| assert_eq!(pipe.push((item, 0)), Pushed::On));
        assert_eq!(pipe.take(None), Taken::Item((0, 0), 0));
        assert_eq!(pipe.push((3, 0)), Pushed::On);
        pipe.end();
        assert_eq!(pipe.push((4, 0)), Pushed::Over((4, 0)));
        let rest: Vec<_> = std::iter::from_fn(|| match pipe.take(None) {
            Taken::Item((item, _), _) => Some(item),
            _ => None,
        })
        .collect();
        assert_eq!(rest, [1, 2, 3]);
        assert_eq!(pipe.take(None), Taken::Over);
    }

    #[test]
    fn a_producer_pauses_and_goes_on_when_half_is_taken() {
        let waker = Waker::noop();
        let pipe = pipe(4, 100);
        assert_eq!([pipe.push((0, 1)), pipe.push((1, 1)), pipe.push((2, 1))].len(), 3);
        assert!(!pipe.pause(waker));
        assert_eq!(pipe.push((3, 1)), Pushed::Full);
        assert!(pipe.pause(waker));
        assert_eq!(pipe.take(None), Taken::Item((0, 1), 0));
        assert!(!pipe.pause(waker), "there is room for one");
        assert_eq!(pipe.push((4, 98)), Pushed::Full, "the bytes count as well");
        assert!(pipe.pause(waker));
        assert_eq!(pipe.abandon().map(|(item, _)| item).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!(!pipe.pause(waker), "nobody is waited for");
        assert_eq!(pipe.push((5, 0)), Pushed::Over((5, 0)));
    }

    /// Where the brake is far away, it sleeps until half is taken.
    #[test]
    fn a_producer_does_not_stay_at_the_brink() {
        let waker = Waker::noop();
        let pipe = pipe(WORTH_A_SLEEP_ITEMS, 1 << 20);
        let half = WORTH_A_SLEEP_ITEMS / 2;
        let last = (0..WORTH_A_SLEEP_ITEMS).map(|_| pipe.push((0, 0))).last();
        assert_eq!(last, Some(Pushed::Full));
        for _ in 0..half {
            assert!(pipe.pause(waker));
            assert!(matches!(pipe.take(None), Taken::Item(..)));
        }
        assert!(!pipe.pause(waker));
    }
}

#[cfg(all(test, raykit_loom))]
mod loom_tests {
    use super::*;
    use crate::sched::parker::Parker;
    use std::sync::Arc;

    /// Pushes so many, pausing where it has to. Returns how many went in.
    fn produce(pipe: &Pipe<(u32, u64)>, count: u32) -> u32 {
        let parker = Parker::new();
        let waker = Waker::from(Arc::clone(&parker));
        for item in 0..count {
            match pipe.push((item, 0)) {
                Pushed::On => {}
                Pushed::Full => {
                    while pipe.pause(&waker) {
                        parker.park();
                    }
                }
                Pushed::Over(_) => return item,
            }
        }
        count
    }

    fn next(pipe: &Pipe<(u32, u64)>, parker: &Parker, waker: &Waker) -> Option<u32> {
        loop {
            match pipe.take(Some(waker)) {
                Taken::Item((item, _), _) => return Some(item),
                Taken::Over => return None,
                Taken::Nothing => parker.park(),
            }
        }
    }

    /// Both sides sleep where they have to, and come to the end: a lost wake-up would show as a
    /// deadlock.
    #[test]
    fn loom_no_wake_up_between_producer_and_consumer_is_lost() {
        for ahead in [1, 2] {
            crate::base::sync::explore(move || {
                let pipe = Arc::new(Pipe::new(Ahead { items: ahead, bytes: 1 << 20 }));
                let producer = {
                    let pipe = Arc::clone(&pipe);
                    loom::thread::spawn(move || {
                        assert_eq!(produce(&pipe, 3), 3);
                        pipe.end();
                    })
                };
                let parker = Parker::new();
                let waker = Waker::from(Arc::clone(&parker));
                for item in 0..3 {
                    assert_eq!(next(&pipe, &parker, &waker), Some(item));
                }
                assert_eq!(next(&pipe, &parker, &waker), None);
                producer.join().expect("the producer ends");
            });
        }
    }

    /// Wherever the producer is when the consumer goes, it comes to an end.
    #[test]
    fn loom_a_consumer_that_goes_releases_the_producer() {
        crate::base::sync::explore(|| {
            let pipe = Arc::new(Pipe::new(Ahead { items: 1, bytes: 1 << 20 }));
            let producer = {
                let pipe = Arc::clone(&pipe);
                loom::thread::spawn(move || produce(&pipe, 3))
            };
            let taken = matches!(pipe.take(None), Taken::Item(..));
            let left = pipe.abandon().count();
            let sent = producer.join().expect("the producer ends");
            assert_eq!(sent as usize, usize::from(taken) + left);
        });
    }

    /// Two consumers share the items; each goes to one of them, and both hear of the end.
    #[test]
    fn loom_two_consumers_share_the_items() {
        crate::base::sync::explore(|| {
            let pipe = Arc::new(Pipe::new(Ahead { items: 8, bytes: 1 << 20 }));
            let other = {
                let pipe = Arc::clone(&pipe);
                loom::thread::spawn(move || {
                    let parker = Parker::new();
                    let waker = Waker::from(Arc::clone(&parker));
                    std::iter::from_fn(|| next(&pipe, &parker, &waker)).count()
                })
            };
            assert_eq!(pipe.push((0, 0)), Pushed::On);
            assert_eq!(pipe.push((1, 0)), Pushed::On);
            let mine = usize::from(matches!(pipe.take(None), Taken::Item(..)));
            pipe.end();
            assert_eq!(mine + other.join().expect("the other ends"), 2);
        });
    }
}
