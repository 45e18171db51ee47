//! A file of the version before the positions, and a server of that version that still uses it.

use std::path::{Path, PathBuf};

use artifact_store::{
    ArtifactId, Catalog, CatalogInventory as _, ErrorKind, FileName, Hold, PrincipalId, Removal,
    Row, RowFilter, RowPosition, SqliteDatabase, StoreIdRecord as _,
};
use rusqlite::{Connection, ffi, params};
use tempfile::TempDir;

use crate::support::{experiment, row, time};

const MIGRATIONS: [&str; 5] = [
    include_str!("../../../src/database/sqlite/migrations/0001_rows.sql"),
    include_str!("../../../src/database/sqlite/migrations/0002_identity.sql"),
    include_str!("../../../src/database/sqlite/migrations/0003_store_id.sql"),
    include_str!("../../../src/database/sqlite/migrations/0004_rights.sql"),
    include_str!("../../../src/database/sqlite/migrations/0005_lists.sql"),
];

/// The statements of that version, letter for letter.
const INSERT: &str = "\
    INSERT INTO artifacts (id, experiment, created_by, size, content_type, file_name, sha256, \
        created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const SELECT: &str = "\
    SELECT id, experiment, created_by, size, content_type, file_name, sha256, created_at \
    FROM artifacts WHERE id = $1";
const DELETE: &str = "DELETE FROM artifacts WHERE id = $1";
const SOME_ROWS: &str = "SELECT id FROM artifacts ORDER BY id LIMIT 8";

/// A connection of a server of that version.
struct Older(Connection);

impl Older {
    fn connect(path: &Path) -> Self {
        let connection = Connection::open(path).unwrap();
        for (name, value) in [
            ("trusted_schema", "false"),
            ("foreign_keys", "true"),
            ("temp_store", "MEMORY"),
        ] {
            connection.pragma_update(None, name, value).unwrap();
        }
        let defensive = rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE;
        connection.set_db_config(defensive, true).unwrap();
        Self(connection)
    }

    fn insert(&self, row: &Row) -> rusqlite::Result<usize> {
        self.0.prepare_cached(INSERT)?.execute(params![
            row.id.as_bytes(),
            row.experiment.as_str(),
            row.created_by.as_str(),
            i64::try_from(row.size).unwrap(),
            row.content_type.as_str(),
            row.file_name.as_ref().map(FileName::as_str),
            row.sha256.as_bytes(),
            row.created_at.as_microsecond(),
        ])
    }

    /// Returns the size and the time of a row.
    fn select(&self, id: u8) -> Option<(i64, i64)> {
        let mut select = self.0.prepare_cached(SELECT).unwrap();
        let mut rows = select.query([row(id).id.as_bytes()]).unwrap();
        let found = rows.next().unwrap()?;
        Some((found.get(3).unwrap(), found.get(7).unwrap()))
    }

    fn delete(&self, id: u8) -> rusqlite::Result<usize> {
        let mut delete = self.0.prepare_cached(DELETE)?;
        delete.execute([row(id).id.as_bytes()])
    }

    fn some_rows(&self) -> Vec<Vec<u8>> {
        let mut some = self.0.prepare_cached(SOME_ROWS).unwrap();
        let ids = some.query_map([], |row| row.get(0)).unwrap();
        ids.collect::<Result<_, _>>().unwrap()
    }
}

fn older_file() -> (TempDir, PathBuf, Older) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let older = Older::connect(&path);
    older
        .0
        .execute_batch(&format!(
            "PRAGMA journal_mode = WAL; BEGIN; {} PRAGMA application_id = {}; PRAGMA user_version = 5; \
             INSERT INTO experiments VALUES ('exp-1', 5); COMMIT;",
            MIGRATIONS.join("\n"),
            0x4172_7466,
        ))
        .unwrap();
    (folder, path, older)
}

fn code(outcome: rusqlite::Result<usize>) -> i32 {
    let error = outcome.unwrap_err();
    error.sqlite_error().unwrap().extended_code
}

/// What [`Older::select`] returns for a row.
fn found(row: &Row) -> (i64, i64) {
    let size = i64::try_from(row.size).unwrap();
    (size, row.created_at.as_microsecond())
}

