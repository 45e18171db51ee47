//! A database of the version before the positions, and a server of that version that still uses it.

use artifact_postgres_test::{Database, Server};
use artifact_store::{
    Catalog as _, CatalogInventory as _, ErrorKind, Hold, PrincipalId, RowFilter, RowPosition,
};

use super::open;
use crate::support::{row, time};

const MIGRATIONS: [&str; 5] = [
    include_str!("../../../../src/database/postgres/migrations/0001_rows.sql"),
    include_str!("../../../../src/database/postgres/migrations/0002_identity.sql"),
    include_str!("../../../../src/database/postgres/migrations/0003_store_id.sql"),
    include_str!("../../../../src/database/postgres/migrations/0004_rights.sql"),
    include_str!("../../../../src/database/postgres/migrations/0005_lists.sql"),
];

/// The statements of that version, letter for letter.
const PREPARE: &str = "\
    SET search_path = artifact; \
    PREPARE older_insert AS \
    WITH new AS (\
        SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::text[], \
            $6::text[], $7::bytea[], $8::bigint[]) \
        AS new (id, experiment, created_by, size, content_type, file_name, sha256, created_at)\
    ), written AS (\
        INSERT INTO artifacts (id, experiment, created_by, size, content_type, file_name, sha256, \
            created_at) \
        SELECT new.* FROM new \
        WHERE EXISTS (SELECT FROM experiments WHERE experiments.id = new.experiment) \
        ON CONFLICT (id) DO NOTHING RETURNING id\
    ) \
    SELECT new.id, written.id IS NOT NULL, \
        EXISTS (SELECT FROM experiments WHERE experiments.id = new.experiment) \
        OR EXISTS (SELECT FROM artifacts WHERE artifacts.id = new.id), \
        (SELECT CASE WHEN pg_catalog.current_setting('synchronous_commit') IN ('on', 'remote_apply') \
            THEN NULL ELSE pg_catalog.set_config('synchronous_commit', 'on', true) END) \
    FROM new LEFT JOIN written ON written.id = new.id; \
    PREPARE older_select_again (bytea[]) AS \
    SELECT id, experiment, created_by, size, content_type, file_name, sha256, created_at \
    FROM artifacts WHERE id = ANY ($1) FOR SHARE; \
    PREPARE older_select (bytea) AS \
    SELECT id, experiment, created_by, size, content_type, file_name, sha256, created_at \
    FROM artifacts WHERE id = $1; \
    PREPARE older_delete (bytea) AS \
    WITH deleted AS (DELETE FROM artifacts WHERE id = $1 RETURNING id), \
    locked AS (SELECT version FROM schema_version \
        WHERE NOT EXISTS (SELECT FROM deleted) FOR KEY SHARE) \
    SELECT (SELECT count(*) FROM locked), \
        CASE WHEN pg_catalog.current_setting('synchronous_commit') IN ('on', 'remote_apply') \
            THEN NULL ELSE pg_catalog.set_config('synchronous_commit', 'on', true) END; \
    PREPARE older_some AS SELECT id FROM artifacts ORDER BY id LIMIT 8";

/// Creates the schema of that version, with one experiment.
fn create(database: &Database<'_>) {
    let migrations = MIGRATIONS.concat();
    database.sql(&format!(
        "CREATE SCHEMA artifact; SET search_path = artifact;
         CREATE TABLE schema_version (
             program text    PRIMARY KEY CHECK (program = 'artifact-store'),
             version integer NOT NULL CHECK (version > 0)
         );
         INSERT INTO schema_version VALUES ('artifact-store', 5);
         {migrations}
         INSERT INTO experiments VALUES ('exp-1', 1000000)"
    ));
}

fn id(n: u8) -> String {
    format!("decode(repeat('{n:02x}', 16), 'hex')")
}

