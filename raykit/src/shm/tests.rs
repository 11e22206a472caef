//! The arena as its users see it.

use super::*;
use crate::object::buffer::{Buffer, Lender, Memory};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const SEGMENT: usize = 4 << 20;

fn arena(segments: usize) -> Arc<Arena> {
    Arena::with_segments((segments * SEGMENT) as u64, SEGMENT)
}

fn bytes_of(arena: &Arena) -> usize {
    arena.bytes() as usize
}

/// A region with so many bytes of this value in it.
fn filled(arena: &Arena, bytes: usize, with: u8) -> Option<Box<dyn Memory>> {
    let mut memory = arena.lend(bytes)?;
    memory.room(0..bytes).expect("room in it").fill(with);
    memory.shorten(bytes);
    Some(memory)
}

fn share(memory: &dyn Memory) -> Share {
    Region::of(memory).expect("it is a region").share()
}

/// I13
#[test]
fn it_grows_on_demand_and_within_its_bound() {
    let arena = arena(2);
    assert_eq!(bytes_of(&arena), 0, "nothing before it is needed");
    let first = filled(&arena, SEGMENT, 1).unwrap();
    let second = filled(&arena, SEGMENT / 2, 2).unwrap();
    assert_eq!(bytes_of(&arena), 2 * SEGMENT);
    assert!(arena.lend(SEGMENT).is_none(), "beyond the bound");
    assert!(arena.lend(usize::MAX).is_none() && arena.lend(0).is_none());
    drop(second);
    assert!(filled(&arena, SEGMENT, 3).is_some());
    assert!(first.bytes().iter().all(|byte| *byte == 1));
    // One that no segment of the usual length could hold.
    drop(first);
    assert!(filled(&arena, 2 * SEGMENT, 4).is_some(), "empty ones make room for a longer one");
    assert_eq!(bytes_of(&arena), 2 * SEGMENT);
}

/// R27: what somebody may still read is not used again.
#[test]
fn a_region_is_used_again_when_nobody_reads_it() {
    let arena = arena(1);
    let archive = filled(&arena, SEGMENT, 7).unwrap();
    let (first, second) = (share(&*archive), share(&*archive));
    drop(archive);
    assert!(arena.lend(1).is_none());
    drop(first);
    assert!(arena.lend(1).is_none());
    drop(second);
    assert!(arena.lend(SEGMENT).is_some());
}

#[test]
fn what_is_shared_is_not_written_any_more() {
    let arena = arena(1);
    let mut archive = filled(&arena, 10, 7).unwrap();
    assert!(archive.room(0..10).is_some() && archive.room(0..11).is_none());
    let shared = share(&*archive);
    assert!(archive.room(0..1).is_none());
    drop(shared);
    assert!(archive.room(0..1).is_none(), "nor later");
}

#[test]
fn what_an_archive_does_not_need_goes_back() {
    let arena = arena(1);
    let mut buffer = Buffer::lent(arena.lend(SEGMENT).unwrap());
    buffer.extend_from_slice(&[1; 5000]);
    assert!(arena.lend(1).is_none());
    buffer.finish();
    assert_eq!(buffer.capacity(), 5000);
    assert!(arena.lend(SEGMENT - 8192).is_some());
    assert!(arena.lend(SEGMENT - 4096).is_none());
}

#[test]
fn an_archive_that_outgrows_its_region_moves_on() {
    let arena = arena(2);
    let mut buffer = Buffer::lent(arena.lend(4096).unwrap());
    let piece: Vec<u8> = (0..=255).collect();
    for _ in 0..SEGMENT / 256 {
        buffer.extend_from_slice(&piece);
    }
    assert!(buffer.memory().is_some());
    assert!(buffer.chunks(256).all(|chunk| chunk == piece));
    for _ in 0..2 * SEGMENT / 256 {
        buffer.extend_from_slice(&piece);
    }
    assert!(buffer.memory().is_none(), "beyond the bound it is the node's own memory");
    assert!(buffer.len() == 3 * SEGMENT && buffer.chunks(256).all(|chunk| chunk == piece));
}

#[test]
fn empty_segments_go_when_they_were_idle() {
    let arena = arena(4);
    let rung = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&rung);
    arena.set_bell(move || {
        own.fetch_add(1, Ordering::SeqCst);
    });
    let kept = filled(&arena, SEGMENT, 1).unwrap();
    let passing = filled(&arena, SEGMENT, 2).unwrap();
    assert_eq!(arena.trim(Duration::ZERO), None);
    drop(passing);
    assert_eq!(rung.load(Ordering::SeqCst), 1);
    let hour = Duration::from_secs(3600);
    assert!(arena.trim(hour).is_some(), "it is warm still");
    assert_eq!(bytes_of(&arena), 2 * SEGMENT);
    assert_eq!(arena.trim(Duration::ZERO), None);
    assert_eq!((bytes_of(&arena), rung.load(Ordering::SeqCst)), (SEGMENT, 2));
    drop(kept);
}

