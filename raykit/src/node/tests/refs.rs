//! Who owns an object, who holds it, and what comes of it when either goes.

use super::*;
use std::collections::BTreeSet;

const LEN: usize = 200_000;

/// Doors that are open for tasks of these tests, and what such tasks have said.
static OPEN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
static SAID: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

fn open(door: &'static str) {
    OPEN.lock().insert(door);
}

fn said(door: &str) -> Option<String> {
    SAID.lock().iter().find(|(by, _)| by == door).map(|(_, word)| word.clone())
}

/// What the first of these is, or why it is not.
fn word(inner: &[ObjectRef<Vec<f64>>]) -> String {
    match inner[0].get() {
        Ok(xs) => xs[0].to_string(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

/// Says that it is there, waits for its door, and says what it was given.
#[raykit::remote(max_retries = 0)]
fn says(inner: Vec<ObjectRef<Vec<f64>>>, door: String) -> String {
    speak(&inner, door)
}

fn speak(inner: &[ObjectRef<Vec<f64>>], door: String) -> String {
    SAID.lock().push((format!("{door} begun"), String::new()));
    let is_open = || crate::context().is_cancelled() || OPEN.lock().contains(&door[..]);
    until("the door opens", is_open);
    let word = word(inner);
    SAID.lock().push((door, word.clone()));
    word
}

/// Has it said on that node, and keeps nothing.
#[raykit::remote(max_retries = 0)]
fn has_it_said(inner: Vec<ObjectRef<Vec<f64>>>, door: String, node: u32) {
    let there = crate::Strategy::Node { node: NodeId(node), soft: false };
    drop(says::options().strategy(there).remote(inner, door));
}

/// Passes it on from node to node, to the last one, which says what it is.
#[raykit::remote(max_retries = 0)]
fn goes_down(
    inner: Vec<ObjectRef<Vec<f64>>>,
    door: String,
    mut way: Vec<u32>,
) -> Result<String, crate::Error> {
    let Some(node) = way.pop() else { return Ok(speak(&inner, door)) };
    let there = crate::Strategy::Node { node: NodeId(node), soft: false };
    goes_down::options().strategy(there).remote(inner, door, way).get()
}

/// Gives back what it was given.
#[raykit::remote(max_retries = 0)]
fn gives_back(inner: Vec<ObjectRef<Vec<f64>>>) -> Vec<ObjectRef<Vec<f64>>> {
    inner
}

/// A large object of this node.
fn large(x: f64) -> ObjectRef<Vec<f64>> {
    crate::put(vec![x; LEN]).expect("stored")
}

#[raykit::remote]
fn stores(x: f64) -> ObjectRef<Vec<f64>> {
    large(x)
}

/// An object of the node that runs it, which is never there.
#[raykit::remote]
fn never() -> ObjectRef<Vec<f64>> {
    goes_on::remote()
}

#[raykit::remote]
fn goes_on() -> Vec<f64> {
    until("it is cancelled", || crate::context().is_cancelled());
    Vec::new()
}

#[raykit::remote]
struct Keeper {
    kept: Vec<ObjectRef<Vec<f64>>>,
}

#[raykit::remote]
impl Keeper {
    pub fn new(kept: Vec<ObjectRef<Vec<f64>>>) -> Self {
        Keeper { kept }
    }
    pub fn keep(&mut self, more: Vec<ObjectRef<Vec<f64>>>) -> usize {
        self.kept.extend(more);
        self.kept.len()
    }
    pub fn drop_one(&mut self) -> usize {
        self.kept.pop();
        self.kept.len()
    }
    pub fn says(&self) -> String {
        word(&self.kept)
    }
}

/// Whether there is something large on that node.
fn is_full(member: &Joined) -> bool {
    here(member, || crate::stats().unwrap().object_bytes >= (LEN * size_of::<f64>()) as u64)
}

/// R1, R2, R12: the owner dies. Who waits for its object is told, who asks later is told, and so is
/// who had it out of a result that is gone.
#[test]
fn all_are_told_that_an_owner_has_died() {
    let mut world = World::new();
    let (head, mut owner, third) = (world.join(2), world.join(2), world.join(2));
    here(&head, || {
        let pending = never::options().strategy(at(&owner)).remote().get().unwrap();
        let stored = stores::options().strategy(at(&owner)).remote(12.0).get().unwrap();
        open("owner");
        let inner = || vec![pending.clone()];
        let there = says::options().strategy(at(&third)).remote(inner(), "owner".to_owned());
        let keeper = Keeper::options().strategy(at(&third)).remote(inner());
        assert_eq!(keeper.keep(inner()).get().unwrap(), 2);
        until("it waits there", || said("owner begun").is_some());
        let waits = std::thread::scope(|scope| {
            let waits = scope.spawn(|| here(&head, || pending.get().unwrap_err().kind()));
            owner.vanish();
            waits.join().unwrap()
        });
        assert_eq!(waits, ErrorKind::OwnerDied);
        assert_eq!(there.get().unwrap(), "OwnerDied");
        assert_eq!(keeper.says().get().unwrap(), "OwnerDied");
        assert_eq!(stored.get().unwrap_err().kind(), ErrorKind::OwnerDied);
        let late = says::options().strategy(at(&third)).remote(inner(), "owner".to_owned());
        assert_eq!(late.get().unwrap(), "OwnerDied");
    });
    nothing_left(&[&head, &third]);
}

/// R4: the borrower is done, and what it has called still needs the object.
#[test]
fn an_object_lives_as_long_as_what_a_borrower_has_called() {
    let mut world = World::new();
    let (head, other, third) = (world.join(2), world.join(2), world.join(2));
    here(&head, || {
        let object = large(44.0);
        let asked = has_it_said::options().strategy(at(&other));
        asked.remote(vec![object], "sub".to_owned(), third.node.id.0).get().unwrap();
        until("the other one runs", || said("sub begun").is_some());
        assert!(said("sub").is_none() && is_full(&head));
        open("sub");
        until("it has ended", || said("sub").is_some());
        assert_eq!(said("sub").unwrap(), "44");
    });
    nothing_left(&[&head, &other, &third]);
}

/// R3, R5, R14: an actor keeps an object as long as it has one of its references, and as long as it
/// and its node live.
#[test]
fn an_object_goes_with_the_last_who_keeps_it() {
    let mut world = World::new();
    let (head, mut other) = (world.join(2), world.join(2));
    here(&head, || {
        let make = |x: f64| {
            let inner = vec![large(x); 2];
            let keeper = Keeper::options().strategy(at(&other)).remote(inner);
            assert_eq!(keeper.says().get().unwrap(), x.to_string());
            assert_eq!(keeper.drop_one().get().unwrap(), 1);
            assert!(is_full(&head));
            assert_eq!(keeper.says().get().unwrap(), x.to_string());
            keeper
        };
        let keeper = make(1.0);
        assert_eq!(keeper.drop_one().get().unwrap(), 0);
        until("nobody keeps it", || !is_full(&head));
        assert!(make(2.0).kill());
        until("it went with the actor", || !is_full(&head));
        let keeper = make(3.0);
        other.vanish();
        until("it went with the node", || !is_full(&head));
        assert!(keeper.says().get().unwrap_err().is_actor_died());
    });
    nothing_left(&[&head]);
}

/// R7: the last of a chain of nodes dies, and all that it was called by are told.
#[test]
fn a_chain_of_borrowers_ends_with_its_last() {
    let mut world = World::new();
    let mut all: Vec<Joined> = (0..6).map(|_| world.join(2)).collect();
    let mut last = all.pop().unwrap();
    here(&all[0], || {
        let object = large(7.0);
        let way: Vec<u32> =
            all[1..].iter().chain([&last]).rev().map(|member| member.node.id.0).collect();
        let asked = goes_down::remote(vec![object], "chain".to_owned(), way);
        until("it is at its last", || said("chain begun").is_some());
        assert!(is_full(&all[0]));
        last.vanish();
        let error = asked.get().unwrap_err();
        assert!(error.to_string().contains(&last.node.id.to_string()), "{error}");
    });
    nothing_left(&all.iter().collect::<Vec<_>>());
}

/// R8: one borrower gives it to another one and lets go; and another time it dies of it.
#[test]
fn a_borrower_may_pass_it_on_and_go() {
    let mut world = World::new();
    let (head, mut other, third) = (world.join(2), world.join(2), world.join(2));
    here(&head, || {
        for door in ["goes", "dies"] {
            let asked = has_it_said::options().strategy(at(&other));
            let asked = asked.remote(vec![large(8.0)], door.to_owned(), third.node.id.0);
            until("it has been passed on", || said(&format!("{door} begun")).is_some());
            asked.get().unwrap();
            if door == "dies" {
                other.vanish();
            }
            open(door);
            until("it is said", || said(door).is_some());
            // What runs for a dead one is cancelled, and may have been before it has looked.
            let word = said(door).unwrap();
            assert!(word == "8" || door == "dies", "{word}");
        }
    });
    nothing_left(&[&head, &third]);
}

/// R10: one node has it twice, as an argument and in an actor.
#[test]
fn a_node_may_have_it_twice() {
    let mut world = World::new();
    let (head, other) = (world.join(2), world.join(2));
    here(&head, || {
        let object = large(10.0);
        let keeper = Keeper::options().strategy(at(&other)).remote(vec![object.clone()]);
        let asked = says::options().strategy(at(&other)).remote(vec![object], "twice".to_owned());
        until("it runs", || said("twice begun").is_some());
        assert_eq!(keeper.drop_one().get().unwrap(), 0);
        open("twice");
        assert_eq!(asked.get().unwrap(), "10");
        drop(asked);
        until("both have let go", || !is_full(&head));
    });
    nothing_left(&[&head, &other]);
}

/// R19: an actor that is never made lets go of what it was to be made of.
#[test]
fn an_actor_that_is_never_made_keeps_nothing() {
    let mut world = World::new();
    let (head, other) = (world.join(2), world.join(1));
    here(&head, || {
        let first = Keeper::options().num_cpus(1.0).strategy(at(&other)).remote(Vec::new());
        first.ready().get().unwrap();
        for wants_it in [true, false] {
            let inner = vec![large(19.0)];
            let second = Keeper::options().num_cpus(1.0).strategy(at(&other)).remote(inner);
            assert!(is_full(&head));
            assert!(!wants_it || second.kill());
            drop(second);
            until("it has let go", || !is_full(&head));
        }
        assert_eq!(first.drop_one().get().unwrap(), 0);
    });
    nothing_left(&[&head, &other]);
}

#[raykit::remote(max_retries = 0)]
fn length(xs: &[f64], door: String) -> usize {
    SAID.lock().push((door.clone(), String::new()));
    until("the door opens", || crate::context().is_cancelled() || OPEN.lock().contains("copies"));
    xs.len()
}

/// R24: nodes die while they have copies, and those that are left count what they have.
#[test]
fn the_bytes_of_copies_are_counted_to_the_end() {
    let mut world = World::new();
    let head = world.join(1);
    let mut others: Vec<Joined> = (0..3).map(|_| world.join(4)).collect();
    let bytes = |member: &Joined| here(member, || crate::stats().unwrap().object_bytes);
    here(&head, || {
        let all: Vec<_> = (0..4).map(|_| crate::put(vec![1.0; LEN]).unwrap()).collect();
        let call = |other| length::options().strategy(at(other));
        let asked: Vec<_> = others
            .iter()
            .flat_map(|other| all.iter().map(|xs| call(other).remote(xs, "copy".to_owned())))
            .collect();
        until("all are copied", || said_times("copy") == asked.len());
        others[0].vanish();
        others[2].vanish();
        open("copies");
        let done = asked.iter().filter(|one| one.get().is_ok_and(|len| len == LEN)).count();
        assert!(done >= 4, "{done}");
        drop(asked);
        until("copies go", || bytes(&others[1]) == 0);
        assert!(bytes(&head) >= (4 * LEN * size_of::<f64>()) as u64);
    });
    nothing_left(&[&head, &others[1]]);
    assert_eq!((bytes(&head), bytes(&others[1])), (0, 0));
}

fn said_times(door: &str) -> usize {
    SAID.lock().iter().filter(|(by, _)| by == door).count()
}
