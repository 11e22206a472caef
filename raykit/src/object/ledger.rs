//! `Ledger`: how many objects of a node there are, and how many bytes they take. Exact when nothing
//! is in the middle of a step. A ledger is never freed, so that a slot needs no count to point at
//! one; a closed node's is used again once its last object is gone.

use crate::base::shards::Sharded;
use crate::base::sync::Mutex;

/// Objects and bytes of one node.
pub(crate) struct Ledger {
    objects: Sharded,
    bytes: Sharded,
}

#[cfg(not(raykit_loom))]
static RETIRED: Mutex<Vec<&'static Ledger>> = Mutex::new(Vec::new());

impl Ledger {
    #[cfg(not(raykit_loom))]
    pub(crate) fn open() -> &'static Ledger {
        let mut retired = RETIRED.lock();
        if let Some(at) = retired.iter().position(|ledger| ledger.objects() == 0) {
            return retired.swap_remove(at);
        }
        drop(retired);
        Box::leak(Box::new(Ledger { objects: Sharded::new(), bytes: Sharded::new() }))
    }

    #[cfg(raykit_loom)]
    pub(crate) fn open() -> &'static Ledger {
        Box::leak(Box::new(Ledger { objects: Sharded::new(), bytes: Sharded::new() }))
    }

    /// The node is closed: nothing is opened here from now on.
    pub(crate) fn retire(&'static self) {
        #[cfg(not(raykit_loom))]
        RETIRED.lock().push(self);
    }

    pub(crate) fn objects(&self) -> i64 {
        self.objects.sum()
    }

    pub(crate) fn bytes(&self) -> i64 {
        self.bytes.sum()
    }

    pub(super) fn opened(&self) {
        self.objects.add(1);
    }

    pub(super) fn charged(&self, bytes: u64) {
        self.bytes.add(bytes as i64);
    }

    pub(super) fn closed(&self, bytes: u64) {
        if bytes > 0 {
            self.bytes.add(-(bytes as i64));
        }
        self.objects.add(-1);
    }
}
