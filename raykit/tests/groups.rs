//! Groups of actors: one call to each, items by rank, and parts of a grid.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

mod common;

use common::{Gate, PATIENCE, all_clear, arrive, error, eventually, node, pass, value};
use raykit::prelude::*;
use raykit::{ActorGroup, ErrorKind, Point, Ready};

#[remote]
struct Member {
    place: Point,
    kept: Vec<u64>,
}

#[remote]
impl Member {
    pub fn new(place: Point) -> Self {
        Member { place, kept: vec![] }
    }
    pub fn rank(&self) -> usize {
        self.place.rank()
    }
    pub fn place(&self) -> Point {
        self.place.clone()
    }
    pub fn keep(&mut self, items: Vec<u64>) -> usize {
        self.kept.extend(items);
        self.kept.len()
    }
    pub fn kept(&self) -> Vec<u64> {
        self.kept.clone()
    }
    pub fn pass(&mut self, gates: Vec<u64>) -> usize {
        pass(gates[self.place.rank()]);
        self.place.rank()
    }
    pub fn fails_at(&self, ranks: Vec<usize>) -> Result<usize, String> {
        let rank = self.place.rank();
        if ranks.contains(&rank) { Err(format!("not {rank}")) } else { Ok(rank) }
    }
    pub fn panics_at(&mut self, rank: usize) {
        assert_ne!(self.place.rank(), rank, "on purpose");
    }
    /// Asks all members, this one included: what becomes of that.
    pub fn ask_all(&mut self, group: ActorGroup<MemberHandle>) -> String {
        let all = group.call(|member| member.rank()).get();
        all.map_or_else(|error| format!("{:?}", error.kind()), |ranks| format!("{ranks:?}"))
    }
    /// Asks the other members.
    pub async fn ask_others(&self, group: ActorGroup<MemberHandle>) -> raykit::Result<Vec<usize>> {
        let own = self.place.rank();
        let before = group.slice("rank", ..own)?.call(|member| member.rank());
        let after = group.slice("rank", own + 1..)?.call(|member| member.rank());
        Ok([before.await?, after.await?].concat())
    }
}

type Members = ActorGroup<MemberHandle>;

/// A group with one dimension.
fn line(n: usize) -> Members {
    ActorGroup::grid([("rank", n)], Member::remote).unwrap()
}

fn cleared(group: Members, cpus: usize) {
    drop(group);
    eventually("no actor is left", || raykit::stats().unwrap().actors == 0);
    all_clear(cpus);
}

#[test]
fn results_are_in_the_order_of_the_ranks() {
    for cpus in [1, 4] {
        let node = node(cpus);
        let _here = node.enter();
        let group = line(4);
        group.ready().get().unwrap();
        assert_eq!(group.call(|member| member.rank()).get().unwrap(), [0, 1, 2, 3]);
        let handles: Vec<_> = group.iter().cloned().rev().collect();
        let back = ActorGroup::new(handles);
        assert_eq!(back.call(|member| member.rank()).get().unwrap(), [3, 2, 1, 0]);
        assert_eq!((back.len(), back.is_empty(), back.shape().size("rank")), (4, false, Some(4)));
        assert_eq!(format!("{back:?}"), "ActorGroup<groups::Member>(rank = 4)");
        assert_eq!(value(&back[0].rank()).unwrap(), 3);
        assert!(back.get(3).is_some() && back.get(4).is_none());
        drop(back);
        cleared(group, cpus);
    }
}

/// The last one is done first.
#[test]
fn references_are_waited_for_as_any_are() {
    let node = node(3);
    let _here = node.enter();
    let (group, gates) = (line(3), [(); 3].map(|()| Gate::new()));
    let ids: Vec<u64> = gates.iter().map(|gate| gate.id).collect();
    let calls = group.call(|member| member.pass(&ids));
    assert!(calls.get_timeout(millis(5)).unwrap_err().is_timeout());
    gates[2].open();
    let Ready { done, pending } = raykit::wait(&calls).timeout(PATIENCE).get().unwrap();
    assert_eq!((value(&done[0]).unwrap(), pending.len()), (2, 2));
    let mut completed = raykit::as_completed(calls.clone());
    assert_eq!(value(&completed.next().unwrap()).unwrap(), 2);
    gates[1].open();
    assert_eq!(value(&completed.next().unwrap()).unwrap(), 1);
    gates[0].open();
    assert_eq!(raykit::get((&calls, &calls.refs()[2])).unwrap(), (vec![0, 1, 2], 2));
    let by_rank: Vec<_> = calls.iter().map(|call| call.get().unwrap()).collect();
    assert_eq!(by_rank, [0, 1, 2]);
    assert_eq!((calls.len(), calls.is_empty(), calls.cancel()), (3, false, 0));
    drop((calls, completed, done, pending));
    cleared(group, 3);
}

