//! Deposits with a key, which can be repeated.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{ArtifactBackend as _, ErrorKind as Backend, ManualClock, Operation};
use artifact_store::{
    ArtifactStore, Catalog as _, CatalogInventory as _, ContentType, Error, ErrorKind, Experiment,
    FileName, IdempotencyKey, MemoryDatabase, NewArtifact, Principal, Row, StoreConfig,
};
use bytes::Bytes;
use futures_util::future::join_all;

use crate::support::{Fault, World, bytes, experiment, other_experiment, poll_once, time, worker};

/// The lengths of an artifact that is stored in one call, and of one that is streamed.
const LENGTHS: [usize; 2] = [50, 5000];

fn config() -> StoreConfig {
    StoreConfig::default().with_small_deposit_bytes(100)
}

fn key(text: &str) -> IdempotencyKey {
    text.parse().unwrap()
}

fn keyed(text: &str) -> NewArtifact {
    World::new_artifact().with_idempotency_key(key(text))
}

async fn deposit(
    store: &ArtifactStore,
    new: NewArtifact,
    bytes: &[u8],
) -> artifact_store::Result<Arc<Row>> {
    let mut deposit = store.deposit(new);
    for piece in bytes.chunks(40) {
        deposit.write(Bytes::copy_from_slice(piece)).await?;
    }
    assert_eq!(deposit.size(), bytes.len() as u64);
    deposit.finish().await
}

#[tokio::test]
async fn a_repeated_deposit_returns_the_first_and_stores_nothing() {
    for length in [0, LENGTHS[0], LENGTHS[1]] {
        let world = World::with(config()).await;
        let new = keyed("k")
            .with_content_type(ContentType::clean("text/plain"))
            .with_file_name(FileName::clean("a.txt"))
            .with_expires_in(Duration::from_nanos(3_600_000_000_123));
        let body = bytes(length);
        let first = deposit(&world.store, new.clone(), &body).await.unwrap();
        let calls = world.backend.calls();
        for n in 1..4 {
            world.clock.advance(Duration::from_secs(n));
            // A hint is no property of the artifact.
            let again = new.clone().with_size_hint(n);
            let again = deposit(&world.store, again, &body).await.unwrap();
            assert_eq!(again, first);
        }
        assert_eq!(world.backend.calls(), calls, "the backend was called again");
        assert_eq!(world.catalog.inserted(), [first.id]);
        assert_eq!(world.blobs().await, [first.id]);
        assert_eq!(world.mem.load(first.id).await.unwrap(), body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_deposits_with_a_key_make_one_artifact_and_one_blob() {
    for length in LENGTHS {
        let world = Arc::new(World::with(config()).await);
        let deposits = (0..16).map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { deposit(&world.store, keyed("k"), &bytes(length)).await })
        });
        let mut rows = Vec::new();
        for row in join_all(deposits).await {
            rows.push(row.unwrap().unwrap());
        }
        assert_eq!(rows.len(), 16);
        assert!(rows.iter().all(|row| *row == rows[0]), "{rows:?}");
        assert_eq!(world.catalog.inserted(), [rows[0].id]);
        assert_eq!(world.blobs().await, [rows[0].id]);
        assert_eq!(world.mem.used_bytes(), length as u64);
    }
}

#[tokio::test]
async fn another_deposit_with_the_key_is_refused_and_stores_nothing() {
    let body = bytes(5000);
    let base = || {
        keyed("k")
            .with_content_type(ContentType::clean("text/plain"))
            .with_file_name(FileName::clean("a.txt"))
            .with_expires_in(Duration::from_mins(1))
    };
    let mut other = body.clone();
    other[4999] ^= 1;
    let others: [(NewArtifact, &[u8]); 9] = [
        (base(), &other),
        (base(), &body[1..]),
        (base(), b""),
        (base(), &[&body[..], b"x"].concat()),
        (base().with_content_type(ContentType::default()), &body),
        (base().with_file_name(None), &body),
        (base().with_file_name(FileName::clean("b.txt")), &body),
        (base().with_expires_in(None), &body),
        (
            base().with_expires_in(Duration::from_micros(60_000_001)),
            &body,
        ),
    ];
    let world = World::with(config()).await;
    let first = deposit(&world.store, base(), &body).await.unwrap();
    for (n, (new, bytes)) in others.into_iter().enumerate() {
        let error = deposit(&world.store, new, bytes).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::KeyReused, "{n}: {error}");
        assert!(error.detail().contains("for another deposit"), "{error}");
        assert!(!error.is_retryable());
    }
    let mut wrong = base().with_sha256(crate::support::digest(b"other"));
    let error = deposit(&world.store, wrong, &body).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DigestMismatch);
    wrong = base().with_sha256(first.sha256);
    assert_eq!(deposit(&world.store, wrong, &body).await.unwrap(), first);
    assert_eq!(world.blobs().await, [first.id]);
    assert_eq!(world.mem.used_bytes(), 5000);
}

