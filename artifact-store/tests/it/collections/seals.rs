//! Sealed collections.

use std::time::Duration;

use artifact_store::{ErrorKind, NewArtifact, Principal, Removal};

use super::site::{Site, home, kind, path};
use crate::support::{digest, experiment};

pub(super) async fn a_sealed_collection_does_not_change(site: &Site) {
    let (id, home) = (site.create().await, experiment());
    let row = site.put(id, "a", "1").await.unwrap();
    let collections = &site.one.collections;
    let unsealed = collections.manifest(&site.owner, &home, id).await;
    assert_eq!(kind(unsealed), ErrorKind::NotFound);
    let sealed = collections.seal(&site.owner, &home, id).await.unwrap();
    assert!(sealed.sealed_at.is_some());
    let again = site
        .other
        .collections
        .seal(&Principal::admin(), &home, id)
        .await;
    assert_eq!(again.unwrap(), sealed, "it keeps its first time");
    let before = site.manifest(id).await;
    assert_eq!(before.0, ["a"]);

    assert_eq!(kind(site.put(id, "b", "2").await), ErrorKind::Sealed);
    let removed = collections
        .remove_file(&site.owner, &home, id, path("a"))
        .await;
    assert_eq!(kind(removed), ErrorKind::Sealed);
    for principal in [&site.owner, &Principal::admin()] {
        let managed = &site.other.managed;
        let removed = managed.remove(principal, &home, row.id).await;
        assert_eq!(kind(removed), ErrorKind::Sealed);
        let checked = managed.check_removal(principal, &home, row.id).await;
        assert_eq!(kind(checked), ErrorKind::Sealed);
    }
    let removal = site.one.managed.catalog().remove(row.id).await.unwrap();
    assert_eq!(removal, Removal::Sealed);
    assert_eq!(site.manifest(id).await, before);
    site.assert_totals(id, 1, 1).await;
    assert!(site.one.managed.store().row(&home, row.id).await.is_ok());
}

pub(super) async fn a_file_that_expired_stays_in_the_manifest(site: &Site) {
    let (id, home) = (site.create().await, experiment());
    site.put(id, "kept", "1").await.unwrap();
    site.put(id, "removed before", "22").await.unwrap();
    let new = NewArtifact::new(home.clone(), &site.owner).with_expires_in(Duration::from_secs(1));
    let name = path("short");
    let deposit = site
        .one
        .collections
        .deposit(&site.owner, &home, id, name, new);
    let mut deposit = deposit.await.unwrap();
    deposit.write("333".into()).await.unwrap();
    let row = deposit.finish().await.unwrap();
    let removed = path("removed before");
    let removed = site
        .one
        .collections
        .remove_file(&site.owner, &home, id, removed);
    removed.await.unwrap();
    site.one
        .collections
        .seal(&site.owner, &home, id)
        .await
        .unwrap();
    let before = site.manifest(id).await;
    assert_eq!(before.0, ["kept", "short"]);
    let catalog = site.one.managed.catalog();
    let expired = catalog.remove_expired(row.id).await.unwrap();
    assert_eq!(expired, Some(Removal::Removed));
    assert_eq!(site.names(id).await, ["kept"]);
    assert_eq!(site.manifest(id).await, before);
    site.assert_totals(id, 1, 1).await;
    let found = site
        .one
        .collections
        .find(&site.owner, &home, id, name)
        .await;
    assert_eq!(kind(found), ErrorKind::NotFound);
}

pub(super) async fn the_digest_of_a_manifest_is_that_of_sha256sum(site: &Site) {
    let id = site.create().await;
    for (name, bytes) in [("b", "2"), ("a/\u{e9} x", "1"), ("B", "3"), ("a-", "4")] {
        site.put(id, name, bytes).await.unwrap();
    }
    let sealed = site.one.collections.seal(&site.owner, home(), id);
    sealed.await.unwrap();
    let lines = [("3", "B"), ("4", "a-"), ("1", "a/\u{e9} x"), ("2", "b")];
    let lines = lines.map(|(bytes, name)| format!("{}  {name}\n", digest(bytes.as_bytes())));
    let (names, found) = site.manifest(id).await;
    assert_eq!(names, ["B", "a-", "a/\u{e9} x", "b"]);
    assert_eq!(found, digest(lines.concat().as_bytes()).to_string());
    let empty = site.create().await;
    let sealed = site.one.collections.seal(&site.owner, home(), empty);
    sealed.await.unwrap();
    assert_eq!(
        site.manifest(empty).await,
        (Vec::new(), digest(b"").to_string())
    );
}
