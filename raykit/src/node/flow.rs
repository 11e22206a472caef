//! Streams between nodes: the items of a task that runs here for another node, sent there as far as
//! that has asked for them.
//!
//! The brake has three parts of equal length: what the task has given and is not sent, what is sent
//! and not put in line there, and what is in line there for whoever reads.

use super::Node;
use super::cluster::{Cluster, Packed, Post};
use super::order::READ;
use super::pack;
use super::stream::Tap;
use super::task::Task;
use crate::base::limits::{ITEM_BYTES_MAX, STREAM_BYTES_AHEAD, STREAM_ITEMS_AHEAD};
use crate::base::quiet::quietly;
use crate::object::error::{Error, ErrorKind};
use crate::object::kept::Counted;
use crate::object::raw::{Holder, RawRef};
use crate::object::value::Value;
use crate::proto::wire::LeaseId;
use crate::task::options::Options;
use crate::task::pipe::{Ahead, Pushed, Taken};
use parking_lot::Mutex;
use std::sync::Arc;
use std::task::{Wake, Waker};

/// One of the three parts of a brake.
pub(super) fn part(asked: &Options) -> Ahead {
    let items = u64::from(asked.backpressure.unwrap_or(STREAM_ITEMS_AHEAD));
    let bytes = asked.backpressure_bytes.unwrap_or(STREAM_BYTES_AHEAD);
    Ahead { items: (items / 3).max(1), bytes: (bytes / 3).max(1) }
}

/// Sends the items of a task that runs here.
pub(super) struct Flow {
    cluster: Arc<Cluster>,
    lease: LeaseId,
    task: Arc<Task>,
    ahead: Ahead,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Items that were sent, and their bytes.
    sent: (u64, u64),
    /// Of these so many are in line there.
    known: (u64, u64),
    /// Bytes of the items that are not known to be in line there.
    sizes: std::collections::VecDeque<u64>,
    /// What keeps the stream open, of one that runs for this node and is read by the other.
    tap: Option<RawRef>,
    ended: bool,
    /// A thread sends; and it should look once more.
    sending: bool,
    again: bool,
}

impl Flow {
    pub(super) fn new(cluster: &Arc<Cluster>, lease: LeaseId, task: &Arc<Task>) -> Arc<Flow> {
        Arc::new(Flow {
            cluster: Arc::clone(cluster),
            lease,
            task: Arc::clone(task),
            ahead: part(task.options()),
            state: Mutex::default(),
        })
    }

    /// The same of a stream of this node that another one reads. `None` if it is none.
    pub(super) fn of(cluster: &Arc<Cluster>, lease: LeaseId, stream: RawRef) -> Option<Arc<Flow>> {
        let (cluster, task) = (Arc::clone(cluster), Arc::clone(stream.peek::<Tap>()?.task()));
        let state = Mutex::new(State { tap: Some(stream), ..State::default() });
        Some(Arc::new(Flow { cluster, lease, task, ahead: part(&READ.defaults), state }))
    }

    /// So many items are in line there.
    pub(super) fn credit(self: &Arc<Flow>, items: u64) {
        {
            let mut state = self.state.lock();
            while state.known.0 < items
                && let Some(bytes) = state.sizes.pop_front()
            {
                state.known = (state.known.0 + 1, state.known.1 + bytes);
            }
        }
        Arc::clone(self).wake();
    }

    /// Nobody wants anything more.
    pub(super) fn stop(&self) {
        let tap = {
            let mut state = self.state.lock();
            state.ended = true;
            state.tap.take()
        };
        quietly(|| drop(tap));
    }

    /// The task whose items it sends.
    pub(super) fn task(&self) -> &Arc<Task> {
        &self.task
    }
}

impl State {
    fn is_full(&self, ahead: Ahead) -> bool {
        self.sent.0 - self.known.0 >= ahead.items || self.sent.1 - self.known.1 >= ahead.bytes
    }
}

impl Flow {
    /// What to do next: one more item may be sent.
    fn may_go_on(&self) -> bool {
        let mut state = self.state.lock();
        let goes_on = !state.ended && !state.is_full(self.ahead);
        state.sending = goes_on;
        goes_on
    }

    /// There was nothing to send: whether something has come meanwhile.
    fn looks_again(&self) -> bool {
        let mut state = self.state.lock();
        state.sending = std::mem::take(&mut state.again);
        state.sending
    }

