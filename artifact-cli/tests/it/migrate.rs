//! `artifact migrate` beside running servers: clients go on, and a migration that is killed at any moment is resumed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use crate::harness::{Answer, Done, Server, artifact, files_below, run, run_refused, run_with};
use crate::maintained::{deposit, fetch, flip, maintain, totals};

/// Without the collector of the schedule.
pub(crate) const QUIET: &[&str] = &["--gc-interval", "0"];
const MIGRATE: &[&str] = &["migrate", "--to", "moved"];

fn with<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [MIGRATE, arguments].concat()
}

/// Returns the ids of the blobs in a folder.
fn ids_in(server: &Server, folder: &str) -> Vec<String> {
    let folder = server.path(folder);
    if !folder.exists() {
        return Vec::new();
    }
    let names = files_below(&folder).into_iter();
    let mut ids: Vec<_> = names
        .filter(|name| !name.starts_with("staging"))
        .filter_map(|name| {
            let digits = name.replace('/', "");
            let id = digits.get(digits.len().checked_sub(32)?..)?.to_owned();
            id.bytes()
                .all(|byte| byte.is_ascii_hexdigit())
                .then_some(id)
        })
        .collect();
    ids.sort_unstable();
    ids
}

fn content(n: usize) -> Vec<u8> {
    format!("artifact {n} ")
        .repeat(1 + n % 3 * 100)
        .into_bytes()
}

fn deposit_many(server: &Server, number: usize) -> Vec<String> {
    (0..number).map(|n| deposit(server, &content(n))).collect()
}

fn assert_all(server: &Server, ids: &[String]) {
    for (n, id) in ids.iter().enumerate() {
        let fetched = fetch(server, id).succeeded();
        assert_eq!(fetched.stdout, content(n), "{id}\n{}", server.stderr());
    }
}

/// Asks for the bytes of an artifact under `/v1`.
fn ask_for_content(server: &Server, method: &str, id: &str) -> Answer {
    Answer::of(&server.say(format!(
        "{method} /v1/experiments/default/artifacts/{id}/content HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
         Authorization: Bearer admin:{}\r\n\r\n",
        server.token()
    )))
}

fn assert_content(server: &Server, id: &str, content: &[u8]) {
    let head = ask_for_content(server, "HEAD", id);
    let length = content.len().to_string();
    assert_eq!(
        (head.status, head.field("content-length")),
        (200, Some(&*length)),
        "{}",
        head.head
    );
    let get = ask_for_content(server, "GET", id);
    assert_eq!((get.status, &*get.body), (200, content), "{}", get.head);
    let health = "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    assert_eq!(Answer::of(&server.say(health)).status, 200);
}

/// Waits until the server uses the placement that was written last. Until then it may store in the former backend, from which
/// its blobs are copied.
fn wait_until_it_follows(server: &Server) {
    let status = maintain(server, &["migrate", "--status", "--json"]).succeeded();
    let line = format!("epoch={} ", totals(&status)["epoch"]);
    server.wait_until("the server follows the blobs", || {
        server.stderr().contains(&line)
    });
}

fn restart(server: Server, arguments: &[&str]) -> Server {
    let folder = server.stop("TERM");
    Server::start_in(folder, &[QUIET, arguments].concat())
}

