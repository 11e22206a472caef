//! An actor's state: any `Send` value, lent to one exclusive call or to many shared ones. Who may
//! have it when is decided by the inbox; here it is only made sure that a mistake there is an error
//! and not a data race.

use crate::base::sync::{Arc, AtomicBool, AtomicU32, Ordering};
use crate::object::value::Value;
use crate::object::{Error, ErrorKind, Object, Result};
use std::any::Any;
use std::cell::UnsafeCell;
use std::sync::OnceLock;

/// The value that a constructor made.
#[doc(hidden)]
pub struct State(Box<dyn Any + Send>);

impl State {
    pub fn new<S: Send + 'static>(state: S) -> State {
        State(Box::new(state))
    }
}

/// No shared loan is counted up to here.
const EXCLUSIVE: u32 = u32::MAX;

/// One life of an actor: from a constructor's return to the end, or to the next start.
pub(crate) struct Life {
    /// How many have it shared, or `EXCLUSIVE`.
    loans: AtomicU32,
    /// Another life has begun, or none will.
    over: AtomicBool,
    state: UnsafeCell<Box<dyn Any + Send>>,
    /// Who is told when the state is gone. Fields are dropped in their order.
    legacy: OnceLock<Arc<Legacy>>,
}

// SAFETY: the state is reached through `Access` alone. An exclusive one exists only while there is
// no other, and moves a `Send` value between threads at most; of shared ones there may be many, and
// they give out `&S` only where `S: Sync` (`Access::state`).
#[expect(unsafe_code, reason = "see above")]
unsafe impl Sync for Life {}

impl Life {
    pub(crate) fn new(state: State) -> Arc<Life> {
        let (loans, over) = (AtomicU32::new(0), AtomicBool::new(false));
        Arc::new(Life { loans, over, state: UnsafeCell::new(state.0), legacy: OnceLock::new() })
    }

    /// It is the last life of its actor, and the state goes when the last call that has it returns.
    pub(crate) fn leave(&self, legacy: Arc<Legacy>) {
        let _ = self.legacy.set(legacy);
    }

    /// No call should begin any more. Who says so looks afterwards which calls have begun, and who
    /// begins one looks afterwards whether this was said: one of the two sees the other, since all
    /// four steps are `SeqCst`.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// The state for a call that shares it.
    pub(crate) fn shared(self: &Arc<Life>) -> Result<Access> {
        // Acquire: what the exclusive call before did is seen.
        let lent = self.loans.fetch_update(Ordering::Acquire, Ordering::Relaxed, |loans| {
            (loans < EXCLUSIVE - 1).then(|| loans + 1)
        });
        lent.map_err(|_| taken())?;
        Ok(Access { life: Arc::clone(self), exclusive: false })
    }

    /// The state for a call that has it alone.
    pub(crate) fn exclusive(self: &Arc<Life>) -> Result<Access> {
        self.loans
            .compare_exchange(0, EXCLUSIVE, Ordering::Acquire, Ordering::Relaxed)
            .map_err(|_| taken())?;
        Ok(Access { life: Arc::clone(self), exclusive: true })
    }
}

fn taken() -> Error {
    Error::new(ErrorKind::ActorUnavailable, "the actor's state is lent to another call")
}

/// The state for the length of a call.
#[doc(hidden)]
pub struct Access {
    life: Arc<Life>,
    exclusive: bool,
}

impl Access {
    /// The state, read only.
    #[expect(unsafe_code, reason = "the loan that is held keeps exclusive ones away")]
    pub fn state<S: Send + Sync + 'static>(&self) -> Result<&S> {
        // SAFETY: while this exists, `loans` is above zero and not `EXCLUSIVE`, or this is itself
        // the exclusive one and is borrowed: nobody has the state mutably.
        let state = unsafe { &*self.life.state.get() };
        state.downcast_ref().ok_or_else(wrong::<S>)
    }

    /// The state, to change it.
    #[expect(unsafe_code, reason = "the loan that is held keeps all others away")]
    pub fn state_mut<S: Send + 'static>(&mut self) -> Result<&mut S> {
        if !self.exclusive {
            return Err(taken());
        }
        // SAFETY: `loans` is `EXCLUSIVE` while this exists, so there is no other `Access`, and this
        // one is borrowed mutably.
        let state = unsafe { &mut *self.life.state.get() };
        state.downcast_mut().ok_or_else(wrong::<S>)
    }
}

