//! Running a task: take the arguments, call the function with panics caught, try again if allowed,
//! put the outcome in its slots.

use super::order::is_word;
use super::task::{State, Task};
use super::{Node, current};
use crate::actor::state::State as ActorState;
use crate::base::ActorId;
use crate::base::limits::{ATTEMPTS_MAX, RETRY_PAUSE_MS, RETRY_PAUSE_MS_MAX};
use crate::base::quantity::Resources;
use crate::base::quiet::quietly;
use crate::base::rng::Rng;
use crate::object::error::{Error, ErrorKind};
use crate::object::value::Value;
use crate::sched::desk::{Desk, Work};
use crate::sched::{Job, LaneId};
use crate::task::call::{Call, Results, Returns};
use crate::task::function::Body;
use crate::task::options::RetryOn;
use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Once};
use std::time::Duration;

impl Job for Task {
    fn run(self: Arc<Self>) {
        // The last of a task, and of its result, may be dropped here.
        quietly(|| {
            let mut task = Some(self);
            let _ = current::with_node(|node| task.take().map(|task| node.run(task)));
            if let Some(task) = task {
                task.abandon();
            }
        });
    }

    fn abandon(&self) {
        if self.give_up() {
            let error = self.error(ErrorKind::ShutDown, "its node was closed before it began");
            self.fail(&error);
        } else if self.state() == State::Running {
            let error = self.error(ErrorKind::ShutDown, "its node was closed while it ran");
            self.fail(&error);
            self.mark_cancelled();
        }
    }

    fn can_leave(&self) -> bool {
        self.may_leave()
    }

    fn lane(&self) -> LaneId {
        self.lane
    }

    fn label(&self) -> String {
        Task::label(self)
    }
}

/// What came of one attempt.
pub(crate) enum Attempt {
    /// The task is done with this.
    Settled(Result<Returns, Error>),
    /// It has failed with this, and another attempt follows after this pause.
    Again(Duration, Error),
}

impl Node {
    /// A worker's turn of `task`, which somebody else may have begun.
    fn run(self: &Arc<Node>, task: Arc<Task>) {
        if task.plain {
            if task.claim() {
                self.execute(task);
            }
            return;
        }
        let pinned = task.mailbox.clone().filter(|actor| actor.is_pinned());
        if pinned.is_some() && !task.options().held {
            // At its desk, which was charged for it.
            if task.claim() {
                self.execute(task);
            }
            return;
        }
        // The request was granted; whatever becomes of the task, it is given back.
        let Ok(mut held) = task.options().request() else { return task.abandon() };
        if held.has_gpus() {
            held.gpus = self.pool.budget().gpus_of(Arc::as_ptr(&task).cast());
            self.books.gpus.granted(&task, &held);
        }
        if !self.pool.budget().knows(&held) {
            self.cancel(&task); // its placement group has ended since
        }
        if let Some(actor) = pinned {
            return self.run_at_desk(actor.desk(), task, held);
        }
        if task.is_async() {
            return self.run_async(task, Some(held), None);
        }
        self.run_held(task, held);
    }

    /// Has the constructor of a pinned actor run where the actor will be.
    fn run_at_desk(self: &Arc<Node>, desk: Option<Desk>, task: Arc<Task>, held: Resources) {
        let Some(desk) = desk else { return self.give_back(&task, held) }; // the actor has ended
        let node = Arc::clone(self);
        let there = Work::Surely(Box::new(move || node.run_held(task, held)));
        if let Err(Work::Surely(here)) = desk.bring(there) {
            here(); // the node is closed: all that it does is to give back
        }
    }

    /// Runs `task`, unless somebody else has begun it, on what it was granted.
    fn run_held(self: &Arc<Node>, task: Arc<Task>, held: Resources) {
        if self.is_closed() {
            task.abandon();
        }
        let of_task = Arc::clone(&task);
        if task.claim() {
            let worker = self.pool.worker();
            let before = worker.as_ref().map(|worker| worker.set_charge(held.cpu));
            quietly(|| self.execute(task));
            if let (Some(worker), Some(before)) = (worker, before) {
                worker.set_charge(before);
            }
        }
        self.give_back(&of_task, held);
        quietly(|| drop(of_task));
    }

