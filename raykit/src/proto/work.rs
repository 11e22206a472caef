//! Tasks that run elsewhere. The node that has made a task is its *owner* and stays it: it lends
//! an attempt of it to another node (a *lease*), and hears once what became of that: it ran, or it
//! was turned down, or the node is gone. What was lost is offered again as the next attempt, if
//! the task may have one; that is the owner's node to decide, and not this room's.
//!
//! An idle node asks others for tasks; whoever has some queued gives, and goes on giving as fast
//! as that node finishes, until it has work of its own. How much a node has at a time follows from
//! how much it has finished lately, so that short tasks come in large numbers and long ones one by
//! one.

use super::bugs::{Bug, planted};
use super::context::Context;
use super::event::{Action, Offer, Wish};
use super::peers::Peers;
use super::refs::Refs;
use super::room::Room;
use super::timer::Timer;
use super::waiting::Waiting;
use super::wire::{Bytes, Frame, LeaseId, Load, Outcome};
use crate::base::inorder::InOrderMap;
use crate::base::limits::{INFEASIBLE_MS, LINE_BYTES_MAX, UNHEARD_MS};
use crate::base::quantity::{Amount, Resources};
use crate::base::{NodeId, ObjectId, PlacementGroupId};
use std::collections::BTreeMap;
use std::time::Duration;

/// A task of this node that is offered, or lent.
#[derive(Debug)]
pub(super) struct Lent {
    /// Once it is lent its bytes are with whoever has it.
    offer: Box<Offer>,
    pub(super) at: Option<NodeId>,
    /// A call of an actor, which takes no room there.
    call: bool,
}

#[derive(Debug)]
pub(super) struct Work {
    pub(super) lent: InOrderMap<LeaseId, Lent>,
    /// Those of them that no node has, in the order in which they came.
    waiting: Waiting,
    pub(super) rooms: BTreeMap<NodeId, Room>,
    /// What runs here for others, and by whom it is owned.
    pub(super) taken: BTreeMap<LeaseId, bool>,
    pub(super) own: Load,
    /// Whether others were told that this node has nothing to do.
    asking: bool,
    pub(super) turn: u64,
}

impl Work {
    pub(super) fn new() -> Work {
        Work {
            lent: InOrderMap::default(),
            waiting: Waiting::default(),
            rooms: BTreeMap::new(),
            taken: BTreeMap::new(),
            own: Load::default(),
            asking: false,
            turn: 0,
        }
    }