    fn send(&self, item: Counted, index: u64) {
        let bytes = item.bytes();
        let reference = item.refer(self.task.id().result(index as u32 + 1));
        let packed = item_of(&reference);
        quietly(|| drop(reference));
        {
            let mut state = self.state.lock();
            state.sent = (state.sent.0 + 1, state.sent.1 + bytes);
            state.sizes.push_back(bytes);
        }
        self.cluster.post(Post::Item { lease: self.lease, packed });
    }
}

impl Wake for Flow {
    /// Sends what may be sent: by one thread at a time, so that items are posted in their order.
    /// Called when there is an item, when there is credit, and at the end.
    fn wake(self: Arc<Self>) {
        {
            let mut state = self.state.lock();
            if state.sending {
                state.again = true;
                return;
            }
            state.sending = true;
        }
        let Some(pipe) = self.task.pipe() else { return };
        let waker = Waker::from(Arc::clone(&self));
        while self.may_go_on() {
            match pipe.take(Some(&waker)) {
                Taken::Item(item, index) => self.send(item, index),
                Taken::Nothing if self.looks_again() => {}
                Taken::Nothing => return,
                Taken::Over => {
                    self.stop();
                    let own = RawRef(Arc::clone(&self.task) as Arc<dyn Holder>);
                    let results =
                        own.outcome().map(|end| pack::outcome(end, None)).into_iter().collect();
                    self.cluster.post(Post::Ran { lease: self.lease, results });
                }
            }
        }
    }
}

/// An item for another node. It goes with its word, whatever its size.
fn item_of(reference: &RawRef) -> Packed {
    match reference.outcome().map(|item| pack::outcome(item, None)) {
        Some(Packed::Large(sealed)) if sealed.len() <= ITEM_BYTES_MAX => Packed::Inline(sealed),
        Some(Packed::Large(sealed)) => {
            let text = format!(
                "an item of {} bytes: one that goes to another node may have {ITEM_BYTES_MAX}; let the \
                 stream give references to large objects",
                sealed.len()
            );
            pack::failure(&Error::new(ErrorKind::StreamLimit, text))
        }
        Some(packed) => packed,
        None => pack::failure(&Error::new(ErrorKind::Encoding, "an item is not there")),
    }
}

/// The reader's end: items that have come from another node.
pub(super) struct Inflow {
    cluster: Arc<Cluster>,
    lease: LeaseId,
    task: Arc<Task>,
    ahead: Ahead,
    come: Mutex<Come>,
}

/// Items that have come, and of how many the other node knows; the same in bytes.
#[derive(Default)]
struct Come {
    items: u64,
    bytes: u64,
    known: (u64, u64),
}

impl Inflow {
    pub(super) fn new(cluster: &Arc<Cluster>, lease: LeaseId, task: &Arc<Task>) -> Arc<Inflow> {
        let (cluster, task) = (Arc::clone(cluster), Arc::clone(task));
        let ahead = part(task.options());
        Arc::new(Inflow { cluster, lease, task, ahead, come: Mutex::default() })
    }

    /// Puts an item in line.
    pub(super) fn put(self: &Arc<Inflow>, node: &Node, item: Value) {
        let Some(pipe) = self.task.pipe() else { return };
        let item = Counted::new(node.ledger, item);
        {
            let mut come = self.come.lock();
            come.items += 1;
            come.bytes += item.bytes();
        }
        match pipe.push(item) {
            Pushed::Over(item) => quietly(|| drop(item)),
            Pushed::On | Pushed::Full => Arc::clone(self).wake(),
        }
    }
}

impl Wake for Inflow {
    /// Asks for more, or has itself called when enough was taken.
    fn wake(self: Arc<Self>) {
        let Some(pipe) = self.task.pipe() else { return };
        if pipe.pause(&Waker::from(Arc::clone(&self))) {
            return;
        }
        let mut come = self.come.lock();
        // Not a word for each: but the other one never waits for more than this.
        let items = come.items - come.known.0 >= self.ahead.items.div_ceil(2);
        let bytes = come.bytes - come.known.1 >= self.ahead.bytes.div_ceil(2);
        if items || bytes {
            come.known = (come.items, come.bytes);
            let items = come.items;
            drop(come);
            self.cluster.post(Post::Credit { lease: self.lease, items });
        }
    }
}