#[tokio::test]
async fn keys_of_different_depositors_and_experiments_are_different() {
    let world = World::with(config()).await;
    let news = [
        World::new_artifact(),
        NewArtifact::new(experiment(), &Principal::admin()),
        NewArtifact::new(other_experiment(), &Principal::admin()),
        NewArtifact::new(experiment(), &crate::support::external("alice")),
    ];
    let mut rows: Vec<Arc<Row>> = Vec::new();
    for new in news {
        let new = new.with_idempotency_key(key("k"));
        let row = deposit(&world.store, new.clone(), b"same").await.unwrap();
        assert!(rows.iter().all(|other| other.id != row.id));
        assert_eq!(deposit(&world.store, new, b"same").await.unwrap(), row);
        rows.push(row);
    }
    assert_eq!(world.blobs().await.len(), 4);
}

#[tokio::test]
async fn deposits_without_a_key_look_for_none() {
    let world = World::with(config()).await;
    for length in LENGTHS {
        world.deposit(&bytes(length), 40).await.unwrap();
    }
    assert_eq!(world.catalog.key_gets(), 0);
}

#[tokio::test]
async fn a_deposit_whose_outcome_is_unknown_is_repeated() {
    for length in LENGTHS {
        let body = bytes(length);
        // The row was written, or not; the answer of the database was lost.
        for (fault, orphans) in [
            (Fault::After(Backend::Unavailable), 0),
            (Fault::Before(Backend::Unavailable), 1),
        ] {
            let world = World::with(config()).await;
            world.catalog.fail_insert(fault);
            let error = deposit(&world.store, keyed("k"), &body).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            let row = deposit(&world.store, keyed("k"), &body).await.unwrap();
            assert_eq!(world.catalog.inserted(), [row.id]);
            assert_eq!(world.blobs().await.len(), 1 + orphans);
            assert_eq!(world.mem.load(row.id).await.unwrap(), body);
        }
    }
}

#[tokio::test]
async fn a_refused_deposit_leaves_its_key_free() {
    let world = World::with(config()).await;
    for (operation, length) in [(Operation::Store, 50), (Operation::Commit, 5000)] {
        let body = bytes(length);
        let name = operation.to_string();
        world
            .backend
            .fail(operation, Fault::Before(Backend::OutOfSpace));
        let error = deposit(&world.store, keyed(&name), &body)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfSpace);
        // Another artifact: nothing is known of the first.
        let row = deposit(&world.store, keyed(&name), b"other").await.unwrap();
        assert_eq!(row.size, 5);
    }
    let homeless = NewArtifact::new("absent".parse().unwrap(), &Principal::admin());
    let homeless = homeless.with_idempotency_key(key("k"));
    let error = deposit(&world.store, homeless.clone(), b"x")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = deposit(&world.store, homeless, b"y").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// Drops a deposit at every point, as a crash does, and repeats it.
#[tokio::test]
async fn a_deposit_that_was_dropped_anywhere_is_repeated_once() {
    for length in LENGTHS {
        let body = bytes(length);
        let (mut orphans, mut whole) = (0, 0);
        for polls in 0..=1000 {
            assert!(polls < 1000, "a deposit of a few pieces takes fewer polls");
            let world = World::with(config()).await;
            let finished = {
                let mut depositing = Box::pin(deposit(&world.store, keyed("k"), &body));
                (0..polls).any(|_| poll_once(depositing.as_mut()).is_ready())
            };
            let (blobs, rows) = (world.blobs().await.len(), world.catalog.inserted());
            orphans += usize::from(blobs == 1 && rows.is_empty());
            whole += usize::from(rows.len() == 1);
            let row = deposit(&world.store, keyed("k"), &body).await.unwrap();
            assert_eq!(world.catalog.inserted(), [row.id], "after {polls} polls");
            assert_eq!(world.mem.load(row.id).await.unwrap(), body);
            // Only bytes that became durable without their row are left.
            assert_eq!(
                world.blobs().await.len(),
                1 + usize::from(blobs > rows.len())
            );
            if finished {
                break;
            }
        }
        assert!(orphans > 0 && whole > 0, "{orphans} {whole}");
    }
}

