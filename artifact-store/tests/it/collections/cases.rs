//! What one server does after another.

use std::sync::Arc;
use std::time::Duration;

use artifact_store::{
    ByteRange, ErrorKind, FileState, NewArtifact, Principal, Row, RowFilter, RowPosition, WorkerId,
    authorize,
};
use futures_util::TryStreamExt as _;

use super::site::{Site, home, kind, path, put};
use crate::support::{bytes, experiment};

pub(super) async fn a_name_is_given_once(site: &Site) {
    let id = site.create().await;
    let row = site.put(id, "runs/7/loss.csv", "0.5").await.unwrap();
    assert_eq!(row.file_name.as_ref().unwrap().as_str(), "loss.csv");
    for bytes in ["0.5", "other"] {
        let error = put(&site.other, &site.owner, id, "runs/7/loss.csv", bytes)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameTaken);
        let digest = row.sha256.to_string();
        assert!(error.detail().contains(&digest), "{error}");
    }
    let collections = &site.other.collections;
    let found = collections
        .find(&site.owner, home(), id, path("runs/7/loss.csv"))
        .await
        .unwrap();
    assert_eq!(
        (found.id, found.size, found.sha256),
        (row.id, 3, row.sha256)
    );
    site.assert_totals(id, 1, 3).await;
    // Names of another collection are others, and so are names that differ in one letter's case or composition.
    let second = site.create().await;
    site.put(second, "runs/7/loss.csv", "0.6").await.unwrap();
    for name in ["runs/7/Loss.csv", "runs/7/loss.csv ", "e\u{301}", "\u{e9}"] {
        site.put(id, name, "1").await.unwrap();
    }
    let removed =
        site.one
            .collections
            .remove_file(&site.owner, home(), id, path("runs/7/loss.csv"));
    removed.await.unwrap();
    let error = site.put(id, "runs/7/loss.csv", "0.5").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NameTaken);
    assert!(error.detail().contains("was removed"), "{error}");
    let found = collections.find(&site.owner, home(), id, path("runs/7/loss.csv"));
    assert_eq!(kind(found.await), ErrorKind::NotFound);
    site.assert_totals(id, 4, 4).await;
    site.assert_totals(second, 1, 3).await;
}

pub(super) async fn a_file_is_no_folder(site: &Site) {
    let id = site.create().await;
    for name in ["a/b/c", "d", "a-x", "a0", "a/b-c"] {
        site.put(id, name, "1").await.unwrap();
    }
    for name in ["a", "a/b", "d/e", "d/e/f", "a/b/c/d", "a0/1"] {
        let error = site.put(id, name, "2").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameTaken, "{name}");
    }
    for name in ["a/b/d", "d-e", "d0", "a/b0", "e/d"] {
        site.put(id, name, "3").await.unwrap();
    }
    let removed = site
        .one
        .collections
        .remove_file(&site.owner, home(), id, path("d"));
    removed.await.unwrap();
    assert_eq!(kind(site.put(id, "d/e", "4").await), ErrorKind::NameTaken);
    let page = site
        .one
        .managed
        .list(&site.owner, RowFilter::default(), RowPosition::START, 100);
    assert_eq!(
        page.await.unwrap().rows.len(),
        9,
        "a refused deposit is no artifact"
    );
}

pub(super) async fn files_belong_to_the_owner_of_the_collection(site: &Site) {
    let id = site.create().await;
    let row = put(&site.one, &Principal::admin(), id, "by/admin", "1")
        .await
        .unwrap();
    assert_eq!(row.created_by, site.owner.id());
    assert!(authorize(&site.owner, row).is_ok());
}

