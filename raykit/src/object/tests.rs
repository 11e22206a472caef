//! Round trips of everything, hostile bytes, and the count of references.

use super::codec::Sealed;
use super::error::{Error, ErrorKind};
use super::ledger::Ledger;
use super::raw::RawRef;
use super::reference::ObjectRef;
use super::slot::Slot;
use super::told::error_through_bytes;
use super::value::Value;
use super::{Object, Serde, View};
use crate::base::limits::ARCHIVE_DEPTH_MAX;
use crate::base::rng::Rng;
use crate::base::{NodeId, ObjectId, TaskId};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroU8, NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

fn reference<T>(index: u32) -> ObjectRef<T> {
    let id = ObjectId { node: NodeId(0), index, sequence: 7 };
    ObjectRef::new(RawRef(Arc::new(Slot::new(id, Ledger::open()))))
}

fn claims<T>(reference: &ObjectRef<T>) -> usize {
    Arc::strong_count(&reference.0.0)
}

/// The value as it is after a journey: the bytes are copied and checked.
fn through_bytes<T: Object>(value: &T) -> Result<T, Error> {
    let sent = Sealed::encode(value)?;
    Sealed::from_parts(sent.bytes(), sent.refs().to_vec()).decode()
}

fn check<T: Object + PartialEq + Debug>(value: T) {
    assert_eq!(Sealed::encode(&value).unwrap().decode::<T>().unwrap(), value);
    assert_eq!(through_bytes(&value).unwrap(), value);
    let value = Some(vec![(value.clone(), 1_u8), (value, 2)]);
    assert_eq!(through_bytes(&value).unwrap(), value);
}

#[crate::object]
#[derive(Debug, PartialEq)]
struct Point {
    x: f64,
    y: f64,
}

#[crate::object]
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Unit;

#[crate::object]
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Clone)]
enum Shape {
    Empty,
    Circle(u32),
    Named { name: String, sides: Vec<u8> },
}

#[crate::object]
#[derive(Debug, PartialEq)]
struct List<T> {
    head: T,
    tail: Option<Box<List<T>>>,
}

#[crate::object]
#[derive(Debug, PartialEq, Default)]
struct Tree {
    children: Vec<Self>,
    by_name: HashMap<String, Tree>,
    seen: Vec<ObjectRef<Self>>,
}

#[crate::object]
#[derive(Debug, PartialEq)]
struct Even(Option<Box<Odd>>);

