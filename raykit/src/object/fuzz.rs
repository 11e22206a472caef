//! Archives and errors from elsewhere, to be tried with any bytes.

use super::codec::Sealed;
use super::error::{Error, ErrorKind};
use super::kept::Counted;
use super::ledger::Ledger;
use super::raw::RawRef;
use super::reference::ObjectRef;
use super::serde::Serde;
use super::value::Value;
use super::{Object, told};
use crate::base::fuzz::Target;
use crate::base::{NodeId, ObjectId};
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;
use std::time::Duration;

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "archive", run: archive, seeds: archives },
    Target { name: "told", run: error, seeds: errors },
];

/// A type that contains itself.
#[crate::object]
enum Tree {
    Leaf,
    Text(String),
    Node(Vec<Tree>),
}

type Refs = HashMap<String, Vec<Option<(ObjectRef<i64>, u8)>>>;
type Plain = (BTreeMap<u32, Box<str>>, Option<char>, bool, Duration, std::net::SocketAddr);
type Loose = Serde<Vec<(String, Option<i32>)>>;
type Outcome = std::result::Result<Vec<f64>, [u16; 3]>;

/// As many references as a table is to have.
fn references(count: u8) -> Vec<RawRef> {
    static LEDGER: OnceLock<&Ledger> = OnceLock::new();
    let ledger = LEDGER.get_or_init(Ledger::open);
    let reference = |index| {
        let id = ObjectId { node: NodeId(1), index, sequence: 7 };
        Counted::new(ledger, Value::new(1_i64)).refer(id)
    };
    (0..u32::from(count % 4)).map(reference).collect()
}

/// What can be read can be written, and read again.
fn read<T: Object>(bytes: &[u8], refs: Vec<RawRef>) {
    let sealed = Sealed::from_parts(bytes, refs);
    if let Ok(value) = sealed.decode::<T>() {
        let again = Sealed::encode(&value).expect("what was read");
        assert!(Sealed::from_parts(again.bytes(), again.refs().to_vec()).decode::<T>().is_ok());
    }
}

/// The first byte says which type, the second how many references there are.
fn archive(bytes: &[u8]) {
    let [kind, count, bytes @ ..] = bytes else { return };
    let refs = references(*count);
    match kind % 6 {
        0 => read::<Tree>(bytes, refs),
        1 => read::<Refs>(bytes, refs),
        2 => read::<Plain>(bytes, refs),
        3 => read::<Loose>(bytes, refs),
        4 => read::<Outcome>(bytes, refs),
        _ => read::<Vec<String>>(bytes, refs),
    }
}

fn seed<T: Object>(kind: u8, value: &T) -> Vec<u8> {
    let sealed = Sealed::encode(value).expect("a small value");
    [&[kind, 3], sealed.bytes()].concat()
}

fn archives() -> Vec<Vec<u8>> {
    let tree = Tree::Node(vec![
        Tree::Leaf,
        Tree::Text("a text that is longer".into()),
        Tree::Node(vec![Tree::Leaf]),
    ]);
    let [one, other] = [0, 1].map(|at| ObjectRef::new(references(2)[at].clone()));
    let refs: Refs = HashMap::from([("key".into(), vec![Some((one, 7)), None, Some((other, 8))])]);
    let address = ([127, 0, 0, 1], 7).into();
    let plain: Plain =
        (BTreeMap::from([(7, "text".into())]), Some('ä'), true, Duration::from_nanos(7), address);
    vec![
        seed(0, &tree),
        seed(1, &refs),
        seed(2, &plain),
        seed::<Loose>(3, &Serde(vec![("text".into(), Some(-7))])),
        seed::<Outcome>(4, &Ok(vec![1.0, 2.0])),
        seed::<Outcome>(4, &Err([1, 2, 3])),
        seed(5, &vec!["a text that is longer".to_owned(), String::new()]),
    ]
}

fn error(bytes: &[u8]) {
    let Some((count, bytes)) = bytes.split_first() else { return };
    let error = told::read(bytes, references(*count));
    let _ = format!("{error} {error:?}");
    assert!(told::write(&error).is_ok());
}

fn errors() -> Vec<Vec<u8>> {
    let cause = std::io::Error::other("the cause");
    let own = Error::new(ErrorKind::Task, "why");
    [Error::from(cause), own]
        .iter()
        .map(|error| {
            let sealed = told::write(error).expect("a text");
            [&[3], sealed.bytes()].concat()
        })
        .collect()
}

#[cfg(test)]
#[test]
fn any_bytes_do_no_harm() {
    TARGETS.iter().for_each(|target| target.try_all(4_000));
}
