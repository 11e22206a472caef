//! `Machine`: the brain of one node. It is fed events and the time, and says what should be done;
//! it carries words from one alcove to the others and decides nothing itself.

use super::bugs::{Bug, planted};
use super::context::{Context, Note};
use super::event::{Action, Event};
use super::groups::{Groups, View};
use super::peers::Peers;
use super::refs::Refs;
use super::timer::Timer;
use super::wire::{Frame, Group, LeaseId, Member, Outcome};
use super::work::Work;
use crate::base::moment::Moment;
use crate::base::{NodeId, ObjectId};

pub(crate) struct Machine {
    cx: Context,
    peers: Peers,
    work: Work,
    groups: Groups,
    refs: Refs,
}

/// What a node is told when it is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Welcome {
    pub(crate) head: NodeId,
    pub(crate) version: u64,
    pub(crate) members: Vec<Member>,
    /// Nodes that were in the cluster and are gone: references to their objects may still turn up.
    pub(crate) gone: Vec<NodeId>,
}
super::wire::record!(Welcome { head, version, members, gone });

impl Machine {
    /// The brain of the node `me`, which has been let in with these words; a head welcomes itself.
    pub(crate) fn new(me: NodeId, welcome: Welcome, now: Moment) -> Machine {
        let mut cx = Context { now, ..Context::default() };
        let Welcome { head, version, members, gone } = welcome;
        let mut peers = Peers::new(me, head, version, members, &mut cx);
        for node in gone.into_iter().filter(|_| !planted(Bug::GoneUntold)) {
            peers.bury(&mut cx, node, "it was gone before this node came".to_owned());
        }
        let mut machine = Machine {
            cx,
            peers,
            work: Work::new(),
            groups: Groups::default(),
            refs: Refs::new(me),
        };
        machine.settle();
        machine
    }

    /// The head's: a node may come in. What it is told.
    pub(crate) fn admit(&mut self, now: Moment, member: Member) -> Welcome {
        self.cx.now = self.cx.now.max(now);
        self.peers.admit(&mut self.cx, member);
        self.settle();
        Welcome {
            head: self.peers.me(),
            version: self.peers.version(),
            members: self.peers.members().values().cloned().collect(),
            gone: self.peers.dead().collect(),
        }
    }

    /// Takes in what has happened. After it `action` is to be asked until there is none.
    pub(crate) fn handle(&mut self, now: Moment, event: Event) {
        self.cx.now = self.cx.now.max(now);
        if !self.peers.alone {
            self.event(event);
        }
        self.settle();
    }

    /// Takes in that the time of `deadline` has come.
    pub(crate) fn overdue(&mut self, now: Moment) {
        self.cx.now = self.cx.now.max(now);
        while let Some(timer) = self.cx.timers.due(self.cx.now) {
            if self.peers.alone {
                continue;
            }
            match timer {
                Timer::Infeasible(lease) => {
                    self.work.infeasible(&mut self.cx, &self.peers, &mut self.refs, lease);
                }
                Timer::Groups => {
                    let Machine { cx, peers, work, groups, .. } = self;
                    groups.overdue(cx, &mut View { peers, work });
                }
                Timer::Unheard(node) => {
                    self.work.heard(node);
                    self.work.place(&mut self.cx, &self.peers, &mut self.refs);
                }
                other => self.peers.overdue(&mut self.cx, other),
            }
        }
        self.settle();
    }

    /// What is to be done next, if anything. To be asked after each call of the methods above.
    pub(crate) fn action(&mut self) -> Option<Action> {
        self.cx.actions.pop_front()
    }

