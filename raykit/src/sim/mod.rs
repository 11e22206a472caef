//! Whole clusters in one process, on a pretend network and by a clock of their own. A seed decides
//! everything that happens, so that a failure that was seen once can be seen again.
//!
//! A job is given to [`run()`] or [`seeds`] and is called as the driver, on the first node of a
//! cluster. What it calls are its program's own remote functions and actors, and what runs them is
//! the code that runs in any cluster. [`Cluster`] starts further nodes, kills and pauses them, cuts
//! and slows what is between them. [`sleep`] takes no time, so that hours are over in a moment.
//! [The chapter](crate::_docs::simulate) says what is pretended and what is not, and what a job has
//! to leave alone for its story to be the same each time.
//!
//! ```
//! use raykit::prelude::*;
//! use raykit::sim::{self, Machine};
//!
//! #[remote(max_retries = 3)]
//! fn part(n: u64) -> u64 {
//!     sim::sleep(secs(30));
//!     n
//! }
//!
//! sim::seeds(0..20, |cluster| {
//!     let other = cluster.start(Machine::new().cpus(4)).expect("it joins");
//!     let parts = part::map(0..16);
//!     cluster.sleep(millis(sim::random() % 60_000));
//!     cluster.kill(other);
//!     let sum: u64 = raykit::get(&parts).expect("all parts").iter().sum();
//!     assert_eq!(sum, 120);
//! });
//! ```
//!
//! The room has a second world beside that, for whoever changes raykit: that of the brain (`proto`)
//! alone, with pretend hosts, which is the program `raykit-sim`. A run of it has three parts
//! (`cluster`). First the troubles of its plan (`faults`, `trouble`): processes end and stand
//! still, links are lost, roads are blocked, nodes come and go, packets are lost, doubled and
//! overtaken. Then the weather clears, and all must end well. Then nobody wants anything any more,
//! and nothing must be left. `checks` says what holds meanwhile, by the names of the rules in the
//! design: `I` always, `V` when the weather is good, `Q` in the end. Its nodes (`host`, `calls`,
//! `orders`) make tasks whose values are hashes of their arguments, so that each value is known
//! beforehand (`program`, `model`), and keep the contract of `proto::event` to the letter
//! (`claims`). That a check is worth something is shown by faults planted in the brain
//! (`proto::bugs`), each of which it must find.
//!
//! ```sh
//! # cargo run --release --features sim --bin raykit-sim -- --seeds 1000
//! # cargo run --release --features sim --bin raykit-sim -- --seed 7 --trace
//! ```
//!
//! Absent on purpose: real time, sockets, and any map without an order.

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
#[cfg(feature = "sim")]
mod time;
#[cfg(feature = "sim")]
mod machine;
#[cfg(feature = "sim")]
mod hold;
#[cfg(feature = "sim")]
mod troubles;
#[cfg(feature = "sim")]
mod run;
#[cfg(test)]
mod tests;

#[cfg(feature = "sim")]
pub use self::{
    hold::Cluster,
    machine::Machine,
    run::{Sim, run, seeds},
    time::{random, sleep},
};
