//! The cases find out every deliberately broken adapter.

use palisade_conformance::{broken, suite};

/// PITFALLS 68: cases that cannot fail prove nothing.
#[test]
fn every_broken_adapter_is_found_out() {
    let suite = suite().unwrap();
    for broken in broken::all() {
        assert_eq!(broken.find_out(&suite), Ok(()), "{broken}");
    }
}
