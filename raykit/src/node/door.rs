//! Where an actor's calls come in without meeting those who run them: a short lock that a caller
//! takes for one step, and a turn for many calls at once. Only when nobody looks here by himself
//! does a caller go further in.

use super::task::Task;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Default)]
pub(super) struct Door {
    inside: Mutex<Inside>,
    /// Whether anybody stands here: for who looks without the lock, and looks again with it.
    busy: AtomicBool,
}

/// So many calls that are over are fetched at once by a caller, and so many are kept for it.
const SPENT_LEN_MIN: usize = 64;
const SPENT_LEN_MAX: usize = 1024;

#[derive(Default)]
struct Inside {
    calls: Vec<Arc<Task>>,
    /// Calls that are over, for their callers to drop.
    #[expect(clippy::box_collection, reason = "few actors ever have any")]
    spent: Option<Box<Vec<Arc<Task>>>>,
    /// A turn is queued or runs that looks here before it is over.
    watched: bool,
    /// It is not enough to put a call here: the actor may refuse it, or it has to wait for others.
    asks: bool,
}

/// What comes of a call at the door.
#[must_use]
pub(super) enum Met {
    /// It is in, and will be seen.
    In,
    /// It is in, and whoever brought it has to see to it.
    InUnseen,
    /// It is not in.
    Asked,
}

impl Door {
    /// Brings a call whose arguments are there.
    pub(super) fn bring(&self, call: &Arc<Task>) -> Met {
        let mut inside = self.inside.lock();
        if inside.asks {
            return Met::Asked;
        }
        inside.calls.push(Arc::clone(call));
        self.busy.store(true, Ordering::Relaxed);
        let watched = std::mem::replace(&mut inside.watched, true);
        let spent = inside.spent.take_if(|spent| spent.len() >= SPENT_LEN_MIN);
        drop(inside);
        drop(spent);
        if watched { Met::In } else { Met::InUnseen }
    }

    /// Gives callers what is over, to drop it where they have made it: the allocator would have
    /// both sides wait for each other. What is too much for them stays in the list.
    pub(super) fn hand_back(&self, over: &mut Vec<Arc<Task>>) {
        if over.len() < SPENT_LEN_MIN / 4 {
            return;
        }
        let mut inside = self.inside.lock();
        let spent = inside.spent.get_or_insert_default();
        if spent.len() < SPENT_LEN_MAX {
            spent.extend(over.extract_if(.., |task| task.is_spent()));
        }
    }

    /// Takes what callers have not fetched, since none may come any more.
    pub(super) fn take_spent(&self) -> Vec<Arc<Task>> {
        self.inside.lock().spent.take().map_or_else(Vec::new, |spent| *spent)
    }

    /// Takes all calls in, in their order; `empty` takes their place. From now on somebody looks
    /// here by himself only if he is said to go on `watching`. Called under the actor's lock, so
    /// that two who take do not mix their calls. Whether callers have to ask.
    pub(super) fn let_in(&self, empty: &mut Vec<Arc<Task>>, watching: bool) -> bool {
        let mut inside = self.inside.lock();
        std::mem::swap(&mut inside.calls, empty);
        self.busy.store(false, Ordering::Relaxed);
        inside.watched = watching;
        inside.asks
    }

    /// Whether calls stand here, as far as one sees from outside.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    /// Says that a turn looks here, or that perhaps none does, and whether callers have to ask.
    pub(super) fn tell(&self, watched: bool, asks: bool) {
        let mut inside = self.inside.lock();
        (inside.watched, inside.asks) = (inside.watched || watched, asks);
    }
}