#[test]
fn a_closed_arena_uses_nothing_again() {
    let arena = arena(2);
    let archive = filled(&arena, SEGMENT, 1).unwrap();
    let shared = share(&*archive);
    let foreign = Foreign::open(shared.held.segment().file(), SEGMENT as u64).unwrap();
    arena.close();
    drop((archive, shared));
    assert!(arena.lend(1).is_none());
    drop(arena);
    let socket = pair().0;
    let mapped = Mapped::new(Arc::new(foreign), 0, 9, 1, Releases::new(socket, || {})).unwrap();
    assert_eq!(mapped.bytes(), [1; 9]);
}

fn pair() -> (Socket, Socket) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let next = NEXT.fetch_add(1, Ordering::SeqCst);
    let door = Door::open(format!("raykit-pair-{}-{next}", std::process::id()).as_bytes());
    let door = door.unwrap();
    let reader = Socket::connect(door.name()).unwrap();
    (reader, door.accept().unwrap())
}

#[test]
fn a_reader_says_once_that_it_has_let_go() {
    let arena = arena(1);
    let archive = filled(&arena, 10_000, 5).unwrap();
    let shared = share(&*archive);
    let segment = shared.held.segment();
    let foreign = Arc::new(Foreign::open(segment.file(), segment.bytes() as u64).unwrap());
    let (reader, owner) = pair();
    let releases = Releases::new(reader, || {});
    let map = |start, len, claim| {
        Mapped::new(Arc::clone(&foreign), start, len, claim, Arc::clone(&releases))
    };
    for (start, len) in [(1, 1), (0, SEGMENT as u64 + 1), (u64::MAX, 1), (4096, u64::MAX)] {
        assert!(map(start, len, 1).is_none(), "{start} {len}");
    }
    let mapped = map(shared.part.start as u64, 10_000, 2).unwrap();
    assert_eq!(mapped.bytes(), [5; 10_000]);
    assert_eq!(owner.receive().err().unwrap().kind(), std::io::ErrorKind::WouldBlock);
    drop(mapped);
    assert_eq!(owner.receive().unwrap().unwrap().0, Word::Release(vec![2]));
    assert_eq!(owner.receive().err().unwrap().kind(), std::io::ErrorKind::WouldBlock);
}

/// An owner that does not read its socket misses no release.
#[test]
fn releases_wait_until_they_can_be_sent() {
    let (reader, owner) = pair();
    let rung = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&rung);
    let releases = Releases::new(reader, move || {
        own.fetch_add(1, Ordering::SeqCst);
    });
    let arena = arena(1);
    let archive = filled(&arena, 1, 5).unwrap();
    let segment = Arc::clone(share(&*archive).held.segment());
    let foreign = Arc::new(Foreign::open(segment.file(), segment.bytes() as u64).unwrap());
    const CLAIMS: u64 = 20_000;
    for claim in 0..CLAIMS {
        drop(Mapped::new(Arc::clone(&foreign), 0, 1, claim, Arc::clone(&releases)));
    }
    assert!(rung.load(Ordering::SeqCst) > 0, "the socket was full");
    let mut heard = Vec::new();
    while (heard.len() as u64) < CLAIMS {
        match owner.receive() {
            Ok(Some((Word::Release(claims), None))) => heard.extend(claims),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                releases.send();
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(heard, (0..CLAIMS).collect::<Vec<u64>>());
}

/// A byte, who reads the region that is full of it, and the region.
type Living = (u8, Vec<Share>, Option<Box<dyn Memory>>);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is lent and given back in whatever order: no two regions that live overlap.
    #[test]
    fn regions_keep_what_was_written(
        steps in prop::collection::vec((1..2_000_000usize, any::<prop::sample::Index>(), 0..3u8), 1..60),
    ) {
        let arena = arena(3);
        let mut living: Vec<Living> = Vec::new();
        let mut with = 0_u8;
        for (bytes, which, act) in steps {
            if act > 0 || living.is_empty() {
                with = with.wrapping_add(1);
                if let Some(memory) = filled(&arena, bytes, with) {
                    let shares = (1..act).map(|_| share(&*memory)).collect();
                    living.push((with, shares, Some(memory)));
                }
            } else {
                let at = which.index(living.len());
                let (_, shares, memory) = &mut living[at];
                // Readers may be the last to go.
                if shares.pop().is_none() || memory.take().is_none() {
                    living.swap_remove(at);
                }
            }
            for (with, shares, memory) in &living {
                let bytes = memory.as_deref().map_or(&[][..], |memory| memory.bytes());
                prop_assert!([bytes.first(), bytes.last()].into_iter().flatten().all(|b| b == with));
                for share in shares {
                    let segment = share.held.segment();
                    let foreign = Foreign::open(segment.file(), segment.bytes() as u64).unwrap();
                    let bytes = foreign.part(&share.part);
                    prop_assert!(bytes.first() == Some(with) && bytes.last() == Some(with));
                }
            }
        }
        drop(living);
        prop_assert_eq!(arena.trim(Duration::ZERO), None);
        prop_assert_eq!(bytes_of(&arena), 0);
    }
}
