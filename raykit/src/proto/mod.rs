//! The brain of a cluster, one for each node: who belongs to it and who is dead (`peers`), which
//! tasks run where (`work`), what is set aside for whom (`groups`), who holds a reference to what
//! (`refs`).
//!
//! It does nothing. It is fed events and the time (`Machine::handle`), and says what should be
//! done (`Machine::action`) and when it wants to be asked again (`Machine::deadline`). It reads no
//! clock, starts no thread, opens no socket, and rolls no dice: the same events give the same
//! actions, whether they come from a cluster or from a simulator.
//!
//! Two lists are its whole contract, `event::Event` and `event::Action`; a third, `wire::Frame`,
//! is what brains say to each other. Calls and values are bytes here, and mean nothing.
//!
//! Absent on purpose: tasks, values, sockets, clocks.
//!
//! ```
//! // Two nodes of one cluster in this process; the second one's tasks run on both.
//! # fn main() {}
//! ```

pub(crate) mod bugs;
pub(crate) mod wire;
pub(crate) mod event;
mod timer;
mod context;
mod outbox;
mod pulse;
mod peers;
mod head;
mod refs;
mod place;
mod bundles;
mod waiting;
mod room;
mod work;
mod streams;
mod seats;
mod groups;
pub(crate) mod machine;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
#[cfg(test)]
mod town;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod small_tests;
#[cfg(test)]
mod wire_tests;
