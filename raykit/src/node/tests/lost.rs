//! Packets that are lost, each with its link, and nodes that are lost while others wait for them.

use super::placed::LedgerHandle;
use super::*;
use std::collections::HashSet;

/// Does that while so many packets are lost, whoever sends them.
fn with_losses<R>(world: &World, losses: u32, work: impl FnOnce() -> R) -> R {
    world.cuts.packets.store(losses, Relaxed);
    let result = work();
    until("so many packets were lost", || world.cuts.packets.load(Relaxed) == 0);
    result
}

#[raykit::remote]
struct Till {
    taken: Mutex<Vec<u32>>,
}

#[raykit::remote]
impl Till {
    pub fn new() -> Self {
        Till { taken: Mutex::default() }
    }
    pub fn takes(&mut self, x: u32) -> usize {
        let taken = self.taken.get_mut();
        taken.push(x);
        taken.len() - 1
    }
    /// As `takes`, beside others.
    pub fn takes_too(&self, x: u32) -> usize {
        let mut taken = self.taken.lock();
        taken.push(x);
        taken.len() - 1
    }
    pub fn taken(&self) -> Vec<u32> {
        self.taken.lock().clone()
    }
}

/// A12, P1: whichever of their packets are lost, calls run once each, and in order where they have
/// one.
#[test]
fn calls_run_once_over_links_that_end() {
    let mut world = World::new();
    let (head, other) = (world.join(2), world.join(2));
    here(&head, || {
        let till = Till::options().strategy(at(&other)).remote();
        assert_eq!(till.takes(0).get().unwrap(), 0);
        let mut count = 1;
        for losses in 1..7 {
            let taken: Vec<_> = with_losses(&world, losses, || {
                (0..10).map(|_| till.takes(losses).get().unwrap()).collect()
            });
            assert_eq!(taken, (count..count + 10).collect::<Vec<_>>());
            count += 10;
            let called: Vec<_> = with_losses(&world, losses, || {
                let called: Vec<_> = (0..10).map(|_| till.takes_too(losses)).collect();
                crate::get(&called).unwrap()
            });
            let numbers: HashSet<usize> = called.into_iter().collect();
            assert_eq!(numbers, (count..count + 10).collect::<HashSet<usize>>());
            count += 10;
        }
        assert_eq!(till.taken().get().unwrap().len(), count);
    });
    nothing_left(&[&head, &other]);
}

/// A21: who was killed is gone, and who has lost its last handle, although word of it was lost.
#[test]
fn word_of_an_end_arrives() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    let alive = || here(&other, || crate::stats().unwrap().actors);
    here(&head, || {
        for kills in [true, false] {
            let till = Till::options().strategy(at(&other)).remote();
            assert_eq!(till.takes(0).get().unwrap(), 0);
            with_losses(&world, 2, || {
                assert!(!kills || till.kill());
                drop(till);
                until("it is gone", || alive() == 0);
            });
        }
    });
    nothing_left(&[&head, &other]);
}

#[raykit::remote]
fn gives_back(inner: Vec<ObjectRef<i64>>) -> Vec<ObjectRef<i64>> {
    inner
}

/// R20, R25, R26: references go to and fro, and word of them is lost: each is counted once, what
/// they stand for is read, and nothing is left.
#[test]
fn references_are_counted_once_over_links_that_end() {
    let mut world = World::new();
    let (head, other, third) = (world.join(1), world.join(1), world.join(1));
    here(&head, || {
        for losses in 1..7 {
            let sum = with_losses(&world, losses, || {
                let inner: Vec<_> = [&head, &other, &third]
                    .map(|member| nested::options().strategy(at(member)).remote(1))
                    .iter()
                    .map(|outer| outer.get().unwrap())
                    .collect();
                let asked = gives_back::options().strategy(at(&other)).remote(inner);
                let back = asked.get().unwrap();
                drop(asked);
                let sum = unwraps::options().strategy(at(&third)).remote(back).get().unwrap();
                nothing_left(&[&head, &other, &third]);
                sum
            });
            assert_eq!(sum, 6);
        }
    });
}

/// Has an actor made that is to live there, of something that is never there.
#[raykit::remote(max_retries = 0)]
fn has_one_made(node: u32) -> LedgerHandle {
    use super::placed::Ledger;
    let there = crate::Strategy::Node { node: NodeId(node), soft: false };
    Ledger::options().strategy(there).remote(&until_zero::remote())
}

#[raykit::remote]
fn until_zero() -> i64 {
    until("it is cancelled", || crate::context().is_cancelled());
    0
}

/// A18, A19: the node that has an actor made goes before what it is made of is there.
#[test]
fn who_calls_an_actor_that_will_not_be_made_is_told() {
    let mut world = World::new();
    let (head, mut maker, third) = (world.join(1), world.join(2), world.join(1));
    here(&head, || {
        let made = [&third, &maker].map(|there| {
            let asked = has_one_made::options().strategy(at(&maker));
            asked.remote(there.node.id.0).get().unwrap()
        });
        let called = made.each_ref().map(|ledger| ledger.enter(1));
        assert!(called.iter().all(|called| !called.is_ready()));
        maker.vanish();
        for (ledger, called) in made.iter().zip(called) {
            let error = called.get().unwrap_err();
            assert!(error.is_actor_died(), "{error}");
            assert!(ledger.enter(2).get().unwrap_err().is_actor_died());
        }
    });
    nothing_left(&[&head, &third]);
}
