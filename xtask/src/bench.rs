//! `cargo xtask bench`: measures Palisade beside the stacks that users would pick today.

use crate::step::Step;

/// Runs the benchmark, which says where its JSON and SVG went.
pub(crate) fn command(args: &[String]) -> Result<bool, String> {
    let step = Step::cargo(
        "bench",
        &["run", "--release", "--package", "palisade-bench", "--"],
    );
    Ok(step.args(args).run().tally().failed == 0)
}
