//! Streams of tasks that run elsewhere: their items, and word of how many of them are in line.

use super::bugs::{Bug, planted};
use super::context::Context;
use super::event::Action;
use super::refs::Refs;
use super::wire::{Frame, LeaseId, Outcome};
use super::work::Work;
use crate::base::NodeId;

impl Work {
    /// A stream that runs here for another node has one more item.
    pub(super) fn gives_item(
        &mut self,
        cx: &mut Context,
        refs: &mut Refs,
        lease: LeaseId,
        item: Outcome,
    ) {
        let inner = item.refs().to_vec();
        refs.pin(&inner);
        if self.taken.get(&lease) == Some(&true) {
            let (owner, token) = (lease.task.node, refs.token());
            cx.frames.push_back((owner, Frame::Item { lease, item, token }));
            refs.sends(cx, owner, &inner);
        }
        refs.unpin(cx, &inner);
    }

    /// An item of an own stream has come.
    pub(super) fn item(&mut self, cx: &mut Context, by: NodeId, lease: LeaseId, item: Outcome) {
        let is_lent = self.lent.get(&lease).is_some_and(|lent| lent.at == Some(by));
        if is_lent || planted(Bug::StaleItem) {
            cx.actions.push_back(Action::Item { lease, item });
        }
    }

    /// So many items of an own stream are in line here.
    pub(super) fn credits(&mut self, cx: &mut Context, lease: LeaseId, items: u64) {
        let node = self.lent.get(&lease).and_then(|lent| lent.at);
        if let Some(node) = node.filter(|_| !planted(Bug::CreditUntold)) {
            cx.frames.push_back((node, Frame::Credit { lease, items }));
        }
    }

    /// So many items of a stream that runs here are in line with its owner.
    pub(super) fn credit(&mut self, cx: &mut Context, lease: LeaseId, items: u64) {
        if self.taken.get(&lease) == Some(&true) {
            cx.actions.push_back(Action::Credit { lease, items });
        }
    }
}
