//! What the head of a cluster does beside what every node does: it lets nodes in, says who is dead,
//! and tells all what each has to do.

use super::bugs::{Bug, planted};
use super::context::{Context, Note};
use super::peers::{Peers, ms};
use super::pulse::Pulse;
use super::timer::Timer;
use super::wire::{Frame, Load, Member};
use crate::base::NodeId;
use crate::base::limits::{DEAD_MS, DOUBT_MS, DOUBT_NEAR_MS, JOIN_MS, LOADS_MS, SUSPECT_MS};

impl Peers {
    /// What only the head is told.
    pub(super) fn head_hears(&mut self, cx: &mut Context, from: NodeId, frame: Frame) {
        match frame {
            Frame::Beat { version, load } => {
                self.heard_load(cx, from, load);
                if version < self.version {
                    // Either the word is under way, or it asks for the whole list.
                    let beat = Frame::Beat { version: self.version, load: Load::default() };
                    self.send_loose(cx, from, &beat);
                }
            }
            Frame::AskRoster {} => {
                let members = self.members.values().cloned().collect();
                self.send(cx, from, &Frame::Roster { version: self.version, members });
            }
            Frame::Leave { why } => self.declare_dead(cx, from, &why),
            // The answer to a question that was asked in doubt.
            Frame::Probe { back: true, .. } => {
                self.pulses.get_mut(&from).into_iter().for_each(Pulse::is_sure);
            }
            Frame::Heard { node } => {
                self.pulses
                    .get_mut(&node)
                    .into_iter()
                    .for_each(|pulse| pulse.is_heard(from, cx.now));
            }
            _ => {}
        }
    }

    /// There are signs that the process is gone: it has a short while to say that it is not.
    pub(super) fn doubt(&mut self, cx: &mut Context, node: NodeId, near: bool) {
        if !self.is_head() {
            return;
        }
        if let Some(pulse) = self.pulses.get_mut(&node) {
            let until = cx.now + ms(if near { DOUBT_NEAR_MS } else { DOUBT_MS });
            let until = pulse.doubted.map_or(until, |before| before.min(until));
            pulse.doubted = Some(until);
            cx.timers.set_if_earlier(Timer::Silence, until);
            self.send_loose(cx, node, &Frame::Probe { head: self.me, back: false });
        }
    }

    /// The head's: a node may come in, and has this number from cx.now on.
    pub(super) fn admit(&mut self, cx: &mut Context, member: Member) {
        self.version += 1;
        let node = member.node;
        let heard = cx.now + ms(JOIN_MS) - ms(DEAD_MS);
        self.pulses.insert(node, Pulse::expected(heard));
        self.peer(node);
        let joined = Frame::Joined { version: self.version, member: member.clone() };
        self.broadcast(cx, &joined);
        self.enter(cx, member);
        // Others hear of changes only; it has to know who takes nothing at all.
        let loads: Vec<_> = self.loads.iter().map(|(node, load)| (*node, load.clone())).collect();
        if !loads.is_empty() && !planted(Bug::LoadsUntold) {
            self.send(cx, node, &Frame::Loads { loads });
        }
        let groups: Vec<_> = self.groups.iter().map(|(id, known)| (*id, known.clone())).collect();
        for (group, known) in groups.into_iter().filter(|_| !planted(Bug::GroupsUntold)) {
            self.send(cx, node, &Frame::GroupLies { group, known });
        }
    }

    pub(super) fn declare_dead(&mut self, cx: &mut Context, node: NodeId, why: &str) {
        if !self.members.contains_key(&node) || node == self.me {
            return;
        }
        self.version += 1;
        self.send_loose(cx, node, &Frame::Fenced {});
        self.bury(cx, node, why.to_owned());
        let died = Frame::Died { version: self.version, node, why: why.to_owned() };
        self.broadcast(cx, &died);
    }

    pub(super) fn heard_load(&mut self, cx: &mut Context, node: NodeId, load: Load) {
        if !self.members.contains_key(&node) || self.loads.get(&node) == Some(&load) {
            return;
        }
        self.loads.insert(node, load);
        self.changed.insert(node);
        cx.timers.set_if_unset(Timer::Loads, cx.now + ms(LOADS_MS));
        if node != self.me {
            cx.notes.push_back(Note::Loads);
        }
    }

