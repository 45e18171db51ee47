//! Transactions of several servers that insert, remove and hold the same rows.

use std::sync::Arc;

use artifact_backend::background;
use artifact_postgres_test::{Database, Server};
use artifact_store::{
    ArtifactId, Catalog as _, CatalogInventory, ErrorKind, ExpiryPosition, Hold, ImportId,
    PortableDatabase as _, PostgresDatabase, PostgresOptions, PrincipalId, PrincipalUsage, Removal,
    Row, RowFilter, RowPosition, StagedRow,
};

use super::{host, hosted, open, url, wait_for_a_waiter, wait_until};
use crate::support::{experiment, row, time};

/// An insert of `row(1)` that an older server would send, too.
const INSERT: &str = "\
    INSERT INTO artifact.artifacts \
    SELECT decode(repeat('01', 16), 'hex'), 'exp-1', 'wkr_0123456789abcdefghjkmnpqrs', 1, \
        'application/octet-stream', NULL, decode(repeat('01', 32), 'hex'), 1700000001000000";
const ID: &str = "decode(repeat('01', 16), 'hex')";

async fn ids(rows: &PostgresDatabase, after: RowPosition) -> (Vec<u8>, Option<RowPosition>) {
    let page = rows.scan(&RowFilter::default(), after, 2).await.unwrap();
    let ids = page.rows.iter().map(|row| row.id.as_bytes()[0]).collect();
    (ids, page.next)
}

/// Starts a call of another server, and waits until it waits for a lock.
fn waiting<T: Send + 'static>(
    database: &Database<'_>,
    call: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    let call = tokio::spawn(call);
    wait_for_a_waiter(database);
    call
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_does_not_pass_a_row_whose_transaction_has_not_ended() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    let reader = open(&database).await;
    rows.insert(&row(0)).await.unwrap();
    assert_eq!(ids(&reader, RowPosition::START).await.0, [0]);

    let mut slow = database.psql();
    slow.run(&format!("BEGIN; {INSERT}"));
    for n in [2, 3, 4] {
        rows.insert(&row(n)).await.unwrap();
    }
    let all = RowFilter::default();
    let error = reader
        .scan(&all, RowPosition::START, 2)
        .await
        .expect_err("the second row is unknown");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.detail().contains("transaction"), "{error}");
    slow.run("COMMIT");

    let (first, next) = ids(&reader, RowPosition::START).await;
    assert_eq!(first, [0, 1]);
    let (second, next) = ids(&reader, next.unwrap()).await;
    assert_eq!(second, [2, 3]);
    // The positions up to here are settled, so a later transaction does not delay the page.
    slow.run("BEGIN; LOCK TABLE artifact.artifact_rows IN ROW EXCLUSIVE MODE");
    assert_eq!(ids(&reader, RowPosition::START).await.0, [0, 1]);
    slow.run("ROLLBACK");
    assert_eq!(ids(&reader, next.unwrap()).await, (vec![4], None));
}

