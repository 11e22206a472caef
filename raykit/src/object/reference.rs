//! `ObjectRef<T>`: a counted claim to an object that exists or will. Cloning and dropping are steps of
//! one atomic counter; when the last claim goes, the object goes.

use super::slot::Slot;
use crate::base::ObjectId;
use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// What stands behind a reference: a slot, and whatever is kept together with it (the task that will
/// fill it). Rooms above find their own type again through `Any`.
pub(crate) trait Holder: Any + Send + Sync {
    fn slot(&self) -> &Slot;
}

impl Holder for Slot {
    fn slot(&self) -> &Slot {
        self
    }
}

/// A reference without its type.
#[derive(Clone)]
pub struct RawRef(pub(crate) Arc<dyn Holder>);

impl RawRef {
    pub(crate) fn slot(&self) -> &Slot {
        self.0.slot()
    }

    pub(crate) fn id(&self) -> ObjectId {
        self.slot().id()
    }

    /// Whether both are claims to the same object.
    pub(crate) fn is(&self, other: &RawRef) -> bool {
        std::ptr::eq(self.slot(), other.slot())
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

impl fmt::Debug for RawRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawRef({})", self.id())
    }
}

/// A reference to an object of type `T` that exists or is being made.
///
/// It is cheap to clone, can be sent anywhere and can sit inside any [`Object`](super::Object). Objects
/// never change. The object goes when the last reference to it goes; dropping a reference never cancels
/// the task that makes it.
///
/// ```
/// use raykit::prelude::*;
///
/// #[remote]
/// fn square(x: i64) -> i64 {
///     x * x
/// }
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let nine = square::remote(3);
/// let eighty_one = square::remote(&nine); // starts when `nine` is there
/// assert_eq!(eighty_one.get()?, 81);
/// # Ok(())
/// # }
/// ```
pub struct ObjectRef<T>(pub(crate) RawRef, PhantomData<fn() -> T>);

impl<T> ObjectRef<T> {
    pub(crate) fn new(raw: RawRef) -> Self {
        ObjectRef(raw, PhantomData)
    }

    /// The id of the object.
    pub fn id(&self) -> ObjectId {
        self.0.id()
    }

    /// Whether the object exists already, as a value or as an error.
    pub fn is_ready(&self) -> bool {
        self.0.slot().outcome().is_some()
    }
}

impl<T> Clone for ObjectRef<T> {
    fn clone(&self) -> Self {
        ObjectRef::new(self.0.clone())
    }
}

/// Two references are equal when they are claims to the same object.
impl<T> PartialEq for ObjectRef<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.is(&other.0)
    }
}
impl<T> Eq for ObjectRef<T> {}

impl<T> std::hash::Hash for ObjectRef<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

impl<T> fmt::Debug for ObjectRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.0.slot().outcome() {
            None => "pending",
            Some(Ok(_)) => "ready",
            Some(Err(_)) => "failed",
        };
        write!(f, "ObjectRef<{}>({}, {state})", std::any::type_name::<T>(), self.id())
    }
}
