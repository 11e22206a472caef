//! What is said at the socket of shared memory, to be tried with any bytes.

use super::words::Word;
use crate::base::fuzz::Target;

pub(crate) const TARGETS: &[Target] = &[Target { name: "word", run: word, seeds }];

fn word(bytes: &[u8]) {
    if let Some(word) = Word::decode(bytes) {
        assert_eq!(word.encode(), bytes);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let words = [
        Word::Enter([1; 16]),
        Word::Welcome([2; 16]),
        Word::Ask { call: 3, request: b"what".to_vec() },
        Word::Here { call: 3, segment: 4, start: 5, len: 6 },
        Word::NotHere { call: 3 },
        Word::Segment { id: 4, bytes: 1 << 20 },
        Word::Gone { segment: 4 },
        Word::Release(vec![3, 4]),
    ];
    words.iter().map(Word::encode).collect()
}

#[cfg(test)]
#[test]
fn any_bytes_do_no_harm() {
    TARGETS.iter().for_each(|target| target.try_all(4_000));
}
