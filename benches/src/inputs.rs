//! Seeded inputs, the same in every run and for every peer.

use std::ops::Range;

/// SplitMix64.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to 1.
    #[inline]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

pub(crate) fn numbers(len: usize) -> Vec<u64> {
    let mut rng = Rng(7);
    (0..len).map(|_| rng.next()).collect()
}

/// About `bytes` of text: 10,000 different words, the frequent ones much more frequent, twelve a
/// line.
pub(crate) fn text(bytes: usize) -> String {
    const WORDS: usize = 10_000;
    let mut rng = Rng(42);
    let words: Vec<String> = (0..WORDS).map(|_| word(&mut rng)).collect();
    let mut reach = 0.0;
    let reaches: Vec<f64> = (0..WORDS)
        .map(|rank| {
            reach += 1.0 / (rank as f64 + 10.0);
            reach
        })
        .collect();
    let mut text = String::with_capacity(bytes + 256);
    while text.len() < bytes {
        for at in 0..12 {
            let point = rng.unit() * reach;
            let rank = reaches.partition_point(|reach| *reach <= point).min(WORDS - 1);
            text.push_str(&words[rank]);
            text.push(if at == 11 { '\n' } else { ' ' });
        }
    }
    text
}

fn word(rng: &mut Rng) -> String {
    let len = 2 + rng.below(9);
    (0..len).map(|_| char::from(b'a' + rng.below(26) as u8)).collect()
}

/// Cuts a text into about `n` pieces of whole lines.
pub(crate) fn pieces(text: &str, n: usize) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut from = 0;
    for at in 1..=n {
        let aim = (text.len() / n * at).max(from);
        let to = match text.as_bytes()[aim..].iter().position(|byte| *byte == b'\n') {
            Some(more) if at < n => aim + more + 1,
            _ => text.len(),
        };
        if to > from {
            pieces.push(from..to);
        }
        from = to;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_lines_and_make_the_whole() {
        let text = text(10_000);
        let pieces = pieces(&text, 7);
        assert_eq!(pieces.len(), 7);
        let joined: String = pieces.iter().map(|piece| &text[piece.clone()]).collect();
        assert_eq!(joined, text);
        assert!(pieces.iter().all(|piece| text[piece.clone()].ends_with('\n')));
    }
}
