//! Placement groups and labels.

use super::placed::Ledger;
use super::*;
use crate::{Bundle, PlacementGroup, PlacementStrategy};
use std::sync::atomic::{AtomicUsize, Ordering};

fn cpus(counts: &[f64]) -> Vec<Bundle> {
    counts.iter().map(|n| Bundle::new().num_cpus(*n)).collect()
}

fn free(member: &Joined) -> f64 {
    here(member, || crate::stats().unwrap().cpus_free)
}

static AT_ONCE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[raykit::remote]
fn counted(x: u64) -> u64 {
    let now = AT_ONCE.fetch_add(1, Ordering::SeqCst) + 1;
    MOST.fetch_max(now, Ordering::SeqCst);
    let until = Instant::now() + Duration::from_millis(1);
    while Instant::now() < until {
        std::thread::yield_now();
    }
    AT_ONCE.fetch_sub(1, Ordering::SeqCst);
    x
}

#[raykit::remote]
fn goes_on() -> bool {
    while !crate::context().is_cancelled() {
        std::thread::yield_now();
    }
    true
}

/// I11: what runs in a bundle has that and no more, what runs beside it has the rest.
#[test]
fn a_node_by_itself_sets_bundles_aside() {
    let node = crate::Config::new().num_cpus(4).start().unwrap();
    let _here = node.enter();
    // Submitted before the group is there: the CPUs are in use.
    let busy = goes_on::options().num_cpus(4.0).remote();
    let group = PlacementGroup::of(cpus(&[2.0, 1.0])).create().unwrap();
    let early = where_am_i::options().strategy(group.bundle(1)).remote(5);
    assert!(!group.wait(Duration::from_millis(5)).unwrap());
    assert_eq!(group.nodes().unwrap(), [None, None]);
    busy.cancel();
    assert_eq!(early.get().unwrap().0, 5);
    assert!(group.wait(Duration::from_secs(20)).unwrap());
    assert!(group.nodes().unwrap().iter().all(Option::is_some));
    until("the rest is free", || crate::stats().unwrap().cpus_free == 1.0);
    let all: Vec<_> =
        (0..40).map(|x| counted::options().strategy(group.bundle(0)).remote(x)).collect();
    assert_eq!(crate::get(&all).unwrap().iter().sum::<u64>(), 780);
    assert_eq!(MOST.swap(0, Ordering::SeqCst), 2);
    let any: Vec<_> = (0..40).map(|x| counted::options().strategy(group.any()).remote(x)).collect();
    assert_eq!(crate::get(&any).unwrap().len(), 40);
    assert_eq!(MOST.load(Ordering::SeqCst), 3);

    let error = |asked: crate::ObjectRef<u64>| asked.get().unwrap_err();
    let large = error(counted::options().num_cpus(3.0).strategy(group.bundle(0)).remote(1));
    assert!(large.kind() == ErrorKind::Unschedulable, "{large}");
    assert!(large.to_string().contains("num_cpus = 2"), "{large}");
    let none = error(counted::options().strategy(group.bundle(2)).remote(1));
    assert!(none.to_string().contains("which has 2"), "{none}");
    let gpu = error(counted::options().num_gpus(1.0).strategy(group.any()).remote(1));
    assert!(gpu.to_string().contains("no bundle"), "{gpu}");
    group.remove().unwrap();
    let gone = error(counted::options().strategy(group.any()).remote(1));
    assert!(gone.kind() == ErrorKind::Unschedulable, "{gone}");
    until("all is free", || crate::stats().unwrap().cpus_free == 4.0);
    assert!(crate::placement_groups().unwrap().is_empty());
}

#[raykit::remote(num_gpus = 1)]
fn takes_gpus() -> Vec<usize> {
    let own = crate::context().gpus();
    while !crate::context().is_cancelled() {
        if AT_GPUS.load(Ordering::SeqCst) {
            break;
        }
        std::thread::yield_now();
    }
    own
}

