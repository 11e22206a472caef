//! `Function`: what the program knows of one remote function.

use super::call::{Call, Returns};
use super::options::Options;
use crate::object::Result;
use std::fmt;
use std::pin::Pin;

/// The future of an `async` function's call.
#[doc(hidden)]
pub type Running = Pin<Box<dyn Future<Output = Result<Returns>> + Send>>;

/// How a function is called.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub enum Body {
    Sync(fn(Call) -> Result<Returns>),
    Async(fn(Call) -> Running),
}

/// A remote function of this program, as [`functions`](crate::functions) lists it.
#[non_exhaustive]
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
    #[doc(hidden)]
    pub schema: u64,
    #[doc(hidden)]
    pub signature: &'static str,
    #[doc(hidden)]
    pub returns: u32,
    #[doc(hidden)]
    pub defaults: Options,
    #[doc(hidden)]
    pub body: Body,
    #[doc(hidden)]
    pub file: &'static str,
    #[doc(hidden)]
    pub line: u32,
}

impl Function {
    /// The function's own name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The stable key: crate, major version, module path and name.
    pub fn key(&self) -> String {
        let path = (self.path)();
        let within = path.strip_prefix(self.krate).unwrap_or(path);
        format!("{}@{}{within}", self.krate, self.major)
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