#[tokio::test]
async fn a_removed_artifact_is_not_deposited_again_with_its_key() {
    let world = World::with(config()).await;
    for length in LENGTHS {
        let (body, name) = (bytes(length), length.to_string());
        let row = deposit(&world.store, keyed(&name), &body).await.unwrap();
        world.catalog.delete(row.id).await.unwrap();
        let error = deposit(&world.store, keyed(&name), &body)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::KeyReused);
        assert!(error.detail().contains("was removed"), "{error}");
    }
    assert_eq!(world.blobs().await.len(), 2);
}

#[tokio::test]
async fn a_key_is_free_again_after_a_day() {
    let memory_clock = Arc::new(ManualClock::new(std::time::UNIX_EPOCH));
    let memory = MemoryDatabase::with_clock(memory_clock.clone());
    let new = Experiment::new(experiment(), time(0));
    memory.create_experiment(&new).await.unwrap();
    let world = World::with(config()).await;
    let store = ArtifactStore::new(world.mem.clone(), Arc::new(memory), config());
    let first = deposit(&store, keyed("k"), b"same").await.unwrap();
    let almost = IdempotencyKey::KEPT_FOR.checked_sub(Duration::from_secs(1));
    memory_clock.advance(almost.unwrap());
    assert_eq!(deposit(&store, keyed("k"), b"same").await.unwrap(), first);
    memory_clock.advance(Duration::from_secs(1));
    let second = deposit(&store, keyed("k"), b"same").await.unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(deposit(&store, keyed("k"), b"same").await.unwrap(), second);
}

/// Two stores over one catalog and one backend, as two servers have them: their deposits do not take turns.
#[tokio::test]
async fn of_two_servers_one_writes_the_row_and_both_return_it() {
    for length in LENGTHS {
        let body = bytes(length);
        let mut met = false;
        // The second begins after `polls` polls of the first.
        for polls in 0..200 {
            let world = World::with(config()).await;
            let other = ArtifactStore::new(world.backend.clone(), world.catalog.clone(), config());
            let mut one = Box::pin(deposit(&world.store, keyed("k"), &body));
            let mut first = None;
            for _ in 0..polls {
                if let std::task::Poll::Ready(done) = poll_once(one.as_mut()) {
                    first = Some(done);
                    break;
                }
            }
            let is_over = first.is_some();
            let second = deposit(&other, keyed("k"), &body).await.unwrap();
            let first: Result<_, Error> = match first {
                Some(done) => done,
                None => one.await,
            };
            assert_eq!(first.unwrap(), second);
            assert_eq!(world.catalog.inserted(), [second.id]);
            let blobs = world.blobs().await;
            assert!(blobs.contains(&second.id));
            met |= blobs.len() == 2;
            assert!(blobs.len() <= 2, "{blobs:?}");
            if is_over {
                break;
            }
        }
        assert!(
            met,
            "both have made their bytes durable before a row was there"
        );
    }
}

#[tokio::test]
async fn the_collector_forgets_old_keys() {
    use artifact_store::{CollectOptions, Collector};

    let clock = Arc::new(ManualClock::new(
        std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
    ));
    let memory = Arc::new(MemoryDatabase::with_clock(clock.clone()));
    let new = Experiment::new(experiment(), time(0));
    memory.create_experiment(&new).await.unwrap();
    let world = World::with(config()).await;
    let store = ArtifactStore::new(world.mem.clone(), memory.clone(), config());
    for n in 0..1005 {
        deposit(&store, keyed(&n.to_string()), b"").await.unwrap();
    }
    let collect = async |dry_run| {
        let options = CollectOptions::default().with_dry_run(dry_run);
        let collector = Collector::new(memory.clone(), world.mem.clone(), options);
        let report = collector.run(|_| {}).await;
        assert!(report.is_good(), "{report:?}");
        report.keys
    };
    assert_eq!(collect(false).await, 0);
    clock.advance(IdempotencyKey::KEPT_FOR);
    assert_eq!(collect(true).await, 0);
    assert_eq!(collect(false).await, 1005);
    assert_eq!(collect(false).await, 0);
    let depositor = worker().id();
    assert_eq!(
        memory
            .find_keyed(&experiment(), &depositor, &key("7"))
            .await
            .unwrap(),
        None
    );
    assert_eq!(memory.forget_keys(1).await.unwrap(), 0);
}
