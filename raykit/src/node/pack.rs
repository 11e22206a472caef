//! Calls, values and errors as bytes for another node, and back.

use super::address::Address;
use super::cluster::Packed;
use super::left::Left;
use super::mailbox::caller;
use super::order::Order;
use super::plan::{Plan, Written};
use super::question::Question;
use super::task::Task;
use super::{Node, slots};
use crate::actor::inbox::Caller;
use crate::base::NodeId;
use crate::base::clock;
use crate::base::limits::INLINE_BYTES_MAX;
use crate::base::quantity::Resources;
use crate::base::quiet::quietly;
use crate::object::buffer::Lender;
use crate::object::codec::Sealed;
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::raw::RawRef;
use crate::object::slot::Outcome;
use crate::object::told;
use crate::object::value::Value;
use crate::proto::wire::{Bytes, Reader, Wire, choice, record};
use crate::task::arg::{Given, Input, Inputs};
use crate::task::function::Function;
use crate::task::options::{Options, RetryOn, WhenFull};
use crate::task::registry;
use std::borrow::Cow;
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
    /// Of a stream: the brake, in items and bytes.
    brake: (Option<u32>, Option<u64>),
    target: Target,
    inputs: Vec<Part>,
    /// Which references are of values that were left elsewhere, and where.
    apart: Vec<(u32, Left)>,
}
record!(Spec { function, schema, name, priority, left, attempt, brake, target, inputs, apart });

/// Whom a call is for. Actors are told by their places in the list of references.
enum Target {
    /// No actor.
    Task,
    Method {
        actor: u32,
        caller: u64,
        manner: Manner,
    },
    Order {
        actor: u32,
        order: u8,
    },
    /// An actor that is to be made; the function is its constructor.
    Create(Box<Written>),
    Ask(Question),
    /// Nobody: what a stream gives is wanted, which is told by its place as well.
    Read {
        stream: u32,
    },
}

/// How a method is called, as far as its actor's node has to know.
struct Manner {
    ordered: bool,
    waits_for_room: bool,
    max_retries: u32,
    /// Every failure is tried again.
    retries_all: bool,
}
record!(Manner { ordered, waits_for_room, max_retries, retries_all });

choice!(Target {
    0 Task,
    1 Method { actor, caller, manner },
    2 Order { actor, order },
    3 Create(plan),
    4 Ask(question),
    5 Read { stream },
});

/// An argument. References are told by their places in a list beside the bytes.
enum Part {
    Value(Bytes, Vec<u32>),
    Ref(u32),
}

choice!(Part { 0 Value(bytes, refs), 1 Ref(at) });

/// Whom a task is for that goes to another node.
pub(super) enum To {
    /// No actor.
    Anyone,
    /// An actor of that node, by this handle.
    Method(RawRef),
    Order(RawRef, Order),
    /// The node itself: it is to make an actor.
    Create(Box<Plan>),
    Ask(Question),
    /// The node itself: it is to give what this stream of its gives.
    Read(RawRef),
}

impl To {
    /// The constructor of the actor that is to be made.
    fn creates(&self) -> Option<&'static Function> {
        match self {
            To::Create(plan) => Some(plan.constructor),
            _ => None,
        }
    }
}

