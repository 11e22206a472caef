//! `ObjectRef<T>`: a counted claim to an object that exists or will. Cloning and dropping are steps
//! of one atomic counter; when the last claim goes, the object goes.

use super::raw::RawRef;
use std::marker::PhantomData;

/// A reference to an object of type `T` that exists or is being made.
///
/// It is cheap to clone, can be sent anywhere and can sit inside any [`Object`](super::Object).
/// Objects never change. The object goes when the last reference to it goes; dropping a reference
/// never cancels the task that makes it.
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
        self.0.address().hash(state);
    }
}