#[test]
fn a_running_server_follows_the_blobs() {
    let server = Server::start(QUIET);
    let mut ids = deposit_many(&server, 12);
    let dry = maintain(&server, &with(&["--dry-run", "--json"])).succeeded();
    assert_eq!(totals(&dry)["copied"], 12);
    assert!(!server.path("moved").exists());
    let status = maintain(&server, &["migrate", "--status"]).succeeded();
    assert!(status.stdout().starts_with("never moved: "), "{status:?}");

    let done = maintain(&server, &with(&["--json"])).succeeded();
    let report = totals(&done);
    assert_eq!(report["state"], "done");
    assert_eq!(
        (&report["copied"], &report["failed"]),
        (&12.into(), &0.into())
    );
    assert_eq!(ids_in(&server, "moved"), {
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted
    });
    assert_all(&server, &ids);
    // The same process stores in the new folder.
    wait_until_it_follows(&server);
    ids.push(deposit(&server, &content(12)));
    assert_eq!(ids_in(&server, "moved").len(), 13);
    assert_eq!(ids_in(&server, "artifact-data/blobs").len(), 12);
    for n in [0, 12] {
        assert_content(&server, &ids[n], &content(n));
    }
    for command in ["scrub", "gc"] {
        maintain(&server, &[command, "--backend", "moved"]).succeeded();
    }
    let status = maintain(&server, &["migrate", "--status", "--json"]).succeeded();
    let status = totals(&status);
    assert_eq!(status["state"], "done");
    assert!(status["current"].as_str().unwrap().ends_with("/moved"));
    assert!(
        status["former"][0]["backend"]
            .as_str()
            .unwrap()
            .ends_with("/blobs")
    );

    // The settings must say so at the next start.
    let folder = server.stop("TERM");
    let refused =
        |arguments: &[&str]| run_refused(artifact(folder.path()).arg("serve").args(arguments));
    for (arguments, text) in [
        (&["--listen", "127.0.0.1:0"][..], "/blobs to file:"),
        (
            &["--listen", "127.0.0.1:0", "--backend", "third"],
            "set it to file:",
        ),
    ] {
        let refused = refused(arguments);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(
            refused.stderr.contains("the blobs of this store"),
            "{}",
            refused.stderr
        );
        assert!(refused.stderr.contains(text), "{}", refused.stderr);
    }
    assert!(!folder.path().join("third").exists());
    let gc: Done = artifact(folder.path()).arg("gc").output().unwrap().into();
    assert_eq!(gc.code, Some(2), "{gc:?}");
    let server = Server::start_in(folder, &["--gc-interval", "0", "--backend", "moved"]);
    assert_all(&server, &ids);

    // Only now the old ones are deleted, and only what the new folder has.
    let emptied = maintain(&server, &with(&["--delete-source", "--json"])).succeeded();
    let report = totals(&emptied);
    assert_eq!(
        (&report["state"], &report["deleted"]),
        (&"emptied".into(), &12.into())
    );
    assert_eq!(ids_in(&server, "artifact-data/blobs"), [""; 0]);
    assert_all(&server, &ids);
    let back = maintain(&server, &["migrate", "--to", "artifact-data/blobs"]);
    assert_eq!(back.code, Some(2), "{back:?}");
    assert!(back.stderr.contains("emptied"), "{}", back.stderr);
}

/// Starts a slow migration and waits until it has copied `copied` blobs.
fn begin(server: &Server, rate: &str, copied: usize) -> Child {
    let mut command = artifact(server.folder.path());
    let migrate = command.args(with(&["--rate", rate])).spawn().unwrap();
    server.wait_until("the blobs are copied", || {
        ids_in(server, "moved").len() >= copied
    });
    migrate
}

/// Moves only some of the blobs to the folder `moved`.
pub(crate) fn move_some(server: &Server) {
    kill(begin(server, "4KiB", 2));
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn clients_deposit_and_fetch_while_the_blobs_move() {
    let server = Server::start(QUIET);
    let ids = deposit_many(&server, 40);
    let mut migrate = begin(&server, "8KiB", 2);
    let is_over = AtomicBool::new(false);
    let stored = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..2)
            .map(|client: usize| {
                let (server, ids, is_over) = (&server, &ids, &is_over);
                scope.spawn(move || {
                    let mut stored = Vec::new();
                    while !is_over.load(Ordering::Relaxed) || stored.len() < 3 {
                        let n = 1_000 * (client + 1) + stored.len();
                        // A deposit that the fence refuses is repeated by the client.
                        let put = run_with(&mut server.client(&["put", "-"]), &content(n));
                        let put = put.succeeded();
                        let uri = put.stdout().trim_end();
                        stored.push((n, uri.rsplit('/').next().unwrap().to_owned()));
                        let old = stored.len() * 7 % ids.len();
                        let fetched = fetch(server, &ids[old]).succeeded();
                        assert_eq!(fetched.stdout, content(old));
                        let (n, id) = &stored[stored.len() / 2];
                        assert_eq!(fetch(server, id).succeeded().stdout, content(*n));
                    }
                    stored
                })
            })
            .collect();
        let ended = migrate.wait().unwrap();
        is_over.store(true, Ordering::Relaxed);
        assert!(ended.success(), "{ended}");
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert!(stored.len() >= 6, "{}", stored.len());
    let server = restart(server, &["--backend", "moved"]);
    assert_all(&server, &ids);
    for (n, id) in stored {
        assert_eq!(fetch(&server, &id).succeeded().stdout, content(n));
    }
    maintain(&server, &["scrub", "--backend", "moved"]).succeeded();
}

