//! Clause 11: a list shows every acknowledged blob once; delete is idempotent; stat agrees with the blob.

use std::collections::BTreeMap;
use std::time::SystemTime;

use artifact_backend::{ArtifactId, ByteRange, ErrorKind};
use bytes::BytesMut;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::contained::for_each_plant;
use crate::case::{Context, Outcome, Stop, cases, ensure};
use crate::check::{chain, check_absent, check_present, list, list_with_damage, ok, upload};
use crate::data::{KIB, MIB, cut, noise};

cases!("inventory":
    an_empty_storage_lists_nothing,
    list_shows_each_blob_once_with_its_size,
    list_does_not_show_unfinished_uploads,
    list_shows_every_permanent_blob_while_others_change,
    list_reports_a_damaged_blob_and_goes_on,
    a_list_ends_after_an_error_that_is_not_a_damaged_blob,
    stat_agrees_with_the_blob_and_with_list,
    delete_removes_one_blob_and_spares_others,
    delete_is_idempotent,
    a_reader_of_a_deleted_blob_gets_its_bytes_or_an_error,
);

/// The number of blobs in the long list: more than the 1,000 keys of one page of an S3 listing.
const BLOBS: u64 = 1_150;

async fn an_empty_storage_lists_nothing(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let listed = list(&*storage.backend()).await?;
    ensure!(
        listed.is_empty(),
        "a new storage lists {} blobs",
        listed.len()
    );
    Ok(())
}

async fn list_shows_each_blob_once_with_its_size(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let expected: BTreeMap<ArtifactId, u64> = (0..BLOBS)
        .map(|number| (ArtifactId::mint(), number % 97))
        .collect();
    let stores = stream::iter(expected.clone()).map(|(id, size)| {
        let backend = storage.backend();
        async move {
            let bytes = noise(size, usize::try_from(size).expect("the size is under 97"));
            backend.store(id, bytes).await
        }
    });
    let all = stores.buffer_unordered(32).try_collect::<Vec<()>>().await;
    ok(all, "store of many blobs")?;
    let stream = ok(backend.list().await, "list")?;
    let listed: Vec<_> = ok(stream.try_collect().await, "the list stream")?;
    let mut found = BTreeMap::new();
    for blob in &listed {
        let before = found.insert(blob.id, blob.size);
        ensure!(before.is_none(), "list shows {} twice", blob.id);
    }
    let missing = expected.keys().filter(|id| !found.contains_key(id)).count();
    ensure!(
        missing == 0,
        "list does not show {missing} of {BLOBS} acknowledged blobs"
    );
    ensure!(
        found.len() == expected.len(),
        "list shows blobs that were never stored"
    );
    ensure!(found == expected, "list shows wrong sizes");
    Ok(())
}

async fn list_does_not_show_unfinished_uploads(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let stored = ArtifactId::mint();
    ok(backend.store(stored, noise(1, 10)).await, "store")?;
    let mut in_flight = Vec::new();
    for number in 0..4 {
        let mut upload = ok(backend.upload(ArtifactId::mint()).await, "upload")?;
        ok(upload.write(noise(number, 100 * KIB)).await, "write")?;
        in_flight.push(upload);
    }
    let listed = list(&*backend).await?;
    ensure!(
        listed == [stored],
        "with 4 uploads in flight list shows {} blobs",
        listed.len()
    );
    drop(in_flight);
    let listed = list(&*backend).await?;
    ensure!(
        listed == [stored],
        "after 4 dropped uploads list shows {} blobs",
        listed.len()
    );
    Ok(())
}

async fn list_shows_every_permanent_blob_while_others_change(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let mut permanent = Vec::new();
    let mut deleted = Vec::new();
    for number in 0..60 {
        let id = ArtifactId::mint();
        ok(backend.store(id, noise(number, 20)).await, "store")?;
        if number % 3 == 0 {
            &mut deleted
        } else {
            &mut permanent
        }
        .push(id);
    }
    let mut stream = ok(backend.list().await, "list")?;
    let mut listed = Vec::new();
    let mut changes = deleted.into_iter();
    while let Some(blob) = stream.next().await {
        listed.push(ok(blob, "the list stream")?.id);
        if let Some(id) = changes.next() {
            ok(backend.delete(id).await, "delete")?;
            ok(
                backend.store(ArtifactId::mint(), noise(1, 5)).await,
                "store",
            )?;
        }
        // The list may show the 20 new blobs too, each once.
        ensure!(
            listed.len() <= 60 + 20,
            "list shows more blobs than were ever stored"
        );
    }
    for id in permanent {
        let times = listed.iter().filter(|listed| **listed == id).count();
        ensure!(times == 1, "list shows a permanent blob {times} times");
    }
    Ok(())
}

/// The number of blobs around a damaged one: more than the folders of any fan-out that is likely.
const AROUND_DAMAGE: u64 = 64;

