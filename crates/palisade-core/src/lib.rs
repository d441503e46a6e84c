//! Not written yet.

pub mod validate;
