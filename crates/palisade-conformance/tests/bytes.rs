//! Random bytes to the three demo servers: what they answer is the same.

use palisade_conformance::bytes::{Bytes, compare};

/// Fixed, so that a change of code is the only reason for a change of colour; `--bytes` takes other seeds.
const SEED: u64 = 1;

#[test]
fn the_same_bytes_have_the_same_answers() {
    let found = compare(Bytes {
        streams: 450,
        seed: SEED,
        examples: false,
    })
    .unwrap();
    println!("{found}");
    assert_eq!(found.streams, 450);
    assert_eq!(found.undeclared(), 0, "{found}");
    assert!(found.unrepeated() <= 5, "{found}");
    // Most streams hold something that is served, or they would prove little.
    assert!(found.good > 1000, "{found}");
    assert!(found.answers > 3 * 700, "{found}");
    // Each kind is still met: one that is not has lost its reason.
    for kind in [
        "a length and chunks",
        "closed after the same answer by one, not by another",
    ] {
        assert!(found.declared().contains_key(kind), "{kind}\n{found}");
    }
}
