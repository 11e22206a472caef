//! `Value`: what a reference stands for, without its type. Small plain values lie in place, others
//! behind one pointer, typed or as sealed bytes; `Payload` adds the second form once somebody asks.

use super::buffer::Lender;
use super::codec::Sealed;
use super::error::{Error, ErrorKind, Typed};
use super::{Object, View};
use crate::base::sync::OnceLock;
use std::any::Any;
use std::sync::Arc;

/// A value of any [`Object`] type behind one pointer.
pub(crate) trait Stored: Any + Send + Sync {
    fn seal(&self, lender: Option<&dyn Lender>) -> Result<Sealed, Error>;
    fn bytes(&self) -> usize;
    /// Another value of the same type.
    fn decode_alike(&self, sealed: &Sealed) -> Result<Value, Error>;
}

impl<T: Object> Stored for T {
    fn seal(&self, lender: Option<&dyn Lender>) -> Result<Sealed, Error> {
        Sealed::encode_in(self, lender)
    }
    fn bytes(&self) -> usize {
        size_of::<T>() + self.heap_bytes()
    }
    fn decode_alike(&self, sealed: &Sealed) -> Result<Value, Error> {
        sealed.decode::<T>().map(Value::new)
    }
}

macro_rules! small {
    ($($variant:ident($type:ty)),*) => {
        /// The plain types whose values need no allocation.
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum Small { $($variant($type)),* }

        impl Small {
            fn new<T: Any>(value: &T) -> Option<Small> {
                let value: &dyn Any = value;
                $(if let Some(plain) = value.downcast_ref::<$type>() {
                    return Some(Small::$variant(*plain));
                })*
                None
            }
            /// The value, if it is a `T`: of the arms the compiler leaves one at the most.
            #[inline(always)]
            fn peek<T: Any>(&self) -> Option<&T> {
                match self { $(Small::$variant(value) => (value as &dyn Any).downcast_ref()),* }
            }
            fn any(&self) -> &dyn Any {
                match self { $(Small::$variant(value) => value),* }
            }
            fn stored(&self) -> &dyn Stored {
                match self { $(Small::$variant(value) => value),* }
            }
            fn share(self) -> Arc<dyn Stored> {
                match self { $(Small::$variant(value) => Arc::new(value)),* }
            }
        }
    };
}
small!(
    Unit(()),
    Bool(bool),
    Char(char),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    Isize(isize),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    Usize(usize),
    F32(f32),
    F64(f64)
);

/// A value without its type: 24 bytes, one allocation or none.
#[derive(Clone)]
pub(crate) enum Value {
    Small(Small),
    Shared(Arc<dyn Stored>),
    Sealed(Arc<Sealed>),
}

impl Typed for Value {
    fn typed(&self) -> Option<&dyn Any> {
        match self {
            Value::Small(small) => Some(small.any()),
            Value::Shared(stored) => Some(&**stored as &dyn Any),
            Value::Sealed(_) => None,
        }
    }
}

impl Value {
    pub(crate) fn new<T: Object>(value: T) -> Value {
        match Small::new(&value) {
            Some(small) => Value::Small(small),
            None => Value::Shared(Arc::new(value)),
        }
    }

    pub(crate) fn from_shared<T: Object>(value: Arc<T>) -> Value {
        Value::Shared(value)
    }

    /// Whether nothing of the user's runs when the value is dropped.
    pub(crate) fn is_small(&self) -> bool {
        matches!(self, Value::Small(_))
    }

    /// The typed value, if it is one and a `T`.
    pub(crate) fn peek<T: Any>(&self) -> Option<&T> {
        match self {
            Value::Small(small) => small.peek(),
            other => other.typed()?.downcast_ref(),
        }
    }

