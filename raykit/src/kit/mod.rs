//! Ready-made things, made of what every program has: actors, calls and references. Whoever wants
//! one that is a little different can write it beside this room.
//!
//! - `pool`: [`ActorPool`](crate::ActorPool), several actors of one type that share some work;
//!   `map` goes through the results.
//! - `group`: [`ActorGroup`](crate::ActorGroup), several actors of one type that are addressed
//!   together; `shape` says how they lie, `gathered` is what they give.
//! - `supervisor`: [`Supervisor`](crate::Supervisor), who decides when an actor has failed.
//! - `virtual_actors`: [`VirtualActors`](crate::VirtualActors), actors by their keys, there when
//!   they are called.
//! - `queue`: [`Queue`](crate::Queue), a first-in, first-out queue between tasks and actors; `belt`
//!   is the actor inside of it.
//!
//! Absent on purpose: any decision about where and when something runs.
//!
//! ```
//! use raykit::{Queue, prelude::*};
//!
//! #[remote]
//! fn produce(queue: Queue<u64>, n: u64) -> raykit::Result<()> {
//!     (0..n).try_for_each(|x| queue.put(x))?;
//!     queue.close()
//! }
//!
//! # fn main() -> raykit::Result<()> {
//! let _ray = raykit::init()?;
//! let queue = Queue::bounded(4);
//! produce::remote(&queue, 100).forget();
//! let sum: u64 = queue.iter().sum::<raykit::Result<u64>>()?;
//! assert_eq!(sum, 4950);
//! # Ok(())
//! # }
//! ```

#[expect(
    unsafe_code,
    unreachable_pub,
    dead_code,
    reason = "what the attribute writes is meant for other crates: a link section, public methods"
)]
pub(crate) mod belt;
pub(crate) mod queue;
pub(crate) mod pool;
pub(crate) mod map;
pub(crate) mod shape;
pub(crate) mod gathered;
pub(crate) mod group;
pub(crate) mod supervisor;
pub(crate) mod virtual_actors;
