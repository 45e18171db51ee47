//! The deletion of collections.

use artifact_store::{ErrorKind, Principal, RowFilter, RowPosition};

use super::site::{Site, kind};
use crate::support::{experiment, time};

async fn artifacts(site: &Site) -> usize {
    let all = RowFilter::default();
    let page = site
        .one
        .managed
        .list(&site.owner, all, RowPosition::START, 1_000);
    page.await.unwrap().rows.len()
}

pub(super) async fn a_collection_is_deleted_with_its_files(site: &Site) {
    let home = experiment();
    for is_sealed in [false, true] {
        let (id, kept) = (site.create().await, site.create().await);
        for number in 0..40 {
            site.put(id, &format!("{number}"), "1").await.unwrap();
        }
        site.put(kept, "a", "1").await.unwrap();
        let row = site.put(id, "last", "1").await.unwrap();
        let collections = &site.one.collections;
        if is_sealed {
            collections.seal(&site.owner, &home, id).await.unwrap();
        }
        let deleted = site.other.collections.delete(&site.owner, &home, id).await;
        deleted.unwrap();
        let gone = collections.get(&site.owner, &home, id).await;
        assert_eq!(kind(gone), ErrorKind::NotFound);
        assert_eq!(kind(site.put(id, "a", "1").await), ErrorKind::NotFound);
        let again = collections.delete(&site.owner, &home, id).await;
        assert_eq!(kind(again), ErrorKind::NotFound);
        assert_eq!(site.one.managed.catalog().get(row.id).await.unwrap(), None);
        assert_eq!(artifacts(site).await, 1);
        assert_eq!(site.names(kept).await, ["a"]);
        collections
            .delete(&Principal::admin(), &home, kept)
            .await
            .unwrap();
        assert_eq!(artifacts(site).await, 0);
    }
}

pub(super) async fn a_hold_prevents_the_deletion(site: &Site) {
    let (id, home) = (site.create().await, experiment());
    let row = site.put(id, "a", "1").await.unwrap();
    site.put(id, "b", "1").await.unwrap();
    let (managed, collections) = (&site.one.managed, &site.one.collections);
    managed
        .place_hold(&Principal::admin(), &home, row.id)
        .await
        .unwrap();
    let refused = collections.delete(&site.owner, &home, id).await;
    assert_eq!(kind(refused), ErrorKind::Held);
    assert_eq!(site.names(id).await, ["a", "b"]);
    site.put(id, "c", "1").await.unwrap();
    managed
        .release_hold(&Principal::admin(), &home, row.id)
        .await
        .unwrap();
    collections.delete(&site.owner, &home, id).await.unwrap();
    assert_eq!(artifacts(site).await, 0);
}

pub(super) async fn a_deletion_that_was_interrupted_is_completed(site: &Site) {
    let (id, home) = (site.create().await, experiment());
    let row = site.put(id, "a", "1").await.unwrap();
    site.put(id, "b", "1").await.unwrap();
    let collections = &site.one.collections;
    collections.seal(&site.owner, &home, id).await.unwrap();
    let catalog = collections.catalog();
    assert_eq!(kind(catalog.end_deletion(id).await), ErrorKind::NotFound);
    catalog.begin_deletion(id, time(7)).await.unwrap();
    catalog.begin_deletion(id, time(8)).await.unwrap();
    site.other
        .managed
        .remove(&site.owner, &home, row.id)
        .await
        .unwrap();
    let found = site
        .other
        .collections
        .get(&site.owner, &home, id)
        .await
        .unwrap();
    assert_eq!(found.deleting_since, Some(time(7)));
    assert_eq!(kind(site.put(id, "c", "1").await), ErrorKind::Sealed);
    let sealed = site.other.collections.seal(&site.owner, &home, id).await;
    assert_eq!(kind(sealed), ErrorKind::Sealed);
    assert_eq!(kind(catalog.end_deletion(id).await), ErrorKind::Held);
    assert_eq!(site.names(id).await, ["b"]);
    collections.delete(&site.owner, &home, id).await.unwrap();
    let gone = site.other.collections.get(&site.owner, &home, id).await;
    assert_eq!(kind(gone), ErrorKind::NotFound);
    assert_eq!(artifacts(site).await, 0);
}
