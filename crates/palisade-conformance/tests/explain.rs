//! `palisade explain` says of every request of every case what the servers did.

use palisade_conformance::{Filter, harness, run, suite};

#[test]
fn explain_agrees_with_what_the_servers_did() {
    let explain = Filter {
        explain: true,
        ..Filter::default()
    };
    let report = run(&suite().unwrap(), &harness::all(), &explain).unwrap();
    assert!(report.is_green(), "{report}");
    let explained = report.explained();
    println!("{explained}");
    assert_eq!(explained.different, 0);
    // Nothing can be said of what neither the layer nor the handler ended; that must stay rare.
    assert!(explained.aborted * 100 < explained.agreed(), "{explained}");
}
