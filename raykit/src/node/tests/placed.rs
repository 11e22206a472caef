//! Actors that live on other nodes than the one that has made them, and their names.

use super::*;

#[raykit::remote]
pub(super) struct Ledger {
    entries: Vec<i64>,
    node: u32,
}

#[raykit::remote]
impl Ledger {
    pub fn new(first: i64) -> crate::Result<Self> {
        if first < 0 {
            return Err(Error::new(ErrorKind::Config, "no debts"));
        }
        let node = current::node().expect("a node").id.0;
        Ok(Ledger { entries: vec![first], node })
    }
    pub fn enter(&mut self, x: i64) -> usize {
        self.entries.push(x);
        self.entries.len()
    }
    pub fn enter_later(&mut self, x: &i64) -> usize {
        self.entries.push(*x);
        self.entries.len()
    }
    #[remote(max_retries = 5)]
    pub fn enter_surely(&mut self, x: i64) -> i64 {
        self.entries.push(x);
        x
    }
    pub fn entries(&self) -> Vec<i64> {
        self.entries.clone()
    }
    pub fn place(&self) -> (u32, String) {
        (self.node, crate::context().actor_id().expect("an actor").to_string())
    }
    pub fn goes_on(&self) {
        while !crate::context().is_cancelled() {
            std::thread::yield_now();
        }
    }
    pub fn panics(&mut self) {
        panic!("as asked");
    }
    pub fn stream(&self) -> impl Iterator<Item = i64> {
        self.entries.clone().into_iter()
    }
}

#[raykit::remote]
fn enters_many(ledger: LedgerHandle, from: i64, count: i64) -> crate::Result<Vec<usize>> {
    let entered: Vec<_> = (from..from + count).map(|x| ledger.enter(x)).collect();
    crate::get(&entered)
}

#[raykit::remote]
fn finds(name: String) -> crate::Result<LedgerHandle> {
    crate::actor(&name)
}

#[test]
fn an_actor_lives_where_it_is_told_to() {
    let mut world = World::new();
    let (head, other, third) = (world.join(2), world.join(2), world.join(2));
    here(&head, || {
        let ledger = Ledger::options().strategy(at(&other)).remote(7);
        // Sent before anybody knows where it is, one of them without its argument.
        let slow = slowly::remote(1);
        let mut entered = vec![ledger.enter_later(&slow)];
        entered.extend((2..200).map(|x| ledger.enter(x)));
        assert_eq!(crate::get(&entered).unwrap(), (2..201).collect::<Vec<usize>>());
        ledger.ready().get().unwrap();
        let entries: Vec<i64> = [7].into_iter().chain(1..200).collect();
        assert_eq!(ledger.entries().get().unwrap(), entries);
        assert_eq!(
            ledger.place().get().unwrap(),
            (other.node.id.0, ledger.id().unwrap().to_string())
        );
        assert_eq!(ledger.stream().map(|x| x.get().unwrap()).collect::<Vec<_>>(), entries);
        // From a third node, and from its own.
        for member in [&third, &other] {
            let entered = enters_many::options().strategy(at(member)).remote(&ledger, 0, 50);
            assert_eq!(entered.get().unwrap().len(), 50);
        }
        assert!(ledger.is_alive());
        let ended = ledger.ended();
        assert!(ledger.kill() && !ledger.kill() && !ledger.is_alive());
        assert!(ended.get().unwrap().contains("killed"));
        assert!(ledger.enter(1).get().unwrap_err().is_actor_died());
    });
    nothing_left(&[&head, &other, &third]);
}

