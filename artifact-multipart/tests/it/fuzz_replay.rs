//! Replays the corpus of the fuzz target `multipart` without a fuzzer.

use std::fs;
use std::path::Path;

#[expect(unreachable_pub, reason = "it is a library for the fuzz targets")]
#[path = "../../../fuzz/src/multipart.rs"]
pub(crate) mod multipart;

#[test]
fn every_input_of_the_corpus_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/multipart");
    let mut inputs = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test reads the repository's own files"
        )]
        let input = fs::read(entry.unwrap().path()).unwrap();
        multipart::check(&input);
        inputs += 1;
    }
    assert!(inputs > 40, "{inputs} inputs are not a corpus");
}
