//! A database that is removed, moved, replaced or locked while the server runs: no write is acknowledged.

#![expect(clippy::disallowed_methods, reason = "a test changes its own files")]

use std::fs::{copy, create_dir, remove_file, rename};
use std::sync::mpsc;
use std::thread;

use rusqlite::Connection;
use serde_json::json;

use crate::harness::{Answer, Server};
use crate::workers::{ask, credential, json};

const FILES: [&str; 3] = ["rows.sqlite", "rows.sqlite-wal", "rows.sqlite-shm"];

type Loss = (&'static str, fn(&Server));

const LOSSES: [Loss; 7] = [
    ("rm rows.sqlite*", |server| {
        for name in FILES {
            remove_file(path(server, name)).unwrap();
        }
    }),
    ("rm rows.sqlite-wal", |server| {
        remove_file(path(server, FILES[1])).unwrap();
    }),
    ("rm rows.sqlite-shm", |server| {
        remove_file(path(server, FILES[2])).unwrap();
    }),
    ("mv rows.sqlite old", |server| {
        rename(path(server, FILES[0]), server.path("old")).unwrap();
    }),
    ("mv copy rows.sqlite", |server| {
        rename(server.path("copy"), path(server, FILES[0])).unwrap();
    }),
    ("mv artifact-data old", |server| {
        rename(server.path("artifact-data"), server.path("old")).unwrap();
    }),
    ("another folder", |server| {
        rename(server.path("artifact-data"), server.path("old")).unwrap();
        create_dir(server.path("artifact-data")).unwrap();
        for name in FILES {
            copy(server.path("old").join(name), path(server, name)).unwrap();
        }
    }),
];

fn path(server: &Server, name: &str) -> std::path::PathBuf {
    server.path("artifact-data").join(name)
}

/// Deposits a few bytes.
fn deposit(server: &Server, admin: &str) -> Answer {
    let body = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n\
                bytes\r\n--b--\r\n";
    Answer::of(&server.say(format!(
        "POST /v0/experiments/default/artifacts HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {admin}\r\n\
         X-Eden-Experiment-Id: default\r\nContent-Type: multipart/form-data; boundary=b\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )))
}

/// Returns the URI of an acknowledged deposit.
fn uri(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.head);
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    body["artifacts_uri"].as_str().unwrap().replace('/', "%2F")
}

fn alarms(server: &Server) -> usize {
    let log = server.stderr();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let of_loss =
        |line: &serde_json::Value| line["alarm"] == "lost-database" && line["level"] == "ERROR";
    lines.filter(of_loss).count()
}

#[test]
fn a_lost_database_refuses_deposits_and_identities_and_raises_one_alarm() {
    for (name, lose) in LOSSES {
        let mut server = Server::start(&["--log-format", "json"]);
        let admin = format!("admin:{}", server.token());
        let admin_asks = |line: &str| ask(&server, &admin, "default", line, "{}");
        copy(path(&server, FILES[0]), server.path("copy")).unwrap();
        let worker = json(&admin_asks("POST /workers"));
        let group = json(&admin_asks("POST /groups"));
        let kept = uri(&deposit(&server, &admin));
        assert_eq!(alarms(&server), 0);

        lose(&server);
        for _ in 0..2 {
            assert_eq!(deposit(&server, &admin).status, 503, "{name}");
        }
        server.wait_until("the alarm", || alarms(&server) > 0);
        assert_eq!(alarms(&server), 1, "{name}: {}", server.stderr());
        let worker_id = worker["worker_id"].as_str().unwrap();
        let group_id = group["group_id"].as_str().unwrap();
        for line in [
            "POST /workers",
            "POST /groups",
            &format!("POST /workers/{worker_id}/reissue-credential"),
            &format!("DELETE /groups/{group_id}"),
        ] {
            assert_eq!(admin_asks(line).status, 503, "{name}: {line}");
        }
        let member = json!({ "member_id": worker_id }).to_string();
        let line = format!("POST /groups/{group_id}/members");
        let refused = ask(&server, &admin, "default", &line, &member);
        assert_eq!(refused.status, 503, "{name}: {line}");
        // What was acknowledged before is still served from the files that are open.
        let line = format!("GET /artifacts?uri={kept}");
        assert_eq!(admin_asks(&line).body, b"bytes", "{name}");
        let whoami = ask(&server, &credential(&worker), "default", "GET /whoami", "");
        assert_eq!(json(&whoami)["worker_id"], worker_id, "{name}");
        server.signal("TERM");
        assert_eq!(server.wait().0, Some(0), "{name}");
        assert_eq!(alarms(&server), 1, "{name}: {}", server.stderr());
    }
}

#[test]
fn a_restored_database_is_served_after_a_restart() {
    let server = Server::start(&[]);
    let admin = format!("admin:{}", server.token());
    let kept = uri(&deposit(&server, &admin));
    let folder = server.stop("TERM");
    let name = folder.path().join("artifact-data/rows.sqlite");
    copy(&name, folder.path().join("copy")).unwrap();

    let mut server = Server::start_in(folder, &[]);
    let later = uri(&deposit(&server, &admin));
    rename(server.path("copy"), path(&server, FILES[0])).unwrap();
    assert_eq!(deposit(&server, &admin).status, 503);
    server.signal("TERM");
    server.wait();
    // The log belongs to the replaced file.
    for name in &FILES[1..] {
        let _ = remove_file(path(&server, name));
    }
    let server = Server::start_in(server.take_folder(), &[]);
    let fetch = |uri: &str| {
        let line = format!("GET /artifacts?uri={uri}");
        ask(&server, &admin, "default", &line, "").status
    };
    assert_eq!((fetch(&kept), fetch(&later)), (200, 404));
    assert_eq!(fetch(&uri(&deposit(&server, &admin))), 200);
}

#[test]
fn deposits_under_a_lock_of_another_process_are_refused_together() {
    const DEPOSITS: usize = 6;
    let server = Server::start(&[]);
    let admin = format!("admin:{}", server.token());
    let kept = uri(&deposit(&server, &admin));
    let before = server.blobs().len();
    // A connection of this process, which is another one than the server's.
    let holder = Connection::open(path(&server, FILES[0])).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answers: Vec<_> = thread::scope(|scope| {
        let (sender, answers) = mpsc::channel();
        for _ in 0..DEPOSITS {
            let sender = sender.clone();
            let (server, admin) = (&server, &admin);
            scope.spawn(move || sender.send(deposit(server, admin)).unwrap());
        }
        drop(sender);
        server.wait_until("all blobs are stored", || {
            server.blobs().len() == before + DEPOSITS
        });
        // Reads do not wait for the lock.
        let line = format!("GET /artifacts?uri={kept}");
        assert_eq!(ask(&server, &admin, "default", &line, "").status, 200);
        let first = answers.recv().unwrap();
        // A deposit that had only waited for its turn would succeed now.
        holder.execute_batch("COMMIT").unwrap();
        std::iter::once(first).chain(answers).collect()
    });
    assert_eq!(answers.len(), DEPOSITS);
    for answer in answers {
        assert_eq!(answer.status, 503, "{}", answer.head);
        assert!(answer.field("retry-after").is_some(), "{}", answer.head);
    }
    let rows = "SELECT count(*) FROM artifacts";
    let rows = || {
        holder
            .query_row(rows, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(rows(), 1);
    uri(&deposit(&server, &admin));
    assert_eq!(rows(), 2);
}
