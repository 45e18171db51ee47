//! `artifact gc` and the collector of the server remove orphans, and nothing that an artifact needs.

use crate::harness::{Done, Server, artifact, run};
use crate::maintained::{age, begin_deposit, blobs, deposit, fetch, file, maintain, totals};

/// Does not collect by itself.
const QUIET: &[&str] = &["--gc-interval", "0"];

#[test]
fn gc_removes_the_orphan_of_a_crashed_deposit_and_leaves_the_rest() {
    let mut server = Server::start(QUIET);
    let kept = deposit(&server, b"kept");
    let mut crashed = begin_deposit(&server);
    // The bytes are durable, and the row is not written.
    server.signal("KILL");
    server.wait();
    drop(crashed.database);
    crashed.client.wait().unwrap();

    let server = Server::start_in(server.take_folder(), QUIET);
    let young = maintain(&server, &["gc", "--json"]).succeeded();
    assert_eq!(totals(&young)["orphans"], 0, "{young:?}");
    age(&server, &crashed.id);
    age(&server, &kept);
    let dry = maintain(&server, &["gc", "--dry-run"]).succeeded();
    assert_eq!(dry.stdout(), format!("orphan {} 22 bytes\n", crashed.id));
    assert!(dry.stderr.contains("would remove"), "{}", dry.stderr);
    assert_eq!(blobs(&server).len(), 2);

    let gc = maintain(&server, &["gc", "--json"]).succeeded();
    let lines: Vec<_> = gc.stdout().lines().collect();
    assert_eq!(lines.len(), 2, "{gc:?}");
    let orphan: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    let expected = serde_json::json!({"found": "orphan", "id": crashed.id, "size_bytes": 22});
    assert_eq!(orphan, expected);
    let totals = totals(&gc);
    assert_eq!(totals["orphans"], 1);
    assert_eq!(totals["orphan_bytes"], 22);
    assert_eq!(
        (&totals["rows"], &totals["missing"]),
        (&1.into(), &0.into())
    );

    let left: Vec<_> = blobs(&server).into_iter().map(|(_, id)| id).collect();
    assert_eq!(left, [kept.as_str()]);
    assert_eq!(fetch(&server, &kept).succeeded().stdout(), "kept");
    // The store works on.
    let new = deposit(&server, b"new");
    assert_eq!(fetch(&server, &new).succeeded().stdout(), "new");
}

#[test]
fn a_server_suspended_between_bytes_and_row_reports_an_error_and_writes_no_row() {
    let server = Server::start(QUIET);
    let kept = deposit(&server, b"kept");
    let suspended = begin_deposit(&server);
    server.signal("STOP");
    drop(suspended.database);
    age(&server, &suspended.id);
    let gc = maintain(&server, &["gc"]).succeeded();
    assert_eq!(gc.stdout(), format!("orphan {} 22 bytes\n", suspended.id));
    server.signal("CONT");
    let put = Done::from(suspended.client.wait_with_output().unwrap());
    assert_eq!((put.code, put.stdout()), (Some(1), ""), "{put:?}");
    assert!(put.stderr.contains("503"), "{}", put.stderr);
    let left: Vec<_> = blobs(&server).into_iter().map(|(_, id)| id).collect();
    assert_eq!(left, [kept]);
    let missing = maintain(&server, &["gc", "--json"]).succeeded();
    assert_eq!(totals(&missing)["rows"], 1);
}

#[test]
fn a_missing_blob_is_named_and_its_row_stays() {
    let server = Server::start(QUIET);
    let lost = deposit(&server, b"lost");
    deposit(&server, b"kept");
    rustix::fs::unlink(file(&server, &lost)).unwrap();
    let gc = maintain(&server, &["gc"]);
    assert_eq!(gc.code, Some(1), "{gc:?}");
    assert_eq!(gc.stdout(), format!("missing {lost}\n"));
    assert!(gc.stderr.contains("alarm"), "{}", gc.stderr);
    assert!(gc.stderr.contains("missing-blobs"), "{}", gc.stderr);
    let again = maintain(&server, &["gc", "--json"]);
    assert_eq!(again.code, Some(1));
    assert_eq!(totals(&again)["missing"], 1);
}

