//! Hashes of types: FNV-1a over names and parts, with a final mix, in `const` so that a function's
//! key costs nothing at run time. Not for keeping enemies out: it tells two builds of a program
//! apart.

/// Stands, in the schema of a type, for the type itself where it is a part of its own fields.
/// It has a size, since the entries of a map must.
#[crate::object]
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Own(pub u8);

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// The hash of a name, or of any text.
pub const fn named(name: &str) -> u64 {
    mixed(bytes(OFFSET, name.as_bytes()))
}

/// The hash of parts in this order.
pub const fn combine(parts: &[u64]) -> u64 {
    let mut state = word(OFFSET, parts.len() as u64);
    let mut at = 0;
    while at < parts.len() {
        state = word(state, parts[at]);
        at += 1;
    }
    mixed(state)
}

/// A field: its name and the schema of its type.
pub const fn field(name: &str, schema: u64) -> u64 {
    combine(&[named(name), schema])
}

/// A generic type applied to others, such as `Vec<T>`.
pub const fn applied(name: &str, parameters: &[u64]) -> u64 {
    combine(&[named(name), combine(parameters)])
}

/// A function: its arguments in order, and its result.
pub const fn signature(arguments: &[u64], result: u64) -> u64 {
    combine(&[named("fn"), combine(arguments), result])
}

const fn bytes(mut state: u64, bytes: &[u8]) -> u64 {
    let mut at = 0;
    while at < bytes.len() {
        state = (state ^ bytes[at] as u64).wrapping_mul(PRIME);
        at += 1;
    }
    state
}

const fn word(state: u64, word: u64) -> u64 {
    bytes(state, &word.to_le_bytes())
}

/// FNV leaves its high bits poor for short input; this spreads them (the finish of splitmix64).
const fn mixed(mut state: u64) -> u64 {
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_order_and_grouping_count() {
        let hashes = [
            named(""),
            named("a"),
            named("b"),
            combine(&[]),
            combine(&[named("a")]),
            combine(&[named("a"), named("b")]),
            combine(&[named("b"), named("a")]),
            combine(&[combine(&[named("a")]), named("b")]),
            field("a", named("b")),
            applied("a", &[named("b")]),
            signature(&[named("a")], named("b")),
            signature(&[], named("b")),
        ];
        let mut distinct = hashes.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        // `field` is by definition the pair of its two parts.
        assert_eq!(field("a", named("b")), combine(&[named("a"), named("b")]));
        assert_eq!(distinct.len(), hashes.len() - 1);
    }

    #[test]
    fn usable_where_a_constant_is_asked_for() {
        const HASH: u64 = signature(&[named("i64")], applied("Vec", &[named("f64")]));
        assert_ne!(HASH, 0);
    }
}
