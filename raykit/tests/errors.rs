//! Errors: what a failed call tells, to whom, and what it does not harm.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

mod common;

use common::{Gate, all_clear, error, node, note, pass, value};
use raykit::prelude::*;
use raykit::{Config, ErrorKind};
use std::error::Error as _;
use std::fmt;

#[object]
#[derive(Debug, PartialEq)]
enum Trouble {
    Empty,
    TooLong { len: usize, text: String },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Empty => f.write_str("nothing there"),
            Trouble::TooLong { len, .. } => write!(f, "{len} are too many"),
        }
    }
}
impl std::error::Error for Trouble {}

#[remote]
fn typed(text: &str) -> Result<usize, Trouble> {
    match text.len() {
        0 => Err(Trouble::Empty),
        len @ 1..4 => Ok(len),
        len => Err(Trouble::TooLong { len, text: text.to_owned() }),
    }
}

#[remote]
fn contextual(path: &str) -> anyhow::Result<u64> {
    use anyhow::Context as _;
    let text = std::fs::read_to_string(path).context("no settings")?;
    Ok(text.trim().parse::<u64>()?)
}

#[remote]
fn double(x: usize) -> usize {
    2 * x
}

#[remote]
fn counts(x: usize, log: u64) -> usize {
    note(log, x as i64);
    x
}

/// T4: the error is the value, whoever reads it and however often.
#[test]
fn the_functions_own_error_comes_back() {
    let node = node(2);
    let _here = node.enter();
    let failed = typed::remote("four");
    for reference in [failed.clone(), failed.clone()] {
        let error = error(&reference);
        assert_eq!((error.kind(), error.message()), (ErrorKind::Task, "4 are too many"));
        assert!(error.is_task_error() && !error.is_panic() && !error.is_timeout());
        let own = error.downcast_ref::<Trouble>().unwrap();
        assert_eq!(*own, Trouble::TooLong { len: 4, text: "four".into() });
        let (name, id) = error.task().unwrap();
        assert_eq!((name, id.to_string().is_empty()), ("typed", false));
        assert!(error.to_string().starts_with("task `typed` ("), "{error}");
    }
    assert!(failed.shared().unwrap_err().downcast_ref::<Trouble>().is_some());
    assert!(failed.view().unwrap_err().downcast_ref::<Trouble>().is_some());
    assert_eq!(value(&typed::remote("abc")).unwrap(), 3);
    assert_eq!(error(&typed::remote("")).downcast_ref::<Trouble>(), Some(&Trouble::Empty));
}

#[remote]
fn number(text: &str) -> Result<i64, std::num::ParseIntError> {
    text.parse()
}

/// One that is no object is itself where function and caller share a process.
#[test]
fn an_error_of_any_type_comes_back_in_one_process() {
    let node = raykit::Config::new().num_cpus(2).always_encode(false).start().unwrap();
    let _here = node.enter();
    for failed in [number::remote("four"), number::options().max_retries(2).remote("five")] {
        let error = failed.get().unwrap_err();
        assert!(error.downcast_ref::<std::num::ParseIntError>().is_some(), "{error}");
    }
}

/// T4
#[test]
fn the_chain_of_causes_comes_back_as_text() {
    let node = node(1);
    let _here = node.enter();
    let error = error(&contextual::remote("/no/such/file"));
    assert_eq!(error.message(), "no settings");
    let cause = error.source().unwrap().to_string();
    assert!(cause.contains("No such file"), "{cause}");
    let debug = format!("{error:?}");
    assert!(debug.contains("no settings") && debug.contains("caused by: No such file"), "{debug}");
    let converted = anyhow::Error::from(error);
    assert!(format!("{converted:#}").contains("`contextual`"), "{converted:#}");
}

/// T15
#[test]
fn dependants_fail_with_the_cause_and_do_not_run() {
    let node = node(2);
    let _here = node.enter();
    let log = Gate::new();
    let failed = typed::remote("");
    let first = counts::remote(&failed, log.id);
    let second = counts::remote(double::remote(&first), log.id);
    let third = counts::options().num_cpus(0.5).remote(&second, log.id);
    for dependant in [first, second, third] {
        let error = error(&dependant);
        assert_eq!(error.downcast_ref::<Trouble>(), Some(&Trouble::Empty));
        assert!(error.to_string().contains("`typed`"), "the cause is named: {error}");
    }
    assert!(log.notes().is_empty());
    drop(failed);
    all_clear(2);
}

#[remote]
fn joined(xs: Vec<ObjectRef<usize>>, _gate: u64) -> usize {
    xs.len()
}

#[remote]
fn many(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> usize {
    a + b + c + d + e + f
}

#[remote]
fn held(gate: u64) -> usize {
    pass(gate);
    1
}

/// T15: one failed argument is enough, whatever the others do.
#[test]
fn a_failed_argument_settles_the_call_at_once() {
    let node = node(2);
    let _here = node.enter();
    let gate = Gate::new();
    let never = held::remote(gate.id);
    gate.await_arrivals(1);
    let failed = typed::remote("");
    let call = many::remote(&never, 1, &never, 2, &failed, &never);
    assert_eq!(error(&call).downcast_ref::<Trouble>(), Some(&Trouble::Empty));
    assert!(!never.is_ready());
    // A reference inside a value is not an argument: the call runs.
    assert_eq!(value(&joined::remote(vec![failed, never.clone()], gate.id)).unwrap(), 2);
    gate.open();
}

/// L28 for `get`: the first error in the order of the list, and no wait for what comes after it.
#[test]
fn get_of_many_gives_the_first_error() {
    let node = node(2);
    let _here = node.enter();
    let gate = Gate::new();
    let never = held::remote(gate.id);
    let refs = [typed::remote("ab"), typed::remote(""), never.clone(), typed::remote("long")];
    common::ready(&refs[3]);
    let error = raykit::get(&refs).unwrap_err();
    assert_eq!(error.downcast_ref::<Trouble>(), Some(&Trouble::Empty));
    let error = raykit::get((&refs[0], &[&refs[1], &never])).unwrap_err();
    assert_eq!(error.downcast_ref::<Trouble>(), Some(&Trouble::Empty));
    gate.open();
}

#[remote]
fn long_text(bytes: usize) -> Result<(), String> {
    Err("é".repeat(bytes / 2))
}

#[object]
#[derive(Debug)]
struct HugeError {
    bytes: Vec<u8>,
}
impl fmt::Display for HugeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "huge: {}", "y".repeat(self.bytes.len()))
    }
}
impl std::error::Error for HugeError {}

