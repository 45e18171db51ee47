//! Tenants share a backend and nothing else.

use artifact_backend::{
    ArtifactBackend, ArtifactBackendExt, ArtifactId, ArtifactInventory, ByteRange, ErrorKind,
    Operation, Result, StoreId,
};
use artifact_backend_conformance::{Fault, FaultBackend};
use artifact_backend_mem::MemBackend;
use artifact_layers::{Tenant, TenantBackend};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};

use crate::support::{BLOB, Stamped, backend, kind, noise, stored};

async fn ids(backend: &dyn ArtifactInventory) -> Vec<ArtifactId> {
    let list = backend.list().await.unwrap();
    list.map_ok(|blob| blob.id).try_collect().await.unwrap()
}

fn tenants(inner: &FaultBackend) -> [TenantBackend<FaultBackend>; 3] {
    [0, 1, u32::MAX].map(|number| inner.clone().layer(Tenant::new(number)))
}

#[tokio::test]
async fn tenants_keep_different_blobs_under_the_same_id() {
    let inner = backend();
    let tenants = tenants(&inner);
    let id = ArtifactId::mint();
    for (number, tenant) in tenants.iter().enumerate() {
        let again = tenant.store(id, noise(number)).await;
        again.unwrap();
        assert_eq!(
            kind(tenant.store(id, noise(9)).await),
            ErrorKind::AlreadyExists
        );
    }
    for (number, tenant) in tenants.iter().enumerate() {
        assert_eq!(tenant.load(id).await.unwrap(), noise(number));
        assert_eq!(tenant.stat(id).await.unwrap().size, number as u64);
        assert_eq!(ids(tenant).await, [id]);
    }
    // One tenant deletes its blob; the others keep theirs.
    tenants[1].delete(id).await.unwrap();
    assert_eq!(kind(tenants[1].load(id).await), ErrorKind::NotFound);
    assert_eq!(ids(&tenants[1]).await, []);
    assert_eq!(tenants[2].load(id).await.unwrap(), noise(2));
    assert_eq!(ids(&inner).await.len(), 2);
}

/// Ids of the shared backend are the nearest that a tenant could get to a blob of another.
#[tokio::test]
async fn no_id_leads_to_a_blob_of_another_tenant() {
    let inner = backend();
    let [first, second, third] = tenants(&inner);
    let id = stored(&first).await;
    for known in [id, ids(&inner).await[0]] {
        for other in [&second, &third] {
            assert_eq!(kind(other.load(known).await), ErrorKind::NotFound);
            assert_eq!(kind(other.stat(known).await), ErrorKind::NotFound);
            let range = other.download(known, ByteRange::Suffix(1)).await;
            assert_eq!(kind(range), ErrorKind::NotFound);
            other.delete(known).await.unwrap();
            other.sweep(std::time::Duration::ZERO).await.unwrap();
            assert_eq!(ids(other).await, []);
        }
    }
    // The shared id is not special for its owner either.
    let shared = ids(&inner).await[0];
    assert_eq!(kind(first.load(shared).await), ErrorKind::NotFound);
    assert_eq!(first.load(id).await.unwrap(), BLOB);
}

#[tokio::test]
async fn each_tenant_has_its_own_store_id() {
    let inner = backend();
    let of_storage = inner.create_store_id(StoreId::mint()).await.unwrap();
    for tenant in tenants(&inner) {
        assert_eq!(tenant.store_id().await.unwrap(), None);
        let own = StoreId::mint();
        assert_eq!(tenant.create_store_id(own).await.unwrap(), own);
        assert_eq!(tenant.create_store_id(StoreId::mint()).await.unwrap(), own);
        assert_eq!(tenant.store_id().await.unwrap(), Some(own));
        assert_eq!(ids(&tenant).await, []);
    }
    assert_eq!(inner.store_id().await.unwrap(), Some(of_storage));
}

#[tokio::test]
async fn a_store_id_whose_creation_is_unknown_is_ambiguous_and_can_be_created_again() {
    let inner = backend();
    let tenant = inner.clone().layer(Tenant::new(4));
    let id = StoreId::mint();
    inner.inject(Fault::lost_answer(Operation::Store));
    let error = tenant.create_store_id(id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous);
    assert_eq!(error.operation(), Operation::CreateStoreId);
    assert_eq!(tenant.create_store_id(id).await.unwrap(), id);
}

