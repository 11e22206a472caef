//! Bytes as text that people copy: Crockford's base32 (no letter that looks like a digit; case
//! does not matter) and lower-case hexadecimal.

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// `bytes` in base32, without padding.
pub(super) fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity((bytes.len() * 8).div_ceil(5));
    let (mut held, mut bits) = (0u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(letter(held >> bits));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(letter(held << (5 - bits)));
    }
    text
}

fn letter(value: u32) -> char {
    ALPHABET[(value & 31) as usize].into()
}

/// The `N` bytes that `text` stands for. `None` where a letter is foreign, the length is another,
/// or the bits left over are not zero: each value has one text.
pub(super) fn from_base32<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != (N * 8).div_ceil(5) {
        return None;
    }
    let mut bytes = [0; N];
    let (mut held, mut bits, mut at) = (0u32, 0, 0);
    for letter in text.bytes() {
        held = (held << 5) | value(letter)?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            *bytes.get_mut(at)? = (held >> bits) as u8;
            at += 1;
            held &= (1 << bits) - 1;
        }
    }
    (held == 0 && at == N).then_some(bytes)
}

fn value(letter: u8) -> Option<u32> {
    let letter = match letter.to_ascii_lowercase() {
        b'o' => b'0',
        b'i' | b'l' => b'1',
        other => other,
    };
    ALPHABET.iter().position(|known| *known == letter).map(|at| at as u32)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N
        || digits.iter().any(|digit| !matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_one_text() {
        assert_eq!(base32(b"hello"), "d1jprv3f");
        assert_eq!(from_base32::<5>("D1JPRV3F"), Some(*b"hello"));
        assert_eq!(base32(&[255]), "zw");
        assert_eq!(from_base32::<1>("zw"), Some([255]));
        assert_eq!(from_base32::<1>("zz"), None, "bits left over");
        assert_eq!(from_base32::<1>("z"), None, "too short");
        assert_eq!(from_base32::<1>("u0"), None, "a foreign letter");
        assert_eq!(from_base32::<2>("o1lo"), from_base32::<2>("0110"));
        let all: [u8; 32] = std::array::from_fn(|at| (at * 37) as u8);
        assert_eq!(from_base32(&base32(&all)), Some(all));
    }

    #[test]
    fn hexadecimal_is_strict() {
        assert_eq!(from_hex(&hex(&[0, 171, 255])), Some([0, 171, 255]));
        for wrong in ["0", "000", "0G", "AB", "+1"] {
            assert_eq!(from_hex::<1>(wrong), None, "{wrong}");
        }
    }
}
