//! What nodes ask each other for beside the packets of their brains, and get bytes for. The first
//! byte says what it is; these are all of them.

use crate::proto::wire::{Reader, Wire};

/// An object, and a result (`post::Fetch`).
pub(super) const OBJECT: u8 = 0;
pub(super) const RESULT: u8 = 1;
/// What there is on a node (`survey`).
pub(super) const STATE: u8 = 2;
/// An order about tokens (`keys`).
pub(super) const KEYS: u8 = 3;
/// Lines to print, and a part of what was printed (`courier`).
pub(super) const PRINT: u8 = 4;
pub(super) const LOG: u8 = 5;
/// What something waits for (`circle`).
pub(super) const CIRCLE: u8 = 6;
/// A piece of a large object (`swarm`).
pub(super) const SWARM: u8 = 7;

/// A request of that kind.
pub(super) fn write(kind: u8, body: &impl Wire) -> Vec<u8> {
    let mut out = vec![kind];
    body.put(&mut out);
    out
}

/// What is asked for, if the request is of that kind.
pub(super) fn read<T: Wire>(kind: u8, request: &[u8]) -> Option<T> {
    let mut reader = Reader::new(request);
    (u8::take(&mut reader)? == kind).then(|| T::take(&mut reader)).flatten()
}