    /// A task has ended: what it was granted is free again. What a constructor was granted is its
    /// actor's for life.
    pub(super) fn give_back(&self, task: &Task, held: Resources) {
        self.books.gpus.ended(task, &held);
        match &task.mailbox {
            Some(mailbox) => {
                let back = mailbox.keep(held);
                back.iter().for_each(|held| self.give_back_of(mailbox.actor(), held));
            }
            None => self.pool.give(&held),
        }
    }

    /// What an actor was granted is free again.
    pub(super) fn give_back_of(&self, actor: ActorId, held: &Resources) {
        self.books.gpus.left(actor, held);
        self.pool.give(held);
    }

    /// Runs a claimed task on this thread.
    pub(crate) fn execute(self: &Arc<Node>, task: Arc<Task>) {
        let attempt = task.attempt.load(Ordering::Relaxed);
        let result = match task.function.body {
            Body::Sync(body) => self.run_body(&task, attempt, body),
            Body::Make(body) => {
                let kept = task.mailbox.as_ref().and_then(|mailbox| mailbox.restore());
                let made = kept.unwrap_or_else(|| self.run_body(&task, attempt, body));
                self.made(&task, made)
            }
            _ => return,
        };
        self.after_attempt(task, result);
    }

    /// An actor's constructor has run: from now on there is the actor, and its creation has no
    /// result but that.
    pub(crate) fn made(
        self: &Arc<Node>,
        task: &Arc<Task>,
        made: Result<ActorState, Error>,
    ) -> Result<Returns, Error> {
        let result = match &made {
            Ok(_) => Ok(Returns(Results::One(Value::new(())))),
            Err(error) => Err(error.clone().in_task(task.name(), task.id())),
        };
        if let Some(mailbox) = &task.mailbox {
            Arc::clone(mailbox).made(self, made);
        }
        result
    }

    /// Calls the function of a claimed task, with its context around it.
    pub(crate) fn run_body<R>(
        self: &Arc<Node>,
        task: &Arc<Task>,
        attempt: u32,
        body: impl FnOnce(Call) -> Result<R, Error>,
    ) -> Result<R, Error> {
        if task.is_cancelled() {
            // Between two attempts; what is cancelled is not tried again.
            return Err(task.error(ErrorKind::Cancelled, ""));
        }
        let inputs = task.inputs_for_attempt(attempt);
        let started = self.timeline.as_ref().map(|timeline| timeline.now());
        let result = {
            let span = tracing::debug_span!(
                "task",
                id = %task.id(),
                name = task.name(),
                attempt
            );
            let _span = span.enter();
            let _in_task = current::begin(Arc::clone(task));
            let call = self.call_of(task, inputs);
            caught(|| body(call))
        };
        if let (Some(timeline), Some(started)) = (&self.timeline, started) {
            timeline.ran(task, started, result.is_ok());
        }
        result
    }

    /// Settles the task, or sees to its next attempt.
    pub(crate) fn after_attempt(self: &Arc<Node>, task: Arc<Task>, result: Result<Returns, Error>) {
        self.conclude(task, result, true);
    }

    /// The same for an attempt that ran here or elsewhere.
    pub(super) fn conclude(
        self: &Arc<Node>,
        task: Arc<Task>,
        result: Result<Returns, Error>,
        here: bool,
    ) {
        match task.judge(result) {
            Attempt::Settled(result) => {
                if here {
                    // Before: who waits for the outcome finds it counted.
                    self.books.tally.count(task.function, result.is_ok() && !task.is_settled());
                }
                self.settle(&task, result);
            }
            Attempt::Again(pause, error) => {
                let attempt = task.attempt.fetch_add(1, Ordering::Relaxed);
                self.books.tally.note(&task, attempt, &error);
                tracing::debug!(task = %task.id(), name = task.name(), ?pause, "tries again");
                match task.rest() {
                    true => self.timer.retry(self, task, pause),
                    // Whoever aborted it has settled it.
                    false => self.count_finished(),
                }
            }
        }
    }

