//! Where the bundles of a placement group should lie, of the nodes that take something: a pure
//! choice. All of them find room, or there is no answer.

use crate::base::quantity::{Amount, Resources};
use crate::base::{NodeId, PlacementStrategy};
use std::collections::BTreeMap;

/// A node that one may choose, and what it has for this.
pub(super) struct Plot {
    pub(super) node: NodeId,
    pub(super) room: Resources,
}

/// Finds nodes for the bundles that have no home. `None` if not all find one.
pub(super) fn assign(
    wants: &[Resources],
    homes: &[Option<NodeId>],
    strategy: PlacementStrategy,
    plots: &[Plot],
) -> Option<Vec<(u32, NodeId)>> {
    let open: Vec<usize> = (0..wants.len()).filter(|at| homes.get(*at) == Some(&None)).collect();
    let settled: Vec<NodeId> = homes.iter().flatten().copied().collect();
    // The large ones first: what is left fits the small ones sooner than the other way round.
    let mut order = open;
    order.sort_by_key(|at| (std::cmp::Reverse(size(&wants[*at])), *at));
    let found = match strategy {
        PlacementStrategy::StrictPack => {
            let only = settled.first();
            let there = |plot: &&Plot| only.is_none_or(|only| *only == plot.node);
            let mut fitting = plots.iter().filter(there).filter(|plot| {
                let mut room = plot.room.clone();
                order.iter().all(|at| room.take(&wants[*at]))
            });
            let node = fitting.next()?.node;
            order.into_iter().map(|at| (at, node)).collect()
        }
        other => one_by_one(wants, &order, &settled, other, plots)?,
    };
    let mut found: Vec<(u32, NodeId)> =
        found.into_iter().map(|(at, node)| (at as u32, node)).collect();
    found.sort_unstable();
    Some(found)
}

fn one_by_one(
    wants: &[Resources],
    order: &[usize],
    settled: &[NodeId],
    strategy: PlacementStrategy,
    plots: &[Plot],
) -> Option<Vec<(usize, NodeId)>> {
    let mut rooms: Vec<Resources> = plots.iter().map(|plot| plot.room.clone()).collect();
    // How many bundles each node has.
    let mut used: BTreeMap<NodeId, u32> = BTreeMap::new();
    settled.iter().for_each(|node| *used.entry(*node).or_default() += 1);
    let mut found = Vec::new();
    for at in order {
        let fits = (0..plots.len()).filter(|plot| wants[*at].fits(&rooms[*plot]));
        let count = |plot: &usize| used.get(&plots[*plot].node).copied().unwrap_or(0);
        let best = match strategy {
            PlacementStrategy::StrictSpread => fits.filter(|plot| count(plot) == 0).min(),
            PlacementStrategy::Spread => fits.min_by_key(|plot| (count(plot), *plot)),
            // Where some are already; and a new node is one with much room, so that few will do.
            _ => fits.min_by_key(|plot| {
                let room = std::cmp::Reverse(size(&rooms[*plot]));
                (count(plot) == 0, room, *plot)
            }),
        };
        let best = best?;
        let fitted = rooms[best].take(&wants[*at]);
        debug_assert!(fitted, "it was compared a moment ago");
        *used.entry(plots[best].node).or_default() += 1;
        found.push((*at, plots[best].node));
    }
    Some(found)
}

/// What makes one request harder to place than another.
fn size(want: &Resources) -> (u64, u64, u64) {
    let named = want.named.iter().map(|(_, amount)| amount.0).fold(0, u64::saturating_add);
    (want.gpu.0.saturating_add(named), want.cpu.0, want.memory)
}

/// Whether each bundle asks for something, and all of them could lie somewhere if the nodes did
/// nothing else.
pub(super) fn could_be(
    wants: &[Resources],
    strategy: PlacementStrategy,
    totals: impl Iterator<Item = (NodeId, Resources)>,
) -> bool {
    let plots: Vec<Plot> = totals.map(|(node, room)| Plot { node, room }).collect();
    assign(wants, &vec![None; wants.len()], strategy, &plots).is_some()
}

/// What a node with that in all has left of CPUs beside what is reserved on it: so much it can give
/// in a while, whatever runs there now; and of the rest what is free.
pub(super) fn in_a_while(total: &Resources, free: &Resources, reserved: Amount) -> Resources {
    Resources { cpu: Amount(total.cpu.0.saturating_sub(reserved.0)), ..free.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpus(n: u64) -> Resources {
        Resources { cpu: Amount(n * Amount::ONE.0), ..Resources::default() }
    }

    /// Nodes 1, 2, .. with so many CPUs free, bundles of so many, and on which nodes they lie.
    #[test]
    fn bundles_lie_as_the_strategy_says() {
        use PlacementStrategy::{Pack, Spread, StrictPack, StrictSpread};
        type Row = (PlacementStrategy, &'static [u64], &'static [u64], Option<&'static [u32]>);
        let table: [Row; 14] = [
            (Pack, &[4, 4], &[2, 2], Some(&[1, 1])),
            (Pack, &[2, 4], &[2, 2], Some(&[2, 2])),
            (Pack, &[4, 4], &[2, 3], Some(&[2, 1])),
            (Pack, &[1, 1, 1], &[1, 1, 1], Some(&[1, 2, 3])),
            (Pack, &[4, 4], &[3, 3, 3], None),
            (Spread, &[4, 4], &[1, 1], Some(&[1, 2])),
            (Spread, &[4, 1], &[1, 2], Some(&[2, 1])),
            (Spread, &[4], &[1, 1, 1], Some(&[1, 1, 1])),
            (StrictPack, &[2, 4], &[2, 2], Some(&[2, 2])),
            (StrictPack, &[3, 3], &[2, 2], None),
            (StrictSpread, &[4, 4], &[1, 1], Some(&[1, 2])),
            (StrictSpread, &[4, 4], &[1, 1, 1], None),
            (StrictSpread, &[1, 4], &[1, 3], Some(&[1, 2])),
            (StrictSpread, &[], &[1], None),
        ];
        for (strategy, free, wants, wanted) in table {
            let plots =
                free.iter().zip(1..).map(|(n, node)| Plot { node: NodeId(node), room: cpus(*n) });
            let plots: Vec<Plot> = plots.collect();
            let wants: Vec<Resources> = wants.iter().map(|n| cpus(*n)).collect();
            let homes = vec![None; wants.len()];
            let found = assign(&wants, &homes, strategy, &plots);
            let found: Option<Vec<u32>> =
                found.map(|all| all.into_iter().map(|one| one.1.0).collect());
            assert_eq!(found.as_deref(), wanted, "{strategy:?} {free:?}");
        }
    }

    #[test]
    fn what_has_a_home_stays_there_and_counts() {
        let plots: Vec<Plot> =
            (1..4).map(|node| Plot { node: NodeId(node), room: cpus(1) }).collect();
        let (wants, there) = ([cpus(1), cpus(1)], NodeId(1));
        let table = [
            (PlacementStrategy::StrictSpread, Some(NodeId(2))),
            (PlacementStrategy::Spread, Some(NodeId(2))),
            (PlacementStrategy::StrictPack, Some(there)),
            (PlacementStrategy::Pack, Some(there)),
        ];
        for (strategy, wanted) in table {
            let found = assign(&wants, &[Some(there), None], strategy, &plots);
            assert_eq!(found.map(|all| all[0]), wanted.map(|node| (1, node)), "{strategy:?}");
        }
    }
}
