//! All remote functions of the program, gathered by the linker. The only file that names linkme.

use super::function::Function;
use crate::base::rng::Rng;
use crate::object::{Error, ErrorKind, Result};
use linkme::distributed_slice;
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

/// One entry for each `#[remote]` function that was linked in.
#[doc(hidden)]
#[distributed_slice]
pub static FUNCTIONS: [&'static Function];

/// The functions by key, or the collision that was found.
fn table() -> &'static Result<BTreeMap<String, &'static Function>> {
    static TABLE: OnceLock<Result<BTreeMap<String, &'static Function>>> = OnceLock::new();
    TABLE.get_or_init(|| build(&FUNCTIONS))
}

fn build(functions: &[&'static Function]) -> Result<BTreeMap<String, &'static Function>> {
    let mut table = BTreeMap::new();
    for function in functions {
        if let Some(other) = table.insert(function.key(), *function) {
            let place = |f: &Function| format!("{}:{}", f.file, f.line);
            let text = format!(
                "two remote functions have the key `{}`: {} and {}; rename one of them, or put it in a \
                 module of its own",
                function.key(),
                place(other),
                place(function)
            );
            return Err(Error::new(ErrorKind::Config, text));
        }
    }
    Ok(table)
}

/// Refuses a program in which two functions have one key.
pub(crate) fn check() -> Result<()> {
    table().as_ref().map(|_| ()).map_err(Error::clone)
}

/// How functions are named between nodes: a number of their own for each, and the other way round.
struct Numbers {
    functions: HashMap<u64, &'static Function>,
    /// By where a function stands in memory.
    numbers: HashMap<usize, u64>,
}

/// FNV-1a (Fowler, Noll, Vo), with its bits mixed once more at the end.
fn number_of(key: &str) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    Rng::new(key.bytes().fold(0xcbf2_9ce4_8422_2325, fold)).next()
}

fn numbers() -> &'static Numbers {
    static NUMBERS: OnceLock<Numbers> = OnceLock::new();
    NUMBERS.get_or_init(|| {
        let all = table().as_ref().map(|table| table.iter()).into_iter().flatten();
        let all: Vec<_> = all.map(|(key, function)| (number_of(key), *function)).collect();
        let place = |function: &'static Function| std::ptr::from_ref(function).addr();
        Numbers {
            numbers: all.iter().map(|(number, function)| (place(function), *number)).collect(),
            functions: all.into_iter().collect(),
        }
    })
}

/// The number by which other nodes know a function.
pub(crate) fn number(function: &'static Function) -> u64 {
    let place = std::ptr::from_ref(function).addr();
    numbers().numbers.get(&place).copied().unwrap_or_else(|| number_of(&function.key()))
}

/// The function with that number.
pub(crate) fn numbered(number: u64) -> Option<&'static Function> {
    numbers().functions.get(&number).copied()
}

/// The function with this key.
pub(crate) fn find(key: &str) -> Result<&'static Function> {
    let table = table().as_ref().map_err(Error::clone)?;
    table.get(key).copied().ok_or_else(|| {
        let krate = key.split(['@', ':']).next().unwrap_or(key);
        let text = format!(
            "function `{key}` is not in this program; if its crate is a dependency that the binary never \
             names, the linker leaves it out: write `use {krate} as _;` in the binary"
        );
        Error::new(ErrorKind::UnknownFunction, text)
    })
}

/// The remote functions of this program and of the crates that it names, sorted by key. Those that
/// raykit has for itself are left out.
///
/// ```
/// use raykit::prelude::*;
///
/// #[remote]
/// fn double(x: i64) -> i64 {
///     2 * x
/// }
///
/// let double = raykit::functions().into_iter().find(|f| f.name() == "double").unwrap();
/// assert_eq!(double.signature(), "fn double(x: i64) -> i64");
/// ```
pub fn functions() -> Vec<&'static Function> {
    let own = |function: &&'static Function| (function.path)().starts_with("raykit::kit::");
    match table() {
        Ok(table) => table.values().copied().filter(|function| !own(function)).collect(),
        Err(_) => FUNCTIONS.iter().copied().collect(),
    }
}

/// The remote function with this key, as a node finds one that it is asked to run.
///
/// # Errors
///
/// [`ErrorKind::UnknownFunction`] when the program has none; [`ErrorKind::Config`] when two have
/// it.
pub fn function(key: &str) -> Result<&'static Function> {
    find(key)
}
