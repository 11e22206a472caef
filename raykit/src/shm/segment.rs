//! Segments: memory without a name (memfd) that several processes map. Its maker writes, all
//! others read: after the maker's mapping the file is sealed against any other that could write,
//! and against becoming shorter or longer.

#![expect(unsafe_code, reason = "memory is mapped, and read and written through pointers")]

use crate::base::limits::shm::SEGMENT_BYTES_MAX;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};
use std::io::{Error, Result};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// What every segment is sealed with before another process hears of it.
const SEALS: SealFlags =
    SealFlags::FUTURE_WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::SEAL);

/// The system is asked for memory in steps of a large page.
pub(super) const STEP_BYTES: usize = 2 << 20;

/// Memory mapped into this process, until it is dropped.
struct Map {
    at: NonNull<u8>,
    bytes: usize,
}

// SAFETY: it is memory like any other; who may read and write which part of it is the business of
// `Segment` and `Mapped`.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    fn new(file: BorrowedFd<'_>, bytes: usize, may: ProtFlags) -> Result<Map> {
        // SAFETY: without an address the system chooses one where nothing else lies.
        let at = unsafe { mmap(null_mut(), bytes, may, MapFlags::SHARED, file, 0)? };
        let at = NonNull::new(at.cast()).ok_or_else(|| Error::from(Errno::NOMEM))?;
        Ok(Map { at, bytes })
    }

    /// # Panics
    ///
    /// If `part` is not within it.
    fn part(&self, part: &Range<usize>) -> (NonNull<u8>, usize) {
        assert!(part.start <= part.end && part.end <= self.bytes, "{part:?} of {}", self.bytes);
        // SAFETY: it begins within the mapping, as was just checked.
        (unsafe { self.at.add(part.start) }, part.end - part.start)
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: it was mapped by `new`, and whoever refers to a part of it keeps it from being
        // dropped.
        let unmapped = unsafe { munmap(self.at.as_ptr().cast(), self.bytes) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

/// A segment, as its maker has it.
pub(crate) struct Segment {
    id: u32,
    file: OwnedFd,
    map: Map,
    /// Of each step, whether the system has found memory for it.
    found: Box<[AtomicBool]>,
}

impl Segment {
    pub(super) fn new(bytes: usize) -> Result<Segment> {
        // Of all arenas of the process, for one reader may hear of several.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |id| id.checked_add(1));
        let id = next.map_err(|_| Error::from(Errno::NFILE))?;
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = rustix::fs::memfd_create("raykit", flags)?;
        ftruncate(&file, bytes as u64)?;
        let map = Map::new(file.as_fd(), bytes, ProtFlags::READ | ProtFlags::WRITE)?;
        fcntl_add_seals(&file, SEALS)?;
        let found = (0..bytes.div_ceil(STEP_BYTES)).map(|_| AtomicBool::new(false)).collect();
        Ok(Segment { id, file, map, found })
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn bytes(&self) -> usize {
        self.map.bytes
    }

    /// The file to be given to readers.
    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// # Safety
    ///
    /// Nobody writes to this part as long as the result lives.
    pub(super) unsafe fn part(&self, part: &Range<usize>) -> &[u8] {
        let (at, len) = self.map.part(part);
        // SAFETY: the pointer and the length are those of a part of the mapping, which lives as
        // long as `self`; the caller promises that it does not change.
        unsafe { std::slice::from_raw_parts(at.as_ptr(), len) }
    }

    /// # Safety
    ///
    /// The caller has sole use of this part: nobody else, in this process, reads or writes any of
    /// it as long as the result lives.
    #[expect(clippy::mut_from_ref, reason = "each part has a user of its own, as promised above")]
    pub(super) unsafe fn part_mut(&self, part: &Range<usize>) -> &mut [u8] {
        let (at, len) = self.map.part(part);
        // SAFETY: as for `part`; the caller promises that nobody else uses it.
        unsafe { std::slice::from_raw_parts_mut(at.as_ptr(), len) }
    }

    /// Has the system find memory for this part, so that writing there cannot fail. `false` where
    /// there is none.
    pub(super) fn populate(&self, part: &Range<usize>) -> bool {
        let steps = part.start / STEP_BYTES..part.end.div_ceil(STEP_BYTES);
        // Relaxed: two that find memory for the same step do no harm.
        let mut missing = steps.filter(|step| !self.found[*step].load(Ordering::Relaxed));
        missing.all(|step| {
            let start = step * STEP_BYTES;
            let (at, len) = self.map.part(&(start..(start + STEP_BYTES).min(self.map.bytes)));
            // SAFETY: the range is a part of the mapping, and its contents stay as they are.
            let done = unsafe { madvise(at.as_ptr().cast(), len, Advice::LinuxPopulateWrite) };
            // An older system does not know of this, and finds memory when it is written to.
            let done = matches!(done, Ok(()) | Err(Errno::INVAL));
            self.found[step].store(done, Ordering::Relaxed);
            done
        })
    }
}

/// A segment of another process, which can be read here.
pub(crate) struct Foreign {
    map: Map,
}

impl Foreign {
    /// Maps a segment that another process has made.
    ///
    /// # Errors
    ///
    /// Where it is none, or is not sealed: whoever has it could make it shorter, which would be the
    /// end of every process that reads it.
    pub(crate) fn open(file: BorrowedFd<'_>, bytes: u64) -> Result<Foreign> {
        let refused = |why: &str| Error::new(std::io::ErrorKind::InvalidData, why);
        if !fcntl_get_seals(file)?.contains(SEALS) {
            return Err(refused("the shared memory of another process is not sealed"));
        }
        if fstat(file)?.st_size as u64 != bytes || bytes == 0 || bytes > SEGMENT_BYTES_MAX {
            return Err(refused("the shared memory of another process has not the size it says"));
        }
        Ok(Foreign { map: Map::new(file, bytes as usize, ProtFlags::READ)? })
    }

    pub(super) fn bytes(&self) -> usize {
        self.map.bytes
    }

    pub(super) fn part(&self, part: &Range<usize>) -> &[u8] {
        let (at, len) = self.map.part(part);
        // SAFETY: the pointer and the length are those of a part of the mapping, which lives as
        // long as `self`. Its maker does not write there before it has heard that this part was
        // released (`Mapped`), and nobody else can.
        unsafe { std::slice::from_raw_parts(at.as_ptr(), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 4096;

    #[test]
    fn a_reader_sees_what_is_written_and_cannot_write() {
        let own = Segment::new(4 * PAGE).unwrap();
        // SAFETY: nobody else uses it.
        unsafe { own.part_mut(&(PAGE..PAGE + 3)) }.copy_from_slice(b"abc");
        let foreign = Foreign::open(own.file(), 4 * PAGE as u64).unwrap();
        assert_eq!(foreign.part(&(PAGE..PAGE + 3)), b"abc");
        // SAFETY: as above.
        unsafe { own.part_mut(&(0..3)) }.copy_from_slice(b"xyz");
        assert_eq!(foreign.part(&(0..3)), b"xyz");

        let both = ProtFlags::READ | ProtFlags::WRITE;
        let writable = Map::new(own.file(), PAGE, both).err().unwrap();
        assert_eq!(writable.raw_os_error(), Some(Errno::PERM.raw_os_error()));
        let at = foreign.map.at.as_ptr().cast();
        // SAFETY: the mapping may be read before and after; that more is refused is what is tested.
        let raised = unsafe { rustix::mm::mprotect(at, PAGE, rustix::mm::MprotectFlags::WRITE) };
        assert_eq!(raised, Err(Errno::ACCESS));
        assert_eq!(rustix::io::pwrite(own.file(), b"no", 0), Err(Errno::PERM));
        assert_eq!(ftruncate(own.file(), 0), Err(Errno::PERM));
        assert_eq!(ftruncate(own.file(), 1 << 20), Err(Errno::PERM));
        assert_eq!(fcntl_add_seals(own.file(), SealFlags::WRITE), Err(Errno::PERM));
    }

    #[test]
    fn what_is_not_sealed_is_not_mapped() {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let open = rustix::fs::memfd_create("open", flags).unwrap();
        ftruncate(&open, PAGE as u64).unwrap();
        let why = |file: BorrowedFd<'_>, bytes| Foreign::open(file, bytes).err().unwrap();
        assert!(why(open.as_fd(), PAGE as u64).to_string().contains("not sealed"));
        fcntl_add_seals(&open, SEALS.difference(SealFlags::SHRINK)).unwrap();
        assert!(why(open.as_fd(), PAGE as u64).to_string().contains("not sealed"));
        fcntl_add_seals(&open, SEALS.difference(SealFlags::SHRINK)).unwrap_err();
        let own = Segment::new(PAGE).unwrap();
        for wrong in [0, 1, PAGE as u64 + 1, u64::MAX] {
            assert!(why(own.file(), wrong).to_string().contains("size"), "{wrong}");
        }
        let plain = std::fs::File::open("/proc/self/exe").unwrap();
        assert!(Foreign::open(plain.as_fd(), 1).is_err());
    }

    #[test]
    fn a_mapping_outlives_its_maker() {
        let own = Segment::new(PAGE).unwrap();
        // SAFETY: nobody else uses it.
        unsafe { own.part_mut(&(0..2)) }.copy_from_slice(b"ok");
        let foreign = Foreign::open(own.file(), PAGE as u64).unwrap();
        drop(own);
        assert_eq!(foreign.part(&(0..2)), b"ok");
    }
}
