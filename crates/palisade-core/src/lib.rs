//! Not written yet.

pub mod jwt;
