//! The bridge to rkyv: how a value becomes bytes with a table of references beside them, and back.
//!
//! A reference inside a value cannot be written as bytes alone: whoever holds the bytes has to hold
//! the object too. So the writer carries a table, `ObjectRef` is archived as an index into it, and
//! the reader takes references out of it. Plain rkyv has no table and therefore cannot write a
//! reference.
//!
//! `Sealed` is the pair of both. Bytes that came from elsewhere are checked when they are first
//! opened as a type; bytes that were written here from a `T` are known to be a `T`.
//!
//! Absent on purpose: rkyv's shared pointers (`Rc`, `Arc`), whose reading is its most delicate
//! part.

#![expect(unsafe_code, reason = "rkyv's contexts and archived references are unsafe traits")]

use super::buffer::{Buffer, Lender, Memory};
use super::error::{Error, ErrorKind};
use super::raw::RawRef;
use super::reference::ObjectRef;
use super::table::{Refs, Refused, Table};
use super::{Object, schema};
use crate::base::limits::{
    ARCHIVE_DEPTH_MAX, ARENA_BYTES_MAX, DEPTH_TRUSTED_MAX, INLINE_BYTES_MAX,
};
use crate::base::sync::OnceLock;
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::{BoxedError, Fallible, Source, Strategy};
use rkyv::rend::u32_le;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::ser::{Allocator, Positional, Serializer, Writer};
use rkyv::util::{clear_arena, with_arena};
use rkyv::validation::ArchiveContext;
use rkyv::validation::archive::ArchiveValidator;
use rkyv::{Archive, Deserialize, Place, Portable, Serialize};
use std::alloc::Layout;
use std::any::{TypeId, type_name};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::ptr::NonNull;

/// What a value is written with.
pub type Encode<'a> = Strategy<Encoder<'a>, BoxedError>;
/// What a value is read with.
pub type Decode = Strategy<Decoder, BoxedError>;
/// What bytes are checked with.
pub type Check<'a> = Strategy<Checker<'a>, BoxedError>;

/// A writer of bytes with the table of the references that it met.
pub struct Encoder<'a> {
    bytes: Serializer<Buffer, ArenaHandle<'a>, ()>,
    table: Table,
    depth: usize,
    depth_met: usize,
}

/// A reader of references.
pub struct Decoder {
    refs: Refs,
}

/// A checker of bytes that were written elsewhere.
pub struct Checker<'a> {
    archive: ArchiveValidator<'a>,
    table_len: usize,
    depth: usize,
}

/// The contexts in which an archived reference can be checked.
pub trait Door: Fallible<Error: Source> + ArchiveContext<<Self as Fallible>::Error> {
    #[doc(hidden)]
    fn table_len(&self) -> usize;
}

impl Door for Check<'_> {
    fn table_len(&self) -> usize {
        self.table_len
    }
}

/// A reference as it stands in an archive: [`View::reference`](super::View::reference) takes it
/// out.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct ArchivedRef<T> {
    index: u32_le,
    of: PhantomData<fn() -> T>,
}

impl<T> ArchivedRef<T> {
    pub(super) fn index(&self) -> usize {
        self.index.to_native() as usize
    }
}

impl<T> fmt::Debug for ArchivedRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArchivedRef<{}>({})", type_name::<T>(), self.index)
    }
}

// SAFETY: it is a little-endian number and nothing else: the same on all targets, no interior
// mutability.
unsafe impl<T> Portable for ArchivedRef<T> {}

// SAFETY: every bit pattern is a valid `u32_le`, so nothing invalid can pass. That the index is in
// the table is a promise of raykit's, which is checked here as well.
unsafe impl<T, C: Door + ?Sized> CheckBytes<C> for ArchivedRef<T> {
    unsafe fn check_bytes(value: *const Self, context: &mut C) -> Result<(), C::Error> {
        // SAFETY: the caller promises that `value` is aligned and readable; any four bytes are
        // valid.
        let index = unsafe { (*value).index() };
        if index < context.table_len() {
            return Ok(());
        }
        let len = context.table_len();
        Err(C::Error::new(Refused(format!("reference {index} of {len} does not exist"))))
    }
}