    /// When `overdue` should be called. Changes with each call of the methods above.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.cx.timers.next()
    }

    /// Whether another node has room for what is queued here.
    pub(crate) fn is_asked(&self) -> bool {
        self.work.is_asked()
    }

    /// The node that an own task is lent to.
    pub(crate) fn holder(&self, lease: LeaseId) -> Option<NodeId> {
        self.work.holder(lease)
    }

    /// How many other nodes hold an own object.
    pub(crate) fn holders(&self, object: ObjectId) -> usize {
        self.refs.holders(object)
    }

    /// Bytes of frames that a node has not acknowledged.
    pub(crate) fn bytes_to(&self, node: NodeId) -> usize {
        self.peers.bytes_to(node)
    }

    /// Whether that node takes nothing new, and is about to go.
    pub(crate) fn is_draining(&self, node: NodeId) -> bool {
        self.peers.load(node).is_some_and(|load| load.draining)
    }

    pub(crate) fn is_dead(&self, node: NodeId) -> bool {
        self.peers.is_dead(node)
    }

    fn event(&mut self, event: Event) {
        let Machine { cx, peers, work, refs, .. } = self;
        match event {
            Event::Up(node) => peers.up(cx, node),
            Event::Down { peer, sure } => peers.down(cx, peer, sure),
            Event::Doubt { node, near } => peers.doubt(cx, node, near),
            Event::Arrived(from, packet) => peers.arrived(cx, from, &packet),
            Event::Load(load) => {
                peers.set_load(cx, load.clone());
                work.set_load(cx, peers, load);
                work.place(cx, peers, refs);
            }
            Event::Offer(offer) => work.offer(cx, peers, refs, offer),
            Event::Call(offer) => work.call(cx, peers, refs, offer),
            Event::Withdraw(lease) => work.withdraw(cx, peers, refs, lease),
            Event::Ran { lease, results } => work.done(cx, refs, lease, results),
            Event::Item { lease, item } => work.gives_item(cx, refs, lease, item),
            Event::Credit { lease, items } => work.credits(cx, lease, items),
            Event::Refused { lease, why } => work.refuse(cx, lease, why),
            Event::Sealed { object, outcome } => refs.sealed(cx, object, outcome),
            Event::Dropped { object, generation } => refs.dropped(cx, object, generation),
            Event::Cancel(object) => {
                cx.frames.push_back((object.node, Frame::Cancel { object }));
            }
            Event::Want(object) => cx.frames.push_back((object.node, Frame::Want { object })),
            Event::Unpark { lease, by } => cx.frames.push_back((by, Frame::Unpark { lease })),
            Event::NewGroup { group, known, detached } => {
                let Group { wants, strategy, .. } = known;
                let frame = Frame::NewGroup { group, wants, strategy, detached };
                self.tell_head(frame);
            }
            Event::EndGroup(group) => self.tell_head(Frame::EndGroup { group }),
            Event::Reserved { group, attempt, bundle } => {
                self.tell_head(Frame::Reserved { group, attempt, bundle });
            }
            Event::Leave(why) => peers.leave(cx, why),
        }
    }

    /// Says something to the head, which may be this node itself.
    fn tell_head(&mut self, frame: Frame) {
        let head = self.peers.head();
        match self.peers.is_head() {
            true => self.cx.notes.push_back(Note::Frame(head, frame)),
            false => self.cx.frames.push_back((head, frame)),
        }
    }

    /// Carries notes and frames on until there are none.
    fn settle(&mut self) {
        loop {
            if let Some((to, frame)) = self.cx.frames.pop_front() {
                self.peers.send(&mut self.cx, to, &frame);
            } else if let Some(note) = self.cx.notes.pop_front() {
                self.note(note);
            } else {
                return;
            }
        }
    }

    fn note(&mut self, note: Note) {
        let Machine { cx, peers, work, groups, refs } = self;
        match note {
            Note::Frame(from, frame) => return self.frame(from, frame),
            Note::Joined(node) => work.joined(cx, node),
            Note::Gone(node, why) => {
                if !planted(Bug::DeathUntold) {
                    work.gone(cx, peers, refs, node, &why);
                }
                refs.gone(cx, node);
                groups.gone(cx, &mut View { peers, work }, node);
            }
            Note::Loads => {}
        }
        groups.look(cx, &mut View { peers, work });
        work.place(cx, peers, refs);
        work.give(cx, peers);
    }

    fn frame(&mut self, from: NodeId, frame: Frame) {
        let Machine { cx, peers, work, refs, .. } = self;
        match frame {
            Frame::Lease { lease, want, spec, refs: inner, token } if lease.task.node == from => {
                refs.arrive(cx, from, &inner, token);
                work.lease(cx, lease, want, spec, inner);
            }
            Frame::Ran { lease, results, token } => {
                let inner: Vec<_> = results.iter().flat_map(Outcome::refs).copied().collect();
                refs.arrive(cx, from, &inner, token);
                work.ran(cx, refs, from, lease, results);
                work.place(cx, peers, refs);
                work.give(cx, peers);
            }
            Frame::Item { lease, item, token } => {
                refs.arrive(cx, from, item.refs(), token);
                work.item(cx, from, lease, item);
            }
            Frame::Credit { lease, items } if lease.task.node == from => {
                work.credit(cx, lease, items);
            }
            Frame::Refused { lease, why } => {
                work.refused(cx, refs, from, lease, why);
                work.place(cx, peers, refs);
            }
            Frame::Revoke { lease } if lease.task.node == from => work.revoked(cx, lease),
            Frame::Ask { room } => work.asked(cx, peers, from, room),
            Frame::Borrow { object, lender, token } => {
                refs.borrowed(cx, from, object, lender, token);
            }
            Frame::Lent { token, by } => refs.lent(cx, from, token, by),
            Frame::Release { object, count } => refs.released(cx, from, object, count),
            Frame::Cancel { object } if refs.is_held(from, object) => {
                cx.actions.push_back(Action::Cancel(object));
            }
            Frame::Want { object } if refs.is_held(from, object) => {
                cx.actions.push_back(Action::Want(object));
            }
            Frame::Again { object } => refs.again(cx, from, object),
            Frame::Sealed { object, outcome, token } => {
                refs.arrive(cx, from, outcome.refs(), token);
                refs.filled(cx, from, object, outcome);
            }
            Frame::Unpark { lease } if lease.task.node == from => {
                cx.actions.push_back(Action::Unpark(lease));
            }
            other => self.of_groups(from, other),
        }
    }

    /// Frames about placement groups. What is not his to say, or is said in the alcove of peers, is
    /// passed over.
    fn of_groups(&mut self, from: NodeId, frame: Frame) {
        let Machine { cx, peers, work, groups, refs } = self;
        let (is_head, by_head) = (peers.is_head(), from == peers.head());
        match frame {
            Frame::NewGroup { group, wants, strategy, detached } if is_head => {
                let known = Group { wants, strategy, homes: Vec::new() };
                if group.node == from {
                    groups.new_group(cx, &mut View { peers, work }, group, known, detached);
                }
            }
            Frame::EndGroup { group } if is_head => {
                groups.end(cx, &mut View { peers, work }, group, "it was removed");
            }
            Frame::Reserved { group, attempt, bundle } if is_head => {
                let view = &mut View { peers, work };
                groups.reserved(cx, view, from, group, (attempt, bundle));
            }
            Frame::Reserve { group, attempt, bundle, want } if by_head => {
                cx.actions.push_back(Action::Reserve { group, attempt, bundle, want });
            }
            Frame::Unreserve { group, attempt } if by_head => {
                cx.actions.push_back(Action::Unreserve { group, attempt });
            }
            Frame::GroupLies { group, known } if by_head => {
                peers.groups.insert(group, known.clone());
                cx.actions.push_back(Action::GroupLies { group, known });
                work.place(cx, peers, refs);
            }
            Frame::GroupEnded { group, why } if by_head => {
                peers.end_group(group);
                cx.actions.push_back(Action::GroupEnded { group, why });
                work.group_ended(cx, refs, group);
            }
            _ => {}
        }
    }
}

