//! `Object` for what std offers.

use super::codec::{Number, in_place};
use super::{Object, schema};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num;
use std::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};
use std::time::Duration;

macro_rules! plain {
    ($($type:ty),* $(,)?) => {$(
        impl Object for $type {
            const SCHEMA: u64 = schema::named(stringify!($type));
        }
    )*};
}
plain!((), bool, char, RangeFull, Duration);
plain!(IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6);
plain!(num::NonZeroU8, num::NonZeroU16, num::NonZeroU32, num::NonZeroU64, num::NonZeroU128);
plain!(num::NonZeroI8, num::NonZeroI16, num::NonZeroI32, num::NonZeroI64, num::NonZeroI128);
plain!(num::NonZeroUsize, num::NonZeroIsize);

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Object for $type {
            const SCHEMA: u64 = schema::named(stringify!($type));
            fn in_place(archived: &[Self::Archived]) -> Option<&[Self]> {
                in_place(archived)
            }
        }
    )*};
}
numbers!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128, f32, f64);
#[cfg(target_pointer_width = "64")]
numbers!(usize, isize);
#[cfg(not(target_pointer_width = "64"))]
plain!(usize, isize);

const _: fn() = || {
    fn number<T: Number>() {}
    number::<f64>();
};

impl Object for String {
    const SCHEMA: u64 = schema::named("String");
    fn heap_bytes(&self) -> usize {
        self.len()
    }
}
impl Object for Box<str> {
    const SCHEMA: u64 = schema::named("Box<str>");
    fn heap_bytes(&self) -> usize {
        self.len()
    }
}

impl<T: Object> Object for Box<T> {
    // On the heap or in place is no part of what a type means, but it is part of its archive.
    const SCHEMA: u64 = schema::applied("Box", &[T::SCHEMA]);
    fn heap_bytes(&self) -> usize {
        size_of::<T>() + T::heap_bytes(self)
    }
}
impl<T: Object> Object for Option<T> {
    const SCHEMA: u64 = schema::applied("Option", &[T::SCHEMA]);
    fn heap_bytes(&self) -> usize {
        self.as_ref().map_or(0, T::heap_bytes)
    }
}
impl<T: Object, E: Object> Object for Result<T, E> {
    const SCHEMA: u64 = schema::applied("Result", &[T::SCHEMA, E::SCHEMA]);
    fn heap_bytes(&self) -> usize {
        match self {
            Ok(value) => value.heap_bytes(),
            Err(error) => error.heap_bytes(),
        }
    }
}

/// Elements looked at for an estimate of what all of them own.
const SAMPLE_LEN: usize = 64;

/// What `len` elements take, themselves and what they own, judged by the first ones.
fn elements<'a, T: Object>(len: usize, elements: impl Iterator<Item = &'a T>) -> usize {
    let own = len.saturating_mul(size_of::<T>());
    // A type with nothing to drop owns nothing.
    if !std::mem::needs_drop::<T>() || len == 0 {
        return own;
    }
    let sampled = len.min(SAMPLE_LEN);
    let owned = elements.take(sampled).fold(0_usize, |sum, e| sum.saturating_add(e.heap_bytes()));
    own.saturating_add((owned as u128 * len as u128 / sampled as u128) as usize)
}

impl<T: Object> Object for Vec<T> {
    const SCHEMA: u64 = schema::applied("Vec", &[T::SCHEMA]);
    fn heap_bytes(&self) -> usize {
        elements(self.len(), self.iter())
    }
}
impl<T: Object> Object for Box<[T]> {
    const SCHEMA: u64 = schema::applied("Box<[]>", &[T::SCHEMA]);
    fn heap_bytes(&self) -> usize {
        elements(self.len(), self.iter())
    }
}
impl<T: Object> Object for VecDeque<T> {
    const SCHEMA: u64 = schema::applied("VecDeque", &[T::SCHEMA]);
    fn heap_bytes(&self) -> usize {
        elements(self.len(), self.iter())
    }
}
impl<T: Object, const N: usize> Object for [T; N] {
    const SCHEMA: u64 = schema::applied("[;]", &[T::SCHEMA, N as u64]);
    fn heap_bytes(&self) -> usize {
        elements(N, self.iter()).saturating_sub(size_of::<Self>())
    }
}
/// Entries without a size would leave rkyv no bound on the length that hostile bytes may claim.
const fn has_size<T>() {
    assert!(size_of::<T>() > 0, "a map or set of entries without a size cannot be an object");
}

impl<K, V> Object for HashMap<K, V>
where
    K: Object<Archived: Hash + Eq> + Hash + Eq,
    V: Object,
{
    const SCHEMA: u64 = {
        has_size::<(K::Archived, V::Archived)>();
        schema::applied("HashMap", &[K::SCHEMA, V::SCHEMA])
    };
    fn heap_bytes(&self) -> usize {
        elements(self.len(), self.keys()).saturating_add(elements(self.len(), self.values()))
    }
}
impl<K, V> Object for BTreeMap<K, V>
where
    K: Object<Archived: Ord> + Ord,
    V: Object,
{
    const SCHEMA: u64 = schema::applied("BTreeMap", &[K::SCHEMA, V::SCHEMA]);
    fn heap_bytes(&self) -> usize {
        elements(self.len(), self.keys()).saturating_add(elements(self.len(), self.values()))
    }
}
impl<T: Object<Archived: Hash + Eq> + Hash + Eq> Object for HashSet<T> {
    const SCHEMA: u64 = {
        has_size::<T::Archived>();
        schema::applied("HashSet", &[T::SCHEMA])
    };
    fn heap_bytes(&self) -> usize {
        elements(self.len(), self.iter())
    }
}
impl<T: Object<Archived: Ord> + Ord> Object for BTreeSet<T> {
    const SCHEMA: u64 = schema::applied("BTreeSet", &[T::SCHEMA]);
    fn heap_bytes(&self) -> usize {
        elements(self.len(), self.iter())
    }
}

impl<T: Send + Sync + 'static> Object for PhantomData<T> {
    const SCHEMA: u64 = schema::named("PhantomData");
}

macro_rules! ranges {
    ($($range:ident($($bound:ident),*)),*) => {$(
        impl<T: Object> Object for $range<T> {
            const SCHEMA: u64 = schema::applied(stringify!($range), &[T::SCHEMA]);
            fn heap_bytes(&self) -> usize {
                0 $(+ self.$bound.heap_bytes())*
            }
        }
    )*};
}
ranges!(Range(start, end), RangeFrom(start), RangeTo(end), RangeToInclusive(end));

impl<T: Object> Object for RangeInclusive<T> {
    const SCHEMA: u64 = schema::applied("RangeInclusive", &[T::SCHEMA]);
    fn heap_bytes(&self) -> usize {
        self.start().heap_bytes() + self.end().heap_bytes()
    }
}
impl<T: Object> Object for Bound<T> {
    const SCHEMA: u64 = schema::applied("Bound", &[T::SCHEMA]);
    fn heap_bytes(&self) -> usize {
        match self {
            Bound::Included(value) | Bound::Excluded(value) => value.heap_bytes(),
            Bound::Unbounded => 0,
        }
    }
}

macro_rules! tuples {
    ($($name:ident $at:tt),+) => {
        impl<$($name: Object),+> Object for ($($name,)+) {
            const SCHEMA: u64 = schema::applied("(,)", &[$($name::SCHEMA),+]);
            fn heap_bytes(&self) -> usize {
                0 $(+ self.$at.heap_bytes())+
            }
        }
    };
}
tuples!(A 0);
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
