//! Large results that stay where they were made, and tasks that go to them.

use super::*;

const LEN: usize = 400_000;
const BYTES: usize = LEN * size_of::<f64>();

static RUNS: Mutex<Vec<(usize, u32)>> = Mutex::new(Vec::new());

/// How often a call with that number has run, and where it did last.
fn runs(number: usize) -> (usize, Option<u32>) {
    let runs = RUNS.lock();
    let of_it: Vec<u32> =
        runs.iter().filter(|(one, _)| *one == number).map(|(_, node)| *node).collect();
    (of_it.len(), of_it.last().copied())
}

fn ran(number: usize) {
    let node = current::node().expect("a node").id.0;
    RUNS.lock().push((number, node));
}

#[raykit::remote(max_retries = 5)]
fn makes(number: usize) -> Vec<f64> {
    ran(number);
    (0..LEN).map(|at| (number + at) as f64).collect()
}

#[raykit::remote(max_retries = 5)]
fn adds(number: usize, xs: &[f64]) -> Vec<f64> {
    ran(number);
    xs.iter().map(|x| x + 1.0).collect()
}

/// The first of each, and where that was seen.
#[raykit::remote(max_retries = 5)]
fn firsts(xs: &[f64], ys: &[f64]) -> (f64, f64, u32) {
    (xs[0], ys[0], current::node().expect("a node").id.0)
}

#[raykit::remote]
fn first(xs: &[f64]) -> (f64, u32) {
    (xs[0], current::node().expect("a node").id.0)
}

#[raykit::remote]
fn count(xs: Vec<ObjectRef<Vec<f64>>>) -> usize {
    xs.len()
}

#[raykit::remote]
fn first_of(xs: Vec<ObjectRef<Vec<f64>>>) -> Result<f64, crate::Error> {
    Ok(xs[0].view()?[0].into())
}

fn carried(world: &World) -> usize {
    world.cuts.sent.load(Relaxed)
}

/// A chain of calls runs where its first one was sent, and only what is asked for comes.
#[test]
fn calls_go_to_what_they_take() {
    let mut world = World::new();
    let (head, other) = (world.join(2), world.join(2));
    here(&head, || {
        let made = makes::options().strategy(at(&other)).remote(100);
        let chain = (101..105).fold(made, |before, number| adds::remote(number, &before));
        let seen = first::remote(&chain);
        assert_eq!(seen.get().unwrap(), (104.0, other.node.id.0));
        for number in 100..105 {
            assert_eq!(runs(number), (1, Some(other.node.id.0)), "{number}");
        }
        assert!(carried(&world) < BYTES / 10, "{} bytes", carried(&world));
        assert_eq!(chain.get().unwrap()[LEN - 1], (104 + LEN - 1) as f64);
        assert!((BYTES..BYTES * 11 / 10).contains(&carried(&world)), "{} bytes", carried(&world));
    });
    nothing_left(&[&head, &other]);
}

/// What is waited for before it is there comes at once, in each manner of waiting.
#[test]
fn what_is_waited_for_comes() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    here(&head, || {
        let make = |number| makes::options().strategy(at(&other)).remote(number);
        let all: Vec<_> = (200..210).map(make).collect();
        assert!(crate::get(&all).unwrap().iter().zip(200..).all(|(made, at)| made[0] == at as f64));
        let all: Vec<_> = (210..214).map(make).collect();
        let firsts: Vec<f64> = crate::as_completed(all).map(|one| one.get().unwrap()[0]).collect();
        assert_eq!(firsts.iter().sum::<f64>(), (210..214).sum::<usize>() as f64);
        let one = make(214);
        until("a question brings it", || one.is_ready());
        let ready = crate::wait(&[make(215), make(216)]).at_least(2).get().unwrap();
        assert_eq!(ready.done.len(), 2);
        // An actor has its own place.
        let reads = Reads::remote();
        assert_eq!(reads.first(&make(217)).get().unwrap(), 217.0);
        let made = make(218);
        until("it has run", || runs(218).0 == 1);
        assert_eq!(reads.first(&made).get().unwrap(), 218.0);
    });
    nothing_left(&[&head, &other]);
}

#[raykit::remote]
struct Reads;

#[raykit::remote]
impl Reads {
    pub fn new() -> Self {
        Reads
    }
    pub fn first(&mut self, xs: &[f64]) -> f64 {
        xs[0]
    }
}

/// L1, L7: what was left on a node that dies is made again, with all that it was made of.
#[test]
fn what_is_lost_with_its_node_is_made_again() {
    let mut world = World::new();
    let (head, mut other, third) = (world.join(1), world.join(1), world.join(1));
    here(&head, || {
        let soft = crate::Strategy::Node { node: other.node.id, soft: true };
        let made = makes::options().strategy(soft).remote(300);
        let chain = (301..306).fold(made, |before, number| adds::remote(number, &before));
        until("the last one has run", || runs(305) == (1, Some(other.node.id.0)));
        other.vanish();
        assert_eq!(chain.get().unwrap()[7], 312.0);
        assert!((300..306).all(|number| runs(number).0 == 2));
    });
    nothing_left(&[&head, &third]);
}

