//! Who is there. The head alone says who belongs to the cluster and who is dead, and numbers what
//! it says; a node that has not heard of the head for too long has no cluster any more. A lost link
//! is no death: it is made again, and what was under way follows.
//!
//! A node that was declared dead stays so: its number is given to nobody else, and whatever it
//! still sends is answered by `Fenced`.

use super::bugs::{Bug, planted};
use super::context::{Context, Note};
use super::event::Action;
use super::outbox::{Arrived, Outbox};
use super::pulse::Pulse;
use super::timer::Timer;
use super::wire::{Frame, Group, Load, Member};
use crate::base::limits::{
    ACK_MS, ACKS_OWED_MAX, BEAT_MS, ENDED_GROUPS_KEPT, HEAD_LOST_MS, LOADS_MS, REDIAL_MS,
    REDIAL_MS_MAX, RESEND_MS,
};
use crate::base::moment::Moment;
use crate::base::{NodeId, PlacementGroupId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// One neighbour.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) line: Outbox,
    /// Failed or lost links since one was last in use.
    redials: u32,
}

#[derive(Debug)]
pub(super) struct Peers {
    pub(super) me: NodeId,
    head: NodeId,
    pub(super) version: u64,
    pub(super) members: BTreeMap<NodeId, Member>,
    pub(super) loads: BTreeMap<NodeId, Load>,
    dead: BTreeSet<NodeId>,
    /// Placement groups, as the head has told.
    pub(super) groups: BTreeMap<PlacementGroupId, Group>,
    /// The last of those that there were, so that what comes late for them need not wait.
    ended: VecDeque<PlacementGroupId>,
    pub(super) peers: BTreeMap<NodeId, Peer>,
    /// When this node has last heard of the head.
    head_heard: Moment,
    own_load: Load,
    /// The head's: pulses, and whose load has changed since it was told.
    pub(super) pulses: BTreeMap<NodeId, Pulse>,
    pub(super) changed: BTreeSet<NodeId>,
    leaving: bool,
    pub(super) alone: bool,
}

pub(super) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

impl Peers {
    /// `members` are all that belong to the cluster cx.now, this node included.
    pub(super) fn new(
        me: NodeId,
        head: NodeId,
        version: u64,
        members: Vec<Member>,
        cx: &mut Context,
    ) -> Peers {
        let members: BTreeMap<_, _> =
            members.into_iter().map(|member| (member.node, member)).collect();
        cx.timers.set(Timer::Beat, cx.now);
        cx.timers.set(Timer::Silence, cx.now + ms(BEAT_MS));
        let mut peers = Peers {
            me,
            head,
            version,
            loads: BTreeMap::new(),
            dead: BTreeSet::new(),
            groups: BTreeMap::new(),
            ended: VecDeque::new(),
            peers: BTreeMap::new(),
            head_heard: cx.now,
            own_load: Load::default(),
            pulses: BTreeMap::new(),
            changed: BTreeSet::new(),
            leaving: false,
            alone: false,
            members,
        };
        let known: Vec<Member> = peers.members.values().cloned().collect();
        cx.actions.extend(known.into_iter().map(Action::Joined));
        if !peers.is_head() {
            peers.dial_if_unknown(cx, head);
        }
        peers
    }

    pub(super) fn is_head(&self) -> bool {
        self.me == self.head
    }

