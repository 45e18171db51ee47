//! Replays the corpora of the fuzz targets of this crate without a fuzzer, and runs them on random inputs.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

#[expect(unreachable_pub, reason = "a public module of the fuzz crate")]
#[path = "../../../fuzz/src/bearer.rs"]
mod bearer;
#[expect(unreachable_pub, reason = "a public module of the fuzz crate")]
#[path = "../../../fuzz/src/collection_name.rs"]
mod collection_name;
#[expect(unreachable_pub, reason = "a public module of the fuzz crate")]
#[path = "../../../fuzz/src/content_disposition.rs"]
mod content_disposition;
#[expect(unreachable_pub, reason = "a public module of the fuzz crate")]
#[path = "../../../fuzz/src/digest_fields.rs"]
mod digest_fields;
#[expect(unreachable_pub, reason = "a public module of the fuzz crate")]
#[path = "../../../fuzz/src/http_range.rs"]
mod http_range;
#[expect(unreachable_pub, reason = "a public module of the fuzz crate")]
#[path = "../../../fuzz/src/json_bodies.rs"]
mod json_bodies;

#[expect(unreachable_pub, reason = "a public module of the fuzz crate")]
#[path = "../../../fuzz/src/link_secret.rs"]
mod link_secret;

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
    assert!(inputs > 20, "the corpus has only {inputs} inputs");
}

#[test]
fn ranges_pass_their_corpus() {
    replay("http_range", http_range::check);
}

#[test]
fn file_names_pass_their_corpus() {
    replay("content_disposition", content_disposition::check);
}

#[test]
fn names_in_collections_pass_their_corpus() {
    replay("collection_name", collection_name::check);
}

#[test]
fn secrets_of_links_pass_their_corpus() {
    replay("link_secret", link_secret::check);
}

#[test]
fn credentials_pass_their_corpus() {
    replay("bearer", bearer::check);
}

#[test]
fn json_bodies_pass_their_corpus() {
    replay("json_bodies", json_bodies::check);
}

#[test]
fn digest_fields_pass_their_corpus() {
    replay("digest_fields", digest_fields::check);
}

proptest! {
    #[test]
    fn random_bytes_are_parsed_consistently(input in proptest::collection::vec(any::<u8>(), 0..80)) {
        http_range::check(&input);
        content_disposition::check(&input);
        bearer::check(&input);
        json_bodies::check(&input);
        digest_fields::check(&input);
    }

    #[test]
    fn nearly_valid_ranges_are_parsed_consistently(input in "[\0]{6}[\0-~]{2}[Bb]ytes ?=[ \t]?[0-9]{0,21}-[0-9]{0,21}[ ,]?") {
        http_range::check(input.as_bytes());
    }

    #[test]
    fn nearly_valid_credentials_are_parsed_consistently(input in "[Bb]earer[ :]{1,2}[!-~]{0,3}[: ]?[ -~]{0,4}\n?") {
        bearer::check(input.as_bytes());
    }

    #[test]
    fn nearly_valid_names_in_collections_are_parsed_consistently(input in "(%2[EeFf5]|%5[Cc]|[a.%/\\\\é0-1]){0,8}") {
        collection_name::check(input.as_bytes());
    }

    #[test]
    fn nearly_valid_secrets_are_parsed_consistently(input in "(/v1|/a)?(/links){0,3}[/?#]?[0-9a-f]{63}[0-9a-g/?]{0,2}(/links)?") {
        link_secret::check(input.as_bytes());
    }

    #[test]
    fn nearly_valid_file_names_are_parsed_consistently(input in "(; ?filename=)?[\"\\\\a;= é%]{0,12}") {
        content_disposition::check(input.as_bytes());
    }

    #[test]
    fn nearly_valid_json_is_parsed_consistently(input in "[012](application/json)?\n ?\\{\"(name|labels|members|member_id)\":[\\[{]?\"[\\\\udD8cC0\"a]{0,12}\"[\\]}]?[,}]{1,2}") {
        json_bodies::check(input.as_bytes());
    }

    #[test]
    fn nearly_valid_digests_are_parsed_consistently(input in "[CR]sha-(256|512)=:[A-D=/]{0,5}:(;[ab*]=[-?@%\":1.a]{0,4})?[ ,]{0,2}(\n[CR]a=:AA==:)?") {
        digest_fields::check(input.as_bytes());
    }
}
