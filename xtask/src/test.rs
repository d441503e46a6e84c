//! `cargo xtask test`: everything that must pass before a change is merged.

use std::env;
use std::process::{Command, Stdio};

use crate::step::{Outcome, Step, summary};
use crate::tally::Tally;
use crate::{conformance, provision, tidy};

/// Runs everything, ends with `N passed, N failed`, and tells whether nothing failed.
pub(crate) fn command() -> bool {
    let tally = run();
    println!("{tally}");
    tally.failed == 0
}

/// Runs everything and sums up, but for the last line.
pub(crate) fn run() -> Tally {
    let mut outcomes = vec![tidy::step().run()];
    let mut tests = tests();
    match provision::postgres() {
        Ok(folder) => {
            tests = tests
                .environment(provision::POSTGRES, folder)
                .environment(provision::REQUIRED, "1");
        }
        Err(why) => {
            let required = env::var_os(provision::REQUIRED).is_some();
            outcomes.push(Outcome::not_run("postgres", &why, required));
        }
    }
    let compiled = [tests, conformance::step(&[])];
    // Palisade's cryptography and its SQLite are C.
    match c_compiler() {
        Ok(()) => outcomes.extend(compiled.iter().map(Step::run)),
        Err(why) => outcomes.extend(compiled.iter().map(|step| step.cannot_run(&why))),
    }
    summary(&outcomes)
}

/// The benchmark is left out: its peers' dependencies take minutes to build, and clippy checks it. So are the adapters'
/// own runs of the cases: the matrix that follows runs the same ones on all three.
fn tests() -> Step {
    let tests = [
        "test",
        "--workspace",
        "--exclude=palisade-bench",
        "--exclude=xtask",
        "--no-fail-fast",
        "--",
        "--skip=every_case_does_what_it_says",
    ];
    Step::cargo("tests", &tests).counting_tests()
}

fn c_compiler() -> Result<(), String> {
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let found = Command::new(&compiler)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match found {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!(
            "there is no C compiler `{}`; install gcc or clang (`apt-get install gcc libc6-dev`, `dnf install gcc`, \
             `apk add gcc musl-dev`, `xcode-select --install`) or name one in CC",
            compiler.to_string_lossy()
        )),
    }
}
