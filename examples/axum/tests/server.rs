//! The program from outside, as the three examples promise it together.

#[path = "../../demo/testing/server.rs"]
mod server;

const SERVER: &str = env!("CARGO_BIN_EXE_palisade-example-axum");
