//! `Function`: what the program knows of one remote function.

use super::call::{Call, Returns};
use super::options::Options;
use crate::actor::inbox::Need;
use crate::actor::options::ActorOptions;
use crate::actor::state::{Access, Checkpoint, State};
use crate::object::Result;
use std::fmt;
use std::pin::Pin;

/// The future of an `async` function's call.
#[doc(hidden)]
pub type Running = Pin<Box<dyn Future<Output = Result<Returns>> + Send>>;

/// The future of an `async` constructor.
#[doc(hidden)]
pub type Making = Pin<Box<dyn Future<Output = Result<State>> + Send>>;

/// How a function is called.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub enum Body {
    Sync(fn(Call) -> Result<Returns>),
    Async(fn(Call) -> Running),
    /// Makes an actor's state.
    Make(fn(Call) -> Result<State>),
    MakeAsync(fn(Call) -> Making),
    /// A method that reads the state.
    Shared(fn(&Access, Call) -> Result<Returns>),
    /// A method that changes the state.
    Exclusive(fn(&mut Access, Call) -> Result<Returns>),
    SharedAsync(fn(Access, Call) -> Running),
    ExclusiveAsync(fn(Access, Call) -> Running),
}

impl Body {
    /// Whether it runs as a future.
    pub(crate) fn is_async(&self) -> bool {
        use Body::{Async, ExclusiveAsync, MakeAsync, SharedAsync};
        matches!(self, Async(_) | MakeAsync(_) | SharedAsync(_) | ExclusiveAsync(_))
    }

    /// Whether it runs on a thread of the pool by itself, and not as an actor's turn.
    pub(crate) fn is_free_standing(&self) -> bool {
        matches!(self, Body::Sync(_) | Body::Make(_))
    }

    /// Whether it makes an actor's state.
    pub(crate) fn makes(&self) -> bool {
        matches!(self, Body::Make(_) | Body::MakeAsync(_))
    }

    /// Whether it is a method that runs on a thread and has the state alone.
    pub(crate) fn is_exclusive_sync(&self) -> bool {
        matches!(self, Body::Exclusive(_))
    }

    /// How a method needs its actor's state.
    pub(crate) fn need(&self) -> Need {
        match self {
            Body::Shared(_) | Body::SharedAsync(_) => Need::Shared,
            _ => Need::Exclusive,
        }
    }
}

/// What all actors of one type have in common beside their constructor.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct ActorType {
    pub defaults: &'static ActorOptions,
    /// What an actor runs last, if it ends in good order.
    pub on_stop: Option<&'static Function>,
    /// How a state is kept, where it may be.
    pub checkpoint: Option<&'static Checkpoint>,
}

/// A remote function of this program, as [`functions`](crate::functions) lists it.
pub struct Function {
    #[doc(hidden)]
    pub name: &'static str,
    #[doc(hidden)]
    pub krate: &'static str,
    #[doc(hidden)]
    pub major: &'static str,
    /// The full path: the `type_name` of the type that stands beside the function, which also tells
    /// functions apart that are local to different bodies of one module.
    #[doc(hidden)]
    pub path: fn() -> &'static str,
    /// For a method: its name; the path is then the actor's.
    #[doc(hidden)]
    pub method: &'static str,
    #[doc(hidden)]
    pub schema: u64,
    #[doc(hidden)]
    pub signature: &'static str,
    /// How many results a call has; 0 for a stream.
    #[doc(hidden)]
    pub returns: u32,
    #[doc(hidden)]
    pub defaults: Options,
    #[doc(hidden)]
    pub body: Body,
    /// Of a constructor: what it makes.
    #[doc(hidden)]
    pub actor: Option<fn() -> ActorType>,
    #[doc(hidden)]
    pub file: &'static str,
    #[doc(hidden)]
    pub line: u32,
}

/// The type that stands beside a remote function: it names the function where a type is wanted.
///
/// ```
/// use raykit::RemoteFunction;
/// use raykit::prelude::*;
///
/// #[remote]
/// fn double(x: i64) -> i64 {
///     2 * x
/// }
///
/// fn name_of<F: RemoteFunction>() -> &'static str {
///     F::function().name()
/// }
/// assert_eq!(name_of::<double>(), "double");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a remote function",
    note = "put `#[remote]` on the function of this name, and pass it as a type: `of::<name>()`"
)]
pub trait RemoteFunction: 'static {
    /// What the program knows of the function.
    fn function() -> &'static Function;
}

/// The crate in a module path.
#[doc(hidden)]
pub const fn krate(module_path: &'static str) -> &'static str {
    let bytes = module_path.as_bytes();
    let mut end = 0;
    while end < bytes.len() && bytes[end] != b':' {
        end += 1;
    }
    module_path.split_at(end).0
}

/// The major version, where cargo tells it.
#[doc(hidden)]
pub const fn major(version: Option<&'static str>) -> &'static str {
    match version {
        Some(version) => version,
        None => "0",
    }
}

impl Function {
    /// The function's own name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether a call gives a stream.
    pub(crate) fn is_stream(&self) -> bool {
        self.returns == 0
    }

    /// Whether a call of it may run on another node than the one that makes it.
    pub(crate) fn is_mobile(&self) -> bool {
        matches!(self.body, Body::Sync(_) | Body::Async(_))
    }

    /// The stable key: crate, major version, module path and name.
    pub fn key(&self) -> String {
        let path = (self.path)();
        let within = path.strip_prefix(self.krate).unwrap_or(path);
        let between = if self.method.is_empty() { "" } else { "::" };
        format!("{}@{}{within}{between}{}", self.krate, self.major, self.method)
    }

    /// A hash of the types of arguments and result, down to the fields of the user's types.
    pub fn schema(&self) -> u64 {
        self.schema
    }

    /// The signature as it stands in the source.
    pub fn signature(&self) -> &'static str {
        self.signature
    }

    /// Where the function stands: file and line.
    pub fn location(&self) -> (&'static str, u32) {
        (self.file, self.line)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("key", &self.key())
            .field("signature", &self.signature)
            .field("schema", &format_args!("{:016x}", self.schema))
            .finish_non_exhaustive()
    }
}
