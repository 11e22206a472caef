//! What may go wrong on the road between brains, and with those that are on it.

use super::event::{Action, Event};
use super::town::{
    ENDLESS, ENDS, HEAD, NODE, OTHER, REFUSED, Town, Trouble, cpus, lease, loose, offer, outcome,
};
use super::wire::{Frame, Group, LeaseId, Load, Reader, Wire};
use crate::base::limits::{BEAT_MS, DEAD_MS, HEAD_LOST_MS, RESEND_MS, SUSPECT_MS};
use crate::base::{NodeId, PlacementGroupId, PlacementStrategy};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Tasks that go to and fro, one that is not wanted as soon as it is sent, one that is turned down,
/// a node that comes, a group that comes and goes, and a node that leaves. What was done, sorted.
fn story(trouble: Option<(usize, Trouble)>) -> (Vec<String>, usize) {
    let mut town = Town::new(2);
    town.trouble = trouble;
    let calls = [(NODE, ENDS), (OTHER, ENDS), (NODE, REFUSED), (OTHER, ENDLESS)];
    for (sequence, (at, spec)) in (0..).zip(calls) {
        town.hears(HEAD, Event::Offer(offer(lease(HEAD, sequence), at, spec)));
    }
    town.hears(HEAD, Event::Withdraw(lease(HEAD, 3)));
    town.tell(NODE, Event::Offer(offer(lease(NODE, 0), OTHER, ENDS)));
    let group = PlacementGroupId { node: NODE, sequence: 9 };
    let known = Group {
        wants: vec![cpus(1); 3],
        strategy: PlacementStrategy::StrictSpread,
        homes: Vec::new(),
    };
    for node in [HEAD, NODE, OTHER] {
        let load = Load { free: cpus(4), ..Load::default() };
        town.tell(node, Event::Load(load));
    }
    town.tell(NODE, Event::NewGroup { group, known, detached: false });
    town.pass(3 * RESEND_MS);
    town.tell(NODE, Event::EndGroup(group));
    town.pass(3 * RESEND_MS);
    town.join(NodeId(4));
    town.pass(3 * RESEND_MS);
    town.tell(OTHER, Event::Leave("it was told to".to_owned()));
    town.pass(RESEND_MS);
    let sent = town.sent;
    town.pass(HEAD_LOST_MS + 2 * BEAT_MS);
    town.brains.remove(&OTHER); // it has gone
    assert!(town.is_at_rest(), "{trouble:?}");
    let mut done: Vec<_> =
        town.wanted.iter().filter_map(|(node, action)| told(*node, action)).collect();
    done.sort();
    (done, sent)
}

/// What is to be done. Where a bundle comes to lie, and at which attempt, is left out.
fn told(node: NodeId, action: &Action) -> Option<String> {
    match action {
        Action::Reserve { .. } | Action::Unreserve { .. } => None,
        Action::GroupLies { group, known } => {
            Some(format!("{node} GroupLies {group} {}", known.homes(None).len()))
        }
        Action::Alone { .. } => Some(format!("{node} Alone")), // it is told, or finds out
        other => Some(format!("{node} {other:?}")),
    }
}

/// P1, P3, P4, S5, S10, N16: any one packet of a story is lost, comes twice, comes too late, or
/// takes its link with it: all is done that is done without it, and no more often.
#[test]
fn each_packet_may_be_lost_once() {
    let (expected, sent) = story(None);
    let done = |what: &str| expected.iter().filter(|one| one.contains(what)).count();
    assert_eq!([done("Settle"), done("TurnedDown"), done("Stop")], [3, 1, 1], "{expected:#?}");
    assert_eq!((done("Gone {"), done("GroupEnded")), (3, 3), "{expected:#?}");
    assert!(sent > 50, "{sent}");
    for at in 0..sent {
        for trouble in [Trouble::Lost, Trouble::Twice, Trouble::Late, Trouble::Cut] {
            let done = story(Some((at, trouble))).0;
            let more: Vec<_> = done.iter().filter(|one| !expected.contains(one)).collect();
            assert!(done == expected, "{trouble:?} {at}: {done:#?} {more:#?}");
        }
    }
}

/// S6: a task that runs elsewhere is withdrawn at any moment: either it has ended before, or
/// nothing is heard of it any more.
#[test]
fn what_is_withdrawn_has_one_end() {
    let mut ends = BTreeSet::new();
    for packets in 0..12 {
        let mut town = Town::new(1);
        town.pass(BEAT_MS);
        town.hears(HEAD, Event::Offer(offer(lease(HEAD, 0), NODE, ENDS)));
        town.carry(packets);
        let settled = |town: &Town| {
            town.count(|node, action| node == HEAD && matches!(action, Action::Settle { .. }))
        };
        let before = settled(&town);
        town.tell(HEAD, Event::Withdraw(lease(HEAD, 0)));
        town.pass(RESEND_MS);
        assert_eq!(settled(&town), before, "{packets}");
        assert!(town.is_at_rest(), "{packets}");
        ends.insert(before);
    }
    assert_eq!(ends, BTreeSet::from([0, 1]));
}