    /// The one door through which a task's outcome enters its slots. A task that was cancelled, or
    /// whose time was up, has one already: then this one is dropped.
    pub(crate) fn settle(&self, task: &Task, result: Result<Returns, Error>) {
        // Values are encoded by code of the user's.
        let result = caught(|| result.and_then(|returns| self.values_of(task, returns)));
        task.finish();
        let filled = result.and_then(|results| {
            caught(|| {
                task.fulfil(results);
                Ok(())
            })
        });
        if let Err(error) = filled {
            let error = error.in_task(task.name(), task.id());
            let error = match self.config.always_encode {
                true => caught(|| Ok(crate::object::told::error_through_bytes(&error))),
                false => Ok(error),
            };
            let (Ok(error) | Err(error)) = error;
            self.fail(task, &error);
        }
        self.count_finished();
    }

    /// The outcome of a task is this error, unless it has one. Who waits for it finds the failure
    /// noted.
    fn fail(&self, task: &Task, error: &Error) -> bool {
        if !task.is_settled() {
            self.books.tally.note(task, task.attempt.load(Ordering::Relaxed), error);
        }
        task.fail(error)
    }

    /// The outcome of a task that never began and was given up.
    pub(crate) fn finish_unrun(self: &Arc<Node>, task: &Arc<Task>, error: Error) {
        if !is_word(task.function) {
            self.books.tally.count(task.function, false);
        }
        self.fail(task, &error);
        self.count_finished();
        if let Some(mailbox) = &task.mailbox {
            // It holds nobody back any more.
            Arc::clone(mailbox).arrived(self, task);
        }
    }

    fn values_of(&self, task: &Task, returns: Returns) -> Result<Results, Error> {
        let (found, wanted) = match &returns.0 {
            Results::One(_) => (1, task.function.returns.max(1) as usize),
            Results::Many(values) => (values.len(), task.function.returns.max(1) as usize),
        };
        if found != wanted {
            let text = format!("returned {found} results where {wanted} were declared");
            return Err(Error::new(ErrorKind::Encoding, text));
        }
        if !self.config.always_encode {
            return Ok(returns.0);
        }
        let seal = |value: Value| {
            let sealed = value.seal().map(Value::Sealed);
            quietly(|| drop(value));
            sealed
        };
        Ok(match returns.0 {
            Results::One(value) => Results::One(seal(value)?),
            Results::Many(values) => {
                Results::Many(values.into_iter().map(seal).collect::<Result<_, _>>()?)
            }
        })
    }
}

impl Task {
    /// Whether a failure of the function could lead to another attempt.
    fn may_retry(&self, attempt: u32) -> bool {
        let options = self.options();
        options.max_retries > attempt && !matches!(options.retry_on, RetryOn::Nothing)
            || self.outlives_crash_of(attempt)
    }

    /// Whether a call that its actor's crash breaks off is tried again on the next life. Not one
    /// that gives a stream: items of two attempts would be mixed.
    pub(crate) fn outlives_crash(&self) -> bool {
        self.outlives_crash_of(self.attempt.load(Ordering::Relaxed))
    }

    /// The same for the one that runs as this attempt.
    pub(crate) fn outlives_crash_of(&self, attempt: u32) -> bool {
        let left = self.options().max_retries > attempt;
        left && self.mailbox.is_some() && self.pipe().is_none() && !self.function.body.makes()
    }

    /// The arguments: copies of the pointers where another attempt is possible, else themselves.
    pub(crate) fn inputs_for_attempt(&self, attempt: u32) -> crate::task::arg::Inputs {
        let mut inputs = self.inputs();
        if self.may_retry(attempt) { inputs.clone() } else { std::mem::take(&mut *inputs) }
    }

