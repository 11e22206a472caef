//! What raykit is held against.

#[cfg(feature = "actor-peers")]
pub(crate) mod actors;
pub(crate) mod bare;
#[cfg(target_os = "linux")]
pub(crate) mod mapped;
pub(crate) mod ray;
pub(crate) mod rayon;
#[cfg(target_os = "linux")]
mod ring;
pub(crate) mod tokio;
#[cfg(target_os = "linux")]
pub(crate) mod ways;