#[test]
fn what_cannot_start_says_why() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    here(&head, || {
        let ledger = Ledger::options().strategy(at(&other)).remote(-1);
        let error = ledger.enter(1).get().unwrap_err();
        assert!(error.is_actor_died() && error.to_string().contains("no debts"), "{error}");
        assert!(ledger.ready().get().unwrap_err().to_string().contains("no debts"));
        let failed = refuses::remote(3);
        let lacks = Ledger::options().strategy(at(&other)).remote(&crate::put(1).unwrap());
        assert_eq!(lacks.enter(2).get().unwrap(), 2);
        let broken = refuses::remote(3);
        let fails = Ledger::options().strategy(at(&other)).remote(&broken);
        let error = fails.enter(2).get().unwrap_err();
        assert!(error.to_string().contains("not 3"), "{error}");
        drop(failed);
    });
    nothing_left(&[&head, &other]);
}

/// A20: with the last handle an actor ends, wherever it is; what it has taken is run.
#[test]
fn the_last_handle_ends_it() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    let alive = || here(&other, || crate::stats().unwrap().actors);
    let entered = here(&head, || {
        let ledger = Ledger::options().strategy(at(&other)).remote(1);
        (0..20).map(|x| ledger.enter(x)).collect::<Vec<_>>()
    });
    here(&head, || assert_eq!(crate::get(&entered).unwrap().last(), Some(&21)));
    drop(entered);
    until("the actor has ended", || alive() == 0);
    // One that is dropped before it is anywhere.
    here(&head, || drop(Ledger::options().strategy(at(&other)).remote(1)));
    nothing_left(&[&head, &other]);
    until("that one has ended too", || alive() == 0);
}

/// A2, A4: the node of an actor is lost: it is made again elsewhere, its calls come again if they
/// may, and in their order.
#[test]
fn it_is_made_again_elsewhere() {
    let mut world = World::new();
    let (head, mut other, third) = (world.join(1), world.join(1), world.join(1));
    here(&head, || {
        let strategy = crate::Strategy::Node { node: other.node.id, soft: true };
        let made = Ledger::options().strategy(strategy).max_restarts(1).remote(100);
        assert_eq!(made.place().get().unwrap().0, other.node.id.0);
        assert_eq!(made.enter(1).get().unwrap(), 2);
        let broken_off = made.goes_on();
        let surely: Vec<_> = (0..50).map(|x| made.enter_surely(x)).collect();
        other.vanish();
        assert_eq!(crate::get(&surely).unwrap(), (0..50).collect::<Vec<_>>());
        assert!(broken_off.get().unwrap_err().is_actor_unavailable());
        let entries: Vec<i64> = [100].into_iter().chain(0..50).collect();
        assert_eq!(made.entries().get().unwrap(), entries, "a new state, and each once, in order");
        let (place, id) = made.place().get().unwrap();
        assert!([head.node.id.0, third.node.id.0].contains(&place), "{place}");
        assert_eq!((id, made.restarts()), (made.id().unwrap().to_string(), 1));
        assert!(made.is_alive());
    });
    nothing_left(&[&head, &third]);
}

/// A1: without restarts it is lost with its node.
#[test]
fn it_is_lost_with_its_node() {
    let mut world = World::new();
    let (head, mut other) = (world.join(1), world.join(1));
    here(&head, || {
        let ledger = Ledger::options().strategy(at(&other)).remote(100);
        assert_eq!(ledger.enter(1).get().unwrap(), 2);
        let broken_off = ledger.goes_on();
        let ended = ledger.ended();
        other.vanish();
        let error = broken_off.get().unwrap_err();
        assert!(error.is_actor_died() || error.is_actor_unavailable(), "{error}");
        assert!(ended.get().unwrap().contains("lost"));
        assert!(ledger.enter(2).get().unwrap_err().is_actor_died());
        assert!(!ledger.is_alive());
    });
    nothing_left(&[&head]);
}