    fn judge(&self, result: Result<Returns, Error>) -> Attempt {
        let Err(error) = result else { return Attempt::Settled(result) };
        let attempt = self.attempt.load(Ordering::Relaxed);
        let again = self.may_retry(attempt)
            && attempt < ATTEMPTS_MAX
            && !self.is_settled()
            && !self.pipe().is_some_and(|pipe| pipe.has_begun())
            && self.is_worth_another(&error);
        match again {
            true => Attempt::Again(pause_before(attempt, self.id().sequence), error),
            false => Attempt::Settled(Err(error)),
        }
    }

    fn is_worth_another(&self, error: &Error) -> bool {
        match self.options().retry_on {
            RetryOn::Nothing => false,
            RetryOn::All => matches!(error.kind(), ErrorKind::Task | ErrorKind::Panic),
            RetryOn::When(wanted) => {
                error.kind() == ErrorKind::Task
                    && catch_unwind(AssertUnwindSafe(|| wanted(error))).unwrap_or(false)
            }
        }
    }
}

/// Doubles with each attempt, up to a bound, and differs by up to half between tasks, so that many
/// that failed together do not come back together.
fn pause_before(attempt: u32, seed: u64) -> Duration {
    let full = RETRY_PAUSE_MS.saturating_mul(1 << attempt.min(20)).min(RETRY_PAUSE_MS_MAX) * 1_000;
    let jitter = Rng::new(seed ^ (u64::from(attempt) << 48)).next() % (full / 2 + 1);
    Duration::from_micros(full - jitter)
}

std::thread_local! {
    /// Where the panic that is being caught on this thread began.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Calls a function's body; a panic becomes an error with message and place.
pub(crate) fn caught<T>(body: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(panic_error(panic)))
}

pub(crate) fn panic_error(panic: Box<dyn Any + Send>) -> Error {
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "a panic whose payload is no text".to_owned(),
    };
    let place = PLACE.try_with(|place| place.borrow_mut().take()).ok().flatten();
    // A payload whose own drop panics must not take the worker with it.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
    let text = match place {
        Some(place) => format!("{text}, at {place}"),
        None => text,
    };
    Error::new(ErrorKind::Panic, text)
}

/// Installs, once in the process, a panic hook that notes the place and calls the one before it.
pub(crate) fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            let place = info.location().map(ToString::to_string);
            let _ = PLACE.try_with(|noted| noted.try_borrow_mut().map(|mut noted| *noted = place));
            before(info);
        }));
    });
}

impl Node {
    /// The reference resolves to `error` at once. A task that has not begun never will; a running
    /// one sees that it is not wanted, and keeps its CPU until it returns. `false` if it was done
    /// already.
    pub(crate) fn abort(self: &Arc<Node>, task: &Arc<Task>, error: Error) -> bool {
        if task.give_up() {
            self.finish_unrun(task, error);
            if !task.plain {
                self.pool.withdraw(task);
            }
            return true;
        }
        if task.state() == State::Done || task.is_settled() || task.slot().is_left() {
            return false;
        }
        // The outcome first: what the function returns because it sees the mark is not it.
        let sealed = self.fail(task, &error);
        task.mark_cancelled();
        self.stop_future(task);
        self.stop_away(task);
        // The step from an attempt to the next may have been missed above; pairs with `Task::rest`.
        fence(Ordering::SeqCst);
        if task.give_up() {
            self.count_finished();
        }
        sealed
    }

    /// Cancels a task and those that it called. `false` if the task itself had an outcome already.
    pub(crate) fn cancel(self: &Arc<Node>, task: &Arc<Task>) -> bool {
        let cancel = |task: &Arc<Task>| self.abort(task, task.error(ErrorKind::Cancelled, ""));
        let cancelled = cancel(task);
        // The children after the mark that `abort` has set: one that is called from now on is
        // cancelled by its caller.
        let mut open = task.take_children();
        while let Some(child) = open.pop() {
            cancel(&child);
            open.extend(child.take_children());
        }
        cancelled
    }
}
