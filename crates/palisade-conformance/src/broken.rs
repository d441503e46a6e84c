//! Deliberately broken adapters. Each makes a mistake that a public project made; a suite that stays green over one of
//! them proves nothing.

#[cfg(feature = "actix")]
mod actix;
#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "poem")]
mod poem;

use std::collections::BTreeSet;
use std::fmt;

use crate::harness::{Fixture, Harness, Running};
use crate::overheard::Overheard;
use crate::report::{MatrixReport, Tally, must_be_red};
use crate::run::{Filter, run};
use crate::suite::Suite;

/// The case file that must find them out.
const FILE: &str = "adapters: ";

/// An adapter with one mistake.
pub struct Broken {
    framework: &'static str,
    mistake: &'static str,
    /// The cases that must be red.
    found_by: &'static [&'static str],
    /// No case says what is wrong: it shows only beside what core alone answers.
    only_core_knows: bool,
    /// Where it tells a credential that it was sent: the target of a log line, or `answer`.
    tells: Option<&'static str>,
    start: fn(&Fixture) -> Result<Running, String>,
}

impl Harness for Broken {
    fn name(&self) -> &'static str {
        self.framework
    }

    fn start(&self, fixture: &Fixture) -> Result<Running, String> {
        (self.start)(fixture)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.framework, self.mistake)
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Broken({self})")
    }
}

/// The broken adapters of all frameworks that are built in.
pub fn all() -> Vec<Broken> {
    vec![
        #[cfg(feature = "axum")]
        axum::DECIDES_AFTER_THE_CALL,
        #[cfg(feature = "axum")]
        axum::WORDS_OF_ITS_OWN,
        #[cfg(feature = "axum")]
        axum::HEADERS_IN_THE_LOG,
        #[cfg(feature = "actix")]
        actix::STATE_PER_WORKER,
        #[cfg(feature = "actix")]
        actix::EDITS_DROPPED_ON_ERRORS,
        #[cfg(feature = "actix")]
        actix::CHALLENGES_OF_ITS_OWN,
        #[cfg(feature = "actix")]
        actix::BYTES_IN_THE_LOG,
        #[cfg(feature = "poem")]
        poem::EDITS_DROPPED_ON_ERRORS,
        #[cfg(feature = "poem")]
        poem::SECOND_AUTHORIZATION_IGNORED,
        #[cfg(feature = "poem")]
        poem::CREDENTIALS_IN_REFUSALS,
    ]
}

impl Broken {
    /// Runs the cases that are there to find out broken adapters, and demands that they do.
    ///
    /// # Errors
    /// The cases that stay green; or that all are red, as they are over a server that does not start.
    pub fn find_out(&self, suite: &Suite) -> Result<(), String> {
        let report = self.run(suite, true)?;
        if report.tally().passed == 0 {
            return Err("nothing works at all, which proves nothing".to_owned());
        }
        must_be_red(&report, self.found_by)?;
        let leaks = Overheard::listen()?.leaks();
        let told = leaks.iter().map(|leak| leak.by.as_str());
        if told.collect::<BTreeSet<_>>() != self.tells.into_iter().collect() {
            return Err(format!("secrets were told, or were not: {leaks:#?}"));
        }
        if self.only_core_knows && !self.run(suite, false)?.is_green() {
            return Err("the cases alone find it out, so nothing is said of core".to_owned());
        }
        Ok(())
    }

    fn run(&self, suite: &Suite, explain: bool) -> Result<MatrixReport, String> {
        let filter = Filter {
            text: Some(FILE.to_owned()),
            explain,
            overheard: Some(Overheard::listen()?),
            ..Filter::default()
        };
        run(suite, &[self], &filter)
    }
}

/// Finds out all of them, and says so line by line.
pub(crate) fn command(suite: &Suite) -> Tally {
    let mut tally = Tally::default();
    for broken in all() {
        match broken.find_out(suite) {
            Ok(()) => {
                tally.passed += 1;
                println!("{broken}: found out");
            }
            Err(message) => {
                tally.failed += 1;
                println!("{broken}: {message}");
            }
        }
    }
    println!("{tally}");
    tally
}