#[test]
fn a_migration_that_is_killed_after_any_number_of_blobs_is_resumed() {
    let server = Server::start(QUIET);
    let ids = deposit_many(&server, 10);
    let mut moved = 0;
    for copied in 1..=9 {
        kill(begin(&server, "4KiB", copied));
        let now = ids_in(&server, "moved").len();
        assert!(now >= moved, "nothing is lost");
        moved = now;
        assert_all(&server, &ids[..3]);
    }
    let report = totals(&maintain(&server, &with(&["--json"])).succeeded());
    assert_eq!(report["state"], "done", "{report}");
    assert_all(&server, &ids);
    // Killed while it deletes the old ones.
    let mut left = 10;
    while left > 0 {
        let mut command = artifact(server.folder.path());
        let mut deleting = command
            .args(with(&["--delete-source", "--rate", "4KiB"]))
            .spawn()
            .unwrap();
        let is_fewer = || ids_in(&server, "artifact-data/blobs").len() < left;
        server.wait_until("a blob is deleted", is_fewer);
        deleting.kill().unwrap();
        deleting.wait().unwrap();
        left = ids_in(&server, "artifact-data/blobs").len();
        assert_eq!(ids_in(&server, "moved").len(), 10);
    }
    let report = totals(&maintain(&server, &with(&["--delete-source", "--json"])).succeeded());
    assert_eq!(report["state"], "emptied", "{report}");
    assert_all(&server, &ids);
}

/// Kills the command with the line that says which state it has entered.
#[test]
fn a_migration_that_is_killed_as_it_enters_a_state_is_resumed() {
    let server = Server::start(QUIET);
    let mut ids = deposit_many(&server, 20);
    for (state, rate) in [
        // So slow that nothing else happens before the kill.
        ("servers store in the new backend now", "1KiB"),
        ("all blobs are copied", "1GiB"),
    ] {
        let mut command = artifact(server.folder.path());
        let mut migrate = command
            .args(with(&["--rate", rate]))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(migrate.stderr.take().unwrap()).lines();
        assert!(
            lines.any(|line| line.unwrap().starts_with(state)),
            "{state}"
        );
        kill(migrate);
        assert_all(&server, &ids);
        ids.push(deposit(&server, &content(ids.len())));
    }
    let report = totals(&maintain(&server, &with(&["--json"])).succeeded());
    assert_eq!(report["state"], "done", "{report}");
    assert_all(&server, &ids);
    ids.sort_unstable();
    assert_eq!(ids_in(&server, "moved"), ids);
}

#[test]
fn servers_can_be_restarted_with_either_backend_while_the_blobs_move() {
    let server = Server::start(QUIET);
    let mut ids = deposit_many(&server, 6);
    kill(begin(&server, "4KiB", 2));
    ids.push(deposit(&server, &content(ids.len())));
    let server = restart(server, &[]);
    assert_all(&server, &ids);
    ids.push(deposit(&server, &content(ids.len())));
    let server = restart(server, &["--backend", "moved"]);
    assert_all(&server, &ids);
    maintain(&server, MIGRATE).succeeded();
    assert_all(&server, &ids);
}

#[test]
fn a_server_that_was_suspended_during_a_whole_migration_serves_and_stores() {
    let server = Server::start(QUIET);
    let ids = deposit_many(&server, 4);
    server.signal("STOP");
    maintain(&server, &with(&["--delete-source"])).succeeded();
    assert_eq!(ids_in(&server, "artifact-data/blobs"), [""; 0]);
    server.signal("CONT");
    assert_content(&server, &ids[0], &content(0));
    assert_all(&server, &ids);
    let new = deposit(&server, b"after");
    assert!(ids_in(&server, "moved").contains(&new));
    assert_eq!(fetch(&server, &new).succeeded().stdout(), "after");
}

#[test]
fn a_damaged_blob_is_named_and_not_moved() {
    let server = Server::start(QUIET);
    let ids = deposit_many(&server, 3);
    flip(&server, &ids[1]);
    let refused = maintain(&server, &with(&["--delete-source"]));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let line = format!("corrupt {}: ", ids[1]);
    assert!(refused.stdout().starts_with(&line), "{refused:?}");
    assert!(
        refused.stderr.contains("not finished"),
        "{}",
        refused.stderr
    );
    assert_eq!(ids_in(&server, "artifact-data/blobs").len(), 3);
    assert!(!ids_in(&server, "moved").contains(&ids[1]));
    flip(&server, &ids[1]);
    maintain(&server, MIGRATE).succeeded();
    assert_all(&server, &ids);
}