#[test]
fn the_server_collects_on_a_schedule() {
    let mut server = Server::start(QUIET);
    let crashed = begin_deposit(&server);
    server.signal("KILL");
    server.wait();
    drop(crashed.database);
    let server = Server::start_in(server.take_folder(), &["--gc-interval", "1"]);
    let kept = deposit(&server, b"kept");
    age(&server, &kept);
    age(&server, &crashed.id);
    server.wait_until("the orphan is deleted", || blobs(&server).len() == 1);
    server.wait_until("the log names it", || {
        let log = server.stderr();
        log.contains("deleted an orphan") && log.contains(&crashed.id)
    });
    assert_eq!(fetch(&server, &kept).succeeded().stdout(), "kept");
}

#[test]
fn a_killed_gc_leaves_whole_artifacts_and_the_next_one_completes_it() {
    let server = Server::start(QUIET);
    let kept = deposit(&server, b"kept");
    for number in 0..7 {
        deposit(&server, format!("kept {number}").as_bytes());
    }
    for number in 0..8 {
        // The blob of an artifact whose row is gone is an orphan too.
        let id = deposit(&server, format!("orphan {number}").as_bytes());
        remove_row(&server, &id);
        age(&server, &id);
    }
    let mut command = artifact(server.folder.path());
    let mut gc = command.args(["gc", "--rate", "2"]).spawn().unwrap();
    server.wait_until("the first orphan is deleted", || blobs(&server).len() < 16);
    gc.kill().unwrap();
    gc.wait().unwrap();
    assert!(blobs(&server).len() > 8, "it was killed midway");
    maintain(&server, &["gc"]).succeeded();
    assert_eq!(blobs(&server).len(), 8);
    assert_eq!(fetch(&server, &kept).succeeded().stdout(), "kept");
    maintain(&server, &["scrub"]).succeeded();
}

/// Removes the row of an artifact, as a removal does that is killed before it deletes the blob.
fn remove_row(server: &Server, id: &str) {
    let database = rusqlite::Connection::open(server.path("artifact-data/rows.sqlite")).unwrap();
    let timeout = std::time::Duration::from_secs(10);
    database.busy_timeout(timeout).unwrap();
    let changed = database.execute("DELETE FROM artifacts WHERE lower(hex(id)) = ?1", [id]);
    changed.unwrap();
}

#[test]
fn many_orphans_are_deleted_only_on_request() {
    let server = Server::start(QUIET);
    for number in 0..11 {
        let id = deposit(&server, format!("orphan {number}").as_bytes());
        remove_row(&server, &id);
        age(&server, &id);
    }
    let refused = maintain(&server, &["gc"]);
    assert_eq!((refused.code, refused.stdout()), (Some(1), ""));
    let text = "11 of 11 blobs have no row, so none was deleted";
    assert!(refused.stderr.contains(text), "{}", refused.stderr);
    assert_eq!(blobs(&server).len(), 11);
    maintain(&server, &["gc", "--many-orphans"]).succeeded();
    assert_eq!(blobs(&server), []);
}

#[test]
fn gc_is_refused_without_a_store_and_creates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let gc = |arguments: &[&str]| run(artifact(folder.path()).arg("gc").args(arguments));
    for (arguments, text) in [
        (&[][..], "rows.sqlite does not exist"),
        (&["--backend", "mem:"], "a store in memory"),
        (&["--grace-period", "0"], "--grace-period must be from 1"),
    ] {
        let refused = gc(arguments);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(text), "{}", refused.stderr);
    }
    assert_eq!(crate::harness::files_below(folder.path()), [""; 0]);
}

#[test]
fn gc_is_refused_for_halves_of_different_stores() {
    let (one, other) = (Server::start(QUIET), Server::start(QUIET));
    let foreign = other.path("artifact-data/blobs");
    let refused = maintain(&one, &["gc", "--backend", foreign.to_str().unwrap()]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("another store"),
        "{}",
        refused.stderr
    );
}
