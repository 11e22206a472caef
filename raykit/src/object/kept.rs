//! `Kept`: an object that had its value from the start. Nobody ever waits for it, so that it needs
//! no `Slot`: it is smaller, and made without a step that others could see.

use super::error::Error;
use super::ledger::{Entry, Ledger};
use super::raw::{Holder, RawRef, Stage};
use super::value::{Payload, Value};
use crate::base::ObjectId;
use std::any::Any;
use std::sync::Arc;

/// A value that counts as an object already, on its way to its first reference.
pub(crate) struct Counted {
    entry: Entry,
    value: Value,
}

/// A value behind a reference.
pub(crate) struct Kept {
    /// Counted as long as this is there.
    entry: Entry,
    outcome: Result<Payload, Error>,
    id: ObjectId,
}

impl Counted {
    #[inline]
    pub(crate) fn new(ledger: &'static Ledger, value: Value) -> Counted {
        let entry = Entry::new(ledger);
        entry.charge(value.bytes() as u64);
        Counted { entry, value }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.entry.bytes()
    }

    /// Its first reference.
    #[inline(always)]
    pub(crate) fn refer(self, id: ObjectId) -> RawRef {
        let Counted { entry, value } = self;
        RawRef(Arc::new(Kept { entry, outcome: Ok(Payload::new(value)), id }) as Arc<dyn Holder>)
    }
}

impl Kept {
    pub(super) fn id(&self) -> ObjectId {
        self.id
    }

    pub(super) fn charged(&self) -> u64 {
        self.entry.bytes()
    }

    pub(super) fn outcome(&self) -> &Result<Payload, Error> {
        &self.outcome
    }
}

impl Holder for Kept {
    fn place(&self) -> &dyn Any {
        self
    }
    fn stage(&self) -> Stage {
        Stage::Value
    }
}