static AT_GPUS: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Each GPU is one task's, in a group and beside it.
#[test]
fn the_gpus_of_a_group_are_told_apart() {
    let node = crate::Config::new().num_cpus(4).num_gpus(3.0).start().unwrap();
    let _here = node.enter();
    for _ in 0..3 {
        AT_GPUS.store(false, Ordering::SeqCst);
        let bundles = [Bundle::new().num_gpus(1.0), Bundle::new().num_gpus(1.0).num_cpus(1.0)];
        let group = PlacementGroup::of(bundles).create().unwrap();
        group.ready().get().unwrap();
        let inside = |at| takes_gpus::options().num_cpus(0.0).strategy(group.bundle(at));
        let all = [inside(0).remote(), inside(1).remote(), takes_gpus::remote()];
        until("all GPUs are in use", || crate::stats().unwrap().gpus_free == 0.0);
        AT_GPUS.store(true, Ordering::SeqCst);
        let mut gpus = crate::get(&all).unwrap().concat();
        gpus.sort_unstable();
        assert_eq!(gpus, [0, 1, 2]);
        group.remove().unwrap();
        until("all is free", || crate::stats().unwrap().gpus_free == 3.0);
        assert_eq!(crate::stats().unwrap().resources_free, [], "its names are forgotten");
    }
}

/// A whole GPU and parts of another one.
#[test]
fn parts_of_gpus_are_set_aside_one_by_one() {
    let node = crate::Config::new().num_cpus(4).num_gpus(2.0).start().unwrap();
    let _here = node.enter();
    let bundles = [1.0, 0.5, 0.5].map(|n| Bundle::new().num_gpus(n));
    let group = PlacementGroup::of(bundles).create().unwrap();
    group.ready().get().unwrap();
    let shares = [1.0, 0.5, 0.5];
    let held: Vec<_> = (0..3)
        .map(|at| {
            let actor = Ledger::options().num_gpus(shares[at as usize]);
            actor.strategy(group.bundle(at)).remote(1)
        })
        .collect();
    for actor in &held {
        assert_eq!(actor.enter(2).get().unwrap(), 2);
    }
    drop(held);
    group.remove().unwrap();
    until("all is free", || crate::stats().unwrap().gpus_free == 2.0);
}

#[test]
fn what_can_never_be_set_aside_is_refused() {
    let node = crate::Config::new().num_cpus(2).start().unwrap();
    let _here = node.enter();
    let refused = |group: crate::PlacementGroupOptions| group.create().unwrap_err();
    let table = [
        (
            refused(PlacementGroup::of(cpus(&[1.0, 1.5]))),
            ErrorKind::Unschedulable,
            "num_cpus = 2.5",
        ),
        (
            refused(
                PlacementGroup::of(cpus(&[1.0, 1.0])).strategy(PlacementStrategy::StrictSpread),
            ),
            ErrorKind::Unschedulable,
            "nodes of their own",
        ),
        (refused(PlacementGroup::of(cpus(&[]))), ErrorKind::Config, "1 to 1000"),
        (refused(PlacementGroup::of(cpus(&[1.0, 0.0]))), ErrorKind::Config, "bundle 1"),
        (refused(PlacementGroup::of(cpus(&[-1.0]))), ErrorKind::Config, "num_cpus = -1"),
    ];
    for (error, kind, text) in table {
        assert!(error.kind() == kind && error.to_string().contains(text), "{error}");
    }
}

/// What is removed while it is in use is free when the last that uses it has ended.
#[test]
fn removing_a_group_ends_what_runs_in_it() {
    let node = crate::Config::new().num_cpus(3).start().unwrap();
    let _here = node.enter();
    let group = PlacementGroup::of(cpus(&[1.0, 1.0])).create().unwrap();
    let runs = goes_on::options().strategy(group.bundle(0)).remote();
    let actor = Ledger::options().num_cpus(1.0).strategy(group.bundle(1)).remote(1);
    assert_eq!(actor.enter(2).get().unwrap(), 2);
    let waits = where_am_i::options().strategy(group.bundle(1)).remote(3);
    group.remove().unwrap();
    let removed = waits.get().unwrap_err();
    assert!(removed.kind() == ErrorKind::Unschedulable, "{removed}");
    assert!(removed.to_string().contains("it was removed"), "{removed}");
    assert!(runs.get().unwrap_err().is_cancelled());
    let ended = actor.enter(3).get().unwrap_err();
    assert!(ended.is_actor_died() && ended.to_string().contains("placement group"), "{ended}");
    assert!(group.ready().get().is_err());
    until("all is free", || crate::stats().unwrap().cpus_free == 3.0);
}