/// A crash of the actor itself is its node's affair.
#[test]
fn it_starts_again_where_it_is() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    here(&head, || {
        let ledger = Ledger::options().strategy(at(&other)).max_restarts(1).remote(1);
        assert_eq!(ledger.enter(2).get().unwrap(), 2);
        assert!(ledger.panics().get().unwrap_err().is_panic());
        assert_eq!(ledger.entries().get().unwrap(), [1]);
        assert!(ledger.panics().get().unwrap_err().is_panic());
        assert!(ledger.entries().get().unwrap_err().is_actor_died());
        until("its maker knows", || !ledger.is_alive());
    });
    nothing_left(&[&head, &other]);
}

#[test]
fn spread_actors_are_everywhere() {
    let mut world = World::new();
    let members = [world.join(2), world.join(2), world.join(2)];
    here(&members[0], || {
        let spread = || Ledger::options().strategy(crate::Strategy::Spread).num_cpus(1.0).remote(0);
        let all: Vec<_> = (0..6).map(|_| spread()).collect();
        let mut places: Vec<u32> =
            all.iter().map(|ledger| ledger.place().get().unwrap().0).collect();
        // Also of those that stayed here calls keep their order.
        for ledger in &all {
            let entered: Vec<_> = (0..20).map(|x| ledger.enter(x)).collect();
            assert_eq!(crate::get(&entered).unwrap(), (2..22).collect::<Vec<usize>>());
        }
        places.sort_unstable();
        let mut wanted: Vec<u32> = members.iter().flat_map(|m| [m.node.id.0; 2]).collect();
        wanted.sort_unstable();
        assert_eq!(places, wanted);
    });
    nothing_left(&members.iter().collect::<Vec<_>>());
}

#[test]
fn a_name_is_known_to_all_nodes_and_given_once() {
    let mut world = World::new();
    let members = [world.join(2), world.join(2), world.join(2)];
    let [head, other, third] = &members;
    // Made here and living there, by a node that is not the head.
    let books = Ledger::options().name("books").strategy(at(third));
    let ledger = here(other, || books.remote(5));
    here(head, || {
        let found = finds::options().strategy(at(third)).remote("books".to_owned()).get().unwrap();
        let also: LedgerHandle = crate::actor("books").unwrap();
        found.enter(1).get().unwrap();
        assert_eq!(also.entries().get().unwrap(), [5, 1]);
        let again = Ledger::options().name("books").remote(9);
        let error = again.enter(1).get().unwrap_err();
        assert!(error.to_string().contains("`books` is there already"), "{error}");
        let same = Ledger::options().name("books").get_if_exists().remote(9);
        assert_eq!(same.enter(2).get().unwrap(), 3);
        let error = crate::actor::<LedgerHandle>("novels").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ActorNotFound);
        assert!(crate::actor_in::<LedgerHandle>("elsewhere", "books").is_err());
        assert!(crate::actor::<super::TallyHandle>("books").is_err());
        // A26: with its end the name is free.
        assert!(same.kill());
        until("the name is free", || crate::actor::<LedgerHandle>("books").is_err());
        let new = Ledger::options().name("books").get_if_exists().remote(9);
        assert_eq!(new.entries().get().unwrap(), [9]);
    });
    here(other, || assert!(!ledger.is_alive() || ledger.enter(1).get().is_err()));
    here(other, || drop(ledger));
    nothing_left(&members.iter().collect::<Vec<_>>());
}

