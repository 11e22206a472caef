//! `View`: an archived value read where it lies.

#![expect(unsafe_code, reason = "the bytes are looked at once, when the view is made")]

use super::Object;
use super::codec::{ArchivedRef, Sealed};
use super::error::Result;
use super::reference::ObjectRef;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

/// The archived form of a `T`, read in place: it derefs to `T`'s archived type.
///
/// Nothing is decoded. A number comes out as a little-endian one that compares with and converts to
/// the native one (`view.x`, `view.x.to_native()`), a `String` reads as `str`, a `Vec` as a slice;
/// a type marked [`#[object]`](macro@crate::object) has its fields under the same names. The view
/// keeps the bytes alive by itself, so it outlives the reference that it came from.
///
/// ```
/// use raykit::prelude::*;
///
/// #[object]
/// struct Reading { sensor: String, values: Vec<f64> }
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let reading = raykit::put(Reading { sensor: "north".into(), values: vec![0.5, 1.5] })?;
/// let view = reading.view()?;
/// assert_eq!(view.sensor, "north");
/// assert_eq!(view.values.len(), 2);
/// assert_eq!(view.values[1], 1.5);
/// # Ok(())
/// # }
/// ```
pub struct View<T: Object> {
    sealed: Arc<Sealed>,
    of: PhantomData<fn() -> T>,
}

impl<T: Object> View<T> {
    pub(crate) fn open(sealed: Arc<Sealed>) -> Result<View<T>> {
        sealed.open::<T>()?;
        Ok(View { sealed, of: PhantomData })
    }

    /// The value itself, decoded.
    ///
    /// # Errors
    ///
    /// If a part of it that travels in a form of its own ([`Serde`](super::Serde)) cannot be read.
    pub fn decode(&self) -> Result<T> {
        self.sealed.decode()
    }

    /// Takes a reference out of the view.
    ///
    /// ```
    /// use raykit::prelude::*;
    ///
    /// # fn main() -> raykit::Result<()> {
    /// let _ray = raykit::init()?;
    /// let parts = vec![raykit::put(1_i64)?, raykit::put(2_i64)?];
    /// let whole = raykit::put(parts)?;
    /// let view = whole.view()?;
    /// let second: ObjectRef<i64> = view.reference(&view[1]);
    /// assert_eq!(second.get()?, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If `archived` is not a part of this view: only its own table says what an index stands for.
    pub fn reference<U>(&self, archived: &ArchivedRef<U>) -> ObjectRef<U> {
        let within = self.sealed.bytes().as_ptr_range();
        let at = std::ptr::from_ref(archived).cast::<u8>();
        assert!(within.contains(&at), "the archived reference is not a part of this view");
        let reference = self.sealed.refs().get(archived.index());
        ObjectRef::new(reference.expect("indices were checked when the view was opened").clone())
    }
}

impl<T: Object> Deref for View<T> {
    type Target = T::Archived;
    fn deref(&self) -> &T::Archived {
        // SAFETY: `View::open`, the only way to make a view, opened the bytes as a `T`.
        unsafe { self.sealed.archived::<T>() }
    }
}

impl<T: Object> Clone for View<T> {
    fn clone(&self) -> Self {
        View { sealed: Arc::clone(&self.sealed), of: PhantomData }
    }
}

impl<T: Object<Archived: fmt::Debug>> fmt::Debug for View<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
