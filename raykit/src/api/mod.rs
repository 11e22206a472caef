//! The porch.
pub(crate) mod call;
