//! `Claim`: what the handles of an actor of this node hold.

use super::cell::Cell;
use crate::object::raw::{Holder, Stage};
use crate::object::slot::Slot;
use std::any::Any;
use std::sync::Arc;

/// What stands behind the handles of one actor: they are claims to it as references are to objects,
/// and with the last one the actor ends.
pub(crate) struct Claim {
    slot: Slot,
    cell: Arc<Cell>,
}

impl Holder for Claim {
    fn place(&self) -> &dyn Any {
        &self.slot
    }
    fn stage(&self) -> Stage {
        self.slot.stage()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.cell.close();
    }
}

impl Claim {
    pub(super) fn new(slot: Slot, cell: Arc<Cell>) -> Claim {
        Claim { slot, cell }
    }

    pub(crate) fn cell(&self) -> &Arc<Cell> {
        &self.cell
    }
}