/// S9: half a group is none: it lies there when the last of its bundles is set aside.
#[test]
fn a_group_is_not_there_before_all_of_it_is() {
    let node = crate::Config::new().num_cpus(2).start().unwrap();
    let _here = node.enter();
    let busy = goes_on::remote();
    until("it runs", || crate::stats().unwrap().cpus_free == 1.0);
    let group = PlacementGroup::of(cpus(&[1.0, 1.0])).create().unwrap();
    until("the first bundle is set aside", || crate::stats().unwrap().cpus_free == 0.0);
    assert!(!group.ready().is_ready());
    assert_eq!(group.nodes().unwrap(), [None, None]);
    busy.cancel();
    group.ready().get().unwrap();
    assert_eq!(group.nodes().unwrap(), [Some(node.id()); 2]);
    group.remove().unwrap();
    until("all is free", || crate::stats().unwrap().cpus_free == 2.0);
}

/// Two groups whose bundles ask for the same in another order do not hold each other up.
#[test]
fn groups_have_their_turns_on_one_node() {
    let node = crate::Config::new().num_cpus(2).num_gpus(1.0).start().unwrap();
    let _here = node.enter();
    let busy = goes_on::options().num_cpus(0.0).num_gpus(1.0).remote();
    let gpu = |cpus| Bundle::new().num_cpus(cpus).num_gpus(1.0);
    let first = PlacementGroup::of([gpu(2.0)]).create().unwrap();
    let second = PlacementGroup::of([Bundle::new().num_cpus(2.0), gpu(0.0)]).create().unwrap();
    // One that is removed before its turn is passed over.
    let third = PlacementGroup::of([gpu(1.0)]).create().unwrap();
    let last = PlacementGroup::of([gpu(1.0)]).create().unwrap();
    third.remove().unwrap();
    busy.cancel();
    for group in [first, second, last] {
        group.ready().get().unwrap();
        group.remove().unwrap();
    }
    until("all is free", || crate::stats().unwrap().cpus_free == 2.0);
}

fn placed(group: PlacementGroup, bundle: u32) -> u32 {
    where_am_i::options().strategy(group.bundle(bundle)).remote(0).get().unwrap().1
}

/// N17: bundles lie where the strategy says, and when a node dies its bundles find another place.
#[test]
fn bundles_lie_on_several_nodes() {
    let mut world = World::new();
    let (head, mut other, third) = (world.join(2), world.join(2), world.join(2));
    let wide = here(&head, || {
        let wide = PlacementGroup::of(cpus(&[1.0, 1.0, 1.0]));
        let wide = wide.strategy(PlacementStrategy::StrictSpread).create().unwrap();
        wide.ready().get().unwrap();
        let mut nodes: Vec<u32> = (0..3).map(|at| placed(wide, at)).collect();
        let lie: Vec<u32> = wide.nodes().unwrap().into_iter().map(|node| node.unwrap().0).collect();
        assert_eq!(nodes, lie);
        nodes.sort_unstable();
        assert_eq!(nodes, [&head, &other, &third].map(|member| member.node.id.0));
        wide.remove().unwrap();
        let narrow = PlacementGroup::of(cpus(&[1.0, 1.0]));
        let narrow = narrow.strategy(PlacementStrategy::StrictPack).create().unwrap();
        narrow.ready().get().unwrap();
        assert_eq!(placed(narrow, 0), placed(narrow, 1));
        narrow.remove().unwrap();
        let wide = PlacementGroup::of(cpus(&[1.0, 1.0]));
        let wide = wide.strategy(PlacementStrategy::StrictSpread).create().unwrap();
        wide.ready().get().unwrap();
        wide
    });
    other.vanish();
    here(&head, || {
        let mut nodes = [placed(wide, 0), placed(wide, 1)];
        nodes.sort_unstable();
        assert_eq!(nodes, [head.node.id.0, third.node.id.0]);
        wide.remove().unwrap();
    });
    for member in [&head, &third] {
        until("all is free", || free(member) == 2.0);
    }
    nothing_left(&[&head, &third]);
}

