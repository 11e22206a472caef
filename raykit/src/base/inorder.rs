//! `InOrder`: a hash for tables whose keys are numbers that this process gives out itself, one
//! after the other. What was made together lies together in such a table, and so does what is
//! asked for next. Others could choose numbers that collide: for theirs it is not.

use super::id::IDS_PER_BLOCK;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A table by such numbers.
pub(crate) type InOrderMap<K, V> = HashMap<K, V, BuildHasherDefault<InOrder>>;

/// The sum of what is hashed, but for the highest bits, by which a table tells apart what lies
/// close together.
#[derive(Clone, Copy, Default)]
pub(crate) struct InOrder(u64);

/// 2^64 by the golden ratio: multiples of it are spread evenly.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
const HIGHEST: u64 = 0xfe << 56;

/// How much further apart the beginnings of two blocks lie than a block is long. Odd, so that they
/// lie all over a table.
const APART: u64 = 37;

impl Hasher for InOrder {
    fn write_u64(&mut self, number: u64) {
        self.0 = self.0.wrapping_add(number);
    }

    fn write_u32(&mut self, number: u32) {
        let blocks = u64::from(number).wrapping_mul(SPREAD);
        self.0 = self.0.wrapping_add(blocks.wrapping_mul(IDS_PER_BLOCK));
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn finish(&self) -> u64 {
        // Many threads that each have begun a block of numbers would all have the same low bits.
        let low = self.0.wrapping_add((self.0 / IDS_PER_BLOCK).wrapping_mul(APART));
        low & !HIGHEST | self.0.wrapping_mul(SPREAD) & HIGHEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{NodeId, TaskId};
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    #[test]
    fn neighbours_lie_side_by_side_and_differ_in_their_highest_bits() {
        let hasher = BuildHasherDefault::<InOrder>::default();
        let hash = |node, sequence| hasher.hash_one(TaskId { node: NodeId(node), sequence });
        let low = |hash: u64| hash & 0xffff_ffff;
        let mut highest = HashSet::new();
        for sequence in 0..IDS_PER_BLOCK - 1 {
            let (one, next) = (hash(7, sequence), hash(7, sequence + 1));
            assert_eq!(low(one.wrapping_add(1)), low(next));
            assert_ne!(one & HIGHEST, next & HIGHEST, "{sequence}");
            highest.insert(one & HIGHEST);
        }
        assert!(highest.len() > 100, "{}", highest.len());
        assert_ne!(low(hash(7, 1)), low(hash(8, 1)));
        // The first numbers of as many blocks as a table has places have places of their own.
        let begins = (0..2_048).map(|block| hash(7, block * IDS_PER_BLOCK) % 2_048);
        assert_eq!(begins.collect::<HashSet<u64>>().len(), 2_048);
    }
}
