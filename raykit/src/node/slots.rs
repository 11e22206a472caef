//! Objects without a task: what `put` stored, what has failed before there was anything, and what
//! somebody will fill.

use super::{Node, current};
use crate::base::id::next_sequence;
use crate::base::{NodeId, TaskId};
use crate::object::error::Error;
use crate::object::ledger::Ledger;
use crate::object::raw::{Holder, RawRef};
use crate::object::slot::Slot;
use crate::object::value::{Payload, Value};
use std::sync::{Arc, OnceLock};

/// Where objects are counted that belong to no node.
pub(super) fn nowhere() -> &'static Ledger {
    static NOWHERE: OnceLock<&'static Ledger> = OnceLock::new();
    NOWHERE.get_or_init(Ledger::open)
}

/// A reference to an object that failed before there was a task.
pub(crate) fn failed(error: Error) -> RawRef {
    let id = TaskId { node: NodeId(0), sequence: next_sequence() }.result(0);
    let slot = Slot::new(id, nowhere());
    slot.seal(Err(error));
    RawRef(Arc::new(slot) as Arc<dyn Holder>)
}

/// A reference to an object of that node which is there.
pub(crate) fn value(node: NodeId, value: Value) -> RawRef {
    let reference = open(node);
    reference.seal(Ok(Payload::new(value)));
    reference
}

/// The place of an object that is there, and is nothing.
pub(crate) fn sealed() -> Slot {
    let id = TaskId { node: NodeId(0), sequence: next_sequence() }.result(0);
    let slot = Slot::new(id, nowhere());
    slot.seal(Ok(Payload::new(Value::new(()))));
    slot
}

/// A reference to an object of that node that somebody will fill.
pub(crate) fn open(node: NodeId) -> RawRef {
    let id = TaskId { node, sequence: next_sequence() }.result(0);
    let ledger = current::node_with(node).map_or_else(nowhere, |node| node.ledger);
    RawRef(Arc::new(Slot::new(id, ledger)) as Arc<dyn Holder>)
}

/// Keeps a stored value: an object without a task.
pub(crate) fn put(node: &Node, value: Value) -> Result<RawRef, Error> {
    if node.is_closed() {
        return Err(node.closed_error());
    }
    let value = match node.config.always_encode {
        true => Value::Sealed(value.seal()?),
        false => value,
    };
    let id = TaskId { node: node.id, sequence: next_sequence() }.result(0);
    let slot = Slot::new(id, node.ledger);
    slot.seal(Ok(Payload::new(value)));
    Ok(RawRef(Arc::new(slot) as Arc<dyn Holder>))
}
