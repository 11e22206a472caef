//! Hyperparameter search on raykit.
//!
//! There is nothing here yet: this crate holds its name and its place in the workspace. It is meant for
//! search over configurations: what may vary, trials that run as tasks and report how they do, searchers
//! and stoppers that decide from the reports.
//!
//! It needs raykit's actors, which are not there yet either; the project's README says what is, under
//! "State of the project".
