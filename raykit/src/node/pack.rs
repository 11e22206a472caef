//! Calls, values and errors as bytes for another node, and back.

use super::cluster::Packed;
use super::task::Task;
use super::{Node, submit};
use crate::base::limits::INLINE_BYTES_MAX;
use crate::base::quantity::Resources;
use crate::base::quiet::quietly;
use crate::object::codec::Sealed;
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::raw::RawRef;
use crate::object::slot::Outcome;
use crate::object::told;
use crate::object::value::Value;
use crate::proto::wire::{Bytes, Reader, Wire, record};
use crate::task::arg::{Given, Input, Inputs};
use crate::task::function::Function;
use crate::task::options::{Options, RetryOn};
use crate::task::registry;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A call, as its bytes say it.
struct Spec {
    /// The function's number, and the hash of its types.
    function: u64,
    schema: u64,
    name: Option<String>,
    priority: Option<u32>,
    /// Milliseconds that it has left.
    left: Option<u64>,
    attempt: u32,
    inputs: Vec<Part>,
}
record!(Spec { function, schema, name, priority, left, attempt, inputs });

/// An argument. References are told by their places in a list beside the bytes.
enum Part {
    Value(Bytes, Vec<u32>),
    Ref(u32),
}

impl Wire for Part {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Part::Value(bytes, refs) => {
                out.push(0);
                bytes.put(out);
                refs.put(out);
            }
            Part::Ref(at) => {
                out.push(1);
                at.put(out);
            }
        }
    }
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        Some(match u8::take(from)? {
            0 => Part::Value(Wire::take(from)?, Wire::take(from)?),
            1 => Part::Ref(Wire::take(from)?),
            _ => return None,
        })
    }
}

/// The call that `task` is, and the references in it.
pub(super) fn call(node: &Node, task: &Task) -> Result<(Bytes, Vec<RawRef>)> {
    let mut refs: Vec<RawRef> = Vec::new();
    let mut place = |reference: &RawRef| {
        let known = refs.iter().position(|known| known.is(reference));
        known.unwrap_or_else(|| {
            refs.push(reference.clone());
            refs.len() - 1
        }) as u32
    };
    let inputs = task.inputs().clone();
    let mut parts = Vec::with_capacity(inputs.as_slice().len());
    for input in inputs.as_slice() {
        parts.push(match &input.0 {
            Given::Ref(reference) => Part::Ref(place(reference)),
            Given::Value(value) => {
                let sealed = super::run::caught(|| value.seal())?;
                if sealed.len() > INLINE_BYTES_MAX {
                    // It goes as an object, and once to each node.
                    Part::Ref(place(&submit::put(node, Value::Sealed(sealed))?))
                } else {
                    let inner = sealed.refs().iter().map(&mut place).collect();
                    Part::Value(Arc::from(sealed.bytes()), inner)
                }
            }
        });
    }
    // Values of the user's may be dropped here.
    quietly(|| drop(inputs));
    let options = task.options();
    let left = task.deadline().map(|at| at.saturating_duration_since(Instant::now()));
    let spec = Spec {
        function: registry::number(task.function),
        schema: task.function.schema(),
        name: options.name.as_ref().map(|name| name.to_string()),
        priority: options.priority.map(|priority| priority as u32),
        left: left.map(|left| left.as_millis() as u64),
        attempt: task.attempt.load(std::sync::atomic::Ordering::Relaxed),
        inputs: parts,
    };
    let mut out = Vec::with_capacity(128);
    spec.put(&mut out);
    Ok((Arc::from(out), refs))
}

/// A call of another node.
pub(super) struct Called {
    pub(super) function: &'static Function,
    pub(super) options: Options,
    pub(super) inputs: Inputs,
    pub(super) deadline: Option<Instant>,
    pub(super) attempt: u32,
}

/// Reads what `call` has written, with its references.
pub(super) fn read_call(bytes: &[u8], refs: &[RawRef], want: &Resources) -> Result<Called> {
    let broken = || Error::new(ErrorKind::Encoding, "the call of another node cannot be read");
    let spec = Spec::take(&mut Reader::new(bytes)).ok_or_else(broken)?;
    let function = registry::numbered(spec.function).ok_or_else(|| {
        let text = "the function is not in the program of the node that was to run it; if it is in a \
                    crate that the program's binary never names, the linker leaves it out: write \
                    `use that_crate as _;` there";
        Error::new(ErrorKind::UnknownFunction, text)
    })?;
    if function.schema() != spec.schema {
        let text = format!(
            "the node that was to run it has another version of it: `{}`",
            function.signature()
        );
        return Err(Error::new(ErrorKind::UnknownFunction, text));
    }
    let at = |at: u32| refs.get(at as usize).cloned().ok_or_else(broken);
    let mut inputs = Vec::with_capacity(spec.inputs.len());
    for part in spec.inputs {
        inputs.push(Input(match part {
            Part::Ref(place) => Given::Ref(at(place)?),
            Part::Value(bytes, inner) => {
                let inner = inner.into_iter().map(at).collect::<Result<Vec<_>>>()?;
                Given::Value(Value::Sealed(Arc::new(Sealed::from_parts(&bytes, inner))))
            }
        }));
    }
    let mut options = function.defaults.clone();
    // Whoever has made the call decides on further attempts.
    (options.max_retries, options.retry_on) = (0, RetryOn::Nothing);
    options.name = spec.name.map(Into::into).or(options.name);
    options.priority = spec.priority.map(|priority| priority as i32);
    (options.num_cpus, options.num_gpus) = (want.cpu.as_f64(), want.gpu.as_f64());
    options.memory = want.memory;
    let named = want.named.iter().map(|(name, amount)| (name.clone(), amount.as_f64()));
    options.resources = named.collect::<Vec<_>>().into();
    let deadline =
        spec.left.and_then(|left| Instant::now().checked_add(Duration::from_millis(left)));
    let inputs = match inputs.len() {
        0 => Inputs::None,
        _ => Inputs::Many(inputs.into()),
    };
    Ok(Called { function, options, inputs, deadline, attempt: spec.attempt })
}

/// What became of an object, for another node.
pub(super) fn outcome(outcome: &Outcome) -> Packed {
    let sealed = match outcome {
        Ok(payload) => super::run::caught(|| payload.value().seal()),
        Err(error) => Err(error.clone()),
    };
    match sealed {
        Ok(sealed) if sealed.len() > INLINE_BYTES_MAX => Packed::Large(sealed),
        Ok(sealed) => Packed::Inline(sealed),
        Err(error) => failure(&error),
    }
}

/// An error, for another node.
pub(super) fn failure(error: &Error) -> Packed {
    let written = super::run::caught(|| told::write(error)).or_else(|why| told::write(&why));
    let empty = || told::write(&Error::new(ErrorKind::Encoding, "an error cannot be written"));
    Packed::Failed(Arc::new(written.or_else(|_| empty()).expect("a text can be written")))
}
