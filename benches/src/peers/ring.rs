//! Two rings in memory that two processes share, one for each direction; and an end that sleeps on a
//! futex there.

#![expect(unsafe_code, reason = "memory is mapped, and used as rings")]

use super::ways::{BYTES, End, Message};
use crate::bench::Outcome;
use rustix::fs::{MemfdFlags, ftruncate};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::thread::futex;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, mpsc};

const SLOTS: u32 = 64;
const WORDS: usize = BYTES / 8;

/// On a cache line of its own.
#[repr(align(64))]
struct Apart(AtomicU32);

/// One direction. Zeros are an empty one.
#[repr(C)]
struct Lane {
    written: Apart,
    read: Apart,
    /// Changes when its reader should look.
    bell: Apart,
    slots: [[AtomicU64; WORDS]; SLOTS as usize],
}

/// Both directions, as one end has them.
pub(super) struct Ring {
    lanes: NonNull<[Lane; 2]>,
    /// The one that is written here.
    out: usize,
    file: File,
}

// SAFETY: it is reached through shared references alone, and consists of atomics.
unsafe impl Send for Ring {}
// SAFETY: as above.
unsafe impl Sync for Ring {}

impl Ring {
    pub(super) fn new() -> Outcome<Ring> {
        let file = File::from(rustix::fs::memfd_create("ring", MemfdFlags::CLOEXEC)?);
        ftruncate(&file, size_of::<[Lane; 2]>() as u64)?;
        Ring::map(file, 0)
    }

    /// The other end of one that lies there.
    pub(super) fn open(path: &str) -> Outcome<Ring> {
        Ring::map(OpenOptions::new().read(true).write(true).open(path)?, 1)
    }

    /// Where it lies, as long as this lives.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    fn map(file: File, out: usize) -> Outcome<Ring> {
        let may = ProtFlags::READ | ProtFlags::WRITE;
        let (bytes, fd) = (size_of::<[Lane; 2]>(), file.as_fd());
        // SAFETY: the system chooses an address where nothing else lies; the file is long enough.
        let at = unsafe { mmap(null_mut(), bytes, may, MapFlags::SHARED, fd, 0)? };
        let lanes = NonNull::new(at.cast()).ok_or("mapped at 0")?;
        Ok(Ring { lanes, out, file })
    }

    fn lanes(&self) -> &[Lane; 2] {
        // SAFETY: it is mapped as long as this lives, on a page; zeros are such lanes, and whatever
        // another process does to atomics leaves atomics.
        unsafe { self.lanes.as_ref() }
    }

    fn outgoing(&self) -> &Lane {
        &self.lanes()[self.out]
    }

    fn incoming(&self) -> &Lane {
        &self.lanes()[1 - self.out]
    }

    pub(super) fn put(&self, message: Message) -> Outcome {
        let lane = self.outgoing();
        let written = lane.written.0.load(Relaxed);
        if written.wrapping_sub(lane.read.0.load(Acquire)) >= SLOTS {
            return Err("the ring is full".into());
        }
        let (words, _) = message.as_chunks::<8>();
        let slot = &lane.slots[(written % SLOTS) as usize];
        slot.iter().zip(words).for_each(|(to, word)| to.store(u64::from_ne_bytes(*word), Relaxed));
        lane.written.0.store(written.wrapping_add(1), Release);
        Ok(())
    }

    pub(super) fn take(&self) -> Option<Message> {
        let lane = self.incoming();
        let read = lane.read.0.load(Relaxed);
        if read == lane.written.0.load(Acquire) {
            return None;
        }
        let mut message = [0; BYTES];
        let slot = &lane.slots[(read % SLOTS) as usize];
        let (words, _) = message.as_chunks_mut::<8>();
        words.iter_mut().zip(slot).for_each(|(to, word)| *to = word.load(Relaxed).to_ne_bytes());
        lane.read.0.store(read.wrapping_add(1), Release);
        Some(message)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nobody refers to it any more.
        let _ = unsafe { munmap(self.lanes.as_ptr().cast(), size_of::<[Lane; 2]>()) };
    }
}

fn ring(bell: &AtomicU32) {
    bell.fetch_add(1, Release);
    let _ = futex::wake(bell, futex::Flags::empty(), 1);
}

/// What is to be sent; its road looks when it is posted, and when there will be no more.
struct Posts {
    sender: Option<mpsc::Sender<Message>>,
    ring: Arc<Ring>,
}

impl Drop for Posts {
    fn drop(&mut self) {
        self.sender = None;
        ring(&self.ring.incoming().bell.0);
    }
}

/// An end whose road sleeps on its own bell, which the other end rings, and who posts here.
pub(super) fn futex(own: Ring) -> End {
    let own = Arc::new(own);
    let (post, posts) = mpsc::channel();
    let (hear, heard) = mpsc::channel();
    let there = Arc::clone(&own);
    std::thread::spawn(move || {
        let bell = &there.incoming().bell.0;
        loop {
            let seen = bell.load(Acquire);
            let mut idle = true;
            while let Some(message) = there.take() {
                idle = false;
                let _ = hear.send(message);
            }
            loop {
                match posts.try_recv() {
                    Ok(message) if there.put(message).is_ok() => ring(&there.outgoing().bell.0),
                    Err(mpsc::TryRecvError::Empty) => break,
                    // Nobody posts any more, or the other end does not take anything.
                    _ => return,
                }
                idle = false;
            }
            if idle {
                // It has changed already, or it was rung: either way it is time to look.
                let _ = futex::wait(bell, futex::Flags::empty(), seen, None);
            }
        }
    });
    let posted = Posts { sender: Some(post), ring: own };
    let send = move |message| {
        posted.sender.as_ref().ok_or("closed")?.send(message)?;
        ring(&posted.ring.incoming().bell.0);
        Ok(())
    };
    End::new(send, heard)
}