#[test]
fn what_is_cancelled_is_not_waited_for() {
    let node = node(2);
    let _here = node.enter();
    let (group, gate) = (line(2), Gate::new());
    let calls = group.call(|member| member.pass(vec![gate.id; 2]));
    gate.await_arrivals(2);
    assert_eq!(calls.cancel(), 2);
    assert!(calls.results().iter().all(|one| one.as_ref().is_err_and(raykit::Error::is_cancelled)));
    gate.open();
    drop(calls);
    cleared(group, 2);
}

#[test]
fn items_are_scattered_by_rank() {
    let node = node(2);
    let _here = node.enter();
    let group = line(3);
    let items = [vec![1], vec![2, 3], vec![4]];
    let kept = group.scatter(items, |member, items| member.keep(items)).unwrap();
    assert_eq!(kept.get().unwrap(), [1, 2, 1]);
    for given in [0, 2, 4] {
        let items = (0..given).map(|item| vec![item]);
        let refused = group.scatter(items, |member, items| member.keep(items)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::GroupShape);
        let text = refused.to_string();
        assert!(text.starts_with(&format!("{given} items for 3 actors")), "{text}");
    }
    assert_eq!(group.call(|member| member.kept()).get().unwrap(), [vec![1], vec![2, 3], vec![4]]);
    let nobody = Members::new([]);
    assert!(nobody.scatter(0..0_u64, |member, x| member.keep(vec![x])).unwrap().is_empty());
    assert!(nobody.call(|member| member.rank()).get().unwrap().is_empty());
    drop(kept);
    cleared(group, 2);
}

#[test]
fn an_error_stands_in_its_ranks_place() {
    let node = node(2);
    let _here = node.enter();
    let group = line(5);
    let calls = group.call(|member| member.fails_at(vec![1, 3]));
    for (rank, result) in calls.results().into_iter().enumerate() {
        match rank {
            1 | 3 => assert_eq!(result.unwrap_err().message(), format!("not {rank}")),
            _ => assert_eq!(result.unwrap(), rank),
        }
    }
    assert_eq!(calls.get().unwrap_err().message(), "not 1", "the first of them");
    // A member that has died keeps its place.
    let panics = group.call(|member| member.panics_at(2)).results();
    assert!(panics[2].as_ref().unwrap_err().is_panic());
    assert_eq!(panics.iter().filter(|one| one.is_err()).count(), 1);
    assert!(group[4].kill());
    let ranks = group.call(|member| member.rank()).results();
    for (rank, result) in ranks.into_iter().enumerate() {
        match rank {
            2 | 4 => assert!(result.unwrap_err().is_actor_died()),
            _ => assert_eq!(result.unwrap(), rank),
        }
    }
    assert_eq!(group.len(), 5);
    drop(calls);
    cleared(group, 2);
}

#[test]
fn a_group_is_stopped_and_killed() {
    let node = node(2);
    let _here = node.enter();
    let group = line(3);
    let last = group.call(|member| member.rank());
    assert_eq!(group.stop(), 3);
    assert_eq!(last.get().unwrap(), [0, 1, 2], "what it had taken is done");
    group.iter().for_each(|member| assert!(value(&member.ended()).is_ok()));
    assert_eq!((group.stop(), group.kill()), (0, 0));
    let refused = group.call(|member| member.rank()).results();
    assert!(refused.iter().all(|one| one.as_ref().is_err_and(raykit::Error::is_actor_died)));
    let (others, gate) = (line(2), Gate::new());
    let held = others.call(|member| member.pass(vec![gate.id; 2]));
    gate.await_arrivals(2);
    assert!(others[1].kill());
    assert_eq!(others.kill(), 1);
    assert!(held.get().unwrap_err().is_actor_died());
    gate.open();
    drop((last, held, others));
    cleared(group, 2);
}

/// All ranges of all dimensions of a cube with three different sides, beside the plain way.
#[test]
fn a_slice_has_the_members_whose_place_is_within() {
    let node = node(2);
    let _here = node.enter();
    let sides = [("a", 2), ("b", 3), ("c", 4)];
    let group = ActorGroup::grid(sides, Member::remote).unwrap();
    let all: Vec<Point> = group.call(|member| member.place()).get().unwrap();
    assert!(group.shape().points().eq(all.iter().cloned()));
    for (rank, point) in all.iter().enumerate() {
        assert_eq!(point.rank(), rank);
        assert_eq!((point["a"] * 3 + point["b"]) * 4 + point["c"], rank);
        assert_eq!((point.get("c"), point.get("d")), (Some(rank % 4), None));
        let at = group.at([("c", point["c"]), ("a", point["a"]), ("b", point["b"])]);
        assert!(at == group.get(rank) && at.is_some());
    }
    for (name, size) in sides {
        for (from, to) in (0..=size).flat_map(|to| (0..=to).map(move |from| (from, to))) {
            let part = group.slice(name, from..to).unwrap();
            let within: Vec<_> =
                all.iter().filter(|at| (from..to).contains(&at[name])).map(Point::rank).collect();
            assert_eq!(part.call(|member| member.rank()).get().unwrap(), within);
            assert_eq!(
                (part.shape().size(name), part.shape().len()),
                (Some(to - from), part.len())
            );
        }
    }
    cleared(group, 2);
}

