//! A channel for answers: what std's does, with a wait that a simulation knows of.

use super::clock;
use super::thread::Condvar;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The end that gives.
pub(crate) struct Sender<T>(Arc<Channel<T>>);

/// The end that takes.
pub(crate) struct Receiver<T>(Arc<Channel<T>>);

struct Channel<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    senders: usize,
}

pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let state = State { items: VecDeque::new(), senders: 1 };
    let channel = Arc::new(Channel { state: Mutex::new(state), changed: Condvar::new() });
    (Sender(Arc::clone(&channel)), Receiver(channel))
}

impl<T> Sender<T> {
    /// Where nobody takes it any more it goes with the channel.
    pub(crate) fn send(&self, item: T) {
        self.0.state.lock().items.push_back(item);
        self.0.changed.notify_one();
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.state.lock().senders += 1;
        Sender(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.state.lock().senders -= 1;
        self.0.changed.notify_one();
    }
}

impl<T> Receiver<T> {
    /// The next item, waited for so long; `None` where the time is over, or nobody gives any more.
    pub(crate) fn take_within(&self, limit: Duration) -> Option<T> {
        let until = clock::now().checked_add(limit);
        let mut state = self.0.state.lock();
        loop {
            let next = state.items.pop_front();
            if next.is_some() || state.senders == 0 {
                return next;
            }
            match until {
                Some(until) if clock::now() >= until => return None,
                Some(until) => drop(self.0.changed.wait_until(&mut state, until)),
                None => self.0.changed.wait(&mut state),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_order_until_nobody_gives_any() {
        let (give, take) = channel();
        assert_eq!(take.take_within(Duration::ZERO), None::<u32>);
        let other = give.clone();
        let thread = std::thread::spawn(move || {
            (0..3).for_each(|n| give.send(n));
            other.send(3);
        });
        let got: Vec<u32> = std::iter::from_fn(|| take.take_within(Duration::MAX)).collect();
        assert_eq!(got, [0, 1, 2, 3]);
        thread.join().unwrap();
    }
}
