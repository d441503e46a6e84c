//! How many passed and how many failed, read from what test programs print.

use std::fmt;
use std::ops::AddAssign;

/// Passed and failed, of whatever was run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Tally {
    /// One that passed or failed.
    pub(crate) fn one(passed: bool) -> Self {
        Self {
            passed: usize::from(passed),
            failed: usize::from(!passed),
        }
    }

    /// The line with which Rust's test harness ends: `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    pub(crate) fn of_test_result(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let mut counts = counts.split("; ");
        Some(Self {
            passed: number(counts.next()?, " passed")?,
            failed: number(counts.next()?, " failed")?,
        })
    }

    /// The line with which our own programs end: `3 passed, 0 failed`.
    pub(crate) fn of_last_line(line: &str) -> Option<Self> {
        let (passed, failed) = line.split_once(", ")?;
        Some(Self {
            passed: number(passed, " passed")?,
            failed: number(failed, " failed")?,
        })
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

fn number(text: &str, what: &str) -> Option<usize> {
    text.strip_suffix(what)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_line_of_the_test_harness() {
        let line = "test result: FAILED. 31 passed; 2 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.10s";
        let tally = Tally {
            passed: 31,
            failed: 2,
        };
        assert_eq!(Tally::of_test_result(line), Some(tally));
        assert_eq!(
            Tally::of_test_result("test result::of_test_result ... ok"),
            None
        );
    }

    #[test]
    fn reads_back_what_it_prints() {
        let tally = Tally {
            passed: 930,
            failed: 1,
        };
        assert_eq!(tally.to_string(), "930 passed, 1 failed");
        assert_eq!(Tally::of_last_line(&tally.to_string()), Some(tally));
        assert_eq!(
            Tally::of_last_line("930 passed, 1 failed, 2 declared"),
            None
        );
    }
}