/// L20: who has borrowed it has its owner make it again.
#[test]
fn a_borrower_has_it_made_again() {
    let mut world = World::new();
    let (head, mut other, third) = (world.join(1), world.join(1), world.join(1));
    here(&head, || {
        let soft = crate::Strategy::Node { node: other.node.id, soft: true };
        let made = makes::options().strategy(soft).remote(310);
        let never = makes::options().strategy(soft).max_retries(0).remote(311);
        until("both stay there", || head.node.cluster.get().unwrap().left.lock().len() == 2);
        other.vanish();
        let asks = |of: &ObjectRef<Vec<f64>>| {
            first_of::options().strategy(at(&third)).max_retries(0).remote(vec![of.clone()])
        };
        assert_eq!(asks(&made).get().unwrap(), 310.0);
        assert_eq!(runs(310).0, 2);
        let error = asks(&never).get().unwrap_err();
        assert!(error.to_string().contains("left on"), "{error}");
        assert_eq!(runs(311).0, 1);
    });
    nothing_left(&[&head, &third]);
}

/// L18: an actor and what it was made of are lost with their node: both are made again.
#[test]
fn what_an_actor_is_made_of_is_made_again() {
    let mut world = World::new();
    let (head, mut other, third) = (world.join(2), world.join(2), world.join(1));
    here(&head, || {
        let there = crate::Strategy::Node { node: other.node.id, soft: true };
        let made = makes::options().strategy(there).remote(320);
        until("it stays there", || !head.node.cluster.get().unwrap().left.lock().is_empty());
        let holds = Holds::options().strategy(there).max_restarts(1).remote(&made);
        drop(made);
        assert_eq!(holds.place().get().unwrap(), (320.0, other.node.id.0));
        other.vanish();
        let (first, place) = holds.place().get().unwrap();
        assert_eq!(first, 320.0);
        assert_ne!(place, other.node.id.0);
    });
    nothing_left(&[&head, &third]);
}

#[raykit::remote]
struct Holds {
    first: f64,
}

#[raykit::remote]
impl Holds {
    pub fn new(xs: &[f64]) -> Self {
        Holds { first: xs[0] }
    }
    #[remote(max_retries = 5)]
    pub fn place(&self) -> (f64, u32) {
        (self.first, current::node().expect("a node").id.0)
    }
}

/// L5: where no attempt is left whoever asks for it is told.
#[test]
fn what_may_not_run_again_is_lost() {
    let mut world = World::new();
    let (head, mut other) = (world.join(1), world.join(1));
    here(&head, || {
        let soft = crate::Strategy::Node { node: other.node.id, soft: true };
        let made = makes::options().strategy(soft).max_retries(0).remote(400);
        let next = adds::options().strategy(soft).remote(401, &made);
        until("both have run", || runs(401).0 == 1);
        other.vanish();
        assert_eq!(made.get().unwrap_err().kind(), ErrorKind::ObjectLost);
        assert_eq!(next.get().unwrap_err().kind(), ErrorKind::ObjectLost);
    });
    nothing_left(&[&head]);
}

/// A third node reads it from the one that has it, and from the owner when that is gone.
#[test]
fn others_read_it_where_it_lies() {
    let mut world = World::new();
    let (head, mut one, other) = (world.join(1), world.join(1), world.join(1));
    here(&head, || {
        let soft = crate::Strategy::Node { node: one.node.id, soft: true };
        let made = makes::options().strategy(soft).remote(500);
        until("it has run", || runs(500).0 == 1);
        let seen = first::options().strategy(at(&other)).remote(&made);
        assert_eq!(seen.get().unwrap(), (500.0, other.node.id.0));
        assert!((BYTES..BYTES * 11 / 10).contains(&carried(&world)), "{} bytes", carried(&world));
        // Of two the larger part decides; both are elsewhere.
        let there = makes::options().strategy(at(&other)).remote(501);
        until("it has run", || runs(501).0 == 1);
        let both = firsts::remote(&made, &there).get().unwrap();
        assert_eq!((both.0, both.1), (500.0, 501.0));
        assert_ne!(both.2, head.node.id.0);
        one.vanish();
        let seen = first::options().strategy(at(&other)).remote(&made);
        assert_eq!(seen.get().unwrap(), (500.0, other.node.id.0));
    });
    nothing_left(&[&head, &other]);
}

