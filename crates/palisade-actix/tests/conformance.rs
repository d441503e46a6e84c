//! Every conformance case, on actix-web over real sockets.

use palisade_conformance::{Filter, harness, run, suite};

#[test]
fn every_case_does_what_it_says() {
    let suite = suite().unwrap();
    let filter = Filter {
        framework: Some("actix".to_owned()),
        ..Filter::default()
    };
    let report = run(&suite, &harness::all(), &filter).unwrap();
    report.print();
    assert!(report.is_green(), "{}", report.tally());
}
