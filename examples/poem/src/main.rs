//! Runs the demo API on poem.

use palisade_example_poem::serve;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    palisade_example_demo::run(serve).await
}