/// P5, P6: a node that goes says so ten times, its link ends, and there are signs of its death: it
/// is gone once, and what it says afterwards changes nothing.
#[test]
fn who_goes_many_times_is_gone_once() {
    let mut town = Town::new(2);
    let version = town.brain(HEAD).version();
    town.trouble = Some((town.sent, Trouble::Lost));
    for _ in 0..10 {
        town.tell(NODE, Event::Leave("it was told to".to_owned()));
    }
    assert_eq!(town.deaths_of(NODE, HEAD), 0, "the first word was lost");
    town.pass(2 * RESEND_MS);
    town.tell(HEAD, Event::Down { peer: NODE, sure: true });
    town.tell(HEAD, Event::Doubt { node: NODE, near: true });
    town.tell(NODE, Event::Leave("it was told to".to_owned()));
    town.pass(2 * DEAD_MS);
    assert_eq!((town.deaths_of(NODE, HEAD), town.deaths_of(NODE, OTHER)), (1, 1));
    assert_eq!(town.brain(HEAD).version(), version + 1);
}

/// N9, S3, S7: who has taken a task and is declared dead has lost it, once. What it says of it
/// later is answered, and not heard; the next attempt is somebody else's.
#[test]
fn the_dead_are_answered_and_not_heard() {
    let mut town = Town::new(2);
    let first = lease(HEAD, 0);
    town.tell(HEAD, Event::Offer(offer(first, NODE, ENDLESS)));
    town.silent.insert(NODE);
    town.pass(DEAD_MS + 2 * BEAT_MS);
    let lost = |node, action: &Action| node == HEAD && matches!(action, Action::Lost { .. });
    assert_eq!(town.count(lost), 1);
    let second = LeaseId { attempt: 1, ..first };
    town.tell(HEAD, Event::Offer(offer(second, OTHER, ENDLESS)));
    town.tell(HEAD, Event::Up(NODE));
    let (results, version) = (vec![outcome()], town.brain(HEAD).version());
    let (want, spec) = (cpus(1), Arc::from(ENDS));
    let frames = [
        Frame::Ran { lease: first, results: results.clone(), token: 1 },
        Frame::Ran { lease: second, results: results.clone(), token: 1 },
        Frame::Item { lease: second, item: outcome(), token: 1 },
        Frame::Refused { lease: second, why: Arc::from(&b"no"[..]) },
        Frame::Lease { lease: lease(NODE, 0), want, spec, refs: Vec::new(), token: 1 },
        Frame::Leave { why: "it was told to".to_owned() },
        Frame::Beat { version, load: Load::default() },
    ];
    for frame in frames {
        town.hears(HEAD, Event::Arrived(NODE, loose(&frame)));
        let actions: Vec<_> = std::iter::from_fn(|| town.brain(HEAD).action()).collect();
        let [Action::Send(NODE, packet)] = &actions[..] else { panic!("{frame:?}: {actions:?}") };
        let mut reader = Reader::new(packet);
        assert!(<(u64, u64)>::take(&mut reader).is_some());
        assert_eq!(Frame::take(&mut reader), Some(Frame::Fenced {}));
    }
    town.tell(OTHER, Event::Ran { lease: second, results });
    let settled = |_, action: &Action| matches!(action, Action::Settle { .. });
    assert_eq!(town.count(settled), 1);
}

/// N12, Q8: of nodes that have come and gone, in whatever manner, only their numbers are left.
#[test]
fn nodes_that_come_and_go_leave_no_records() {
    let mut town = Town::new(1);
    town.pass(BEAT_MS);
    let before = [HEAD, NODE].map(|node| town.brain(node).records());
    for (at, sequence) in (10..110).zip(0..) {
        let guest = NodeId(at);
        town.join(guest);
        town.tell(guest, Event::Load(Load { free: cpus(4), ..Load::default() }));
        town.tell(HEAD, Event::Offer(offer(lease(HEAD, sequence), guest, ENDS)));
        town.tell(guest, Event::Offer(offer(lease(guest, sequence), NODE, ENDS)));
        match at % 3 {
            0 => town.tell(guest, Event::Leave("it was told to".to_owned())),
            1 => town.tell(HEAD, Event::Down { peer: guest, sure: true }),
            _ => drop(town.silent.insert(guest)),
        }
        town.pass(DEAD_MS + 2 * BEAT_MS);
        town.brains.remove(&guest);
        // It does not know, and tries once more.
        for node in [HEAD, NODE] {
            town.tell(node, Event::Up(guest));
            town.tell(node, Event::Down { peer: guest, sure: false });
        }
    }
    town.pass(2 * RESEND_MS);
    assert_eq!([HEAD, NODE].map(|node| town.brain(node).records()), before);
    assert!(town.is_at_rest());
}

