//! `Serde`: types that have serde and nothing else travel as postcard bytes.

use super::codec::{Decode, Encode};
use super::table::Refused;
use super::{Object, schema};
use ::serde::Serialize as Writes;
use ::serde::de::DeserializeOwned as Reads;
use rkyv::rancor::{BoxedError, Source};
use rkyv::vec::{ArchivedVec, VecResolver};
use rkyv::{Archive, Deserialize, Place, Serialize};
use std::ops::{Deref, DerefMut};

/// A value of a type that has serde, as an [`Object`]. For types of other crates: your own take
/// [`#[object]`](macro@crate::object), which is read in place and knows references.
///
/// It is written with postcard, so a [`View`](super::View) of it is bytes, and a type that serde
/// alone can describe to a self-describing format (`#[serde(untagged)]`, `flatten`) cannot be read
/// back: that is an error when the value is asked for. The schema of all `Serde` types is the same,
/// since serde does not tell a type's fields before a value is there.
///
/// ```
/// use raykit::Serde;
///
/// #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// struct Foreign { name: String }
///
/// let wrapped = Serde(Foreign { name: "a".into() });
/// assert_eq!(wrapped.name, "a");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serde<T>(pub T);

impl<T> Serde<T> {
    /// The value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Serde<T> {
    fn from(value: T) -> Self {
        Serde(value)
    }
}

impl<T> Deref for Serde<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Serde<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Archive for Serde<T> {
    type Archived = ArchivedVec<u8>;
    type Resolver = (VecResolver, usize);

    fn resolve(&self, (resolver, len): Self::Resolver, out: Place<ArchivedVec<u8>>) {
        ArchivedVec::resolve_from_len(len, resolver, out);
    }
}

impl<T: Writes> Serialize<Encode<'_>> for Serde<T> {
    fn serialize(&self, encoder: &mut Encode<'_>) -> Result<Self::Resolver, BoxedError> {
        let bytes = postcard::to_stdvec(&self.0).map_err(|error| refused("write", &error))?;
        let resolver = ArchivedVec::<u8>::serialize_from_slice(&bytes, encoder)?;
        Ok((resolver, bytes.len()))
    }
}

impl<T: Reads> Deserialize<Serde<T>, Decode> for ArchivedVec<u8> {
    fn deserialize(&self, _: &mut Decode) -> Result<Serde<T>, BoxedError> {
        let (value, rest) =
            postcard::take_from_bytes(self).map_err(|error| refused("read", &error))?;
        match rest.len() {
            0 => Ok(Serde(value)),
            left => Err(BoxedError::new(Refused(format!("{left} bytes left over")))),
        }
    }
}

impl<T: Writes + Reads + Clone + Send + Sync + 'static> Object for Serde<T> {
    const SCHEMA: u64 = schema::named("raykit::Serde");
}

fn refused(what: &str, error: &postcard::Error) -> BoxedError {
    BoxedError::new(Refused(format!("serde cannot {what} it: {error}")))
}
