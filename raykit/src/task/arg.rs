//! Arguments: how what a caller writes becomes an `Input`, and how a list of inputs is kept.

use crate::object::Object;
use crate::object::raw::RawRef;
use crate::object::reference::ObjectRef;
use crate::object::value::Value;
use std::sync::Arc;

/// One argument without its type: a value, or a reference that stands for one.
#[derive(Clone)]
#[doc(hidden)]
pub struct Input(pub(crate) Given);

#[derive(Clone)]
pub(crate) enum Given {
    Value(Value),
    Ref(RawRef),
}

/// What can be passed where a remote function takes a `T`: the value, a reference to one, and the
/// borrowed forms of it. `M` keeps the forms apart for the compiler; nobody names it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be passed where the remote function takes `{T}`",
    label = "expected `{T}`, `ObjectRef<{T}>`, or a borrowed form of one",
    note = "a value made by `.into()` or `.collect()` needs its type spelled out here"
)]
pub trait IntoArg<T, M> {
    /// This argument, without its type.
    #[doc(hidden)]
    fn into_arg(self) -> Input;
}

/// The forms of an argument; markers for [`IntoArg`].
#[doc(hidden)]
pub mod form {
    pub struct Own;
    pub struct Borrowed;
    pub struct Shared;
    pub struct Reference;
    pub struct ReferenceBorrowed;
    pub struct Text;
    pub struct Slice;
    pub struct Array;
    pub struct ArrayBorrowed;
}

fn value<T: Object>(value: T) -> Input {
    Input(Given::Value(Value::new(value)))
}

impl<T: Object> IntoArg<T, form::Own> for T {
    fn into_arg(self) -> Input {
        value(self)
    }
}
impl<T: Object> IntoArg<T, form::Borrowed> for &T {
    fn into_arg(self) -> Input {
        value(self.clone())
    }
}
impl<T: Object> IntoArg<T, form::Shared> for Arc<T> {
    fn into_arg(self) -> Input {
        Input(Given::Value(Value::from_shared(self)))
    }
}
impl<T: Object> IntoArg<T, form::Reference> for ObjectRef<T> {
    fn into_arg(self) -> Input {
        Input(Given::Ref(self.0))
    }
}
impl<T: Object> IntoArg<T, form::ReferenceBorrowed> for &ObjectRef<T> {
    fn into_arg(self) -> Input {
        Input(Given::Ref(self.0.clone()))
    }
}
impl IntoArg<String, form::Text> for &str {
    fn into_arg(self) -> Input {
        value(self.to_owned())
    }
}
impl<T> IntoArg<Vec<T>, form::Slice> for &[T]
where
    Vec<T>: Object,
    T: Clone,
{
    fn into_arg(self) -> Input {
        value(self.to_vec())
    }
}
impl<T, const N: usize> IntoArg<Vec<T>, form::Array> for [T; N]
where
    Vec<T>: Object,
{
    fn into_arg(self) -> Input {
        value(Vec::from(self))
    }
}
impl<T, const N: usize> IntoArg<Vec<T>, form::ArrayBorrowed> for &[T; N]
where
    Vec<T>: Object,
    T: Clone,
{
    fn into_arg(self) -> Input {
        value(self.to_vec())
    }
}

/// The arguments of one call. One lies in place: a place for a second would make each task larger.
#[derive(Clone, Default)]
pub(crate) enum Inputs {
    #[default]
    None,
    One([Input; 1]),
    Many(Box<[Input]>),
}

impl Inputs {
    pub(crate) fn new<const N: usize>(inputs: [Input; N]) -> Inputs {
        let mut inputs = inputs.into_iter();
        match N {
            0 => Inputs::None,
            1 => match inputs.next() {
                Some(first) => Inputs::One([first]),
                None => Inputs::None,
            },
            _ => Inputs::Many(inputs.collect()),
        }
    }

    pub(crate) fn as_slice(&self) -> &[Input] {
        match self {
            Inputs::None => &[],
            Inputs::One(inputs) => inputs,
            Inputs::Many(inputs) => inputs,
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [Input] {
        match self {
            Inputs::None => &mut [],
            Inputs::One(inputs) => inputs,
            Inputs::Many(inputs) => inputs,
        }
    }

    /// The same, and one more that the call waits for and does not look at.
    pub(crate) fn and_after(self, reference: RawRef) -> Inputs {
        let last = Input(Given::Ref(reference));
        match self {
            Inputs::None => Inputs::One([last]),
            Inputs::One([first]) => Inputs::Many(Box::new([first, last])),
            Inputs::Many(all) => Inputs::Many(all.into_iter().chain([last]).collect()),
        }
    }

    /// The references among the arguments.
    pub(crate) fn references(&self) -> impl Iterator<Item = &RawRef> {
        self.as_slice().iter().filter_map(|input| match &input.0 {
            Given::Ref(reference) => Some(reference),
            Given::Value(_) => None,
        })
    }
}
