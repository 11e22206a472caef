//! What other nodes send, as far as the brain reads it, to be tried with any bytes.

use super::event::Event;
use super::machine::{Machine, Welcome};
use super::outbox::{Arrived, Outbox};
use super::wire::{Bytes, Frame, Group, LeaseId, Load, Member, Outcome, Reader, Wire};
use crate::base::fuzz::Target;
use crate::base::moment::Moment;
use crate::base::quantity::{Amount, Resources};
use crate::base::{NodeId, PlacementGroupId, PlacementStrategy, TaskId};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "frame", run: frame, seeds: || frames().iter().map(bytes_of).collect() },
    Target { name: "line", run: line, seeds: || vec![parts(&packets())] },
    Target { name: "brain", run: brain, seeds: conversations },
];

const HEAD: NodeId = NodeId(1);
const NODE: NodeId = NodeId(2);
const OTHER: NodeId = NodeId(3);

fn member(node: NodeId) -> Member {
    Member {
        node,
        name: "häuschen".into(),
        addresses: vec!["127.0.0.1:7000".into()],
        host: 1 << 100,
        driver: false,
        total: resources(),
        labels: vec![("zone".into(), "a".into())],
    }
}

fn resources() -> Resources {
    let named = vec![("disk".into(), Amount(3))];
    Resources { cpu: Amount::ONE, gpu: Amount(5), memory: 9, named, gpus: Vec::new() }
}

fn frames() -> Vec<Frame> {
    let lease = LeaseId { task: TaskId { node: NODE, sequence: 1 << 40 }, attempt: 2 };
    let own = LeaseId { task: TaskId { node: HEAD, sequence: 7 }, attempt: 0 };
    let (object, foreign) = (lease.task.result(3), own.task.result(0));
    let want = resources();
    let load = Load { free: want.clone(), queued: 5, draining: false, suspect: true };
    let bytes: Bytes = Arc::from(&b"some bytes"[..]);
    let results = vec![
        Outcome::Inline(Arc::clone(&bytes), vec![object]),
        Outcome::Large(1 << 33, vec![object]),
        Outcome::Failed(Arc::clone(&bytes), Vec::new()),
        Outcome::Freed,
    ];
    let item = results[0].clone();
    let group = PlacementGroupId { node: NODE, sequence: 4 };
    let (wants, strategy) = (vec![want.clone(), want.clone()], PlacementStrategy::StrictSpread);
    let known = Group { wants: wants.clone(), strategy, homes: vec![Some(NODE), None] };
    let (why, token) = ("silent".to_owned(), 1);
    let (spec, refs) = (Arc::clone(&bytes), vec![object, foreign]);
    vec![
        Frame::Resume { next: 1 },
        Frame::Ack {},
        Frame::Beat { version: 1, load: load.clone() },
        Frame::Joined { version: 4, member: member(OTHER) },
        Frame::Died { version: 5, node: OTHER, why: why.clone() },
        Frame::Loads { loads: vec![(NODE, load)] },
        Frame::Leave { why: why.clone() },
        Frame::Fenced {},
        Frame::Seek { node: OTHER },
        Frame::Probe { head: HEAD, back: true },
        Frame::Heard { node: OTHER },
        Frame::Roster { version: 6, members: vec![member(HEAD)] },
        Frame::AskRoster {},
        Frame::Lease { lease, want: want.clone(), spec, refs, token },
        Frame::Ran { lease: own, results, token },
        Frame::Refused { lease: own, why: bytes },
        Frame::Revoke { lease },
        Frame::Ask { room: 3 },
        Frame::Item { lease: own, item: item.clone(), token },
        Frame::Credit { lease, items: 9 },
        Frame::Borrow { object: foreign, lender: OTHER, token },
        Frame::Lent { token, by: OTHER },
        Frame::Release { object: foreign, count: 2 },
        Frame::Sealed { object, outcome: item, token },
        Frame::Again { object: foreign },
        Frame::Cancel { object: foreign },
        Frame::Want { object: foreign },
        Frame::Unpark { lease },
        Frame::NewGroup { group, wants, strategy, detached: true },
        Frame::EndGroup { group },
        Frame::Reserve { group, attempt: 1, bundle: 0, want },
        Frame::Reserved { group, attempt: 1, bundle: 0 },
        Frame::Unreserve { group, attempt: 1 },
        Frame::GroupLies { group, known },
        Frame::GroupEnded { group, why },
    ]
}

fn bytes_of(frame: &Frame) -> Vec<u8> {
    let mut out = Vec::new();
    frame.put(&mut out);
    out
}

