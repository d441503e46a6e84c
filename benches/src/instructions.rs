//! Instructions per request, counted by valgrind.
//!
//! The same binary runs one subject twice, with N and with 2N calls; start-up and warm-up cancel out in the
//! difference. The count moves by fractions of a percent where nanoseconds move by whole ones. Valgrind offers neither
//! the SHA instructions nor the widest vectors, so cryptography weighs more here than in the nanoseconds.

use std::{env::current_exe, process::Command};

use crate::rows::{Credential, Row, Subject};

const CALLS: u32 = 500;

/// The few rows that are worth a minute under valgrind.
pub(crate) const ROWS: [Row; 4] = [
    Row::Bare,
    Row::Full(Credential::Hs256),
    Row::Cached(Credential::Hs256),
    Row::Full(Credential::ApiKey),
];

/// Whether valgrind is at hand.
pub(crate) fn available() -> bool {
    Command::new("valgrind")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Instructions per call of one subject.
///
/// # Errors
///
/// What valgrind or the subject said, if there is no count.
pub(crate) fn per_call(subject: Subject) -> Result<u64, String> {
    let [once, twice] = [CALLS, 2 * CALLS].map(|calls| total(subject, calls));
    Ok(twice?.saturating_sub(once?) / u64::from(CALLS))
}

fn total(subject: Subject, calls: u32) -> Result<u64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(current_exe().map_err(|error| error.to_string())?)
        .args(["--only", &subject.id(), "--calls", &calls.to_string()])
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    collected(&said).ok_or_else(|| format!("no count for {}:\n{said}", subject.id()))
}

/// Reads callgrind's summary line, such as `==42== Collected : 1234567`.
fn collected(said: &str) -> Option<u64> {
    let (_, count) = said.split_once("Collected : ")?;
    count.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_callgrind_is_read() {
        let said = "==7== Events    : Ir\n==7== Collected : 9876543\n==7==\n";
        assert_eq!(collected(said), Some(9_876_543));
        assert_eq!(collected("==7== Process terminating\n"), None);
    }
}