    /// Has others see whether that node is there, and nobody give it anything meanwhile.
    fn seek(&mut self, cx: &mut Context, node: NodeId) {
        if let Some(pulse) = self.pulses.get_mut(&node) {
            pulse.sought = true;
        }
        let load = self.loads.get(&node).cloned().unwrap_or_default();
        self.heard_load(cx, node, Load { suspect: true, ..load });
        let up = |other: &NodeId| {
            *other != node && self.peers.get(other).is_some_and(|peer| peer.line.is_up())
        };
        let asked: Vec<NodeId> = self.members.keys().copied().filter(up).take(3).collect();
        for other in &asked {
            self.send(cx, *other, &Frame::Seek { node });
        }
        if let Some(pulse) = self.pulses.get_mut(&node) {
            pulse.asked = asked;
        }
    }

    /// Who has been silent for so long that it is dead, or nearly so.
    pub(super) fn look_for_the_dead(&mut self, cx: &mut Context) {
        let (mut dead, mut suspect) = (Vec::new(), Vec::new());
        for (node, pulse) in &self.pulses {
            let silent = cx.now.since(pulse.heard);
            if silent >= ms(DEAD_MS) {
                dead.push((*node, "nothing was heard of it for too long"));
            } else if pulse.doubted.is_some_and(|until| until <= cx.now) {
                dead.push((*node, "its process is gone"));
            } else if silent >= ms(SUSPECT_MS) && !pulse.sought {
                suspect.push(*node);
            }
        }
        for (node, why) in dead {
            self.declare_dead(cx, node, why);
        }
        for node in suspect {
            self.seek(cx, node);
        }
        let doubts = self.pulses.values().filter_map(|pulse| pulse.doubted);
        if let Some(until) = doubts.min() {
            cx.timers.set_if_earlier(Timer::Silence, until);
        }
    }

