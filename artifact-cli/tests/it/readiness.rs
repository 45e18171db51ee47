//! `/readyz` of a server whose database, folder or disk cannot be used any more, or that is shutting down.

#![expect(clippy::disallowed_methods, reason = "a test changes its own files")]

use std::path::Path;
use std::process::Command;

use artifact_postgres_test::Stop;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, Done, Server, run, run_with, skip};

fn get(server: &Server, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    Answer::of(&server.say(request))
}

fn put(server: &Server, bytes: &[u8]) -> Done {
    run_with(&mut server.client(&["put", "-"]), bytes)
}

/// Asks until the server is not ready, and returns the only reason.
fn reason(server: &Server) -> Value {
    server.wait_until("503", || get(server, "/readyz").status == 503);
    let answer = get(server, "/readyz");
    assert_eq!(answer.field("retry-after"), Some("5"));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["ready"], false);
    let reasons = body["reasons"].as_array().unwrap();
    assert_eq!(reasons.len(), 1, "{body}");
    // Whatever is wrong, the process serves.
    assert_eq!(get(server, "/healthz").status, 200);
    reasons[0].clone()
}

fn assert_ready(server: &Server) {
    let answer = get(server, "/readyz");
    assert_eq!(
        answer.body,
        br#"{"ready":true,"reasons":[]}"#,
        "{}",
        server.stderr()
    );
    assert_eq!(answer.status, 200);
}

#[test]
fn a_lost_database_and_a_failed_sync_are_not_ready() {
    let server = Server::start(&[]);
    assert_ready(&server);
    std::fs::remove_file(server.path("artifact-data/rows.sqlite")).unwrap();
    let expected = json!({ "part": "database", "reason": "refuses writes" });
    assert_eq!(reason(&server), expected);
    drop(server);

    let server = Server::start(&[]);
    assert_ready(&server);
    // As another process on the folder records it.
    server.write("artifact-data/blobs/failed-sync", b"");
    let expected = json!({ "part": "backend", "reason": "refuses writes" });
    assert_eq!(reason(&server), expected);
    // Operators find the error in the log, and monitors leave no lines there.
    let log = server.stderr();
    assert_eq!(log.matches("not ready").count(), 1, "{log}");
    assert!(!log.contains("/readyz"), "{log}");
    assert!(log.contains("/healthz"), "{log}");
}

#[test]
fn probes_are_logged_at_debug() {
    let server = Server::start(&["--log-level", "debug"]);
    assert_ready(&server);
    server.wait_until("the line", || server.stderr().contains("/readyz"));
}

#[test]
fn a_stopped_postgresql_is_not_ready_and_comes_back() {
    let Some(postgres) = artifact_postgres_test::Server::start() else {
        return;
    };
    let url = postgres.database().url();
    let server = Server::start(&["--database", &url]);
    assert_ready(&server);
    postgres.stop(Stop::Fast);
    let found = reason(&server);
    assert_eq!(found["part"], "database");
    let text = found["reason"].as_str().unwrap();
    assert!(
        ["does not answer in time", "cannot be read"].contains(&text),
        "{text}"
    );
    postgres.resume();
    server.wait_until("200", || get(&server, "/readyz").status == 200);
}

#[test]
fn a_server_that_shuts_down_is_not_ready_before_it_refuses_connections() {
    let mut server = Server::start(&["--drain-delay", "600"]);
    assert_ready(&server);
    server.signal("TERM");
    let expected = json!({ "part": "server", "reason": "is shutting down" });
    assert_eq!(reason(&server), expected);
    // Requests go on meanwhile.
    put(&server, b"bytes").succeeded();
    // A second signal does not wait for the delay.
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0), "{}", server.stderr());
}

#[test]
fn the_drain_follows_the_delay() {
    let mut server = Server::start(&["--drain-delay", "1"]);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0), "{}", server.stderr());
}

/// A small file system in memory; unmounted on drop.
struct Mounted(TempDir);

impl Mounted {
    fn new(options: &str) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "none"]);
        let mounted = mount.arg(folder.path()).output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        if skip(mounted, "the minimum of free space", "run as root") {
            return None;
        }
        Some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

#[test]
fn below_the_minimum_of_free_space_deposits_are_refused_and_the_rest_goes_on() {
    let Some(mounted) = Mounted::new("size=32m,mode=700") else {
        return;
    };
    let blobs = mounted.path().join("blobs");
    let blobs = blobs.to_str().unwrap();
    let server = Server::start(&["--backend", blobs, "--min-free-space", "16MiB"]);
    let uri = put(&server, b"bytes")
        .succeeded()
        .stdout()
        .trim_end()
        .to_owned();
    assert_ready(&server);
    let filler = mounted.path().join("filler");
    std::fs::write(&filler, vec![0; 20 << 20]).unwrap();
    let expected = json!({ "part": "free-space", "reason": "has too little free space" });
    assert_eq!(reason(&server), expected);

    let (_, headers) = server.connect();
    let body = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nx\r\n--b--\r\n";
    let form = "Content-Type: multipart/form-data; boundary=b\r\n";
    for (line, form, body) in [
        ("POST /v0/experiments/default/artifacts", form, body),
        ("POST /v1/experiments/default/artifacts", "", "x"),
    ] {
        let length = body.len();
        let answer = Answer::of(&server.say(format!(
            "{line} HTTP/1.1\r\n{headers}{form}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )));
        let problem = answer.assert_problem(507, "about:blank");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("minimum of free space"), "{detail}");
    }
    assert!(
        server.stderr().contains("low-free-space"),
        "{}",
        server.stderr()
    );
    let fetched = run(&mut server.client(&["get", &uri])).succeeded();
    assert_eq!(fetched.stdout(), "bytes");
    run(&mut server.client(&["delete", &uri])).succeeded();

    std::fs::remove_file(&filler).unwrap();
    server.wait_until("200", || get(&server, "/readyz").status == 200);
    put(&server, b"more").succeeded();
}
