//! `Ledger`: how many objects of a node there are, and how many bytes they take. Exact when nothing
//! is in the middle of a step. A ledger is never freed, so that a slot needs no count to point at
//! one; a closed node's is used again once its last object is gone.

use crate::base::ObjectId;
use crate::base::shards::Sharded;
use crate::base::sync::{Arc, AtomicU64, AtomicUsize, Mutex, Ordering};
use std::collections::BTreeMap;

/// Objects and bytes of one node.
pub(crate) struct Ledger {
    objects: Sharded,
    bytes: Sharded,
    /// Those that are large enough to be listed by themselves, with their bytes.
    large: Mutex<BTreeMap<ObjectId, u64>>,
    /// How many values were left on the nodes that have made them, and who brings them.
    left: AtomicUsize,
    bring: Mutex<Option<Bring>>,
}

type Bring = Arc<dyn Fn(ObjectId) + Send + Sync>;

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
        Box::leak(Box::new(Ledger::new()))
    }

    #[cfg(raykit_loom)]
    pub(crate) fn open() -> &'static Ledger {
        Box::leak(Box::new(Ledger::new()))
    }

    fn new() -> Ledger {
        Ledger {
            objects: Sharded::new(),
            bytes: Sharded::new(),
            large: Mutex::new(BTreeMap::new()),
            left: AtomicUsize::new(0),
            bring: Mutex::new(None),
        }
    }

    /// Who is told when an object is wanted whose value was left elsewhere.
    pub(crate) fn brings(&self, bring: impl Fn(ObjectId) + Send + Sync + 'static) {
        *self.bring.lock() = Some(Arc::new(bring));
    }

    /// Another value was left elsewhere, or one fewer is.
    pub(crate) fn leaves(&self, one_more: bool) {
        match one_more {
            true => self.left.fetch_add(1, Ordering::Relaxed),
            false => self.left.fetch_sub(1, Ordering::Relaxed),
        };
    }

    /// How many values were left elsewhere.
    pub(crate) fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    /// Somebody waits for an object whose value was left elsewhere.
    pub(super) fn wants(&self, id: ObjectId) {
        let bring = self.bring.lock().clone();
        bring.into_iter().for_each(|bring| bring(id));
    }

    /// A large object has its value. It is listed until it `is_gone`.
    pub(super) fn is_large(&self, id: ObjectId, bytes: u64) {
        self.large.lock().insert(id, bytes);
    }

    pub(super) fn is_gone(&self, id: ObjectId) {
        self.large.lock().remove(&id);
    }

    /// The first of the large objects, with their bytes.
    pub(crate) fn large(&self, most: usize) -> Vec<(ObjectId, u64)> {
        self.large.lock().iter().map(|(id, bytes)| (*id, *bytes)).take(most).collect()
    }

    /// The node is closed: nothing is opened here from now on.
    pub(crate) fn retire(&'static self) {
        *self.bring.lock() = None;
        self.left.store(0, Ordering::Relaxed);
        #[cfg(not(raykit_loom))]
        RETIRED.lock().push(self);
    }

    pub(crate) fn objects(&self) -> i64 {
        self.objects.sum()
    }

    pub(crate) fn bytes(&self) -> i64 {
        self.bytes.sum()
    }
}

/// One object in the books of its node. It is struck out when this is dropped.
pub(crate) struct Entry {
    ledger: &'static Ledger,
    bytes: AtomicU64,
}

impl Entry {
    #[inline(always)]
    pub(crate) fn new(ledger: &'static Ledger) -> Entry {
        ledger.objects.add(1);
        Entry { ledger, bytes: AtomicU64::new(0) }
    }

    /// What the object takes, once it has its value.
    #[inline(always)]
    pub(super) fn charge(&self, bytes: u64) {
        if bytes > 0 {
            // Relaxed: whoever strikes the entry out owns it, and with that has seen its value.
            self.bytes.store(bytes, Ordering::Relaxed);
            self.ledger.bytes.add(bytes as i64);
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn ledger(&self) -> &'static Ledger {
        self.ledger
    }
}

impl Drop for Entry {
    #[inline]
    fn drop(&mut self) {
        let bytes = self.bytes();
        if bytes > 0 {
            self.ledger.bytes.add(-(bytes as i64));
        }
        self.ledger.objects.add(-1);
    }
}