    /// Tasks that are offered or lent, and those that run here for others.
    #[cfg(any(test, feature = "sim"))]
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.lent.len(), self.taken.len())
    }

    #[cfg(any(test, feature = "sim"))]
    pub(super) fn is_unused(&self) -> bool {
        self.rooms.values().all(|room| room.count == 0 && room.lent.cpu == Amount::ZERO)
    }

    /// A task that somebody may run.
    pub(super) fn offer(
        &mut self,
        cx: &mut Context,
        peers: &Peers,
        refs: &mut Refs,
        offer: Box<Offer>,
    ) {
        refs.pin(&offer.refs);
        let lease = offer.lease;
        if matches!(offer.wish, Wish::Group { group, .. } if peers.has_ended(group)) {
            refs.unpin(cx, &offer.refs);
            return cx.actions.push_back(Action::Infeasible { lease, want: offer.want });
        }
        self.waiting.push(&offer);
        self.lent.insert(lease, Lent { offer, at: None, call: false });
        self.place(cx, peers, refs);
        self.watch_infeasible(cx, peers, lease);
    }

    /// A call that goes to one node and nowhere else, at once: those behind it must not overtake
    /// it.
    pub(super) fn call(
        &mut self,
        cx: &mut Context,
        peers: &Peers,
        refs: &mut Refs,
        offer: Box<Offer>,
    ) {
        let (lease, wish) = (offer.lease, offer.wish);
        refs.pin(&offer.refs);
        let waits = matches!(wish, Wish::At { node, .. } if peers.bytes_to(node) > 0);
        if planted(Bug::CallOvertaken) && waits {
            self.waiting.push(&offer);
        }
        self.lent.insert(lease, Lent { offer, at: None, call: true });
        match wish {
            _ if planted(Bug::CallOvertaken) && waits => {}
            Wish::At { node, .. } if node != peers.me() && !peers.is_dead(node) => {
                self.lend(cx, peers, refs, lease, node);
            }
            Wish::At { node, .. } => {
                self.end(cx, refs, lease);
                let why = "it was declared dead".to_owned();
                cx.actions.push_back(Action::Lost { lease, by: node, why });
            }
            // A call has one way.
            Wish::Anywhere | Wish::Near(_) | Wish::Spread | Wish::Group { .. } => {}
        }
    }

    fn watch_infeasible(&self, cx: &mut Context, peers: &Peers, lease: LeaseId) {
        let Some(lent) = self.lent.get(&lease).filter(|lent| lent.at.is_none()) else { return };
        if !self.is_feasible(&lent.offer, peers) {
            let at = cx.now + Duration::from_millis(INFEASIBLE_MS);
            cx.timers.set_if_unset(Timer::Infeasible(lease), at);
        }
    }

    /// Nobody has come for a long time that could run it.
    pub(super) fn infeasible(
        &mut self,
        cx: &mut Context,
        peers: &Peers,
        refs: &mut Refs,
        lease: LeaseId,
    ) {
        let Some(lent) = self.lent.get(&lease).filter(|lent| lent.at.is_none()) else { return };
        if self.is_feasible(&lent.offer, peers) {
            return;
        }
        let want = lent.offer.want.clone();
        self.end(cx, refs, lease);
        cx.actions.push_back(Action::Infeasible { lease, want });
    }

    /// It is not wanted any more: what it had is for others.
    pub(super) fn withdraw(
        &mut self,
        cx: &mut Context,
        peers: &Peers,
        refs: &mut Refs,
        lease: LeaseId,
    ) {
        let node = self.lent.get(&lease).and_then(|lent| lent.at);
        if let Some(node) = node.filter(|_| !planted(Bug::RevokeUntold)) {
            cx.frames.push_back((node, Frame::Revoke { lease }));
        }
        self.end(cx, refs, lease);
        self.place(cx, peers, refs);
    }

    /// The lease is over, however it went.
    fn end(&mut self, cx: &mut Context, refs: &mut Refs, lease: LeaseId) -> Option<Box<Offer>> {
        let lent = self.lent.remove(&lease)?;
        cx.timers.clear(Timer::Infeasible(lease));
        match lent.at {
            Some(_) if lent.call => {}
            Some(node) => self.room(node).take_back(&lent.offer.want),
            None => {} // whoever goes through the line finds it gone
        }
        refs.unpin(cx, &lent.offer.refs);
        Some(lent.offer)
    }

    /// Those of the leases that are so, the oldest first.
    fn leases(&self, so: impl Fn(&Lent) -> bool) -> Vec<LeaseId> {
        let those = self.lent.iter().filter(|(_, lent)| so(lent));
        let mut leases: Vec<LeaseId> = those.map(|(lease, _)| *lease).collect();
        leases.sort_unstable();
        leases
    }

    /// The node that an own task is lent to.
    pub(super) fn holder(&self, lease: LeaseId) -> Option<NodeId> {
        self.lent.get(&lease).and_then(|lent| lent.at)
    }

    /// Whether some node has room for what is queued here.
    pub(super) fn is_asked(&self) -> bool {
        self.rooms.values().any(|room| room.asks)
    }

    fn room(&mut self, node: NodeId) -> &mut Room {
        self.rooms.entry(node).or_default()
    }

    /// Lends what waits to whoever has room, the oldest first. Of those that ask for the same the
    /// first speaks for all.
    pub(super) fn place(&mut self, cx: &mut Context, peers: &Peers, refs: &mut Refs) {
        let mut placeless = 0;
        while let Some((at, lease)) = self.waiting.next(placeless) {
            let Some(lent) = self.lent.get(&lease) else {
                self.waiting.take(at);
                continue;
            };
            self.turn = self.turn.wrapping_add(1);
            match self.choose(peers, &lent.offer) {
                None => placeless = self.waiting.order(at) + 1,
                Some(node) => {
                    self.waiting.take(at);
                    self.lend(cx, peers, refs, lease, node);
                }
            }
        }
    }

    /// There is no such placement group any more: what waits for it waits in vain.
    pub(super) fn group_ended(
        &mut self,
        cx: &mut Context,
        refs: &mut Refs,
        group: PlacementGroupId,
    ) {
        let of_it = |wish| matches!(wish, Wish::Group { group: of, .. } if of == group);
        for lease in self.leases(|lent| lent.at.is_none() && of_it(lent.offer.wish)) {
            if let Some(offer) = self.end(cx, refs, lease) {
                cx.actions.push_back(Action::Infeasible { lease, want: offer.want });
            }
        }
    }

    fn lend(
        &mut self,
        cx: &mut Context,
        peers: &Peers,
        refs: &mut Refs,
        lease: LeaseId,
        to: NodeId,
    ) {
        if to == peers.me() {
            if let Some(offer) = self.end(cx, refs, lease) {
                self.unheard(cx, to, &offer.want, true);
                cx.actions.push_back(Action::Keep(offer));
            }
            return;
        }
        let Some(lent) = self.lent.get_mut(&lease) else { return };
        lent.at = Some(to);
        cx.timers.clear(Timer::Infeasible(lease));
        let (want, inner) = (lent.offer.want.clone(), lent.offer.refs.clone());
        let spec = match planted(Bug::DoubleLease) {
            true => lent.offer.spec.clone(),
            false => std::mem::take(&mut lent.offer.spec),
        };
        if !lent.call {
            self.rooms.entry(to).or_default().give(&want);
        }
        let token = refs.token();
        cx.frames.push_back((to, Frame::Lease { lease, want, spec, refs: inner.clone(), token }));
        refs.sends(cx, to, &inner);
    }

    /// What runs elsewhere has run, and its results follow.
    pub(super) fn ran(
        &mut self,
        cx: &mut Context,
        refs: &mut Refs,
        by: NodeId,
        lease: LeaseId,
        results: Vec<Outcome>,
    ) {
        let given_up = self.lent.get(&lease).is_none_or(|lent| lent.at != Some(by));
        if given_up && !planted(Bug::StaleRan) {
            // An attempt that was given up: nobody asks for what it made.
            if results.iter().any(|result| matches!(result, Outcome::Large(..))) {
                cx.frames.push_back((by, Frame::Unpark { lease }));
            }
            return;
        }
        let call = self.lent.get(&lease).is_some_and(|lent| lent.call);
        let offer = self.end(cx, refs, lease).filter(|_| !call);
        if let Some(offer) = offer {
            self.room(by).finish(cx.now);
            self.unheard(cx, by, &offer.want, offer.holds);
        }
        cx.actions.push_back(Action::Settle { lease, by, results });
    }

    /// A task has ended there, or begun here, of which no word on the node's load can know.
    fn unheard(&mut self, cx: &mut Context, node: NodeId, want: &Resources, holds: bool) {
        if *want == Resources::NOTHING {
            return;
        }
        let room = self.room(node);
        match holds {
            true => room.held.add(want),
            false => room.freed.add(want),
        }
        cx.timers.set_if_unset(Timer::Unheard(node), cx.now + Duration::from_millis(UNHEARD_MS));
    }

    /// By now that node has said what it has free.
    pub(super) fn heard(&mut self, node: NodeId) {
        if let Some(room) = self.rooms.get_mut(&node) {
            (room.held, room.freed) = (Resources::NOTHING, Resources::NOTHING);
        }
    }

    /// It was not begun there.
    pub(super) fn refused(
        &mut self,
        cx: &mut Context,
        refs: &mut Refs,
        by: NodeId,
        lease: LeaseId,
        why: Bytes,
    ) {
        if self.lent.get(&lease).is_some_and(|lent| lent.at == Some(by)) {
            self.end(cx, refs, lease);
            cx.actions.push_back(Action::TurnedDown { lease, by, why });
        }
    }

    /// Another node's task is to run here.
    pub(super) fn lease(
        &mut self,
        cx: &mut Context,
        lease: LeaseId,
        want: Resources,
        spec: Bytes,
        refs: Vec<ObjectId>,
    ) {
        if self.taken.contains_key(&lease) && !planted(Bug::LeasedTwice) {
            return; // nobody who is in his right mind says so twice
        }
        self.taken.insert(lease, true);
        cx.actions.push_back(Action::Run { lease, want, spec, refs });
    }

    /// Its owner does not want it any more.
    pub(super) fn revoked(&mut self, cx: &mut Context, lease: LeaseId) {
        if let Some(wanted) = self.taken.get_mut(&lease) {
            *wanted = false;
            cx.actions.push_back(Action::Stop { lease });
        }
    }

    /// What ran here for another node has results.
    pub(super) fn done(
        &mut self,
        cx: &mut Context,
        refs: &mut Refs,
        lease: LeaseId,
        results: Vec<Outcome>,
    ) {
        let inner: Vec<_> = results.iter().flat_map(|result| result.refs().to_vec()).collect();
        refs.pin(&inner);
        let owner = lease.task.node;
        match self.taken.remove(&lease) {
            Some(true) => {
                let token = refs.token();
                cx.frames.push_back((owner, Frame::Ran { lease, results, token }));
                refs.sends(cx, owner, &inner);
            }
            _ => cx.actions.push_back(Action::Unpark(lease)),
        }
        refs.unpin(cx, &inner);
    }

    /// It cannot run here.
    pub(super) fn refuse(&mut self, cx: &mut Context, lease: LeaseId, why: Bytes) {
        if self.taken.remove(&lease) == Some(true) {
            cx.frames.push_back((lease.task.node, Frame::Refused { lease, why }));
        }
    }

    /// What this node has to do and to give has changed.
    pub(super) fn set_load(&mut self, cx: &mut Context, peers: &Peers, load: Load) {
        self.own = load;
        let idle = self.own.queued == 0 && self.own.free.cpu >= Amount::ONE && !self.own.draining;
        if idle != self.asking {
            self.asking = idle;
            let room = if idle { (self.own.free.cpu.0 / Amount::ONE.0) as u32 } else { 0 };
            for node in peers.members().keys().filter(|node| **node != peers.me()) {
                cx.frames.push_back((*node, Frame::Ask { room }));
            }
        }
        self.give(cx, peers);
    }

    /// A node has nothing to do, or has again.
    pub(super) fn asked(&mut self, cx: &mut Context, peers: &Peers, by: NodeId, room: u32) {
        self.room(by).asks = room > 0;
        self.give(cx, peers);
    }

    /// Has the node offer what it has queued to those that ask.
    pub(super) fn give(&mut self, cx: &mut Context, peers: &Peers) {
        let mut left = self.own.queued;
        for (node, room) in &self.rooms {
            if planted(Bug::GiveToDead) && peers.is_dead(*node) && room.asks && left > 0 {
                cx.actions.push_back(Action::Give { to: *node, count: 1 });
            }
            let Some(member) = peers.members().get(node).filter(|_| room.asks && left > 0) else {
                continue;
            };
            let suspect = peers.load(*node).is_some_and(|load| load.suspect || load.draining);
            if suspect || peers.bytes_to(*node) > LINE_BYTES_MAX {
                continue;
            }
            let ahead = room.ahead(&member.total);
            let count = ahead.saturating_sub(room.count).min(left.div_ceil(2));
            if count > ahead / 4 || room.count == 0 && count > 0 {
                left -= count;
                cx.actions.push_back(Action::Give { to: *node, count });
            }
        }
        self.own.queued = left;
    }

    /// A node has come: it may be the one that was missing, and this one may be idle.
    pub(super) fn joined(&mut self, cx: &mut Context, node: NodeId) {
        if self.asking {
            let room = (self.own.free.cpu.0 / Amount::ONE.0) as u32;
            cx.frames.push_back((node, Frame::Ask { room }));
        }
    }

    /// A node is gone: what it had is lost, and what it owned is not wanted any more.
    pub(super) fn gone(
        &mut self,
        cx: &mut Context,
        peers: &Peers,
        refs: &mut Refs,
        node: NodeId,
        why: &str,
    ) {
        if !planted(Bug::GiveToDead) {
            self.rooms.remove(&node);
        }
        let stays = |lent: &Lent| lent.call && planted(Bug::CallsOfTheDead);
        for lease in self.leases(|lent| lent.at == Some(node) && !stays(lent)) {
            if planted(Bug::DoubleLease) {
                if let Some(lent) = self.lent.get_mut(&lease) {
                    lent.at = None;
                    self.waiting.push(&lent.offer);
                }
                continue;
            }
            self.end(cx, refs, lease);
            cx.actions.push_back(Action::Lost { lease, by: node, why: why.to_owned() });
        }
        if !planted(Bug::GiveToDead) {
            self.rooms.remove(&node); // `end` has counted there
        }
        // It may have been the last one that could run what waits here.
        for lease in self.waiting.all().filter(|_| !planted(Bug::InfeasibleForgotten)) {
            self.watch_infeasible(cx, peers, *lease);
        }
        let orphans = self.taken.iter_mut().filter(|(lease, _)| lease.task.node == node);
        for (lease, wanted) in orphans {
            *wanted = false;
            cx.actions.push_back(Action::Stop { lease: *lease });
        }
    }
}