/// What tests and the simulator look at.
#[cfg(any(test, feature = "sim"))]
impl Machine {
    /// Tasks lent and taken; whether no reference is left.
    pub(crate) fn counts(&self) -> (usize, usize, bool) {
        let (lent, taken) = self.work.counts();
        (lent, taken, self.refs.is_empty())
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.peers.members().values()
    }

    pub(crate) fn version(&self) -> u64 {
        self.peers.version()
    }

    /// Placement groups that it knows of, and those that the head still tries to place.
    pub(crate) fn groups(&self) -> usize {
        self.peers.groups.len() + usize::from(!self.groups.is_quiet())
    }

    /// Frames that other nodes have not acknowledged.
    pub(crate) fn unacked(&self) -> usize {
        self.peers.unacked()
    }

    /// References that were passed on: under which number, of what, and to whom.
    pub(crate) fn passed(&self) -> Vec<(u64, ObjectId, NodeId)> {
        self.refs.passed()
    }

    /// The number of the frame that is to come next from that node.
    pub(crate) fn expects(&self, from: NodeId) -> u64 {
        self.peers.peers.get(&from).map_or(0, |peer| peer.line.expects())
    }

    /// What is written down of other nodes, but for the numbers of the dead.
    #[cfg(test)]
    pub(crate) fn records(&self) -> usize {
        let Machine { cx, peers, work, .. } = self;
        let told = peers.members().len() + peers.loads.len() + peers.changed.len();
        told + peers.peers.len() + peers.pulses.len() + work.rooms.len() + cx.timers.count()
    }

    /// Whether nothing of any other node is in use from here.
    pub(crate) fn is_unused(&self) -> bool {
        self.work.is_unused()
    }

    /// The table of references, to be read by people.
    pub(crate) fn refs(&self) -> String {
        format!("{:?}", self.refs)
    }
}
