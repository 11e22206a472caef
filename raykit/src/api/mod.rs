//! The porch: the words that a user says. Each file is one of them; none of them decides anything.
//!
//! ```
//! use raykit::prelude::*;
//!
//! #[remote]
//! fn hello_world() -> String {
//!     "Hello, world!".into()
//! }
//!
//! fn main() -> raykit::Result<()> {
//!     let _ray = raykit::init()?;
//!     println!("{}", hello_world::remote().get()?);
//!     Ok(())
//! }
//! ```

pub(crate) mod call;
pub(crate) mod actor;
mod tokens;
pub(crate) mod token;
pub(crate) mod say;
pub(crate) mod own;
pub(crate) mod init;
#[cfg(feature = "cluster")]
pub(crate) mod worker;
pub(crate) mod program;
pub(crate) mod get;
pub(crate) mod group;
pub(crate) mod wait;
pub(crate) mod stream;
pub(crate) mod cluster;
pub(crate) mod state;
pub(crate) mod progress;
