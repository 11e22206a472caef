//! What raykit is held against.

#[cfg(feature = "actor-peers")]
pub(crate) mod actors;
pub(crate) mod bare;
pub(crate) mod ray;
pub(crate) mod rayon;
pub(crate) mod tokio;