#[test]
fn a_slice_is_a_group_of_its_own() {
    let node = node(1);
    let _here = node.enter();
    let group = ActorGroup::grid([("hosts", 2), ("gpus", 4)], Member::remote).unwrap();
    let part = group.slice("hosts", 1..).unwrap().slice("gpus", 1..=2).unwrap();
    assert_eq!(part.shape().to_string(), "hosts = 1, gpus = 2");
    assert_eq!(part.call(|member| member.rank()).get().unwrap(), [5, 6]);
    assert!(part.get(1) == group.get(6) && part.at([("hosts", 0), ("gpus", 1)]) == group.get(6));
    assert!(part.at([("gpus", 1)]).is_none() && part.at([("hosts", 1), ("gpus", 0)]).is_none());
    assert_eq!(group.slice("gpus", ..).unwrap().len(), 8);
    assert!(group.slice("gpus", 4..).unwrap().is_empty());
    let refused =
        [group.slice("racks", 0..1), group.slice("gpus", 3..5), group.slice("gpus", ..=4)];
    for (refused, words) in refused.into_iter().zip(["`racks` in hosts = 2", "up to 4", "up to 4"])
    {
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::GroupShape);
        assert!(refused.to_string().contains(words), "{refused}");
    }
    for dimensions in [[("a", 2), ("a", 2)], [("a", usize::MAX), ("b", 2)]] {
        let refused = ActorGroup::grid(dimensions, Member::remote).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::GroupShape, "{refused}");
    }
    assert!(ActorGroup::grid([("a", 3), ("b", 0)], Member::remote).unwrap().is_empty());
    drop(part);
    cleared(group, 1);
}

#[test]
#[should_panic(expected = "there is no dimension `rows` in hosts = 2")]
fn a_place_has_the_dimensions_of_its_shape() {
    let node = node(1);
    let _here = node.enter();
    let _ = ActorGroup::grid([("hosts", 2)], |point| {
        let _ = point["rows"];
        Member::remote(point)
    });
}

#[object]
struct Job {
    group: Members,
    first: u64,
}

#[remote]
fn fill(job: Job) -> raykit::Result<Members> {
    let Job { group, first } = job;
    let items = (first..).take(group.len()).map(|item| vec![item]);
    group.scatter(items, |member, items| member.keep(items))?.get()?;
    group.slice("rank", 1..)
}

#[remote]
async fn kept(group: Members) -> raykit::Result<Vec<u64>> {
    let before = (&group.call(|member| member.kept())).await?;
    let after = group.call(|member| member.kept()).await?;
    assert_eq!(before, after);
    Ok(after.concat())
}

#[remote]
async fn first_error(group: Members, ranks: Vec<usize>) -> raykit::Result<Vec<usize>> {
    group.call(|member| member.fails_at(&ranks)).await
}

/// As an argument, in a struct, as a result, and in async code.
#[test]
fn a_group_travels() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let group = line(3);
        let rest = fill::remote(Job { group: group.clone(), first: 7 });
        assert_eq!(value(&rest).unwrap().len(), 2);
        assert_eq!(value(&kept::remote(&rest)).unwrap(), [8, 9]);
        assert_eq!(value(&kept::remote(&group)).unwrap(), [7, 8, 9]);
        assert_eq!(value(&first_error::remote(&group, vec![])).unwrap(), [0, 1, 2]);
        let failed = error(&first_error::remote(&group, vec![1, 2]));
        assert!(failed.message().ends_with("not 1"), "{failed}");
        drop(rest);
        cleared(group, cpus);
    }
}

#[test]
fn members_call_each_other() {
    let node = node(2);
    let _here = node.enter();
    let group = line(3);
    let others = group.call(|member| member.ask_others(&group));
    assert_eq!(others.get().unwrap(), [[1, 2], [0, 2], [0, 1]]);
    // One that waits for itself hears of it.
    assert_eq!(value(&group[1].ask_all(&group)).unwrap(), "Deadlock");
    drop(others);
    cleared(group, 2);
}

#[remote]
struct Weights {
    sum: u64,
}

#[remote]
impl Weights {
    pub fn new(_rank: usize) -> Self {
        Weights { sum: 0 }
    }
    pub fn set(&mut self, weights: &[u64], log: u64) -> Result<(), String> {
        self.sum = weights.iter().sum();
        arrive(log);
        Err("nobody hears of this".into())
    }
    pub fn sum(&self) -> u64 {
        self.sum
    }
}

#[test]
fn a_broadcast_waits_for_nobody() {
    let node = node(2);
    let _here = node.enter();
    let (group, log) = (ActorGroup::spawn(4, Weights::remote), Gate::new());
    let weights = raykit::put((0..1_000).collect::<Vec<u64>>()).unwrap();
    group.broadcast(|member| member.set(&weights, log.id));
    assert_eq!(group.call(|member| member.sum()).get().unwrap(), [499_500; 4]);
    assert_eq!(log.arrived(), 4);
    drop((weights, group));
    eventually("no actor is left", || raykit::stats().unwrap().actors == 0);
    all_clear(2);
}
