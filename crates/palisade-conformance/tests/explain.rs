//! All cases once more, on servers beside which core alone decides, too, and with an ear on everything they say.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::sync::LazyLock;

use palisade_conformance::{Filter, Leak, MatrixReport, Overheard, harness, run, suite};

/// One run for all tests of this file.
static RUN: LazyLock<Run> = LazyLock::new(|| {
    let overheard = Overheard::listen().unwrap();
    let filter = Filter {
        explain: true,
        overheard: Some(overheard),
        ..Filter::default()
    };
    let report = run(&suite().unwrap(), &harness::all(), &filter).unwrap();
    Run {
        report,
        secrets: overheard.secrets(),
        speakers: overheard.speakers().into_keys().collect(),
        leaks: overheard.leaks(),
    }
});

struct Run {
    report: MatrixReport,
    /// How many forms of secrets were looked for.
    secrets: usize,
    /// Who said anything.
    speakers: Vec<String>,
    leaks: Vec<Leak>,
}

/// `palisade explain` says of every request of every case what the servers did.
#[test]
fn explain_agrees_with_what_the_servers_did() {
    let report = &RUN.report;
    assert!(report.is_green(), "{report}");
    let explained = report.explained();
    println!("{explained}");
    assert_eq!(explained.different, 0);
    // Nothing can be said of what neither the layer nor the handler ended; that must stay rare.
    assert!(explained.aborted * 100 < explained.agreed(), "{explained}");
}

/// Whatever is refused is refused by each server as core refuses it without a framework.
#[test]
fn every_refusal_is_that_of_core_alone() {
    let report = &RUN.report;
    assert!(report.is_green(), "{report}");
    let explained = report.explained();
    println!("{explained}");
    assert!(explained.answered_by_core > 5000, "{explained}");
    // The demo's own words, and those of guards that the probe does not have.
    let others = explained.refused_by_the_application;
    assert!(others * 50 < explained.answered_by_core, "{explained}");
}

#[test]
fn no_secret_is_said() {
    println!("{} forms of secrets", RUN.secrets);
    assert!(RUN.secrets > 5000, "{}", RUN.secrets);
    // Those whose silence means something did speak.
    for speaker in [
        "audit",
        "answer",
        "palisade",
        "actix_http::h1::dispatcher",
        "sqlx::query",
    ] {
        assert!(RUN.speakers.iter().any(|it| it == speaker), "{speaker}");
    }
    let leaks: Vec<_> = RUN.leaks.iter().map(Leak::to_string).collect();
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}
