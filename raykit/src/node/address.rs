//! Addresses of actors that need not be there: a handle may stand for one that is made when it is
//! called, and made again after it has ended. Who that is and how it is made is its *home*'s
//! affair; here is only the way there, and how such an actor begins.

use crate::actor::state::Legacy;
use crate::object::Result;
use crate::object::raw::{Holder, RawRef, Stage};
use crate::object::slot::Slot;
use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;

/// What stands behind the handles of one such actor.
pub(crate) struct Address {
    slot: Slot,
    home: Arc<dyn Home>,
}

/// Who has the actor.
pub(crate) trait Home: Send + Sync {
    /// A claim to the actor, which is made if it is not there.
    fn activate(&self) -> Result<RawRef>;

    /// A claim to it, if it is there.
    fn present(&self) -> Option<RawRef>;
}

impl Holder for Address {
    fn place(&self) -> &dyn Any {
        &self.slot
    }
    fn stage(&self) -> Stage {
        self.slot.stage()
    }
}

impl Address {
    pub(crate) fn new(slot: Slot, home: Arc<dyn Home>) -> Arc<Address> {
        Arc::new(Address { slot, home })
    }

    pub(crate) fn home(&self) -> &dyn Home {
        &*self.home
    }
}

/// How an actor begins that takes the place of another one.
pub(crate) struct Birth {
    /// Of which type it is: what it is made with may be actors too.
    pub(crate) type_name: &'static str,
    /// There when the one before is gone.
    pub(crate) after: Option<RawRef>,
    pub(crate) legacy: Arc<Legacy>,
}

std::thread_local! {
    static BIRTH: RefCell<Option<Birth>> = const { RefCell::new(None) };
}

/// Calls `make`; the first actor of that type that it makes on this thread begins so.
pub(crate) fn with_birth<R>(birth: Birth, make: impl FnOnce() -> R) -> R {
    /// Puts back what was there, be it after a panic.
    struct Before(Option<Birth>);
    impl Drop for Before {
        fn drop(&mut self) {
            let before = self.0.take();
            let _ = BIRTH.try_with(|birth| birth.replace(before));
        }
    }
    let _before = Before(BIRTH.with(|now| now.replace(Some(birth))));
    make()
}

/// How an actor of this type begins that is made here and now, if that was said.
pub(super) fn birth_of(type_name: &str) -> Option<Birth> {
    let take = |birth: &mut Option<Birth>| birth.take_if(|birth| birth.type_name == type_name);
    BIRTH.try_with(|birth| take(&mut birth.borrow_mut())).ok().flatten()
}
