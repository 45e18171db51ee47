//! Runs the fuzz target `backend_ops` on its corpus and on random inputs. It checks that nothing is
//! overwritten and that nothing outside the root changes, whatever is planted in the root.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

#[expect(unreachable_pub, reason = "a public module of the fuzz crate")]
#[path = "../../../fuzz/src/backend_ops.rs"]
mod backend_ops;

#[test]
fn the_corpus_passes() {
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
    fn random_operations_never_overwrite_or_leave_the_root(
        input in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        backend_ops::check(&input);
    }
}
