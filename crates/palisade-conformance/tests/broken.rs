//! The cases find out every deliberately broken adapter.

use palisade_conformance::{broken, suite};

#[test]
fn every_broken_adapter_is_found_out() {
    let suite = suite().unwrap();
    for broken in broken::all() {
        assert_eq!(broken.find_out(&suite), Ok(()), "{broken}");
    }
}
