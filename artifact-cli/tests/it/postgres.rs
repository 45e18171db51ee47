//! Tests servers that share a PostgreSQL database, and a server whose database stops.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use artifact_postgres_test::{Database, Pooler, Stop};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, Server, artifact, files_below, run, run_refused, run_with};
use crate::workers::{ask, credential, json};

/// Makes the folder of a server with an admin token that is the same for all.
fn folder_with_token() -> TempDir {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("artifact-data");
    rustix::fs::mkdir(&data, rustix::fs::Mode::RWXU).unwrap();
    let mut file = std::fs::OpenOptions::new();
    let file = file.create_new(true).write(true).mode(0o600);
    let mut file = file.open(data.join("admin-token")).unwrap();
    writeln!(file, "{}", "4f1c9a73e2b8d605".repeat(4)).unwrap();
    folder
}

/// Starts a server with this database and this folder of blobs. Several servers can share both.
fn serve(database: &Database<'_>, blobs: &Path) -> Server {
    let blobs = blobs.to_str().unwrap();
    let arguments = ["--database", &database.url(), "--backend", blobs];
    Server::start_in(folder_with_token(), &arguments)
}

fn put(server: &Server, text: &str) -> String {
    let put = run_with(&mut server.client(&["put", "-"]), text.as_bytes()).succeeded();
    put.stdout().trim_end().to_owned()
}

fn get(server: &Server, uri: &str) -> String {
    let get = run(&mut server.client(&["get", uri])).succeeded();
    get.stdout().to_owned()
}

/// Deposits `text` as the admin and returns the response.
fn deposit(server: &Server, text: &str) -> Answer {
    let (_, headers) = server.connect();
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\
         Content-Type: text/plain\r\n\r\n{text}\r\n--b--\r\n"
    );
    Answer::of(&server.say(format!(
        "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}Connection: close\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )))
}

fn fetch(server: &Server, uri: &str) -> Answer {
    let (_, headers) = server.connect();
    Answer::of(&server.say(format!(
        "GET /v0/experiments/default/artifacts?uri={uri} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"
    )))
}

#[test]
fn two_servers_on_one_database_and_one_folder_are_as_one() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let database = postgres.database();
    let shared = TempDir::new().unwrap();
    let blobs = shared.path().join("blobs");
    let (a, b) = (serve(&database, &blobs), serve(&database, &blobs));
    let uris: Vec<_> = (0..4)
        .map(|n| {
            let (one, other) = if n % 2 == 0 { (&a, &b) } else { (&b, &a) };
            let text = format!("artifact {n}");
            let uri = put(one, &text);
            // At once, and from both.
            assert_eq!(get(other, &uri), text);
            assert_eq!(get(one, &uri), text);
            uri
        })
        .collect();
    assert_eq!(database.sql("SELECT count(*) FROM artifact.artifacts"), "4");
    let experiments = database.sql("SELECT id FROM artifact.experiments");
    assert_eq!(experiments, "default");

    // What one of them leaves behind when it is killed is whole for the other, and for the next.
    drop(a);
    for (n, uri) in uris.iter().enumerate() {
        assert_eq!(get(&b, uri), format!("artifact {n}"));
    }
    drop(b);
    let next = serve(&database, &blobs);
    assert_eq!(get(&next, &uris[0]), "artifact 0");
}

#[test]
fn workers_and_groups_are_visible_on_other_servers_at_once() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let database = postgres.database();
    let shared = TempDir::new().unwrap();
    let blobs = shared.path().join("blobs");
    let (a, b) = (serve(&database, &blobs), serve(&database, &blobs));
    let by_admin = |server: &Server, line: &str, body: Value| {
        let admin = format!("admin:{}", server.token());
        ask(server, &admin, "default", line, &body.to_string())
    };
    let whoami = |server: &Server, who: &str| ask(server, who, "default", "GET /whoami", "");

    let worker = json(&by_admin(&a, "POST /workers", json!({ "name": "w" })));
    let id = worker["worker_id"].as_str().unwrap();
    let former = credential(&worker);
    // Both have verified it, and remember.
    for server in [&a, &b, &a, &b] {
        assert_eq!(json(&whoami(server, &former))["worker_id"], id);
    }
    let line = format!("POST /workers/{id}/reissue-credential");
    let fresh = credential(&json(&by_admin(&a, &line, json!({}))));
    for server in [&b, &a] {
        whoami(server, &former).assert_problem(401, "eden://error/unauthorized");
        assert_eq!(json(&whoami(server, &fresh))["worker_id"], id);
    }

    // What the admin deposited is for administrators; a group of them makes the worker one.
    let uri = put(&a, "of the admin");
    let line = format!("GET /artifacts?uri={uri}");
    let status = |server: &Server| ask(server, &fresh, "default", &line, "").status;
    assert_eq!((status(&a), status(&b)), (403, 403));
    let inner = json(&by_admin(&a, "POST /groups", json!({ "members": [id] })));
    let inner = inner["group_id"].as_str().unwrap();
    let admins = json(&by_admin(&b, "GET /groups?name=admins", json!({})));
    let admins = admins["groups"][0]["group_id"].as_str().unwrap();
    let members = format!("POST /groups/{admins}/members");
    json(&by_admin(&b, &members, json!({ "member_id": inner })));
    assert_eq!((status(&a), status(&b)), (200, 200));
    // And a cycle that one half of came from each server is refused.
    let members = format!("POST /groups/{inner}/members");
    let answer = by_admin(&a, &members, json!({ "member_id": admins }));
    answer.assert_problem(409, "eden://error/cycle-detected");

    let gone = by_admin(&a, &format!("DELETE /groups/{inner}"), json!({}));
    assert_eq!(gone.status, 204);
    assert_eq!((status(&b), status(&a)), (403, 403));
    let line = format!("GET /groups/{inner}");
    by_admin(&b, &line, json!({})).assert_problem(404, "eden://error/not-found");
}

