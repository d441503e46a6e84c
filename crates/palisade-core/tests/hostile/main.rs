//! What no client may achieve: more than 100,000 random heads and tokens against a rich policy.
//!
//! Every case is drawn from a seed of its own. A failure prints that seed, and
//! `PALISADE_CASE=SEED cargo test -p palisade-core --test hostile` draws the same case again.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of this is a test"
)]

mod fake;
mod generator;
mod heads;
mod policy;
mod random;
mod tokens;
