//! Rules: which part of the policy speaks for a path.

pub mod pattern;
pub mod table;
