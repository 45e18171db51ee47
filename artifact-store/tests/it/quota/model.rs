//! Random sequences of calls on each database, compared with a database in memory, which adds up its rows each time.

use std::sync::Arc;
use std::time::Duration;

use artifact_store::{
    ArtifactId, CatalogInventory, Experiment, ImportId, MemoryDatabase, PrincipalId, Quota,
    QuotaScope, QuotaStatus, ReservationId, ReservationOutcome, ReservationRequest, Row, StagedRow,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{experiment, external, row, time, worker};

const PRINCIPALS: usize = 3;
const ARTIFACTS: u8 = 12;
const RESERVATIONS: usize = 4;

fn principal(n: usize) -> PrincipalId {
    match n {
        0 => PrincipalId::Admin,
        1 => worker().id(),
        _ => external("alice").id(),
    }
}

/// 0 is the whole experiment.
fn scope(n: usize) -> QuotaScope {
    QuotaScope::new(experiment(), (n > 0).then(|| principal(n)))
}

#[derive(Debug, Clone)]
enum Call {
    Set(usize, Quota),
    RemoveQuota(usize),
    Reserve {
        slot: usize,
        by: usize,
        least: u64,
        wanted: u64,
        is_over: bool,
    },
    Settle(usize, u8, u64, bool),
    Release(usize),
    Insert(u8, usize, u64, bool),
    Import(u8, usize, u64),
    Remove(u8),
    Delete(u8),
    Expire(u8),
}

fn call() -> impl Strategy<Value = Call> {
    let (slot, by, artifact) = (0..RESERVATIONS, 0..PRINCIPALS, 0..ARTIFACTS);
    let limit = |max: u64| prop::option::of(0..max);
    let quota = (limit(100), limit(6), limit(4)).prop_map(|(bytes, artifacts, in_flight)| {
        Quota::default()
            .with_max_bytes(bytes)
            .with_max_artifacts(artifacts)
            .with_max_in_flight(in_flight)
    });
    let size = 0_u64..40;
    let reserve = (
        slot.clone(),
        by.clone(),
        size.clone(),
        size.clone(),
        any::<bool>(),
    );
    prop_oneof![
        2 => (0..PRINCIPALS, quota).prop_map(|(of, quota)| Call::Set(of, quota)),
        1 => (0..PRINCIPALS).prop_map(Call::RemoveQuota),
        6 => reserve.prop_map(|(slot, by, least, more, is_over)| Call::Reserve {
            slot, by, least, wanted: least + more, is_over,
        }),
        4 => (slot.clone(), artifact.clone(), size.clone(), any::<bool>())
            .prop_map(|(slot, artifact, size, over)| Call::Settle(slot, artifact, size, over)),
        1 => slot.prop_map(Call::Release),
        5 => (artifact.clone(), by.clone(), size.clone(), any::<bool>())
            .prop_map(|(artifact, by, size, keyed)| Call::Insert(artifact, by, size, keyed)),
        1 => (artifact.clone(), by, size).prop_map(|(artifact, by, size)| Call::Import(artifact, by, size)),
        2 => artifact.clone().prop_map(Call::Remove),
        1 => artifact.clone().prop_map(Call::Delete),
        1 => artifact.prop_map(Call::Expire),
    ]
}

/// What a call shows of a database.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    Done(bool),
    Outcome(ReservationOutcome),
}

fn id(n: u8) -> ArtifactId {
    row(n).id
}

fn row_of(n: u8, by: usize, size: u64) -> Row {
    let mut row = row(n);
    row.created_by = principal(by);
    row.size = size;
    // The odd ones have expired.
    let expires_at = if n.is_multiple_of(2) {
        9_000_000_000
    } else {
        1
    };
    row.with_expires_at(Some(time(expires_at)))
}

fn lease(is_over: bool) -> Duration {
    if is_over {
        Duration::ZERO
    } else {
        Duration::from_hours(1)
    }
}

