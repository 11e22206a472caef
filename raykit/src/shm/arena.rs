//! `Arena`: a node's memory that other processes of its host can read. It is a few segments, made
//! when there is no room in those that are there, and let go when they have been empty for a while.
//! Parts that were written before are used again first: a page that the system has to find anew
//! costs more than the copy into it.

#![expect(unsafe_code, reason = "a region has sole use of its part of a segment")]

use super::PAGE_BYTES;
use super::ranges::Ranges;
use super::segment::{STEP_BYTES, Segment};
use crate::base::limits::shm::{SEGMENT_BYTES, SEGMENT_BYTES_MAX};
use crate::object::buffer::{Lender, Memory};
use parking_lot::Mutex;
use std::any::Any;
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

type Bell = Box<dyn Fn() + Send + Sync>;

pub(crate) struct Arena {
    this: Weak<Arena>,
    segment_bytes: usize,
    bytes_max: usize,
    state: Mutex<State>,
    /// Rung when a segment has become empty, and when one is gone.
    bell: OnceLock<Bell>,
}

#[derive(Default)]
struct State {
    places: Vec<Place>,
    closed: bool,
}

struct Place {
    segment: Arc<Segment>,
    ranges: Ranges,
    /// Since when nothing lies there.
    empty_since: Option<Instant>,
}

impl State {
    fn bytes(&self) -> usize {
        self.places.iter().map(|place| place.segment.bytes()).sum()
    }

    /// A part of a segment that is there: warm and tight before all else.
    fn take(&mut self, bytes: usize) -> Option<(Arc<Segment>, usize)> {
        let spare = |place: &Place| place.ranges.spare_warm(bytes);
        let tightest = (0..self.places.len())
            .filter_map(|at| Some((spare(&self.places[at])?, at)))
            .min()
            .map(|(_, at)| at);
        let places = tightest.into_iter().chain(0..self.places.len());
        places.into_iter().find_map(|at| {
            let place = &mut self.places[at];
            let start = place.ranges.take(bytes)?;
            place.empty_since = None;
            Some((Arc::clone(&place.segment), start))
        })
    }

    /// Those that have been empty for so long, taken out.
    fn emptied(&mut self, now: Instant, idle: Duration) -> Vec<Place> {
        let is_old = |place: &mut Place| {
            place.empty_since.is_some_and(|since| now.saturating_duration_since(since) >= idle)
        };
        self.places.extract_if(.., is_old).collect()
    }
}

impl Arena {
    /// An arena whose segments have at most so many bytes together.
    pub(crate) fn new(bytes_max: u64) -> Arc<Arena> {
        Arena::with_segments(bytes_max, SEGMENT_BYTES)
    }

    pub(super) fn with_segments(bytes_max: u64, segment_bytes: usize) -> Arc<Arena> {
        Arc::new_cyclic(|this| Arena {
            this: Weak::clone(this),
            segment_bytes,
            bytes_max: usize::try_from(bytes_max.min(SEGMENT_BYTES_MAX)).unwrap_or(usize::MAX),
            state: Mutex::default(),
            bell: OnceLock::new(),
        })
    }

    /// What is called when there may be something to `trim`, and when a segment is gone.
    pub(crate) fn set_bell(&self, ring: impl Fn() + Send + Sync + 'static) {
        let _ = self.bell.set(Box::new(ring));
    }

    fn ring(&self) {
        self.bell.get().into_iter().for_each(|ring| ring());
    }

    /// Lets segments go that have been empty for so long. When the next one will have been, if one
    /// is empty. Their memory goes back to the system on this thread, which takes a while.
    pub(crate) fn trim(&self, idle: Duration) -> Option<Instant> {
        let (gone, next) = {
            let mut state = self.state.lock();
            let gone = state.emptied(Instant::now(), idle);
            let since = state.places.iter().filter_map(|place| place.empty_since).min();
            (gone, since.map(|since| since + idle))
        };
        if !gone.is_empty() {
            drop(gone);
            self.ring();
        }
        next
    }

    /// Lends nothing any more, and uses nothing again: for when it is not known any more what is
    /// being read.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
    }

    fn region(&self, bytes: usize) -> Option<Region> {
        let wanted = bytes.checked_next_multiple_of(PAGE_BYTES).filter(|wanted| *wanted > 0)?;
        if wanted > self.bytes_max {
            return None;
        }
        let mut gone = Vec::new();
        let found = {
            let mut state = self.state.lock();
            if state.closed {
                return None;
            }
            state.take(wanted).or_else(|| {
                if state.bytes().saturating_add(wanted) > self.bytes_max {
                    gone = state.emptied(Instant::now(), Duration::ZERO);
                }
                self.add_segment(&mut state, wanted)?;
                state.take(wanted)
            })
        };
        if !gone.is_empty() {
            drop(gone);
            self.ring();
        }
        let (segment, start) = found?;
        let held =
            Held { arena: Weak::clone(&self.this), segment, start, bytes: wanted, written: 0 };
        Some(Region { len: wanted, held: Arc::new(held), is_shared: AtomicBool::new(false) })
    }

    /// Makes a segment in which there is room for `bytes`.
    fn add_segment(&self, state: &mut State, bytes: usize) -> Option<()> {
        let left = self.bytes_max.checked_sub(state.bytes())?;
        let long = bytes.max(self.segment_bytes).checked_next_multiple_of(STEP_BYTES)?;
        let long = if long <= left { long } else { bytes };
        if long > left {
            return None;
        }
        let made = Segment::new(long).inspect_err(|error| {
            tracing::warn!(%error, bytes = long, "no shared memory");
            // A system that knows of no such memory, or allows none, has none later either.
            let never =
                [ErrorKind::Unsupported, ErrorKind::InvalidInput, ErrorKind::PermissionDenied];
            state.closed |= never.contains(&error.kind());
        });
        let segment = made.ok()?;
        let ranges = Ranges::new(long);
        state.places.push(Place { segment: Arc::new(segment), ranges, empty_since: None });
        Some(())
    }

    /// A part is free again.
    fn give(&self, segment: &Segment, start: usize, bytes: usize, written: usize) {
        let emptied = {
            let mut state = self.state.lock();
            if state.closed {
                return;
            }
            let mut places = state.places.iter_mut();
            let Some(place) = places.find(|place| place.segment.id() == segment.id()) else {
                return;
            };
            place.ranges.give(start, bytes, written);
            let emptied = place.ranges.is_free();
            place.empty_since = emptied.then(Instant::now);
            emptied
        };
        if emptied {
            self.ring();
        }
    }
}

