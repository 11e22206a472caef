//! Streams: a task that gives its items one after the other, and who takes them. The items are in
//! the task's pipe; the task's own slot is filled when the stream has ended, and holds its error.

use super::future::Resting;
use super::graph::Wait;
use super::task::Task;
use super::{Node, current, fetch};
use crate::base::ObjectId;
use crate::base::limits::STREAM_ITEMS_MAX;
use crate::base::quiet::quietly;
use crate::base::spin::spin;
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::kept::Counted;
use crate::object::raw::{Holder, RawRef, Stage};
use crate::object::slot::Slot;
use crate::object::value::Value;
use crate::sched::parker;
use crate::task::arg::Inputs;
use crate::task::call::Call;
use crate::task::pipe::{Load, Pipe, Pushed, Taken};
use crate::task::yields::{Put, Sink, Yield};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// What stands behind the handles of one stream: with the last one the stream ends.
pub(crate) struct Tap {
    slot: Slot,
    task: Arc<Task>,
    /// Has the stream cancelled that the task reads, where it is another one.
    cancel: Option<Cancel>,
    /// Somebody was given the error that the stream ended with.
    told: AtomicBool,
}

type Cancel = Box<dyn Fn() -> bool + Send + Sync>;

impl Holder for Tap {
    fn place(&self) -> &dyn Any {
        &self.slot
    }
    fn stage(&self) -> Stage {
        self.slot.stage()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        // No item comes in from now on.
        let left = self.task.pipe().map(|pipe| pipe.abandon());
        if !self.task.is_settled() {
            let error = self.task.error(ErrorKind::Cancelled, "nobody reads its stream");
            match current::node_with(self.task.id().node) {
                Some(node) => drop(node.abort(&self.task, error)),
                None => self.task.mark_cancelled(),
            }
        }
        left.into_iter().flatten().for_each(|item| quietly(|| drop(item)));
    }
}

/// The claim to the stream of `task`, and how that is cancelled if not by its task's end.
pub(crate) fn tap(task: Arc<Task>, cancel: Option<Cancel>) -> RawRef {
    // A place of its own: it is a claim to the task, and not to its result.
    let slot = task.slot().beside(ObjectId::STREAM);
    RawRef(Arc::new(Tap { slot, task, cancel, told: AtomicBool::new(false) }) as Arc<dyn Holder>)
}

impl Tap {
    pub(crate) fn task(&self) -> &Arc<Task> {
        &self.task
    }

    pub(crate) fn is_over(&self) -> bool {
        self.task.pipe().is_none_or(|pipe| pipe.is_over())
    }

    /// What comes next, or `None` at the end; not even that where nothing is there yet: then
    /// `waker` is called when there is.
    fn look(&self, waker: Option<&Waker>) -> Option<Option<RawRef>> {
        match self.task.pipe().map_or(Taken::Over, |pipe| pipe.take(waker)) {
            Taken::Item(item, before) => Some(Some(item.refer(self.id_after(before)))),
            Taken::Nothing => None,
            Taken::Over => Some(self.last()),
        }
    }

    /// The id of the item before which so many came: the first one's index is 1.
    fn id_after(&self, before: u64) -> ObjectId {
        ObjectId { index: before as u32 + 1, ..self.slot.id() }
    }

    /// The reference to the error that the stream ended with, once.
    fn last(&self) -> Option<RawRef> {
        let failed = self.task.stage() == Stage::Failed;
        let first = failed && !self.told.swap(true, Ordering::AcqRel);
        first.then(|| RawRef(Arc::clone(&self.task) as Arc<dyn Holder>))
    }

    /// The next item, if there is one.
    pub(crate) fn ready(&self) -> Option<RawRef> {
        match self.task.pipe()?.take(None) {
            Taken::Item(item, before) => Some(item.refer(self.id_after(before))),
            Taken::Nothing | Taken::Over => None,
        }
    }

    /// The next item, or `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// When the time is over, and when the wait could never end.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Result<Option<RawRef>> {
        if let Some(found) = self.look(None) {
            return Ok(found);
        }
        let worker = crate::sched::worker::current();
        let pipe = self.task.pipe();
        let ready = || pipe.is_none_or(|pipe| pipe.is_worth_a_look());
        let patience = fetch::patience(worker.as_deref(), deadline);
        if patience > Duration::ZERO
            && spin(patience, ready)
            && let Some(found) = self.look(None)
        {
            return Ok(found);
        }
        let (parker, waker) = parker::of_this_thread();
        let mut found = None;
        let parked = |until: Option<Instant>| {
            loop {
                found = self.look(Some(&waker));
                if found.is_some() {
                    return true;
                }
                if !fetch::park_once(&parker, until) {
                    found = self.look(None);
                    return found.is_some();
                }
            }
        };
        // Of the task one needs the next item and not the end; but what keeps it from the one keeps
        // it from the other.
        let needed = vec![RawRef(Arc::clone(&self.task) as Arc<dyn Holder>)];
        let slept = fetch::sleep_until(needed, Wait::All, worker.as_deref(), deadline, parked);
        if let Some(pipe) = pipe {
            pipe.unwatch(&waker);
        }
        match (slept, found) {
            (_, Some(found)) => Ok(found),
            (Err(error), None) => Err(error),
            (Ok(_), None) => Err(self.late()),
        }
    }

    fn late(&self) -> Error {
        let text = format!("the time limit passed: no further item of task {}", self.task.label());
        Error::new(ErrorKind::TimedOut, text)
    }

    /// The same for a future. `waiting` is what the handle holds while it waits.
    pub(crate) fn poll_next(
        &self,
        waiting: &mut Option<Box<dyn Any + Send + Sync>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<RawRef>> {
        match self.look(Some(cx.waker())) {
            Some(found) => {
                *waiting = None;
                Poll::Ready(found)
            }
            None => {
                if waiting.is_none() {
                    *waiting = Resting::begin().map(|resting| Box::new(resting) as _);
                }
                Poll::Pending
            }
        }
    }

    /// Says that nobody wants the stream. `false` if it had ended.
    pub(crate) fn cancel(&self) -> bool {
        if let Some(cancel) = self.cancel.as_ref().filter(|_| !self.task.is_settled()) {
            return cancel();
        }
        let node = current::node_with(self.task.id().node);
        node.is_some_and(|node| node.cancel(&self.task))
    }
}

