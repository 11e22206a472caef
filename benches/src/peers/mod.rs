//! What raykit is held against.

#[cfg(feature = "actor-peers")]
pub(crate) mod actors;
pub(crate) mod bare;
#[cfg(target_os = "linux")]
pub(crate) mod mapped;
#[cfg(target_os = "linux")]
pub(crate) mod quic;
pub(crate) mod ray;
pub(crate) mod rayon;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(target_os = "linux")]
pub(crate) mod rpc;
#[cfg(target_os = "linux")]
pub(crate) mod tcp;
pub(crate) mod tokio;
#[cfg(target_os = "linux")]
pub(crate) mod ways;