async fn list_reports_a_damaged_blob_and_goes_on(context: Context) -> Outcome {
    for_each_plant(context, |backend, planted| async move {
        let Err(error) = backend.stat(planted).await else {
            return Err(Stop::Failed(
                "stat reports the planted object as a blob".into(),
            ));
        };
        let mut stored = list_with_damage(&*backend).await?.0;
        for number in 0..AROUND_DAMAGE {
            let id = ArtifactId::mint();
            ok(backend.store(id, noise(number, 10)).await, "store")?;
            stored.push(id);
        }
        let (mut whole, damaged) = list_with_damage(&*backend).await?;
        let missing = stored.iter().filter(|id| !whole.contains(id)).count();
        ensure!(
            missing == 0,
            "beside a damaged blob, list does not show {missing} of {} blobs",
            stored.len()
        );
        whole.sort_unstable();
        stored.sort_unstable();
        ensure!(
            whole == stored,
            "beside a damaged blob, list shows wrong blobs"
        );
        let times = damaged.iter().filter(|id| **id == planted).count();
        match error.kind() {
            ErrorKind::Corrupt => ensure!(
                times == 1 && damaged.len() == 1,
                "stat reports the blob as damaged, but list does so {times} times"
            ),
            ErrorKind::NotFound => ensure!(
                damaged.is_empty(),
                "list reports a blob as damaged, but stat as not found"
            ),
            _ => {}
        }
        Ok(())
    })
    .await
}

async fn a_list_ends_after_an_error_that_is_not_a_damaged_blob(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for number in 0..AROUND_DAMAGE {
        let stored = backend.store(ArtifactId::mint(), noise(number, 10)).await;
        ok(stored, "store")?;
    }
    let mut stream = ok(backend.list().await, "list")?;
    storage.lose().await?;
    while let Some(item) = stream.next().await {
        let Err(error) = item else { continue };
        if error.damaged_blob().is_none() {
            ensure!(
                stream.next().await.is_none(),
                "the list goes on after the error {:?}",
                chain(&error)
            );
            break;
        }
    }
    Ok(())
}

async fn stat_agrees_with_the_blob_and_with_list(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for size in [0, 1, 4_096, 300 * KIB] {
        let [stored, uploaded] = [ArtifactId::mint(), ArtifactId::mint()];
        let bytes = noise(1, size);
        ok(backend.store(stored, bytes.clone()).await, "store")?;
        ok(
            upload(&*backend, uploaded, cut(&bytes, &[10_000])).await,
            "upload",
        )?;
        for id in [stored, uploaded] {
            let stat = ok(backend.stat(id).await, "stat")?;
            ensure!(stat.id == id, "stat returns another id");
            ensure!(
                stat.size == size as u64,
                "stat reports {} bytes, not {size}",
                stat.size
            );
            ensure!(
                stat.modified > SystemTime::UNIX_EPOCH,
                "stat reports {:?} as modified, so a grace period would end at once",
                stat.modified
            );
            let stream = ok(backend.list().await, "list")?;
            let listed: Vec<_> = ok(stream.try_collect().await, "the list stream")?;
            ensure!(
                listed.contains(&stat),
                "list does not contain the result of stat, {stat:?}"
            );
        }
    }
    Ok(())
}

async fn delete_removes_one_blob_and_spares_others(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let mut blobs = Vec::new();
    for number in 0..6 {
        let id = ArtifactId::mint();
        let bytes = noise(number, 1_000);
        ok(backend.store(id, bytes.clone()).await, "store")?;
        blobs.push((id, bytes));
    }
    while let Some((deleted, _)) = blobs.pop() {
        ok(backend.delete(deleted).await, "delete")?;
        check_absent(&*backend, deleted, "a deleted blob").await?;
        for (id, bytes) in &blobs {
            check_present(&*backend, *id, bytes, "a blob that was not deleted").await?;
        }
    }
    Ok(())
}

async fn delete_is_idempotent(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    ok(
        backend.delete(id).await,
        "delete of an id that was never stored",
    )?;
    let id = ArtifactId::mint();
    ok(backend.store(id, noise(1, 100)).await, "store")?;
    for nth in ["first", "second", "third"] {
        ok(
            backend.delete(id).await,
            &format!("the {nth} delete of one id"),
        )?;
        check_absent(&*backend, id, "a deleted blob").await?;
    }
    Ok(())
}

async fn a_reader_of_a_deleted_blob_gets_its_bytes_or_an_error(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    let bytes = noise(1, 3 * MIB);
    ok(backend.store(id, bytes.clone()).await, "store")?;
    let mut download = ok(backend.download(id, ByteRange::Full).await, "download")?;
    let mut found = BytesMut::new();
    let mut deleted = false;
    while let Some(chunk) = download.next().await {
        match chunk {
            Ok(chunk) => found.extend_from_slice(&chunk),
            Err(error) => {
                ensure!(deleted, "the stream failed before the delete: {error}");
                break;
            }
        }
        if !deleted {
            ok(
                backend.delete(id).await,
                "delete of a blob that is being read",
            )?;
            ok(
                backend.store(ArtifactId::mint(), noise(2, 3 * MIB)).await,
                "store",
            )?;
            deleted = true;
        }
    }
    ensure!(
        bytes.starts_with(&found),
        "a reader of a deleted blob got wrong bytes"
    );
    match backend.load(id).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        _ => Err(Stop::Failed(
            "a blob that was deleted during a read still exists".into(),
        )),
    }
}
