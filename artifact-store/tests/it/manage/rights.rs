//! Who may do what.

use std::time::Duration;

use artifact_store::{
    ErrorKind, Experiment, Principal, Result, Row, RowFilter, RowPosition, WorkerId, authorize,
};

use super::{Server, Site};
use crate::support::{OTHER_WORKER, experiment, external, other_experiment, time, worker};

const OK: Option<ErrorKind> = None;
const FORBIDDEN: Option<ErrorKind> = Some(ErrorKind::Forbidden);
const NOT_FOUND: Option<ErrorKind> = Some(ErrorKind::NotFound);

fn other_worker() -> WorkerId {
    OTHER_WORKER.parse().unwrap()
}

/// Each kind of principal, and the outcomes of `remove`, of the calls for the administrator, and of `retention`.
fn principals() -> Vec<(&'static str, Principal, [Option<ErrorKind>; 3])> {
    let stranger = || Principal::worker(other_worker(), experiment());
    let elsewhere = || Principal::worker(other_worker(), other_experiment());
    let alice = || Principal::external("alice".parse().unwrap(), other_experiment());
    vec![
        ("the administrator", Principal::admin(), [OK, OK, OK]),
        ("the depositor", worker(), [OK, FORBIDDEN, OK]),
        (
            "the depositor in admins",
            worker().with_admin_class(),
            [OK, FORBIDDEN, OK],
        ),
        ("another worker", stranger(), [FORBIDDEN, FORBIDDEN, OK]),
        (
            "another worker in admins",
            stranger().with_admin_class(),
            [FORBIDDEN, FORBIDDEN, OK],
        ),
        (
            "an external principal",
            external("alice"),
            [FORBIDDEN, FORBIDDEN, OK],
        ),
        (
            "an external principal in admins",
            external("alice").with_admin_class(),
            [FORBIDDEN, FORBIDDEN, OK],
        ),
        (
            "a worker of another experiment",
            elsewhere(),
            [NOT_FOUND, FORBIDDEN, NOT_FOUND],
        ),
        (
            "a worker in admins of another experiment",
            elsewhere().with_admin_class(),
            [NOT_FOUND, FORBIDDEN, NOT_FOUND],
        ),
        (
            "the depositor's id in another experiment",
            Principal::worker(crate::support::worker_id(), other_experiment()),
            [NOT_FOUND, FORBIDDEN, NOT_FOUND],
        ),
        (
            "an external principal of another experiment",
            alice(),
            [NOT_FOUND, FORBIDDEN, NOT_FOUND],
        ),
    ]
}

fn kind<T>(outcome: Result<T>) -> Option<ErrorKind> {
    outcome.err().map(|error| error.kind())
}

#[tokio::test]
async fn each_call_checks_the_principal() {
    for (name, principal, [remove, admin_only, retention]) in principals() {
        let (site, server) = Site::with_one_server().await;
        let row = server.deposit().await;
        let (managed, home) = (&server.managed, experiment());

        let found = managed.retention(&principal, &home).await;
        assert_eq!(kind(found), retention, "{name}: retention");
        let keep = Some(Duration::from_mins(1));
        let set = managed.set_retention(&principal, &home, keep).await;
        assert_eq!(kind(set), admin_only, "{name}: set_retention");
        let found = managed.retention(&Principal::admin(), &home).await.unwrap();
        assert_eq!(found, keep.filter(|_| admin_only.is_none()), "{name}");

        let placed = managed.place_hold(&principal, &home, row.id).await;
        assert_eq!(kind(placed), admin_only, "{name}: place_hold");
        if admin_only.is_none() {
            let checked = managed.check_removal(&principal, &home, row.id).await;
            assert_eq!(kind(checked), Some(ErrorKind::Held), "{name}");
        }
        let grant = authorize(&Principal::admin(), row.clone()).unwrap();
        let hold = managed.info(&grant).await.unwrap().hold;
        assert_eq!(hold.is_some(), admin_only.is_none(), "{name}");
        let released = managed.release_hold(&principal, &home, row.id).await;
        assert_eq!(kind(released), admin_only, "{name}: release_hold");

        let checked = managed.check_removal(&principal, &home, row.id).await;
        assert!(server.finds(&row).await && site.has_blob(row.id).await);
        match checked {
            Ok(found) => assert_eq!((found, remove), ((*row).clone(), OK), "{name}"),
            Err(error) => assert_eq!(Some(error.kind()), remove, "{name}: check_removal"),
        }
        let removed = server.remove_as(&principal, &row).await;
        assert_eq!(kind(removed), remove, "{name}: remove");
        let checked = managed
            .check_removal(&Principal::admin(), &home, row.id)
            .await;
        let gone = remove.is_none().then_some(ErrorKind::NotFound);
        assert_eq!(kind(checked), gone, "{name}: check_removal afterwards");
        assert_eq!(server.finds(&row).await, remove.is_some(), "{name}");
        assert_eq!(site.has_blob(row.id).await, remove.is_some(), "{name}");
    }
}

#[tokio::test]
async fn external_principals_remove_what_they_deposited() {
    let (_site, server) = Site::with_one_server().await;
    let alice = external("alice@example.com");
    let row = server.deposit_as(&alice, experiment()).await;
    let removed = server.remove_as(&external("bob@example.com"), &row).await;
    assert_eq!(kind(removed), FORBIDDEN);
    server.remove_as(&alice, &row).await.unwrap();
    assert!(!server.finds(&row).await);
}

/// Deposits one artifact of the worker, one of Alice and one in the other experiment.
async fn three_rows(server: &Server) -> [std::sync::Arc<Row>; 3] {
    let elsewhere = Principal::worker(other_worker(), other_experiment());
    [
        server.deposit().await,
        server.deposit_as(&external("alice"), experiment()).await,
        server.deposit_as(&elsewhere, other_experiment()).await,
    ]
}