/// An insert of the row `row(n)`.
fn insert(n: u8) -> String {
    let (id, micros) = (id(n), row(n).created_at.as_microsecond());
    format!(
        "EXECUTE older_insert (ARRAY[{id}], ARRAY['exp-1'], ARRAY['wkr_0123456789abcdefghjkmnpqrs'], \
         ARRAY[{n}], ARRAY['application/octet-stream'], ARRAY[NULL], \
         ARRAY[decode(repeat('{n:02x}', 32), 'hex')], ARRAY[{micros}])"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_server_goes_on_after_the_migration() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    create(&database);
    let mut older = database.psql();
    older.run(PREPARE);
    // Often enough that the session keeps its plans.
    for n in [3, 2, 9, 8, 7, 6, 5] {
        older.run(&insert(n));
        let id = id(n);
        older.run(&format!("EXECUTE older_select ({id})"));
        older.run(&format!("EXECUTE older_select_again (ARRAY[{id}])"));
        older.run(&format!("EXECUTE older_delete ({id}); {}", insert(n)));
        older.run("EXECUTE older_some");
    }

    let rows = open(&database).await;
    for n in [3, 2, 9] {
        assert_eq!(rows.get(row(n).id).await.unwrap(), Some(row(n)));
    }
    // The order of the times, and then that of the inserts.
    older.run(&insert(1));
    let page = rows
        .scan(&RowFilter::default(), RowPosition::START, 100)
        .await
        .unwrap();
    let listed: Vec<_> = page.rows.iter().map(|row| row.id.as_bytes()[0]).collect();
    assert_eq!(listed, [2, 3, 5, 6, 7, 8, 9, 1]);
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
    rows.insert(&row(4)).await.unwrap();
    for n in [1, 4, 9] {
        let id = id(n);
        older.run(&format!("EXECUTE older_select ({id})"));
        older.run(&format!("EXECUTE older_select_again (ARRAY[{id}])"));
    }
    older.run("EXECUTE older_some");

    // A removal of the older server leaves a tombstone, and it gets no row past one.
    older.run(&format!("EXECUTE older_delete ({})", id(2)));
    assert_eq!(rows.get(row(2).id).await.unwrap(), None);
    let error = rows.insert(&row(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    rows.remove(row(3).id).await.unwrap();
    older.run(&insert(3));
    assert_eq!(rows.get(row(3).id).await.unwrap(), None);
    older.run(&format!("EXECUTE older_delete ({})", id(3)));
    let page = rows.removals(RowPosition::START, 10).await.unwrap();
    assert_eq!(page.ids, [row(2).id, row(3).id]);
}

#[tokio::test]
async fn an_older_server_does_not_delete_a_held_row() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    create(&database);
    let rows = open(&database).await;
    rows.insert(&row(1)).await.unwrap();
    let hold = Hold::new(row(1).id, PrincipalId::Admin, time(1));
    rows.place_hold(&hold).await.unwrap();
    let said = database.refused_sql("DELETE FROM artifact.artifacts");
    assert!(said.contains("a hold is on the artifact"), "{said}");
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
}

/// The counter of positions begins after the rows that were there.
#[tokio::test]
async fn inserts_are_refused_and_listed_after_a_migration_with_rows() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    create(&database);
    database.sql(
        "INSERT INTO artifact.artifacts \
         SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 'exp-1', 'admin', n, 'a/b', 'name', \
             decode(repeat('01', 32), 'hex'), 100000 - n \
         FROM generate_series(1, 2500) AS n",
    );
    let rows = open(&database).await;
    rows.insert(&row(1)).await.unwrap();
    let (mut after, mut sizes) = (RowPosition::START, Vec::new());
    loop {
        let page = rows.scan(&RowFilter::default(), after, 999).await.unwrap();
        sizes.extend(page.rows.iter().map(|row| row.size));
        let Some(next) = page.next else { break };
        after = next;
    }
    let expected: Vec<_> = (1..=2_500).rev().chain([1]).collect();
    assert_eq!(sizes, expected);
    let mut again = row(1);
    again.id =
        artifact_store::ArtifactId::from_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    let error = rows.insert(&again).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}
