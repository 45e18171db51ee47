//! `/readyz` of a server whose database, folder or disk cannot be used any more, or that is shutting down.

#![expect(clippy::disallowed_methods, reason = "a test changes its own files")]

use std::io::Write as _;
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
    for line in ["not ready", "/healthz"] {
        server.wait_until(line, || server.stderr().contains(line));
    }
    let log = server.stderr();
    assert_eq!(log.matches("not ready").count(), 1, "{log}");
    assert!(!log.contains("/readyz"), "{log}");
}

#[test]
fn a_failed_sync_of_segments_is_not_ready() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("blobs");
    let url = format!("pack://{}", root.display());
    let server = Server::start(&["--backend", &url]);
    put(&server, b"bytes").succeeded();
    assert_ready(&server);
    std::fs::write(root.join("large/failed-sync"), b"").unwrap();
    let expected = json!({ "part": "backend", "reason": "refuses writes" });
    assert_eq!(reason(&server), expected);
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
fn a_postgresql_that_hangs_does_not_answer() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let database = postgres.database();
    let server = Server::start(&["--database", &database.url()]);
    assert_ready(&server);
    let mut other = database.psql();
    other.run("BEGIN");
    other.run("LOCK TABLE artifact.leases IN ACCESS EXCLUSIVE MODE");
    let expected = json!({ "part": "database", "reason": "does not answer in time" });
    assert_eq!(reason(&server), expected);
    server.wait_until("the line", || server.stderr().contains("not ready"));
    other.run("ROLLBACK");
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
    for scheme in ["file", "pack"] {
        below_the_minimum(&mounted, scheme);
    }
}

fn below_the_minimum(mounted: &Mounted, scheme: &str) {
    let blobs = format!("{scheme}://{}/{scheme}", mounted.path().display());
    let server = Server::start(&["--backend", &blobs, "--min-free-space", "16MiB"]);
    let (_, headers) = server.connect();
    let send = |line: &str, fields: &str, body: &str| {
        let length = body.len();
        Answer::of(&server.say(format!(
            "{line} HTTP/1.1\r\n{headers}{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )))
    };
    let create = "POST /v1/experiments/default/uploads";
    let tus = "Tus-Resumable: 1.0.0\r\nUpload-Length: 5\r\n";
    let upload = send(create, tus, "");
    assert_eq!(upload.status, 201);
    let upload = upload.field("location").unwrap().to_owned();
    let collection = send(
        "POST /v1/experiments/default/collections",
        "Content-Type: application/json\r\n",
        "{}",
    );
    let collection: Value = serde_json::from_slice(&collection.body).unwrap();
    let collection = collection["id"].as_str().unwrap();
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

    let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nx\r\n--b--\r\n";
    let form_type = "Content-Type: multipart/form-data; boundary=b\r\n";
    let append = format!("PATCH {upload}");
    let append_fields = "Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n";
    let file = format!("PUT /v1/experiments/default/collections/{collection}/files/f");
    for (line, fields, body) in [
        ("POST /v0/experiments/default/artifacts", form_type, form),
        ("POST /v1/experiments/default/artifacts", "", "x"),
        (create, tus, ""),
        (&append, append_fields, "bytes"),
        (&file, "", "x"),
    ] {
        let answer = send(line, fields, body);
        let problem = answer.assert_problem(507, "about:blank");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("minimum of free space"), "{detail}");
    }
    // Not one for each refusal.
    server.wait_until("the alarm", || server.stderr().contains("ERROR"));
    let log = server.stderr();
    let errors: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{log}");
    assert!(errors[0].contains("low-free-space"), "{log}");
    let fetched = run(&mut server.client(&["get", &uri])).succeeded();
    assert_eq!(fetched.stdout(), "bytes");
    run(&mut server.client(&["delete", &uri])).succeeded();

    std::fs::remove_file(&filler).unwrap();
    server.wait_until("200", || get(&server, "/readyz").status == 200);
    put(&server, b"more").succeeded();
    assert_eq!(send(&append, append_fields, "bytes").status, 204);
}

#[test]
fn a_folder_that_became_read_only_or_full_is_not_ready() {
    let Some(mounted) = Mounted::new("size=8m,mode=700") else {
        return;
    };
    let remount = |mode: &str| {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{mode}")]);
        let output = mount.arg(mounted.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    for scheme in ["file", "pack"] {
        let blobs = format!("{scheme}://{}/{scheme}", mounted.path().display());
        let server = Server::start(&["--backend", &blobs, "--min-free-space", "0"]);
        assert_ready(&server);
        let filler = mounted.path().join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        drop(file);
        let expected = json!({ "part": "backend", "reason": "has too little free space" });
        assert_eq!(reason(&server), expected, "{scheme}");
        std::fs::remove_file(&filler).unwrap();
        server.wait_until("200", || get(&server, "/readyz").status == 200);
        if scheme == "file" {
            remount("ro");
            let expected = json!({ "part": "backend", "reason": "refuses writes" });
            assert_eq!(reason(&server), expected, "{scheme}");
            remount("rw");
            server.wait_until("200", || get(&server, "/readyz").status == 200);
        }
    }
}