async fn make(
    rows: &dyn CatalogInventory,
    call: &Call,
    slots: &[ReservationId],
    import: ImportId,
) -> Shown {
    let quotas = rows.quotas().unwrap();
    Shown::Done(match *call {
        Call::Set(of, quota) => quotas.set_quota(&scope(of), &quota).await.is_ok(),
        Call::RemoveQuota(of) => quotas.remove_quota(&scope(of)).await.unwrap(),
        Call::Reserve {
            slot,
            by,
            least,
            wanted,
            is_over,
        } => {
            let request = ReservationRequest::new(
                slots[slot],
                experiment(),
                principal(by),
                least,
                lease(is_over),
            );
            let request = request.with_wanted_bytes(wanted);
            return Shown::Outcome(quotas.reserve(&request).await.unwrap());
        }
        Call::Settle(slot, artifact, size, is_over) => quotas
            .settle(slots[slot], id(artifact), size, lease(is_over))
            .await
            .unwrap(),
        Call::Release(slot) => quotas.release(slots[slot]).await.is_ok(),
        Call::Insert(n, by, size, false) => rows.insert(&row_of(n, by, size)).await.is_ok(),
        Call::Insert(n, by, size, true) => {
            let key = "k".parse().unwrap();
            let row = row_of(n, by, size);
            let inserted = rows.insert_keyed(&row, None, None, &key).await;
            inserted.is_ok_and(|inserted| inserted)
        }
        Call::Import(n, by, size) => {
            let staged = [StagedRow::new(row_of(n, by, size))];
            rows.stage(import, &staged).await.unwrap();
            rows.publish(import, 1).await.is_ok()
        }
        Call::Remove(n) => {
            rows.remove(id(n)).await.unwrap();
            true
        }
        Call::Delete(n) => rows.delete(id(n)).await.is_ok(),
        Call::Expire(n) => rows.remove_expired(id(n)).await.unwrap().is_some(),
    })
}

async fn statuses(rows: &dyn CatalogInventory) -> Vec<QuotaStatus> {
    let (quotas, home) = (rows.quotas().unwrap(), experiment());
    quotas.quotas(&home, None, 100).await.unwrap().quotas
}

/// Makes the calls on both databases, and compares what they show after each.
async fn compare(rows: Arc<dyn CatalogInventory>, calls: &[Call]) {
    let memory = MemoryDatabase::new();
    let model: &dyn CatalogInventory = &memory;
    let slots: Vec<_> = (0..RESERVATIONS).map(|_| ReservationId::mint()).collect();
    for rows in [model, &*rows] {
        let new = Experiment::new(experiment(), time(1));
        rows.create_experiment(&new).await.unwrap();
    }
    for (n, call) in calls.iter().enumerate() {
        let import = ImportId::mint();
        let expected = make(model, call, &slots, import).await;
        let shown = make(&*rows, call, &slots, import).await;
        assert_eq!(shown, expected, "call {n} of {calls:?}");
        assert_eq!(
            statuses(&*rows).await,
            statuses(model).await,
            "{n} of {calls:?}"
        );
    }
}

fn run(cases: u32, test: impl Fn(Vec<Call>)) {
    let calls = prop::collection::vec(call(), 1..60);
    let mut runner = TestRunner::new(Config::with_cases(cases));
    let tested = runner.run(&calls, |calls| {
        test(calls);
        Ok(())
    });
    tested.unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap()
}

#[cfg(feature = "sqlite")]
#[test]
fn quotas_in_sqlite_do_what_the_model_does() {
    let runtime = runtime();
    run(24, |calls| {
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("rows.sqlite");
            let rows = artifact_store::SqliteDatabase::open(path).await.unwrap();
            compare(Arc::new(rows), &calls).await;
        });
    });
}

#[cfg(feature = "postgres")]
#[test]
fn quotas_in_postgres_do_what_the_model_does() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let runtime = runtime();
    run(12, |calls| {
        runtime.block_on(async {
            let database = postgres.database();
            let rows = crate::catalog::postgres::open(&database).await;
            database.sql("UPDATE artifact.rights_lease SET lease_ms = 0");
            compare(Arc::new(rows), &calls).await;
        });
    });
}
