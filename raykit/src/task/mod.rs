//! A call written down: which function, with which arguments, under which options.
//!
//! `Function` is what the macro registers for every `#[remote]` function; `Inputs` are the
//! arguments without their types; `Call` hands them, typed again, to the body. Nothing here runs
//! anything: no thread, no queue and no clock.
//!
//! ```
//! use raykit::prelude::*;
//!
//! #[remote(num_cpus = 0.5, max_retries = 5)]
//! fn add(a: i64, b: i64) -> i64 {
//!     a + b
//! }
//!
//! assert!(raykit::functions().iter().any(|function| function.name() == "add"));
//! ```

pub(crate) mod options;
mod setters;
pub(crate) mod arg;
pub(crate) mod pipe;
pub(crate) mod yields;
pub(crate) mod call;
pub(crate) mod drain;
pub(crate) mod param;
pub(crate) mod failure;
pub(crate) mod function;
pub(crate) mod registry;

#[cfg(test)]
mod tests;
