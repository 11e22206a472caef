//! `Call`: the arguments on their way into a function's body, and `Returns`, the results on their
//! way out. The code that the macro writes names nothing else.

use super::arg::{Given, Input, Inputs};
use super::yields::Yield;
use crate::object::raw::RawRef;
use crate::object::value::{Payload, Value};
use crate::object::{Error, ErrorKind, Object, Result, View, schema};
use std::ops::Deref;
use std::sync::Arc;

/// The arguments of the call that is being made.
#[doc(hidden)]
pub struct Call {
    inputs: Inputs,
    /// Where the items go, if the function gives a stream.
    yields: Option<Yield>,
}

impl Call {
    pub(crate) fn new(inputs: Inputs) -> Call {
        Call { inputs, yields: None }
    }

    /// The same call, with a way out for the items of its stream.
    pub(crate) fn yielding(self, yields: Yield) -> Call {
        Call { yields: Some(yields), ..self }
    }

    /// Where the items of the function's stream go.
    pub fn yields(&mut self) -> Result<Yield> {
        let missing = || Error::new(ErrorKind::Config, "the function is not listed as a stream");
        self.yields.take().ok_or_else(missing)
    }

    fn input(&mut self, at: usize) -> Result<Given> {
        let nothing = Input(Given::Value(Value::new(())));
        self.inputs
            .as_mut_slice()
            .get_mut(at)
            .map(|input| std::mem::replace(input, nothing).0)
            .ok_or_else(|| Error::new(ErrorKind::Encoding, format!("argument {at} is missing")))
    }

    /// The argument as an owned value: moved if nobody else holds it, else cloned or decoded.
    pub fn own<T: Object>(&mut self, at: usize) -> Result<T> {
        match self.input(at)? {
            Given::Value(value) => value.take(),
            Given::Ref(reference) => sealed(&reference)?.get(),
        }
    }

    /// The argument for a `&T` parameter: nothing is copied.
    pub fn borrow<T: Object>(&mut self, at: usize) -> Result<Held<T>> {
        Ok(match self.input(at)? {
            Given::Value(value) => match value.peek::<T>() {
                Some(_) => Held(Hold::Value(value)),
                None => Held(Hold::Shared(Payload::new(value).shared()?)),
            },
            Given::Ref(reference) => match sealed(&reference)?.value().peek::<T>() {
                Some(_) => Held(Hold::Ref(reference)),
                None => Held(Hold::Shared(sealed(&reference)?.shared()?)),
            },
        })
    }

    /// The argument for a `&[T]` parameter: numbers are read where they lie, archived or not.
    pub fn slice<T: Object>(&mut self, at: usize) -> Result<HeldSlice<T>>
    where
        Vec<T>: Object<Archived = rkyv::vec::ArchivedVec<T::Archived>>,
    {
        let given = self.input(at)?;
        let sealed_form = match &given {
            Given::Value(Value::Sealed(sealed)) => Some(Arc::clone(sealed)),
            Given::Value(_) => None,
            Given::Ref(reference) => match sealed(reference)?.value() {
                Value::Sealed(sealed) => Some(Arc::clone(sealed)),
                _ => None,
            },
        };
        if let Some(sealed) = sealed_form {
            let view = View::<Vec<T>>::open(sealed)?;
            if T::in_place(view.as_slice()).is_some() {
                return Ok(HeldSlice::InPlace(view));
            }
        }
        self.inputs.as_mut_slice()[at] = Input(given);
        self.borrow(at).map(HeldSlice::Typed)
    }

    /// The argument for a `View<T>` parameter.
    pub fn view<T: Object>(&mut self, at: usize) -> Result<View<T>> {
        match self.input(at)? {
            Given::Value(value) => Payload::new(value).view(),
            Given::Ref(reference) => sealed(&reference)?.view(),
        }
    }
}

/// The payload behind an argument. A call is started when all of them are there.
fn sealed(reference: &RawRef) -> Result<&Payload> {
    match reference.outcome() {
        Some(Ok(payload)) => Ok(payload),
        Some(Err(error)) => Err(error.clone()),
        None => {
            Err(Error::new(ErrorKind::Encoding, "an argument was not there when the call began"))
        }
    }
}

/// An argument that is only read: kept alive for the length of the call.
#[doc(hidden)]
pub struct Held<T>(Hold<T>);

