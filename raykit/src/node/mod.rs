//! The stairwell: the one place where objects, tasks and workers meet. A `Node` is a process's (or
//! a test's) part in the work: a pool, an account of objects, a graph of waits, a timer.
//!
//! A call goes: `submit` (is it admissible, are its arguments there) → the pool's queue → `run`
//! (call the function, catch its panic, try again if allowed) → its slots, by the one door
//! `settle`. A wait goes through `fetch`, which runs what nobody has begun, and through `graph`,
//! which knows who waits for whom. There is nothing else that a task passes.
//!
//! Absent on purpose: names that users see (`api`), and any decision about other nodes.
//!
//! ```
//! use raykit::prelude::*;
//!
//! #[remote]
//! fn greet(name: &str) -> String {
//!     format!("hello, {name}")
//! }
//!
//! # fn main() -> raykit::Result<()> {
//! let node = raykit::Config::new().num_cpus(1).start()?; // a node beside the process's own
//! let _here = node.enter();
//! assert_eq!(greet::remote("node").get()?, "hello, node");
//! # Ok(())
//! # }
//! ```

mod state;
pub(crate) mod order;
pub(crate) mod report;
pub(crate) mod task;
pub(crate) mod tally;
pub(crate) mod gpus;
pub(crate) mod timer;
pub(crate) mod timeline;
pub(crate) mod graph;
pub(crate) mod explain;
mod flight;
#[cfg(feature = "sim")]
mod polls;
pub(crate) mod future;
pub(crate) mod current;
pub(crate) mod run;
pub(crate) mod slots;
mod admit;
pub(crate) mod submit;
pub(crate) mod fetch;
pub(crate) mod stream;
pub(crate) mod address;
mod door;
mod core;
pub(crate) mod cell;
mod life;
mod turn;
pub(crate) mod checkpoint;
mod mailbox;
pub(crate) mod keys;
pub(crate) mod claim;
mod question;
mod request;
mod post;
mod left;
pub(crate) mod cluster;
mod groups;
mod alone;
mod plan;
mod pack;
pub(crate) mod far;
mod forward;
pub(crate) mod reader;
mod berth;
mod placed;
mod orders;
pub(crate) mod actors;
pub(crate) mod names;
pub(crate) mod creation;
pub(crate) mod elsewhere;
mod arrive;
mod flow;
pub(crate) mod census;
pub(crate) mod survey;
pub(crate) mod metrics;
#[cfg(feature = "cluster")]
pub(crate) mod scrape;
#[cfg(feature = "cluster")]
pub(crate) mod courier;
mod burden;
mod swarm;
mod circle;
mod watch;
mod hands;
mod coming;
mod apart;
mod bring;
mod claims;
mod outcomes;
#[cfg(feature = "sim")]
pub(crate) mod web;
#[cfg(feature = "cluster")]
pub(crate) mod keyring;
#[cfg(feature = "cluster")]
pub(crate) mod road;
pub(crate) mod settings;
pub(crate) mod start;
#[cfg(feature = "sim")]
pub(crate) mod pretend;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;

use crate::base::NodeId;
use crate::base::clock;
use crate::base::shards::Sharded;
use crate::base::thread::Condvar;
use crate::object::error::{Error, ErrorKind};
use crate::object::ledger::Ledger;
use crate::sched::Pool;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// One node.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) config: settings::Settings,
    pub(crate) pool: Pool,
    pub(crate) ledger: &'static Ledger,
    pub(crate) graph: graph::Graph,
    watcher: watch::Watcher,
    pub(crate) timer: timer::Timer,
    pub(crate) futures: future::Futures,
    pub(crate) actors: actors::Actors,
    pub(crate) groups: groups::Groups,
    pub(crate) timeline: Option<timeline::Timeline>,
    pub(crate) counters: Counters,
    pub(crate) books: Books,
    /// Its part in a cluster, if it has one.
    pub(crate) cluster: OnceLock<Arc<cluster::Cluster>>,
    began: Instant,
    /// Whether the node has a CPU for a task that asks for one.
    has_whole_cpu: bool,
    /// Somebody closes it.
    closing: AtomicBool,
    /// It takes no call any more.
    closed: AtomicBool,
    /// A thread waits for the backlog to shrink.
    throttled: AtomicBool,
    room: Mutex<()>,
    room_made: Condvar,
}

/// What is written down for whoever asks for the node's state.
#[derive(Default)]
pub(crate) struct Books {
    /// What became of calls.
    pub(crate) tally: tally::Tally,
    /// Tasks that wait for arguments.
    pub(crate) waits: census::Waits,
    /// Which GPUs running tasks hold.
    pub(crate) gpus: gpus::Holders,
    /// What is printed here and elsewhere.
    #[cfg(feature = "cluster")]
    pub(crate) letters: courier::Letters,
    /// Where the counters are read.
    #[cfg(feature = "cluster")]
    pub(crate) scrape: OnceLock<scrape::Scrape>,
}

/// Tasks since the node began.
pub(crate) struct Counters {
    pub(crate) submitted: Sharded,
    pub(crate) finished: Sharded,
}

impl Node {
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn closed_error(&self) -> Error {
        Error::new(ErrorKind::NotRunning, "the node that this thread belongs to was closed")
    }

    /// How long the node has been there.
    pub(crate) fn since_start(&self) -> Duration {
        clock::since(self.began)
    }

    /// Tasks submitted and not yet done. Those are done too whose results were left elsewhere.
    pub(crate) fn pending(&self) -> i64 {
        // Finished first: what is counted there was counted as submitted before.
        let finished = self.counters.finished.sum() + self.ledger.left() as i64;
        self.counters.submitted.sum() - finished
    }

    pub(crate) fn count_finished(&self) {
        self.counters.finished.add(1);
        if self.throttled.load(Ordering::Relaxed) {
            self.room_made.notify_all();
        }
    }
}