#[test]
fn servers_that_start_at_once_on_an_empty_database_all_start() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let database = postgres.database();
    let shared = TempDir::new().unwrap();
    let blobs = shared.path().join("blobs");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let server = serve(&database, &blobs);
                let uri = put(&server, "mine");
                assert_eq!(get(&server, &uri), "mine");
            });
        }
    });
    assert_eq!(database.sql("SELECT count(*) FROM artifact.artifacts"), "4");
}

#[test]
fn a_second_folder_beside_one_database_is_refused() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let database = postgres.database();
    let shared = TempDir::new().unwrap();
    let server = serve(&database, &shared.path().join("blobs"));
    let other = TempDir::new().unwrap();
    let mut command = artifact(other.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    let done = run_refused(command.args(["--database", &database.url()]));
    assert_eq!(done.code, Some(2), "{done:?}");
    let said = "holds no blobs, but the database (--database) belongs to store-";
    assert!(done.stderr.contains(said), "{done:?}");
    assert_eq!(files_below(other.path()), [""; 0]);
    assert_eq!(get(&server, &put(&server, "served")), "served");
}

#[test]
fn without_its_database_deposits_and_fetches_are_503_until_it_is_back() {
    let Some(postgres) = artifact_postgres_test::Server::start() else {
        return;
    };
    let database = postgres.database();
    let shared = TempDir::new().unwrap();
    let blobs = shared.path().join("blobs");
    let server = serve(&database, &blobs);
    let known = put(&server, "known");
    let other = put(&server, "other");
    assert_eq!(get(&server, &known), "known");

    for how in [Stop::Fast, Stop::Immediate] {
        postgres.stop(how);
        let answer = deposit(&server, "lost");
        let problem = answer.assert_problem(503, "about:blank");
        assert!(answer.field("retry-after").is_some(), "{}", answer.head);
        let detail = problem["detail"].as_str().unwrap();
        assert!(!detail.contains("connect"), "{detail}");
        // The server has the row of the first one in memory. But another server may have removed the artifact since.
        for uri in [&known, &other] {
            let answer = fetch(&server, uri);
            answer.assert_problem(503, "about:blank");
            assert!(answer.field("retry-after").is_some(), "{}", answer.head);
        }

        postgres.resume();
        let answer = deposit(&server, "found");
        assert_eq!(answer.status, 201, "{}", answer.head);
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        let uri = answer["artifacts_uri"].as_str().unwrap();
        assert_eq!(get(&server, uri), "found");
        assert_eq!(get(&server, &known), "known");
    }
    assert_eq!(get(&server, &other), "other");
    // The log has the whole story.
    server.wait_until("the log of the failure", || {
        server.stderr().contains("the database cannot be reached")
    });
}

#[test]
fn the_password_comes_from_the_environment_or_a_file_and_is_nowhere_else() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let database = postgres.database();
    let canary = postgres.password();
    let url = database.tcp_url();
    let file = format!("{canary}\n");
    let shared = TempDir::new().unwrap();
    let blobs = shared.path().join("blobs");
    let blobs = blobs.to_str().unwrap();
    for by_file in [false, true] {
        let folder = folder_with_token();
        let options = [
            "--database",
            &url,
            "--backend",
            blobs,
            "--log-level",
            "trace",
        ];
        let server = if by_file {
            secret(folder.path(), &file);
            let options = [&options[..], &["--database-password-file", "password"]].concat();
            Server::start_in(folder, &options)
        } else {
            Server::start_with(folder, &options, &[("PGPASSWORD", canary)])
        };
        let uri = put(&server, "behind a password");
        assert_eq!(get(&server, &uri), "behind a password");
        let folder = server.stop("TERM");
        for name in files_below(folder.path()) {
            let bytes = read(&folder.path().join(&name));
            let found = bytes.windows(canary.len()).any(|w| w == canary.as_bytes());
            assert_eq!(found, name == "password", "{name}");
        }
    }
    let folder = TempDir::new().unwrap();
    let mut command = artifact(folder.path());
    command
        .args(["serve", "--print-config", "--database", &url])
        .env("PGPASSWORD", canary);
    let done = run(&mut command).succeeded();
    assert!(done.stdout().contains(&url), "{done:?}");
    assert!(done.stdout().contains("(hidden) # environment PGPASSWORD"));
    assert!(!done.stdout().contains(canary) && !done.stderr.contains(canary));
}

