//! Proves that the three servers read the same bytes in the same way: random requests, sound and broken, one after the
//! other on one connection, sent to the three demo servers, whose answers must be equal.
//!
//! | to | look into |
//! |---|---|
//! | see what is sent | `grammar.rs` (a sound request), `broken.rs` (what is done to it) |
//! | see when answers are equal, and which differences are declared | `agree.rs` |
//! | see how bytes are sent and answers are read | `serve.rs` |
//! | repeat a failure | `cargo xtask conformance --bytes 1 --seed SEED`, with the seed that was printed |
//!
//! No expectation is written down for any of the bytes: each server is the measure of the others. What a server's own
//! parser refuses, before the layer sees a request, the others must refuse, too, or the difference has a reason.

mod agree;
mod broken;
mod grammar;
mod report;
mod run;
mod serve;
mod shrink;

pub use report::Compared;
pub use run::{Bytes, compare};
