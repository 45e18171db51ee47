//! Clause 14: the list of a shard is ordered, can be resumed after any id, and the 16 lists are complete.

use std::collections::BTreeMap;
use std::sync::Arc;

use artifact_backend::{ArtifactId, ArtifactInventory, Shard};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::contained::for_each_plant;
use crate::case::{Context, Outcome, cases, ensure};
use crate::check::{chain, list_with_damage, ok};
use crate::data::noise;

cases!("ordered":
    the_shards_together_list_each_blob_once,
    a_shard_of_many_blobs_is_listed_in_order,
    a_list_resumes_after_each_id,
    a_list_resumes_after_an_id_that_does_not_exist,
    a_shard_shows_every_permanent_blob_while_others_change,
    damage_is_in_its_place,
    a_shard_ends_after_an_error_that_is_not_a_damaged_blob,
);

/// The number of blobs of the long list: more than the 1,000 keys of one page of an S3 listing.
const MANY: u64 = 1_150;

/// Returns a random id of a shard.
fn id_in(shard: Shard) -> ArtifactId {
    let mut bytes = *ArtifactId::mint().as_bytes();
    bytes[0] = shard.number() << 4 | bytes[0] & 0x0f;
    ArtifactId::from_bytes(bytes)
}

async fn store_all(backend: Arc<dyn ArtifactInventory>, ids: &[ArtifactId]) -> Outcome {
    let stores = stream::iter(ids.to_vec()).map(move |id| {
        let backend = Arc::clone(&backend);
        async move { backend.store(id, noise(1, 3)).await }
    });
    let results = stores.buffer_unordered(32).try_collect::<Vec<()>>().await;
    ok(results, "store").map(drop)
}

/// Lists a shard. A damaged blob fails the case.
async fn list_shard(
    backend: &dyn ArtifactInventory,
    shard: Shard,
    after: Option<ArtifactId>,
) -> Outcome<Vec<ArtifactId>> {
    let label = "list_shard";
    let stream = ok(backend.list_shard(shard, after).await, label)?;
    ok(stream.map_ok(|blob| blob.id).try_collect().await, label)
}

fn check_order(listed: &[ArtifactId], label: &str) -> Outcome {
    for pair in listed.windows(2) {
        ensure!(
            pair[0] < pair[1],
            "{label} is not in ascending order: {} is before {}",
            pair[0],
            pair[1]
        );
    }
    Ok(())
}

async fn the_shards_together_list_each_blob_once(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let mut expected = BTreeMap::new();
    for (number, shard) in (1..).zip(Shard::ALL) {
        for id in [
            shard.first_id(),
            id_in(shard),
            id_in(shard),
            shard.last_id(),
        ] {
            let bytes = noise(number, usize::from(shard.number()));
            ok(backend.store(id, bytes).await, "store")?;
            expected.insert(id, u64::from(shard.number()));
        }
    }
    let mut found = BTreeMap::new();
    for shard in Shard::ALL {
        let stream = ok(backend.list_shard(shard, None).await, "list_shard")?;
        let listed: Vec<_> = ok(stream.try_collect().await, "list_shard")?;
        for blob in &listed {
            ensure!(
                shard.contains(blob.id),
                "the list of shard {shard} shows {}",
                blob.id
            );
            let before = found.insert(blob.id, blob.size);
            ensure!(
                before.is_none(),
                "a list of a shard shows {} twice",
                blob.id
            );
        }
        let ids: Vec<_> = listed.iter().map(|blob| blob.id).collect();
        check_order(&ids, &format!("the list of shard {shard}"))?;
    }
    let missing = expected.keys().filter(|id| !found.contains_key(id)).count();
    ensure!(
        missing == 0,
        "the 16 lists do not show {missing} of {} acknowledged blobs",
        expected.len()
    );
    ensure!(found == expected, "the 16 lists show wrong blobs or sizes");
    Ok(())
}