#[test]
fn a_database_that_cannot_be_used_is_one_sentence_and_nothing_is_made() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let database = postgres.database();
    let with_password = database
        .tcp_url()
        .replace("postgres@", "postgres:canary-7f@");
    let absent = database.url().replace(database.name(), "absent");
    for (url, password, code, said) in [
        (&*with_password, "", 2, "a URL must not contain a password"),
        (
            &*database.tcp_url(),
            "canary-7f",
            2,
            "password authentication failed",
        ),
        (&*database.tcp_url(), "", 2, "password missing"),
        (&*absent, "", 2, "database \"absent\" does not exist"),
        // No setting is wrong.
        ("postgres://u@127.0.0.1:1/db", "", 1, "cannot be reached"),
        (
            &*format!("{}?sslmode=require", database.tcp_url()),
            "",
            2,
            "TLS",
        ),
    ] {
        let folder = TempDir::new().unwrap();
        let mut command = artifact(folder.path());
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--database", url])
            .args(["--database-wait", "0"])
            .env("PGPASSWORD", password);
        let done = run_refused(&mut command);
        assert_eq!(done.code, Some(code), "{url}: {done:?}");
        assert!(
            done.stderr.contains("--database cannot be used"),
            "{done:?}"
        );
        assert!(done.stderr.contains(said), "{url}: {done:?}");
        assert!(!done.stderr.contains("canary"), "{done:?}");
        assert_eq!(files_below(folder.path()), [""; 0], "{url}");
    }
}

/// Starts a server whose database cannot be reached, and waits until it says so. Returns it with its standard output.
fn serve_without_database(url: &str, folder: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut command = artifact(folder);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--database", url])
        // No test waits this long.
        .args(["--database-wait", "600"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("waiting for the database") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended");
    }
    assert!(line.contains("cannot be reached"), "{line}");
    assert!(line.contains("seconds=600"), "{line}");
    // Nothing may wait for this pipe.
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

#[test]
fn a_server_waits_for_a_database_that_starts_later() {
    let Some(postgres) = artifact_postgres_test::Server::start() else {
        return;
    };
    let database = postgres.database();
    postgres.stop(Stop::Fast);
    let folder = folder_with_token();
    let (mut child, mut stdout) = serve_without_database(&database.url(), folder.path());
    postgres.resume();
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.starts_with("listening on http://"), "{line:?}");
}

#[test]
fn a_server_that_waits_for_its_database_ends_at_a_signal() {
    let folder = folder_with_token();
    let url = "postgres://u@127.0.0.1:1/db";
    let (mut child, mut stdout) = serve_without_database(url, folder.path());
    let pid = child.id().to_string();
    run(std::process::Command::new("kill").args(["-TERM", &pid])).succeeded();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut line = String::new();
    assert_eq!(stdout.read_line(&mut line).unwrap(), 0, "{line}");
}

#[test]
fn a_pooler_in_transaction_mode_is_refused_with_a_sentence() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let Some(pooler) = Pooler::start(postgres, "transaction", "") else {
        return;
    };
    let url = pooler.url(&postgres.database());
    let folder = TempDir::new().unwrap();
    let mut command = artifact(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--database", &url]);
    let done = run_refused(&mut command);
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(
        done.stderr.contains("pool_mode = session in PgBouncer"),
        "{done:?}"
    );
    assert_eq!(done.stderr.lines().count(), 1, "{done:?}");
    assert_eq!(files_below(folder.path()), [""; 0]);
}

fn secret(folder: &Path, text: &str) {
    let mut file = std::fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(folder.join("password"))
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a test looks at its own files")]
fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn a_store_moves_from_sqlite_to_postgres_and_back_by_a_backup() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let database = postgres.database();
    let server = Server::start(&[]);
    let uri = put(&server, "on SQLite");
    let folder = server.stop("TERM");
    let url = database.url();
    run(artifact(folder.path()).args(["copy-database", "--to", &url])).succeeded();
    let refused = run_refused(artifact(folder.path()).args(["serve", "--listen", "127.0.0.1:0"]));
    assert!(
        refused.stderr.contains("was moved to postgres:"),
        "{refused:?}"
    );
    let server = Server::start_in(folder, &["--database", &url]);
    assert_eq!(get(&server, &uri), "on SQLite");
    let later = put(&server, "on PostgreSQL");

    let arguments = ["backup", "--to", "backups", "--database", &url];
    run(artifact(server.folder.path()).args(arguments)).succeeded();
    let gone = put(&server, "after the backup");
    let new = TempDir::new().unwrap();
    let place = server.path("backups");
    let arguments = ["restore", "--from", place.to_str().unwrap()];
    run(artifact(new.path()).args(arguments)).succeeded();
    let restored = Server::start_in(new, &[]);
    assert_eq!(get(&restored, &uri), "on SQLite");
    assert_eq!(get(&restored, &later), "on PostgreSQL");
    assert_eq!(run(&mut restored.client(&["get", &gone])).code, Some(1));
}
