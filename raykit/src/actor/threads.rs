//! On which threads an actor's state may be: on any of them, one after another, or on one alone.
//! The attribute on the struct says which, and the types here say what that asks of the state.

use super::state::{Access, State};
use crate::object::{Error, ErrorKind, Result};
use crate::sched::desk::Bound;

/// Of an actor that runs on whichever thread is free.
#[doc(hidden)]
pub struct AnyThread;

/// Of an actor with the option `pinned`.
#[doc(hidden)]
pub struct OneThread;

/// How a state is kept between calls, and lent to one that has it alone.
#[doc(hidden)]
pub trait Keeps<S> {
    fn keep(state: S) -> State;

    fn lend(access: &mut Access) -> Result<&mut S>;
}

/// How it is lent to calls that share it.
#[doc(hidden)]
pub trait Shares<S> {
    fn share(access: &Access) -> Result<&S>;
}

/// Whether a call can go on on another thread than the one it began on.
#[diagnostic::on_unimplemented(
    message = "the methods of a pinned actor are not `async`",
    label = "this one is",
    note = "a future may go on on another thread than the one on which it began, and the state \
            stays on one; take `async` out, or `pinned` off the struct"
)]
#[doc(hidden)]
pub trait Roams {}

impl Roams for AnyThread {}

impl<S: Send + 'static> Keeps<S> for AnyThread {
    fn keep(state: S) -> State {
        State::new(state)
    }

    fn lend(access: &mut Access) -> Result<&mut S> {
        access.state_mut()
    }
}

impl<S: Send + Sync + 'static> Shares<S> for AnyThread {
    fn share(access: &Access) -> Result<&S> {
        access.state()
    }
}

impl<S: 'static> Keeps<S> for OneThread {
    fn keep(state: S) -> State {
        State::new(Bound::new(state))
    }

    fn lend(access: &mut Access) -> Result<&mut S> {
        access.state_mut::<Bound<S>>()?.get_mut().ok_or_else(elsewhere::<S>)
    }
}

/// Its calls run one after another: nothing is asked of the state.
impl<S: 'static> Shares<S> for OneThread {
    fn share(access: &Access) -> Result<&S> {
        access.state::<Bound<S>>()?.get().ok_or_else(elsewhere::<S>)
    }
}

fn elsewhere<S>() -> Error {
    let text = format!("a `{}` is on another thread", std::any::type_name::<S>());
    Error::new(ErrorKind::ActorUnavailable, text)
}
