//! Runs the fuzz target `receipt` on its corpus and on random inputs.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

#[expect(unreachable_pub, reason = "a public module of the fuzz crate")]
#[path = "../../../fuzz/src/receipt.rs"]
mod receipt;

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test reads the repository's own files"
)]
fn the_corpus_passes() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/receipt");
    let mut inputs = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        receipt::check(&fs::read(entry.unwrap().path()).unwrap());
        inputs += 1;
    }
    assert!(inputs >= 6, "{inputs} inputs");
}

proptest! {
    #[test]
    fn random_inputs_pass(input in proptest::collection::vec(any::<u8>(), 0..60)) {
        receipt::check(&input);
    }
}
