//! The fuzz target `backend_ops` without a fuzzer: its corpus, and random inputs from proptest. What
//! it holds: nothing is overwritten and nothing outside the root is touched, whatever is planted in
//! it, on the map and on the folder alike.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

#[expect(unreachable_pub, reason = "it is a library for the fuzz targets")]
#[path = "../../../fuzz/src/backend_ops.rs"]
mod backend_ops;

#[test]
fn every_input_of_the_corpus_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/backend_ops");
    let mut inputs = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        backend_ops::check(&fs::read(entry.unwrap().path()).unwrap());
        inputs += 1;
    }
    assert!(inputs > 0, "the corpus is empty");
}

proptest! {
    #[test]
    fn random_operations_never_overwrite_nor_leave_the_root(
        input in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        backend_ops::check(&input);
    }
}
