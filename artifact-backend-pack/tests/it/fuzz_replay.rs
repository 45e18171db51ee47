//! Runs the fuzz target `pack_recovery` on its corpus and on random inputs.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

#[expect(unreachable_pub, reason = "a public module of the fuzz crate")]
#[path = "../../../fuzz/src/pack_recovery.rs"]
mod pack_recovery;

#[test]
fn the_corpus_passes() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/pack_recovery");
    let mut inputs = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        pack_recovery::check(&fs::read(entry.unwrap().path()).unwrap());
        inputs += 1;
    }
    assert!(inputs > 0, "the corpus is empty");
}

proptest! {
    #[test]
    fn recovery_finds_a_prefix_of_what_was_written(
        shape in any::<[u8; 4]>(),
        changes in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let input = [&shape[..], &changes].concat();
        pack_recovery::check(&input);
    }
}
