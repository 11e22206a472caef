//! Reinforcement learning on raykit.
//!
//! There is nothing here yet: this crate holds its name and its place in the workspace. It is meant for
//! environments that many tasks step, learners, and the algorithms between them.
//!
//! It needs raykit's actors, which are not there yet either; the project's README says what is, under
//! "State of the project".
