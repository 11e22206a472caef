//! Where an actor's calls come in without meeting those who run them: a short lock that a caller
//! takes for one step, and a turn for many calls at once. Only when nobody looks here by himself
//! does a caller go further in.
//!
//! No call is left standing: a caller who is told that nobody watches goes in himself. Who has said
//! that he watches looks here again before he goes, and says then, in the step in which he takes
//! what is there, that he watches no more.

use crate::base::sync::{AtomicBool, Mutex, Ordering};

/// A door for calls of any kind.
pub(super) struct Door<M> {
    inside: Mutex<Inside<M>>,
    /// Whether anybody stands here: for who looks without the lock, and looks again with it.
    busy: AtomicBool,
}

/// So many calls that are over are fetched at once by a caller, and so many are kept for it.
const SPENT_LEN_MIN: usize = 64;
const SPENT_LEN_MAX: usize = 1024;

struct Inside<M> {
    calls: Vec<M>,
    /// Calls that are over, for their callers to drop.
    #[expect(clippy::box_collection, reason = "few actors ever have any")]
    spent: Option<Box<Vec<M>>>,
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

impl<M: Clone> Door<M> {
    /// A door where callers do or do not have to ask.
    pub(super) fn new(asks: bool) -> Door<M> {
        let inside = Inside { calls: Vec::new(), spent: None, watched: false, asks };
        Door { inside: Mutex::new(inside), busy: AtomicBool::new(false) }
    }

    /// Brings a call whose arguments are there.
    pub(super) fn bring(&self, call: &M) -> Met {
        let mut inside = self.inside.lock();
        if inside.asks {
            return Met::Asked;
        }
        if inside.calls.capacity() == 0 {
            inside.calls.reserve_exact(1); // most actors have one call at a time
        }
        inside.calls.push(call.clone());
        self.busy.store(true, Ordering::Relaxed);
        let watched = std::mem::replace(&mut inside.watched, true);
        let spent = inside.spent.take_if(|spent| spent.len() >= SPENT_LEN_MIN);
        drop(inside);
        drop(spent);
        if watched { Met::In } else { Met::InUnseen }
    }

    /// Gives callers what is over, to drop it where they have made it: the allocator would have
    /// both sides wait for each other. What is too much for them stays in the list.
    pub(super) fn hand_back(&self, over: &mut Vec<M>, is_spent: impl Fn(&mut M) -> bool) {
        if over.len() < SPENT_LEN_MIN / 4 {
            return;
        }
        let mut inside = self.inside.lock();
        let spent = inside.spent.get_or_insert_default();
        if spent.len() < SPENT_LEN_MAX {
            spent.extend(over.extract_if(.., |call| is_spent(call)));
        }
    }

    /// Takes what callers have not fetched, since none may come any more.
    pub(super) fn take_spent(&self) -> Vec<M> {
        self.inside.lock().spent.take().map_or_else(Vec::new, |spent| *spent)
    }

    /// Takes all calls in, in their order; `empty` takes their place. From now on somebody looks
    /// here by himself only if he is said to go on `watching`. Called under the actor's lock, so
    /// that two who take do not mix their calls.
    pub(super) fn let_in(&self, empty: &mut Vec<M>, watching: bool) {
        let mut inside = self.inside.lock();
        std::mem::swap(&mut inside.calls, empty);
        self.busy.store(false, Ordering::Relaxed);
        inside.watched = watching;
    }

    /// Whether calls stand here, as far as one sees from outside.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    /// Shows the calls that stand here, as long as `see` says so.
    pub(super) fn visit(&self, see: &mut dyn FnMut(&M) -> bool) -> bool {
        self.inside.lock().calls.iter().all(see)
    }

    /// Says that a turn looks here, or that perhaps none does, and whether callers have to ask.
    pub(super) fn tell(&self, watched: bool, asks: bool) {
        let mut inside = self.inside.lock();
        (inside.watched, inside.asks) = (inside.watched || watched, asks);
    }
}

#[cfg(all(test, raykit_loom))]
mod loom_tests {
    use super::*;
    use std::sync::Arc;

    /// An actor that knows nothing but its calls, after the manner of `Cell::enter` and its turns.
    struct Actor {
        door: Door<u32>,
        core: Mutex<Core>,
    }

    #[derive(Default)]
    struct Core {
        line: Vec<u32>,
        queued: bool,
        solo: bool,
        done: Vec<u32>,
    }

    impl Actor {
        fn let_in(&self, core: &mut Core, watching: bool) {
            let mut calls = Vec::new();
            self.door.let_in(&mut calls, watching);
            core.line.append(&mut calls);
        }

        /// What happens at the end of each step under the lock.
        fn leave(&self, core: &Core, watched: bool) {
            if (core.queued || core.solo) && !watched {
                self.door.tell(true, false);
            }
        }

        fn call(&self, call: u32) {
            if let Met::InUnseen = self.door.bring(&call) {
                let mut core = self.core.lock();
                let watching = core.queued || core.solo;
                self.let_in(&mut core, watching);
                let turn = !core.line.is_empty() && !watching;
                core.queued |= turn;
                self.leave(&core, watching);
                drop(core);
                if turn {
                    self.turn();
                }
            }
        }

        /// On the caller's thread, which is as good as any.
        fn turn(&self) {
            self.core.lock().queued = false;
            loop {
                let mut core = self.core.lock();
                let mut watching = core.queued || core.solo;
                self.let_in(&mut core, watching);
                if core.solo && core.line.is_empty() {
                    core.solo = false;
                    watching = false;
                    self.let_in(&mut core, false);
                }
                let mut batch = std::mem::take(&mut core.line);
                if batch.is_empty() {
                    return self.leave(&core, watching);
                }
                core.solo = true;
                self.leave(&core, watching);
                core.done.append(&mut batch);
            }
        }
    }

    /// Two callers, each of whom may come at any moment of the other's turn: both are heard, and the
    /// calls of one in their order.
    #[test]
    fn loom_no_call_is_left_at_the_door() {
        crate::base::sync::explore(|| {
            let actor =
                Arc::new(Actor { door: Door::new(false), core: Mutex::new(Core::default()) });
            let other = {
                let actor = Arc::clone(&actor);
                loom::thread::spawn(move || actor.call(10))
            };
            actor.call(1);
            actor.call(2);
            other.join().expect("it ends");
            let mut done = std::mem::take(&mut actor.core.lock().done);
            let of_one: Vec<u32> = done.iter().copied().filter(|call| *call < 10).collect();
            assert_eq!(of_one, [1, 2]);
            done.sort_unstable();
            assert_eq!(done, [1, 2, 10]);
        });
    }
}
