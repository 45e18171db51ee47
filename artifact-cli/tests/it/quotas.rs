//! Quotas with real servers.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Answer, Server, artifact, noise, run};
use crate::uploads::{assert_stored, upload};

const CLIENTS: usize = 64;
const ROUNDS: usize = 4;
/// About a third of what all clients try to store.
const MAX_BYTES: u64 = 1_000_000;

/// Returns the command of a client that is the administrator.
fn client(server: &Server, arguments: &[&str]) -> Command {
    let mut command = artifact(server.folder.path());
    command.args(arguments).args(["--server", &server.url]);
    command.args(["--admin-token-file", "artifact-data/admin-token"]);
    command
}

fn read(server: &Server, path: &str) -> Value {
    let (_, headers) = server.connect();
    let answer = Answer::of(&server.say(format!(
        "GET /v1/experiments/default{path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"
    )));
    assert_eq!(answer.status, 200);
    serde_json::from_slice(&answer.body).unwrap()
}

/// Deposits as the administrator, with a known length or in chunks.
fn deposit(server: &Server, bytes: &[u8], is_known: bool) -> Answer {
    let (_, headers) = server.connect();
    let length = bytes.len();
    let framing = if is_known {
        format!("Content-Length: {length}\r\n\r\n")
    } else {
        format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n")
    };
    let mut request = format!(
        "POST /v1/experiments/default/artifacts HTTP/1.1\r\n{headers}Connection: close\r\n{framing}"
    )
    .into_bytes();
    request.extend_from_slice(bytes);
    if !is_known {
        request.extend_from_slice(b"\r\n0\r\n\r\n");
    }
    Answer::of(&server.say(request))
}

/// Deposits until the server has a permit for it. Returns whether the quota allowed it.
fn is_stored(server: &Server, bytes: &[u8], is_known: bool) -> bool {
    loop {
        let answer = deposit(server, bytes, is_known);
        match answer.status {
            201 => return true,
            507 => {
                answer.assert_problem(507, "eden://error/quota-exceeded");
                return false;
            }
            // The limit of concurrent deposits of one principal.
            status => assert_eq!(status, 429, "{}", String::from_utf8_lossy(&answer.body)),
        }
    }
}

/// Checks two servers with these arguments.
fn check(arguments: &[&str]) {
    let servers = [Server::start(arguments), Server::start(arguments)];
    Server::share_token(&servers);
    let [a, b] = &servers;
    let limit = MAX_BYTES.to_string();
    run(&mut client(a, &["quota", "set", "--bytes", &limit])).succeeded();
    let (stored, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut samples = 0;
            while !is_over.load(Ordering::Relaxed) {
                let bytes = read(b, "/usage")["bytes"].as_u64().unwrap();
                assert!(bytes <= MAX_BYTES, "{bytes} bytes");
                samples += 1;
            }
            samples
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                let (server, stored) = (if n % 2 == 0 { a } else { b }, &stored);
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let length = 1 + (n * 7_919 + round * 104_729) % 25_000;
                        if is_stored(server, &noise(length), (n + round) % 3 > 0) {
                            stored.fetch_add(length as u64, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(sampler.join().unwrap() > 0);
    });
    let stored = stored.into_inner();
    let usage = read(a, "/usage");
    assert_eq!(usage["bytes"], stored);
    assert_eq!(read(b, "/quota")["quota"]["bytes"], stored);
    // To the last byte, through the other server.
    let rest = usize::try_from(MAX_BYTES - stored).unwrap();
    a.wait_until(
        "the refused deposits have released what they reserved",
        || is_stored(a, &noise(rest), true),
    );
    let refused = deposit(b, b"x", true).assert_problem(507, "eden://error/quota-exceeded");
    let detail = refused["detail"].as_str().unwrap();
    assert_eq!(
        detail,
        "the quota of the experiment is 1,000,000 bytes; 0 bytes are left, and this deposit needs at least 1"
    );
    run(&mut client(b, &["quota", "delete"])).succeeded();
    assert!(is_stored(a, b"x", true));
}

#[test]
fn clients_of_two_servers_on_one_file_never_exceed_a_quota() {
    let shared = TempDir::new().unwrap();
    let path = |name: &str| shared.path().join(name).to_str().unwrap().to_owned();
    let (database, blobs) = (path("rows.sqlite"), path("blobs"));
    check(&["--database", &database, "--backend", &blobs]);
}

#[cfg(feature = "postgres")]
#[test]
fn clients_of_two_servers_on_one_postgres_database_never_exceed_a_quota() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let database = postgres.database();
    let shared = TempDir::new().unwrap();
    let blobs = shared.path().join("blobs");
    let blobs = blobs.to_str().unwrap();
    check(&["--database", &database.url(), "--backend", blobs]);
}

