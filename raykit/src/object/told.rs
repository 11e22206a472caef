//! An error as bytes and back: what another process would get to see of it.

use super::codec::Sealed;
use super::error::{Error, ErrorKind, Parts, Typed};
use super::raw::RawRef;
use super::reference::ObjectRef;
use super::value::Value;
use crate::base::limits::ERROR_VALUE_BYTES_MAX;
use crate::base::{NodeId, TaskId};
use std::any::Any;
use std::sync::Arc;

/// The parts of an error, as an object.
#[crate::object]
struct Letter {
    kind: u8,
    message: String,
    task: Option<(String, u32, u64)>,
    causes: Vec<String>,
    /// The function's own error where its type is an object: its archive, and the references in
    /// that.
    value: Option<(Vec<u8>, Vec<ObjectRef<()>>)>,
}

/// All kinds, in the order in which they are numbered.
const KINDS: [ErrorKind; 27] = [
    ErrorKind::Task,
    ErrorKind::Panic,
    ErrorKind::Cancelled,
    ErrorKind::TimedOut,
    ErrorKind::Deadlock,
    ErrorKind::Unschedulable,
    ErrorKind::ThreadsExhausted,
    ErrorKind::NotRunning,
    ErrorKind::AlreadyRunning,
    ErrorKind::ShutDown,
    ErrorKind::UnknownFunction,
    ErrorKind::Encoding,
    ErrorKind::Config,
    ErrorKind::Io,
    ErrorKind::ActorUnavailable,
    ErrorKind::ActorDied,
    ErrorKind::PendingCallsLimit,
    ErrorKind::ActorNotFound,
    ErrorKind::StreamLimit,
    ErrorKind::QueueFull,
    ErrorKind::QueueClosed,
    ErrorKind::GroupShape,
    ErrorKind::NodeDied,
    ErrorKind::OwnerDied,
    ErrorKind::ObjectLost,
    ErrorKind::ClusterLost,
    ErrorKind::Refused,
];

/// The error as it looks after a journey as bytes. Where it cannot travel the error says why
/// instead.
pub(crate) fn error_through_bytes(error: &Error) -> Error {
    let parts = error.parts();
    let typed = value_of(&parts).cloned();
    let arrived = Letter::write(parts)
        .and_then(|letter| Sealed::encode(&letter))
        .map(|sent| Sealed::from_parts(sent.bytes(), sent.refs().to_vec()))
        .and_then(|received| received.decode::<Letter>())
        .and_then(|letter| letter.read(typed.as_ref()));
    match arrived {
        Ok(parts) => parts.into_error(),
        Err(refusal) => refusal,
    }
}

/// The error as bytes, and the references in these.
pub(crate) fn write(error: &Error) -> Result<Sealed, Error> {
    Letter::write(error.parts()).and_then(|letter| Sealed::encode(&letter))
}

/// The error that `write` has written elsewhere. A value in it is known by its text alone.
pub(crate) fn read(bytes: &[u8], refs: Vec<RawRef>) -> Error {
    let letter = Sealed::from_parts(bytes, refs).decode::<Letter>();
    match letter.and_then(|letter| letter.read(None)) {
        Ok(parts) => parts.into_error(),
        Err(refusal) => refusal,
    }
}

fn value_of(parts: &Parts) -> Option<&Value> {
    let value: &dyn Any = &**parts.value.as_ref()?;
    value.downcast_ref()
}

impl Letter {
    fn write(parts: Parts) -> Result<Letter, Error> {
        // One that cannot be written is told by its text alone, and a large one too: an error is
        // copied to everybody who waits.
        let sealed = value_of(&parts).and_then(|value| value.seal().ok());
        let sealed = sealed.filter(|sealed| sealed.len() <= ERROR_VALUE_BYTES_MAX);
        let value = sealed.map(|sealed| {
            let refs = sealed.refs().iter().cloned().map(ObjectRef::new).collect();
            (sealed.bytes().to_vec(), refs)
        });
        let task = parts.task.map(|(name, id)| (name, id.node.0, id.sequence));
        let kind = parts.kind as u8;
        Ok(Letter { kind, message: parts.message, task, causes: parts.causes, value })
    }

    /// The parts again. The value's type is that of `typed`: bytes alone do not tell it.
    fn read(self, typed: Option<&Value>) -> Result<Parts, Error> {
        let kind = KINDS.get(usize::from(self.kind)).copied();
        let kind = kind.ok_or_else(|| {
            Error::new(ErrorKind::Encoding, format!("there is no error of kind {}", self.kind))
        })?;
        let value = match (self.value, typed) {
            (Some((bytes, refs)), Some(typed)) => {
                let refs = refs.into_iter().map(|reference| reference.0).collect();
                let value = typed.decode_alike(&Sealed::from_parts(&bytes, refs))?;
                Some(Arc::new(value) as Arc<dyn Typed>)
            }
            _ => None,
        };
        let task =
            self.task.map(|(name, node, sequence)| (name, TaskId { node: NodeId(node), sequence }));
        Ok(Parts { kind, message: self.message, task, causes: self.causes, value })
    }
}
