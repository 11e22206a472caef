//! An actor's state is kept for its next life: after so many changes, or on request.

use super::cell::Cell;
use super::run::caught;
use super::task::Task;
use super::{Node, actors, slots};
use crate::actor::inbox::Need;
use crate::actor::state::{Life, State};
use crate::base::quiet::quietly;
use crate::object::raw::{Holder, RawRef};
use crate::object::value::Value;
use crate::object::{Error, ErrorKind, Result};
use crate::task::arg::Inputs;
use crate::task::call::{Results, Returns};
use crate::task::function::{Body, Function};
use crate::task::options::Options;
use std::sync::Arc;

/// The method behind `handle.checkpoint()`: nothing but a place in the order of calls.
static KEEP: Function = Function {
    name: "checkpoint",
    krate: "raykit",
    major: "0",
    path: || "raykit::checkpoint",
    method: "",
    schema: 0,
    signature: "fn checkpoint(&mut self)",
    returns: 1,
    defaults: Options::of_method(),
    body: Body::Exclusive(|_, _| Ok(Returns(Results::One(Value::new(()))))),
    actor: None,
    file: file!(),
    line: line!(),
};

impl Cell {
    /// A call has changed the state, and its result is about to be told: the state is kept if it is
    /// time. For a call that asks for no more than that, a failure to keep it is its own.
    pub(super) fn changed<R>(
        &self,
        node: &Node,
        life: &Arc<Life>,
        call: &Task,
        result: Result<R>,
    ) -> Result<R> {
        let asked = std::ptr::eq(call.function, &KEEP);
        // What a life that is over has changed is nobody's any more.
        let present = result.is_ok() && !life.is_over();
        let Some(checkpoint) = self.checkpoint.filter(|_| present) else { return result };
        if call.function.body.need() == Need::Shared || !(self.is_due() || asked) {
            return result;
        }
        let kept = caught(|| {
            let value = (checkpoint.save)(&life.shared()?)?;
            if node.config.always_encode { value.seal().map(Value::Sealed) } else { Ok(value) }
        });
        match kept {
            Ok(value) => {
                let mut value = Some(value);
                let before = {
                    let mut core = self.core.lock();
                    let own = core.life.as_ref().is_some_and(|own| Arc::ptr_eq(own, life));
                    own.then(|| {
                        let rare = core.rare();
                        rare.since = 0;
                        std::mem::replace(&mut rare.kept, value.take())
                    })
                };
                quietly(|| drop((before, value)));
                result
            }
            Err(error) => {
                tracing::warn!(%error, actor = self.label(), "its state was not kept");
                if asked { Err(error) } else { result }
            }
        }
    }

    /// Counts one more change since the state was kept; whether it is time to keep it again.
    fn is_due(&self) -> bool {
        let (mut core, every) = (self.core.lock(), self.options.checkpoint_every);
        let since = &mut core.rare().since;
        *since = since.saturating_add(1);
        every > 0 && *since >= every
    }

    /// The actor is about to end: its state is kept for who comes after it.
    pub(super) fn keep_for_heir(&self) {
        let (life, inherited) = {
            let core = self.core.lock();
            (core.life.clone(), core.rarely(|rare| rare.legacy.as_ref()).is_some())
        };
        let (Some(checkpoint), Some(life), true) = (self.checkpoint, life, inherited) else {
            return;
        };
        match caught(|| (checkpoint.save)(&life.shared()?)) {
            Ok(value) => {
                let before = self.core.lock().rare().kept.replace(value);
                quietly(|| drop(before));
            }
            Err(error) => tracing::warn!(%error, actor = self.label(), "its state was not kept"),
        }
    }

    /// The state as it was kept last, for another life: by this actor, or by the one before it.
    pub(super) fn restore(&self) -> Option<Result<State>> {
        let checkpoint = self.checkpoint?;
        let (own, legacy) = {
            let core = self.core.lock();
            (core.rarely(|rare| rare.kept.clone()), core.rarely(|rare| rare.legacy.clone()))
        };
        let kept = own.or_else(|| legacy?.0.inherit())?;
        Some(caught(|| (checkpoint.load)(kept)))
    }
}

/// Has the actor's state kept, when the calls before this have ended.
pub(crate) fn of(cell: &Arc<Cell>) -> RawRef {
    if cell.checkpoint.is_none() {
        let text = format!(
            "the state of {} is not kept: its struct has no option `checkpoint_every`",
            cell.label()
        );
        return slots::failed(Error::new(ErrorKind::Config, text));
    }
    let task = actors::call(cell, &KEEP, None, Inputs::None, |_| ());
    RawRef(task as Arc<dyn Holder>)
}
