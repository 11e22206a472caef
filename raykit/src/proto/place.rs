//! Where a task should go, of the nodes that take something: a pure choice.
//!
//! - `Anywhere`: among those that have what it asks for free at this moment, the fullest that is in
//!   use by less than half, so that a cluster fills node by node and keeps room for large requests;
//!   if there is none such, the emptiest. (Ray calls this the hybrid policy.)
//! - `Spread`: the emptiest, and of equal ones each in turn.
//! - `Near`: that node, where large arguments lie, if it has room at this moment; else the emptiest
//!   where it can begin at once; else it waits. If the node is gone, as `Anywhere`.
//! - `At`: that node, whether it has room or not; if it is gone, for a soft wish, as `Anywhere`.

use super::event::Wish;
use crate::base::NodeId;
use crate::base::quantity::{Amount, Resources};

/// A node that one may choose.
pub(super) struct Seat<'a> {
    pub(super) node: NodeId,
    pub(super) total: &'a Resources,
    pub(super) labels: &'a [(String, String)],
    /// As last heard.
    pub(super) free: Option<&'a Resources>,
    /// What was lent to it from here, of which its last word may not know.
    pub(super) lent: &'a Resources,
    /// What was begun there and stays, and what has ended: of that too its last word may not know.
    pub(super) held: &'a Resources,
    pub(super) freed: &'a Resources,
    /// Tasks that it has from here, and how many it may have.
    pub(super) count: u32,
    pub(super) ahead: u32,
    /// So much is on its way there that nothing more should be.
    pub(super) blocked: bool,
}

impl Seat<'_> {
    /// Whether it has room for that now. What is scarce is not promised twice; of CPUs a node may
    /// have some more tasks than it can run at once.
    pub(super) fn has_room(&self, want: &Resources) -> bool {
        if self.blocked || self.count >= self.ahead {
            return false;
        }
        if want.is_cpu_only() {
            return true;
        }
        let mut whole = self.lent.clone();
        whole.add(self.held);
        whole.add(want);
        whole.cpu = Amount::ZERO;
        // What is not free may be in use by what was lent to it.
        let used_by_others = self.free.is_some_and(|free| {
            let mut at_most = free.clone();
            at_most.add(self.lent);
            at_most.add(self.freed);
            at_most.keep_from(self.held);
            let scarce = Resources { cpu: Amount::ZERO, ..want.clone() };
            !scarce.fits(&at_most)
        });
        whole.fits(self.total) && !used_by_others
    }

    fn cpus_used(&self) -> u64 {
        let free = self.free.map_or(self.total.cpu, |free| free.cpu);
        self.total.cpu.0.saturating_sub(free.0).max(self.lent.cpu.0 + self.held.cpu.0)
    }

    /// Whether it has CPUs for that which nothing uses.
    fn is_idle_for(&self, want: &Resources) -> bool {
        self.has_room(want) && self.cpus_used() + want.cpu.0 <= self.total.cpu.0
    }

    /// The part of it that is in use, in thousandths.
    fn used(&self) -> u64 {
        self.cpus_used() * 1_000 / self.total.cpu.0.max(1)
    }
}

