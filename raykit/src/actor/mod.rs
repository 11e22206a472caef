//! State with a mailbox: what may run when, to whom the state is lent, and how often an actor that
//! crashed comes back. All of it is decided here and nothing is done: no thread, no lock, no clock.
//!
//! What is promised:
//!
//! | | |
//! |---|---|
//! | order | calls of one caller start in the order in which they were made (`inbox`) |
//! | delivery | a call begins at most once, unless its options ask for more |
//! | state | `&mut self` runs alone, `&self` beside other `&self` (`inbox`, `state`) |
//! | restart | after a crash the constructor runs again, so often within so long (`restart`) |
//! | supervision | when that was too often, others start again with it, or end (`supervise`) |
//!
//! ```
//! use raykit::prelude::*;
//!
//! #[remote]
//! struct Counter {
//!     n: i64,
//! }
//!
//! #[remote]
//! impl Counter {
//!     pub fn new(start: i64) -> Self {
//!         Counter { n: start }
//!     }
//!     pub fn add(&mut self, by: i64) -> i64 {
//!         self.n += by;
//!         self.n
//!     }
//! }
//!
//! # fn main() -> raykit::Result<()> {
//! let _ray = raykit::init()?;
//! let counter = Counter::remote(10);
//! counter.add(5);
//! assert_eq!(counter.add(5).get()?, 20);
//! # Ok(())
//! # }
//! ```

pub(crate) mod inbox;
pub(crate) mod state;
pub(crate) mod threads;
pub(crate) mod restart;
pub(crate) mod supervise;
pub(crate) mod options;
