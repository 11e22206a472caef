//! A pretend world for the brain of `proto`: many nodes, one clock, no wire. What runs in it is
//! the code that runs in a cluster; the clock, the network, the processes and the tasks are
//! make-believe, and every one of their moves is drawn from a seed.
//!
//! A run has three parts (`cluster`). First the troubles of its plan (`faults`, `trouble`):
//! processes end and stand still, links are lost, roads are blocked, nodes come and go, packets
//! are lost, doubled and overtaken. Then the weather clears, and all must end well. Then nobody
//! wants anything any more, and nothing must be left. `checks` says what holds meanwhile, by the
//! names of the rules in the design: `I` always, `V` when the weather is good, `Q` in the end.
//!
//! The nodes (`host`, `calls`, `orders`) make tasks whose values are hashes of their arguments, so
//! that each value is known beforehand (`program`, `model`), and keep the contract of
//! `proto::event` to the letter (`claims`). That a check is worth something is shown by faults
//! planted in the brain (`proto::bugs`), each of which it must find.
//!
//! Absent on purpose: real time, threads, sockets, values, and any map without an order.
//!
//! ```sh
//! # cargo run --release --features sim --bin raykit-sim -- --seeds 1000
//! # cargo run --release --features sim --bin raykit-sim -- --seed 7 --trace
//! ```
//!
//! ```
//! // The same seed gives the same world: that is what makes a failure worth having.
//! # fn main() {}
//! ```

mod clock;
mod network;
mod model;
mod program;
mod claims;
mod bundles;
mod faults;
mod flow;
mod actors;
mod host;
mod endings;
mod streams;
mod callers;
mod gangs;
mod calls;
mod orders;
mod node;
mod checks;
mod world;
mod trouble;
mod hostile;
pub(crate) mod cluster;
#[cfg(feature = "sim")]
pub(crate) mod command;
#[cfg(test)]
mod tests;
