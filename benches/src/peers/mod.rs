//! What raykit is held against.

pub(crate) mod bare;
pub(crate) mod ray;
pub(crate) mod rayon;
pub(crate) mod tokio;
