//! The road between nodes: QUIC and TLS 1.3, on one thread, with nothing to decide.
//!
//! `Net` is the thread, seen from others. A `Driver` lives on it and decides: it is told what
//! happened (`Happening`) and says to its `Road` what to send, whom to dial, what to fetch. Other
//! threads leave something where the driver finds it, and ring the `Bell`.
//!
//! - Two nodes share one link, whoever dialled. All packets go over one stream of it, in order: a
//!   stream for each would cost four times as much. What arrives together is read together, and
//!   what waits is written at once. Bulk bytes have streams of their own, below the packets in
//!   rank.
//! - A link that ends has lost what was under way. To send it again after `Up` is the driver's
//!   business, and so is dialling again.
//! - Who is at the other end is what its certificate says. The head's `Authority` signs those, for
//!   whoever proves a `Token`; `join` is how. The token's secret never leaves its holder, and the
//!   holder says nothing before the head has shown the key that the token names.
//! - Peers of one host and user pass large objects in shared memory (`near`), asked for and told of
//!   on a socket of their own, and packets by another one (`shortcut`). What is not there comes by
//!   the link.
//! - All that a peer can make grow has a bound in `base/limits`.
//!
//! Absent on purpose: what packets mean, retries, who is a member, and the choice of peers.
//!
//! A packet is a frame on the stream:
//!
//! ```
//! fn frame(packet: &[u8]) -> Vec<u8> {
//!     let length = (packet.len() as u32).to_le_bytes();
//!     [&length[..], packet].concat()
//! }
//!
//! assert_eq!(frame(b"hello"), b"\x05\0\0\0hello");
//! ```

mod text;
mod secret;
mod name;
mod files;
mod token;
mod identity;
mod register;
mod authority;
mod tls;
mod framing;
#[cfg(target_os = "linux")]
mod whisper;
#[cfg_attr(not(target_os = "linux"), path = "shortcut_absent.rs")]
mod shortcut;
mod outbox;
mod leaving;
mod road;
mod endpoint;
mod failures;
mod turned;
mod rate;
mod streams;
#[cfg(target_os = "linux")]
mod borrow;
#[cfg_attr(not(target_os = "linux"), path = "near_absent.rs")]
mod near;
mod hands;
#[cfg(target_os = "linux")]
mod lend;
mod bulk;
mod pulse;
mod renew;
mod carrier;
mod link;
mod ask;
mod admit;
mod join;
mod accept;
mod thread;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;

pub(crate) use authority::Authority;
pub(crate) use identity::Identity;
pub(crate) use join::join;
pub(crate) use name::Role;
pub(crate) use register::TokenInfo;
pub(crate) use road::{Bulk, Driver, Happening, Road};
pub(crate) use thread::Net;
pub(crate) use token::{Token, TokenId};