/// A17: a detached actor outlives who has made it; others do not.
#[test]
fn the_detached_outlive_their_maker() {
    let mut world = World::new();
    let (head, other, mut maker) = (world.join(1), world.join(1), world.join(1));
    here(&maker, || {
        let kept = Ledger::options().name("kept").detached().strategy(at(&other)).remote(1);
        assert_eq!(kept.enter(2).get().unwrap(), 2);
        let mortal = Ledger::options().name("mortal").strategy(at(&other)).remote(1);
        assert_eq!(mortal.enter(2).get().unwrap(), 2);
        let again = Ledger::options().name("kept").detached().get_if_exists().remote(7);
        assert_eq!(again.entries().get().unwrap(), [1, 2]);
        drop((kept, again));
        assert_eq!(crate::actor::<LedgerHandle>("kept").unwrap().enter(3).get().unwrap(), 3);
        let alive = here(&other, || crate::stats().unwrap().actors);
        assert_eq!(alive, 2);
        std::mem::forget(mortal);
    });
    maker.vanish();
    here(&head, || {
        until("the mortal is gone", || here(&other, || crate::stats().unwrap().actors) == 1);
        assert!(crate::actor::<LedgerHandle>("mortal").is_err());
        let kept: LedgerHandle = crate::actor("kept").unwrap();
        assert_eq!(kept.entries().get().unwrap(), [1, 2, 3]);
        assert!(kept.kill());
        until("its name is free", || crate::actor::<LedgerHandle>("kept").is_err());
    });
    nothing_left(&[&head, &other]);
}

/// Of several that want the same detached actor at once one makes it, and when it has ended the name
/// is free for all.
#[test]
fn a_name_that_many_ask_for_at_once_is_free_in_the_end() {
    let mut world = World::new();
    let head = world.join(1);
    let others: Vec<Joined> = (0..4).map(|_| world.join(1)).collect();
    for round in 0..20 {
        let name = format!("kept {round}");
        let make = |other: &Joined| {
            here(other, || {
                let kept = Ledger::options().name(name.clone()).detached().get_if_exists();
                kept.remote(round).entries().get().unwrap()
            })
        };
        let entries: Vec<Vec<i64>> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                others.iter().map(|other| scope.spawn(move || make(other))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(entries, vec![vec![round]; others.len()]);
        assert!(here(&head, || crate::actor::<LedgerHandle>(&name).unwrap().kill()));
        until("the name is free", || {
            here(&others[0], || {
                let new = Ledger::options().name(name.clone()).remote(7);
                new.entries().get().is_ok_and(|entries| entries == [7])
            })
        });
    }
    nothing_left(&others.iter().chain([&head]).collect::<Vec<_>>());
}

/// A handle that goes while the actor waits for room elsewhere takes the actor with it.
#[test]
fn what_nobody_wants_any_more_is_not_made() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    let alive = || here(&other, || crate::stats().unwrap().actors);
    here(&head, || {
        let first = Ledger::options().num_cpus(1.0).strategy(at(&other)).remote(1);
        assert_eq!(first.enter(2).get().unwrap(), 2);
        let second = Ledger::options().num_cpus(1.0).strategy(at(&other)).remote(1);
        until("it waits there", || alive() == 2);
        assert!(second.kill());
        until("it is gone", || alive() == 1);
        assert_eq!(first.enter(3).get().unwrap(), 3);
    });
    nothing_left(&[&head, &other]);
}

#[raykit::remote]
struct Other;

#[raykit::remote]
impl Other {
    pub fn new() -> Self {
        Other
    }
    pub fn is_there(&self) -> bool {
        true
    }
}

/// A name is one actor's, whatever its type.
#[test]
fn a_name_is_given_to_one_type_only() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    here(&head, || {
        let ledger = Ledger::options().name("it").remote(1);
        here(&other, || {
            let refused = Other::options().name("it").remote().ready().get().unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::AlreadyRunning, "{refused}");
            let wrong =
                Other::options().name("it").get_if_exists().remote().ready().get().unwrap_err();
            assert_eq!(wrong.kind(), ErrorKind::ActorNotFound, "{wrong}");
        });
        current::enter(Arc::clone(&head.node));
        // The same node may ask for it again and again.
        for _ in 0..3 {
            let same = Ledger::options().name("it").get_if_exists().remote(1);
            assert_eq!(same, ledger);
        }
        assert!(ledger.kill());
        current::leave();
    });
    here(&other, || {
        until("the name is free", || Other::options().name("it").remote().ready().get().is_ok());
    });
    nothing_left(&[&head, &other]);
}