#[remote]
fn huge_error() -> Result<(), HugeError> {
    Err(HugeError { bytes: vec![1; 3 << 20] })
}

#[derive(Clone, Debug)]
struct Unwritable;

impl serde::Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("cannot be written"))
    }
}
impl<'de> serde::Deserialize<'de> for Unwritable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("cannot be read"))
    }
}

#[object]
#[derive(Debug)]
struct UnwritableError {
    inner: Serde<Unwritable>,
}
impl fmt::Display for UnwritableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text can be written")
    }
}
impl std::error::Error for UnwritableError {}

#[remote]
fn unwritable_error() -> Result<(), UnwritableError> {
    Err(UnwritableError { inner: Serde(Unwritable) })
}

#[remote]
fn unwritable_value() -> Serde<Unwritable> {
    Serde(Unwritable)
}

/// T6, with and without the journey through bytes.
#[test]
fn huge_and_unwritable_errors_are_told_by_their_text() {
    for encode in [false, true] {
        let node = Config::new().num_cpus(1).always_encode(encode).start().unwrap();
        let _here = node.enter();
        let found = error(&long_text::remote(2 << 20));
        assert_eq!(found.kind(), ErrorKind::Task);
        assert!(found.message().starts_with("éé") && found.message().len() <= (512 << 10) + 16);
        let found = error(&huge_error::remote());
        assert_eq!(found.kind(), ErrorKind::Task);
        assert!(found.message().starts_with("huge: yyy"));
        assert!(found.message().len() <= (512 << 10) + 16, "{}", found.message().len());
        let found = error(&unwritable_error::remote());
        assert_eq!(found.kind(), ErrorKind::Task, "{found}");
        assert_eq!(found.message(), "the text can be written");
        assert_eq!(value(&typed::remote("abc")).unwrap(), 3, "the worker lives");
        all_clear(1);
    }
    // A value that cannot be written is an error where it has to be, and names the task.
    let node = Config::new().num_cpus(1).always_encode(true).start().unwrap();
    let _here = node.enter();
    let found = error(&unwritable_value::remote());
    assert_eq!(found.kind(), ErrorKind::Encoding);
    assert!(found.to_string().contains("`unwritable_value`"), "{found}");
    assert!(raykit::put(Serde(Unwritable)).is_err());
    all_clear(1);
}

#[remote]
fn panics(how: u8) -> u8 {
    match how {
        0 => panic!("plain"),
        1 => panic!("formatted {how}"),
        2 => std::panic::panic_any(7_u32),
        3 => [0_u8; 3][usize::from(how)],
        4 => std::env::var_os("NO_SUCH_VARIABLE").map(|_| 0).unwrap(),
        _ => how,
    }
}

#[test]
fn every_kind_of_panic_is_an_error() {
    let node = node(1);
    let _here = node.enter();
    for (how, text) in [
        (0, "plain, at raykit/tests/errors.rs"),
        (1, "formatted 1, at"),
        (2, "a panic whose payload is no text, at"),
        (3, "index out of bounds"),
        (4, "`Option::unwrap()` on a `None` value"),
    ] {
        let error = error(&panics::remote(how));
        assert!(error.is_panic());
        assert!(error.message().contains(text), "{error}");
        assert!(error.to_string().starts_with("task `panics` ("), "{error}");
    }
    assert_eq!(value(&panics::remote(5)).unwrap(), 5);
    assert_eq!(error(&panics::options().name("own").remote(0)).task().unwrap().0, "own");
}

#[remote]
fn passes_on(how: u8) -> Result<u8, raykit::Error> {
    Ok(panics::remote(how).get()? + 1)
}

#[test]
fn an_error_that_is_passed_on_names_both_tasks() {
    let node = node(1);
    let _here = node.enter();
    let error = error(&passes_on::remote(0));
    let text = error.to_string();
    assert!(text.contains("`passes_on`") && text.contains("`panics`"), "{text}");
    assert!(text.contains("plain"), "{text}");
    assert_eq!(value(&passes_on::remote(5)).unwrap(), 6);
}

#[remote]
fn asks() {}

#[test]
fn options_without_a_meaning_are_errors_of_the_call() {
    let node = node(1);
    let _here = node.enter();
    for (reference, name) in [
        (asks::options().num_cpus(-1.0).remote(), "num_cpus"),
        (asks::options().num_cpus(f64::NAN).remote(), "num_cpus"),
        (asks::options().num_gpus(0.00001).remote(), "num_gpus"),
        (asks::options().resource("disk", f64::INFINITY).remote(), "disk"),
    ] {
        let error = error(&reference);
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(
            error.to_string().contains(name) && error.to_string().contains("`asks`"),
            "{error}"
        );
    }
    all_clear(1);
}