/// Returns the row with this number. Each number has an id of its own.
fn numbered(n: u16) -> Row {
    let mut bytes = [7; 16];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    let mut numbered = row(1);
    numbered.id = ArtifactId::from_bytes(bytes);
    numbered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_at_the_end_skips_no_row_of_several_servers() {
    const SERVERS: u16 = 3;
    const EACH: u16 = 60;
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let reader = hosted(&database).await;
    let mut inserts = Vec::new();
    for server in 0..SERVERS {
        let rows = open(&database).await;
        inserts.push(tokio::spawn(async move {
            for n in server * EACH..(server + 1) * EACH {
                rows.insert(&numbered(n)).await.unwrap();
            }
        }));
    }
    let all = RowFilter::default();
    let (mut after, mut ids) = (RowPosition::START, Vec::new());
    loop {
        let done = inserts.iter().all(tokio::task::JoinHandle::is_finished);
        let page = reader.scan(&all, after, 1).await.unwrap();
        // A last page may become longer, so it is read again.
        if let Some(next) = page.next {
            ids.extend(page.rows.iter().map(|row| row.id));
            after = next;
        } else if done {
            ids.extend(page.rows.iter().map(|row| row.id));
            break;
        }
    }
    for insert in inserts {
        insert.await.unwrap();
    }
    ids.sort_unstable();
    let expected: Vec<_> = (0..SERVERS * EACH).map(|n| numbered(n).id).collect();
    assert_eq!(ids, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_an_insert_and_a_condemnation_the_first_to_commit_wins() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = Arc::new(hosted(&database).await);
    let mut other = database.psql();

    other.run(&format!("BEGIN; {INSERT}"));
    let server = Arc::clone(&rows);
    let condemned = waiting(&database, async move {
        server.condemn(&[row(0).id, row(1).id]).await
    });
    other.run("COMMIT");
    assert_eq!(condemned.await.unwrap().unwrap(), [row(0).id]);
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));

    let id = ID.replace("01", "02");
    other.run(&format!("BEGIN; SELECT artifact.condemn_ids(ARRAY[{id}])"));
    let server = Arc::clone(&rows);
    let inserted = waiting(&database, async move { server.insert(&row(2)).await });
    other.run("COMMIT");
    let error = inserted.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");

    let id = ID.replace("01", "03");
    other.run(&format!("BEGIN; SELECT artifact.condemn_ids(ARRAY[{id}])"));
    let server = Arc::clone(&rows);
    let inserted = waiting(&database, async move { server.insert(&row(3)).await });
    other.run("ROLLBACK");
    inserted.await.unwrap().unwrap();
    assert_eq!(rows.get(row(3).id).await.unwrap(), Some(row(3)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hold_and_a_removal_the_first_to_lock_the_row_wins() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = Arc::new(hosted(&database).await);
    let mut other = database.psql();
    for n in [1, 2] {
        rows.insert(&row(n)).await.unwrap();
    }
    let hold = Hold::new(row(2).id, PrincipalId::Admin, time(1));

    // As the statement of a server does it.
    other.run(&format!(
        "BEGIN; SELECT FROM artifact.artifact_rows WHERE id = {ID} FOR UPDATE; \
         INSERT INTO artifact.holds VALUES ({ID}, 'admin', 1)"
    ));
    let server = Arc::clone(&rows);
    let removed = waiting(&database, async move { server.remove(row(1).id).await });
    other.run("COMMIT");
    assert_eq!(removed.await.unwrap().unwrap(), Removal::Held);
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));

    let id = ID.replace("01", "02");
    other.run(&format!(
        "BEGIN; SELECT artifact.remove_row({id}, false, false)"
    ));
    let server = Arc::clone(&rows);
    let placed = waiting(&database, async move { server.place_hold(&hold).await });
    other.run("COMMIT");
    let error = placed.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(rows.find_hold(row(2).id).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removals_become_visible_in_the_order_of_their_positions() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = Arc::new(hosted(&database).await);
    let mut other = database.psql();
    for n in [1, 2] {
        rows.insert(&row(n)).await.unwrap();
    }
    other.run(&format!(
        "BEGIN; SELECT artifact.remove_row({ID}, false, false)"
    ));
    let server = Arc::clone(&rows);
    let removed = waiting(&database, async move { server.remove(row(2).id).await });
    assert_eq!(rows.last_removal().await.unwrap(), RowPosition::START);
    other.run("COMMIT");
    assert_eq!(removed.await.unwrap().unwrap(), Removal::Removed);
    let page = rows.removals(RowPosition::START, 10).await.unwrap();
    assert_eq!(page.ids, [row(1).id, row(2).id]);
    assert_eq!(rows.last_removal().await.unwrap(), page.next);
}

/// The database does not read the hold, so it is in force.
#[tokio::test]
async fn an_unreadable_hold_prevents_every_removal() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    rows.insert(&row(1).with_expires_at(time(1))).await.unwrap();
    database.sql(&format!(
        "INSERT INTO artifact.holds VALUES ({ID}, 'wkr_root', 1)"
    ));
    let error = rows.find_hold(row(1).id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(rows.remove(row(1).id).await.unwrap(), Removal::Held);
    let removal = rows.remove_expired(row(1).id).await.unwrap();
    assert_eq!(removal, Some(Removal::Held));
    let page = rows.expired(&ExpiryPosition::START, 10).await.unwrap();
    assert_eq!(page.ids, []);
}

#[tokio::test]
async fn a_row_edited_by_hand_is_left_out_of_lists() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    for n in 0..4 {
        rows.insert(&row(n)).await.unwrap();
    }
    database.sql(&format!(
        "DROP TRIGGER artifact_rows_never_change ON artifact.artifact_rows;
         UPDATE artifact.artifact_rows SET file_name = '../x' WHERE id = {ID}"
    ));
    let page = rows
        .scan(&RowFilter::default(), RowPosition::START, 10)
        .await
        .unwrap();
    assert_eq!(page.unreadable, 1);
    let ids: Vec<_> = page.rows.iter().map(|row| row.id).collect();
    assert_eq!(ids, [row(0).id, row(2).id, row(3).id]);
}

