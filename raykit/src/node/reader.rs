//! Streams of other nodes. What stands behind a handle that has come from one is a `Foreign`, until
//! somebody reads it: then a task of this node is lent there, which gives what the stream gives,
//! with the brake, the end and the errors of any stream that runs elsewhere.

use super::cluster::{Foreign, Post};
use super::order::READ;
use super::pack::To;
use super::stream::tap;
use super::task::{Mailbox, Task};
use super::{Node, current, slots, submit};
use crate::base::{ActorId, NodeId};
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::raw::{Holder, RawRef};
use crate::task::arg::Inputs;
use std::sync::Arc;

/// Reads another node's stream here from now on: the claim that takes the place of its handle's.
/// `None` where it is no such handle, or its owner is known to be gone.
pub(crate) fn read_here(stream: &RawRef) -> Option<RawRef> {
    let far = stream.peek::<Foreign>().is_some_and(|there| there.object().is_stream());
    if !far || stream.is_ready() {
        return None;
    }
    let there = stream.holder::<Foreign>()?;
    let Some(node) = current::node_with(there.cluster().me) else {
        let text = "the node that had this handle was closed";
        return Some(slots::failed(Error::new(ErrorKind::ShutDown, text)));
    };
    let mailbox = Arc::new(Reading(Arc::clone(&there))) as Arc<dyn Mailbox>;
    let task = submit::by_itself(&node, &READ, None, Inputs::None, mailbox);
    node.send(&task, false);
    // The end that follows comes from there, behind what the stream has given.
    Some(tap(task, Some(Box::new(move || there.cancel()))))
}

/// Has the node that owns it cancel the stream; `None` where it is no such handle.
pub(crate) fn cancel(stream: &RawRef) -> Option<bool> {
    let there = stream.peek::<Foreign>().filter(|there| there.object().is_stream())?;
    Some(there.cancel())
}

/// The way of the word that a stream is read.
struct Reading(Arc<Foreign>);

impl Mailbox for Reading {
    fn actor(&self) -> ActorId {
        ActorId { node: self.0.object().node, sequence: 0 }
    }

    fn is_far(&self) -> bool {
        true
    }

    fn post(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, _: bool) -> Result<()> {
        let _ = task.make_ready();
        let stream = RawRef(Arc::clone(&self.0) as Arc<dyn Holder>);
        let home = self.0.object().node;
        if let Some(lease) = node.send_to(self.0.cluster(), task, &To::Read(stream)) {
            self.0.cluster().post(Post::Call { lease, home });
        }
        Ok(())
    }

    fn lost(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, by: NodeId, why: &str) {
        let text = format!("the stream was {by}'s, and {by} is gone: {why}");
        node.settle_away(task, Err(task.error(ErrorKind::OwnerDied, text)));
    }
}
