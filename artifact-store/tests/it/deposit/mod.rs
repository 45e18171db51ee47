//! Successful deposits, and the limits.

mod keyed;
mod order;
mod timeout;

use artifact_backend::{ArtifactBackend as _, Operation};
use artifact_store::{
    ContentType, ErrorKind, FileName, NewArtifact, Principal, PrincipalId, StoreConfig,
};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{World, bytes, digest, experiment, worker};

const CHUNK: usize = 256 << 10;
const SMALL: usize = 1 << 20;

#[tokio::test]
async fn rows_describe_their_deposit() {
    let world = World::new().await;
    let new = NewArtifact::new(experiment(), &worker())
        .with_content_type(ContentType::clean("text/plain"))
        .with_file_name(FileName::clean("a.txt"))
        .with_size_hint(5);
    let mut deposit = world.store.deposit(new);
    deposit.write(Bytes::from_static(b"hel")).await.unwrap();
    deposit.write(Bytes::new()).await.unwrap();
    deposit.write(Bytes::from_static(b"lo")).await.unwrap();
    assert_eq!(deposit.size(), 5);
    let row = deposit.finish().await.unwrap();

    assert_eq!(row.experiment, experiment());
    assert_eq!(row.created_by, worker().id());
    assert_eq!(row.size, 5);
    assert_eq!(row.content_type.as_str(), "text/plain");
    assert_eq!(row.file_name.as_ref().unwrap().as_str(), "a.txt");
    // SHA-256 of the bytes, computed with sha256sum.
    assert_eq!(
        row.sha256.to_string(),
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    );
    assert_eq!(row.created_at.as_second(), 1_700_000_000);
    assert_eq!(*world.store.row(&experiment(), row.id).await.unwrap(), *row);
    assert_eq!(world.mem.load(row.id).await.unwrap(), "hello");
}

#[tokio::test]
async fn administrators_deposit_as_admin_and_empty_artifacts_are_accepted() {
    let world = World::new().await;
    let new = NewArtifact::new(experiment(), &Principal::admin());
    let row = world.store.deposit(new).finish().await.unwrap();
    assert_eq!(row.created_by, PrincipalId::Admin);
    assert_eq!(row.size, 0);
    assert_eq!(row.sha256, digest(b""));
    assert_eq!(row.content_type.as_str(), "application/octet-stream");
    assert_eq!(row.file_name, None);
    assert_eq!(world.mem.load(row.id).await.unwrap(), "");
}

#[tokio::test]
async fn equal_bytes_get_different_ids() {
    let world = World::new().await;
    let one = world.deposit(b"same", 4).await.unwrap();
    let two = world.deposit(b"same", 4).await.unwrap();
    assert_ne!(one.id, two.id);
    assert_eq!(one.sha256, two.sha256);
}

#[tokio::test]
async fn bytes_and_hash_are_right_around_every_threshold() {
    let world = World::new().await;
    let around = |n: usize| [n - 1, n, n + 1];
    let lengths = [0, 1, 63, 64, 65]
        .into_iter()
        .chain(around(64 << 10))
        .chain(around(CHUNK))
        .chain(around(SMALL))
        .chain(around(SMALL + CHUNK))
        .chain([SMALL + 3 * CHUNK + 17]);
    for length in lengths {
        let body = bytes(length);
        for piece in [4096, CHUNK - 1, CHUNK, CHUNK + 1, SMALL, SMALL + 1, length] {
            let row = world.deposit(&body, piece).await.unwrap();
            assert_eq!(row.size, length as u64, "{length} by {piece}");
            assert_eq!(row.sha256, digest(&body), "{length} by {piece}");
            assert!(
                world.mem.load(row.id).await.unwrap() == body,
                "{length} by {piece}"
            );
        }
    }
}

#[tokio::test]
async fn small_deposits_are_stored_and_larger_ones_are_streamed() {
    let config = StoreConfig::default().with_small_deposit_bytes(100);
    let world = World::with(config).await;
    world.deposit(&bytes(100), 1).await.unwrap();
    assert_eq!(world.backend.calls(), [Operation::Store]);
    world.deposit(&bytes(101), 1).await.unwrap();
    // The collected bytes first, then the later ones.
    assert_eq!(
        world.backend.calls()[1..],
        [Operation::Upload, Operation::Write, Operation::Commit]
    );
}

#[tokio::test]
async fn size_hints_only_decide_how_bytes_are_stored() {
    let config = StoreConfig::default()
        .with_small_deposit_bytes(100)
        .with_max_artifact_bytes(1000);
    for hint in [0, 1, 100, 101, 1000, 1001, u64::MAX] {
        for length in [0, 1, 100, 101, 1000] {
            let world = World::with(config.clone()).await;
            let new = World::new_artifact().with_size_hint(hint);
            let mut deposit = world.store.deposit(new);
            let body = bytes(length);
            for piece in body.chunks(64) {
                deposit.write(Bytes::copy_from_slice(piece)).await.unwrap();
            }
            let row = deposit.finish().await.unwrap();
            assert_eq!(row.sha256, digest(&body), "{length}, hint {hint}");
            assert_eq!(world.mem.load(row.id).await.unwrap(), body);
            let streamed = world.backend.calls().contains(&Operation::Upload);
            assert_eq!(streamed, length > 100 || (length > 0 && hint > 100));
        }
    }
}