#[test]
fn quotas_are_set_shown_listed_and_removed() {
    let server = Server::start(&[]);
    let run_client = |arguments: &[&str]| run(&mut client(&server, arguments));
    let client = |arguments: &[&str]| run_client(arguments).succeeded();
    assert_eq!(client(&["quota", "show"]).stdout(), "no quota\n");
    assert_eq!(client(&["quota", "list"]).stdout(), "");
    let worker = client(&["worker", "create"]);
    let worker = worker.stdout().split(':').next().unwrap().to_owned();
    client(&["quota", "set", "--bytes", "1KiB", "--in-flight", "3"]);
    client(&["quota", "set", "--worker", &worker, "--artifacts", "5"]);
    server.write("file", &noise(1_000));
    client(&["put", "file"]);
    let shown = client(&["quota", "show"]);
    assert_eq!(
        shown.stdout(),
        "bytes 1000 of 1024\nartifacts 1 of -\nin-flight 0 of 3\n"
    );
    let refused = run_client(&["put", "file"]);
    assert_ne!(refused.code, Some(0));
    let why = "the quota of the experiment is 1,024 bytes; 24 bytes are left, and this deposit needs at least 1,000";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
    let listed = client(&["quota", "list"]);
    let expected = format!("experiment\t1000\t1024\t1\t-\t0\t3\n{worker}\t0\t-\t0\t5\t0\t-\n");
    assert_eq!(listed.stdout(), expected);
    let json = client(&["quota", "show", "--worker", &worker, "--json"]);
    let json: Value = serde_json::from_str(json.stdout()).unwrap();
    assert_eq!(json["quota"]["principal"], worker);
    assert_eq!(json["quota"]["artifacts_left"], 5);
    client(&["quota", "delete"]);
    client(&["put", "file"]);
    client(&["quota", "delete", "--worker", &worker]);
    assert_eq!(client(&["quota", "list"]).stdout(), "");
}

#[test]
fn a_large_put_that_does_not_fit_is_resumed_once_there_is_room() {
    let server = Server::start(&[]);
    let client = |arguments: &[&str]| run(&mut client(&server, arguments));
    client(&["quota", "set", "--bytes", "18MiB"]).succeeded();
    server.write("small.bin", &noise(2 << 20));
    let small = client(&["put", "small.bin"]).succeeded();
    let bytes = noise(17 << 20);
    server.write("large.bin", &bytes);
    let put = client(&["put", "large.bin"]);
    assert_ne!(put.code, Some(0));
    let id = upload(&put.stderr).to_owned();
    let resume = ["put", "large.bin", "--resume", &id];
    for refused in [put, client(&resume)] {
        let why = "16,777,216 bytes are left, and this deposit needs at least 17,825,792";
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
    client(&["delete", small.stdout().trim_end()]).succeeded();
    let put = client(&resume).succeeded();
    assert_stored(&server, put.stdout(), &bytes);
    // One that is larger than the quota is not even begun.
    server.write("large.bin", &noise(19 << 20));
    let refused = client(&["put", "large.bin"]);
    assert_ne!(refused.code, Some(0));
    assert!(!refused.stderr.contains("--resume"), "{}", refused.stderr);
}
