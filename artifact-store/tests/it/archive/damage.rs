//! Damaged archives, and damaged stores.

use artifact_backend::{ArtifactBackend as _, ArtifactInventory as _};
use artifact_store::{ErrorKind, ImportOptions};
use bytes::Bytes;
use proptest::prelude::*;

use super::site::{Halves, fill, small};

/// Checks that an archive is refused and that nothing is visible.
async fn check_refused(archive: &[u8], what: &str) -> ErrorKind {
    let to = Halves::in_memory();
    let dry = to.importer(ImportOptions::default().with_dry_run(true));
    let dry = dry.run(archive, |_| {}).await;
    let error = to.import(archive).await.map(drop).unwrap_err();
    assert_eq!(to.rows().await, [], "{what}");
    assert_eq!(to.catalog.experiments().await.unwrap(), [], "{what}");
    assert_eq!(
        dry.unwrap_err().kind(),
        error.kind(),
        "{what}: a dry run sees it too"
    );
    error.kind()
}

#[tokio::test]
async fn an_archive_with_one_changed_byte_is_refused() {
    let halves = Halves::in_memory();
    fill(&halves, &[3, 600, 0]).await;
    let (_, archive) = halves.export().await.unwrap();
    for at in 0..archive.len() {
        let mut changed = archive.clone();
        changed[at] ^= [1, 0x20, 0x80][at % 3];
        let kind = check_refused(&changed, &format!("byte {at}")).await;
        let expected = [ErrorKind::Corrupt, ErrorKind::Unsupported];
        assert!(expected.contains(&kind), "byte {at}: {kind}");
    }
}

#[tokio::test]
async fn a_cut_off_or_longer_archive_is_refused() {
    let (_, archive) = small().await;
    for end in (0..archive.len())
        .step_by(311)
        .chain(archive.len() - 3..archive.len())
    {
        let kind = check_refused(&archive[..end], &format!("{end} bytes")).await;
        assert_eq!(kind, ErrorKind::Corrupt, "{end}");
    }
    for more in [&[0][..], &[0; 512], b"x", &archive] {
        let longer = [&archive, more].concat();
        assert_eq!(check_refused(&longer, "longer").await, ErrorKind::Corrupt);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_edit_of_blocks_makes_another_archive(edits in edits()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (_, archive) = small().await;
            let mut blocks: Vec<_> = archive.chunks(512).map(<[u8]>::to_vec).collect();
            for (kind, at, other) in edits {
                let (at, other) = (at % blocks.len(), other % blocks.len());
                match kind {
                    0 => blocks.swap(at, other),
                    1 => drop(blocks.remove(at)),
                    2 => blocks.insert(at, blocks[other].clone()),
                    3 => blocks.insert(at, vec![0; 512]),
                    _ => blocks[at][other] = blocks[at][other].wrapping_add(1),
                }
            }
            let edited = blocks.concat();
            if edited != archive {
                check_refused(&edited, "edited").await;
            }
        });
    }
}

fn edits() -> impl Strategy<Value = Vec<(u8, usize, usize)>> {
    proptest::collection::vec((0..5_u8, 0..512_usize, 0..512_usize), 1..4)
}

#[tokio::test]
async fn an_export_names_the_damaged_artifact_and_has_no_end() {
    // The sizes choose between a blob that is loaded at once and one that is streamed.
    for n in [1, 3] {
        let (halves, _) = small().await;
        let row = halves.rows().await.remove(n);
        halves.backend.delete(row.id).await.unwrap();
        let (error, archive) = halves.export().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.id()),
            (ErrorKind::Corrupt, Some(row.id))
        );
        assert!(error.detail().contains("missing"), "{error}");
        assert_eq!(check_refused(&archive, "missing").await, ErrorKind::Corrupt);

        let mut other = vec![7; usize::try_from(row.size).unwrap()];
        let swapped = Halves::of(halves.catalog.clone());
        for kept in halves.rows().await {
            if kept.id == row.id {
                let other = Bytes::from(std::mem::take(&mut other));
                swapped.backend.store(row.id, other).await.unwrap();
            } else {
                let bytes = halves.backend.load(kept.id).await.unwrap();
                swapped.backend.store(kept.id, bytes).await.unwrap();
            }
        }
        let (error, archive) = swapped.export().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.id()),
            (ErrorKind::Corrupt, Some(row.id))
        );
        assert!(error.detail().contains("SHA-256"), "{error}");
        assert_eq!(check_refused(&archive, "damaged").await, ErrorKind::Corrupt);
    }
}

#[tokio::test]
async fn an_unknown_experiment_is_not_exported() {
    let (error, archive) = Halves::in_memory().export().await.unwrap_err();
    assert_eq!((error.kind(), error.id()), (ErrorKind::NotFound, None));
    assert_eq!(archive, b"");
}