#[crate::object]
#[derive(Debug, PartialEq)]
struct Odd(#[object(shallow)] Box<Even>);

#[test]
fn plain_values() {
    check(());
    check(true);
    check('ß');
    check((i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN));
    check((u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX));
    check((f32::MIN_POSITIVE, f64::NEG_INFINITY));
    check(isize::MIN);
    check((NonZeroU8::MAX, NonZeroU32::MIN, NonZeroUsize::MAX));
    check(Duration::new(u64::MAX, 999_999_999));
    check(1..5_u32);
    check((1..=5_u32, 1.., ..5_u8, ..=5_u8));
    check(IpAddr::from(Ipv4Addr::LOCALHOST));
    check(SocketAddr::from((Ipv6Addr::LOCALHOST, 80)));
}

#[test]
fn a_usize_stays_whole() {
    let large = (1_usize << 33) + 5;
    check(large);
    check(vec![large; 3]);
}

#[test]
fn containers() {
    check("héllo, longer than what lies in place".to_owned());
    check("boxed".to_owned().into_boxed_str());
    check(Box::new(5_u64));
    check(vec!["a".to_owned(), String::new()].into_boxed_slice());
    check(Some(Some(None::<u8>)));
    check(Ok::<u8, String>(1));
    check(Err::<u8, String>("no".into()));
    check(vec![vec![1.5_f64], vec![]]);
    check(VecDeque::from([1_u16, 2, 3]));
    check([[1_u8, 2], [3, 4]]);
    check(HashMap::from([("a".to_owned(), vec![1_u8]), ("b".to_owned(), vec![])]));
    check((0..200).map(|k| (k, k.to_string())).collect::<BTreeMap<u32, String>>());
    check((0..200).map(|k| k.to_string()).collect::<HashSet<String>>());
    check((0..200).collect::<BTreeSet<i64>>());
    check((1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8, 7_u8, 8_u8, 9_u8, 10_u8, 11_u8, "12".to_owned()));
    check(vec![(); 100]);
    check(std::marker::PhantomData::<String>);
}

#[test]
fn types_of_ones_own() {
    check(Point { x: 1.0, y: -0.5 });
    check(Unit);
    check(Shape::Empty);
    check(Shape::Circle(3));
    check(Shape::Named { name: "square".into(), sides: vec![1; 4] });
    check(HashMap::from([(Shape::Circle(1), Unit)]));
    check(BTreeMap::from([(Unit, 5_u8)]));
    check(BTreeSet::from([Shape::Empty, Shape::Circle(1)]));
    let list = List { head: "b".to_owned(), tail: None };
    check(List { head: "a".to_owned(), tail: Some(Box::new(list)) });
    let leaf = || Tree { seen: vec![reference(1)], ..Tree::default() };
    let by_name = HashMap::from([("left".to_owned(), leaf())]);
    check(Tree { children: vec![leaf(), leaf()], by_name, seen: vec![] });
    check(Even(Some(Box::new(Odd(Box::new(Even(None)))))));
}

#[test]
fn plain_structs_are_copied_in_bulk() {
    assert!(<Point as rkyv::Archive>::COPY_OPTIMIZATION.is_enabled());
    assert!(<f64 as rkyv::Archive>::COPY_OPTIMIZATION.is_enabled());
    let points = vec![Point { x: 1.0, y: 2.0 }; 1000];
    let sealed = Sealed::encode(&points).unwrap();
    assert!(sealed.capacity() < 16_000 + 128, "room is made once");
}

#[test]
fn numbers_are_read_in_place() {
    let numbers = vec![1.5_f64, -2.5];
    let sealed = Sealed::encode(&numbers).unwrap();
    let sealed = Sealed::from_parts(sealed.bytes(), vec![]);
    let archived = sealed.open::<Vec<f64>>().unwrap();
    assert_eq!(f64::in_place(archived.as_slice()), Some(&numbers[..]));
    assert_eq!(bool::in_place(&[true]), None);
    assert_eq!(sealed.bytes().as_ptr().addr() % 64, 0);
}

#[test]
fn what_only_has_serde() {
    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    enum Foreign {
        One(u8),
        Two { text: String },
    }
    check(Serde(Foreign::One(1)));
    check(Serde(Foreign::Two { text: "long enough to lie apart".into() }));

    /// Says no when it is written, and when it is read.
    #[derive(Clone, Debug)]
    struct Stubborn;
    impl serde::Serialize for Stubborn {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not today"))
        }
    }
    impl<'de> serde::Deserialize<'de> for Stubborn {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Err(serde::de::Error::custom("not today"))
        }
    }
    let refused = Sealed::encode(&Serde(Stubborn)).map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Encoding);
    let empty = Sealed::encode(&Vec::<u8>::new()).unwrap();
    let refused = Sealed::from_parts(empty.bytes(), vec![]).decode::<Serde<Stubborn>>();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Encoding);
}

#[test]
fn references_keep_their_object() {
    // R11
    let inner: ObjectRef<i64> = reference(1);
    let deep = HashMap::from([("k".to_owned(), vec![Some(([inner.clone()], Shape::Empty))])]);
    assert_eq!(claims(&inner), 2);
    let sealed = Sealed::encode(&deep).unwrap();
    drop(deep);
    assert_eq!(claims(&inner), 2, "the sealed bytes hold one claim");
    let again = sealed.decode::<HashMap<String, Vec<Option<([ObjectRef<i64>; 1], Shape)>>>>();
    let again = again.unwrap();
    assert_eq!(again["k"][0].as_ref().unwrap().0[0], inner);
    drop(sealed);
    assert_eq!(claims(&inner), 2);
    drop(again);
    assert_eq!(claims(&inner), 1);
}

#[test]
fn each_reference_stands_in_the_table_once() {
    for len in [1, 16, 17, 18, 500] {
        let refs: Vec<ObjectRef<u8>> = (0..len).map(reference).collect();
        let twice: Vec<ObjectRef<u8>> = refs.iter().chain(refs.iter().rev()).cloned().collect();
        let sealed = Sealed::encode(&twice).unwrap();
        assert_eq!(sealed.refs().len(), len as usize);
        assert_eq!(sealed.decode::<Vec<ObjectRef<u8>>>().unwrap(), twice);
    }
}

#[test]
fn a_view_reads_in_place_and_outlives_the_rest() {
    let kept: ObjectRef<u8> = reference(3);
    let sealed = Arc::new(Sealed::encode(&(7_u32, vec![kept.clone()])).unwrap());
    let view = View::<(u32, Vec<ObjectRef<u8>>)>::open(sealed).unwrap();
    let copy = view.clone();
    drop(view);
    assert_eq!(copy.0, 7);
    let out: ObjectRef<u8> = copy.reference(&copy.1[0]);
    assert_eq!(out, kept);
    assert_eq!(copy.decode().unwrap().1, vec![kept]);
}

#[test]
#[should_panic(expected = "not a part of this view")]
fn a_view_knows_its_own_references() {
    let open = || {
        let sealed = Sealed::encode(&vec![reference::<u8>(1)]).unwrap();
        View::<Vec<ObjectRef<u8>>>::open(Arc::new(sealed)).unwrap()
    };
    let (one, other) = (open(), open());
    let _ = one.reference(&other[0]);
}