#[tokio::test]
async fn the_size_limit_is_exact_and_nothing_remains_past_it() {
    for (cap, small) in [(300, 100), (300, 300), (300, 1000), (0, 100), (1, 0)] {
        let config = StoreConfig::default()
            .with_max_artifact_bytes(cap)
            .with_small_deposit_bytes(small);
        let cap = usize::try_from(cap).unwrap();
        for piece in [1, 7, 100, 299, 300, 301, 5000] {
            for length in [cap.saturating_sub(1), cap] {
                let world = World::with(config.clone()).await;
                let row = world.deposit(&bytes(length), piece).await.unwrap();
                assert_eq!(row.size, length as u64);
            }
            for length in [cap + 1, cap + 2, cap + 4000] {
                let world = World::with(config.clone()).await;
                let mut deposit = world.store.deposit(World::new_artifact());
                let mut taken = 0;
                let body = bytes(length);
                let mut refusal = None;
                for piece in body.chunks(piece) {
                    match deposit.write(Bytes::copy_from_slice(piece)).await {
                        Ok(()) => taken += piece.len(),
                        Err(error) => {
                            refusal = Some(error);
                            break;
                        }
                    }
                }
                let error = refusal.expect("one piece passed the cap");
                assert_eq!(error.kind(), ErrorKind::TooLarge, "{cap} {piece} {length}");
                // The chunk that exceeds the limit is rejected.
                assert_eq!(taken, cap / piece * piece, "{cap} {piece} {length}");
                world.assert_empty().await;

                let error = deposit.write(Bytes::new()).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unexpected);
                let error = deposit.finish().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unexpected);
                world.assert_empty().await;
            }
        }
    }
}

#[tokio::test]
async fn aborted_and_dropped_deposits_leave_nothing_behind() {
    let config = StoreConfig::default().with_small_deposit_bytes(100);
    for length in [0, 50, 5000] {
        for abort in [true, false] {
            let world = World::with(config.clone()).await;
            let mut deposit = world.store.deposit(World::new_artifact());
            deposit.write(bytes(length).into()).await.unwrap();
            if abort {
                deposit.abort().await.unwrap();
            } else {
                drop(deposit);
            }
            world.assert_empty().await;
        }
    }
}

#[tokio::test]
async fn concurrent_deposits_do_not_mix() {
    let world = World::with(StoreConfig::default().with_small_deposit_bytes(1000)).await;
    let deposits = (0..64_usize).map(|n| {
        let world = &world;
        async move {
            let body = bytes(n * 97);
            let row = world.deposit(&body[n..], 100).await.unwrap();
            (row, body[n..].to_vec())
        }
    });
    for (row, body) in futures_util::future::join_all(deposits).await {
        assert_eq!(row.sha256, digest(&body));
        assert_eq!(world.mem.load(row.id).await.unwrap(), body);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn chunks_of_any_length_keep_their_order(
        lengths in vec(
            prop_oneof![0_usize..64, Just(CHUNK - 1), Just(CHUNK), Just(CHUNK + 1), 0..CHUNK * 2],
            0..8,
        ),
        small in prop_oneof![Just(0), Just(1000), Just(CHUNK), Just(SMALL)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::with(StoreConfig::default().with_small_deposit_bytes(small)).await;
            let body = bytes(lengths.iter().sum());
            let mut deposit = world.store.deposit(World::new_artifact());
            let mut rest = body.as_slice();
            for length in lengths {
                let (piece, after) = rest.split_at(length);
                deposit.write(Bytes::copy_from_slice(piece)).await.unwrap();
                rest = after;
            }
            let row = deposit.finish().await.unwrap();
            prop_assert_eq!(row.sha256, digest(&body));
            prop_assert!(world.mem.load(row.id).await.unwrap() == body);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn small_chunks_are_collected_up_to_one_buffer() {
    let world = World::with(StoreConfig::default().with_small_deposit_bytes(0)).await;
    world.deposit(&bytes(4 * CHUNK), 1000).await.unwrap();
    let writes = world
        .backend
        .calls()
        .iter()
        .filter(|call| **call == Operation::Write)
        .count();
    // A buffer holds 262 chunks of 1000 bytes.
    assert_eq!(writes, (4 * CHUNK).div_ceil(262 * 1000));
}

fn assert_send<T: Send>(_: &T) {}

fn assert_shared<T: Send + Sync + Clone + 'static>(_: &T) {}

#[tokio::test]
async fn stores_deposits_and_their_futures_are_send() {
    let world = World::new().await;
    assert_shared(&world.store);
    let mut deposit = world.store.deposit(World::new_artifact());
    assert_send(&deposit);
    let writing = deposit.write(Bytes::new());
    assert_send(&writing);
    writing.await.unwrap();
    let finishing = deposit.finish();
    assert_send(&finishing);
    assert_eq!(finishing.await.unwrap().size, 0);
}
