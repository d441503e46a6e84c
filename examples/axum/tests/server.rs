//! The program from outside, as the three examples promise it together.

#![allow(clippy::panic, clippy::unwrap_used)]

#[path = "../../demo/testing/server.rs"]
mod server;

const SERVER: &str = env!("CARGO_BIN_EXE_palisade-example-axum");
