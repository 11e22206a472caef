//! `RawRef`: a counted claim to an object, without its type and without a word on what an object
//! is.

use std::any::Any;
use std::sync::Arc;

/// What stands behind a reference: the object's place, and whatever is kept together with it (the
/// task that will fill it). Rooms above find their own type again through `Any`.
pub(crate) trait Holder: Any + Send + Sync {
    /// The object's `Slot`, which is defined further down the list of this room.
    fn place(&self) -> &dyn Any;

    /// What has become of the object. Asked of a million references at a time.
    fn stage(&self) -> Stage;

    /// Somebody in this process waits for the object: wherever it was left, it is to be brought.
    fn want(&self) {}
}

/// What has become of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is not there yet.
    Open,
    Value,
    Failed,
}

/// A reference without its type.
#[derive(Clone)]
pub struct RawRef(pub(crate) Arc<dyn Holder>);

impl RawRef {
    /// Where the object's place lies: the same for all claims to one object.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self.0.place()).addr()
    }

    pub(crate) fn stage(&self) -> Stage {
        self.0.stage()
    }

    /// Whether the object is there, as a value or as an error.
    pub(crate) fn is_ready(&self) -> bool {
        self.stage() != Stage::Open
    }

    /// As [`Holder::want`].
    pub(crate) fn want(&self) {
        self.0.want();
    }

    /// Whether both are claims to the same object.
    pub(crate) fn is(&self, other: &RawRef) -> bool {
        self.address() == other.address()
    }

    /// What stands behind, as an `H`.
    pub(crate) fn holder<H: Holder>(&self) -> Option<Arc<H>> {
        let any: Arc<dyn Any + Send + Sync> = Arc::clone(&self.0) as _;
        any.downcast::<H>().ok()
    }

    /// The same, borrowed.
    pub(crate) fn peek<H: Holder>(&self) -> Option<&H> {
        (&*self.0 as &dyn Any).downcast_ref::<H>()
    }
}