impl<T> Archive for ObjectRef<T> {
    type Archived = ArchivedRef<T>;
    type Resolver = u32;

    fn resolve(&self, index: u32, out: Place<ArchivedRef<T>>) {
        let archived = ArchivedRef { index: u32_le::from_native(index), of: PhantomData };
        // SAFETY: an `ArchivedRef` is one `u32_le` and has no padding, so all its bytes are
        // written.
        unsafe { out.write_unchecked(archived) };
    }
}

impl<T> Serialize<Encode<'_>> for ObjectRef<T> {
    fn serialize(&self, encoder: &mut Encode<'_>) -> Result<u32, BoxedError> {
        encoder.table.place(&self.0)
    }
}

impl<T> Deserialize<ObjectRef<T>, Decode> for ArchivedRef<T> {
    fn deserialize(&self, decoder: &mut Decode) -> Result<ObjectRef<T>, BoxedError> {
        let found = decoder.refs.as_deref().and_then(|refs| refs.get(self.index()));
        let missing =
            || BoxedError::new(Refused(format!("reference {} does not exist", self.index)));
        found.cloned().map(ObjectRef::new).ok_or_else(missing)
    }
}

/// `T` is no part of the hash: a type may hold references to itself, and a constant may not.
impl<T: 'static> Object for ObjectRef<T> {
    const SCHEMA: u64 = schema::named("ObjectRef");
}

/// Goes one level down into a type that may contain itself. Only those can nest without end, and
/// each of them is written by `#[object]`, which calls this; so a value of any depth ends in an
/// error and not at the end of the stack.
pub fn nested<'a, R>(
    encoder: &mut Encode<'a>,
    write: impl FnOnce(&mut Encode<'a>) -> Result<R, BoxedError>,
) -> Result<R, BoxedError> {
    if encoder.depth == ARCHIVE_DEPTH_MAX {
        return Err(BoxedError::new(TooDeep));
    }
    encoder.depth += 1;
    encoder.depth_met = encoder.depth_met.max(encoder.depth);
    let written = write(encoder);
    encoder.depth -= 1;
    written
}

/// One field on its way out.
pub fn write<T: Object>(value: &T, encoder: &mut Encode<'_>) -> Result<T::Resolver, BoxedError> {
    value.serialize(encoder)
}

/// One field on its way in.
pub fn read<T: Object>(archived: &T::Archived, decoder: &mut Decode) -> Result<T, BoxedError> {
    archived.deserialize(decoder)
}

impl Positional for Encoder<'_> {
    fn pos(&self) -> usize {
        self.bytes.writer.len()
    }
}

impl<E> Writer<E> for Encoder<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), E> {
        self.bytes.writer.extend_from_slice(bytes);
        Ok(())
    }
}

// SAFETY: forwards to the arena, which keeps the contract.
unsafe impl<E> Allocator<E> for Encoder<'_> {
    unsafe fn push_alloc(&mut self, layout: Layout) -> Result<NonNull<[u8]>, E> {
        // SAFETY: the caller's duties are the arena's.
        unsafe { self.bytes.allocator.push_alloc(layout) }
    }
    unsafe fn pop_alloc(&mut self, memory: NonNull<u8>, layout: Layout) -> Result<(), E> {
        // SAFETY: the caller's duties are the arena's.
        unsafe { self.bytes.allocator.pop_alloc(memory, layout) }
    }
}

// SAFETY: forwards to rkyv's validator, which keeps the contract.
unsafe impl<E: Source> ArchiveContext<E> for Checker<'_> {
    fn check_subtree_ptr(&mut self, at: *const u8, layout: &Layout) -> Result<(), E> {
        self.archive.check_subtree_ptr(at, layout)
    }
    unsafe fn push_subtree_range(
        &mut self,
        root: *const u8,
        end: *const u8,
    ) -> Result<Range<usize>, E> {
        // rkyv's validator can count as well, but its error does not say what was too deep.
        if self.depth == ARCHIVE_DEPTH_MAX {
            return Err(E::new(TooDeep));
        }
        self.depth += 1;
        // SAFETY: the caller's duties are the validator's.
        unsafe { self.archive.push_subtree_range(root, end) }
    }
    unsafe fn pop_subtree_range(&mut self, range: Range<usize>) -> Result<(), E> {
        self.depth -= 1;
        // SAFETY: the caller's duties are the validator's.
        unsafe { self.archive.pop_subtree_range(range) }
    }
}

