//! `ObjectStream<T>`: a counted claim to the items of a stream, and how it travels: as a reference
//! does, in the table beside the bytes.

use super::codec::{ArchivedRef, Decode, Encode};
use super::raw::RawRef;
use super::reference::ObjectRef;
use super::{Object, schema};
use rkyv::rancor::BoxedError;
use rkyv::{Archive, Deserialize, Place, Serialize};
use std::any::Any;
use std::marker::PhantomData;

/// The references that a task gives one after the other: the result of a `#[remote]` function or
/// method that returns `impl Iterator` or `impl Stream`.
///
/// It is an [`Iterator`] and a `futures::Stream` of [`ObjectRef`]s, in the order in which the task
/// makes the items, while it runs. Each item is there already. After the last one there is none; a
/// stream that failed gives one more reference, to its error. Clones share the items: each goes to
/// one of them. When the last handle is dropped, the task stops at its next item.
///
/// ```
/// use raykit::prelude::*;
///
/// #[remote]
/// fn lines(text: &str) -> impl Iterator<Item = String> {
///     text.lines().map(str::to_owned)
/// }
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let mut read = Vec::new();
/// for line in lines::remote("one\ntwo") {
///     read.push(line.get()?);
/// }
/// assert_eq!(read, ["one", "two"]);
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream that nobody keeps is stopped"]
pub struct ObjectStream<T> {
    pub(crate) claim: ObjectRef<Items<T>>,
    /// A wait failed: this handle gives nothing more.
    pub(crate) given_up: bool,
    /// What is held while a future waits for the next item.
    pub(crate) waiting: Option<Box<dyn Any + Send + Sync>>,
}

/// What a stream is a claim to, so that it is not taken for an object.
#[doc(hidden)]
pub struct Items<T>(PhantomData<fn() -> T>);

impl<T> ObjectStream<T> {
    pub(crate) fn new(raw: RawRef) -> Self {
        ObjectStream { claim: ObjectRef::new(raw), given_up: false, waiting: None }
    }
}

/// The clone shares the items.
impl<T> Clone for ObjectStream<T> {
    fn clone(&self) -> Self {
        ObjectStream { claim: self.claim.clone(), given_up: self.given_up, waiting: None }
    }
}

impl<T> Archive for ObjectStream<T> {
    type Archived = ArchivedRef<Items<T>>;
    type Resolver = u32;

    fn resolve(&self, index: u32, out: Place<Self::Archived>) {
        self.claim.resolve(index, out);
    }
}

impl<T> Serialize<Encode<'_>> for ObjectStream<T> {
    fn serialize(&self, encoder: &mut Encode<'_>) -> Result<u32, BoxedError> {
        self.claim.serialize(encoder)
    }
}

impl<T> Deserialize<ObjectStream<T>, Decode> for ArchivedRef<Items<T>> {
    fn deserialize(&self, decoder: &mut Decode) -> Result<ObjectStream<T>, BoxedError> {
        let claim: ObjectRef<Items<T>> = self.deserialize(decoder)?;
        Ok(ObjectStream { claim, given_up: false, waiting: None })
    }
}

/// As for a reference, `T` is no part of the hash.
impl<T: 'static> Object for ObjectStream<T> {
    const SCHEMA: u64 = schema::named("ObjectStream");
}
