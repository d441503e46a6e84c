//! The real binary, started as a person or a script would start it.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "all of this is a test"
)]

mod check;
mod explain;
mod folder;
mod help;
mod jwks;
mod key;
mod password;
#[cfg(target_os = "linux")]
mod terminal;
mod token;
