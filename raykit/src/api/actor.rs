//! What `#[remote]` on a struct and its `impl` expands to: handles, creation and calls.

use crate::actor::options::ActorOptions;
use crate::actor::state::Checkpoint;
use crate::actor::threads::Keeps;
use crate::base::ActorId;
use crate::node::actors;
use crate::node::address::Address;
use crate::node::cell::Cell;
use crate::node::claim::Claim;
use crate::node::order::Order;
use crate::node::task::Task;
use crate::node::{checkpoint, creation, current, elsewhere, names, slots};
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::raw::{Holder, RawRef};
use crate::object::{Object, ObjectRef};
use crate::task::arg::{Input, Inputs};
use crate::task::call::Tuple;
use crate::task::function::{ActorType, Function};
use crate::task::options::Options;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Weak};

/// A struct with `#[remote]`: an actor's type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an actor",
    note = "put `#[remote]` on the struct, and on the `impl` with its methods"
)]
pub trait Actor: Sized + 'static {
    /// The type of its handles: the struct's name and `Handle`.
    type Handle: Handle<Actor = Self>;
    #[doc(hidden)]
    type __Threads: Keeps<Self>;
    #[doc(hidden)]
    fn __defaults() -> &'static ActorOptions;
    #[doc(hidden)]
    fn __checkpoint() -> Option<&'static Checkpoint> {
        None
    }
}

/// A handle of an actor, made by `#[remote]` on its struct.
pub trait Handle: Object {
    /// The actor's type.
    type Actor: Actor<Handle = Self>;
    #[doc(hidden)]
    fn __new(actor: ActorRef<Self::Actor>) -> Self;
    #[doc(hidden)]
    fn __actor(&self) -> &ActorRef<Self::Actor>;
}

/// A counted claim to an actor, as there are claims to objects: what is inside of a handle.
#[doc(hidden)]
pub type ActorRef<A> = ObjectRef<A>;

fn claim(actor: &RawRef) -> Result<&Claim> {
    actor.peek::<Claim>().ok_or_else(|| match actor.outcome() {
        Some(Err(error)) => error.clone(),
        _ => Error::new(ErrorKind::ActorNotFound, "this is no reference to an actor"),
    })
}

/// Calls `f` with the claim to the actor behind the reference, which is made if it is a virtual one
/// that is not there.
fn with_claim<R>(actor: &RawRef, f: impl FnOnce(&Claim) -> R) -> Result<R> {
    match actor.peek::<Address>() {
        None => claim(actor).map(f),
        Some(address) => claim(&address.home().activate()?).map(f),
    }
}

/// The same for the actor.
pub(super) fn with_cell<A, R>(actor: &ActorRef<A>, f: impl FnOnce(&Arc<Cell>) -> R) -> Result<R> {
    with_claim(&actor.0, |claim| f(claim.cell()))
}

/// The same for an actor that is there.
fn present<A, R>(actor: &ActorRef<A>, f: impl FnOnce(&Arc<Cell>) -> R) -> Option<R> {
    match actor.0.peek::<Address>() {
        None => claim(&actor.0).ok().map(|claim| f(claim.cell())),
        Some(address) => {
            let present = address.home().present()?;
            claim(&present).ok().map(|claim| f(claim.cell()))
        }
    }
}

/// What handles can do beside their actor's methods; called by `__handle_methods`.
#[doc(hidden)]
pub mod handle {
    use super::*;

    pub fn id<A>(actor: &ActorRef<A>) -> Option<ActorId> {
        elsewhere::id(&actor.0).or_else(|| present(actor, |cell| cell.shown_id()))
    }

    pub fn kill<A>(actor: &ActorRef<A>) -> bool {
        if let Some(told) = elsewhere::tell(&actor.0, Order::Kill) {
            return told;
        }
        present(actor, |cell| cell.end(cell.died("was killed"))).unwrap_or(false)
    }

    pub fn kill_and_restart<A>(actor: &ActorRef<A>) -> bool {
        if let Some(told) = elsewhere::tell(&actor.0, Order::KillAndRestart) {
            return told;
        }
        present(actor, Cell::kill_and_restart).unwrap_or(false)
    }

    pub fn ready<A>(actor: &ActorRef<A>) -> ObjectRef<()> {
        if let Some(done) = elsewhere::order(&actor.0, Order::Ready) {
            return ObjectRef::new(done);
        }
        match with_cell(actor, |cell| cell.ready(|| slots::open(cell.id.node))) {
            Ok(ready) => ObjectRef::new(ready),
            Err(error) => failed(error),
        }
    }

    pub fn stop<A>(actor: &ActorRef<A>) -> bool {
        if let Some(told) = elsewhere::tell(&actor.0, Order::Stop) {
            return told;
        }
        present(actor, Cell::stop).unwrap_or(false)
    }