    /// Bytes of memory that the value takes beside its slot.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Value::Small(_) => 0,
            Value::Shared(stored) => stored.bytes(),
            Value::Sealed(sealed) => sealed.len(),
        }
    }

    /// The value out of here: moved where nobody else holds it, else cloned or decoded.
    pub(crate) fn take<T: Object>(self) -> Result<T, Error> {
        match self {
            Value::Small(small) => small.peek::<T>().cloned().ok_or_else(wrong::<T>),
            Value::Shared(stored) => {
                let shared = shared_as::<T>(stored)?;
                Ok(Arc::try_unwrap(shared).unwrap_or_else(|shared| T::clone(&shared)))
            }
            Value::Sealed(sealed) => sealed.decode(),
        }
    }

    /// The value in `sealed`, of the same type as this one; as it is where this one has no type.
    pub(crate) fn decode_alike(&self, sealed: &Sealed) -> Result<Value, Error> {
        match self {
            Value::Small(small) => small.stored().decode_alike(sealed),
            Value::Shared(stored) => stored.decode_alike(sealed),
            Value::Sealed(untyped) => Ok(Value::Sealed(Arc::clone(untyped))),
        }
    }

    /// The same value in sealed form.
    pub(crate) fn seal(&self) -> Result<Arc<Sealed>, Error> {
        self.seal_in(None)
    }

    /// The same, written to the lender's memory if it is large and not in sealed form already.
    pub(crate) fn seal_in(&self, lender: Option<&dyn Lender>) -> Result<Arc<Sealed>, Error> {
        match self {
            Value::Small(small) => small.stored().seal(None).map(Arc::new),
            Value::Shared(stored) => stored.seal(lender).map(Arc::new),
            Value::Sealed(sealed) => Ok(Arc::clone(sealed)),
        }
    }
}

fn shared_as<T: Object>(stored: Arc<dyn Stored>) -> Result<Arc<T>, Error> {
    let any: Arc<dyn Any + Send + Sync> = stored;
    any.downcast::<T>().map_err(|_| wrong::<T>())
}

fn wrong<T>() -> Error {
    let name = std::any::type_name::<T>();
    Error::new(ErrorKind::Encoding, format!("the object is not a `{name}`"))
}

/// The form that the value did not come in, made when first asked for.
enum Other {
    Typed(Arc<dyn Stored>),
    Sealed(Arc<Sealed>),
}

/// A value in the store: as it came, and in its other form once that was needed.
pub(crate) struct Payload {
    value: Value,
    other: OnceLock<Box<Other>>,
}

impl Payload {
    pub(crate) fn new(value: Value) -> Payload {
        Payload { value, other: OnceLock::new() }
    }

    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    pub(crate) fn bytes(&self) -> usize {
        self.value.bytes()
    }

    /// An owned copy.
    pub(crate) fn get<T: Object>(&self) -> Result<T, Error> {
        match &self.value {
            Value::Sealed(sealed) => match self.other.get() {
                Some(_) => self.shared::<T>().map(|shared| T::clone(&shared)),
                None => sealed.decode(),
            },
            typed => typed.peek::<T>().cloned().ok_or_else(wrong::<T>),
        }
    }

    /// The value itself, decoded or boxed at most once.
    pub(crate) fn shared<T: Object>(&self) -> Result<Arc<T>, Error> {
        let make = || -> Result<Arc<dyn Stored>, Error> {
            match &self.value {
                Value::Shared(stored) => Ok(Arc::clone(stored)),
                Value::Small(small) => Ok(small.share()),
                Value::Sealed(sealed) => Ok(Arc::new(sealed.decode::<T>()?)),
            }
        };
        if let Value::Shared(stored) = &self.value {
            return shared_as(Arc::clone(stored));
        }
        match self.other(|other| matches!(other, Other::Typed(_)), || make().map(Other::Typed))? {
            Some(Other::Typed(stored)) => shared_as(Arc::clone(stored)),
            _ => shared_as(make()?),
        }
    }

    /// The archived form, encoded at most once.
    pub(crate) fn view<T: Object>(&self) -> Result<View<T>, Error> {
        let seal = || self.value.seal().map(Other::Sealed);
        let sealed = match &self.value {
            Value::Sealed(sealed) => Arc::clone(sealed),
            typed => {
                if typed.peek::<T>().is_none() {
                    return Err(wrong::<T>());
                }
                match self.other(|other| matches!(other, Other::Sealed(_)), seal)? {
                    Some(Other::Sealed(sealed)) => Arc::clone(sealed),
                    _ => self.value.seal()?,
                }
            }
        };
        View::open(sealed)
    }

    /// The other form if it is of the wanted kind, made now if there is none. `None` where the
    /// place is taken by the other kind (a small value was both boxed and encoded).
    fn other(
        &self,
        wanted: impl Fn(&Other) -> bool,
        make: impl FnOnce() -> Result<Other, Error>,
    ) -> Result<Option<&Other>, Error> {
        if self.other.get().is_none() {
            // Of two threads that got here the later one's copy is dropped again.
            let _ = self.other.set(Box::new(make()?));
        }
        Ok(self.other.get().map(|other| &**other).filter(|other| wanted(other)))
    }
}
