//! Model serving on raykit.
//!
//! There is nothing here yet: this crate holds its name and its place in the workspace. It is meant for
//! models behind HTTP and behind handles, in as many replicas as the requests need.
//!
//! It needs raykit's actors, which are not there yet either; the project's README says what is, under
//! "State of the project".
