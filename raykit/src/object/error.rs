//! The one error of raykit: opaque, cheap to clone, and the same value that takes a result's place
//! in the store. It stands on this low floor because options (`retry_on`) and outcomes name it.

use crate::base::TaskId;
use crate::base::limits::{ERROR_CAUSES_MAX, ERROR_TEXT_BYTES_MAX};
use std::any::Any;
use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// `Result` with raykit's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call, a wait or a setting failed.
///
/// It is cheap to clone: every reader of a failed object gets the same one. The message (in `Debug`
/// too, since that is what a failing `main` prints) names the task and the cause.
///
/// ```
/// use raykit::prelude::*;
///
/// #[remote]
/// fn mean(xs: &[f64]) -> Result<f64, String> {
///     match xs.len() {
///         0 => Err("no numbers".into()),
///         n => Ok(xs.iter().sum::<f64>() / n as f64),
///     }
/// }
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let error = mean::remote(vec![]).get().unwrap_err();
/// assert!(error.is_task_error());
/// assert_eq!(error.message(), "no numbers");
/// assert!(error.to_string().contains("mean"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

/// The class of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The function returned an `Err`.
    Task,
    /// The function panicked.
    Panic,
    /// The call was cancelled.
    Cancelled,
    /// A timeout passed: of a wait, or of the task itself.
    TimedOut,
    /// The wait could never end: its path leads back to itself.
    Deadlock,
    /// No node can ever meet what the call asks for.
    Unschedulable,
    /// All threads that may block are blocked.
    ThreadsExhausted,
    /// No node is running in this thread, task or process.
    NotRunning,
    /// A node with another configuration is running.
    AlreadyRunning,
    /// The node was closed before the call could finish.
    ShutDown,
    /// The function is not in this program's registry, or another one has its name.
    UnknownFunction,
    /// A value could not be encoded, or bytes could not be read as the type asked for.
    Encoding,
    /// A setting has no meaning.
    Config,
    /// The operating system refused something.
    Io,
    /// The actor could not finish the call, which may have run in part; the actor itself comes
    /// back.
    ActorUnavailable,
    /// The actor has ended for good; the message says why.
    ActorDied,
    /// The actor has as many calls waiting as it may have.
    PendingCallsLimit,
    /// There is no actor of that name, or none in the pool.
    ActorNotFound,
    /// The stream has as many items as one may have.
    StreamLimit,
    /// The queue had no room (in time).
    QueueFull,
    /// The queue was closed.
    QueueClosed,
    /// The group of actors has another number of members, or no such dimension.
    GroupShape,
    /// The node that ran the call is gone, and the call had no further attempt.
    NodeDied,
    /// The node that the object belonged to is gone, and the object with it.
    OwnerDied,
    /// The object is not kept anywhere any more.
    ObjectLost,
    /// The node has lost its cluster: the head is gone, or has declared it dead.
    ClusterLost,
    /// Somebody could not be let into a cluster, or has not the right to do that there.
    Refused,
}

struct Inner {
    kind: ErrorKind,
    message: String,
    task: Option<(String, TaskId)>,
    cause: Cause,
}

enum Cause {
    None,
    /// The error as it was made in this process, and its value where that is an object.
    Here(Box<dyn StdError + Send + Sync>, Option<Arc<dyn Typed>>),
    /// The texts of the causes, outermost first, as they came from elsewhere.
    Told(Option<Box<Told>>, Option<Arc<dyn Typed>>),
}

/// The function's own error as a stored value; what that is stands further down the list of this
/// room.
pub(crate) trait Typed: Any + Send + Sync {
    fn typed(&self) -> Option<&dyn Any>;
}

fn typed<E: 'static>(value: &Option<Arc<dyn Typed>>) -> Option<&E> {
    value.as_ref()?.typed()?.downcast_ref()
}

/// One cause as text, with the next one below it.
#[derive(Debug)]
struct Told {
    text: String,
    next: Option<Box<Told>>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl StdError for Told {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.next.as_deref().map(|next| next as &(dyn StdError + 'static))
    }
}

/// An error in a form that is itself an object: what travels, and what `always_encode` sends
/// through bytes.
pub(crate) struct Parts {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    pub(crate) task: Option<(String, TaskId)>,
    pub(crate) causes: Vec<String>,
    pub(crate) value: Option<Arc<dyn Typed>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::with_cause(kind, message.into(), Cause::None)
    }

    fn with_cause(kind: ErrorKind, message: String, cause: Cause) -> Self {
        Error(Arc::new(Inner { kind, message: bounded(message), task: None, cause }))
    }

    /// What a remote function returned as its `Err`; `value` where its type is an object.
    pub(crate) fn returned(
        error: Box<dyn StdError + Send + Sync>,
        value: Option<Arc<dyn Typed>>,
    ) -> Self {
        Self::with_cause(ErrorKind::Task, error.to_string(), Cause::Here(error, value))
    }

    /// Names the task, unless one nearer to the cause is named already.
    pub(crate) fn in_task(self, name: &str, id: TaskId) -> Self {
        if self.0.task.is_some() {
            return self;
        }
        match Arc::try_unwrap(self.0) {
            Ok(inner) => Error(Arc::new(Inner { task: Some((name.to_owned(), id)), ..inner })),
            Err(shared) => {
                let mut named = Parts::of(&shared);
                named.task = Some((name.to_owned(), id));
                named.into_error()
            }
        }
    }

    /// The class of this error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The name and id of the task that failed, where one did.
    pub fn task(&self) -> Option<(&str, TaskId)> {
        self.0.task.as_ref().map(|(name, id)| (name.as_str(), *id))
    }

    /// What went wrong, without the name of the task: the text of the function's own error, of the
    /// panic, or raykit's words.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The function's own error, if it is an `E`.
    ///
    /// An `E` that is an [`Object`](super::Object) is found again wherever the function ran; any
    /// other error type only where function and caller share a process.
    pub fn downcast_ref<E: StdError + Send + Sync + 'static>(&self) -> Option<&E> {
        match &self.0.cause {
            Cause::Here(error, value) => typed::<E>(value).or_else(|| error.downcast_ref::<E>()),
            Cause::Told(_, value) => typed::<E>(value),
            Cause::None => None,
        }
    }

