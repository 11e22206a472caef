//! What one member says of things that are between others, or says once too often.

use super::event::{Action, Event, Offer, Wish};
use super::machine::{Machine, Welcome};
use super::wire::{Frame, LeaseId, Member, Wire};
use crate::base::moment::Moment;
use crate::base::quantity::Resources;
use crate::base::{NodeId, TaskId};
use std::sync::Arc;

const HEAD: NodeId = NodeId(1);
const NODE: NodeId = NodeId(2);
const OTHER: NodeId = NodeId(3);
const LIAR: NodeId = NodeId(4);

fn member(node: NodeId) -> Member {
    Member {
        node,
        name: String::new(),
        addresses: Vec::new(),
        host: 0,
        driver: false,
        total: Resources::NOTHING,
        labels: Vec::new(),
    }
}

/// A brain that has links to all others, and what it wants done from then on.
fn brain(me: NodeId) -> Machine {
    let members = [HEAD, NODE, OTHER, LIAR].map(member).to_vec();
    let welcome = Welcome { head: HEAD, version: 1, members, gone: Vec::new() };
    let mut brain = Machine::new(me, welcome, Moment(0));
    for peer in [HEAD, NODE, OTHER, LIAR].into_iter().filter(|peer| *peer != me) {
        brain.handle(Moment(0), Event::Up(peer));
    }
    while brain.action().is_some() {}
    brain
}

fn hears(brain: &mut Machine, from: NodeId, frame: &Frame) -> Vec<Action> {
    let mut packet = Vec::new();
    (0_u64, 0_u64).put(&mut packet);
    frame.put(&mut packet);
    brain.handle(Moment(1), Event::Arrived(from, packet.into()));
    std::iter::from_fn(|| brain.action()).collect()
}

fn lease(node: NodeId) -> LeaseId {
    LeaseId { task: TaskId { node, sequence: 7 }, attempt: 0 }
}

#[test]
fn an_attempt_that_is_lent_once_more_runs_once() {
    let mut brain = brain(NODE);
    let (want, spec, refs) = (Resources::NOTHING, Arc::from(&b""[..]), Vec::new());
    let frame = Frame::Lease { lease: lease(LIAR), want, spec, refs, token: 1 };
    let runs = |actions: &[Action]| {
        actions.iter().filter(|action| matches!(action, Action::Run { .. })).count()
    };
    assert_eq!(runs(&hears(&mut brain, LIAR, &frame)), 1);
    assert_eq!(runs(&hears(&mut brain, LIAR, &frame)), 0);
    brain.handle(Moment(2), Event::Ran { lease: lease(LIAR), results: Vec::new() });
    assert_eq!(runs(&hears(&mut brain, LIAR, &frame)), 1, "the first one is over");
}

/// A reference that was passed on is kept until its owner, or who has got it, says that it is known.
#[test]
fn nobody_else_says_that_a_reference_is_known() {
    let object = lease(HEAD).task.result(0);
    let lets = |actions: &[Action]| actions.contains(&Action::Let(object));
    let lies = [
        (LIAR, LIAR),
        (LIAR, OTHER),
        // What the owner says to whomever a borrower names.
        (HEAD, LIAR),
    ];
    for (from, by) in [(OTHER, OTHER), (HEAD, OTHER)] {
        let mut brain = brain(NODE);
        let (want, spec, refs) = (Resources::NOTHING, Arc::from(&b""[..]), vec![object]);
        let frame = Frame::Lease { lease: lease(HEAD), want, spec, refs, token: 1 };
        hears(&mut brain, HEAD, &frame);
        let call = Offer {
            lease: lease(NODE),
            want: Resources::NOTHING,
            wish: Wish::At { node: OTHER, soft: false },
            labels: Arc::from([]),
            holds: false,
            spec: Arc::from(&b""[..]),
            refs: vec![object],
        };
        brain.handle(Moment(1), Event::Call(Box::new(call)));
        brain.handle(Moment(1), Event::Withdraw(lease(NODE)));
        while let Some(action) = brain.action() {
            assert!(!lets(&[action]), "nobody has said anything");
        }
        let [(token, ..)] = brain.passed()[..] else { panic!("it is passed on") };
        for (from, by) in lies {
            assert!(!lets(&hears(&mut brain, from, &Frame::Lent { token, by })), "{from} {by}");
        }
        assert!(lets(&hears(&mut brain, from, &Frame::Lent { token, by })), "{from} {by}");
    }
}