/// Compares every range of small blobs with a backend without tenants: bytes, sizes and errors.
#[tokio::test]
async fn every_range_is_that_of_the_blob_without_its_header() {
    async fn outcome(
        backend: &dyn ArtifactBackend,
        id: ArtifactId,
        range: ByteRange,
    ) -> Result<(u64, std::ops::Range<u64>, Bytes), (ErrorKind, Option<ArtifactId>, Option<u64>)>
    {
        let failed = |error: artifact_backend::Error| (error.kind(), error.id(), error.blob_size());
        let download = backend.download(id, range).await.map_err(failed)?;
        let (size, range) = (download.size(), download.range());
        Ok((size, range, download.into_bytes().await.map_err(failed)?))
    }

    let plain = MemBackend::default();
    let tenant = MemBackend::default().layer(Tenant::new(3));
    for size in [0, 1, 2, 15, 16, 17, 33] {
        let id = ArtifactId::mint();
        plain.store(id, noise(size)).await.unwrap();
        tenant.store(id, noise(size)).await.unwrap();
        let bounds = [
            0,
            1,
            2,
            14,
            15,
            16,
            17,
            32,
            33,
            34,
            u64::MAX - 16,
            u64::MAX - 1,
            u64::MAX,
        ];
        let mut ranges = vec![ByteRange::Full];
        for first in bounds {
            ranges.extend([ByteRange::From(first), ByteRange::Suffix(first)]);
            ranges.extend(bounds.map(|last| ByteRange::FromTo { first, last }));
        }
        for range in ranges {
            let expected = outcome(&plain, id, range).await;
            let found = outcome(&tenant, id, range).await;
            assert_eq!(found, expected, "{range:?} of {size} bytes");
        }
    }
}

#[tokio::test]
async fn downloads_keep_their_stamp() {
    let stamped = Stamped::new(backend());
    stamped.touch();
    let tenant = stamped.clone().layer(Tenant::new(3));
    let id = stored(&tenant).await;
    let download = tenant.download(id, ByteRange::Full).await.unwrap();
    assert_eq!(download.stamp(), Some(stamped.stamp()));
}

#[tokio::test]
async fn errors_name_the_id_of_the_tenant() {
    let inner = backend();
    let tenant = inner.clone().layer(Tenant::new(3));
    let id = stored(&tenant).await;
    let absent = ArtifactId::mint();
    assert_eq!(tenant.load(absent).await.unwrap_err().id(), Some(absent));
    assert_eq!(tenant.stat(absent).await.unwrap_err().id(), Some(absent));
    let again = tenant.store(id, Bytes::new()).await.unwrap_err();
    assert_eq!(again.id(), Some(id));
    inner.inject(Fault::cut(20, ErrorKind::Unavailable));
    let broken = tenant.load_range(id, ByteRange::Full).await.unwrap_err();
    assert_eq!(
        (broken.kind(), broken.id()),
        (ErrorKind::Unavailable, Some(id))
    );
    inner.inject(Fault::truncate(20));
    let short = tenant.load_range(id, ByteRange::Full).await.unwrap_err();
    assert_eq!((short.kind(), short.id()), (ErrorKind::Corrupt, Some(id)));
}

#[tokio::test]
async fn a_list_names_a_damaged_blob_and_goes_on_for_its_owner_only() {
    let inner = backend();
    let [first, second, _] = tenants(&inner);
    stored(&first).await;
    let shared = ids(&inner).await[0];
    let kept = [stored(&first).await, stored(&first).await];
    let foreign = stored(&second).await;
    for bytes in [&b"short"[..], b"long enough, but another id"] {
        inner.delete(shared).await.unwrap();
        inner
            .store(shared, Bytes::from_static(bytes))
            .await
            .unwrap();
        let items: Vec<_> = first.list().await.unwrap().collect().await;
        let (mut found, mut errors) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Ok(blob) => found.push(blob.id),
                Err(error) => errors.push((error.kind(), error.operation(), error.id())),
            }
        }
        found.sort_unstable();
        let mut expected = kept.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(
            errors,
            [(ErrorKind::Corrupt, Operation::List, Some(shared))]
        );
        assert_eq!(ids(&second).await, [foreign]);
    }
}

#[tokio::test]
async fn a_blob_without_a_header_is_corrupt() {
    let inner = backend();
    let tenant = inner.clone().layer(Tenant::new(3));
    let id = stored(&tenant).await;
    let shared = ids(&inner).await[0];
    inner.delete(shared).await.unwrap();
    inner
        .store(shared, Bytes::from_static(b"short"))
        .await
        .unwrap();
    assert_eq!(kind(tenant.load(id).await), ErrorKind::Corrupt);
    assert_eq!(kind(tenant.stat(id).await), ErrorKind::Corrupt);
    for range in [ByteRange::Full, ByteRange::Suffix(2)] {
        assert_eq!(kind(tenant.download(id, range).await), ErrorKind::Corrupt);
    }
}
