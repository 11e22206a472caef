//! The stairwell.
