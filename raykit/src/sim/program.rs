//! `Program`: what a task of the pretend world does, and how that stands in its spec. Its value is
//! a hash of its seed and of the values of its arguments, so that it can be known beforehand; so is
//! each item of a stream, which is the result of the number after its index.

use super::model::{Model, mix};
use crate::base::ObjectId;
use crate::proto::wire::{Bytes, Reader, Wire};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) seed: u64,
    pub(super) results: u8,
    /// How many generations of further calls may follow.
    pub(super) depth: u8,
    pub(super) retries_max: u8,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Task,
    /// So many items one after the other, and how many it may be ahead of who takes them.
    Stream {
        items: u32,
        ahead: u32,
    },
    /// A call of a node's actor: the caller's number on its node, and which of its calls of that
    /// actor this is.
    Call {
        caller: u32,
        number: u32,
    },
}

impl Program {
    pub(super) fn spec(self) -> Bytes {
        let mut out = Vec::with_capacity(20);
        self.seed.put(&mut out);
        out.extend([self.results, self.depth, self.retries_max]);
        match self.kind {
            Kind::Task => {}
            Kind::Stream { items, ahead } => (1_u8, (items, ahead)).put(&mut out),
            Kind::Call { caller, number } => (2_u8, (caller, number)).put(&mut out),
        }
        out.into()
    }

    pub(super) fn read(spec: &[u8]) -> Option<Program> {
        let mut reader = Reader::new(spec);
        let seed = u64::take(&mut reader)?;
        let (results, (depth, retries_max)) = <(u8, (u8, u8))>::take(&mut reader)?;
        let kind = match u8::take(&mut reader) {
            None => Kind::Task,
            Some(1) => {
                let (items, ahead) = <(u32, u32)>::take(&mut reader)?;
                Kind::Stream { items, ahead }
            }
            Some(2) => {
                let (caller, number) = <(u32, u32)>::take(&mut reader)?;
                Kind::Call { caller, number }
            }
            Some(_) => return None,
        };
        reader.rest().is_empty().then_some(Program { seed, results, depth, retries_max, kind })
    }

    /// The value of one result, given those of the arguments.
    pub(super) fn value(self, result: u32, args: impl Iterator<Item = u64>) -> u64 {
        args.fold(mix(self.seed, u64::from(result)), mix)
    }

    pub(super) fn expected(self, model: &Model, result: u32, args: &[ObjectId]) -> u64 {
        self.value(result, args.iter().map(|arg| model.value(*arg)))
    }
}
