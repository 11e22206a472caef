//! Nodes that die at bad moments, and what that does to the work of others.

use super::placed::Ledger;
use super::*;

/// S6: of tasks that an idle node takes over some are cancelled at once. Each has one end: its
/// value, or that it was cancelled.
#[test]
fn what_is_cancelled_while_it_is_taken_over_has_one_end() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    here(&head, || {
        let all: Vec<_> = (0..300).map(slowly::remote).collect();
        let cancelled: Vec<bool> =
            (0..).zip(&all).map(|(at, one)| at % 3 == 0 && one.cancel()).collect();
        for ((x, one), cancelled) in (0..).zip(&all).zip(cancelled) {
            for _ in 0..2 {
                match one.get() {
                    Ok(value) => assert!(value == x && !cancelled, "{x}"),
                    Err(error) => assert!(error.is_cancelled() && cancelled, "{x}: {error}"),
                }
            }
        }
    });
    nothing_left(&[&head, &other]);
}

#[raykit::remote]
struct Source;

#[raykit::remote]
impl Source {
    pub fn new() -> Self {
        Source
    }
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        0..
    }
}

/// G12: a stream of an actor whose node dies ends in an error after what has come, and so does the
/// next call.
#[test]
fn a_stream_of_an_actor_ends_with_its_node() {
    let mut world = World::new();
    let (head, mut other) = (world.join(1), world.join(1));
    here(&head, || {
        let source = Source::options().strategy(at(&other)).remote();
        let mut numbers = source.numbers();
        for number in 0..10 {
            assert_eq!(numbers.next().unwrap().get().unwrap(), number);
        }
        other.vanish();
        let error = numbers.find_map(|item| item.get().err()).expect("an error at the end");
        assert!(error.is_actor_died() || error.is_actor_unavailable(), "{error}");
        assert!(numbers.next().is_none());
        let error = source.numbers().find_map(|item| item.get().err()).expect("an error");
        assert!(error.is_actor_died(), "{error}");
    });
    nothing_left(&[&head]);
}

/// J3: what one driver has others do goes on when another one dies.
#[test]
fn a_driver_dies_for_itself_alone() {
    let mut world = World::new();
    let (head, mut one, other) = (world.join(2), world.join(1), world.join(1));
    let start = |driver: &Joined| {
        here(driver, || {
            let ledger = Ledger::options().strategy(at(&head)).remote(1);
            assert_eq!(ledger.enter(2).get().unwrap(), 2);
            let tasks: Vec<_> = (0..100)
                .map(|x| slowly::options().max_retries(0).strategy(at(&head)).remote(x))
                .collect();
            (ledger, tasks)
        })
    };
    let (lost, (ledger, tasks)) = (start(&one), start(&other));
    one.vanish();
    here(&other, || {
        assert_eq!(crate::get(&tasks).unwrap(), (0..100).collect::<Vec<_>>());
        assert_eq!(ledger.enter(3).get().unwrap(), 3);
        drop((ledger, tasks));
    });
    here(&one, || drop(lost));
    nothing_left(&[&head, &other]);
}

/// N21: actors are made while nodes die and others of them crash: each comes to life somewhere, and
/// all calls that may be tried again have their results.
#[test]
fn actors_are_made_while_nodes_die() {
    let mut world = World::new();
    let (head, mut one, mut other) = (world.join(2), world.join(2), world.join(2));
    here(&head, || {
        let mut actors = Vec::new();
        for x in 0..60 {
            let spread = Ledger::options().num_cpus(0.0).strategy(crate::Strategy::Spread);
            let ledger = spread.max_restarts(10).remote(x);
            let crashed = (x % 2 == 0).then(|| ledger.panics());
            let entered = ledger.enter_surely(x);
            actors.push((ledger, entered, crashed));
            match x {
                20 => one.vanish(),
                40 => other.vanish(),
                _ => {}
            }
        }
        for (x, (ledger, entered, crashed)) in (0..).zip(actors) {
            assert_eq!(entered.get().unwrap(), x);
            assert!(crashed.is_none_or(|call| call.get().is_err()), "{x}");
            assert_eq!(ledger.enter_surely(-x).get().unwrap(), -x);
            assert_eq!(ledger.entries().get().unwrap()[0], x, "what it began with");
        }
    });
    nothing_left(&[&head]);
}