#[tokio::test]
async fn the_rows_of_an_older_file_are_kept_in_the_order_of_their_times() {
    let (_folder, path, older) = older_file();
    let mut all: Vec<_> = (0..60).map(row).collect();
    // The ids are in the opposite order, except for two rows of one time.
    for (n, row) in (0..60).zip(&mut all) {
        row.id = ArtifactId::from_bytes([99 - n; 16]);
    }
    all[31].created_at = all[30].created_at;
    all[31].id = ArtifactId::from_bytes([200; 16]);
    for n in (0..60).step_by(2).chain((1..60).step_by(2)) {
        older.insert(&all[n]).unwrap();
    }
    drop(older);
    let rows = SqliteDatabase::open(&path).await.unwrap();
    let page = rows
        .scan(&RowFilter::default(), RowPosition::START, 100)
        .await
        .unwrap();
    let listed: Vec<_> = page.rows.iter().map(|row| Row::clone(row)).collect();
    assert_eq!(listed, all);
    assert_eq!((page.unreadable, page.next), (0, None));
    assert_eq!(rows.last_removal().await.unwrap(), RowPosition::START);
    let usage = rows.usage(&experiment(), None).await.unwrap();
    assert_eq!(usage[0].artifacts, 60);
    let integrity = Connection::open(&path).unwrap();
    let integrity = integrity.query_row("PRAGMA integrity_check", [], |row| row.get(0));
    assert_eq!(integrity, Ok("ok".to_owned()));
    drop(rows);
    let rows = SqliteDatabase::open(&path).await.unwrap();
    assert_eq!(rows.get(all[7].id).await.unwrap().as_ref(), Some(&all[7]));
}

/// The `sqlite3` shell checks references only after `PRAGMA foreign_keys = ON`.
#[tokio::test]
async fn rows_without_an_experiment_do_not_prevent_the_upgrade() {
    let (_folder, path, older) = older_file();
    older.insert(&row(1)).unwrap();
    older
        .0
        .execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM experiments")
        .unwrap();
    drop(older);
    let rows = SqliteDatabase::open(&path).await.unwrap();
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
    let error = rows.insert(&row(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "references are checked");
}

#[tokio::test]
async fn an_older_server_goes_on_during_and_after_the_upgrade() {
    let (_folder, path, older) = older_file();
    older.insert(&row(1)).unwrap();
    // It has prepared all of its statements.
    assert_eq!(older.select(1), Some(found(&row(1))));
    older.delete(200).unwrap();
    assert_eq!(older.some_rows().len(), 1);

    let rows = SqliteDatabase::open(&path).await.unwrap();
    // Connections that it opens later, too.
    for older in [older, Older::connect(&path)] {
        let new = if older.select(2).is_none() { 2 } else { 3 };
        older.insert(&row(new)).unwrap();
        assert_eq!(rows.get(row(new).id).await.unwrap(), Some(row(new)));
        assert_eq!(older.select(1), Some(found(&row(1))));
        assert_eq!(older.select(new), Some(found(&row(new))));
        let of_new_server = row(new + 10).with_expires_at(time(5));
        rows.insert(&of_new_server).await.unwrap();
        assert_eq!(older.select(new + 10), Some(found(&of_new_server)));

        // The result codes, by which that version decides.
        let unique = ffi::SQLITE_CONSTRAINT_UNIQUE;
        assert_eq!(code(older.insert(&row(new))), unique);
        assert_eq!(code(older.insert(&row(new + 10))), unique);
        let mut elsewhere = row(99);
        elsewhere.experiment = "absent".parse().unwrap();
        let refused = code(older.insert(&elsewhere));
        assert_eq!(refused, ffi::SQLITE_CONSTRAINT_FOREIGNKEY);

        // Its deletion leaves a tombstone, and tombstones refuse its rows.
        older.delete(new + 10).unwrap();
        older.delete(new + 10).unwrap();
        assert_eq!(older.select(new + 10), None);
        assert_eq!(code(older.insert(&row(new + 10))), unique);
        let again = rows.insert(&row(new + 10)).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        rows.condemn(&[row(new + 20).id]).await.unwrap();
        assert_eq!(older.select(new + 20), None);
        assert_eq!(code(older.insert(&row(new + 20))), unique);
        let some: Vec<_> = rows.some_rows().await.unwrap();
        let some: Vec<_> = some.iter().map(|id| id.as_bytes().to_vec()).collect();
        assert_eq!(older.some_rows(), some);
    }
    let page = rows.removals(RowPosition::START, 9).await.unwrap();
    assert_eq!(page.ids, [12, 22, 13, 23].map(|n| row(n).id));
    let listed = rows
        .scan(&RowFilter::default(), RowPosition::START, 9)
        .await
        .unwrap();
    let ids: Vec<_> = listed.rows.iter().map(|row| row.id).collect();
    assert_eq!(ids, [1, 2, 3].map(|n| row(n).id));
}

#[tokio::test]
async fn an_older_server_does_not_delete_held_rows() {
    let (_folder, path, older) = older_file();
    older.insert(&row(1)).unwrap();
    let rows = SqliteDatabase::open(&path).await.unwrap();
    let hold = Hold::new(row(1).id, PrincipalId::Admin, time(9));
    rows.place_hold(&hold).await.unwrap();
    let error = older.delete(1).unwrap_err();
    assert!(error.to_string().contains("hold"), "{error}");
    assert_eq!(older.select(1), Some(found(&row(1))));
    rows.release_hold(row(1).id).await.unwrap();
    older.delete(1).unwrap();
    assert_eq!(rows.remove(row(1).id).await.unwrap(), Removal::Absent);
}
