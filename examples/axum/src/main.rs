//! Runs the demo API on axum.

use palisade_example_axum::serve;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    palisade_example_demo::run(serve).await
}