#[tokio::test]
async fn principals_list_what_they_may_read() {
    let (_site, server) = Site::with_one_server().await;
    let [own, others, elsewhere] = three_rows(&server).await;
    for (principal, expected) in [
        (Principal::admin(), vec![&own, &others, &elsewhere]),
        (worker(), vec![&own]),
        (worker().with_admin_class(), vec![&own, &others]),
        (external("alice"), vec![&others]),
        (external("bob"), vec![]),
        (external("bob").with_admin_class(), vec![&own, &others]),
        (
            Principal::worker(other_worker(), other_experiment()),
            vec![&elsewhere],
        ),
    ] {
        let rows = server.all_rows(&principal, &RowFilter::default()).await;
        assert_eq!(rows.iter().collect::<Vec<_>>(), expected, "{principal:?}");
        // The same if the filter says what holds anyway.
        if let Some(home) = principal.experiment() {
            let filter = RowFilter::of_experiment(home.clone());
            let rows = server.all_rows(&principal, &filter).await;
            assert_eq!(rows.iter().collect::<Vec<_>>(), expected, "{principal:?}");
        }
    }
}

#[tokio::test]
async fn filters_select_no_more_than_the_principal_may_list() {
    let (_site, server) = Site::with_one_server().await;
    let [own, others, elsewhere] = three_rows(&server).await;
    let list = async |principal: &Principal, filter: &RowFilter| {
        let page = server
            .managed
            .list(principal, filter.clone(), RowPosition::START, 10);
        page.await.map(|page| page.rows)
    };
    let foreign = RowFilter::of_experiment(other_experiment());
    let mut of_alice = RowFilter::default();
    of_alice.created_by = Some(others.created_by.clone());
    let mut of_worker = RowFilter::default();
    of_worker.created_by = Some(own.created_by.clone());

    assert_eq!(kind(list(&worker(), &foreign).await), NOT_FOUND);
    let member = worker().with_admin_class();
    assert_eq!(kind(list(&member, &foreign).await), NOT_FOUND);
    assert_eq!(
        list(&Principal::admin(), &foreign).await.unwrap(),
        [elsewhere]
    );
    let unknown = RowFilter::of_experiment("nowhere".parse().unwrap());
    assert_eq!(kind(list(&Principal::admin(), &unknown).await), NOT_FOUND);
    assert_eq!(kind(list(&worker(), &of_alice).await), FORBIDDEN);
    assert_eq!(list(&worker(), &of_worker).await.unwrap(), [own]);
    assert_eq!(list(&member, &of_alice).await.unwrap(), [others]);
}

#[tokio::test]
async fn usage_shows_what_the_principal_may_list() {
    let (_site, server) = Site::with_one_server().await;
    let [own, others, _elsewhere] = three_rows(&server).await;
    server.deposit().await;
    let usage = async |principal: &Principal| {
        let usage = server.managed.usage(principal, &experiment()).await?;
        let totals = usage.into_iter();
        let totals = totals.map(|usage| (usage.created_by, usage.artifacts, usage.bytes));
        Ok::<_, artifact_store::Error>(totals.collect::<Vec<_>>())
    };
    let of_worker = (own.created_by.clone(), 2, 6);
    let of_alice = (others.created_by.clone(), 1, 3);
    let all = [of_alice.clone(), of_worker.clone()];
    assert_eq!(usage(&Principal::admin()).await.unwrap(), all);
    assert_eq!(usage(&worker().with_admin_class()).await.unwrap(), all);
    assert_eq!(usage(&worker()).await.unwrap(), [of_worker]);
    assert_eq!(usage(&external("alice")).await.unwrap(), [of_alice]);
    assert_eq!(usage(&external("bob")).await.unwrap(), []);
    let elsewhere = Principal::worker(other_worker(), other_experiment());
    assert_eq!(kind(usage(&elsewhere).await), NOT_FOUND);
}

#[tokio::test]
async fn calls_for_an_unknown_experiment_find_nothing() {
    let (_site, server) = Site::with_one_server().await;
    let (admin, managed) = (Principal::admin(), &server.managed);
    let unknown = "nowhere".parse().unwrap();
    assert_eq!(kind(managed.usage(&admin, &unknown).await), NOT_FOUND);
    assert_eq!(kind(managed.retention(&admin, &unknown).await), NOT_FOUND);
    let set = managed.set_retention(&admin, &unknown, None).await;
    assert_eq!(kind(set), NOT_FOUND);
    // It is found once it exists.
    let created = Experiment::new(unknown.clone(), time(1));
    let catalog = managed.catalog();
    catalog.create_experiment(&created).await.unwrap();
    assert_eq!(managed.usage(&admin, &unknown).await.unwrap(), []);
}

#[tokio::test]
async fn only_the_administrator_creates_and_lists_experiments() {
    let (_site, server) = Site::with_one_server().await;
    let managed = &server.managed;
    let new = Experiment::new("made-later".parse().unwrap(), time(1));
    for (name, principal, [_, of_admin, _]) in principals() {
        let created = managed.create_experiment(&principal, &new).await;
        let listed = managed.experiments(&principal).await;
        assert_eq!(kind(listed), of_admin, "{name} lists");
        assert_eq!(kind(created), of_admin, "{name} creates");
    }
    // One that exists stays as it is.
    let later = Experiment::new(new.id.clone(), time(2));
    let stored = managed.create_experiment(&Principal::admin(), &later).await;
    assert_eq!(stored.unwrap(), new);
    let all = managed.experiments(&Principal::admin()).await.unwrap();
    assert!(all.contains(&new) && all.is_sorted_by(|a, b| a.id < b.id));
}