impl Load for Counted {
    fn bytes(&self) -> u64 {
        Counted::bytes(self)
    }
}

/// The producer's end.
struct Outlet {
    node: Arc<Node>,
    task: Arc<Task>,
    pipe: Arc<Pipe<Counted>>,
    sent: u32,
    max: u32,
    resting: Option<Resting>,
}

impl Outlet {
    fn count(&mut self, value: Value) -> Result<Counted> {
        if self.sent == self.max {
            let text = format!("has given {} items, the most that a stream may have", self.max);
            return Err(self.task.error(ErrorKind::StreamLimit, text));
        }
        self.sent += 1;
        let value = match self.node.config.always_encode {
            true => Value::Sealed(value.seal()?),
            false => value,
        };
        Ok(Counted::new(self.node.ledger, value))
    }
}

impl Sink for Outlet {
    fn put(&mut self, value: Value) -> Result<Put> {
        let item = self.count(value)?;
        Ok(match self.pipe.push(item) {
            Pushed::On => Put::On,
            Pushed::Full => Put::Full,
            Pushed::Over(item) => {
                quietly(|| drop(item));
                Put::Over
            }
        })
    }

    fn rest(&mut self) -> Result<bool> {
        let (parker, waker) = parker::of_this_thread();
        let worker = crate::sched::worker::current();
        let (node, pipe) = (&self.node, &self.pipe);
        let parked = |until: Option<Instant>| {
            while pipe.pause(&waker) && !node.is_closed() {
                if !fetch::park_once(&parker, until) {
                    return false;
                }
            }
            true
        };
        fetch::sleep_until(Vec::new(), Wait::All, worker.as_deref(), None, parked)?;
        if node.is_closed() {
            let text = "its node was closed while it waited for who reads its stream";
            return Err(self.task.error(ErrorKind::ShutDown, text));
        }
        Ok(!pipe.is_over())
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        match self.pipe.pause(cx.waker()) {
            true => {
                if self.resting.is_none() {
                    self.resting = Resting::begin();
                }
                Poll::Pending
            }
            false => {
                self.resting = None;
                Poll::Ready(!self.pipe.is_over())
            }
        }
    }
}

impl Node {
    /// The call of `task` with these arguments, and with a way out for its items if it gives a
    /// stream.
    pub(crate) fn call_of(self: &Arc<Node>, task: &Arc<Task>, inputs: Inputs) -> Call {
        let call = Call::new(inputs);
        let Some(pipe) = task.pipe() else { return call };
        let (node, task, pipe) = (Arc::clone(self), Arc::clone(task), Arc::clone(pipe));
        let outlet = Outlet { node, task, pipe, sent: 0, max: STREAM_ITEMS_MAX, resting: None };
        call.yielding(Yield(Box::new(outlet)))
    }
}

#[cfg(all(test, not(raykit_loom)))]
#[expect(unsafe_code, reason = "what the attribute registers lies in a section of the linker's")]
#[expect(unreachable_pub, reason = "the attribute writes for other crates")]
mod tests {
    use super::*;
    use crate::object::ObjectRef;
    use crate::task::pipe::Ahead;
    use raykit::RemoteFunction;
    use raykit::prelude::*;

    #[remote]
    fn count(n: u64) -> impl Iterator<Item = u64> {
        0..n
    }

    /// G10: the item after the last that a stream may have is an error; those before it are there.
    #[test]
    fn a_stream_has_so_many_items_and_no_more() {
        let node = raykit::Config::new().num_cpus(1).start().expect("a node");
        let _here = node.enter();
        let task = super::super::submit::submit(count::function(), None, Inputs::None, |_| ());
        let pipe = Arc::new(Pipe::new(Ahead { items: 10, bytes: 1 << 20 }));
        let mut outlet = Outlet {
            node: current::node().expect("the node"),
            task,
            pipe: Arc::clone(&pipe),
            sent: 0,
            max: 3,
            resting: None,
        };
        for item in 0..3_u64 {
            assert_eq!(outlet.put(Value::new(item)).expect("there is room"), Put::On);
        }
        let error = outlet.put(Value::new(3_u64)).expect_err("one too many");
        assert_eq!(error.kind(), ErrorKind::StreamLimit);
        assert!(error.to_string().contains("has given 3 items"), "{error}");
        let Taken::Item(first, 0) = pipe.take(None) else { panic!("the first is there") };
        let first = first.refer(outlet.task.id().result(1));
        assert_eq!(ObjectRef::<u64>::new(first).get().expect("a value"), 0);
    }
}