    pub fn ended<A>(actor: &ActorRef<A>) -> ObjectRef<String> {
        if let Some(done) = elsewhere::order(&actor.0, Order::Ended) {
            return ObjectRef::new(done);
        }
        if let Some(ended) = present(actor, |cell| cell.ended(|| slots::open(cell.id.node))) {
            return ObjectRef::new(ended);
        }
        let why = claim(&actor.0).err().filter(|_| actor.0.peek::<Address>().is_none());
        let idle = || Error::new(ErrorKind::ActorNotFound, "the actor is not active");
        failed(why.unwrap_or_else(idle))
    }

    pub fn checkpoint<A>(actor: &ActorRef<A>) -> ObjectRef<()> {
        if let Some(done) = elsewhere::order(&actor.0, Order::Checkpoint) {
            return ObjectRef::new(done);
        }
        match with_cell(actor, checkpoint::of) {
            Ok(kept) => ObjectRef::new(kept),
            Err(error) => failed(error),
        }
    }

    pub fn is_alive<A>(actor: &ActorRef<A>) -> bool {
        let here = || present(actor, |cell| !cell.is_ended()).unwrap_or(false);
        elsewhere::is_alive(&actor.0).unwrap_or_else(here)
    }

    pub fn restarts<A>(actor: &ActorRef<A>) -> u64 {
        let here = || present(actor, |cell| cell.restarts()).unwrap_or(0);
        elsewhere::restarts(&actor.0).unwrap_or_else(here)
    }

    pub fn downgrade<H: Handle>(actor: &ActorRef<H::Actor>) -> WeakHandle<H> {
        WeakHandle { claim: Arc::downgrade(&actor.0.0), of: PhantomData }
    }
}

/// The methods that every handle has. `$actor` is the field that holds the claim.
#[doc(hidden)]
#[macro_export]
macro_rules! __handle_methods {
    ($type:ty, $actor:tt) => {
        /// The actor's id; `None` if it could not even be created.
        pub fn id(&self) -> ::core::option::Option<$crate::ActorId> {
            $crate::__private::handle::id(&self.$actor)
        }
        /// Ends the actor now: what it was running goes on to its end, but the references to that,
        /// and to all calls that have not begun, resolve to `ActorDied`. `false` if it had ended.
        pub fn kill(&self) -> ::core::primitive::bool {
            $crate::__private::handle::kill(&self.$actor)
        }
        /// Ends the actor's present life, as a crash would: it starts again if it may, or its
        /// supervisor decides. Calls that were running are tried again on the next life if they
        /// have retries left, or else resolve to `ActorUnavailable`.
        pub fn kill_and_restart(&self) -> ::core::primitive::bool {
            $crate::__private::handle::kill_and_restart(&self.$actor)
        }
        /// Has the actor end when it has run the calls that it has taken, and after them its
        /// `on_stop`; further ones are refused.
        /// `false` if it had ended or was stopping.
        pub fn stop(&self) -> ::core::primitive::bool {
            $crate::__private::handle::stop(&self.$actor)
        }
        /// A reference that is ready when the actor has ended for good, and says why.
        pub fn ended(&self) -> $crate::ObjectRef<::std::string::String> {
            $crate::__private::handle::ended(&self.$actor)
        }
        /// Keeps the actor's state, as it is when the calls before this one have ended, for its
        /// next life: after a crash it begins with that instead of its constructor. For a struct
        /// with the option `checkpoint_every`.
        pub fn checkpoint(&self) -> $crate::ObjectRef<()> {
            $crate::__private::handle::checkpoint(&self.$actor)
        }
        /// A reference that is ready once the constructor has run, and failed if that failed.
        pub fn ready(&self) -> $crate::ObjectRef<()> {
            $crate::__private::handle::ready(&self.$actor)
        }
        /// Whether the actor has not ended.
        pub fn is_alive(&self) -> ::core::primitive::bool {
            $crate::__private::handle::is_alive(&self.$actor)
        }
        /// How often the actor has started again after a crash.
        pub fn restarts(&self) -> ::core::primitive::u64 {
            $crate::__private::handle::restarts(&self.$actor)
        }
        /// A handle that does not keep the actor alive.
        pub fn downgrade(&self) -> $crate::WeakHandle<Self> {
            $crate::__private::handle::downgrade::<Self>(&self.$actor)
        }
    };
}

/// A reference that failed before there was anything behind it.
fn failed<T>(error: Error) -> ObjectRef<T> {
    ObjectRef::new(slots::failed(error))
}

/// A handle that does not keep its actor alive.
///
/// ```
/// use raykit::prelude::*;
///
/// #[remote]
/// struct Greeter;
///
/// #[remote]
/// impl Greeter {
///     pub fn new() -> Self {
///         Greeter
///     }
///     pub fn greet(&self, name: &str) -> String {
///         format!("hello, {name}")
///     }
/// }
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let greeter = Greeter::remote();
/// let weak = greeter.downgrade();
/// assert_eq!(weak.upgrade().unwrap().greet("you").get()?, "hello, you");
/// drop(greeter);
/// assert!(weak.upgrade().is_none());
/// # Ok(())
/// # }
/// ```
pub struct WeakHandle<H> {
    claim: Weak<dyn Holder>,
    of: PhantomData<fn() -> H>,
}

