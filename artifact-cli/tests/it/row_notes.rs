//! Rows as notes of a `pack:` backend: kills, an old copy of the database, a lost one.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use crate::harness::{Answer, Server, artifact, read_to_end, run};
use crate::maintained::{deposit, fetch, totals};

/// The URL of the backend in a folder.
fn backend(folder: &TempDir) -> String {
    format!("pack://{}", folder.path().join("packs").display())
}

fn start_in(folder: TempDir) -> Server {
    let backend = backend(&folder);
    Server::start_in(folder, &["--backend", &backend])
}

/// Runs a command of maintenance of a store without a server.
fn maintain_in(folder: &TempDir, arguments: &[&str]) -> crate::harness::Done {
    let backend = backend(folder);
    run(artifact(folder.path())
        .args(arguments)
        .args(["--backend", &backend]))
}

fn body(number: usize) -> Vec<u8> {
    let length = [0, 30, 4_096, 9_000, 70_000][number % 5];
    let mut body = format!("body {number}").into_bytes();
    body.resize(body.len() + length, b'x');
    body
}

/// Deposits without a key, as curl does. Returns the id if the server has acknowledged it.
fn post(address: &str, headers: &str, number: usize) -> Option<String> {
    let body = body(number);
    let mut stream = TcpStream::connect(address).ok()?;
    let boundary = "8e03978e40d543e8bc936894a57f9324";
    let part = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{number}.txt\"\r\n\r\n"
    );
    let end = format!("\r\n--{boundary}--\r\n");
    let length = part.len() + body.len() + end.len();
    let head = format!(
        "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}Content-Type: multipart/form-data; boundary={boundary}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let request = [head.as_bytes(), part.as_bytes(), &body, end.as_bytes()].concat();
    stream.write_all(&request).ok()?;
    let mut answer = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut answer).ok()?;
    let text = String::from_utf8_lossy(&answer);
    if !text.starts_with("HTTP/1.1 201") {
        return None;
    }
    let begin = text.find("eden://artifacts/")? + "eden://artifacts/".len();
    Some(text.get(begin..begin + 32)?.to_owned())
}

/// Fetches an artifact over a new connection. Returns the status and the bytes.
fn get(server: &Server, id: &str) -> (u16, Vec<u8>) {
    let (mut stream, headers) = server.connect();
    let request = format!(
        "GET /v0/experiments/default/artifacts?uri=eden:%2F%2Fartifacts%2F{id} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let answer = Answer::of(&read_to_end(&mut stream));
    (answer.status, answer.body)
}

/// What the server has acknowledged: the artifacts by their ids, and the ids of removed ones.
#[derive(Debug, Default)]
struct Acknowledged {
    stored: BTreeMap<String, usize>,
    removed: Vec<String>,
}

/// Deposits from several threads, and kills the server when it has acknowledged this many.
fn deposit_until_killed(
    server: &mut Server,
    kill_after: usize,
    next: &AtomicUsize,
) -> BTreeMap<String, usize> {
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let (_, headers) = server.connect();
    let stored = Arc::new(Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (stored, address, headers) = (Arc::clone(&stored), &address, &headers);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(id) = post(address, headers, number) else {
                        return;
                    };
                    stored.lock().unwrap().insert(id, number);
                }
            });
        }
        server.wait_until("the deposits", || {
            stored.lock().unwrap().len() >= kill_after
        });
        server.signal("KILL");
    });
    server.wait();
    let stored = stored.lock().unwrap();
    stored.clone()
}

/// Checks over HTTP that everything is as it was acknowledged.
fn check(server: &Server, acknowledged: &Acknowledged) {
    for (id, number) in &acknowledged.stored {
        let (status, found) = get(server, id);
        assert_eq!(status, 200, "{id}, number {number}\n{}", server.stderr());
        assert!(found == body(*number), "{id}, number {number}");
    }
    for id in &acknowledged.removed {
        assert_eq!(get(server, id).0, 404, "{id} was removed");
    }
}

/// Removes some artifacts.
fn remove_some(server: &Server, acknowledged: &mut Acknowledged) {
    let ids: Vec<_> = acknowledged.stored.keys().step_by(7).cloned().collect();
    for id in ids {
        let uri = format!("eden://artifacts/{id}");
        run(&mut server.client(&["delete", &uri])).succeeded();
        acknowledged.stored.remove(&id);
        acknowledged.removed.push(id);
    }
}

fn database(folder: &TempDir, suffix: &str) -> std::path::PathBuf {
    folder
        .path()
        .join(format!("artifact-data/rows.sqlite{suffix}"))
}

