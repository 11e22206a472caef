//! Large objects between processes of one host: this test program is the head, and started again
//! the other nodes.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

mod common;
#[path = "common/cluster.rs"]
mod processes;

use common::eventually;
use processes::Worker;
use raykit::Config;
use raykit::prelude::*;

const MIB: usize = 1 << 20;
const LARGE: usize = 64 * MIB;

/// A large text of one letter. Texts are checked fast in a test's own program too.
fn text(with: u8) -> String {
    String::from_utf8(vec![with; LARGE]).unwrap()
}

#[remote]
fn make(with: u8) -> String {
    text(with)
}

/// The first and the last byte, how many there are, and how many objects have come in shared memory.
#[remote]
fn look(at: Vec<ObjectRef<String>>) -> Result<(u8, u8, usize, u64), raykit::Error> {
    let view = at[0].view()?;
    let view = view.as_bytes();
    Ok((view[0], view[view.len() - 1], view.len(), raykit::stats()?.objects_mapped))
}

#[remote]
fn size(text: &str) -> (usize, u8) {
    (text.len(), text.as_bytes()[text.len() / 2])
}

#[remote]
fn mapped() -> Result<u64, raykit::Error> {
    Ok(raykit::stats()?.objects_mapped)
}

/// Keeps views as long as it is told to.
#[remote]
struct Keeper {
    views: Vec<View<String>>,
}

#[remote]
impl Keeper {
    pub fn new() -> Self {
        Keeper { views: Vec::new() }
    }
    pub fn keep(&mut self, what: Vec<ObjectRef<String>>) -> Result<usize, raykit::Error> {
        for one in what {
            self.views.push(one.view()?);
        }
        Ok(self.views.len())
    }
    /// Whether the views are what they were: each of one byte alone.
    pub fn bytes(&self) -> Vec<u8> {
        self.views.iter().map(|view| same(view.as_bytes()).unwrap()).collect()
    }
    pub fn let_go(&mut self) -> usize {
        self.views.drain(..).count()
    }
}

/// An actor with a large state, which gives and takes large objects.
#[remote]
struct Shelf {
    text: String,
}

#[remote]
impl Shelf {
    pub fn new(text: String) -> Self {
        Shelf { text }
    }
    pub fn swap(&mut self, text: String) -> String {
        std::mem::replace(&mut self.text, text)
    }
    pub fn size(&self, of: &str) -> (usize, u8) {
        (of.len(), of.as_bytes()[of.len() / 2])
    }
    /// A stream's items go with their words, and what is larger by reference.
    pub fn copies(&self, count: usize) -> impl Iterator<Item = ObjectRef<String>> + use<> {
        let text = self.text.clone();
        (0..count).map(move |_| raykit::put(text.clone()).unwrap())
    }
    pub fn mapped(&self) -> Result<u64, raykit::Error> {
        Ok(raykit::stats()?.objects_mapped)
    }
}

/// Swaps a text at an actor of another node: the byte that the old one was of, and how many objects
/// have come here for it.
#[remote]
fn swaps(shelf: &ShelfHandle, with: u8) -> Result<(Option<u8>, u64), raykit::Error> {
    let before = raykit::stats()?.objects_mapped;
    let old = shelf.swap(text(with));
    let byte = same(old.view()?.as_bytes());
    Ok((byte, raykit::stats()?.objects_mapped - before))
}

#[remote]
fn keeper() -> KeeperHandle {
    Keeper::remote()
}

/// The byte that all of them are.
fn same(bytes: &[u8]) -> Option<u8> {
    let first = *bytes.first()?;
    let alike = [first; 4096];
    bytes.chunks(4096).all(|chunk| chunk == &alike[..chunk.len()]).then_some(first)
}

/// What a node of these tests does: it is told by the environment.
#[test]
fn a_node_of_the_tests() {
    let Ok(address) = std::env::var(processes::NODE) else { return };
    processes::be_node(Config::new().num_cpus(2).address(address));
}

struct Head(processes::Head);

fn head(object_memory: usize) -> Head {
    Head(processes::head(Config::new().num_cpus(1).object_memory(object_memory as u64)))
}

