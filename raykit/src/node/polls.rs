//! Futures in a simulation: no runtime of tokio's knows its clock and its turns, so each future has
//! a thread of its own that polls it.

use super::{Node, current};
use crate::base::clock;
use crate::base::limits::STACK_BYTES;
use crate::base::thread::{self, JoinHandle};
use crate::sched::parker;
use parking_lot::Mutex;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// The threads that poll.
#[derive(Default)]
pub(super) struct Polls {
    threads: Mutex<Vec<JoinHandle>>,
    closed: AtomicBool,
}

impl Polls {
    /// Polls a future of `node` until it has ended, or the node is closed.
    pub(super) fn spawn(
        &self,
        node: &Arc<Node>,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let (name, node) = (format!("raykit-{}-async", node.id), Arc::clone(node));
        let thread = thread::spawn(name, Some(STACK_BYTES), move || {
            current::enter(Arc::clone(&node));
            poll_to_the_end(&node, future);
            current::leave();
        })?;
        let mut threads = self.threads.lock();
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
        Ok(())
    }

    /// No future is polled any more; who was told of this joins the threads.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Waits for the threads, each of which was called.
    pub(super) fn join(&self, grace: Duration) {
        let deadline = clock::now() + grace;
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads.into_iter().filter(|thread| !thread.is_this()) {
            thread.join_until(deadline);
        }
    }
}

fn poll_to_the_end(node: &Node, future: impl Future<Output = ()>) {
    let (parker, waker) = parker::of_this_thread();
    let mut future = pin!(future);
    while !node.futures.polls.closed.load(Ordering::SeqCst)
        && future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
    {
        parker.park();
    }
}

/// Awaits `future` for so long at the most.
pub(super) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let deadline = clock::now().checked_add(limit);
    let mut future = pin!(future);
    let mut is_set = false;
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        let Some(deadline) = deadline else { return Poll::Pending };
        let now = clock::now();
        if now >= deadline {
            return Poll::Ready(None);
        }
        if !std::mem::replace(&mut is_set, true) {
            let (after, waker) = (deadline - now, cx.waker().clone());
            let _ = current::with_node(|node| node.timer.wake(node, after, waker));
        }
        Poll::Pending
    })
    .await
}