async fn a_shard_of_many_blobs_is_listed_in_order(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let shard = Shard::ALL[0xb];
    let mut expected: Vec<_> = (0..MANY).map(|_| id_in(shard)).collect();
    let others = [Shard::ALL[0xa].last_id(), Shard::ALL[0xc].first_id()];
    store_all(Arc::clone(&backend), &expected).await?;
    store_all(Arc::clone(&backend), &others).await?;
    expected.sort_unstable();
    let listed = list_shard(&*backend, shard, None).await?;
    check_order(&listed, "the list of many blobs")?;
    let missing = expected.iter().filter(|id| !listed.contains(id)).count();
    ensure!(
        missing == 0,
        "the list of a shard does not show {missing} of {MANY} acknowledged blobs"
    );
    ensure!(
        listed == expected,
        "the list of a shard shows blobs of others"
    );
    Ok(())
}

async fn a_list_resumes_after_each_id(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let shard = Shard::ALL[7];
    let mut ids: Vec<_> = (0..20).map(|_| id_in(shard)).collect();
    ids.extend([shard.first_id(), shard.last_id()]);
    store_all(Arc::clone(&backend), &ids).await?;
    store_all(
        Arc::clone(&backend),
        &[id_in(Shard::ALL[6]), id_in(Shard::ALL[8])],
    )
    .await?;
    ids.sort_unstable();
    for (number, id) in ids.iter().enumerate() {
        let rest = list_shard(&*backend, shard, Some(*id)).await?;
        ensure!(
            !rest.contains(id),
            "a list that resumes after {id} shows it again"
        );
        ensure!(
            rest == ids[number + 1..],
            "a list that resumes after {} of {} blobs shows {} blobs",
            number + 1,
            ids.len(),
            rest.len()
        );
    }
    Ok(())
}

async fn a_list_resumes_after_an_id_that_does_not_exist(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let shard = Shard::ALL[7];
    let mut ids: Vec<_> = (0..20).map(|_| id_in(shard)).collect();
    store_all(Arc::clone(&backend), &ids).await?;
    ids.sort_unstable();
    let gone = ids.remove(9);
    ok(backend.delete(gone).await, "delete")?;
    for (label, after, expected) in [
        ("a deleted id", gone, &ids[9..]),
        ("an id of a shard before", id_in(Shard::ALL[2]), &ids[..]),
        (
            "the last id before the shard",
            Shard::ALL[6].last_id(),
            &ids[..],
        ),
        ("the last id of the shard", shard.last_id(), &[]),
        ("an id of a later shard", id_in(Shard::ALL[8]), &[]),
    ] {
        let rest = list_shard(&*backend, shard, Some(after)).await?;
        ensure!(
            rest == *expected,
            "a list that resumes after {label} shows {} blobs instead of {}",
            rest.len(),
            expected.len()
        );
    }
    Ok(())
}

async fn a_shard_shows_every_permanent_blob_while_others_change(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let shard = Shard::ALL[3];
    let mut ids: Vec<_> = (0..90).map(|_| id_in(shard)).collect();
    store_all(Arc::clone(&backend), &ids).await?;
    ids.sort_unstable();
    let (mut permanent, mut changing) = (Vec::new(), Vec::new());
    for (number, id) in ids.into_iter().enumerate() {
        if number % 3 == 0 {
            changing.push(id);
        } else {
            permanent.push(id);
        }
    }
    // One list to its end, then one that is resumed after every 7 blobs.
    for limit in [usize::MAX, 7] {
        let (mut after, mut listed) = (None, Vec::new());
        loop {
            let stream = ok(backend.list_shard(shard, after).await, "list_shard")?;
            let mut page = stream.take(limit);
            let mut count = 0;
            while let Some(blob) = page.next().await {
                after = Some(ok(blob, "list_shard")?.id);
                listed.extend(after);
                count += 1;
                ensure!(
                    listed.len() < 300,
                    "a list shows more blobs than were ever stored"
                );
                // From the beginning, so that most are before the position of the list.
                if limit != usize::MAX && !changing.is_empty() {
                    ok(backend.delete(changing.remove(0)).await, "delete")?;
                }
                if listed.len() <= 20 {
                    // Not before the position of a list that is resumed, or they would make up for the deleted ones.
                    let mut new = id_in(shard);
                    while limit != usize::MAX && Some(new) < after {
                        new = id_in(shard);
                    }
                    ok(backend.store(new, noise(1, 5)).await, "store")?;
                }
            }
            if count < limit {
                break;
            }
        }
        let missing = permanent.iter().filter(|id| !listed.contains(id)).count();
        ensure!(
            missing == 0,
            "while others change, a list does not show {missing} of {} permanent blobs",
            permanent.len()
        );
        check_order(&listed, "a list during changes")?;
    }
    Ok(())
}

