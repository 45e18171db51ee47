//! What two servers do at the same time.

use artifact_store::{Deposit, ErrorKind, NewArtifact};
use futures_util::future::{join, join_all};

use super::site::{Site, home, path};
use crate::support::experiment;

/// Begins a deposit on one of the two servers, and writes its bytes.
async fn begin(
    site: &Site,
    number: usize,
    id: artifact_store::CollectionId,
    name: &str,
) -> Deposit {
    let server = [&site.one, &site.other][number % 2];
    let new = NewArtifact::new(experiment(), &site.owner);
    let deposit = server
        .collections
        .deposit(&site.owner, home(), id, path(name), new);
    let mut deposit = deposit.await.unwrap();
    deposit
        .write(format!("deposit {number}").into())
        .await
        .unwrap();
    deposit
}

pub(super) async fn one_of_many_deposits_of_a_name_succeeds(site: &Site) {
    let id = site.create().await;
    for round in 0..4_u64 {
        let name = format!("name-{round}");
        let deposits = join_all((0..8).map(|number| begin(site, number, id, &name))).await;
        let finished = deposits.into_iter().map(Deposit::finish);
        let tasks = finished.map(tokio::spawn);
        let outcomes: Vec<_> = join_all(tasks)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let won: Vec<_> = outcomes.iter().flatten().collect();
        assert_eq!(won.len(), 1);
        for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            assert_eq!(error.kind(), ErrorKind::NameTaken, "{error}");
        }
        let found = site
            .other
            .collections
            .find(&site.owner, home(), id, path(&name));
        assert_eq!(found.await.unwrap().id, won[0].id);
        site.assert_totals(id, round + 1, 9 * (round + 1)).await;
    }
    let usage = site.one.managed.usage(&site.owner, home()).await;
    assert_eq!(usage.unwrap()[0].artifacts, 4);
}

pub(super) async fn a_file_and_a_folder_of_one_name_are_not_both_given(site: &Site) {
    let id = site.create().await;
    for round in 0..8 {
        let (file, below) = (format!("{round}"), format!("{round}/x/y"));
        let one = begin(site, 0, id, &file).await;
        let other = begin(site, 1, id, &below).await;
        let outcomes = join(tokio::spawn(one.finish()), tokio::spawn(other.finish())).await;
        let (one, other) = (outcomes.0.unwrap(), outcomes.1.unwrap());
        assert_ne!(one.is_ok(), other.is_ok(), "{one:?} {other:?}");
        let error = one.err().or(other.err()).unwrap();
        assert_eq!(error.kind(), ErrorKind::NameTaken);
    }
    site.assert_totals(id, 8, 72).await;
}

pub(super) async fn a_seal_has_exactly_the_files_that_were_acknowledged(site: &Site) {
    for _ in 0..6 {
        let id = site.create().await;
        let mut deposits = Vec::new();
        for number in 0..10 {
            deposits.push(begin(site, number, id, &format!("{number}")).await);
        }
        let tasks = deposits
            .into_iter()
            .map(|deposit| tokio::spawn(deposit.finish()));
        let collections = site.other.collections.clone();
        let owner = site.owner.clone();
        let seal = tokio::spawn(async move { collections.seal(&owner, home(), id).await });
        let (outcomes, sealed) = join(join_all(tasks), seal).await;
        let sealed = sealed.unwrap().unwrap();
        let mut acknowledged = Vec::new();
        for (number, outcome) in outcomes.into_iter().enumerate() {
            match outcome.unwrap() {
                Ok(_) => acknowledged.push(number.to_string()),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Sealed, "{error}"),
            }
        }
        assert_eq!(site.manifest(id).await.0, acknowledged);
        assert_eq!(sealed.files, acknowledged.len() as u64);
        let refused = site.put(id, "later", "1").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Sealed);
    }
}
