//! Which nodes have room for a task, as far as this one knows.

use super::event::{Offer, Wish};
use super::peers::Peers;
use super::place::{self, Seat};
use super::room::Room;
use super::wire::Member;
use super::work::Work;
use crate::base::limits::LINE_BYTES_MAX;
use crate::base::quantity::Resources;
use crate::base::{NodeId, PlacementGroupId};

impl Work {
    /// A node to choose, if it takes something, and how full it is.
    fn seat<'a>(&'a self, peers: &'a Peers, node: NodeId) -> Option<Seat<'a>> {
        let member = peers.members().get(&node)?;
        let load = if node == peers.me() { Some(&self.own) } else { peers.load(node) };
        if load.is_some_and(|load| load.draining || load.suspect) {
            return None;
        }
        let nothing = const { &Room::new() };
        let room = self.rooms.get(&node).unwrap_or(nothing);
        Some(Seat {
            node,
            total: &member.total,
            labels: &member.labels,
            free: load.map(|load| &load.free),
            lent: &room.lent,
            held: &room.held,
            freed: &room.freed,
            count: room.count,
            ahead: room.ahead(&member.total),
            blocked: peers.bytes_to(node) > LINE_BYTES_MAX,
        })
    }

    /// Where a task should go now.
    pub(super) fn choose(&self, peers: &Peers, offer: &Offer) -> Option<NodeId> {
        let want = &offer.want;
        match offer.wish {
            // Most often asked for: one node, which is there.
            Wish::At { node, soft } => {
                let could = |seat: &Seat<'_>| offer.could_run_on(seat.total, seat.labels);
                if let Some(seat) = self.seat(peers, node).filter(could) {
                    return seat.has_room(want).then_some(node);
                }
                if !soft {
                    return None;
                }
            }
            Wish::Group { group, bundle } => return self.in_group(peers, offer, group, bundle),
            Wish::Anywhere | Wish::Near(_) | Wish::Spread => {}
        }
        let seats = peers.members().keys().filter_map(|node| self.seat(peers, *node));
        let could = seats.filter(|seat| offer.could_run_on(seat.total, seat.labels));
        place::choose(want, offer.wish, self.turn, could)
    }

    /// The node of a placement group where a task should run now.
    fn in_group(
        &self,
        peers: &Peers,
        offer: &Offer,
        group: PlacementGroupId,
        bundle: Option<u32>,
    ) -> Option<NodeId> {
        let known = peers.groups.get(&group)?;
        let homes = known.homes(bundle);
        // What is set aside there is more than the node itself has.
        let totals = homes.iter().map(|node| {
            let mut total = peers.members().get(node)?.total.clone();
            total.add(&known.set_aside(group, *node));
            Some((*node, total))
        });
        let totals: Vec<(NodeId, Resources)> = totals.flatten().collect();
        let seats = totals.iter().filter_map(|(node, total)| {
            let seat = self.seat(peers, *node)?;
            // Until the node has said that it has it, all of it is free.
            let free = seat.free.filter(|free| free.is_of_group(group));
            let could = offer.could_run_on(total, seat.labels);
            could.then_some(Seat { total, free, ..seat })
        });
        place::choose(&offer.want, Wish::Spread, self.turn, seats)
    }

    /// What a node has in all and what it has free, if it takes something.
    pub(super) fn has(&self, peers: &Peers, node: NodeId) -> Option<(Resources, Resources)> {
        let seat = self.seat(peers, node)?;
        let mut free = seat.free?.clone();
        free.add(seat.freed);
        free.keep_from(seat.held);
        Some((seat.total.clone(), free))
    }

    /// Whether there is a node that could ever run it.
    pub(super) fn is_feasible(&self, offer: &Offer, peers: &Peers) -> bool {
        if let Wish::Group { group, bundle } = offer.wish {
            return peers
                .groups
                .get(&group)
                .is_some_and(|known| known.holds(group, bundle, &offer.want));
        }
        let there = |node: NodeId| match offer.wish {
            Wish::At { node: only, soft: false } => node == only,
            _ => true,
        };
        let could = |member: &Member| offer.could_run_on(&member.total, &member.labels);
        peers.members().values().any(|member| there(member.node) && could(member))
    }
}
