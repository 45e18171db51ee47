//! How every connection is set up.

use rusqlite::Connection;

use super::{Role, connect, set_up};
use crate::error::ErrorKind;

fn pragma(connection: &Connection, name: &str) -> i64 {
    connection
        .pragma_query_value(None, name, |row| row.get(0))
        .unwrap()
}

#[test]
fn every_connection_syncs_each_commit_and_checks_references() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let writer = set_up(&path).unwrap();
    let reader = connect(&path, Role::Read).unwrap();
    for connection in [&writer, &reader] {
        // <https://sqlite.org/pragma.html#pragma_synchronous>: 2 is FULL.
        assert_eq!(pragma(connection, "synchronous"), 2);
        assert_eq!(pragma(connection, "foreign_keys"), 1);
        assert_eq!(pragma(connection, "trusted_schema"), 0);
        assert_eq!(pragma(connection, "busy_timeout"), 5000);
    }
    assert_eq!(pragma(&writer, "query_only"), 0);
    assert_eq!(pragma(&reader, "query_only"), 1);
    reader.execute("DELETE FROM artifacts", []).unwrap_err();
}

#[test]
fn a_file_of_another_user_is_not_opened() {
    if !rustix::process::geteuid().is_root() {
        // The tests of the binary are never skipped where everything is required.
        eprintln!("skipped: a database of another user; run the tests as root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    drop(set_up(&path).unwrap());
    for name in ["rows.sqlite", "rows.sqlite-wal"] {
        let file = folder.path().join(name);
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(file);
        std::os::unix::fs::fchown(file.as_ref().unwrap(), Some(12_345), None).unwrap();
        let error = set_up(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        let source = std::error::Error::source(&error).unwrap().to_string();
        let expected = format!("{name} belongs to user 12345");
        assert!(source.contains(&expected), "{source}");
        std::os::unix::fs::fchown(file.unwrap(), Some(0), None).unwrap();
    }
    drop(set_up(&path).unwrap());
}
