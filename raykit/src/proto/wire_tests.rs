//! Frames on the wire, and bytes that are none.

use super::wire::*;
use crate::base::quantity::{Amount, Resources};
use crate::base::rng::Rng;
use crate::base::{NodeId, PlacementGroupId, PlacementStrategy, TaskId};
use std::sync::Arc;

fn samples() -> Vec<Frame> {
    let task = TaskId { node: NodeId(7), sequence: 1 << 40 };
    let lease = LeaseId { task, attempt: 2 };
    let object = task.result(3);
    let total = Resources {
        cpu: Amount::ONE,
        gpu: Amount(5),
        memory: 9,
        named: vec![("disk".into(), Amount(3))],
        gpus: Vec::new(),
    };
    let member = Member {
        node: NodeId(9),
        name: "häuschen".into(),
        addresses: vec!["127.0.0.1:7000".into(), "[::1]:7000".into()],
        host: 1 << 100,
        driver: true,
        total: total.clone(),
        labels: vec![("zone".into(), "a".into())],
    };
    let load = Load { free: total.clone(), queued: 5, draining: false, suspect: true };
    let bytes: Bytes = Arc::from(&b"some bytes"[..]);
    vec![
        Frame::Resume { next: 3 },
        Frame::Ack {},
        Frame::Beat { version: 3, load: load.clone() },
        Frame::Joined { version: 4, member: member.clone() },
        Frame::Died { version: 5, node: NodeId(1), why: "silent".into() },
        Frame::Loads { loads: vec![(NodeId(1), load)] },
        Frame::Roster { version: 6, members: vec![member] },
        Frame::Lease { lease, want: total, spec: Arc::clone(&bytes), refs: vec![object], token: 1 },
        Frame::Ran {
            lease,
            results: vec![
                Outcome::Inline(Arc::clone(&bytes), vec![object]),
                Outcome::Large(1 << 33, vec![object]),
                Outcome::Failed(bytes, Vec::new()),
                Outcome::Freed,
            ],
            token: 2,
        },
        Frame::Borrow { object, lender: NodeId(2), token: 8 },
        Frame::Release { object, count: 2 },
        Frame::GroupLies {
            group: PlacementGroupId { node: NodeId(3), sequence: 4 },
            known: Group {
                wants: vec![Resources::default()],
                strategy: PlacementStrategy::StrictSpread,
                homes: vec![Some(NodeId(2))],
            },
        },
    ]
}

fn bytes_of(frame: &Frame) -> Vec<u8> {
    let mut out = Vec::new();
    frame.put(&mut out);
    out
}

#[test]
fn frames_come_out_as_they_went_in() {
    for frame in samples() {
        let bytes = bytes_of(&frame);
        let mut reader = Reader::new(&bytes);
        assert_eq!(Frame::take(&mut reader), Some(frame));
        assert!(reader.rest().is_empty());
    }
}

/// Cut short at every place, and with bytes changed at random: a frame or none, and no panic.
#[test]
fn hostile_bytes_give_a_frame_or_none() {
    let mut rng = Rng::new(7);
    for frame in samples() {
        let whole = bytes_of(&frame);
        for len in 0..whole.len() {
            assert_eq!(Frame::take(&mut Reader::new(&whole[..len])), None, "{frame:?} {len}");
        }
        for _ in 0..2_000 {
            let mut bytes = whole.clone();
            let at = rng.below(bytes.len());
            bytes[at] = rng.next() as u8;
            let _ = Frame::take(&mut Reader::new(&bytes));
        }
    }
}

#[test]
fn a_length_beyond_the_bytes_takes_no_memory() {
    let mut bytes = vec![6]; // `Loads`
    u32::MAX.put(&mut bytes);
    assert_eq!(Frame::take(&mut Reader::new(&bytes)), None);
}