/// The node for a task, of those that could run it; `None` if it has to wait. `turn` differs from
/// call to call.
pub(super) fn choose<'a>(
    want: &Resources,
    wish: Wish,
    turn: u64,
    seats: impl Iterator<Item = Seat<'a>>,
) -> Option<NodeId> {
    let mut seats: Vec<Seat<'a>> = seats.collect();
    let spread = match wish {
        Wish::At { node, soft } => {
            let there = seats.iter().find(|seat| seat.node == node);
            if let Some(there) = there {
                return (!there.blocked && there.has_room(want)).then_some(node);
            }
            if !soft {
                return None;
            }
            false
        }
        Wish::Near(node) => match seats.iter().find(|seat| seat.node == node) {
            Some(there) if there.has_room(want) => return Some(node),
            Some(_) => {
                seats.retain(|seat| seat.is_idle_for(want));
                true
            }
            None => false,
        },
        Wish::Spread => true,
        Wish::Anywhere | Wish::Group { .. } => false,
    };
    seats.retain(|seat| seat.has_room(want));
    let len = seats.len().max(1);
    let from = (turn % len as u64) as usize;
    let in_turn = (from..seats.len()).chain(0..from.min(seats.len())).map(|at| &seats[at]);
    let emptiest = || in_turn.clone().min_by_key(|seat| seat.used()).map(|seat| seat.node);
    if spread {
        return emptiest();
    }
    let packed = seats.iter().filter(|seat| seat.used() < 500).max_by_key(|seat| seat.used());
    packed.map(|seat| seat.node).or_else(emptiest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpus(n: u64) -> Resources {
        Resources { cpu: Amount(n * Amount::ONE.0), ..Default::default() }
    }

    /// Four nodes of four CPUs; how many of each are free, and where a task of one CPU goes.
    #[test]
    fn nodes_fill_to_their_half_and_then_evenly() {
        let table: [([u64; 4], Wish, Option<u32>); 9] = [
            ([4, 4, 4, 4], Wish::Anywhere, Some(4)),
            ([3, 4, 4, 4], Wish::Anywhere, Some(1)),
            ([2, 4, 3, 4], Wish::Anywhere, Some(3)),
            ([2, 2, 2, 1], Wish::Anywhere, Some(1)),
            ([0, 0, 1, 0], Wish::Anywhere, Some(3)),
            ([2, 4, 3, 4], Wish::Near(NodeId(9)), Some(3)),
            ([3, 4, 3, 3], Wish::Spread, Some(2)),
            ([0, 4, 4, 4], Wish::At { node: NodeId(1), soft: false }, Some(1)),
            ([4, 4, 4, 4], Wish::At { node: NodeId(9), soft: false }, None),
        ];
        let (total, nothing) = (cpus(4), Resources::default());
        for (free, wish, wanted) in table {
            let free = free.map(cpus);
            let seats = free.iter().zip(1..).map(|(free, node)| Seat {
                node: NodeId(node),
                total: &total,
                labels: &[],
                free: Some(free),
                lent: &nothing,
                held: &nothing,
                freed: &nothing,
                count: 0,
                ahead: 5,
                blocked: false,
            });
            assert_eq!(choose(&cpus(1), wish, 0, seats).map(|node| node.0), wanted, "{wish:?}");
        }
    }

    /// Two nodes of four CPUs: how many are free, how many tasks they have of the five that each may
    /// have, and where one goes whose arguments lie on the first.
    #[test]
    fn a_task_waits_for_its_arguments_unless_a_node_is_idle() {
        let table = [
            ([4, 4], [0, 0], Some(1)),
            ([0, 4], [4, 0], Some(1)),
            ([0, 4], [5, 0], Some(2)),
            ([0, 0], [5, 4], None),
            ([0, 1], [5, 4], Some(2)),
        ];
        let (total, nothing) = (cpus(4), Resources::default());
        for (free, count, wanted) in table {
            let free = free.map(cpus);
            let seats = (0..2).map(|at| Seat {
                node: NodeId(at as u32 + 1),
                total: &total,
                labels: &[],
                free: Some(&free[at]),
                lent: &nothing,
                held: &nothing,
                freed: &nothing,
                count: count[at],
                ahead: 5,
                blocked: false,
            });
            let chosen = choose(&cpus(1), Wish::Near(NodeId(1)), 0, seats);
            assert_eq!(chosen.map(|node| node.0), wanted, "{free:?} {count:?}");
        }
    }

    #[test]
    fn what_is_scarce_is_not_promised_twice() {
        let gpu = Resources { gpu: Amount::ONE, cpu: Amount::ONE, ..Default::default() };
        let total = Resources { gpu: Amount::ONE, cpu: Amount(80_000), ..Default::default() };
        let without = Resources { cpu: Amount(80_000), ..Default::default() };
        let table = [
            (&gpu, Resources::NOTHING, &total, true),
            (&gpu, gpu.clone(), &total, false),
            (&cpus(1), gpu.clone(), &total, true),
            // Another one's actor has it.
            (&gpu, Resources::NOTHING, &without, false),
        ];
        for (want, lent, free, fits) in &table {
            let seat = Seat {
                node: NodeId(1),
                total: &total,
                labels: &[],
                free: Some(free),
                lent,
                held: &Resources::NOTHING,
                freed: &Resources::NOTHING,
                count: 0,
                ahead: 9,
                blocked: false,
            };
            assert_eq!(choose(want, Wish::Anywhere, 0, [seat].into_iter()).is_some(), *fits);
        }
    }
}
