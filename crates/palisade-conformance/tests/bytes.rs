//! Random bytes to the three demo servers: what they answer is the same.

use palisade_conformance::bytes::{Bytes, compare};

/// Fixed, so that a change of code is the only reason for a change of colour; `--bytes` takes other seeds.
const SEED: u64 = 1;

#[test]
fn the_same_bytes_have_the_same_answers() {
    let found = compare(Bytes {
        streams: 1500,
        seed: SEED,
        examples: false,
    })
    .unwrap();
    println!("{found}");
    assert_eq!(found.streams, 1500);
    assert_eq!(found.undeclared(), 0, "{found}");
}
