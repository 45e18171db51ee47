//! The list of one shard, in the order of the ids.

use std::sync::Arc;

use artifact_backend::smallest::Smallest;
use artifact_backend::{
    ArtifactId, BlobList, BlobStat, Error, ErrorKind, Operation, Result, Shard,
};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;

use crate::inventory::Listing;
use crate::shared::Bucket;

/// Lists the blobs of a shard after `after`. Logs and skips objects whose key is not a blob key.
pub(crate) fn list_shard(
    bucket: &Arc<Bucket>,
    shard: Shard,
    after: Option<ArtifactId>,
) -> BlobList {
    if bucket.capabilities.lists_in_order {
        let end = bucket.layout.blob(shard.last_id());
        in_order(begin(bucket, shard, after), shard, end)
    } else {
        in_passes(bucket, shard, after)
    }
}

/// How many keys after the shard are read to make sure that the list is in order. They are in the page that was read, or in the
/// next one.
const LOOK_AHEAD: u32 = 16;

/// Lists the blobs of a shard, whose last key is `end`. Fails if the keys are not in order: then keys of the
/// shard may follow those of later shards.
fn in_order(listing: Listing, shard: Shard, end: Path) -> BlobList {
    let state = (listing, None::<Path>, end);
    stream::try_unfold(state, move |(mut listing, mut last, end)| async move {
        let mut beyond = 0;
        while beyond < LOOK_AHEAD {
            let Some((key, blob)) = next(&mut listing).await? else {
                break;
            };
            if last.is_some_and(|last| key <= last) {
                return Err(not_in_order());
            }
            beyond += u32::from(key > end);
            last = Some(key);
            if let Some(blob) = blob.filter(|blob| shard.contains(blob.id)) {
                return Ok(Some((blob, (listing, last, end))));
            }
        }
        Ok(None)
    })
    .boxed()
}

/// Lists a store that promises no order: each pass lists all blobs and keeps the smallest ids after the last one.
fn in_passes(bucket: &Arc<Bucket>, shard: Shard, after: Option<ArtifactId>) -> BlobList {
    let bucket = Arc::clone(bucket);
    let passes = stream::try_unfold(Some(after), move |after| {
        let bucket = Arc::clone(&bucket);
        async move {
            let Some(after) = after else { return Ok(None) };
            let mut listing = begin(&bucket, shard, after);
            let mut smallest = Smallest::new(shard, after);
            while let Some((_, blob)) = next(&mut listing).await? {
                if let Some(blob) = blob {
                    smallest.offer(blob.id, blob);
                }
            }
            let (blobs, next) = smallest.finish();
            let blobs = blobs.into_iter().map(|(_, blob)| Ok(blob));
            Ok::<_, Error>(Some((stream::iter(blobs), next.map(Some))))
        }
    });
    passes.try_flatten().boxed()
}

/// Begins a list of the keys after `after`, or of all keys of the shard and later ones.
fn begin(bucket: &Arc<Bucket>, shard: Shard, after: Option<ArtifactId>) -> Listing {
    let layout = &bucket.layout;
    let offset = match after {
        Some(after) if after >= shard.first_id() => layout.blob(after),
        // All keys of the shard begin with its digit, and are greater than the digit alone.
        _ => layout.blobs().clone().join(shard.to_string()),
    };
    Listing::after(bucket, layout.blobs(), offset)
}

/// Returns the next key, with its blob if it is a blob key.
async fn next(listing: &mut Listing) -> Result<Option<(Path, Option<BlobStat>)>> {
    let object = listing.next().await;
    let object = object.map_err(|error| error.into_error(Operation::List, None))?;
    Ok(object.map(|object| {
        let blob = listing.blob_of(&object);
        (object.location, blob)
    }))
}

fn not_in_order() -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::List).with_detail(
        "the bucket does not list its objects in the order of their keys, as S3, Google and Azure do; \
         open it with `ObjectStoreBackend::from_store`, which needs no order",
    )
}

#[cfg(test)]
mod tests {
    use artifact_backend::{ArtifactBackend as _, ArtifactInventory as _};
    use artifact_backend_config::S3Config;
    use object_store::memory::InMemory;
    use object_store::{ObjectStore, ObjectStoreExt as _};
    use tokio::sync::OnceCell;