async fn damage_is_in_its_place(context: Context) -> Outcome {
    for_each_plant(context, |backend, planted| async move {
        if list_with_damage(&*backend).await?.1 != [planted] {
            // The clause `inventory` has a case of what a list shows of it.
            return Ok(());
        }
        let shard = Shard::of(planted);
        // Among random ids, the damaged one could be the first or the last.
        let number = u128::from_be_bytes(*planted.as_bytes());
        let neighbours = [number.checked_sub(1), number.checked_add(1)]
            .into_iter()
            .flatten();
        let neighbours = neighbours.map(|number| ArtifactId::from_bytes(number.to_be_bytes()));
        let mut expected: Vec<_> = (0..18).map(|_| id_in(shard)).collect();
        expected.extend(neighbours.filter(|id| shard.contains(*id)));
        store_all(Arc::clone(&backend), &expected).await?;
        let before = list_with_damage(&*backend).await?.0;
        expected = before
            .into_iter()
            .filter(|id| shard.contains(*id))
            .collect();
        expected.push(planted);
        expected.sort_unstable();
        for skipped in 0..expected.len() {
            let after = skipped.checked_sub(1).map(|last| expected[last]);
            let mut stream = ok(backend.list_shard(shard, after).await, "list_shard")?;
            let mut listed = Vec::new();
            while let Some(item) = stream.next().await {
                let (id, damaged) = match item.map_err(|error| (error.damaged_blob(), error)) {
                    Ok(blob) => (blob.id, false),
                    Err((Some(id), _)) => (id, true),
                    Err((None, error)) => return ok(Err(error), "list_shard"),
                };
                ensure!(
                    damaged == (id == planted),
                    "the list of a shard shows {id} with the wrong state"
                );
                listed.push(id);
            }
            ensure!(
                listed.contains(&planted) == (planted >= expected[skipped]),
                "the list of a shard shows the damaged blob {} times, after {skipped} of {} ids",
                listed.iter().filter(|id| **id == planted).count(),
                expected.len()
            );
            check_order(&listed, "the list with a damaged blob")?;
            ensure!(
                listed == expected[skipped..],
                "beside a damaged blob, the list of a shard shows {} of {} items",
                listed.len(),
                expected.len() - skipped
            );
        }
        Ok(())
    })
    .await
}

async fn a_shard_ends_after_an_error_that_is_not_a_damaged_blob(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let shard = Shard::ALL[4];
    let ids: Vec<_> = (0..64).map(|_| id_in(shard)).collect();
    store_all(Arc::clone(&backend), &ids).await?;
    let mut stream = ok(backend.list_shard(shard, None).await, "list_shard")?;
    storage.lose().await?;
    while let Some(item) = stream.next().await {
        let Err(error) = item else { continue };
        if error.damaged_blob().is_none() {
            ensure!(
                stream.next().await.is_none(),
                "the list of a shard goes on after the error {:?}",
                chain(&error)
            );
            break;
        }
    }
    let again = match backend.list_shard(shard, None).await {
        Ok(stream) => stream.map_ok(drop).try_collect::<Vec<()>>().await,
        Err(error) => Err(error),
    };
    ensure!(
        again.is_err(),
        "the list of a shard of a lost storage ends without an error"
    );
    Ok(())
}
