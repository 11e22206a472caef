//! One call as a future: from claim to outcome, with the task's context around each poll, and for a
//! method with its actor's state.

use super::task::Task;
use super::{Node, current, timeline};
use crate::actor::state::{Access, Life};
use crate::base::quantity::Resources;
use crate::base::quiet::quietly;
use crate::object::Result;
use crate::object::error::{Error, ErrorKind};
use crate::task::call::{Call, Returns};
use crate::task::function::{Body, Running};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

/// An actor's state, for the length of an async method.
pub(crate) struct Lent {
    pub(crate) access: Access,
    pub(crate) life: Arc<Life>,
    pub(crate) cell: Arc<dyn Lender>,
}

/// Who lends a state.
pub(crate) trait Lender: Send + Sync {
    /// The method panicked: the state may be half changed.
    fn crashed(
        self: Arc<Self>,
        node: &Arc<Node>,
        life: &Arc<Life>,
        task: &Arc<Task>,
        error: &Error,
    );

    /// The method has let go of the state, which it may have changed, and its result is about to be
    /// told.
    fn changed(
        &self,
        node: &Node,
        life: &Arc<Life>,
        task: &Task,
        result: Result<Returns>,
    ) -> Result<Returns>;

    /// Calls have come that nobody has seen yet.
    fn go_on(self: Arc<Self>, node: &Arc<Node>);

    /// Whether this attempt does not count any more, since another one follows.
    fn is_superseded(&self, life: &Arc<Life>, task: &Arc<Task>, attempt: u32) -> bool;

    /// The method has ended and has let go of the state.
    fn back(self: Arc<Self>, node: &Arc<Node>, life: &Arc<Life>, task: &Arc<Task>);
}

/// A task on its way to the runtime, and what it holds.
pub(super) struct Start {
    pub(super) task: Arc<Task>,
    pub(super) held: Option<Resources>,
    pub(super) lent: Option<Lent>,
}

/// One task's future, from claim to outcome.
pub(super) async fn drive(node: Arc<Node>, start: Start) {
    match Flight::begin(&node, start) {
        Some(mut flight) => {
            flight.counted = true;
            fly(flight).await;
        }
        None => node.async_ended(),
    }
}

/// What is left of a flight.
pub(super) async fn fly(mut flight: Flight) {
    let (node, task) = (Arc::clone(&flight.node), Arc::clone(&flight.task));
    let attempt = flight.attempt;
    node.futures.enter(&task, attempt);
    let mut ending = Ending { node: &node, task: &task, attempt, ended: false };
    let result = std::future::poll_fn(|cx| flight.poll(cx)).await;
    ending.ended = true;
    drop(ending);
    flight.land(result);
}

std::thread_local! {
    /// Actors whose calls are seen to at the end of the poll that goes on here: whoever is polled
    /// may be about to await what he has called, and then polls that himself.
    static AFTER: RefCell<Vec<Arc<dyn Lender>>> = const { RefCell::new(Vec::new()) };
    /// Polls upon each other on this thread.
    static POLLS: Cell<u32> = const { Cell::new(0) };
}

/// Has the actor see its calls when the poll on this thread is over. `false` if there is none.
pub(super) fn after_this_poll<L: Lender + 'static>(actor: &Arc<L>) -> bool {
    let polled = POLLS.try_with(Cell::get).unwrap_or(0) > 0;
    polled && AFTER.try_with(|after| after.borrow_mut().push(Arc::clone(actor) as _)).is_ok()
}

/// Takes back what `after_this_poll` was told, if its time has not come.
pub(super) fn forgo<L: Lender>(actor: &Arc<L>) -> bool {
    let forgo = |after: &RefCell<Vec<Arc<dyn Lender>>>| {
        let mut after = after.borrow_mut();
        let same =
            |other: &Arc<dyn Lender>| std::ptr::addr_eq(Arc::as_ptr(other), Arc::as_ptr(actor));
        let at = after.iter().rposition(same)?;
        Some(after.remove(at))
    };
    // Dropped when the list is not borrowed any more.
    AFTER.try_with(forgo).ok().flatten().is_some()
}

/// Sees to the calls that wait for that, before this thread blocks or goes on with something else.
pub(super) fn see_to_calls(node: &Arc<Node>) {
    let first = |after: &RefCell<Vec<Arc<dyn Lender>>>| {
        let mut after = after.borrow_mut();
        (!after.is_empty()).then(|| after.remove(0))
    };
    while let Some(actor) = AFTER.try_with(first).ok().flatten() {
        actor.go_on(node);
    }
}

/// A call that has begun as a future.
pub(super) struct Flight {
    node: Arc<Node>,
    task: Arc<Task>,
    attempt: u32,
    /// The user's future, until it has ended.
    future: Option<Running>,
    /// Why there is none.
    failed: Option<Error>,
    /// It was dropped before it had ended.
    cut: bool,
    /// Whether it counts for the limit of those that run.
    pub(super) counted: bool,
    started: Option<timeline::Mark>,
    held: Option<Resources>,
    lender: Option<(Arc<dyn Lender>, Arc<Life>)>,
}