impl Head {
    fn worker(&self, object_memory: usize) -> Worker {
        self.0.node(&[("RAYKIT_OBJECT_MEMORY", object_memory.to_string())])
    }
}

/// What the tests ask of a node.
trait Looks {
    fn look(&self, at: &ObjectRef<String>) -> (u8, u8, usize, u64);
    fn mapped(&self) -> u64;
}

impl Looks for Worker {
    /// As the task of that name, but only what has come by this.
    fn look(&self, at: &ObjectRef<String>) -> (u8, u8, usize, u64) {
        let before = self.mapped();
        let asked = look::options().strategy(self.here()).remote(vec![at.clone()]);
        let (first, last, len, after) = asked.get().unwrap();
        (first, last, len, after - before)
    }

    fn mapped(&self) -> u64 {
        mapped::options().strategy(self.here()).remote().get().unwrap()
    }
}

fn mapped_here() -> u64 {
    raykit::stats().unwrap().objects_mapped
}

#[test]
fn large_objects_pass_in_shared_memory_both_ways() {
    let head = head(512 * MIB);
    let _here = head.0.node.enter();
    let worker = head.worker(512 * MIB);
    assert_eq!(raykit::stats().unwrap().shared_bytes, 0, "nothing before it is needed");

    let stored = raykit::put(text(3)).unwrap();
    assert_eq!(worker.look(&stored), (3, 3, LARGE, 1));
    let made = make::options().strategy(worker.here()).remote(4);
    assert_eq!(same(made.view().unwrap().as_bytes()), Some(4));
    assert_eq!(made.view().unwrap().len(), LARGE);
    assert_eq!(mapped_here(), 1);
    assert_eq!(made.get().unwrap().len(), LARGE, "a copy of one's own");

    // An argument is an object too; and so is what came from there and goes back.
    let asked = size::options().strategy(worker.here()).remote(text(5));
    assert_eq!(asked.get().unwrap(), (LARGE, 5));
    let again = size::options().strategy(worker.here()).remote(&made);
    assert_eq!(again.get().unwrap(), (LARGE, 4));
    assert_eq!(worker.mapped(), 3, "the third one was known there: it had made it");
    drop((stored, made, asked, again));
    common::all_clear(1);
}

/// What an actor elsewhere is made of, is told, and gives.
#[test]
fn calls_of_actors_pass_large_objects_the_same_way() {
    let head = head(1024 * MIB);
    let _here = head.0.node.enter();
    let worker = head.worker(1024 * MIB);
    let shelf = Shelf::options().strategy(worker.here()).remote(text(1));
    assert_eq!(shelf.mapped().get().unwrap(), 1, "what its constructor was given");
    let old = shelf.swap(text(2));
    assert_eq!(same(old.view().unwrap().as_bytes()), Some(1));
    assert_eq!((shelf.mapped().get().unwrap(), mapped_here()), (2, 1));
    let stored = raykit::put(text(3)).unwrap();
    assert_eq!(shelf.size(&stored).get().unwrap(), (LARGE, 3));
    assert_eq!((shelf.mapped().get().unwrap(), mapped_here()), (3, 1));
    for item in shelf.copies(2) {
        assert_eq!(same(item.get().unwrap().view().unwrap().as_bytes()), Some(2));
    }
    assert_eq!(mapped_here(), 3);

    // The other way: an actor of this node, called from there.
    let own = Shelf::remote(text(4));
    let asked = swaps::options().strategy(worker.here()).remote(&own, 5);
    assert_eq!(asked.get().unwrap(), (Some(4), 1));
    assert_eq!(mapped_here(), 4);
    let again = swaps::options().strategy(worker.here()).remote(&own, 6);
    assert_eq!(again.get().unwrap(), (Some(5), 1));
    drop((shelf, own, old, stored, asked, again));
    common::all_clear(1);
}