    pub(super) fn me(&self) -> NodeId {
        self.me
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn members(&self) -> &BTreeMap<NodeId, Member> {
        &self.members
    }

    /// What a node has to do and to give, as last heard.
    pub(super) fn load(&self, node: NodeId) -> Option<&Load> {
        self.loads.get(&node)
    }

    /// There is no such group any more.
    pub(super) fn end_group(&mut self, group: PlacementGroupId) {
        self.groups.remove(&group);
        if self.ended.len() >= ENDED_GROUPS_KEPT {
            self.ended.pop_front();
        }
        self.ended.push_back(group);
    }

    pub(super) fn has_ended(&self, group: PlacementGroupId) -> bool {
        self.ended.contains(&group)
    }

    pub(super) fn head(&self) -> NodeId {
        self.head
    }

    pub(super) fn dead(&self) -> impl Iterator<Item = NodeId> {
        self.dead.iter().copied()
    }

    pub(super) fn is_dead(&self, node: NodeId) -> bool {
        self.dead.contains(&node)
    }

    /// Frames that others have not acknowledged.
    #[cfg(any(test, feature = "sim"))]
    pub(super) fn unacked(&self) -> usize {
        self.peers.values().map(|peer| peer.line.frames()).sum()
    }

    /// Bytes on their way to that node.
    pub(super) fn bytes_to(&self, node: NodeId) -> usize {
        self.peers.get(&node).map_or(0, |peer| peer.line.bytes())
    }

    pub(super) fn peer(&mut self, node: NodeId) -> &mut Peer {
        self.peers.entry(node).or_insert_with(|| Peer { line: Outbox::new(), redials: 0 })
    }

    fn dial(&mut self, cx: &mut Context, node: NodeId) {
        if let Some(member) = self.members.get(&node) {
            cx.actions.push_back(Action::Connect(node, member.addresses.clone()));
        }
    }

    /// Sends a frame in line. Nothing is sent to the dead.
    pub(super) fn send(&mut self, cx: &mut Context, to: NodeId, frame: &Frame) {
        if self.dead.contains(&to) || to == self.me {
            return;
        }
        let known = self.peers.contains_key(&to);
        let peer = self.peer(to);
        let packet = peer.line.send(frame);
        if let Some(packet) = packet {
            cx.timers.clear(Timer::Ack(to));
            cx.actions.push_back(Action::Send(to, packet));
            cx.timers.set_if_unset(Timer::Resend(to), cx.now + ms(RESEND_MS));
        } else if !known {
            self.dial(cx, to);
            cx.timers.set(Timer::Redial(to), cx.now + ms(REDIAL_MS));
        }
    }

    /// Sends a frame that may be lost.
    pub(super) fn send_loose(&mut self, cx: &mut Context, to: NodeId, frame: &Frame) {
        if let Some(packet) = self.peers.get_mut(&to).and_then(|peer| peer.line.send_loose(frame)) {
            cx.timers.clear(Timer::Ack(to));
            cx.actions.push_back(Action::Send(to, packet));
        }
    }

    pub(super) fn broadcast(&mut self, cx: &mut Context, frame: &Frame) {
        let all: Vec<NodeId> = self.members.keys().copied().collect();
        for node in all {
            self.send(cx, node, frame);
        }
    }

    pub(super) fn up(&mut self, cx: &mut Context, node: NodeId) {
        cx.timers.clear(Timer::Redial(node));
        // Nobody makes a new link after its death.
        self.pulses.get_mut(&node).into_iter().for_each(Pulse::is_sure);
        let peer = self.peer(node);
        let hello = peer.line.up();
        cx.actions.push_back(Action::Send(node, hello));
        if !planted(Bug::ResumeOnce) {
            cx.timers.set(Timer::Resend(node), cx.now + ms(RESEND_MS));
        }
        if self.dead.contains(&node) && !planted(Bug::NoFencing) {
            self.send_loose(cx, node, &Frame::Fenced {});
        }
    }

    pub(super) fn down(&mut self, cx: &mut Context, node: NodeId, sure: bool) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.line.down();
        }
        cx.timers.clear(Timer::Resend(node));
        cx.timers.clear(Timer::Ack(node));
        if self.dead.contains(&node) {
            self.peers.remove(&node); // it had come once more, to hear that it is dead
            return;
        }
        if sure && self.is_head() {
            return self.declare_dead(cx, node, "its process has ended");
        }
        if sure && node == self.head {
            return self.alone(cx, "the head has ended");
        }
        // Where its process has given up the link and lives, it needs another one to say so.
        self.pulses.get_mut(&node).into_iter().for_each(|pulse| pulse.has_longer(cx.now));
        cx.timers.set_if_unset(Timer::Redial(node), cx.now + ms(REDIAL_MS));
    }

    /// Reads a packet, and leaves what is for the other alcoves in `notes`.
    pub(super) fn arrived(&mut self, cx: &mut Context, from: NodeId, packet: &[u8]) {
        if self.dead.contains(&from) && !planted(Bug::NoFencing) {
            return self.send_loose(cx, from, &Frame::Fenced {});
        }
        let peer = self.peer(from);
        peer.redials = 0;
        let fresh = peer.line.is_fresh();
        let arrived = peer.line.arrived(packet);
        if !peer.line.is_waiting() && !fresh {
            cx.timers.clear(Timer::Resend(from));
        }
        if let Some(pulse) = self.pulses.get_mut(&from) {
            pulse.beats(cx.now);
        }
        match arrived {
            Arrived::Broken => cx.actions.push_back(Action::Disconnect(from)),
            Arrived::Nothing if fresh => self.opened(cx, from, 0),
            Arrived::Nothing => {}
            Arrived::Frame(Frame::Resume { next }) => {
                self.opened(cx, from, next);
                if !fresh {
                    // The other end has not heard ours.
                    self.send_loose(cx, from, &Frame::Ack {});
                }
            }
            Arrived::Frame(frame) => {
                if fresh {
                    self.opened(cx, from, 0);
                }
                self.frame(cx, from, frame);
            }
        }
        let Some(peer) = self.peers.get(&from) else { return };
        if peer.line.owed() >= ACKS_OWED_MAX {
            self.send_loose(cx, from, &Frame::Ack {});
        } else if peer.line.owes_ack() {
            cx.timers.set_if_unset(Timer::Ack(from), cx.now + ms(ACK_MS));
        }
    }

    /// Something has arrived on a link, so that it is open: what it has not got is sent again.
    /// Usually it says itself from where; if that was lost, the first packet says as much.
    fn opened(&mut self, cx: &mut Context, from: NodeId, next: u64) {
        let Some(peer) = self.peers.get_mut(&from) else { return };
        for packet in peer.line.resume(next) {
            cx.actions.push_back(Action::Send(from, packet));
        }
        cx.timers.clear(Timer::Resend(from));
        if peer.line.is_waiting() {
            cx.timers.set(Timer::Resend(from), cx.now + ms(RESEND_MS));
        }
    }

    fn frame(&mut self, cx: &mut Context, from: NodeId, frame: Frame) {
        match frame {
            Frame::Ack {} => {}
            Frame::Fenced {} if from == self.head => self.alone(cx, "this node was declared dead"),
            Frame::Fenced {} => {} // only the head may say so
            Frame::Probe { back: false, head } => {
                self.send_loose(cx, from, &Frame::Probe { head, back: true });
            }
            Frame::Probe { back: true, head } if head == self.head && head != self.me => {
                self.send(cx, head, &Frame::Heard { node: from });
            }
            Frame::Beat { .. }
            | Frame::Joined { .. }
            | Frame::Died { .. }
            | Frame::Roster { .. }
            | Frame::AskRoster {}
            | Frame::Loads { .. }
            | Frame::Leave { .. }
            | Frame::Seek { .. }
            | Frame::Heard { .. }
            | Frame::Probe { .. } => {
                if self.is_head() {
                    self.head_hears(cx, from, frame);
                } else if from == self.head {
                    self.head_says(cx, frame);
                }
            }
            other => cx.notes.push_back(Note::Frame(from, other)),
        }
    }

    /// What only the head may say.
    fn head_says(&mut self, cx: &mut Context, frame: Frame) {
        self.head_heard = cx.now;
        let head = self.head;
        match frame {
            Frame::Beat { version, .. } if version > self.version => {
                self.send(cx, head, &Frame::AskRoster {});
            }
            Frame::Joined { version, member } => {
                self.version = self.version.max(version);
                self.enter(cx, member);
            }
            Frame::Died { version, node, why } => {
                self.version = self.version.max(version);
                self.bury(cx, node, why);
            }
            Frame::Roster { version, members } => {
                self.version = self.version.max(version);
                self.roster(cx, members);
            }
            Frame::Loads { loads } => {
                self.loads.extend(loads);
                self.loads.retain(|node, _| self.members.contains_key(node));
                cx.notes.push_back(Note::Loads);
            }
            Frame::Seek { node } => {
                self.dial_if_unknown(cx, node);
                self.send_loose(cx, node, &Frame::Probe { head, back: false });
            }
            _ => {}
        }
    }

    fn dial_if_unknown(&mut self, cx: &mut Context, node: NodeId) {
        if !self.peers.contains_key(&node) && self.members.contains_key(&node) {
            self.peer(node);
            self.dial(cx, node);
            cx.timers.set(Timer::Redial(node), cx.now + ms(REDIAL_MS));
        }
    }

    pub(super) fn enter(&mut self, cx: &mut Context, member: Member) {
        let node = member.node;
        if self.dead.contains(&node) || self.members.contains_key(&node) {
            return;
        }
        self.members.insert(node, member.clone());
        cx.actions.push_back(Action::Joined(member));
        cx.notes.push_back(Note::Joined(node));
        let waits = self.peers.get(&node).is_some_and(|peer| !peer.line.is_up());
        if waits && !self.is_head() {
            // Something for it came before it was known where it is.
            self.dial(cx, node);
            cx.timers.set(Timer::Redial(node), cx.now + ms(REDIAL_MS));
        }
    }

    /// The whole list: who is not on it any more is gone.
    fn roster(&mut self, cx: &mut Context, members: Vec<Member>) {
        let there: BTreeSet<NodeId> = members.iter().map(|member| member.node).collect();
        let gone: Vec<NodeId> =
            self.members.keys().filter(|node| !there.contains(node)).copied().collect();
        for node in gone {
            self.bury(cx, node, "it is not on the head's list any more".to_owned());
        }
        members.into_iter().for_each(|member| self.enter(cx, member));
    }

    pub(super) fn bury(&mut self, cx: &mut Context, node: NodeId, why: String) {
        if node == self.me {
            return self.alone(cx, &format!("the head has declared this node dead: {why}"));
        }
        if !self.dead.insert(node) {
            return;
        }
        self.members.remove(&node);
        self.loads.remove(&node);
        self.peers.remove(&node);
        self.pulses.remove(&node);
        self.changed.remove(&node);
        [Timer::Ack(node), Timer::Resend(node), Timer::Redial(node)]
            .into_iter()
            .for_each(|timer| cx.timers.clear(timer));
        cx.actions.push_back(Action::Disconnect(node));
        cx.actions.push_back(Action::Gone { node, why: why.clone() });
        cx.notes.push_back(Note::Gone(node, why));
    }

    fn alone(&mut self, cx: &mut Context, why: &str) {
        if !self.alone {
            self.alone = true;
            cx.actions.push_back(Action::Alone { why: why.to_owned() });
        }
    }

    /// What this node has to do and to give.
    pub(super) fn set_load(&mut self, cx: &mut Context, load: Load) {
        if load == self.own_load {
            return;
        }
        self.own_load = load.clone();
        if self.is_head() {
            return self.heard_load(cx, self.me, load);
        }
        cx.timers.set_if_unset(Timer::Loads, cx.now + ms(LOADS_MS));
    }

    /// This node goes.
    pub(super) fn leave(&mut self, cx: &mut Context, why: String) {
        self.leaving = true;
        if self.is_head() || planted(Bug::LeaveUntold) {
            return;
        }
        let head = self.head;
        self.send(cx, head, &Frame::Leave { why });
    }

    pub(super) fn overdue(&mut self, cx: &mut Context, timer: Timer) {
        match timer {
            Timer::Beat => self.beat(cx),
            Timer::Silence => self.silence(cx),
            Timer::Loads => self.tell_loads(cx),
            Timer::Ack(node) => self.send_loose(cx, node, &Frame::Ack {}),
            Timer::Resend(node) => self.resend(cx, node),
            Timer::Redial(node) => self.redial(cx, node),
            Timer::Groups | Timer::Infeasible(_) | Timer::Unheard(_) => {}
        }
    }

    fn beat(&mut self, cx: &mut Context) {
        cx.timers.set(Timer::Beat, cx.now + ms(BEAT_MS));
        let beat = Frame::Beat { version: self.version, load: self.own_load.clone() };
        if !self.is_head() {
            let head = self.head;
            return self.send_loose(cx, head, &beat);
        }
        let all: Vec<NodeId> = self.members.keys().copied().collect();
        all.into_iter().for_each(|node| self.send_loose(cx, node, &beat));
    }

    /// Who has been silent for too long.
    fn silence(&mut self, cx: &mut Context) {
        cx.timers.set(Timer::Silence, cx.now + ms(BEAT_MS));
        if self.is_head() {
            self.look_for_the_dead(cx);
        } else if cx.now.since(self.head_heard) >= ms(HEAD_LOST_MS) && !planted(Bug::HeadUnmissed) {
            self.alone(cx, "nothing was heard of the head for too long");
        }
    }

    fn tell_loads(&mut self, cx: &mut Context) {
        if self.is_head() {
            return self.tell_all_loads(cx);
        }
        let beat = Frame::Beat { version: self.version, load: self.own_load.clone() };
        let head = self.head;
        self.send_loose(cx, head, &beat);
    }

    fn resend(&mut self, cx: &mut Context, node: NodeId) {
        let Some(peer) = self.peers.get(&node) else { return };
        for packet in peer.line.again() {
            cx.actions.push_back(Action::Send(node, packet));
        }
        if peer.line.is_waiting() || peer.line.is_fresh() {
            cx.timers.set(Timer::Resend(node), cx.now + ms(RESEND_MS));
        }
    }

    fn redial(&mut self, cx: &mut Context, node: NodeId) {
        let wanted = node == self.head || self.members.contains_key(&node);
        let Some(peer) = self.peers.get_mut(&node) else { return };
        if peer.line.is_up() || !wanted {
            return;
        }
        peer.redials += 1;
        let pause = (REDIAL_MS << peer.redials.min(16)).min(REDIAL_MS_MAX);
        cx.timers.set(Timer::Redial(node), cx.now + ms(pause));
        self.dial(cx, node);
    }
}