    use super::*;
    use crate::backend::ObjectStoreBackend;
    use crate::shared::Capabilities;
    use crate::upload_strategy::UploadStrategy;

    /// A backend in a store whose lists are in order, which it relies on or not.
    fn backend(store: &Arc<InMemory>, lists_in_order: bool) -> ObjectStoreBackend {
        let capabilities = Capabilities {
            upload_strategy: UploadStrategy::Generic,
            incomplete_uploads: None,
            keeps_metadata: OnceCell::new_with(Some(true)),
            is_cloud: false,
            lists_in_order,
            suffix_ranges: false,
        };
        let store = Arc::clone(store) as Arc<dyn ObjectStore>;
        ObjectStoreBackend::new(store, "some/prefix", S3Config::default(), capabilities).unwrap()
    }

    /// Makes an id of a shard.
    fn id(shard: Shard, number: u8) -> ArtifactId {
        let mut bytes = *shard.first_id().as_bytes();
        bytes[15] = number;
        ArtifactId::from_bytes(bytes)
    }

    #[tokio::test]
    async fn a_store_that_breaks_its_order_is_refused_and_no_blob_is_left_out() {
        let [one, two] = [Shard::ALL[7], Shard::ALL[8]];
        let all = [id(one, 1), id(one, 2), id(two, 1), id(two, 2)];
        let memory = Arc::new(InMemory::new());
        let backend = backend(&memory, true);
        for id in all {
            backend.store(id, "x".into()).await.unwrap();
        }
        let objects = memory.list(None).try_collect::<Vec<_>>().await.unwrap();
        let bucket = &backend.bucket;
        for (order, expected) in [
            ([0, 1, 2, 3], Some(2)),
            ([1, 0, 2, 3], None),
            // The shard ends early if the first key beyond it is taken for its end.
            ([2, 0, 1, 3], None),
            ([0, 2, 1, 3], None),
            ([0, 2, 3, 1], None),
        ] {
            let mut listing = begin(bucket, one, None);
            let listed: Vec<_> = order.map(|number| Ok(objects[number].clone())).into();
            listing.stream = stream::iter(listed).boxed();
            let list = in_order(listing, one, bucket.layout.blob(one.last_id()));
            let listed = list.try_collect::<Vec<_>>().await;
            match listed {
                Ok(blobs) => assert_eq!(Some(blobs.len()), expected, "{order:?}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Misconfigured);
                    assert_eq!(expected, None, "{order:?}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_list_contains_the_keys_of_the_shard_after_any_id_and_no_foreign_keys() {
        let store = Arc::new(InMemory::new());
        for foreign in ["7", "7f", "70/x", "77-notes.txt", "zzz", "0"] {
            let key = Path::from(format!("some/prefix/blobs/{foreign}"));
            store.put(&key, "foreign".into()).await.unwrap();
        }
        let ordered = backend(&store, true);
        let shard = Shard::ALL[7];
        let mut ids = vec![shard.first_id(), shard.last_id()];
        for number in 1..40_u8 {
            let mut bytes = *shard.first_id().as_bytes();
            bytes[usize::from(number % 15) + 1] = number;
            ids.push(ArtifactId::from_bytes(bytes));
        }
        ids.sort_unstable();
        let others = [Shard::ALL[6].last_id(), Shard::ALL[8].first_id()];
        for id in ids.iter().chain(&others) {
            ordered.store(*id, "x".into()).await.unwrap();
        }
        for backend in [ordered, backend(&store, false)] {
            let rest = async |after| {
                let list = backend.list_shard(shard, after).await.unwrap();
                let blobs: Vec<_> = list.try_collect().await.unwrap();
                blobs.into_iter().map(|blob| blob.id).collect::<Vec<_>>()
            };
            assert_eq!(rest(None).await, ids);
            assert_eq!(rest(Some(others[0])).await, ids);
            assert_eq!(rest(Some(others[1])).await, []);
            for (number, id) in ids.iter().enumerate() {
                assert_eq!(rest(Some(*id)).await, ids[number + 1..]);
            }
        }
    }
}
