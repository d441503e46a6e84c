//! What happens when the servers of others are slow, down, wrong or hostile: against a real HTTP
//! server on loopback, by a clock that stands still unless a test moves it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "all of this is a test"
)]

mod discovery;
mod fixture;
mod introspection;
mod keys;
mod proxy;
mod requests;
mod secrets;
mod transport;