enum Hold<T> {
    Value(Value),
    Ref(RawRef),
    Shared(Arc<T>),
}

impl<T: Object> Deref for Held<T> {
    type Target = T;
    fn deref(&self) -> &T {
        let found = match &self.0 {
            Hold::Value(value) => value.peek(),
            Hold::Ref(reference) => {
                sealed(reference).ok().and_then(|payload| payload.value().peek())
            }
            Hold::Shared(shared) => Some(&**shared),
        };
        found.expect("`Call::borrow` looked at the type, and objects never change")
    }
}

/// A slice argument, typed or read from the archive.
#[doc(hidden)]
pub enum HeldSlice<T: Object>
where
    Vec<T>: Object,
{
    InPlace(View<Vec<T>>),
    Typed(Held<Vec<T>>),
}

impl<T: Object> Deref for HeldSlice<T>
where
    Vec<T>: Object<Archived = rkyv::vec::ArchivedVec<T::Archived>>,
{
    type Target = [T];
    fn deref(&self) -> &[T] {
        match self {
            HeldSlice::InPlace(view) => {
                T::in_place(view.as_slice()).expect("`Call::slice` looked at the elements")
            }
            HeldSlice::Typed(held) => held,
        }
    }
}

/// The results of one call.
#[doc(hidden)]
pub struct Returns(pub(crate) Results);

impl Returns {
    /// What a call gives that has put all it had into its stream.
    pub fn nothing() -> Returns {
        Returns(Results::One(Value::new(())))
    }
}

pub(crate) enum Results {
    One(Value),
    Many(Vec<Value>),
}

/// What a remote function can give. `Single` and `Tuple` differ in how the result is kept.
#[diagnostic::on_unimplemented(
    message = "a remote function cannot return a `{Self}`",
    label = "not an `Object`",
    note = "put `#[raykit::object]` on your own type, or wrap one that has serde in `raykit::Serde<..>`"
)]
#[doc(hidden)]
pub trait Single: Sized {
    /// The type itself: whoever names it like this has one error for a type that is no object.
    type Checked: Object;
    const SCHEMA: u64;
    fn returns(self) -> Returns;
}
impl<T: Object> Single for T {
    type Checked = T;
    const SCHEMA: u64 = T::SCHEMA;
    fn returns(self) -> Returns {
        Returns(Results::One(Value::new(self)))
    }
}

/// The result of a call with `num_returns`: a tuple of objects.
#[diagnostic::on_unimplemented(
    message = "`num_returns` asks for a tuple of objects, found `{Self}`",
    note = "a function with `num_returns = n` returns a tuple of n values, each an `Object`; n is 2 to 8"
)]
#[doc(hidden)]
pub trait Tuple {
    /// The same tuple, of references.
    type Refs;
    type Checked: Tuple<Refs = Self::Refs>;
    const LEN: usize;
    const SCHEMA: u64;
    fn into_refs(refs: Vec<RawRef>) -> Self::Refs;
    #[expect(private_interfaces, reason = "called by raykit alone")]
    fn into_values(self) -> Vec<Value>;
    fn returns(self) -> Returns
    where
        Self: Sized,
    {
        Returns(Results::Many(self.into_values()))
    }
}

macro_rules! tuple {
    ($len:literal: $($name:ident $at:tt),+) => {
        impl<$($name: Object),+> Tuple for ($($name,)+) {
            type Refs = ($(crate::object::ObjectRef<$name>,)+);
            type Checked = Self;
            const LEN: usize = $len;
            const SCHEMA: u64 = schema::signature(&[$($name::SCHEMA),+], $len);
            fn into_refs(refs: Vec<RawRef>) -> Self::Refs {
                let mut refs = refs.into_iter();
                ($(crate::object::ObjectRef::<$name>::new(
                    refs.next().expect("a call has as many references as results"),
                ),)+)
            }
            #[expect(private_interfaces, reason = "called by raykit alone")]
            fn into_values(self) -> Vec<Value> {
                vec![$(Value::new(self.$at)),+]
            }
        }
    };
}
tuple!(2: A 0, B 1);
tuple!(3: A 0, B 1, C 2);
tuple!(4: A 0, B 1, C 2, D 3);
tuple!(5: A 0, B 1, C 2, D 3, E 4);
tuple!(6: A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(7: A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
