//! `cargo xtask tidy`: the rules that a compiler does not check, each as a test.

#[cfg(test)]
mod adapters;
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod books;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod files;
#[cfg(test)]
mod floors;
#[cfg(test)]
mod reasons;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod tree;

use crate::step::Step;

/// Checks all rules and tells whether all hold.
pub(crate) fn command() -> bool {
    step().run().tally().failed == 0
}

/// The rules, and with them xtask's own tests.
pub(crate) fn step() -> Step {
    // A rule that is broken says where by itself.
    Step::cargo("tidy", &["test", "--package", "xtask"])
        .environment("RUST_BACKTRACE", "0")
        .counting_tests()
}
