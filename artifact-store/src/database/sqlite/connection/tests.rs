//! How every connection is set up.

use rusqlite::Connection;

use super::{Role, connect, set_up};

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