/// A value as bytes, with the references that it holds.
pub(crate) struct Sealed {
    bytes: Buffer,
    refs: Refs,
    /// The type that the bytes are known to be an archive of: written as one, or checked.
    known: OnceLock<TypeId>,
}

impl Sealed {
    pub(crate) fn encode<T: Object>(value: &T) -> Result<Sealed, Error> {
        Sealed::encode_in(value, None)
    }

    /// The same, in memory of the lender's where there is one and the value is large.
    pub(crate) fn encode_in<T: Object>(
        value: &T,
        lender: Option<&dyn Lender>,
    ) -> Result<Sealed, Error> {
        let about = size_of::<T>().saturating_add(value.heap_bytes());
        let lender = lender.filter(|_| about > INLINE_BYTES_MAX);
        let lent = lender.and_then(|lender| lender.lend(about)).map(Buffer::lent);
        let bytes = lent.unwrap_or_else(|| Buffer::for_about(about));
        let (written, arena_bytes) = with_arena(|arena| {
            let bytes = Serializer::new(bytes, arena.acquire(), ());
            let mut encoder = Encoder { bytes, table: Table::default(), depth: 0, depth_met: 0 };
            let written = rkyv::api::serialize_using(value, &mut encoder).map(|_| encoder);
            // The arena's handle ends here, so that its blocks can be counted.
            let written = written.map(|e| (e.bytes.into_writer(), e.table, e.depth_met));
            (written, arena.capacity())
        });
        if arena_bytes > ARENA_BYTES_MAX {
            clear_arena();
        }
        let (mut bytes, table, depth) = written.map_err(|error| cannot::<T>("encode", &error))?;
        bytes.finish();
        let sealed = Sealed { bytes, refs: table.into_refs(), known: OnceLock::new() };
        if depth > DEPTH_TRUSTED_MAX {
            // So deep that the reader might refuse it: better the writer hears of that.
            sealed.check::<T>().map_err(|error| cannot::<T>("encode", &error))?;
        }
        let _ = sealed.known.set(TypeId::of::<T>());
        Ok(sealed)
    }

    /// Bytes from elsewhere. They are copied to aligned memory and not yet believed.
    pub(crate) fn from_parts(bytes: &[u8], refs: Vec<RawRef>) -> Sealed {
        let mut aligned = Buffer::for_about(bytes.len());
        aligned.extend_from_slice(bytes);
        Self::from_buffer(aligned, refs)
    }

    /// The same for bytes that lie in aligned memory already.
    pub(crate) fn from_buffer(bytes: Buffer, refs: Vec<RawRef>) -> Sealed {
        let refs = if refs.is_empty() { None } else { Some(refs.into()) };
        Sealed { bytes, refs, known: OnceLock::new() }
    }

    /// The archived value, in place.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Encoding`] if the bytes are no archive of a `T`.
    pub(crate) fn open<T: Object>(&self) -> Result<&T::Archived, Error> {
        if self.known.get() != Some(&TypeId::of::<T>()) {
            self.check::<T>().map_err(|error| cannot::<T>("read", &error))?;
            // Whoever asks for a second type pays for the check each time.
            let _ = self.known.set(TypeId::of::<T>());
        }
        // SAFETY: the bytes were written from a `T` or passed the check as one, and never change.
        Ok(unsafe { self.archived::<T>() })
    }

    pub(crate) fn decode<T: Object>(&self) -> Result<T, Error> {
        let mut decoder = Decoder { refs: self.refs.clone() };
        let archived = self.open::<T>()?;
        guarded(|| rkyv::api::deserialize_using(archived, &mut decoder))
            .map_err(|error| cannot::<T>("decode", &error))
    }

