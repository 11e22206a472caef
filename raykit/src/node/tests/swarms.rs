//! Large objects that several nodes want, and tasks that stay because of theirs.

use super::*;
use crate::base::limits::{PIECE_BYTES, PIECES_AHEAD};

const LEN: usize = 3_200_001;

#[raykit::remote]
fn checks(xs: &[f64]) -> (u32, bool) {
    let right = xs.len() == LEN && xs.iter().enumerate().all(|(at, x)| *x == at as f64);
    (current::node().expect("a node").id.0, right)
}

/// Each piece comes to each node, and the object to all of them whole.
#[test]
fn an_object_that_many_want_comes_whole() {
    let mut world = World::new();
    let head = world.join(1);
    let others: Vec<Joined> = (0..4).map(|_| world.join(1)).collect();
    here(&head, || {
        for _ in 0..2 {
            let large = crate::put((0..LEN).map(|x| x as f64).collect::<Vec<f64>>()).unwrap();
            let asked: Vec<_> = others
                .iter()
                .map(|other| checks::options().strategy(at(other)).remote(&large))
                .collect();
            let found = crate::get(&asked).unwrap();
            let wanted: Vec<_> = others.iter().map(|other| (other.node.id.0, true)).collect();
            assert_eq!(found, wanted);
        }
    });
    nothing_left(&others.iter().chain([&head]).collect::<Vec<_>>());
}

/// A node may let it go while others keep it, and want it again.
#[test]
fn an_object_comes_once_more() {
    let mut world = World::new();
    let head = world.join(1);
    let others: Vec<Joined> = (0..3).map(|_| world.join(2)).collect();
    here(&head, || {
        let large = crate::put((0..LEN).map(|x| x as f64).collect::<Vec<f64>>()).unwrap();
        let keeper = keeps::options().strategy(at(&others[0])).remote(vec![large.clone()]);
        let check = |other: &Joined| checks::options().strategy(at(other)).remote(&large);
        for _ in 0..3 {
            let asked: Vec<_> = others.iter().map(check).collect();
            assert!(crate::get(&asked).unwrap().iter().all(|(_, right)| *right));
        }
        keeper.cancel();
    });
    nothing_left(&others.iter().chain([&head]).collect::<Vec<_>>());
}

#[raykit::remote(max_retries = 0)]
fn keeps(large: Vec<ObjectRef<Vec<f64>>>) -> bool {
    while !crate::context().is_cancelled() {
        std::thread::yield_now();
    }
    drop(large);
    true
}

/// L24, S13: one of those that fetch it dies, and the others get what it had from elsewhere; when
/// the owner dies they hear of it.
#[test]
fn who_fetches_may_die_and_so_may_the_owner() {
    let mut world = World::new();
    let head = world.join(1);
    let mut owner = world.join(1);
    let mut others: Vec<Joined> = (0..3).map(|_| world.join(1)).collect();
    here(&head, || {
        let large = crate::put((0..LEN).map(|x| x as f64).collect::<Vec<f64>>()).unwrap();
        let asked: Vec<_> = others
            .iter()
            .map(|other| checks::options().max_retries(0).strategy(at(other)).remote(&large))
            .collect();
        others[1].vanish();
        assert!(asked[0].get().unwrap().1 && asked[2].get().unwrap().1);
        assert!(
            asked[1].get().is_ok() || asked[1].get().unwrap_err().kind() == ErrorKind::NodeDied
        );
    });
    let made = here(&owner, || crate::put(vec![1.0_f64; LEN]).unwrap());
    let asked = here(&owner, || {
        [&others[0], &others[2]].map(|other| sum::options().strategy(at(other)).remote(&made))
    });
    owner.vanish();
    drop((asked, made));
    nothing_left(&[&head, &others[0], &others[2]]);
}

/// A link may end over an object, and over its pieces, and its nodes live on: what had come is not
/// sent again.
#[test]
fn a_lost_link_costs_what_was_on_its_way() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    here(&head, || {
        for cuts in 0..4 {
            world.cuts.left.store(cuts, Relaxed);
            let sent = world.cuts.sent.load(Relaxed);
            let large = crate::put((0..LEN).map(|x| x as f64).collect::<Vec<f64>>()).unwrap();
            let asked = checks::options().strategy(at(&other)).remote(&large);
            assert_eq!(asked.get().unwrap(), (other.node.id.0, true), "{cuts} cuts");
            assert_eq!(world.cuts.left.load(Relaxed), 0);
            let bytes = world.cuts.sent.load(Relaxed) - sent;
            // A piece that was broken off, and later those that were asked for beside it.
            let twice = [0, 1, 1 + PIECES_AHEAD, 1 + 2 * PIECES_AHEAD][cuts as usize] * PIECE_BYTES;
            let all = LEN * size_of::<f64>() + twice + (64 << 10);
            assert!(bytes <= all, "{bytes} bytes for {all}, {cuts} cuts");
        }
    });
    nothing_left(&[&head, &other]);
}

static MADE: AtomicU32 = AtomicU32::new(0);

#[raykit::remote]
fn makes_once(len: usize) -> (Vec<f64>, u32) {
    (vec![1.0; len], MADE.fetch_add(1, Relaxed) + 1)
}

/// The same of a result: its task has run, and does not run again.
#[test]
fn a_lost_link_does_not_lose_a_result() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    here(&head, || {
        world.cuts.left.store(3, Relaxed);
        let (made, runs) =
            makes_once::options().strategy(at(&other)).remote(1_000_000).get().unwrap();
        assert_eq!((made.len(), runs, world.cuts.left.load(Relaxed)), (1_000_000, 1, 0));
    });
    nothing_left(&[&head, &other]);
}

/// L24: a node that dies while its link is down is not waited for.
#[test]
fn bytes_of_a_dead_node_are_not_waited_for() {
    let mut world = World::new();
    let (head, mut other) = (world.join(1), world.join(1));
    here(&head, || {
        world.cuts.left.store(u32::MAX, Relaxed);
        let made = many::options().max_retries(0).strategy(at(&other)).remote(1_000_000);
        until("a link has ended", || !made.is_ready() && world.cuts.left.load(Relaxed) < u32::MAX);
        other.vanish();
        assert_eq!(made.get().unwrap_err().kind(), ErrorKind::NodeDied);
    });
    nothing_left(&[&head]);
}

#[raykit::remote]
fn weighs(xs: &[f64]) -> u32 {
    let until = Instant::now() + Duration::from_millis(2);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    assert!(!xs.is_empty());
    current::node().expect("a node").id.0
}

/// It takes longer to bring a large object elsewhere than to run the task that needs it, but for
/// one that many tasks share.
#[test]
fn tasks_stay_with_their_own_large_objects() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    let large = || crate::put(vec![1.0_f64; 5 << 16]).unwrap();
    here(&head, || {
        let own: Vec<_> = (0..40).map(|_| large()).collect();
        let asked: Vec<_> = own.iter().map(weighs::remote).collect();
        let nodes = crate::get(&asked).unwrap();
        assert!(nodes.iter().all(|node| *node == head.node.id.0), "{nodes:?}");
        drop((own, asked));
        let shared = large();
        let asked: Vec<_> = (0..400).map(|_| weighs::remote(&shared)).collect();
        let nodes = crate::get(&asked).unwrap();
        let away = nodes.iter().filter(|node| **node == other.node.id.0).count();
        assert!(away > 20, "{away} of 400 went to the idle node");
    });
    nothing_left(&[&head, &other]);
}
