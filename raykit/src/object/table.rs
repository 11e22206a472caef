//! `Table`: the references that stand beside the bytes of one archive.

use super::raw::RawRef;
use rkyv::rancor::{BoxedError, Source};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The references that belong to some bytes; most bytes have none.
pub(super) type Refs = Option<Arc<[RawRef]>>;

/// The references of one archive, each once.
#[derive(Default)]
pub(super) struct Table {
    refs: Vec<RawRef>,
    /// Where each is, by the address of its slot; filled once a plain search would take long.
    places: HashMap<usize, u32>,
}

impl Table {
    /// From this many on the places are kept in a map.
    const SEARCHED_MAX: usize = 16;

    /// The index of `reference`, entered now if it is not there.
    pub(super) fn place(&mut self, reference: &RawRef) -> Result<u32, BoxedError> {
        let found = match self.refs.len() {
            0..=Self::SEARCHED_MAX => {
                self.refs.iter().position(|known| known.is(reference)).map(|at| at as u32)
            }
            _ => self.places.get(&reference.address()).copied(),
        };
        if let Some(index) = found {
            return Ok(index);
        }
        let index = u32::try_from(self.refs.len())
            .map_err(|_| BoxedError::new(Refused("more than 2^32 references in a value".into())))?;
        self.refs.push(reference.clone());
        if self.refs.len() == Self::SEARCHED_MAX + 1 {
            let all = self.refs.iter().zip(0..);
            self.places = all.map(|(known, at)| (known.address(), at)).collect();
        } else if self.refs.len() > Self::SEARCHED_MAX {
            self.places.insert(reference.address(), index);
        }
        Ok(index)
    }

    pub(super) fn into_refs(self) -> Refs {
        if self.refs.is_empty() { None } else { Some(self.refs.into()) }
    }
}

/// A reason of raykit's own, where rkyv gives its own otherwise.
#[derive(Debug)]
pub(super) struct Refused(pub(super) String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Refused {}
