//! Parameters: how an argument comes back out of a call as what the function takes.

use super::call::{Call, Held, HeldSlice};
use crate::object::{Object, View};
use std::ops::Deref;

/// A parameter that is not a reference: a value of its own, or a view of one.
#[diagnostic::on_unimplemented(
    message = "a remote function cannot take a parameter of type `{Self}`",
    label = "neither an `Object` nor a `View<..>` of one",
    note = "put `#[raykit::object]` on your own type, or wrap one that has serde in `raykit::Serde<..>`"
)]
#[doc(hidden)]
pub trait Param: Sized {
    /// The type of the argument in the store.
    type Stored: Object;
    const SCHEMA: u64 = <Self::Stored as Object>::SCHEMA;
    /// The parameter, out of the call.
    fn take(call: &mut Call, at: usize) -> crate::Result<Self>;
}

impl<T: Object> Param for T {
    type Stored = T;
    fn take(call: &mut Call, at: usize) -> crate::Result<T> {
        call.own(at)
    }
}
impl<T: Object> Param for View<T> {
    type Stored = T;
    fn take(call: &mut Call, at: usize) -> crate::Result<View<T>> {
        call.view(at)
    }
}

/// What a parameter can borrow: `&T`, `&str` and `&[T]`.
#[diagnostic::on_unimplemented(
    message = "a remote function cannot borrow a parameter of type `&{Self}`",
    label = "neither an `Object` nor a `str` or a slice of objects",
    note = "put `#[raykit::object]` on your own type, or wrap one that has serde in `raykit::Serde<..>`"
)]
#[doc(hidden)]
pub trait Lend {
    /// The type of the argument in the store.
    type Stored: Object;
    /// What keeps it alive for the length of the call.
    type Held: Deref<Target = Self>;
    const SCHEMA: u64 = <Self::Stored as Object>::SCHEMA;
    fn hold(call: &mut Call, at: usize) -> crate::Result<Self::Held>;
    fn lend(held: &Self::Held) -> &Self {
        held
    }
}

impl<T: Object> Lend for T {
    type Stored = T;
    type Held = Held<T>;
    fn hold(call: &mut Call, at: usize) -> crate::Result<Held<T>> {
        call.borrow(at)
    }
}
/// A `String` in the store, lent as text.
#[doc(hidden)]
pub struct HeldText(Held<String>);

impl Deref for HeldText {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}
impl Lend for str {
    type Stored = String;
    type Held = HeldText;
    fn hold(call: &mut Call, at: usize) -> crate::Result<HeldText> {
        call.borrow(at).map(HeldText)
    }
}
impl<T: Object> Lend for [T]
where
    Vec<T>: Object<Archived = rkyv::vec::ArchivedVec<T::Archived>>,
{
    type Stored = Vec<T>;
    type Held = HeldSlice<T>;
    fn hold(call: &mut Call, at: usize) -> crate::Result<HeldSlice<T>> {
        call.slice(at)
    }
}