/// What is only passed on goes nowhere; who looks into it has it brought, over the owner.
#[test]
fn a_reference_is_no_wish_for_the_value() {
    let mut world = World::new();
    let (head, one, other) = (world.join(1), world.join(1), world.join(1));
    here(&head, || {
        let made = makes::options().strategy(at(&one)).remote(600);
        until("it has run", || runs(600).0 == 1);
        let stored = crate::put(vec![9.0; LEN]).unwrap();
        let both = vec![made.clone(), stored.clone()];
        assert_eq!(count::options().strategy(at(&other)).remote(both).get().unwrap(), 2);
        assert!(carried(&world) < BYTES / 10, "{} bytes", carried(&world));
        for (of, wanted) in [(&stored, 9.0), (&made, 600.0)] {
            let asked = first_of::options().strategy(at(&other)).remote(vec![of.clone()]);
            assert_eq!(asked.get().unwrap(), wanted);
        }
    });
    nothing_left(&[&head, &one, &other]);
}

/// D7: a node that is told to go hands over what was left there.
#[test]
fn what_was_left_comes_before_its_node_goes() {
    let mut world = World::new();
    let (head, mut other) = (world.join(1), world.join(1));
    here(&head, || {
        let soft = crate::Strategy::Node { node: other.node.id, soft: true };
        let made = makes::options().strategy(soft).remote(800);
        until("it stays there", || !head.node.cluster.get().unwrap().left.lock().is_empty());
        other.node.cluster.get().unwrap().drain(Duration::from_secs(60));
        other.vanish();
        assert_eq!(made.get().unwrap()[0], 800.0);
        assert_eq!(runs(800).0, 1);
    });
    nothing_left(&[&head]);
}

/// Passes on what it has not looked at.
#[raykit::remote]
fn passes_on(xs: Vec<ObjectRef<Vec<f64>>>) -> Result<f64, crate::Error> {
    Ok(first::remote(&xs[0]).get()?.0)
}

/// An object of another node that nobody has asked for comes for a call that takes it.
#[test]
fn a_call_brings_what_it_takes() {
    let mut world = World::new();
    let (head, one, other) = (world.join(1), world.join(1), world.join(1));
    here(&head, || {
        let made = makes::options().strategy(at(&one)).remote(900);
        until("it has run", || runs(900).0 == 1);
        let stored = crate::put(vec![9.0; LEN]).unwrap();
        for (of, wanted) in [(&stored, 9.0), (&made, 900.0)] {
            let asked = passes_on::options().strategy(at(&other)).remote(vec![of.clone()]);
            assert_eq!(asked.get().unwrap(), wanted);
        }
    });
    nothing_left(&[&head, &one, &other]);
}

static FAILED: AtomicU32 = AtomicU32::new(0);

#[raykit::remote(max_retries = 3, retry_on = all)]
fn fails_once(xs: &[f64]) -> Result<f64, String> {
    match FAILED.fetch_add(1, Relaxed) {
        0 => Err("the first time".to_owned()),
        _ => Ok(xs[0]),
    }
}

/// A call that fails is tried again where its arguments are.
#[test]
fn who_tries_again_has_its_arguments() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    here(&head, || {
        let made = makes::options().strategy(at(&other)).remote(1_000);
        until("it stays there", || !head.node.cluster.get().unwrap().left.lock().is_empty());
        assert_eq!(fails_once::remote(&made).get().unwrap(), 1_000.0);
        assert_eq!(FAILED.load(Relaxed), 2);
    });
    nothing_left(&[&head, &other]);
}

/// Whoever waits for what was left elsewhere when the node closes is told.
#[test]
fn what_was_left_ends_with_the_owner() {
    let mut world = World::new();
    let (mut owner, other) = (world.join(1), world.join(1));
    let made = here(&owner, || {
        let made = makes::options().strategy(at(&other)).remote(1_100);
        until("it stays there", || !owner.node.cluster.get().unwrap().left.lock().is_empty());
        assert_eq!(crate::stats().unwrap().tasks_pending, 0, "it has run");
        made
    });
    owner.vanish();
    assert_eq!(made.get().unwrap_err().kind(), ErrorKind::ClusterLost);
}

/// C3: it has run, and is what it is.
#[test]
fn what_was_left_is_not_cancelled() {
    let mut world = World::new();
    let (head, other) = (world.join(1), world.join(1));
    here(&head, || {
        let made = makes::options().strategy(at(&other)).remote(700);
        until("it stays there", || !head.node.cluster.get().unwrap().left.lock().is_empty());
        assert!(!made.cancel());
        assert_eq!(made.get().unwrap()[0], 700.0);
        // Nobody wants it: it is let go of everywhere.
        let made = makes::options().strategy(at(&other)).remote(701);
        until("it has run", || runs(701).0 == 1);
        drop(made);
    });
    nothing_left(&[&head, &other]);
    let left = head.node.cluster.get().unwrap().left.lock().len();
    assert_eq!(left, 0);
}