    /// Whether the function returned an `Err`.
    pub fn is_task_error(&self) -> bool {
        self.kind() == ErrorKind::Task
    }
    /// Whether the function panicked.
    pub fn is_panic(&self) -> bool {
        self.kind() == ErrorKind::Panic
    }
    /// Whether the call was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.kind() == ErrorKind::Cancelled
    }
    /// Whether a timeout passed.
    pub fn is_timeout(&self) -> bool {
        self.kind() == ErrorKind::TimedOut
    }
    /// Whether the wait could never have ended.
    pub fn is_deadlock(&self) -> bool {
        self.kind() == ErrorKind::Deadlock
    }
    /// Whether no node can ever meet the request.
    pub fn is_unschedulable(&self) -> bool {
        self.kind() == ErrorKind::Unschedulable
    }

    /// Whether the actor may have run the call, and may come back.
    pub fn is_actor_unavailable(&self) -> bool {
        self.kind() == ErrorKind::ActorUnavailable
    }
    /// Whether the actor has ended for good.
    pub fn is_actor_died(&self) -> bool {
        self.kind() == ErrorKind::ActorDied
    }

    /// The parts that travel. An error of a type that cannot is told by its text.
    pub(crate) fn parts(&self) -> Parts {
        Parts::of(&self.0)
    }
}

impl Parts {
    fn of(inner: &Inner) -> Parts {
        let mut causes = Vec::new();
        let mut next = inner.source();
        while let Some(cause) = next.filter(|_| causes.len() < ERROR_CAUSES_MAX) {
            causes.push(bounded(cause.to_string()));
            next = cause.source();
        }
        Parts {
            kind: inner.kind,
            message: inner.message.clone(),
            task: inner.task.clone(),
            causes,
            value: inner.value().cloned(),
        }
    }

    pub(crate) fn into_error(self) -> Error {
        let chain = self
            .causes
            .into_iter()
            .rev()
            .fold(None, |next, text| Some(Box::new(Told { text: bounded(text), next })));
        let inner = Inner {
            kind: self.kind,
            message: bounded(self.message),
            task: self.task,
            cause: Cause::Told(chain, self.value),
        };
        Error(Arc::new(inner))
    }
}

impl Inner {
    fn value(&self) -> Option<&Arc<dyn Typed>> {
        match &self.cause {
            Cause::Here(_, value) | Cause::Told(_, value) => value.as_ref(),
            Cause::None => None,
        }
    }

    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.cause {
            // The message is that of the function's own error: its causes follow.
            Cause::Here(error, _) => error.source(),
            Cause::Told(told, _) => told.as_deref().map(|t| t as &(dyn StdError + 'static)),
            Cause::None => None,
        }
    }
}

/// `text` cut to what one error may carry.
fn bounded(mut text: String) -> String {
    if text.len() > ERROR_TEXT_BYTES_MAX {
        let mut end = ERROR_TEXT_BYTES_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(" [cut]");
    }
    text
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, id)) = &self.0.task {
            let verb = match self.0.kind {
                ErrorKind::Panic => "panicked",
                ErrorKind::Cancelled => "was cancelled",
                ErrorKind::TimedOut => "timed out",
                ErrorKind::Unschedulable => "can never run",
                _ => "failed",
            };
            write!(f, "task `{name}` ({id}) {verb}")?;
            if self.0.message.is_empty() {
                return Ok(());
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.to_string();
        let mut next = StdError::source(self);
        while let Some(cause) = next {
            let _ = write!(text, "\n  caused by: {cause}");
            next = cause.source();
        }
        f.write_str(&text)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        let message = error.to_string();
        Error::with_cause(ErrorKind::Io, message, Cause::Here(Box::new(error), None))
    }
}

macro_rules! from_parsing {
    ($($error:ty),*) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                let message = error.to_string();
                Error::with_cause(ErrorKind::Config, message, Cause::Here(Box::new(error), None))
            }
        }
    )*};
}
from_parsing!(
    std::num::ParseIntError,
    std::num::ParseFloatError,
    std::str::Utf8Error,
    std::string::FromUtf8Error
);

const _: fn() = || {
    fn ordinary<T: StdError + Clone + Send + Sync + 'static>() {}
    ordinary::<Error>();
};
