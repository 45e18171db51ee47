//! Random blobs, writes and ranges: the layer returns what a slice returns.

use artifact_backend::{
    ArtifactBackend, ArtifactBackendExt, ArtifactInventory, ByteRange, ErrorKind,
};
use futures_util::TryStreamExt;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::world::{CHUNK, ID, empty, plain};

/// Sizes near the edges of chunks, and others.
fn size() -> impl Strategy<Value = usize> {
    let edge = (0..4_usize, -2..3_isize)
        .prop_map(|(chunks, offset)| (chunks * CHUNK).saturating_add_signed(offset));
    prop_oneof![0..100_usize, edge, 0..70_000_usize]
}

fn position() -> impl Strategy<Value = u64> {
    prop_oneof![size().prop_map(|position| position as u64), Just(u64::MAX)]
}

fn range() -> impl Strategy<Value = ByteRange> {
    prop_oneof![
        Just(ByteRange::Full),
        (position(), position()).prop_map(|(first, last)| ByteRange::FromTo { first, last }),
        position().prop_map(ByteRange::From),
        position().prop_map(ByteRange::Suffix),
    ]
}

proptest! {
    #[test]
    fn every_range_of_every_blob_is_exact(
        size in size(),
        writes in prop::collection::vec(0..40_000_usize, 0..5),
        ranges in prop::collection::vec(range(), 1..6),
    ) {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let (world, right) = (empty(), plain(size));
            let mut upload = world.upload(ID).await.unwrap();
            let mut rest = right.clone();
            for len in writes {
                upload.write(rest.split_to(len.min(rest.len()))).await.unwrap();
            }
            upload.write(rest).await.unwrap();
            upload.commit().await.unwrap();

            assert_eq!(world.load(ID).await.unwrap(), right);
            assert_eq!(world.stat(ID).await.unwrap().size, size as u64);
            let listed: Vec<_> = world.list().await.unwrap().try_collect().await.unwrap();
            assert_eq!(listed, [world.stat(ID).await.unwrap()]);
            for range in ranges {
                let found = world.load_range(ID, range).await;
                match range.resolve(size as u64) {
                    Ok(inside) => {
                        let inside = inside.start as usize..inside.end as usize;
                        assert_eq!(found.unwrap(), right.slice(inside));
                    }
                    Err(_) => {
                        let error = found.unwrap_err();
                        assert_eq!(error.kind(), ErrorKind::InvalidRange);
                        assert_eq!(error.blob_size(), Some(size as u64));
                    }
                }
            }
        });
    }
}
