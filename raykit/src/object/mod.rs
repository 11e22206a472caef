//! What may travel: values, the references inside them, and the forms that both can take.
//!
//! A value is stored as it is (typed, behind one pointer) for as long as it stays in this process,
//! and encoded at most once when somebody asks for its archived form. `Object` is the trait of all
//! that can be stored, `View` reads an archive in place, `ObjectRef` is a counted claim to a
//! `Slot`, and a slot ends up with an `Outcome`: a payload or the `Error` that took its place.
//!
//! Absent on purpose: who makes an object, where it lies in the cluster, threads.
//!
//! ```
//! use raykit::prelude::*;
//!
//! #[object]
//! #[derive(Debug, PartialEq)]
//! struct Point { x: f64, y: f64 }
//!
//! # fn main() -> raykit::Result<()> {
//! let _ray = raykit::init()?;
//! let here = raykit::put(Point { x: 1.0, y: 2.0 })?;
//! assert_eq!(here.view()?.x, 1.0);           // the archived bytes, read in place
//! assert_eq!(here.get()?, Point { x: 1.0, y: 2.0 });
//! # Ok(())
//! # }
//! ```

pub mod schema;
pub(crate) mod buffer;
pub(crate) mod error;
pub(crate) mod raw;
pub(crate) mod reference;
mod table;
pub(crate) mod codec;
pub(crate) mod stream;
pub(crate) mod estimate;
pub(crate) mod impls;
mod serde;
mod view;
pub(crate) mod value;
pub(crate) mod ledger;
pub(crate) mod kept;
pub(crate) mod slot;
pub(crate) mod told;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;

pub use self::serde::Serde;
pub use error::{Error, ErrorKind, Result};
pub use reference::ObjectRef;
pub use stream::ObjectStream;
pub use view::View;

use codec::{Check, Decode, Encode};
use rkyv::{Archive, Deserialize, Serialize, bytecheck::CheckBytes};

/// A type whose values can be arguments, results and stored objects.
///
/// Implemented for std's plain values, containers and tuples. The attribute
/// [`#[object]`](macro@crate::object) implements it for a type of your own; wrap a type that only
/// has serde in [`Serde`]. Types with interior mutability (`Cell`, `Mutex`, atomics) are left out
/// on purpose, so that a value shared in this process and a copy made for another one mean the
/// same. `Rc` and `Arc` are left out too: inside an object an [`ObjectRef`] shares across
/// processes. `PathBuf`, `OsString`, `SystemTime` and `Instant` differ between machines; send a
/// `String` or a `Duration` since an epoch.
///
/// It is not meant to be implemented by hand: bytes that were written from a value of the type are
/// read again without a further check.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an object: it cannot be an argument, a result or a stored value",
    label = "not an `Object`",
    note = "put `#[raykit::object]` on your own type, or wrap one that has serde in `raykit::Serde<..>`",
    note = "types with interior mutability (`Cell`, `Mutex`, atomics) cannot be objects: objects never change"
)]
pub trait Object:
    Archive<Archived: Deserialize<Self, Decode> + for<'a> CheckBytes<Check<'a>>>
    + for<'a> Serialize<Encode<'a>>
    + Clone
    + Send
    + Sync
    + 'static
{
    /// A hash of the type's field names, order and types, recursively. It takes part in the key of
    /// every function that names the type, so that two layouts of one name do not pass for equal.
    const SCHEMA: u64;

    /// About how many bytes the value owns outside itself; an estimate that does not visit every
    /// element.
    fn heap_bytes(&self) -> usize {
        0
    }

    /// Archived elements as they lie in memory, where that is the same as the native form (plain
    /// numbers on a machine of the archive's byte order).
    #[doc(hidden)]
    fn in_place(_archived: &[Self::Archived]) -> Option<&[Self]> {
        None
    }
}