    /// Tells all what has changed in what nodes have to do and to give.
    pub(super) fn tell_all_loads(&mut self, cx: &mut Context) {
        let changed = std::mem::take(&mut self.changed);
        let load = |node| self.loads.get(&node).map(|load| (node, load.clone()));
        let loads: Vec<_> = changed.into_iter().filter_map(load).collect();
        if !loads.is_empty() {
            self.broadcast(cx, &Frame::Loads { loads });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Action, Event};
    use super::super::machine::{Machine, Welcome};
    use super::super::wire::{Bytes, Wire};
    use super::*;
    use crate::base::limits::BEAT_MS;
    use crate::base::moment::Moment;

    const HEAD: NodeId = NodeId(1);
    const NODE: NodeId = NodeId(2);

    fn member(node: NodeId) -> Member {
        Member {
            node,
            name: String::new(),
            addresses: Vec::new(),
            host: 0,
            driver: false,
            total: Default::default(),
            labels: Vec::new(),
        }
    }

    /// What the brain of `from` sends to `to`, and whether it says that `to` is gone.
    fn said(from: &mut Machine, to: NodeId) -> (Vec<Bytes>, bool) {
        let (mut packets, mut gone) = (Vec::new(), false);
        while let Some(action) = from.action() {
            match action {
                Action::Send(node, packet) if node == to => packets.push(packet),
                Action::Gone { node, .. } if node == to => gone = true,
                _ => {}
            }
        }
        (packets, gone)
    }

    fn hears(brain: &mut Machine, now: Moment, from: NodeId, packets: Vec<Bytes>) {
        packets.into_iter().for_each(|one| brain.handle(now, Event::Arrived(from, one)));
    }

    /// A head and a node that have greeted each other, and a beat of the node that is under way.
    fn linked(now: Moment) -> (Machine, Machine, Vec<Bytes>) {
        let founded =
            Welcome { head: HEAD, version: 1, members: vec![member(HEAD)], gone: Vec::new() };
        let mut head = Machine::new(HEAD, founded, now);
        let welcome = head.admit(now, member(NODE));
        let mut node = Machine::new(NODE, welcome, now);
        head.handle(now, Event::Up(NODE));
        node.handle(now, Event::Up(HEAD));
        for _ in 0..4 {
            hears(&mut head, now, NODE, said(&mut node, HEAD).0);
            hears(&mut node, now, HEAD, said(&mut head, NODE).0);
        }
        node.overdue(now + ms(BEAT_MS));
        let beat = said(&mut node, HEAD).0;
        assert!(!beat.is_empty());
        (head, node, beat)
    }

    /// N19: what a process had sent before it was killed may come after the sign of its death, and
    /// is no sign of life.
    #[test]
    fn what_was_under_way_is_no_sign_of_life() {
        let now = Moment(0) + ms(1_000);
        let (mut head, _, beat) = linked(now);
        head.handle(now, Event::Doubt { node: NODE, near: false });
        hears(&mut head, now, NODE, beat);
        head.overdue(now + ms(DOUBT_MS));
        assert!(said(&mut head, NODE).1, "it is dead");
    }

    /// Of two signs the one counts that leaves less time.
    #[test]
    fn a_doubt_ends_when_the_nearest_says() {
        let now = Moment(0) + ms(1_000);
        for near_first in [false, true] {
            let (mut head, _, _) = linked(now);
            for near in [near_first, !near_first] {
                head.handle(now, Event::Doubt { node: NODE, near });
            }
            assert!(head.deadline().is_some_and(|at| at <= now + ms(DOUBT_NEAR_MS)));
            head.overdue(now + ms(DOUBT_NEAR_MS));
            assert!(said(&mut head, NODE).1, "it is dead");
        }
    }

    /// A process that gives up its link, and with it the sign of its life, and lives makes another.
    #[test]
    fn who_loses_its_link_has_the_time_to_make_another() {
        let now = Moment(0) + ms(1_000);
        let (mut head, _, _) = linked(now);
        head.handle(now, Event::Doubt { node: NODE, near: true });
        head.handle(now + ms(5), Event::Down { peer: NODE, sure: false });
        head.overdue(now + ms(DOUBT_NEAR_MS + 5));
        assert!(!said(&mut head, NODE).1, "it may be on its way");
        head.handle(now + ms(60), Event::Up(NODE));
        head.overdue(now + ms(DOUBT_MS + 60));
        assert!(!said(&mut head, NODE).1, "it has come");
        // Another one does not come.
        head.handle(now + ms(400), Event::Doubt { node: NODE, near: true });
        head.handle(now + ms(405), Event::Down { peer: NODE, sure: false });
        head.overdue(now + ms(405 + DOUBT_MS));
        assert!(said(&mut head, NODE).1, "it is dead");
    }

    /// A member that has been taken over cannot talk the head, or another node, out of the cluster.
    #[test]
    fn nobody_but_the_head_says_that_a_node_is_dead() {
        let now = Moment(0) + ms(1_000);
        let (mut head, mut node, _) = linked(now);
        let fenced = || {
            let mut packet = Vec::new();
            (0_u64, 0_u64).put(&mut packet);
            Frame::Fenced {}.put(&mut packet);
            Bytes::from(packet)
        };
        let is_alone = |brain: &mut Machine| {
            std::iter::from_fn(|| brain.action()).any(|one| matches!(one, Action::Alone { .. }))
        };
        hears(&mut head, now, NODE, vec![fenced()]);
        assert!(!is_alone(&mut head));
        hears(&mut node, now, NodeId(3), vec![fenced()]);
        assert!(!is_alone(&mut node), "n3 is not the head");
        hears(&mut node, now, HEAD, vec![fenced()]);
        assert!(is_alone(&mut node));
    }

    /// A member that has been taken over cannot keep a dead one alive.
    #[test]
    fn who_was_not_asked_says_in_vain_that_a_node_lives() {
        let now = Moment(0) + ms(1_000);
        let (mut head, _, _) = linked(now);
        let liar = NodeId(3);
        head.admit(now, member(liar));
        head.handle(now, Event::Up(liar));
        let mut gone = false;
        for second in 1..30 {
            let now = now + ms(1_000 * second);
            let mut packet = Vec::new();
            (0_u64, 0_u64).put(&mut packet);
            Frame::Heard { node: NODE }.put(&mut packet);
            hears(&mut head, now, liar, vec![packet.into()]);
            head.overdue(now);
            gone |= said(&mut head, NODE).1;
        }
        assert!(gone, "nothing was heard of it for half a minute");
    }

    #[test]
    fn who_answers_when_asked_is_alive() {
        let now = Moment(0) + ms(1_000);
        let (mut head, mut node, _) = linked(now);
        head.handle(now, Event::Doubt { node: NODE, near: false });
        let asked = said(&mut head, NODE).0;
        hears(&mut node, now, HEAD, asked);
        hears(&mut head, now, NODE, said(&mut node, HEAD).0);
        head.overdue(now + ms(DOUBT_MS));
        assert!(!said(&mut head, NODE).1, "it lives");
    }
}
