//! Not written yet.
pub mod limit;
