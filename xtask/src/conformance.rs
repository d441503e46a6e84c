//! `cargo xtask conformance`: every case on every framework, over real sockets.

use crate::step::Step;

/// Runs the cases. What `args` may be is the business of the program that runs them.
pub(crate) fn command(args: &[String]) -> Result<bool, String> {
    Ok(step(args).run().tally().failed == 0)
}

/// A program of its own, because it needs every framework, and `cargo xtask` is to start without them. It is named
/// without `--package`, so that its dependencies have the features they had in the tests and need not be built again.
pub(crate) fn step(args: &[String]) -> Step {
    Step::cargo(
        "conformance",
        &["run", "--quiet", "--bin", "palisade-conformance", "--"],
    )
    .args(args)
    .counting_by_last_line()
}