/// Who takes over from an actor that has ended: gets what it kept of its state, and gives it to the
/// next one.
pub(crate) trait Heir: Send + Sync {
    fn bequeath(&self, kept: Value);

    fn inherit(&self) -> Option<Value>;

    /// Nothing is left of the actor.
    fn gone(&self);
}

/// What an actor has that somebody takes over from. With the last of it the actor is gone, whatever
/// became of it, even if it never was.
pub(crate) struct Legacy(pub(crate) Arc<dyn Heir>);

impl Drop for Legacy {
    fn drop(&mut self) {
        self.0.gone();
    }
}

/// How an actor's state is kept for its next life, and made from what was kept.
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct Checkpoint {
    pub(crate) save: fn(&Access) -> Result<Value>,
    pub(crate) load: fn(Value) -> Result<State>,
}

impl Checkpoint {
    /// Of a state that is an object.
    pub const fn of<S: Object>() -> Checkpoint {
        Checkpoint {
            save: |access| access.state::<S>().map(|state| Value::new(state.clone())),
            load: |kept| kept.take::<S>().map(State::new),
        }
    }
}

fn wrong<S>() -> Error {
    let text = format!("the actor is not a `{}`", std::any::type_name::<S>());
    Error::new(ErrorKind::Encoding, text)
}

impl Drop for Access {
    fn drop(&mut self) {
        // Release: the next one sees what was done.
        if self.exclusive {
            self.life.loans.store(0, Ordering::Release);
        } else {
            self.life.loans.fetch_sub(1, Ordering::Release);
        }
    }
}

#[cfg(all(test, raykit_loom))]
mod loom_tests {
    use super::*;

    /// Two that want to change a state and one that wants to read it: whoever gets it sees all that
    /// those before have done, and nobody gets it while another one changes it.
    #[test]
    fn loom_a_state_is_changed_by_one_at_a_time() {
        crate::base::sync::explore(|| {
            let life = Life::new(State::new((0_u32, 0_u32)));
            let change = |life: &Arc<Life>| {
                let Ok(mut access) = life.exclusive() else { return 0 };
                let both = access.state_mut::<(u32, u32)>().expect("two numbers");
                both.0 += 1;
                loom::thread::yield_now();
                both.1 += 1;
                1
            };
            let other = {
                let life = Arc::clone(&life);
                loom::thread::spawn(move || change(&life))
            };
            let reader = {
                let life = Arc::clone(&life);
                loom::thread::spawn(move || {
                    if let Ok(access) = life.shared() {
                        let both = access.state::<(u32, u32)>().expect("two numbers");
                        assert_eq!(both.0, both.1, "not in the middle of a change");
                    }
                })
            };
            let changed = change(&life) + other.join().expect("it ends");
            reader.join().expect("it ends");
            let last = life.shared().expect("all have let go");
            assert_eq!(last.state::<(u32, u32)>().ok(), Some(&(changed, changed)));
        });
    }
}

#[cfg(all(test, not(raykit_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_lent_to_many_or_to_one() {
        let life = Life::new(State::new(7_i64));
        let first = life.shared().expect("free");
        let second = life.shared().expect("shared");
        assert_eq!((first.state::<i64>().ok(), second.state::<i64>().ok()), (Some(&7), Some(&7)));
        assert!(life.exclusive().is_err(), "two have it");
        drop(first);
        assert!(life.exclusive().is_err(), "one has it");
        drop(second);
        let mut only = life.exclusive().expect("free again");
        *only.state_mut::<i64>().expect("a number") += 1;
        assert!(life.shared().is_err() && life.exclusive().is_err());
        assert!(only.state_mut::<String>().is_err(), "another type");
        drop(only);
        let mut shared = life.shared().expect("free again");
        assert_eq!(shared.state::<i64>().ok(), Some(&8));
        assert!(shared.state_mut::<i64>().is_err(), "a shared one changes nothing");
    }
}