/// Each part with its length in two bytes before it.
fn parts(all: &[Vec<u8>]) -> Vec<u8> {
    let sized = |part: &Vec<u8>| [&(part.len() as u16).to_le_bytes()[..], part].concat();
    all.iter().map(sized).collect::<Vec<_>>().concat()
}

/// The parts again; of the last one what is there.
fn split(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let Some((len, rest)) = bytes.split_first_chunk() {
        let (part, rest) = rest.split_at(usize::from(u16::from_le_bytes(*len)).min(rest.len()));
        all.push(part);
        bytes = rest;
    }
    all
}

fn packet(number: u64, frame: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    (number, 0_u64).put(&mut out);
    out.extend_from_slice(frame);
    out
}

fn packets() -> Vec<Vec<u8>> {
    (1..).zip(frames()).map(|(number, frame)| packet(number, &bytes_of(&frame))).collect()
}

/// What is read is written as it was read, or in the one way in which it is written.
fn frame(bytes: &[u8]) {
    let Some(frame) = Frame::take(&mut Reader::new(bytes)) else { return };
    let written = bytes_of(&frame);
    assert!(written.len() <= bytes.len(), "more was read than there was");
    assert_eq!(Frame::take(&mut Reader::new(&written)), Some(frame));
}

/// Packets of any content on a line that has something to say itself.
fn line(bytes: &[u8]) {
    let mut line = Outbox::new();
    line.up();
    for part in split(bytes) {
        line.send(&Frame::Ask { room: 1 });
        match line.arrived(part) {
            Arrived::Frame(Frame::Resume { next }) => drop(line.resume(next)),
            Arrived::Frame(_) | Arrived::Nothing | Arrived::Broken => drop(line.again()),
        }
        assert!(!line.is_waiting() || line.bytes() > 0);
    }
}

/// First the head hears all frames, then a node does, from the head and from another node.
fn conversations() -> Vec<Vec<u8>> {
    let all: Vec<Vec<u8>> = frames().iter().map(bytes_of).collect();
    let one_by_one =
        all.iter().map(|frame| [&[0], &parts(std::slice::from_ref(frame))[..]].concat());
    // Numbers that are as high as they can be, and references that were never passed on.
    let own = TaskId { node: HEAD, sequence: 7 }.result(0);
    let foreign = TaskId { node: NodeId(77), sequence: 7 }.result(0);
    let (wish, spec) = (resources(), Arc::from(&b""[..]));
    let lease = LeaseId { task: TaskId { node: NODE, sequence: u64::MAX }, attempt: u32::MAX };
    let refs = vec![own, foreign, foreign];
    let highest = [
        Frame::Lease { lease, want: wish, spec, refs, token: u64::MAX },
        Frame::Resume { next: u64::MAX },
        Frame::Release { object: own, count: u64::MAX },
        Frame::Credit { lease, items: u64::MAX },
        Frame::Ask { room: u32::MAX },
    ];
    let highest = highest.each_ref().map(bytes_of);
    (0..4)
        .flat_map(|whom| [&all[..], &highest].map(|some| [&[whom], &parts(some)[..]].concat()))
        .chain(one_by_one)
        .collect()
}

/// Somebody in the cluster says anything: to the head, or (odd) to a node; (2, 3) as another node
/// than the one that it was let in as.
fn brain(bytes: &[u8]) {
    let Some((whom, bytes)) = bytes.split_first() else { return };
    let (me, from) = match whom % 4 {
        0 => (HEAD, NODE),
        1 => (NODE, HEAD),
        2 => (HEAD, OTHER),
        _ => (NODE, OTHER),
    };
    let mut now = Moment(1_000_000_000);
    let members = [member(HEAD), member(NODE), member(OTHER)];
    let first = members.iter().take(if me == HEAD { 1 } else { 3 }).cloned().collect();
    let welcome = Welcome { head: HEAD, version: 1, members: first, gone: vec![NodeId(9)] };
    let mut brain = Machine::new(me, welcome, now);
    if me == HEAD {
        brain.admit(now, member(NODE));
        brain.admit(now, member(OTHER));
    }
    brain.handle(now, Event::Up(from));
    for (number, part) in (1..).zip(split(bytes)) {
        // A first byte that is no frame's lets time pass.
        match part.first() {
            Some(200..) => {
                now = now + Duration::from_millis(u64::from(part[0]) * 10);
                brain.overdue(now);
            }
            _ => brain.handle(now, Event::Arrived(from, packet(number, part).into())),
        }
        while brain.action().is_some() {}
    }
    brain.handle(now, Event::Down { peer: from, sure: true });
    while brain.action().is_some() {}
}

#[cfg(test)]
#[test]
fn any_bytes_do_no_harm() {
    TARGETS.iter().for_each(|target| target.try_all(4_000));
}