impl<H> Clone for WeakHandle<H> {
    fn clone(&self) -> Self {
        WeakHandle { claim: Weak::clone(&self.claim), of: PhantomData }
    }
}

impl<H> fmt::Debug for WeakHandle<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakHandle").finish_non_exhaustive()
    }
}

impl<H: Handle> WeakHandle<H> {
    /// Of the actor whose method runs here, if it is one of `H`'s type.
    pub(crate) fn of_this_actor() -> Option<WeakHandle<H>> {
        let (claim, type_name) = current::task()?.mailbox.as_ref()?.claim();
        let is_it = type_name == std::any::type_name::<H::Actor>();
        is_it.then_some(WeakHandle { claim, of: PhantomData })
    }

    /// The handle, while anybody else still has one.
    pub fn upgrade(&self) -> Option<H> {
        self.claim.upgrade().map(|claim| H::__new(ObjectRef::new(RawRef(claim))))
    }
}

/// The actor that was created under this name.
///
/// # Errors
///
/// [`ErrorKind::ActorNotFound`] when there is none of that name and type.
///
/// ```
/// use raykit::prelude::*;
///
/// #[remote]
/// struct Tally {
///     n: u64,
/// }
///
/// #[remote]
/// impl Tally {
///     pub fn new() -> Self {
///         Tally { n: 0 }
///     }
///     pub fn count(&mut self) -> u64 {
///         self.n += 1;
///         self.n
///     }
/// }
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let tally = Tally::options().name("tally").remote();
/// let same: TallyHandle = raykit::actor("tally")?;
/// assert_eq!((tally.count().get()?, same.count().get()?), (1, 2));
/// assert!(raykit::actor::<TallyHandle>("talley").is_err());
/// # Ok(())
/// # }
/// ```
pub fn actor<H: Handle>(name: &str) -> Result<H> {
    find(None, name)
}

/// As [`actor`](fn@actor), in a namespace of its own.
///
/// # Errors
///
/// [`ErrorKind::ActorNotFound`] when there is none of that name and type.
pub fn actor_in<H: Handle>(namespace: &str, name: &str) -> Result<H> {
    find(Some(namespace), name)
}

fn find<H: Handle>(namespace: Option<&str>, name: &str) -> Result<H> {
    let type_name = std::any::type_name::<H::Actor>();
    let actor = current::node().and_then(|node| names::find(&node, namespace, name, type_name))?;
    Ok(H::__new(ObjectRef::new(actor)))
}

/// What the actors of one type have in common; `on_stop` is what they run last.
pub fn actor_type<A: Actor>(on_stop: Option<&'static Function>) -> ActorType {
    ActorType { defaults: A::__defaults(), on_stop, checkpoint: A::__checkpoint() }
}

/// Creates an actor.
pub fn create<A, const N: usize>(
    constructor: &'static Function,
    options: Option<ActorOptions>,
    inputs: [Input; N],
) -> ActorRef<A> {
    let mut given = Some((options, Inputs::new(inputs)));
    let created = current::with_node(|node| {
        let (options, inputs) = given.take().unwrap_or_default();
        creation::create(node, constructor, options, inputs)
    });
    match created.and_then(|actor| actor) {
        Ok(actor) => ObjectRef::new(actor),
        Err(error) => failed(error),
    }
}

/// Calls a method, wherever the actor is.
pub(super) fn called<A>(
    actor: &ActorRef<A>,
    method: &'static Function,
    options: Option<Options>,
    inputs: Inputs,
    made: impl FnMut(&Arc<Task>),
) -> Result<Arc<Task>> {
    let options = options.map(Box::new);
    match actor.0.peek::<Claim>().is_none() && elsewhere::is_elsewhere(&actor.0) {
        true => Ok(elsewhere::call(&actor.0, method, options, inputs, made)),
        false => with_cell(actor, |cell| actors::call(cell, method, options, inputs, made)),
    }
}

/// Calls a method with one result.
pub fn call<T, const N: usize, A>(
    actor: &ActorRef<A>,
    method: &'static Function,
    options: Option<Options>,
    inputs: [Input; N],
) -> ObjectRef<T> {
    match called(actor, method, options, Inputs::new(inputs), |_| ()) {
        Ok(task) => ObjectRef::new(RawRef(task as Arc<dyn Holder>)),
        Err(error) => failed(error),
    }
}

/// Calls a method with several results.
pub fn call_many<T: Tuple, const N: usize, A>(
    actor: &ActorRef<A>,
    method: &'static Function,
    options: Option<Options>,
    inputs: [Input; N],
) -> T::Refs {
    let mut references = Vec::new();
    let made = |task: &Arc<Task>| references = task.references();
    if let Err(error) = called(actor, method, options, Inputs::new(inputs), made) {
        references.extend((0..T::LEN).map(|_| failed::<()>(error.clone()).0));
    }
    T::into_refs(references)
}
