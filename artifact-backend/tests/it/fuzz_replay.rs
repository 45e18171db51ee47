//! Runs the fuzz targets `opaque_id` and `artifact_uri` on their corpora and on random inputs.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

#[expect(unreachable_pub, reason = "a public module of the fuzz crate")]
#[path = "../../../fuzz/src/artifact_uri.rs"]
mod artifact_uri;
#[expect(unreachable_pub, reason = "a public module of the fuzz crate")]
#[path = "../../../fuzz/src/opaque_id.rs"]
mod opaque_id;

fn replay(target: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test reads the repository's own files"
        )]
        let input = fs::read(entry.unwrap().path()).unwrap();
        check(&input);
        inputs += 1;
    }
    assert!(inputs > 10, "the corpus has only {inputs} inputs");
}

#[test]
fn the_id_parser_passes_its_corpus() {
    replay("opaque_id", opaque_id::check);
}

#[test]
fn the_uri_parser_passes_its_corpus() {
    replay("artifact_uri", artifact_uri::check);
}

proptest! {
    #[test]
    fn random_bytes_are_parsed_consistently(input in proptest::collection::vec(any::<u8>(), 0..80)) {
        opaque_id::check(&input);
        artifact_uri::check(&input);
    }

    #[test]
    fn nearly_valid_texts_are_parsed_consistently(input in "[0-9a-fA-F]{30,34}|eden://artifacts/[0-9a-fg]{31,33}/?") {
        opaque_id::check(input.as_bytes());
        artifact_uri::check(input.as_bytes());
    }

    #[test]
    fn nearly_valid_prefixes_are_parsed_consistently(input in "[!-~]{0,4}/?\n[!-~]{0,4}/?[0-9a-f]{32}") {
        artifact_uri::check(input.as_bytes());
    }
}
