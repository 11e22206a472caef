//! Reinforcement learning on raykit.
//!
//! This crate holds its name and its place in the workspace; it has no items yet. The work it will do
//! is described in the project's README under "State of the project".