impl Lender for Arena {
    fn lend(&self, bytes: usize) -> Option<Box<dyn Memory>> {
        self.region(bytes).map(|region| Box::new(region) as Box<dyn Memory>)
    }

    /// Of its segments, whether they were ever written to or not.
    fn bytes(&self) -> u64 {
        self.state.lock().bytes() as u64
    }
}

/// A part of a segment that is in use. It is free again when this is dropped: by the archive that
/// lies there, and by each reader's claim to it.
pub(crate) struct Held {
    arena: Weak<Arena>,
    segment: Arc<Segment>,
    start: usize,
    bytes: usize,
    /// From the start on, so many bytes are known to have memory.
    written: usize,
}

impl Held {
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// The arena, if there still is one.
    pub(crate) fn arena(&self) -> Option<Arc<Arena>> {
        self.arena.upgrade()
    }

    /// Has memory found for all before `end`. `false` where there is none.
    fn reach(&mut self, end: usize) -> bool {
        if end > self.written {
            // As far as memory is found anyway, so that few writes have to look.
            let reach = (self.start + end).next_multiple_of(STEP_BYTES) - self.start;
            let reach = reach.min(self.bytes);
            if !self.segment.populate(&(self.start + self.written..self.start + reach)) {
                return false;
            }
            self.written = reach;
        }
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(arena) = self.arena.upgrade() {
            arena.give(&self.segment, self.start, self.bytes, self.written);
        }
    }
}

/// A region of the arena, as the archive has it that lies there.
pub(crate) struct Region {
    held: Arc<Held>,
    len: usize,
    /// Somebody else may read it: nothing is written any more.
    is_shared: AtomicBool,
}

/// What a reader has to know of a region.
pub(crate) struct Share {
    pub(crate) held: Arc<Held>,
    /// Where it is in its segment.
    pub(crate) part: Range<usize>,
}

impl Region {
    /// Lets somebody else read it, for as long as the result lives.
    pub(crate) fn share(&self) -> Share {
        // Relaxed: who writes has the region to itself, and so comes before or after.
        self.is_shared.store(true, Ordering::Relaxed);
        let part = self.held.start..self.held.start + self.len;
        Share { held: Arc::clone(&self.held), part }
    }

    /// The region that this memory is, if it is one.
    pub(crate) fn of(memory: &dyn Memory) -> Option<&Region> {
        let any: &dyn Any = memory;
        any.downcast_ref()
    }

    fn part(&self, part: &Range<usize>) -> Range<usize> {
        self.held.start + part.start..self.held.start + part.end
    }
}

impl Memory for Region {
    fn bytes(&self) -> &[u8] {
        // SAFETY: the part belongs to this region alone, and is written through `room`, which
        // borrows it mutably.
        unsafe { self.held.segment.part(&self.part(&(0..self.len))) }
    }

    fn room(&mut self, part: Range<usize>) -> Option<&mut [u8]> {
        if part.end > self.len || part.start > part.end || *self.is_shared.get_mut() {
            return None;
        }
        if part.end > self.held.written && !Arc::get_mut(&mut self.held)?.reach(part.end) {
            return None;
        }
        // SAFETY: the part belongs to this region alone, which is borrowed mutably and was never
        // shared.
        Some(unsafe { self.held.segment.part_mut(&self.part(&part)) })
    }

    fn shorten(&mut self, len: usize) {
        let kept = len.min(self.len).next_multiple_of(PAGE_BYTES).min(self.held.bytes);
        self.len = self.len.min(len);
        let Some(held) = Arc::get_mut(&mut self.held) else { return };
        let (after, written) = (held.start + kept, held.written.saturating_sub(kept));
        let freed = held.bytes - kept;
        (held.bytes, held.written) = (kept, held.written.min(kept));
        if let Some(arena) = held.arena.upgrade() {
            arena.give(&held.segment, after, freed, written);
        }
    }

    fn is_own(&self) -> bool {
        true
    }

    fn larger(&self, bytes: usize) -> Option<Box<dyn Memory>> {
        self.held.arena.upgrade()?.lend(bytes)
    }
}