/// More rows than one page looks at.
#[tokio::test]
async fn one_page_looks_at_ten_thousand_rows() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    database.sql(
        "INSERT INTO artifact.artifacts \
         SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 'exp-1', 'admin', n, 'a/b', NULL, \
             decode(repeat('01', 32), 'hex'), 0 \
         FROM generate_series(1, 20100) AS n",
    );
    let mut filter = RowFilter::default();
    filter.min_size = Some(20_001);
    let (mut after, mut found) = (RowPosition::START, Vec::new());
    loop {
        let page = rows.scan(&filter, after, 60).await.unwrap();
        found.push(page.rows.len());
        let Some(next) = page.next else { break };
        assert!(next > after);
        after = next;
    }
    assert_eq!(found, [0, 0, 60, 40]);

    database.sql("INSERT INTO artifact.retention VALUES ('exp-1', 0)");
    let (mut next, mut found) = (Some(ExpiryPosition::START), 0);
    while let Some(after) = next {
        let page = rows.expired(&after, 1_000).await.unwrap();
        found += page.ids.len();
        next = page.next;
    }
    assert_eq!(found, 20_100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maintenance_and_requests_do_not_wait_for_each_other() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let options = PostgresOptions::default().with_max_connections(8);
    let rows = PostgresDatabase::open_with(&url(&database), &options).await;
    let rows = Arc::new(rows.unwrap());
    host(&rows).await;
    rows.insert(&row(1)).await.unwrap();
    let mut locked = database.psql();
    locked.run("BEGIN; LOCK TABLE artifact.holds");

    // Four connections serve requests: 8 without those that insert, look up credentials, and do maintenance.
    let hold = || {
        let rows = Arc::clone(&rows);
        async move { rows.find_hold(row(1).id).await }
    };
    let maintenance = waiting(&database, background(hold()));
    assert_eq!(rows.last_scrub().await.unwrap(), None, "a request goes on");
    let requests: Vec<_> = (0..3).map(|_| tokio::spawn(hold())).collect();
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    wait_until("three requests that wait", || database.sql(waiting) == "4");
    assert_eq!(rows.last_scrub().await.unwrap(), None, "a request goes on");
    locked.run("ROLLBACK; BEGIN");
    assert_eq!(maintenance.await.unwrap().unwrap(), None);
    for request in requests {
        assert_eq!(request.await.unwrap().unwrap(), None);
    }

    // The other way round: all connections of requests wait.
    locked.run("LOCK TABLE artifact.holds");
    let requests: Vec<_> = (0..4).map(|_| tokio::spawn(hold())).collect();
    wait_until("four requests that wait", || database.sql(waiting) == "4");
    // A snapshot has a connection outside of the lane, so other maintenance goes on beside it.
    let snapshot = background(rows.snapshot()).await.unwrap();
    let import = ImportId::mint();
    let staged = [StagedRow::new(row(2))];
    background(rows.stage(import, &staged)).await.unwrap();
    let all = RowFilter::default();
    let page = background(rows.scan(&all, RowPosition::START, 2)).await;
    assert_eq!(page.unwrap().rows.len(), 1, "maintenance goes on");
    drop(snapshot);
    locked.run("ROLLBACK");
    for request in requests {
        assert_eq!(request.await.unwrap().unwrap(), None);
    }
}

