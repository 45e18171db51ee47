//! Behaviour that only SQLite has.

use std::path::{Path, PathBuf};

use artifact_store::{Database, ErrorKind, SqliteDatabase};
use futures_util::future::join_all;
use rusqlite::Connection;
use tempfile::TempDir;

use super::site::{
    assert_kind, collection, grant, group, host, limited, link, link_by, may_read, publish,
    register, share, share_collection, subject,
};
use crate::support::{row, run_all};

fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    (folder, path)
}

async fn open(path: &Path) -> Database {
    Database::new(SqliteDatabase::open(path).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract() {
    run_all(
        super::all(),
        |case| case.name,
        async |case| {
            let (_folder, path) = file();
            (case.run)(open(&path).await).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_change_counts_at_once_in_another_process() {
    let (_folder, path) = file();
    let (one, two) = (open(&path).await, open(&path).await);
    host(&one).await;
    let worker = register(&one).await;
    let above = group(&one, &[worker.into()]).await;
    assert!(!may_read(&two, 1, worker).await);
    let id = share(&one, 1, above).await;
    assert!(may_read(&two, 1, worker).await);
    one.sharing.delete_grant(&subject(1), id).await.unwrap();
    assert!(!may_read(&two, 1, worker).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downloads_are_counted_across_processes() {
    let (_folder, path) = file();
    let (one, two) = (open(&path).await, open(&path).await);
    host(&one).await;
    let five = limited(link(1), 5);
    publish(&one, &five).await;
    let both = [&one, &two].into_iter().cycle().take(20);
    let used = join_all(both.map(|database| database.sharing.use_link(five.artifact, five.id)));
    let succeeded = used.await.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(succeeded, 5);
}

/// The secret is nowhere in the files, and the tables refuse what no server writes.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test reads the files of the database"
)]
async fn a_file_holds_no_secret_of_a_link() {
    let (folder, path) = file();
    let database = open(&path).await;
    host(&database).await;
    let secret = publish(&database, &link(1)).await;
    let text = secret.expose();
    let raw: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let digest = *secret.digest().as_bytes();
    let mut holds_digest = false;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let has = |wanted: &[u8]| bytes.windows(wanted.len()).any(|some| some == wanted);
        assert!(!has(text.as_bytes()) && !has(&raw));
        holds_digest |= has(&digest);
    }
    assert!(holds_digest);

    let shell = Connection::open(&path).unwrap();
    for edit in [
        "UPDATE access_links SET max_downloads = 0",
        "UPDATE access_links SET downloads = -1",
        "INSERT INTO access_grants VALUES ('artifact', x'00', '123456789012345678901234567890', 'e', NULL, NULL, 0, 'admin', NULL)",
    ] {
        assert!(shell.execute(edit, []).is_err(), "{edit}");
    }
}

/// Also a statement of an older server takes the grants of a collection along.
#[tokio::test]
async fn statements_of_an_older_version_end_the_grants_of_a_collection() {
    let (_folder, path) = file();
    let database = open(&path).await;
    host(&database).await;
    let worker = register(&database).await;
    let [gone, kept] = [collection(&database).await, collection(&database).await];
    for subject in [gone, kept] {
        share_collection(&database, subject, worker).await;
    }
    let older = Connection::open(&path).unwrap();
    let delete = "DELETE FROM collections WHERE id = $1";
    older.execute(delete, [gone.as_bytes()]).unwrap();
    let left: Vec<u8> = older
        .query_row("SELECT subject_id FROM access_grants", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, kept.as_bytes());
}

/// Also a statement of an older server takes grants and links along.
#[tokio::test]
async fn statements_of_an_older_version_end_grants_and_links() {
    let (_folder, path) = file();
    let database = open(&path).await;
    host(&database).await;
    let [worker, maker] = [register(&database).await, register(&database).await];
    share(&database, 1, worker).await;
    share(&database, 2, worker).await;
    publish(&database, &link(1)).await;
    let mut own = row(7);
    own.created_by = maker.into();
    database.catalog.insert(&own).await.unwrap();
    let secret = publish(&database, &link_by(7, maker.into())).await;

    let older = Connection::open(&path).unwrap();
    older.pragma_update(None, "foreign_keys", true).unwrap();
    let removed = older.execute(
        "DELETE FROM artifacts WHERE id = $1",
        [row(1).id.as_bytes()],
    );
    removed.unwrap();
    let count = |table: &str| -> i64 {
        let count = format!("SELECT count(*) FROM {table}");
        older.query_row(&count, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("access_grants"), count("access_links")), (1, 1));
    let revoke = "UPDATE workers SET credential = '$argon2id$revoked' WHERE id = $1";
    older.execute(revoke, [maker.as_str()]).unwrap();
    assert_eq!(super::site::find(&database, &secret).await, None);
    let delete = "DELETE FROM workers WHERE id = $1";
    older.execute(delete, [worker.as_str()]).unwrap();
    assert_eq!((count("access_grants"), count("access_links")), (0, 0));
}

#[tokio::test]
async fn edited_records_are_corrupt() {
    let (_folder, path) = file();
    let database = open(&path).await;
    host(&database).await;
    let worker = register(&database).await;
    share(&database, 1, worker).await;
    let shell = Connection::open(&path).unwrap();
    let edit = "UPDATE access_grants SET created_by = ' x '";
    shell.execute(edit, []).unwrap();
    let listed = database.sharing.grants(&subject(1), None, 10).await;
    assert_kind(listed, ErrorKind::Corrupt);
    // The grant counts all the same, until it is revoked or replaced.
    assert!(may_read(&database, 1, worker).await);
    database
        .sharing
        .insert_grant(&grant(1, worker))
        .await
        .unwrap();
    let listed = database.sharing.grants(&subject(1), None, 10).await;
    assert_eq!(listed.unwrap().len(), 1);
}