fn list(len: usize) -> List<u8> {
    (0..len)
        .fold(List { head: 0, tail: None }, |tail, _| List { head: 1, tail: Some(Box::new(tail)) })
}

#[test]
fn depth_is_bounded_when_writing_and_when_reading() {
    let deepest = list(ARCHIVE_DEPTH_MAX - 1);
    assert_eq!(through_bytes(&deepest).unwrap(), deepest);

    let error = Sealed::encode(&list(ARCHIVE_DEPTH_MAX)).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encoding);
    assert!(error.to_string().contains("levels deep"), "{error}");

    // A million levels, taken apart by hand since `drop` would go down all of them.
    let mut list = list(1_000_000);
    assert!(Sealed::encode(&list).is_err());
    while let Some(next) = list.tail.take() {
        list = *next;
    }
}

#[test]
fn hostile_depth_is_refused() {
    // X4: nodes that each point to the one before, as no writer here would make them. A node is a
    // byte, the tag of the option and a relative pointer; it is written by rkyv's own rules.
    let two = Sealed::encode(&list(2)).unwrap();
    let node = two.len() / 3;
    let bytes = two.bytes();
    let mut deep = bytes[..node].to_vec();
    for _ in 0..10_000 {
        deep.extend_from_slice(&bytes[node..2 * node]);
    }
    let refused = Sealed::from_parts(&deep, vec![]).decode::<List<u8>>().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Encoding);
    assert!(refused.to_string().contains("levels deep"), "{refused}");
}

#[test]
fn an_index_outside_the_table_is_refused() {
    // X4
    let sealed = Sealed::encode(&vec![reference::<u8>(1), reference(2)]).unwrap();
    let short = Sealed::from_parts(sealed.bytes(), sealed.refs()[..1].to_vec());
    let error = short.open::<Vec<ObjectRef<u8>>>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encoding);
    assert!(error.to_string().contains("reference 1 of 1"), "{error}");
}

type Mixed = (
    Vec<Shape>,
    HashMap<String, (f64, char)>,
    BTreeMap<u16, Vec<bool>>,
    Option<Box<List<String>>>,
    Vec<ObjectRef<u8>>,
    Duration,
    Serde<(String, u32)>,
);

fn mixed() -> Mixed {
    (
        vec![Shape::Empty, Shape::Named { name: "a name of some length".into(), sides: vec![1] }],
        HashMap::from([("key".to_owned(), (1.0, 'k'))]),
        (0..20).map(|k| (k, vec![k % 2 == 0; 3])).collect(),
        Some(Box::new(List { head: "head".into(), tail: None })),
        vec![reference(1), reference(2)],
        Duration::from_millis(1),
        Serde(("serde".into(), 5)),
    )
}

/// Reads the bytes as `T`; whatever comes, it is a value or an error of the right kind.
fn survives<T: Object>(bytes: &[u8], refs: &[RawRef]) {
    if let Err(error) = Sealed::from_parts(bytes, refs.to_vec()).decode::<T>() {
        assert_eq!(error.kind(), ErrorKind::Encoding);
    }
}

#[test]
fn flipped_bits_and_missing_ends() {
    // X4
    let sealed = Sealed::encode(&mixed()).unwrap();
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut bytes = sealed.bytes().to_vec();
            bytes[at] ^= 1 << bit;
            survives::<Mixed>(&bytes, sealed.refs());
        }
        survives::<Mixed>(&sealed.bytes()[..at], sealed.refs());
        survives::<Mixed>(&sealed.bytes()[at..], sealed.refs());
    }
}

#[test]
fn random_bytes() {
    // X4
    let mut rng = Rng::new(11);
    for _ in 0..10_000 {
        let len = (rng.next() % 300) as usize;
        // Small numbers are more often right as lengths, tags and distances.
        let bytes: Vec<u8> = (0..len)
            .map(|_| {
                if rng.next().is_multiple_of(2) { (rng.next() % 4) as u8 } else { rng.next() as u8 }
            })
            .collect();
        survives::<Mixed>(&bytes, &[]);
        survives::<List<String>>(&bytes, &[]);
        survives::<HashMap<u8, Shape>>(&bytes, &[]);
        survives::<BTreeMap<u8, Vec<u64>>>(&bytes, &[]);
    }
}

#[test]
fn bytes_of_another_type_are_refused_or_read() {
    let sealed = Sealed::encode(&"text".to_owned()).unwrap();
    assert_eq!(sealed.open::<Mixed>().map(drop).unwrap_err().kind(), ErrorKind::Encoding);
    assert_eq!(sealed.decode::<String>().unwrap(), "text");
}

