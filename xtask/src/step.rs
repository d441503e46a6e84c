//! One part of a command: a call of cargo whose results are counted, and what came of it.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::tally::Tally;

/// A call of cargo in the root of the repository.
#[derive(Debug)]
pub(crate) struct Step {
    name: &'static str,
    args: Vec<String>,
    environment: Vec<(&'static str, OsString)>,
    counts: Counts,
}

/// What counts as passed and failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    /// Every `test result:` line. Tests that passed are counted and not listed.
    TestResults,
    /// The last line, `N passed, N failed`.
    LastLine,
    /// The whole step is one: its exit status.
    Exit,
}

/// How a step ended, and after how long.
#[derive(Debug)]
pub(crate) struct Outcome {
    name: &'static str,
    end: End,
    took: Duration,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Ran(Tally),
    /// With the reason. Something that had to run counts as failed.
    NotRun {
        why: String,
        failed: bool,
    },
}

impl Step {
    /// `cargo ARGS…`, which passes or fails as a whole.
    pub(crate) fn cargo(name: &'static str, args: &[&str]) -> Self {
        Self {
            name,
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            environment: Vec::new(),
            counts: Counts::Exit,
        }
    }

    /// Adds arguments.
    pub(crate) fn args(mut self, args: &[String]) -> Self {
        self.args.extend_from_slice(args);
        self
    }

    /// Sets an environment variable.
    pub(crate) fn environment(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Counts the tests of Rust's test harness.
    pub(crate) fn counting_tests(mut self) -> Self {
        self.counts = Counts::TestResults;
        self
    }

    /// Counts what the program says in its last line, `N passed, N failed`.
    pub(crate) fn counting_by_last_line(mut self) -> Self {
        self.counts = Counts::LastLine;
        self
    }

    /// Runs the step and shows what it prints.
    pub(crate) fn run(&self) -> Outcome {
        println!("\n== {}: cargo {}", self.name, self.args.join(" "));
        let started = Instant::now();
        let end = match self.spawn() {
            Ok(tally) => End::Ran(tally),
            Err(error) => End::NotRun {
                why: format!("cargo cannot be started: {error}"),
                failed: true,
            },
        };
        let outcome = Outcome {
            name: self.name,
            end,
            took: started.elapsed(),
        };
        println!("{outcome}");
        outcome
    }

    /// Does not run the step, which had to run.
    pub(crate) fn cannot_run(&self, why: &str) -> Outcome {
        Outcome::not_run(self.name, why, true)
    }

    fn spawn(&self) -> io::Result<Tally> {
        let mut child = cargo()
            .args(&self.args)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .spawn()?;
        let tally = match child.stdout.take() {
            Some(output) => self.show(output)?,
            None => Tally::default(),
        };
        Ok(self.judge(tally, child.wait()?.success()))
    }

    /// Shows the output line by line, as it comes, and counts.
    fn show(&self, output: impl Read) -> io::Result<Tally> {
        let mut tally = Tally::default();
        let mut left_out = false;
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            let counted = match self.counts {
                Counts::TestResults => Tally::of_test_result(&line),
                Counts::LastLine => {
                    tally = Tally::default();
                    Tally::of_last_line(&line)
                }
                Counts::Exit => None,
            };
            tally += counted.unwrap_or_default();
            if self.counts == Counts::TestResults {
                left_out = is_routine(&line) || left_out && line.is_empty();
            }
            if !left_out {
                println!("{line}");
            }
        }
        Ok(tally)
    }

    /// What could not be built or crashed has no line of its own; nor has a suite that ran nothing.
    fn judge(&self, mut tally: Tally, success: bool) -> Tally {
        if self.counts == Counts::Exit {
            return Tally::one(success);
        }
        if tally.failed == 0 && (!success || tally.passed == 0) {
            tally.failed = 1;
        }
        tally
    }
}

