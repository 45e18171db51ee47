//! `artifact scrub` names every id that is not as it was deposited.

use rusqlite::Connection;

use crate::harness::{Server, noise};
use crate::maintained::{age, begin_deposit, deposit, fetch, file, flip, maintain, totals};

#[test]
fn a_sound_store_is_all_good() {
    let server = Server::start(&[]);
    deposit(&server, &noise(300_000));
    deposit(&server, b"");
    let scrub = maintain(&server, &["scrub"]).succeeded();
    assert_eq!(scrub.stdout(), "");
    assert!(
        scrub.stderr.contains("read 2 artifacts"),
        "{}",
        scrub.stderr
    );
    assert!(scrub.stderr.contains("all good"), "{}", scrub.stderr);
    let json = maintain(&server, &["scrub", "--json", "--rate", "50MiB"]).succeeded();
    let totals = totals(&json);
    assert_eq!(totals["bytes"], 300_000);
    assert_eq!(totals["complete"], true);
}

#[test]
fn one_flipped_bit_is_found_by_name() {
    let server = Server::start(&[]);
    let sound = deposit(&server, &noise(100_000));
    let flipped = deposit(&server, &noise(200_000));
    // It is in the cache of the server, which a scrub does not use.
    fetch(&server, &flipped).succeeded();
    flip(&server, &flipped);
    let scrub = maintain(&server, &["scrub"]);
    assert_eq!(scrub.code, Some(1), "{scrub:?}");
    let found = format!("corrupt {flipped}: ");
    assert!(scrub.stdout().starts_with(&found), "{scrub:?}");
    assert!(scrub.stdout().contains("its SHA-256 is"), "{scrub:?}");
    let chunk = "the first damaged chunk begins at byte 0 and has up to 65536 bytes";
    assert!(scrub.stdout().contains(chunk), "{scrub:?}");
    assert_eq!(scrub.stdout().lines().count(), 1);
    assert!(!scrub.stdout().contains(&sound));
}

#[test]
fn digests_of_chunks_are_added_on_request() {
    let server = Server::start(&[]);
    deposit(&server, &noise(60_000));
    for size in [70_000, 700_000] {
        deposit(&server, &noise(size));
    }
    let database = Connection::open(server.path("artifact-data/rows.sqlite")).unwrap();
    let digests = || {
        let sql =
            "SELECT seq, chunk_bytes, hex(blake3), hex(digests) FROM chunk_digests ORDER BY seq";
        let mut statement = database.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, String>(3)?,
            ))
        });
        rows.unwrap().collect::<Result<Vec<_>, _>>().unwrap()
    };
    let of_deposits = digests();
    let lengths: Vec<_> = of_deposits.iter().map(|(.., list)| list.len()).collect();
    assert_eq!(lengths, [2 * 64, 11 * 64]);
    // As if an older version had stored them.
    database.execute("DELETE FROM chunk_digests", []).unwrap();
    let scrub = maintain(&server, &["scrub", "--json"]).succeeded();
    assert_eq!(totals(&scrub)["digests_added"], 0);
    assert_eq!(digests(), []);
    let scrub = maintain(&server, &["scrub", "--add-digests", "--json"]).succeeded();
    assert_eq!(totals(&scrub)["digests_added"], 2);
    assert_eq!(digests(), of_deposits);
    let again = maintain(&server, &["scrub", "--add-digests"]).succeeded();
    assert!(again.stderr.contains("all good"), "{}", again.stderr);
    assert!(!again.stderr.contains("digests"), "{}", again.stderr);
}

#[test]
fn missing_and_orphaned_ids_are_found_by_name() {
    let mut server = Server::start(&["--gc-interval", "0"]);
    let missing = deposit(&server, b"missing");
    rustix::fs::unlink(file(&server, &missing)).unwrap();
    let crashed = begin_deposit(&server);
    server.signal("KILL");
    server.wait();
    drop(crashed.database);
    let server = Server::start_in(server.take_folder(), &["--gc-interval", "0"]);
    age(&server, &crashed.id);
    let scrub = maintain(&server, &["scrub", "--json"]);
    assert_eq!(scrub.code, Some(1), "{scrub:?}");
    let lines: Vec<serde_json::Value> = scrub
        .stdout()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected = [
        serde_json::json!({"found": "missing", "id": missing}),
        serde_json::json!({"found": "orphaned", "id": crashed.id, "size_bytes": 22}),
    ];
    assert_eq!(lines[..2], expected);
    assert_eq!(
        (&lines[2]["missing"], &lines[2]["orphaned"]),
        (&1.into(), &1.into())
    );
}

#[test]
fn a_scrub_that_cannot_begin_exits_with_2() {
    let server = Server::start(&[]);
    let refused = maintain(&server, &["scrub", "--data-dir", "elsewhere"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("does not exist"),
        "{}",
        refused.stderr
    );
    let wrong = maintain(&server, &["scrub", "--rate", "fast"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("--rate"), "{}", wrong.stderr);
}

#[test]
fn the_server_scrubs_on_a_schedule_and_alarms_name_what_it_finds() {
    let server = Server::start(&["--scrub-interval", "1"]);
    deposit(&server, &noise(100_000));
    server.wait_until("a scrub has found all good", || {
        server
            .stderr()
            .contains("the scrub found every artifact good")
    });
    assert!(!server.stderr().contains("alarm"), "{}", server.stderr());
    let flipped = deposit(&server, &noise(200_000));
    flip(&server, &flipped);
    let missing = deposit(&server, b"missing");
    rustix::fs::unlink(file(&server, &missing)).unwrap();
    let alarm = |name: &str, id: &str| {
        let log = server.stderr();
        let mut lines = log.lines();
        lines.any(|line| line.contains(name) && line.contains(id))
    };
    server.wait_until("the log names the corrupt blob", || {
        alarm("corrupt-blob", &flipped)
    });
    server.wait_until("the log names the missing blob", || {
        alarm("missing-blobs", &missing)
    });
    server.wait_until("the log has the totals", || {
        let log = server.stderr();
        let mut lines = log.lines();
        lines.any(|line| line.contains("not everything is good") && line.contains("corrupt=1"))
    });
}

#[test]
fn a_server_continues_the_scrub_of_a_killed_one() {
    let mut server = Server::start(&["--scrub-interval", "0"]);
    let first = deposit(&server, b"read by the killed server");
    deposit(&server, b"sound");
    server.signal("KILL");
    server.wait();
    // It would be a finding, but that server has read it before.
    flip(&server, &first);
    let database = Connection::open(server.path("artifact-data/rows.sqlite")).unwrap();
    let killed =
        "INSERT INTO scrubs VALUES (1, unixepoch() * 1000000, NULL, 1, 1, 25, 0, 0, 0, 0, 0)";
    database.execute(killed, []).unwrap();
    let server = Server::start_in(server.take_folder(), &[]);
    server.wait_until("the scrub is finished", || {
        let log = server.stderr();
        let mut lines = log.lines();
        lines.any(|line| {
            line.contains("every artifact good") && line.contains("artifacts=2 bytes=30")
        })
    });
    let finished = "SELECT count(*) FROM scrubs WHERE finished_at IS NOT NULL AND number = 1";
    server.wait_until("the end is recorded", || {
        let found = database.query_row(finished, [], |row| row.get::<_, i64>(0));
        found.unwrap() == 1
    });
}
