//! What raykit is held against.

#[cfg(feature = "actor-peers")]
pub(crate) mod actors;
pub(crate) mod bare;
#[cfg(target_os = "linux")]
pub(crate) mod mapped;
pub(crate) mod ray;
pub(crate) mod rayon;
pub(crate) mod tokio;
