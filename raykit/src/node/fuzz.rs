//! Calls, questions and answers of other nodes, to be tried with any bytes.

use super::cluster::Fetch;
use super::keys::{KeyOrder, Reply};
use super::pack;
use super::report::{ActorState, FunctionState, NodeState, ObjectState, TaskState};
use super::{census, circle, question, request, survey, swarm};
use crate::base::fuzz::Target;
use crate::base::quantity::Resources;
use crate::base::{NodeId, ObjectId, TaskId};
use crate::proto::wire::{Bytes, Reader, Wire};
use crate::task::registry;
use std::sync::Arc;

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "call", run: call, seeds: calls },
    Target { name: "request", run: request, seeds: requests },
    Target { name: "answer", run: answer, seeds: answers },
];

fn bytes_of(put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out);
    out
}

fn call(bytes: &[u8]) {
    let want = Resources::default();
    if let Ok(pack::Wanted::Call(called)) = pack::read_call(bytes, &[], &want, NodeId(2)) {
        assert!(called.method.is_none(), "there is no reference to an actor");
    }
}

fn calls() -> Vec<Vec<u8>> {
    // The fuzzer has one; without any a call is read as far as its function's number.
    let functions = registry::functions();
    let function = functions.first().map(|one| (registry::number(one), one.schema()));
    let name = (String::from("default"), String::from("name"));
    let targets = [
        vec![0],
        bytes_of(|out| (1_u8, ((0_u32, 9_u64), ((true, false), (3_u32, true)))).put(out)),
        vec![2, 0, 0, 0, 0, 1],
        bytes_of(|out| {
            out.push(4);
            question::Question::Claim { name: name.clone(), home: NodeId(3) }.put(out);
        }),
        vec![5, 0, 0, 0, 0],
        // All options of an actor that is to be made.
        [&[3][..], &[0; 90]].concat(),
    ];
    let one = |target: &Vec<u8>| {
        bytes_of(|out| {
            function.unwrap_or_default().put(out);
            (Some(String::from("name")), Some(7_u32)).put(out);
            (Some(60_000_u64), (1_u32, (Some(5_u32), None::<u64>))).put(out);
            out.extend_from_slice(target);
            2_u32.put(out);
            let value: Bytes = Arc::from(&[7; 16][..]);
            (0_u8, (value, Vec::<u32>::new())).put(out);
            (1_u8, 0_u32).put(out);
        })
    };
    targets.iter().map(one).collect()
}

/// As a node reads what is asked of it beside the packets.
fn request(bytes: &[u8]) {
    fn whole<T: Wire>(kind: u8, bytes: &[u8]) {
        if let Some(body) = request::read::<T>(kind, bytes) {
            assert!(bytes.starts_with(&request::write(kind, &body)));
        }
    }
    whole::<KeyOrder>(request::KEYS, bytes);
    whole::<survey::Question>(request::STATE, bytes);
    whole::<circle::Question>(request::CIRCLE, bytes);
    whole::<swarm::Question>(request::SWARM, bytes);
    if let Some(fetch) = Fetch::take(&mut Reader::new(bytes)) {
        assert!(bytes.starts_with(&bytes_of(|out| fetch.put(out))));
    }
    #[cfg(feature = "cluster")]
    {
        whole::<super::courier::Print>(request::PRINT, bytes);
        whole::<super::courier::Wanted>(request::LOG, bytes);
        let _ = super::road::Asks::take(&mut Reader::new(bytes));
    }
}

fn requests() -> Vec<Vec<u8>> {
    let filter =
        census::Filter { state: Some("RUNNING".into()), name: Some("name".into()), limit: 10 };
    let topics = [survey::Topic::Node, survey::Topic::Tasks, survey::Topic::Objects];
    let question = |topic| survey::Question { topic, filter: filter.clone() };
    let task = TaskId { node: NodeId(2), sequence: 7 };
    let object = ObjectId { node: NodeId(2), index: 1, sequence: 7 };
    let lease = crate::proto::wire::LeaseId { task, attempt: 1 };
    let line = ((Some((String::from("name"), task)), true), String::from("a line"));
    let functions = vec![(String::from("crate::function"), 7_u64)];
    let next = swarm::Next {
        object,
        fetch: 3,
        got: vec![1, 2],
        failed: vec![3],
        swap: true,
        starves: false,
    };
    let member = ((NodeId(2), String::from("name")), vec![String::from("127.0.0.1:1")]);
    let mut all: Vec<Vec<u8>> =
        topics.map(|topic| request::write(request::STATE, &question(topic))).into();
    all.extend([
        bytes_of(|out| Fetch::Object(object).put(out)),
        bytes_of(|out| Fetch::Result { lease, index: 2 }.put(out)),
        KeyOrder::List.request(),
        KeyOrder::Revoke("id".into()).request(),
        KeyOrder::Issue { role: "node".into(), ttl_s: Some(9), uses: None }.request(),
        request::write(
            request::CIRCLE,
            &circle::Question { at: circle::At::Lease(lease), by: NodeId(3), goal: 9 },
        ),
        request::write(request::SWARM, &swarm::Question::Next(next)),
        request::write(request::SWARM, &swarm::Question::Piece { object, piece: 7 }),
        // Lines to print, and a question for some.
        request::write(request::PRINT, &((String::from("node"), 7_u32), (vec![line], 1_u64))),
        request::write(request::LOG, &(Some(7_u64), 9_u32)),
        // What a node says of itself that wants to join.
        bytes_of(|out| {
            (7_u64, (member, (1_u128, false))).put(out);
            (Resources::default(), (Vec::<(String, String)>::new(), functions)).put(out);
        }),
    ]);
    all
}

/// As whoever has asked reads the answer; the first byte says what for.
fn answer(bytes: &[u8]) {
    fn rows<T: Wire>(bytes: &[u8]) {
        let _ = census::Found::<T>::take(&mut Reader::new(bytes));
    }
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 10 {
        0 => rows::<NodeState>(bytes),
        1 => rows::<TaskState>(bytes),
        2 => rows::<ActorState>(bytes),
        3 => rows::<ObjectState>(bytes),
        4 => rows::<FunctionState>(bytes),
        5 => drop(Reply::take(&mut Reader::new(bytes))),
        #[cfg(feature = "cluster")]
        6 => drop(<Option<super::courier::LogPart> as Wire>::take(&mut Reader::new(bytes))),
        #[cfg(feature = "cluster")]
        7 => drop(super::road::Told::take(&mut Reader::new(bytes))),
        8 => drop(circle::Answer::take(&mut Reader::new(bytes))),
        9 => drop(swarm::Answer::take(&mut Reader::new(bytes))),
        _ => {}
    }
}

fn answers() -> Vec<Vec<u8>> {
    let some = |kind: u8| [&[kind, 1, 0, 0, 0][..], &[0; 120]].concat();
    let refused = bytes_of(|out| Reply::Refused("no".into()).put(out));
    let mut all: Vec<Vec<u8>> = (0..10).map(some).collect();
    all.push([&[5], &refused[..]].concat());
    all
}

#[cfg(test)]
#[test]
fn any_bytes_do_no_harm() {
    TARGETS.iter().for_each(|target| target.try_all(4_000));
}