impl Outcome {
    /// Something that was not run. `failed`: it had to.
    pub(crate) fn not_run(name: &'static str, why: &str, failed: bool) -> Self {
        let end = End::NotRun {
            why: why.to_owned(),
            failed,
        };
        Self {
            name,
            end,
            took: Duration::ZERO,
        }
    }

    pub(crate) fn tally(&self) -> Tally {
        match self.end {
            End::Ran(tally) => tally,
            End::NotRun { failed, .. } => Tally {
                passed: 0,
                failed: usize::from(failed),
            },
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<12}", self.name)?;
        match &self.end {
            End::Ran(tally) => {
                let Tally { passed, failed } = tally;
                write!(
                    f,
                    "{passed:>7} ok {failed:>7} failed {:>8.1} s",
                    self.took.as_secs_f32()
                )
            }
            End::NotRun { why, .. } => write!(f, "    not run: {why}"),
        }
    }
}

/// Prints one line for each step and returns the sum.
pub(crate) fn summary(outcomes: &[Outcome]) -> Tally {
    println!("\n== summary");
    let mut sum = Tally::default();
    for outcome in outcomes {
        println!("{outcome}");
        sum += outcome.tally();
    }
    sum
}

/// Cargo, in the root of the repository.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The root of the repository, as cargo says at run time: a target folder may be shared by several checkouts.
pub(crate) fn root() -> PathBuf {
    let xtask = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let root = xtask.as_deref().and_then(Path::parent);
    root.unwrap_or(Path::new(".")).to_owned()
}

/// What the test harness prints while nothing is wrong.
fn is_routine(line: &str) -> bool {
    line.starts_with("running ")
        || line.starts_with("test result: ok.")
        || line.starts_with("test ") && line.ends_with(" ... ok")
        || line.starts_with("all doctests ran in ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSED: &str = "running 2 tests\ntest a ... ok\ntest b ... ok\n\n\
        test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";

    #[test]
    fn counts_every_test_program() {
        let step = Step::cargo("tests", &[]).counting_tests();
        let output = format!("{PASSED}\n{PASSED}");
        let tally = step.show(output.as_bytes()).unwrap();
        assert_eq!(
            tally,
            Tally {
                passed: 4,
                failed: 0
            }
        );
    }

    #[test]
    fn counts_the_last_line_only() {
        let step = Step::cargo("conformance", &[]).counting_by_last_line();
        let tally = |output: &str| step.show(output.as_bytes()).unwrap();
        assert_eq!(
            tally("1 passed, 1 failed\n7 passed, 2 failed\n"),
            Tally {
                passed: 7,
                failed: 2
            }
        );
        assert_eq!(tally("7 passed, 0 failed\nstopped\n"), Tally::default());
    }

    #[test]
    fn what_did_not_build_crashed_or_ran_nothing_has_failed() {
        let step = Step::cargo("tests", &[]).counting_tests();
        let passed = Tally {
            passed: 4,
            failed: 0,
        };
        let failed = Tally {
            passed: 4,
            failed: 1,
        };
        assert_eq!(step.judge(passed, true), passed);
        assert_eq!(step.judge(passed, false), failed);
        assert_eq!(step.judge(failed, false), failed);
        assert_eq!(step.judge(Tally::default(), true), Tally::one(false));
    }

    #[test]
    fn what_had_to_run_and_did_not_has_failed() {
        let missing = Outcome::not_run("tests", "there is no C compiler", true);
        let optional = Outcome::not_run("deny", "cargo-deny is not installed", false);
        assert_eq!(missing.tally(), Tally::one(false));
        assert_eq!(optional.tally(), Tally::default());
        assert_eq!(
            missing.to_string(),
            "tests           not run: there is no C compiler"
        );
    }

    #[test]
    fn failures_are_shown() {
        assert!(is_routine("test jwt::tests::expired ... ok"));
        assert!(!is_routine("test jwt::tests::expired ... FAILED"));
        assert!(!is_routine("test result: FAILED. 1 passed; 1 failed"));
    }
}