    /// A copy of it in memory of the lender's, if there is any.
    pub(crate) fn copy_to(&self, lender: &dyn Lender) -> Option<Sealed> {
        let mut memory = lender.lend(self.len())?;
        memory.room(0..self.len())?.copy_from_slice(&self.bytes);
        memory.shorten(self.len());
        let copy =
            Sealed { bytes: Buffer::full(memory), refs: self.refs.clone(), known: OnceLock::new() };
        if let Some(known) = self.known.get() {
            let _ = copy.known.set(*known);
        }
        Some(copy)
    }

    /// The memory that it lies in, where that was lent.
    pub(crate) fn memory(&self) -> Option<&dyn Memory> {
        self.bytes.memory()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The references inside the value, each once, in the order of their index.
    pub(crate) fn refs(&self) -> &[RawRef] {
        self.refs.as_deref().unwrap_or(&[])
    }

    /// The archived value without a look at the bytes.
    ///
    /// # Safety
    ///
    /// `open::<T>` must have succeeded.
    pub(super) unsafe fn archived<T: Object>(&self) -> &T::Archived {
        // SAFETY: the caller vouches for the bytes.
        unsafe { rkyv::api::access_unchecked::<T::Archived>(&self.bytes) }
    }

    fn check<T: Object>(&self) -> Result<(), BoxedError> {
        // Evaluated for what it asserts of keys.
        let _ = T::SCHEMA;
        let archive = ArchiveValidator::new(&self.bytes);
        let mut checker = Checker { archive, table_len: self.refs().len(), depth: 0 };
        let root = rkyv::api::root_position::<T::Archived>(self.bytes.len());
        guarded(|| {
            rkyv::api::check_pos_with_context::<T::Archived, _, BoxedError>(
                &self.bytes,
                root,
                &mut checker,
            )
        })
    }
}

/// Reads bytes from elsewhere, which never panic: where overflow is checked rkyv's own arithmetic
/// does on some hostile lengths, and a type's own serde code may do anything.
fn guarded<R>(read: impl FnOnce() -> Result<R, BoxedError>) -> Result<R, BoxedError> {
    // What the closures change is dropped here, and what they read never changes.
    std::panic::catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(BoxedError::new(Refused("reading it panicked".into()))))
}

fn cannot<T>(what: &str, reason: &BoxedError) -> Error {
    Error::new(ErrorKind::Encoding, format!("cannot {what} a `{}`: {reason}", type_name::<T>()))
}

#[derive(Debug)]
struct TooDeep;

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the value is nested more than {ARCHIVE_DEPTH_MAX} levels deep")
    }
}
impl std::error::Error for TooDeep {}

/// Plain numbers whose archived form is the native one on a little-endian machine.
///
/// # Safety
///
/// `Archived` must have the size, the alignment and, on a little-endian machine, the meaning of
/// `Self` for every bit pattern.
pub(super) unsafe trait Number: Archive + Sized {}

macro_rules! numbers {
    ($($native:ty),*) => {$(
        // SAFETY: rkyv archives it as the same number in little-endian order, and any bits are one;
        // size and alignment are compared below.
        unsafe impl Number for $native {}
        const _: () = {
            assert!(size_of::<$native>() == size_of::<<$native as Archive>::Archived>());
            assert!(align_of::<$native>() == align_of::<<$native as Archive>::Archived>());
        };
    )*};
}
numbers!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128, f32, f64);
#[cfg(target_pointer_width = "64")]
numbers!(usize, isize);

/// Archived numbers as native ones, where they are the same.
pub(super) fn in_place<T: Number>(archived: &[T::Archived]) -> Option<&[T]> {
    if cfg!(target_endian = "big") {
        return None;
    }
    // SAFETY: `Number` promises equal size, alignment and meaning; the lifetime stays.
    Some(unsafe { std::slice::from_raw_parts(archived.as_ptr().cast::<T>(), archived.len()) })
}
