//! `#[object]` as a user's crate sees it: no rkyv in sight, no unsafe code, no lint set off.

#![forbid(unsafe_code)]
#![deny(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unused,
    dead_code,
    rust_2018_idioms,
    trivial_bounds,
    private_bounds,
    private_interfaces,
    non_camel_case_types,
    single_use_lifetimes,
    clippy::all,
    clippy::pedantic
)]

use raykit::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Public things of every shape, as a library would have them.
pub mod public {
    use super::*;

    /// A point.
    #[object]
    #[derive(Copy, Clone, Debug, PartialEq)]
    pub struct Point {
        /// East.
        pub x: f64,
        /// North.
        pub y: f64,
    }

    /// A pair, one half of it hidden.
    #[object]
    #[derive(Debug)]
    pub struct Pair(pub u8, String);

    impl Pair {
        /// A pair.
        #[must_use]
        pub fn new(first: u8, second: &str) -> Self {
            Pair(first, second.to_owned())
        }
        /// The hidden half.
        #[must_use]
        pub fn second(&self) -> &str {
            &self.1
        }
    }

    /// Half open.
    #[object]
    #[derive(Debug)]
    pub struct Opaque {
        inner: Inside,
    }

    #[object]
    #[derive(Debug, Default)]
    struct Inside(u8);

    impl Opaque {
        /// What is inside.
        #[must_use]
        pub fn closed() -> Self {
            Opaque { inner: Inside::default() }
        }
        /// The number.
        #[must_use]
        pub fn number(&self) -> u8 {
            self.inner.0
        }
    }

    /// Nothing.
    #[object]
    #[derive(Debug)]
    pub struct Nothing;

    /// Empty braces.
    #[object]
    #[derive(Debug)]
    pub struct Braces {}

    /// A choice. (Not public: rkyv leaves the fields of a helper of such enums without a comment.)
    #[object]
    #[derive(Debug, PartialEq)]
    pub(crate) enum Choice<T, const N: usize = 2> {
        /// One.
        One,
        /// Several.
        Several([T; N]),
        /// With names.
        Named {
            /// What is inside.
            inner: Vec<T>,
            /// A word of the language.
            r#type: u8,
        },
    }

    /// With numbers of its own.
    #[object(derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord))]
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum Level {
        /// Low.
        Low = 1,
        /// High.
        High = 7,
    }
}

/// A key made of others.
#[object]
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    level: public::Level,
    name: String,
}

/// A table under keys of any kind.
#[object]
#[derive(Debug, PartialEq)]
struct Table<K: Object<Archived: Hash + Eq> + Hash + Eq> {
    rows: HashMap<K, Vec<public::Point>>,
    sorted: BTreeMap<Key, ObjectRef<Self>>,
}

/// Its own `Clone`.
#[object(has_clone)]
#[derive(Debug)]
struct Counted {
    copies: u32,
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        Counted { copies: self.copies + 1 }
    }
}

/// A type may be local and named like raykit's or rkyv's own.
#[test]
fn names_do_not_clash() {
    #[object]
    #[derive(Debug)]
    struct Encode {
        encoder: u8,
        this: u8,
    }
    #[derive(Debug)]
    struct EncodeResolver;
    #[object]
    #[derive(Debug)]
    struct Result {
        ok: Option<u8>,
    }

    let value = Encode { encoder: 1, this: 2 };
    assert_eq!(value.clone().encoder + value.this, 3);
    assert_eq!(format!("{EncodeResolver:?}"), "EncodeResolver");
    assert_eq!(Result { ok: None }.clone().ok, None);
}

fn object<T: Object>(_: &T) -> u64 {
    T::SCHEMA
}

#[test]
fn all_shapes_are_objects() {
    let pair = public::Pair::new(1, "two");
    assert_eq!((pair.second(), pair.heap_bytes()), ("two", 3));
    let several: public::Choice<String> = public::Choice::Several([String::new(), String::new()]);
    let key = Key { level: public::Level::High, name: "k".into() };
    let table = Table { rows: HashMap::from([(key.clone(), vec![])]), sorted: BTreeMap::new() };
    assert_eq!(public::Opaque::closed().number(), 0);
    let schemas = [
        object(&public::Opaque::closed()),
        object(&public::Point { x: 0.0, y: 0.0 }),
        object(&pair),
        object(&public::Nothing),
        object(&public::Braces {}),
        object(&several),
        object(&public::Choice::<u8, 3>::One),
        object(&public::Choice::<u8, 4>::Named { inner: vec![], r#type: 1 }),
        object(&public::Level::Low),
        object(&key),
        object(&table),
        object(&Counted { copies: 0 }),
    ];
    let mut distinct = schemas.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), schemas.len());
    assert_eq!(Counted { copies: 0 }.clone().copies, 1);
}
