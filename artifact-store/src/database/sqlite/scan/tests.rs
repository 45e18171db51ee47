//! How SQLite executes the queries: no page costs more than the rows that it looks at.

use rusqlite::Connection;

use super::{
    EXPIRED, HAS_ROW, LAST_REMOVAL, REMOVALS, ROWS, ROWS_OF_DEPOSITOR, ROWS_OF_EXPERIMENT, USAGE,
    USAGE_OF,
};
use crate::database::sqlite::connection::set_up;

/// Returns the steps of the plan for `artifact_rows`, and those for the whole result.
fn plan(connection: &Connection, statement: &str) -> String {
    let explain = format!("EXPLAIN QUERY PLAN {statement}");
    let mut explain = connection.prepare(&explain).unwrap();
    let steps = explain.raw_query().mapped(|step| step.get::<_, String>(3));
    let steps: Vec<_> = steps.map(Result::unwrap).collect();
    steps.join("; ")
}

#[test]
fn pages_are_read_from_an_index_and_never_sorted() {
    let folder = tempfile::tempdir().unwrap();
    let connection = set_up(&folder.path().join("rows.sqlite")).unwrap();
    for (statement, expected) in [
        (ROWS, "USING INTEGER PRIMARY KEY (rowid>?)"),
        (
            ROWS_OF_EXPERIMENT,
            "USING INDEX artifact_rows_by_experiment (experiment=? AND rowid>?)",
        ),
        (
            ROWS_OF_DEPOSITOR,
            "USING INDEX artifact_rows_by_depositor (experiment=? AND created_by=? AND seq>?)",
        ),
        (HAS_ROW, "USING INDEX artifact_rows_id (id=?)"),
        (
            USAGE,
            "USING COVERING INDEX artifact_rows_by_depositor (experiment=?)",
        ),
        (
            USAGE_OF,
            "USING COVERING INDEX artifact_rows_by_depositor (experiment=? AND created_by=?)",
        ),
        (REMOVALS, "USING INDEX artifact_rows_removed (seq>?)"),
        (LAST_REMOVAL, "USING INDEX artifact_rows_removed"),
        (
            EXPIRED.by_time,
            "USING INDEX artifact_rows_by_expiry (expires_at>? AND expires_at<?)",
        ),
        (
            EXPIRED.by_retention,
            "USING INDEX artifact_rows_by_creation (experiment=? AND created_at>? AND created_at<?)",
        ),
    ] {
        let plan = plan(&connection, statement);
        assert!(plan.contains(expected), "{statement}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{statement}: {plan}");
    }
}
