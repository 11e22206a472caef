//! The attributes of raykit.
