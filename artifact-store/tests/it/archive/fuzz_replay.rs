//! Replays the corpus of the fuzz target `archive`, which this file can write.

use std::path::{Path, PathBuf};

use super::site::{Halves, fill};

#[expect(unreachable_pub, reason = "a public module of the fuzz crate")]
#[path = "../../../../fuzz/src/archive.rs"]
mod target;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/archive")
}

/// Returns whole archives, and one for each way to be wrong.
async fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let mut archives = Vec::new();
    for sizes in [&[][..], &[0], &[3, 600, 0]] {
        let halves = Halves::in_memory();
        fill(&halves, sizes).await;
        archives.push(halves.export().await.unwrap().1);
    }
    let [none, empty, three] = <[_; 3]>::try_from(archives).unwrap();
    let changed = |at: usize, byte: u8| {
        let mut archive = three.clone();
        archive[at] = byte;
        archive
    };
    let without = |from: usize, to: usize| [&three[..from], &three[to..]].concat();
    // Blocks: 0 and 1 the head, 2 to 5 the list, then the blobs.
    let blob = three.windows(6).position(|text| text == b"blobs/").unwrap();
    let mut twice = three.clone();
    twice.extend_from_slice(&three);
    let end = three.len();
    vec![
        ("whole-none", none),
        ("whole-one-empty", empty),
        ("whole-three", three.clone()),
        ("cut-off-in-a-header", three[..blob + 100].to_vec()),
        ("without-its-end", three[..end - 1_024].to_vec()),
        ("with-one-empty-block", three[..end - 512].to_vec()),
        ("twice", twice),
        ("head-of-another-version", changed(512 + 42, b'7')),
        ("blob-as-a-symlink", changed(blob + 156, b'2')),
        ("blob-as-a-folder", changed(blob + 156, b'5')),
        ("blob-with-a-path", changed(blob + 5, b'.')),
        ("blob-with-another-size", changed(blob + 134, b'7')),
        ("blob-with-another-byte", changed(blob + 512, b'?')),
        ("without-a-blob", without(blob, blob + 1_024)),
        ("without-the-head", three[1_024..].to_vec()),
    ]
}

#[tokio::test]
async fn the_corpus_has_an_archive_for_each_way_to_be_wrong() {
    let folder = corpus();
    for (name, input) in inputs().await {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test reads its golden file, and writes it on request"
        )]
        let committed = {
            if std::env::var_os("ARTIFACT_REGENERATE").is_some() {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(folder.join(name), &input).unwrap();
            }
            std::fs::read(folder.join(name)).unwrap_or_default()
        };
        assert!(
            committed == input,
            "{name} is outdated; run: ARTIFACT_REGENERATE=1 cargo test -p artifact-store --all-features archive"
        );
    }
}

#[test]
fn the_importer_passes_its_corpus() {
    let mut inputs = 0;
    for entry in std::fs::read_dir(corpus()).unwrap() {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test reads the repository's own files"
        )]
        let input = std::fs::read(entry.unwrap().path()).unwrap();
        target::check(&input);
        inputs += 1;
    }
    assert!(inputs > 10, "the corpus has only {inputs} inputs");
}