#[tokio::test]
async fn a_page_of_expired_rows_reads_no_others() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    database.sql(
        "INSERT INTO artifact.artifact_rows \
             (id, experiment, created_by, size, content_type, sha256, created_at, expires_at) \
         SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 'exp-1', 'admin', n, 'a/b', \
             decode(repeat('01', 32), 'hex'), \
             CASE WHEN n = 1 THEN 0 ELSE artifact.now_micros() END, CASE WHEN n % 2 = 0 THEN 9000000000000000 - n END \
         FROM generate_series(1, 20000) AS n; ANALYZE artifact.artifact_rows",
    );
    // One row of each kind has expired.
    database.sql("INSERT INTO artifact.retention VALUES ('exp-1', 3600000000)");
    rows.insert(&row(1).with_expires_at(time(1))).await.unwrap();
    for statement in [
        "expires_at IS NOT NULL AND (expires_at, seq) > (-9223372036854775808, 0) \
         AND expires_at <= (SELECT artifact.now_micros()) ORDER BY expires_at, seq",
        "removed_at IS NULL AND expires_at IS NULL AND experiment = 'exp-1' \
         AND (created_at, seq) > (-9223372036854775808, 0) \
         AND created_at <= (SELECT artifact.now_micros()) - 1700000000000000 ORDER BY created_at, seq",
    ] {
        let plan = database.sql(&format!(
            "EXPLAIN SELECT id, seq FROM artifact.artifact_rows WHERE {statement} LIMIT 5"
        ));
        assert!(plan.contains("Merge Append"), "{plan}");
        assert!(!plan.contains("Seq Scan"), "{plan}");
        assert!(!plan.contains("Sort  "), "{plan}");
    }
    let page = rows.expired(&ExpiryPosition::START, 1_000).await.unwrap();
    let mut created_long_ago = [0; 16];
    created_long_ago[15] = 1;
    let expected = [row(1).id, ArtifactId::from_bytes(created_long_ago)];
    assert_eq!(page.ids, expected);
    assert_eq!(page.next, None);
}

/// More rows than one statement adds up, and a depositor whose rows end where a statement ends.
#[tokio::test]
async fn usage_of_any_number_of_rows_is_added_up_in_parts() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    database.sql(
        "INSERT INTO artifact.artifact_rows (id, experiment, created_by, size, content_type, sha256, created_at) \
         SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 'exp-1', \
             CASE WHEN n <= 40000 THEN 'Adam' WHEN n <= 100000 THEN 'admin' ELSE 'eve' END, n, 'a/b', \
             decode(repeat('01', 32), 'hex'), 0 \
         FROM generate_series(1, 200010) AS n",
    );
    database.sql("VACUUM ANALYZE artifact.artifact_rows");
    let sum = |from: u64, to: u64| (from..=to).sum();
    let expected = [
        ("Adam", 1, 40_000),
        ("admin", 40_001, 100_000),
        ("eve", 100_001, 200_010),
    ];
    let expected = expected.map(|(name, from, to)| {
        PrincipalUsage::new(name.parse().unwrap(), to - from + 1, sum(from, to))
    });
    assert_eq!(rows.usage(&experiment(), None).await.unwrap(), expected);
    for total in &expected {
        let own = rows.usage(&experiment(), Some(&total.created_by)).await;
        assert_eq!(own.unwrap(), std::slice::from_ref(total));
    }
    let plan = database.sql(
        "EXPLAIN SELECT created_by COLLATE \"C\", seq, size FROM artifact.artifact_rows \
         WHERE experiment = 'exp-1' AND removed_at IS NULL AND (created_by COLLATE \"C\", seq) > ('admin', 7) \
         ORDER BY created_by COLLATE \"C\", seq LIMIT 100000",
    );
    assert!(plan.contains("Index Only Scan"), "{plan}");
    assert!(!plan.contains("Sort  "), "{plan}");
}