/// The call that `task` is, and the references in it.
pub(super) fn call(node: &Node, task: &Task, to: &To) -> Result<(Bytes, Vec<RawRef>)> {
    let mut refs: Vec<RawRef> = Vec::new();
    let mut place = |reference: &RawRef| {
        let known = refs.iter().position(|known| known.is(reference));
        known.unwrap_or_else(|| {
            refs.push(reference.clone());
            refs.len() - 1
        }) as u32
    };
    let lender = node.cluster.get().and_then(|cluster| cluster.lender());
    let inputs = task.inputs().clone();
    let mut parts = Vec::with_capacity(inputs.as_slice().len());
    for input in inputs.as_slice() {
        parts.push(match &input.0 {
            Given::Ref(reference) => Part::Ref(place(reference)),
            Given::Value(value) => {
                let sealed = super::run::caught(|| value.seal_in(lender))?;
                if sealed.len() > INLINE_BYTES_MAX {
                    // It goes as an object, and once to each node.
                    Part::Ref(place(&slots::put(node, Value::Sealed(sealed))?))
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
    let target = match to {
        To::Anyone => Target::Task,
        To::Create(plan) => Target::Create(Box::new(plan.write())),
        To::Ask(question) => Target::Ask(question.clone()),
        To::Read(stream) => Target::Read { stream: place(stream) },
        To::Order(actor, order) => Target::Order {
            actor: place(actor),
            order: Order::ALL.iter().position(|one| one == order).unwrap_or_default() as u8,
        },
        To::Method(actor) => Target::Method {
            actor: place(actor),
            caller: caller_number(),
            manner: Manner {
                ordered: options.ordered,
                waits_for_room: options.when_full == WhenFull::Wait,
                max_retries: options.max_retries,
                retries_all: matches!(options.retry_on, RetryOn::All),
            },
        },
    };
    let left = |at: Instant| at.saturating_duration_since(clock::now()).as_millis() as u64;
    let function = to.creates().unwrap_or(task.function);
    let spec = Spec {
        function: registry::number(function),
        schema: function.schema(),
        name: options.name.as_ref().map(|name| name.to_string()),
        priority: options.priority.map(|priority| priority as u32),
        left: task.deadline().map(left),
        attempt: task.attempt.load(std::sync::atomic::Ordering::Relaxed),
        brake: (options.backpressure, options.backpressure_bytes),
        target,
        inputs: parts,
        apart: apart(node, &refs),
    };
    refs.iter().try_for_each(may_travel)?;
    let mut out = Vec::with_capacity(128);
    spec.put(&mut out);
    Ok((Arc::from(out), refs))
}

/// Which of these are of values that were left elsewhere.
fn apart(node: &Node, refs: &[RawRef]) -> Vec<(u32, Left)> {
    let Some(cluster) = node.cluster.get().filter(|_| node.ledger.left() > 0) else {
        return Vec::new();
    };
    let left = cluster.left.lock();
    let places = (0..).zip(refs);
    places.filter_map(|(at, one)| Some((at, *left.get(&one.id())?))).collect()
}

/// A call of another node.
pub(super) struct Called {
    pub(super) function: &'static Function,
    pub(super) options: Options,
    pub(super) inputs: Inputs,
    pub(super) deadline: Option<Instant>,
    pub(super) attempt: u32,
    /// The actor that it is for, and who has called it.
    pub(super) method: Option<(RawRef, Caller)>,
    /// Arguments that were left elsewhere.
    pub(super) apart: Vec<(RawRef, Left)>,
}

/// What another node wants done.
pub(super) enum Wanted {
    Call(Box<Called>),
    Order(RawRef, Order),
    Create(Box<Plan>, Inputs),
    Ask(Question),
    Read(RawRef),
}

impl Wanted {
    /// Whether another node could do it as well.
    pub(super) fn may_move(&self) -> bool {
        match self {
            Wanted::Call(called) => called.method.is_none(),
            Wanted::Create(plan, _) => !plan.by_head,
            Wanted::Order(..) | Wanted::Ask(_) | Wanted::Read(_) => false,
        }
    }
}

/// Reads what `call` has written, with its references.
pub(super) fn read_call(
    bytes: &[u8],
    refs: &[RawRef],
    want: &Resources,
    from: NodeId,
) -> Result<Wanted> {
    let broken = || Error::new(ErrorKind::Encoding, "the call of another node cannot be read");
    let spec = Spec::take(&mut Reader::new(bytes)).ok_or_else(broken)?;
    let at = |at: u32| refs.get(at as usize).cloned().ok_or_else(broken);
    match spec.target {
        Target::Order { actor, order } => {
            let order = Order::ALL.get(usize::from(order)).copied().ok_or_else(broken)?;
            return Ok(Wanted::Order(at(actor)?, order));
        }
        Target::Ask(question) => return Ok(Wanted::Ask(question)),
        Target::Read { stream } => return Ok(Wanted::Read(at(stream)?)),
        Target::Task | Target::Method { .. } | Target::Create(_) => {}
    }
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
    let inputs = inputs(spec.inputs, at)?;
    if let Target::Create(written) = spec.target {
        let plan = plan(*written, function, want).ok_or_else(broken)?;
        return Ok(Wanted::Create(Box::new(plan), inputs));
    }
    let mut options = function.defaults.clone();
    // Whoever has made the call decides on further attempts.
    (options.max_retries, options.retry_on) = (0, RetryOn::Nothing);
    options.name = spec.name.map(Into::into).or(options.name);
    options.priority = spec.priority.map(|priority| priority as i32);
    (options.backpressure, options.backpressure_bytes) = spec.brake;
    (options.num_cpus, options.num_gpus) = (want.cpu.as_f64(), want.gpu.as_f64());
    (options.memory, options.resources) = (want.memory, amounts(want));
    let deadline = spec.left.and_then(|left| clock::now().checked_add(Duration::from_millis(left)));
    let mut method = None;
    if let Target::Method { actor, caller, manner } = spec.target {
        method = Some((at(actor)?, Caller::Far(from, caller)));
        options.ordered = manner.ordered;
        options.when_full = if manner.waits_for_room { WhenFull::Wait } else { WhenFull::Fail };
        options.max_retries = manner.max_retries;
        options.retry_on =
            if manner.retries_all { RetryOn::All } else { function.defaults.retry_on };
        options.own_retries = true;
    }
    let apart = spec.apart.into_iter().map(|(place, left)| Ok((at(place)?, left)));
    Ok(Wanted::Call(Box::new(Called {
        function,
        options,
        inputs,
        deadline,
        attempt: spec.attempt,
        method,
        apart: apart.collect::<Result<_>>()?,
    })))
}

/// The arguments of a call; `at` finds a reference by its place.
fn inputs(parts: Vec<Part>, at: impl Fn(u32) -> Result<RawRef> + Copy) -> Result<Inputs> {
    let read = |part| {
        Ok(Input(match part {
            Part::Ref(place) => Given::Ref(at(place)?),
            Part::Value(bytes, inner) => {
                let inner = inner.into_iter().map(at).collect::<Result<Vec<_>>>()?;
                Given::Value(Value::Sealed(Arc::new(Sealed::from_parts(&bytes, inner))))
            }
        }))
    };
    let inputs = parts.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok(if inputs.is_empty() { Inputs::None } else { Inputs::Many(inputs.into()) })
}

/// How an actor is to be made.
fn plan(written: Written, constructor: &'static Function, want: &Resources) -> Option<Plan> {
    let by_head = written.by_head;
    let kind = constructor.actor?;
    let mut options = written.read(kind().defaults);
    (options.num_cpus, options.num_gpus) = (want.cpu.as_f64(), want.gpu.as_f64());
    (options.memory, options.resources) = (want.memory, amounts(want));
    Some(Plan { constructor, options, by_head })
}

/// Named resources as options have them.
fn amounts(want: &Resources) -> Cow<'static, [(Cow<'static, str>, f64)]> {
    let named = want.named.iter().map(|(name, amount)| (name.clone(), amount.as_f64()));
    named.collect::<Vec<_>>().into()
}

/// Whether what stands behind a reference can be named to another node.
fn may_travel(reference: &RawRef) -> Result<()> {
    match reference.peek::<Address>() {
        None => Ok(()),
        Some(_) => {
            let text = "the handle of a virtual actor cannot go to another node yet";
            Err(Error::new(ErrorKind::Encoding, text))
        }
    }
}

/// What became of an object, for another node. A large value is written to the lender's memory.
pub(super) fn outcome(outcome: &Outcome, lender: Option<&dyn Lender>) -> Packed {
    let sealed = match outcome {
        Ok(payload) => super::run::caught(|| {
            let sealed = payload.value().seal_in(lender)?;
            sealed.refs().iter().try_for_each(may_travel)?;
            Ok(sealed)
        }),
        Err(error) => Err(error.clone()),
    };
    match sealed {
        Ok(sealed) if sealed.len() > INLINE_BYTES_MAX => Packed::Large(lent(sealed, lender)),
        Ok(sealed) => Packed::Inline(sealed),
        Err(error) => failure(&error),
    }
}

/// The same in the lender's memory, where it is not there already and there is room.
fn lent(sealed: Arc<Sealed>, lender: Option<&dyn Lender>) -> Arc<Sealed> {
    let is_there = sealed.memory().is_some_and(|memory| memory.is_own());
    let copy = lender.filter(|_| !is_there).and_then(|lender| sealed.copy_to(lender));
    copy.map_or(sealed, Arc::new)
}

/// An error, for another node.
pub(super) fn failure(error: &Error) -> Packed {
    let written = super::run::caught(|| told::write(error)).or_else(|why| told::write(&why));
    let empty = || told::write(&Error::new(ErrorKind::Encoding, "an error cannot be written"));
    Packed::Failed(Arc::new(written.or_else(|_| empty()).expect("a text can be written")))
}

/// Who calls here and now, as a number of this node.
fn caller_number() -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    caller().hash(&mut hasher);
    hasher.finish()
}