pub(super) async fn artifacts_have_the_location_of_their_file(site: &Site) {
    let id = site.create().await;
    let names = ["a", "logs/\u{e9}.txt", "gone"];
    let mut rows = Vec::new();
    for name in names {
        rows.push(site.put(id, name, "1").await.unwrap());
    }
    let new = NewArtifact::new(experiment(), &site.owner);
    rows.push(
        site.one
            .managed
            .store()
            .deposit(new)
            .finish()
            .await
            .unwrap(),
    );
    let removed = site.one.managed.remove(&site.owner, home(), rows[2].id);
    removed.await.unwrap();
    let locations = async |principal: &Principal, rows: &[Arc<Row>]| {
        let found = site.other.collections.locations(principal, rows).await;
        let found = found.unwrap().into_values();
        let mut found: Vec<_> = found
            .map(|found| (found.artifact, found.collection, found.path.to_string()))
            .collect();
        found.sort_unstable_by(|one, other| one.2.cmp(&other.2));
        found
    };
    let expected = [
        (rows[0].id, id, names[0].to_owned()),
        (rows[1].id, id, names[1].to_owned()),
    ];
    assert_eq!(locations(&site.owner, &rows).await, expected);
    assert_eq!(locations(&Principal::admin(), &rows).await, expected);
    assert_eq!(locations(&site.owner, &rows[1..2]).await, expected[1..]);
    assert_eq!(locations(&site.owner, &rows[2..]).await, []);
    assert_eq!(locations(&site.owner, &[]).await, []);
    let other = Principal::worker(WorkerId::mint(), experiment());
    assert_eq!(locations(&other, &rows).await, [], "it deposited none");
    let none = site.one.collections.catalog().locations(&[]).await;
    assert_eq!(none.unwrap(), []);
}

pub(super) async fn a_removed_artifact_leaves_its_collection(site: &Site) {
    let id = site.create().await;
    let [one, two] = ["one", "two"];
    let row = site.put(id, one, "1").await.unwrap();
    site.put(id, two, "22").await.unwrap();
    let removed = site.other.managed.remove(&site.owner, home(), row.id);
    removed.await.unwrap();
    assert_eq!(site.names(id).await, [two]);
    site.assert_totals(id, 1, 2).await;
    assert_eq!(kind(site.put(id, one, "1").await), ErrorKind::NameTaken);
    let catalog = site.one.collections.catalog();
    let found = catalog.find_file(id, path(one)).await.unwrap().unwrap();
    assert_eq!(found.state, FileState::Removed);
    // The repair that ignores holds.
    let row = site.put(id, "three", "333").await.unwrap();
    site.one.managed.catalog().delete(row.id).await.unwrap();
    assert_eq!(site.names(id).await, [two]);
    site.assert_totals(id, 1, 2).await;
}

pub(super) async fn files_with_chunk_digests_are_verified_by_range(site: &Site) {
    let id = site.create().await;
    let new = NewArtifact::new(experiment(), &site.owner);
    let large = bytes(300_000);
    let deposit = site
        .one
        .collections
        .deposit(&site.owner, home(), id, path("large"), new);
    let mut deposit = deposit.await.unwrap();
    deposit.write(large.clone().into()).await.unwrap();
    let row = deposit.finish().await.unwrap();
    let digests = site.other.managed.catalog().chunk_digests(row.id).await;
    assert!(digests.unwrap().is_some());
    let store = site.other.managed.store();
    let grant = authorize(&site.owner, store.row(home(), row.id).await.unwrap()).unwrap();
    let range = ByteRange::From(200_000);
    let read = store.read(&grant, range).await.unwrap();
    let read: Vec<_> = read.try_collect().await.unwrap();
    assert_eq!(read.concat(), large[200_000..]);
}

pub(super) async fn a_deposit_that_missed_its_deadline_gives_no_name(site: &Site) {
    let id = site.create().await;
    let new = NewArtifact::new(experiment(), &site.owner);
    let deposit = site
        .one
        .collections
        .deposit(&site.owner, home(), id, path("late"), new);
    let mut deposit = deposit.await.unwrap();
    deposit.write("1".into()).await.unwrap();
    site.clock.advance(Duration::from_hours(13));
    assert_eq!(kind(deposit.finish().await), ErrorKind::Unavailable);
    assert!(site.names(id).await.is_empty());
    site.put(id, "late", "2").await.unwrap();
}
