//! The audit log of a server and of commands, with kills, SIGHUP and damage.

use std::io::Write as _;

use serde_json::Value;

use crate::harness::{
    Answer, Done, Server, artifact, files_below, read_to_end, run, run_refused, run_with,
};
use crate::maintained::{age, begin_deposit, deposit, fetch, maintain, totals};

const AUDITED: &[&str] = &["--audit-log", "audit.log", "--gc-interval", "0"];

/// Returns the paths of the files of the server's log.
fn files(server: &Server) -> Vec<String> {
    let entries = std::fs::read_dir(server.folder.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let is_log = |name: &String| {
        name == "audit.log" || (name.starts_with("audit.log.") && name.ends_with(char::is_numeric))
    };
    let mut names: Vec<_> = names.filter(is_log).collect();
    names.retain(|name| !name.contains("torn"));
    names.sort();
    names
}

fn verify(server: &Server, files: &[String], more: &[&str]) -> Done {
    let mut command = artifact(server.folder.path());
    run(command.args(["audit", "verify"]).args(more).args(files))
}

/// Returns the lines of a file.
fn lines(server: &Server, name: &str) -> Vec<Value> {
    let text = String::from_utf8(server.read(name)).unwrap();
    // The last one may be half written.
    text.lines()
        .map_while(|line| serde_json::from_str(line).ok())
        .collect()
}

/// Waits until the log has a line about an action, which no request waits for.
fn wait_for(server: &Server, action: &str) {
    server.wait_until(action, || {
        !actions(&lines(server, "audit.log"), action).is_empty()
    });
}

/// Creates an experiment. Its line is on disk before the answer.
fn create_experiment(server: &Server, name: &str) {
    let (mut stream, head) = server.connect();
    let body = format!("{{\"experiment_id\":\"{name}\"}}");
    let length = body.len();
    let request = format!(
        "POST /v1/experiments HTTP/1.1\r\n{head}Connection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    assert_eq!(Answer::of(&read_to_end(&mut stream)).status, 200);
}

/// Returns the lines about one action, or about all of one kind.
fn actions(lines: &[Value], action: &str) -> Vec<Value> {
    lines
        .iter()
        .filter(|line| line["action"] == action || line["kind"] == action)
        .cloned()
        .collect()
}

#[test]
fn a_log_is_whole_after_kills_at_many_moments() {
    let mut server = Server::start(AUDITED);
    for round in 0..12 {
        // Requests without an answer are in flight when the server is killed, each time after another number of bytes.
        let streams: Vec<_> = (0..8)
            .map(|number| {
                let (mut stream, head) = server.connect();
                let body = if number % 2 == 0 { "" } else { "x" };
                let request = match number % 3 {
                    0 => format!("GET /v0/experiments/default HTTP/1.1\r\n{head}X-Eden-Experiment-Id: default\r\n\r\n"),
                    1 => format!("POST /v1/experiments HTTP/1.1\r\n{head}Content-Type: application/json\r\nContent-Length: 23\r\n\r\n{{\"experiment_id\":\"e-{round:02}\"}}"),
                    _ => format!("POST /v1/experiments/default/artifacts HTTP/1.1\r\n{head}Content-Length: 1\r\n\r\n{body}"),
                };
                let cut = request.len() - (round * number) % 3;
                stream.write_all(&request.as_bytes()[..cut]).unwrap();
                stream
            })
            .collect();
        create_experiment(&server, &format!("answered-{round}"));
        server.signal("KILL");
        server.wait();
        drop(streams);
        server = Server::start_in(server.take_folder(), AUDITED);
        let done = verify(&server, &files(&server), &[]);
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    // Each change that was answered before a kill is there, once.
    let found = lines(&server, "audit.log");
    for round in 0..12 {
        let name = format!("answered-{round}");
        let created = found
            .iter()
            .filter(|line| line["experiment"] == name.as_str());
        assert_eq!(created.count(), 1, "{name}");
    }
    let starts = found
        .iter()
        .filter(|line| line["event"] == "open" || line["event"] == "recovered");
    assert_eq!(starts.count(), 12);
}

#[test]
fn damage_is_named_with_exit_code_1_and_a_cut_tail_by_a_hash_of_the_request_log() {
    let server = Server::start(AUDITED);
    deposit(&server, b"one");
    deposit(&server, b"two");
    let folder = server.stop("TERM");
    let server = Server::start_in(folder, &["--gc-interval", "0"]);
    let good = server.read("audit.log");
    let all = ["audit.log".to_owned()];
    let done = verify(&server, &all, &[]).succeeded();
    let (_, head) = done.stdout().trim().rsplit_once(' ').unwrap();
    assert_eq!(head.len(), 64, "{done:?}");
    assert_eq!(verify(&server, &all, &["--head", head]).code, Some(0));

    let text = String::from_utf8(good.clone()).unwrap();
    let count = text.lines().count();
    let changed = text.replacen("\"outcome\":\"done\"", "\"outcome\":\"gone\"", 1);
    let at = changed
        .lines()
        .position(|line| line.contains("gone"))
        .unwrap()
        + 1;
    server.write("audit.log", changed.as_bytes());
    let done = verify(&server, &all, &[]);
    assert_eq!(done.code, Some(1));
    assert!(
        done.stdout()
            .starts_with(&format!("audit.log:{at}: the line was changed\n")),
        "{done:?}"
    );

    let kept: Vec<_> = text.split_inclusive('\n').take(count - 1).collect();
    server.write("audit.log", kept.concat().as_bytes());
    assert_eq!(verify(&server, &all, &[]).code, Some(0));
    let done = verify(&server, &all, &["--head", head, "--json"]);
    assert_eq!(done.code, Some(1));
    let first: Value = serde_json::from_str(done.stdout().lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["damage"], &first["head"]),
        (&"head-not-found".into(), &head.into())
    );
    assert_eq!(verify(&server, &["missing".to_owned()], &[]).code, Some(2));
    assert_eq!(verify(&server, &all, &["--head", "5d0c"]).code, Some(2));
}

#[test]
fn the_request_log_has_the_hash_of_the_last_line() {
    let server = Server::start(AUDITED);
    deposit(&server, b"one");
    server.signal("TERM");
    server.wait_until("the last hash", || {
        server.stderr().contains("closed the audit log")
    });
    let log = server.stderr();
    let line = log
        .lines()
        .find(|line| line.contains("closed the audit log"))
        .unwrap();
    let (_, head) = line.split_once("head=").unwrap();
    let head = head.split_whitespace().next().unwrap();
    let done = verify(&server, &files(&server), &["--head", head]).succeeded();
    assert!(done.stdout().trim_end().ends_with(head), "{done:?}");
}

#[test]
fn sighup_begins_a_new_file_of_the_same_chain() {
    let server = Server::start(AUDITED);
    deposit(&server, b"one");
    let begun = "artifact::serve::reload: began a new file of the audit log";
    server.signal("HUP");
    server.wait_until(begun, || server.stderr().contains(begun));
    deposit(&server, b"two");
    wait_for(&server, "deposit");
    assert_eq!(files(&server).len(), 2);
    let found = lines(&server, "audit.log");
    assert_eq!(found[0]["event"], "continue");
    assert_eq!(actions(&found, "deposit").len(), 1);
    let folder = server.stop("TERM");
    let server = Server::start_in(folder, &["--gc-interval", "0"]);
    let done = verify(&server, &files(&server), &[]).succeeded();
    assert_eq!(done.stdout().lines().count(), 1, "{done:?}");
    assert!(done.stdout().contains(" in 2 files"), "{done:?}");
}

#[test]
fn a_second_server_on_the_same_log_does_not_start() {
    let server = Server::start(AUDITED);
    let mut second = artifact(server.folder.path());
    second.args(["serve", "--listen", "127.0.0.1:0", "--data-dir", "second"]);
    let done = run_refused(second.args(AUDITED));
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(
        done.stderr.contains("give each process a file of its own"),
        "{done:?}"
    );
}

#[test]
fn lines_and_the_request_log_name_the_experiment_the_artifact_and_the_client_if_asked_for() {
    let server = Server::start(&[AUDITED, &["--audit-log-client", "yes"]].concat());
    let id = deposit(&server, b"one");
    fetch(&server, &id).succeeded();
    let request = "GET /v0/experiments/default HTTP/1.1\r\nHost: h\r\nX-Request-Id: mine-1\r\nConnection: close\r\n\r\n";
    assert_eq!(Answer::of(&server.say(request)).status, 401);
    wait_for(&server, "readExperiment");
    let found = lines(&server, "audit.log");
    for action in ["deposit", "fetch"] {
        let line = &actions(&found, action)[0];
        assert_eq!(line["principal"], "admin");
        assert_eq!(line["experiment"], "default");
        assert_eq!(line["artifact"], id.as_str());
        assert_eq!(line["client"], "127.0.0.1");
        assert_eq!(line["request_id"].as_str().unwrap().len(), 32, "{line}");
        let log = server.stderr();
        let request = line["request_id"].as_str().unwrap();
        let logged = log
            .lines()
            .find(|line| line.contains(request) && line.contains("bytes_out"));
        let logged = logged.unwrap();
        assert!(
            logged.contains(&id) && logged.contains("default"),
            "{logged}"
        );
    }
    let refused = &actions(&found, "readExperiment")[0];
    assert_eq!(refused["request_id"], "mine-1");
    assert_eq!(
        (&refused["outcome"], &refused["problem"]),
        (&"refused".into(), &"unauthorized".into())
    );
    assert_eq!(
        (&refused["principal"], &refused["experiment"]),
        (&Value::Null, &Value::Null)
    );
    let text = String::from_utf8(server.read("audit.log")).unwrap();
    assert!(!text.contains(&server.token()));
}

#[test]
fn commands_write_files_of_their_own_while_the_server_runs() {
    let server = Server::start(AUDITED);
    let id = deposit(&server, b"one");
    let maintain = |arguments: &[&str]| {
        let mut command = artifact(server.folder.path());
        run(command.args(arguments).args(AUDITED)).succeeded()
    };
    maintain(&["rotate-admin-token"]);
    let found = lines(&server, "audit.log.rotate-admin-token");
    let rotated = &actions(&found, "rotate-admin-token")[0];
    assert_eq!(
        (&rotated["kind"], &rotated["outcome"]),
        (&"credential".into(), &"done".into())
    );
    maintain(&["rotate-admin-token", "--end-old"]);
    let found = lines(&server, "audit.log.rotate-admin-token");
    let ended = &actions(&found, "end-old-admin-token")[0];
    assert_eq!(
        (&ended["kind"], &ended["outcome"]),
        (&"credential".into(), &"done".into())
    );
    maintain(&["gc", "--dry-run"]);
    assert!(!server.path("audit.log.gc").exists());
    age(&server, &id);
    maintain(&["gc"]);
    let events: Vec<_> = lines(&server, "audit.log.gc");
    assert_eq!(actions(&events, "gc").len(), 1);
    let text = String::from_utf8(server.read("audit.log.rotate-admin-token")).unwrap();
    assert!(!text.contains(&server.token()));
    let all = [
        "audit.log.gc".to_owned(),
        "audit.log.rotate-admin-token".to_owned(),
    ];
    let done = verify(&server, &all, &[]).succeeded();
    assert_eq!(done.stdout().lines().count(), 2);
}

#[test]
fn all_files_beside_a_log_can_be_given_to_a_check() {
    let folder = Server::start(AUDITED).stop("TERM");
    let mut command = artifact(folder.path());
    let done = run(command.args(["audit", "verify", "audit.log", "audit.log.lock"])).succeeded();
    assert!(done.stderr.contains("skipped audit.log.lock"), "{done:?}");
    assert!(done.stdout().contains(" in 1 file,"), "{done:?}");
    let mut command = artifact(folder.path());
    let done = run(command.args(["audit", "verify", "audit.log.lock"]));
    assert_eq!(done.code, Some(2), "{done:?}");
}

#[test]
fn a_log_that_cannot_be_opened_is_found_by_a_check_of_the_settings() {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    for (path, said) in [
        (
            "/nonexistent/a.log",
            "the folder /nonexistent does not exist",
        ),
        ("folder", "it is not a regular file"),
    ] {
        let mut command = artifact(folder.path());
        let done = run(command.args(["serve", "--check", "--audit-log", path]));
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(
            done.stderr.contains("--audit-log cannot be used"),
            "{done:?}"
        );
        assert!(done.stderr.contains(said), "{done:?}");
    }
    let mut command = artifact(folder.path());
    run(command.args(["serve", "--check", "--audit-log", "new.log"])).succeeded();
    assert!(!folder.path().join("new.log").exists());
}

#[expect(clippy::disallowed_methods, reason = "a test removes its own file")]
#[test]
fn a_log_that_is_removed_is_an_alarm_and_sighup_begins_a_new_file() {
    let server = Server::start(AUDITED);
    create_experiment(&server, "first");
    std::fs::remove_file(server.path("audit.log")).unwrap();
    create_experiment(&server, "second");
    let said = "the file of the audit log was removed";
    server.wait_until("an alarm", || server.stderr().contains(said));
    create_experiment(&server, "third");
    let begun = "artifact::serve::reload: began a new file of the audit log";
    server.signal("HUP");
    server.wait_until(begun, || server.stderr().contains(begun));
    create_experiment(&server, "fourth");
    assert_eq!(server.stderr().matches(said).count(), 1);
    let found = lines(&server, "audit.log");
    assert_eq!(found[0]["event"], "continue");
    assert_eq!(actions(&found, "createExperiment").len(), 1);
}

#[test]
fn an_empty_file_of_a_log_is_told_at_the_start() {
    let folder = Server::start(AUDITED).stop("TERM");
    let path = folder.path().join("audit.log");
    let log = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    log.set_len(0).unwrap();
    let server = Server::start_in(folder, AUDITED);
    let said = "the file of the audit log is empty";
    assert!(server.stderr().contains(said), "{}", server.stderr());
}

#[expect(clippy::disallowed_methods, reason = "a test removes its own folder")]
#[test]
fn a_command_that_is_refused_leaves_no_file_of_a_log() {
    let folder = Server::start(&[]).stop("TERM");
    std::fs::remove_dir_all(folder.path().join("artifact-data/blobs")).unwrap();
    for command in [
        &["gc"][..],
        &["backup", "--to", "file:place"],
        &["export", "default", "--to", "archive"],
    ] {
        let mut artifact = artifact(folder.path());
        let done = run_refused(artifact.args(command).args(AUDITED));
        assert_eq!(done.code, Some(2), "{done:?}");
        let names = files_below(folder.path());
        let is_log = |name: &&String| name.contains("audit.log");
        assert_eq!(names.iter().find(is_log), None);
    }
}

/// Returns a server with an artifact that expires in a second, and old bytes without a row; and the ids of both.
fn with_something_to_remove(arguments: &[&str]) -> (Server, String, String) {
    let mut server = Server::start(&["--gc-interval", "0"]);
    // Orphans that are more than half of all blobs are kept.
    for number in 0..3 {
        deposit(&server, format!("kept {number}").as_bytes());
    }
    let put = &mut server.client(&["put", "-", "--expires-in", "1s"]);
    let put = run_with(put, b"short-lived").succeeded();
    let expires = put.stdout().trim_end().rsplit('/').next().unwrap();
    let expires = expires.to_owned();
    let mut crashed = begin_deposit(&server);
    server.signal("KILL");
    server.wait();
    drop(crashed.database);
    crashed.client.wait().unwrap();
    let server = Server::start_in(server.take_folder(), arguments);
    age(&server, &crashed.id);
    (server, expires, crashed.id)
}

/// Checks that both removals have left exactly one line.
fn assert_removals(found: &[Value], expired: &str, orphan: &str) {
    for (action, kind, id) in [
        ("expire", "deletion", expired),
        ("deleteOrphan", "maintenance", orphan),
    ] {
        let lines = actions(found, action);
        assert_eq!(lines.len(), 1, "{action}: {found:?}");
        assert_eq!(lines[0]["artifact"], id);
        assert_eq!(lines[0]["kind"], kind);
        assert_eq!(lines[0]["outcome"], "done");
        assert_eq!(lines[0]["principal"], Value::Null);
    }
}

#[test]
fn each_removal_by_the_collector_of_the_server_leaves_a_line() {
    let arguments = ["--audit-log", "audit.log", "--gc-interval", "1"];
    let (server, expired, orphan) = with_something_to_remove(&arguments);
    wait_for(&server, "expire");
    wait_for(&server, "deleteOrphan");
    assert_removals(&lines(&server, "audit.log"), &expired, &orphan);
}

#[test]
fn each_removal_by_gc_leaves_a_line() {
    let (server, expired, orphan) = with_something_to_remove(&["--gc-interval", "0"]);
    server.wait_until("the artifact has expired", || {
        let dry = maintain(&server, &["gc", "--dry-run", "--json"]);
        totals(&dry)["expired"] == 1
    });
    maintain(&server, &["gc", "--audit-log", "audit.log"]).succeeded();
    assert_removals(&lines(&server, "audit.log.gc"), &expired, &orphan);
}

#[test]
fn lines_are_shown_by_artifact_principal_and_time() {
    let server = Server::start(AUDITED);
    let (one, two) = (deposit(&server, b"one"), deposit(&server, b"two"));
    fetch(&server, &one).succeeded();
    wait_for(&server, "fetch");
    let folder = server.stop("TERM");
    let show = |arguments: &[&str]| {
        let mut command = artifact(folder.path());
        let files = ["audit", "show", "audit.log", "audit.log.lock"];
        run(command.args(files).args(arguments))
    };
    let found = |arguments: &[&str]| {
        let done = show(arguments).succeeded();
        let lines = done.stdout().lines();
        let values = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        values.collect::<Vec<_>>()
    };
    let of_one = found(&["--artifact", &format!("eden://artifacts/{one}")]);
    let of_one: Vec<_> = of_one.iter().map(|line| line["kind"].clone()).collect();
    assert_eq!(of_one, ["deposit", "fetch"]);
    assert_eq!(
        found(&["--artifact", &two, "--principal", "admin"]).len(),
        1
    );
    assert_eq!(found(&["--principal", "wkr_x"]).len(), 0);
    let all = found(&[]);
    assert_eq!(all[0]["event"], "begin");
    assert_eq!(found(&["--since", "1d"]), all);
    assert_eq!(found(&["--until", "1d"]).len(), 0);
    assert_eq!(
        found(&["--since", "2026-01-31", "--until", "9999-01-31"]),
        all
    );
    let middle = all[2]["time"].as_str().unwrap();
    let (since, until) = (found(&["--since", middle]), found(&["--until", middle]));
    assert_eq!((since.len(), until.len()), (all.len() - 2, 2));
    for (arguments, said) in [
        (["--since", "yesterday"], "must be a time, such as"),
        (
            ["--since", "2026-01-31T12:00:00"],
            "must be a time, such as",
        ),
        (["--artifact", "4f2a"], "must be the URI of an artifact"),
    ] {
        let refused = show(&arguments);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(said), "{refused:?}");
    }
    let path = folder.path().join("audit.log");
    let mut log = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    log.write_all(b"not a line\n{\"v\"").unwrap();
    let damaged = show(&["--artifact", &two]);
    assert_eq!(damaged.code, Some(1), "{damaged:?}");
    assert_eq!(damaged.stdout().lines().count(), 1);
    let at = all.len() + 1;
    assert!(
        damaged.stderr.contains(&format!("audit.log:{at}: ")),
        "{damaged:?}"
    );
}