/// N13: a node that has stood still for too long and goes on has no cluster by its own clock, and
/// does nothing of what has come meanwhile.
#[test]
fn who_stood_still_for_too_long_fences_itself() {
    let mut town = Town::new(1);
    town.pass(BEAT_MS);
    let later = town.now + Duration::from_millis(HEAD_LOST_MS + BEAT_MS);
    let node = town.brain(NODE);
    node.overdue(later);
    let (want, spec) = (cpus(1), Arc::from(ENDS));
    let frame = Frame::Lease { lease: lease(HEAD, 0), want, spec, refs: Vec::new(), token: 1 };
    node.handle(later, Event::Arrived(HEAD, loose(&frame)));
    let actions: Vec<_> = std::iter::from_fn(|| node.action()).collect();
    assert!(actions.iter().any(|action| matches!(action, Action::Alone { .. })), "{actions:?}");
    assert!(!actions.iter().any(|action| matches!(action, Action::Run { .. })), "{actions:?}");
}

/// N18: half of all nodes die at once, with work of others: all that live agree on who is left, and
/// what was lost is told once.
#[test]
fn half_of_all_may_die_at_once() {
    let mut town = Town::new(7);
    let dead = [2, 4, 6, 8].map(NodeId);
    for (sequence, node) in (0..).zip(dead) {
        town.tell(HEAD, Event::Offer(offer(lease(HEAD, sequence), node, ENDLESS)));
    }
    town.silent.extend(dead);
    town.pass(DEAD_MS + 2 * BEAT_MS);
    let version = town.brain(HEAD).version();
    for living in [1, 3, 5, 7].map(NodeId) {
        assert_eq!(town.brain(living).version(), version);
        assert!(dead.into_iter().all(|node| town.deaths_of(node, living) == 1), "{living}");
        let members: Vec<u32> = town.brain(living).members().map(|member| member.node.0).collect();
        assert_eq!(members, [1, 3, 5, 7]);
    }
    let lost = |node, action: &Action| node == HEAD && matches!(action, Action::Lost { .. });
    assert_eq!(town.count(lost), dead.len());
}

/// S12: whatever was lent to a node that dies is told as lost once, and what waits for it goes
/// elsewhere.
#[test]
fn what_was_queued_for_a_dead_node_goes_elsewhere() {
    const TASKS: u64 = 20_000;
    let mut town = Town::new(2);
    town.silent.insert(NODE);
    for sequence in 0..TASKS {
        let task = offer(lease(HEAD, sequence), NODE, ENDS);
        let call = sequence % 2 == 0;
        town.hears(HEAD, if call { Event::Call(task) } else { Event::Offer(task) });
    }
    town.pass(DEAD_MS + 2 * BEAT_MS);
    let mut again = Vec::new();
    for (_, action) in &town.wanted {
        if let Action::Lost { lease, by: NODE, .. } = action {
            again.push(*lease);
        }
    }
    assert!(again.len() as u64 > TASKS / 2, "each call was sent at once");
    for lost in again {
        town.hears(HEAD, Event::Offer(offer(LeaseId { attempt: 1, ..lost }, NODE, ENDS)));
    }
    town.pass(RESEND_MS);
    let mut done: Vec<u64> = Vec::new();
    for (node, action) in &town.wanted {
        match action {
            Action::Settle { lease, by: OTHER, .. } if *node == HEAD => {
                done.push(lease.task.sequence);
            }
            Action::Keep(offer) => done.push(offer.lease.task.sequence),
            _ => {}
        }
    }
    done.sort_unstable();
    assert_eq!(done, (0..TASKS).collect::<Vec<_>>());
}

/// S14: nobody gives anything to a node that is about to go, or that was not heard of for a while.
#[test]
fn nothing_is_given_to_who_goes_or_is_in_doubt() {
    for (draining, suspect) in [(false, false), (true, false), (false, true)] {
        let mut town = Town::new(2);
        let load = Load { free: cpus(4), ..Load::default() };
        town.tell(OTHER, Event::Load(load.clone()));
        town.pass(BEAT_MS);
        if draining {
            town.tell(OTHER, Event::Load(Load { draining, ..load }));
            town.pass(BEAT_MS);
        } else if suspect {
            town.silent.insert(OTHER);
            town.pass(SUSPECT_MS + 2 * BEAT_MS);
        }
        town.tell(NODE, Event::Load(Load { queued: 10, ..Load::default() }));
        town.tell(NODE, Event::Offer(offer(lease(NODE, 0), OTHER, ENDS)));
        let given = |action: &Action| matches!(action, Action::Give { to: OTHER, .. });
        let well = !draining && !suspect;
        assert_eq!(town.count(|_, action| given(action)) > 0, well, "{draining}");
        let ran = town.count(|node, action| node == OTHER && matches!(action, Action::Run { .. }));
        assert_eq!(ran, usize::from(well), "{draining}");
    }
}