#[test]
fn schemas_tell_types_apart() {
    mod other {
        #[crate::object]
        pub(super) struct Point {
            pub(super) y: f64,
            pub(super) x: f64,
        }
    }
    let schemas = [
        Point::SCHEMA,
        other::Point::SCHEMA,
        Unit::SCHEMA,
        Shape::SCHEMA,
        List::<u8>::SCHEMA,
        List::<i8>::SCHEMA,
        Tree::SCHEMA,
        Even::SCHEMA,
        Odd::SCHEMA,
        Vec::<u8>::SCHEMA,
        Vec::<Vec<u8>>::SCHEMA,
        <[u8; 3]>::SCHEMA,
        <[u8; 4]>::SCHEMA,
        <(u8, u16)>::SCHEMA,
        <(u16, u8)>::SCHEMA,
        HashMap::<String, u8>::SCHEMA,
    ];
    assert_eq!(schemas.iter().collect::<HashSet<_>>().len(), schemas.len());
}

#[test]
fn estimates_of_size() {
    assert_eq!(7_u64.heap_bytes(), 0);
    assert_eq!(vec![0_f64; 1000].heap_bytes(), 8000);
    assert_eq!(vec![Point { x: 0.0, y: 0.0 }; 1000].heap_bytes(), 16_000);
    let texts = vec!["0123456789".to_owned(); 1000];
    assert_eq!(texts.heap_bytes(), 1000 * (24 + 10));
    assert_eq!(Shape::Named { name: "abc".into(), sides: vec![0; 4] }.heap_bytes(), 7);
    assert_eq!([const { String::new() }; 4].heap_bytes(), 0);
}

/// The typed error of a function.
#[crate::object]
#[derive(Debug, PartialEq)]
struct Lost {
    at: u32,
    left: Vec<ObjectRef<u8>>,
}
impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "lost at {}", self.at)
    }
}
impl std::error::Error for Lost {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&std::fmt::Error)
    }
}

#[test]
fn an_error_through_bytes() {
    let lost = Lost { at: 4, left: vec![reference(9)] };
    let value = Value::new(lost.clone());
    let id = TaskId { node: NodeId(1), sequence: 2 };
    let error =
        Error::returned(Box::new(lost.clone()), Some(Arc::new(value))).in_task("search", id);
    let arrived = error_through_bytes(&error);
    assert_eq!(format!("{arrived:?}"), format!("{error:?}"));
    assert_eq!((arrived.kind(), arrived.task()), (ErrorKind::Task, Some(("search", id))));
    assert_eq!(arrived.downcast_ref::<Lost>(), Some(&lost));
    assert!(std::error::Error::source(&arrived).is_some());
    drop((error, arrived));
    assert_eq!(claims(&lost.left[0]), 1);

    let plain = error_through_bytes(&Error::new(ErrorKind::Io, "disk full"));
    assert_eq!((plain.kind(), plain.message()), (ErrorKind::Io, "disk full"));
}

fn shapes() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Empty),
        any::<u32>().prop_map(Shape::Circle),
        (".*", any::<Vec<u8>>()).prop_map(|(name, sides)| Shape::Named { name, sides }),
    ]
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = Just(Tree::default());
    leaf.prop_recursive(5, 40, 4, |inner| {
        let children = prop::collection::vec(inner.clone(), 0..4);
        let by_name = prop::collection::hash_map(".{0,12}", inner, 0..3);
        (children, by_name, 0..3_u32).prop_map(|(children, by_name, refs)| Tree {
            children,
            by_name,
            seen: (0..refs).map(reference).collect(),
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_shapes(
        texts in prop::collection::vec(any::<(u8, Option<String>)>(), 0..9),
        shapes in prop::collection::vec(shapes(), 0..9),
    ) {
        let value = (texts, shapes);
        prop_assert_eq!(through_bytes(&value).unwrap(), value);
    }

    #[test]
    fn any_trees(tree in trees()) {
        prop_assert_eq!(through_bytes(&tree).unwrap(), tree);
    }

    #[test]
    fn any_maps(
        map in prop::collection::btree_map(any::<u32>(), any::<(Option<char>, i128, bool)>(), 0..99),
        set in prop::collection::hash_set(".{0,12}", 0..40),
        bits in any::<Vec<u64>>(),
    ) {
        let value = (map, set);
        prop_assert_eq!(through_bytes(&value).unwrap(), value);
        // Every bit pattern of a number stays as it is, those of NaN too.
        let floats: Vec<f64> = bits.iter().map(|bits| f64::from_bits(*bits)).collect();
        let floats = through_bytes(&floats).unwrap();
        prop_assert_eq!(floats.iter().map(|f| f.to_bits()).collect::<Vec<_>>(), bits);
    }
}