#[expect(clippy::disallowed_methods, reason = "a test copies its own files")]
fn save_database(folder: &TempDir) {
    for suffix in ["", "-wal"] {
        let from = database(folder, suffix);
        if from.exists() {
            std::fs::copy(&from, folder.path().join(format!("saved{suffix}"))).unwrap();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test removes its own files")]
fn remove_database(folder: &TempDir) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(database(folder, suffix));
    }
}

#[expect(clippy::disallowed_methods, reason = "a test copies its own files")]
fn use_saved_database(folder: &TempDir) {
    remove_database(folder);
    for suffix in ["", "-wal"] {
        let from = folder.path().join(format!("saved{suffix}"));
        if from.exists() {
            std::fs::copy(&from, database(folder, suffix)).unwrap();
        }
    }
}

#[test]
fn acknowledged_deposits_survive_kills_old_copies_and_the_loss_of_the_database() {
    let next = AtomicUsize::new(0);
    let mut acknowledged = Acknowledged::default();
    let mut server = start_in(tempfile::tempdir().unwrap());
    for (round, kill_after) in [1, 5, 20, 40, 60, 30].into_iter().enumerate() {
        let stored = deposit_until_killed(&mut server, kill_after, &next);
        acknowledged.stored.extend(stored);
        let folder = server.take_folder();
        match round % 3 {
            // The kernel still has what the process wrote.
            0 => save_database(&folder),
            // What a power cut may take away, and more.
            1 => use_saved_database(&folder),
            _ => {
                remove_database(&folder);
                let listen = ["serve", "--listen", "127.0.0.1:0"];
                let refused = maintain_in(&folder, &listen);
                assert_eq!(refused.code, Some(2), "{}", refused.stderr);
                let made = maintain_in(&folder, &["rebuild-catalog"]).succeeded();
                assert!(made.stderr.contains("workers, groups"), "{}", made.stderr);
            }
        }
        server = start_in(folder);
        check(&server, &acknowledged);
        remove_some(&server, &mut acknowledged);
    }
    let listed = run(&mut server.client(&["ls", "--json"])).succeeded();
    for id in acknowledged.stored.keys() {
        assert!(listed.stdout().contains(id.as_str()), "{id} is not listed");
    }
    let folder = server.stop("TERM");
    // Maintenance of the stopped store finds neither orphans nor missing blobs.
    use_saved_database(&folder);
    let collected = maintain_in(&folder, &["gc", "--json"]).succeeded();
    let totals = totals(&collected);
    assert_eq!(
        (&totals["missing"], &totals["orphans"]),
        (&0.into(), &0.into()),
        "{totals}"
    );
    check(&start_in(folder), &acknowledged);
}

#[test]
fn a_database_of_a_store_is_not_replaced() {
    let server = start_in(tempfile::tempdir().unwrap());
    let id = deposit(&server, b"kept");
    let running = maintain_in(&server.folder, &["rebuild-catalog"]);
    assert_eq!(running.code, Some(2), "{}", running.stderr);
    let folder = server.stop("TERM");
    let refused = maintain_in(&folder, &["rebuild-catalog"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("move it"), "{}", refused.stderr);
    let server = start_in(folder);
    assert_eq!(fetch(&server, &id).stdout(), "kept");
}

#[test]
fn a_backend_without_notes_is_refused() {
    let server = Server::start(&[]);
    deposit(&server, b"kept");
    let folder = server.stop("TERM");
    remove_database(&folder);
    let refused = run(artifact(folder.path()).arg("rebuild-catalog"));
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("keeps no notes of rows"),
        "{}",
        refused.stderr
    );
    assert!(!database(&folder, "").exists());
}

#[test]
fn without_the_setting_no_note_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let backend = backend(&folder);
    let server = Server::start_in(folder, &["--backend", &backend, "--row-notes", "no"]);
    deposit(&server, b"kept");
    let marker = String::from_utf8(server.read("packs/artifact-format")).unwrap();
    assert_eq!(marker, "artifact-backend-pack 1\n");
    let folder = server.stop("TERM");
    let server = start_in(folder);
    deposit(&server, b"noted");
    let marker = String::from_utf8(server.read("packs/artifact-format")).unwrap();
    assert_eq!(marker, "artifact-backend-pack 2\n");
}

/// Makes a store whose database lacks a row that a note has. Returns the id of its artifact.
fn behind() -> (TempDir, String) {
    let server = start_in(tempfile::tempdir().unwrap());
    deposit(&server, b"early");
    let folder = server.stop("TERM");
    save_database(&folder);
    let server = start_in(folder);
    let id = deposit(&server, b"late");
    let folder = server.stop("TERM");
    use_saved_database(&folder);
    (folder, id)
}

#[test]
fn a_server_with_metrics_writes_notes_and_catches_up_too() {
    let (folder, early) = behind();
    let backend = backend(&folder);
    let metrics = ["--backend", &*backend, "--metrics-listen", "127.0.0.1:0"];
    let server = Server::start_in(folder, &metrics);
    assert_eq!(fetch(&server, &early).stdout(), "late");
    let id = deposit(&server, b"measured");
    let folder = server.stop("TERM");
    use_saved_database(&folder);
    let server = start_in(folder);
    assert_eq!(fetch(&server, &id).stdout(), "measured");
}

#[test]
fn a_database_catches_up_before_its_blobs_are_moved_and_not_with_a_backend_that_was_left() {
    let (folder, id) = behind();
    let (from, to) = (backend(&folder), folder.path().join("moved"));
    let to = to.to_str().unwrap();
    let migrate = ["migrate", "--to", to, "--delete-source"];
    maintain_in(&folder, &migrate).succeeded();
    // The old backend has a deletion of each blob.
    let rows = folder.path().join("copy.sqlite");
    let copy = ["copy-database", "--to", rows.to_str().unwrap()];
    let refused = maintain_in(&folder, &copy);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains(to), "{}", refused.stderr);
    let refused = maintain_in(&folder, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.code, Some(2), "{}, {from}", refused.stderr);
    let server = Server::start_in(folder, &["--backend", to]);
    assert_eq!(fetch(&server, &id).stdout(), "late");
}
