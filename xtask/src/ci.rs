//! `cargo xtask ci`: what continuous integration runs.

use crate::{lint, test};

/// Runs the tests and then the lints. The last line is the tests', whatever came after them.
pub(crate) fn command() -> bool {
    let tally = test::run();
    println!("{tally}");
    let clean = lint::command();
    println!("{tally}");
    tally.failed == 0 && clean
}
