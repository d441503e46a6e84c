//! Runs the demo API on actix-web.

use palisade_example_actix::serve;
use std::process::ExitCode;

#[actix_web::main]
async fn main() -> ExitCode {
    palisade_example_demo::run(serve).await
}