/// R27: what is still read is not used again, and when it is not read any more it is.
#[test]
fn memory_is_not_used_again_while_a_view_lives() {
    let head = head(LARGE + 16 * MIB);
    let _here = head.0.node.enter();
    let worker = head.worker(MIB);
    let keeper = keeper::options().strategy(worker.here()).remote().get().unwrap();
    let first = raykit::put(text(1)).unwrap();
    assert_eq!(keeper.keep(vec![first.clone()]).get().unwrap(), 1);
    assert_eq!(worker.mapped(), 1);
    drop(first);
    // There is no room beside it: the next one comes as from another host.
    let second = raykit::put(text(2)).unwrap();
    assert_eq!(worker.look(&second), (2, 2, LARGE, 0));
    assert_eq!(keeper.bytes().get().unwrap(), [1]);
    assert_eq!(keeper.let_go().get().unwrap(), 1);
    let mut with = 2;
    eventually("its memory is used again", || {
        with += 1;
        let next = raykit::put(text(with)).unwrap();
        worker.look(&next) == (with, with, LARGE, 1)
    });
    assert!(raykit::stats().unwrap().shared_bytes <= (LARGE + 16 * MIB) as u64);
}

/// A reader that is killed reads no more.
#[test]
fn the_claims_of_a_killed_reader_end() {
    let head = head(LARGE + 16 * MIB);
    let _here = head.0.node.enter();
    let mut reader = head.worker(MIB);
    let other = head.worker(MIB);
    let keeper = keeper::options().strategy(reader.here()).remote().get().unwrap();
    let first = raykit::put(text(1)).unwrap();
    assert_eq!(keeper.keep(vec![first.clone()]).get().unwrap(), 1);
    assert_eq!(reader.mapped(), 1);
    drop(first);
    let second = raykit::put(text(2)).unwrap();
    assert_eq!(other.look(&second), (2, 2, LARGE, 0), "the memory is in use");
    reader.child.kill().unwrap();
    let mut with = 2;
    eventually("its memory is used again", || {
        with += 1;
        let next = raykit::put(text(with)).unwrap();
        other.look(&next) == (with, with, LARGE, 1)
    });
}

/// What was mapped stays when its owner is killed, also in the middle of a read.
#[test]
fn a_view_outlives_its_owner() {
    let head = head(512 * MIB);
    let _here = head.0.node.enter();
    let mut worker = head.worker(512 * MIB);
    let made = make::options().strategy(worker.here()).remote(6);
    let view = made.view().unwrap();
    assert_eq!(mapped_here(), 1);
    let (first, rest) = view.as_bytes().split_at(LARGE / 2);
    assert_eq!(same(first), Some(6));
    worker.child.kill().unwrap();
    worker.child.wait().unwrap();
    assert_eq!(same(rest), Some(6));
    eventually("the node is gone", || raykit::nodes().unwrap().len() == 1);
    assert_eq!(same(view.as_bytes()), Some(6));
}

#[test]
fn memory_stays_bounded_over_many_objects() {
    let head = head(1024 * MIB);
    let _here = head.0.node.enter();
    let worker = head.worker(1024 * MIB);
    for round in 0..100 {
        let with = round as u8;
        if round % 2 == 0 {
            let stored = raykit::put(text(with)).unwrap();
            assert_eq!(worker.look(&stored), (with, with, LARGE, 1), "round {round}");
        } else {
            let made = make::options().strategy(worker.here()).remote(with);
            assert_eq!(made.view().unwrap().as_bytes()[LARGE / 2], with, "round {round}");
        }
        let shared = raykit::stats().unwrap().shared_bytes;
        assert!(shared <= 512 * MIB as u64, "{shared} bytes in round {round}");
    }
    assert_eq!(mapped_here(), 50);
}

#[test]
fn a_node_without_object_memory_shares_none() {
    let head = head(0);
    let _here = head.0.node.enter();
    let worker = head.worker(512 * MIB);
    let stored = raykit::put(text(3)).unwrap();
    assert_eq!(worker.look(&stored), (3, 3, LARGE, 0));
    let made = make::options().strategy(worker.here()).remote(4);
    assert_eq!(same(made.view().unwrap().as_bytes()), Some(4));
    let stats = raykit::stats().unwrap();
    assert_eq!((stats.objects_mapped, stats.shared_bytes), (0, 0));
}
