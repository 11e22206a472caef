//! What a reader and an owner of shared memory say to each other: one word in each message.
//!
//! | | word | from | says |
//! |---|---|---|---|
//! | 1 | `Enter` | reader | I am the one that was given this secret |
//! | 2 | `Welcome` | owner | and I the one that gave it |
//! | 3 | `Ask` | reader | where is this |
//! | 4 | `Here` | owner | in that part of that segment, until you release it |
//! | 5 | `NotHere` | owner | not in shared memory |
//! | 6 | `Segment` | owner | here is the file of a segment, beside this word |
//! | 7 | `Gone` | owner | nothing will be in that segment any more |
//! | 8 | `Release` | reader | I do not read these any more |

use crate::base::limits::shm::MESSAGE_BYTES_MAX;

/// What one side shows the other.
pub(crate) type Secret = [u8; 16];

/// Releases that go in one word.
pub(crate) const RELEASES_MAX: usize = (MESSAGE_BYTES_MAX - 1) / 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Enter(Secret),
    Welcome(Secret),
    Ask { call: u64, request: Vec<u8> },
    Here { call: u64, segment: u32, start: u64, len: u64 },
    NotHere { call: u64 },
    Segment { id: u32, bytes: u64 },
    Gone { segment: u32 },
    Release(Vec<u64>),
}

impl Word {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let long = |number: &u64| number.to_le_bytes();
        match self {
            Word::Enter(secret) => [&[1][..], secret].concat(),
            Word::Welcome(secret) => [&[2][..], secret].concat(),
            Word::Ask { call, request } => [&[3][..], &long(call), request].concat(),
            Word::Here { call, segment, start, len } => {
                let place = [long(call), long(start), long(len)].concat();
                [&[4][..], &segment.to_le_bytes(), &place].concat()
            }
            Word::NotHere { call } => [&[5][..], &long(call)].concat(),
            Word::Segment { id, bytes } => [&[6][..], &id.to_le_bytes(), &long(bytes)].concat(),
            Word::Gone { segment } => [&[7][..], &segment.to_le_bytes()].concat(),
            Word::Release(claims) => {
                let claims: Vec<[u8; 8]> = claims.iter().map(long).collect();
                [&[8][..], &claims.concat()].concat()
            }
        }
    }

    /// `None` where the bytes are no word.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Word> {
        let (kind, mut rest) = bytes.split_first()?;
        let from = &mut rest;
        let word = match kind {
            1 => Word::Enter(take(from)?),
            2 => Word::Welcome(take(from)?),
            3 => Word::Ask { call: long(from)?, request: std::mem::take(from).to_vec() },
            4 => {
                let segment = short(from)?;
                Word::Here { segment, call: long(from)?, start: long(from)?, len: long(from)? }
            }
            5 => Word::NotHere { call: long(from)? },
            6 => Word::Segment { id: short(from)?, bytes: long(from)? },
            7 => Word::Gone { segment: short(from)? },
            8 => {
                let mut claims = Vec::with_capacity(from.len() / 8);
                while !from.is_empty() {
                    claims.push(long(from)?);
                }
                Word::Release(claims)
            }
            _ => return None,
        };
        from.is_empty().then_some(word)
    }
}

fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*taken)
}

fn short(from: &mut &[u8]) -> Option<u32> {
    take(from).map(u32::from_le_bytes)
}

fn long(from: &mut &[u8]) -> Option<u64> {
    take(from).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_word_comes_out_as_it_went_in_and_no_part_of_it_does() {
        let words = [
            Word::Enter([1; 16]),
            Word::Welcome([2; 16]),
            Word::Ask { call: 3, request: b"that".to_vec() },
            Word::Here { call: 4, segment: 5, start: 6, len: u64::MAX },
            Word::NotHere { call: 7 },
            Word::Segment { id: 8, bytes: 9 },
            Word::Gone { segment: 10 },
            Word::Release(vec![11; RELEASES_MAX]),
        ];
        for word in words {
            let bytes = word.encode();
            assert!(bytes.len() <= MESSAGE_BYTES_MAX);
            assert_eq!(Word::decode(&bytes), Some(word.clone()));
            for cut in 0..bytes.len() {
                assert_ne!(Word::decode(&bytes[..cut]), Some(word.clone()));
            }
        }
        assert_eq!(Word::decode(&[9]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_one_word_or_none(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(word) = Word::decode(&bytes) {
                prop_assert_eq!(word.encode(), bytes);
            }
        }
    }
}