#[test]
fn a_migration_to_a_wrong_place_is_refused_and_changes_nothing() {
    let (server, other) = (Server::start(QUIET), Server::start(QUIET));
    let ids = deposit_many(&server, 2);
    let foreign = other.path("artifact-data/blobs");
    let refused = |to: &str, text: &str| {
        let refused = maintain(&server, &["migrate", "--to", to]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(text), "{}", refused.stderr);
    };
    refused(foreign.to_str().unwrap(), "another store");
    refused("artifact-data/blobs", "the same, or one lies in the other");
    refused("artifact-data/blobs/new", "one lies in the other");
    refused("mem:", "in memory");
    refused(".", "one lies in the other");
    let status = maintain(&server, &["migrate", "--status", "--json"]).succeeded();
    assert_eq!(totals(&status)["state"], "never moved");
    assert_all(&server, &ids);
}

#[test]
fn copies_come_from_and_go_to_where_the_blobs_are() {
    let server = Server::start(QUIET);
    let mut ids = deposit_many(&server, 8);
    kill(begin(&server, "4KiB", 2));
    wait_until_it_follows(&server);
    ids.push(deposit(&server, &content(8)));
    // In the middle: no folder has all of them.
    for folder in ["artifact-data/blobs", "moved"] {
        assert!(ids_in(&server, folder).len() < 9, "{folder}");
        let with = |command: &[&str]| {
            let done = maintain(
                &server,
                &[command, &["--backend", folder, "--json"]].concat(),
            );
            totals(&done.succeeded())
        };
        assert_eq!(with(&["scrub"])["missing"], 0);
        let export = ["export", "default", "--force", "--to", "a.tar"];
        assert_eq!(with(&export)["artifacts"], 9);
        let place = format!("backups-of-{}", folder.split('/').next().unwrap());
        assert_eq!(with(&["backup", "--to", &place])["copied"], 9);
    }
    maintain(&server, &with(&["--delete-source"])).succeeded();
    for command in [
        &["export", "default", "--force", "--to", "b.tar"][..],
        &["backup", "--to", "backups"],
        &["import", "a.tar"],
        &["scrub"],
    ] {
        let refused = maintain(&server, command);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(
            refused.stderr.contains("/blobs to file:"),
            "{}",
            refused.stderr
        );
        let moved = [command, &["--backend", "moved"]].concat();
        maintain(&server, &moved).succeeded();
    }

    // A restored store has another backend, and no record of the old ones.
    for place in ["backups-of-artifact-data", "backups"] {
        let new = TempDir::new().unwrap();
        let place = server.path(place);
        let elsewhere = ["--backend", "elsewhere"];
        let restore = ["restore", "--from", place.to_str().unwrap()];
        run(artifact(new.path()).args(restore).args(elsewhere)).succeeded();
        let restored = Server::start_in(new, &[QUIET, &elsewhere].concat());
        assert_all(&restored, &ids);
        assert_eq!(ids_in(&restored, "elsewhere").len(), 9);
        let status = maintain(&restored, &["migrate", "--status"]).succeeded();
        assert!(status.stdout().starts_with("never moved: "), "{status:?}");
    }

    // An archive goes into a store whose blobs were moved.
    let other = Server::start(QUIET);
    maintain(&other, MIGRATE).succeeded();
    other.write("a.tar", &server.read("a.tar"));
    maintain(&other, &["import", "a.tar", "--backend", "moved"]).succeeded();
    assert_all(&other, &ids);
    assert_eq!(ids_in(&other, "moved").len(), 9);

    // The copy of a database still knows where the blobs are.
    let folder = server.stop("TERM");
    let copy = ["copy-database", "--to", "new.sqlite"];
    run(artifact(folder.path()).args(copy)).succeeded();
    let copied = ["--gc-interval", "0", "--database", "new.sqlite"];
    let mut old = artifact(folder.path());
    let refused = run_refused(old.args(["serve", "--listen", "127.0.0.1:0"]).args(copied));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("/blobs to file:"),
        "{}",
        refused.stderr
    );
    let server = Server::start_in(folder, &[&copied[..], &["--backend", "moved"]].concat());
    assert_all(&server, &ids);
}