/// A group that another node has made, used from a third one by a handle that came in a task.
#[raykit::remote]
fn asks_in(group: PlacementGroup) -> Result<(i64, u32), crate::Error> {
    group.ready().get()?;
    where_am_i::options().num_cpus(0.5).strategy(group.bundle(0)).remote(7).get()
}

#[test]
fn a_group_is_known_everywhere_and_ends_with_its_maker() {
    let mut world = World::new();
    let (head, mut maker, user) = (world.join(1), world.join(1), world.join(1));
    let (group, kept) = here(&maker, || {
        let group = PlacementGroup::of(cpus(&[0.5])).create().unwrap();
        let asked = asks_in::options().strategy(at(&user)).remote(group);
        let (x, node) = asked.get().unwrap();
        assert_eq!((x, Some(node)), (7, group.nodes().unwrap()[0].map(|node| node.0)));
        let kept = PlacementGroup::of(cpus(&[0.5])).detached().create().unwrap();
        kept.ready().get().unwrap();
        (group, kept)
    });
    let actor = here(&user, || {
        kept.ready().get().unwrap();
        let actor = Ledger::options().num_cpus(0.5).strategy(kept.any()).remote(1);
        assert_eq!(actor.enter(2).get().unwrap(), 2);
        actor
    });
    maker.vanish();
    here(&user, || {
        until("the group has ended with its maker", || group.nodes().unwrap().is_empty());
        let gone =
            where_am_i::options().num_cpus(0.5).strategy(group.any()).remote(0).get().unwrap_err();
        assert!(gone.kind() == ErrorKind::Unschedulable, "{gone}");
        assert_eq!(crate::placement_groups().unwrap(), [kept]);
        kept.remove().unwrap();
        until("the group has ended", || kept.ready().get().is_err());
        until("the actor has ended", || !actor.is_alive() || actor.enter(3).get().is_err());
    });
    for member in [&head, &user] {
        until("all is free", || free(member) == 1.0);
    }
}

#[test]
fn labels_say_where_to_run() {
    let mut world = World::new();
    let (head, a, b) = (world.join(1), world.join_as(1, "a"), world.join_as(1, "b"));
    let (a, b) = (a.node.id.0, b.node.id.0);
    here(&head, || {
        let runs = |zone: &'static str| {
            let asked = where_am_i::options().label("zone", zone).remote(0);
            asked.get().map(|found| found.1)
        };
        let table = [
            ("a", vec![a]),
            ("b", vec![b]),
            ("in(a, b)", vec![a, b]),
            ("!b", vec![head.node.id.0, a]),
        ];
        for (zone, wanted) in table {
            for _ in 0..5 {
                let found = runs(zone).unwrap();
                assert!(wanted.contains(&found), "{zone}: {found}");
            }
        }
        let actor = Ledger::options().label("zone", "b").remote(1);
        assert_eq!(actor.place().get().unwrap().0, b);
        let error = runs("in(a").unwrap_err();
        assert!(
            error.kind() == ErrorKind::Config && error.to_string().contains("bracket"),
            "{error}"
        );
    });
    // By itself a node has its own labels and no others.
    let node = crate::Config::new().num_cpus(1).label("zone", "a").start().unwrap();
    let _here = node.enter();
    let asks = |zone: &'static str| where_am_i::options().label("zone", zone).remote(0).get();
    assert!(asks("a").is_ok());
    let error = asks("b").unwrap_err();
    assert!(error.kind() == ErrorKind::Unschedulable, "{error}");
    assert!(error.to_string().contains("zone = b"), "{error}");
}
