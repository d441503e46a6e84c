//! Rules: which part of the policy speaks for a path, and which for a route.

pub mod pattern;
pub mod table;
pub mod template;