impl Flight {
    /// Claims the task and makes its future. `None` if it was claimed or given up already; then
    /// what it held goes back.
    pub(super) fn begin(node: &Arc<Node>, start: Start) -> Option<Flight> {
        let Start { task, held, lent } = start;
        let (access, lender) = match lent {
            Some(Lent { access, life, cell }) => (Some(access), Some((cell, life))),
            None => (None, None),
        };
        let mut flight = Flight {
            node: Arc::clone(node),
            future: None,
            failed: None,
            cut: false,
            counted: false,
            started: None,
            held,
            lender,
            attempt: 0,
            task,
        };
        // After a crash it stands in line again, with another ticket.
        let ticket = flight.task.ticket();
        let over = flight.lender.as_ref().is_some_and(|(_, life)| life.is_over());
        let claimed = if over { None } else { flight.task.claim_at(ticket) };
        let Some(attempt) = claimed else {
            drop(access);
            flight.give_back();
            return None;
        };
        flight.attempt = attempt;
        flight.started = node.timeline.as_ref().map(|timeline| timeline.now());
        let task = &flight.task;
        let call = node.call_of(task, task.inputs_for_attempt(attempt));
        let begin = || future_of(node, task, call, access);
        match super::run::caught(|| in_task(task, begin)) {
            Ok(future) => flight.future = Some(future),
            Err(error) => flight.failed = Some(error),
        }
        Some(flight)
    }

    /// Polls the user's future with the task's context around it.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Returns>> {
        let (node, task) = (&self.node, &self.task);
        // Not the mark of a cancelled task but its outcome, which stands before the mark. Or it was
        // broken off, and another attempt follows.
        if task.is_settled() || task.attempt.load(Ordering::Acquire) != self.attempt {
            let future = self.future.take();
            self.cut = true;
            // The user's values are dropped with the task still in force.
            let _ = catch_unwind(AssertUnwindSafe(|| in_task(task, || drop(future))));
            return Poll::Ready(Err(task.error(ErrorKind::Cancelled, "")));
        }
        let Some(future) = &mut self.future else {
            let failed = self.failed.take();
            return Poll::Ready(
                Err(failed.unwrap_or_else(|| task.error(ErrorKind::Cancelled, ""))),
            );
        };
        let span = tracing::debug_span!("task", id = %task.id(), name = task.name());
        let _span = span.enter();
        POLLS.with(|polls| polls.set(polls.get() + 1));
        let polled = catch_unwind(AssertUnwindSafe(|| in_task(task, || future.as_mut().poll(cx))));
        POLLS.with(|polls| polls.set(polls.get() - 1));
        if POLLS.with(Cell::get) == 0 {
            see_to_calls(node);
        }
        match polled {
            Ok(Poll::Ready(result)) => Poll::Ready(result),
            Ok(Poll::Pending) => {
                node.futures.reach(task, self.attempt, cx.waker());
                if task.is_settled() || task.attempt.load(Ordering::Acquire) != self.attempt {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
            Err(panic) => Poll::Ready(Err(super::run::panic_error(panic))),
        }
    }

    /// Settles the task, and gives back what it held.
    pub(super) fn land(mut self, result: Result<Returns>) {
        let (node, task) = (Arc::clone(&self.node), Arc::clone(&self.task));
        // The future, and with it the actor's state that it holds, goes before anybody hears of the
        // result.
        let future = self.future.take();
        let _ = catch_unwind(AssertUnwindSafe(|| in_task(&task, || drop(future))));
        if let (Some(timeline), Some(started)) = (&node.timeline, self.started) {
            timeline.ran(&task, started, result.is_ok());
        }
        if let Some((cell, life)) = &self.lender
            && cell.is_superseded(life, &task, self.attempt)
        {
            return self.end();
        }
        let broken = |error: &&Error| error.is_panic() || (self.cut && task.function.body.makes());
        if let Some(error) = result.as_ref().err().filter(broken) {
            if task.function.body.makes() {
                let _ = node.made(&task, Err(error.clone()));
            }
            if let Some((cell, life)) = &self.lender {
                Arc::clone(cell).crashed(&node, life, &task, error);
            }
        }
        let result = match &self.lender {
            Some((cell, life)) => cell.changed(&node, life, &task, result),
            None => result,
        };
        quietly(|| node.after_attempt(Arc::clone(&task), result));
        self.end();
    }

    fn end(mut self) {
        self.give_back();
        if self.counted {
            self.node.async_ended();
        }
    }

    fn give_back(&mut self) {
        if let Some((cell, life)) = self.lender.take() {
            cell.back(&self.node, &life, &self.task);
        }
        if let Some(held) = self.held.take() {
            self.node.give_back(&self.task, held);
        }
    }
}

/// The future of a call.
fn future_of(
    node: &Arc<Node>,
    task: &Arc<Task>,
    call: Call,
    access: Option<Access>,
) -> Result<Running> {
    match (task.function.body, access) {
        (Body::Async(body), _) => Ok(body(call)),
        (Body::SharedAsync(body) | Body::ExclusiveAsync(body), Some(access)) => {
            Ok(body(access, call))
        }
        (Body::MakeAsync(body), _) => {
            let kept = task.mailbox.as_ref().and_then(|mailbox| mailbox.restore());
            let making = kept.is_none().then(|| body(call));
            let (node, task) = (Arc::clone(node), Arc::clone(task));
            Ok(Box::pin(async move {
                let made = match (making, kept) {
                    (Some(making), _) => making.await,
                    (None, kept) => kept.unwrap_or_else(|| Err(task.error(ErrorKind::Io, ""))),
                };
                node.made(&task, made)
            }))
        }
        _ => Err(task.error(ErrorKind::Config, "it is no future")),
    }
}

/// Sees that a future which the closing runtime drops half-way leaves an outcome behind.
struct Ending<'a> {
    node: &'a Arc<Node>,
    task: &'a Arc<Task>,
    attempt: u32,
    ended: bool,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.node.futures.leave(self.task, self.attempt);
        if !self.ended {
            let error = self.task.error(ErrorKind::ShutDown, "its node was closed while it waited");
            self.node.settle(self.task, Err(error));
        }
    }
}

fn in_task<R>(task: &Arc<Task>, f: impl FnOnce() -> R) -> R {
    let _in_task = current::begin(Arc::clone(task));
    f()
}
