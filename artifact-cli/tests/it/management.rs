//! `artifact ls`, `info`, `usage`, `delete`, `hold`, `release` and `retention` with a real server.

use serde_json::{Value, json};

use crate::harness::{Done, Server, run, run_with};

fn put(server: &Server, name: &str, bytes: &str, more: &[&str]) -> String {
    let arguments = [&["put", "-", "--file-name", name], more].concat();
    let done = run_with(&mut server.client(&arguments), bytes.as_bytes()).succeeded();
    done.stdout().trim_end().to_owned()
}

fn client(server: &Server, arguments: &[&str]) -> Done {
    run(&mut server.client(arguments))
}

/// Returns the names that a list with these filters has.
fn names(server: &Server, filters: &[&str]) -> Vec<String> {
    let done = client(server, &[&["ls"], filters].concat()).succeeded();
    let lines = done.stdout().lines();
    lines
        .map(|line| line.split('\t').nth(5).unwrap().to_owned())
        .collect()
}

#[test]
fn artifacts_are_listed_and_described() {
    let server = Server::start(&[]);
    let uri = put(
        &server,
        "a b.txt",
        "hello",
        &["--content-type", "text/plain"],
    );
    put(
        &server,
        "c.png",
        "0123456789",
        &["--content-type", "image/png", "--expires-in", "2d"],
    );
    let done = client(&server, &["ls"]).succeeded();
    let columns: Vec<_> = done.stdout().lines().next().unwrap().split('\t').collect();
    assert_eq!(columns[..2], [&*uri, "5"]);
    assert!(
        columns[2].starts_with('2') && columns[2].ends_with('Z'),
        "{columns:?}"
    );
    assert_eq!(columns[3..], ["admin", "text/plain", "a b.txt", ""]);
    assert_eq!(done.stderr, "");

    for (filters, expected) in [
        (&[][..], &["a b.txt", "c.png"][..]),
        (&["--created-by", "admin"], &["a b.txt", "c.png"]),
        (&["--created-by", "wkr_00000000000000000000000000"], &[]),
        (&["--older-than", "1h"], &[]),
        (&["--newer-than", "1h"], &["a b.txt", "c.png"]),
        (&["--min-size", "6"], &["c.png"]),
        (
            &["--max-size", "1KiB", "--type", "text/plain"],
            &["a b.txt"],
        ),
        (&["--type", "image/*"], &["c.png"]),
        (&["--name", "a b"], &["a b.txt"]),
    ] {
        assert_eq!(names(&server, filters), expected, "{filters:?}");
    }

    let done = client(&server, &["ls", "--json"]).succeeded();
    assert_eq!(done.stdout().lines().count(), 1);
    let list: Value = serde_json::from_str(done.stdout()).unwrap();
    assert_eq!(list["artifacts"].as_array().unwrap().len(), 2);
    assert_eq!(list["unreadable"], 0);
    let info = client(&server, &["info", &uri, "--json"]).succeeded();
    let mut info: Value = serde_json::from_str(info.stdout()).unwrap();
    assert_eq!(info["hold"], Value::Null);
    info.as_object_mut().unwrap().remove("hold");
    assert_eq!(info, list["artifacts"][0]);
    assert!(list["artifacts"][1]["expires_at"].is_string());

    let info = client(&server, &["info", &uri]).succeeded();
    let lines: Vec<_> = info.stdout().lines().collect();
    assert_eq!(
        lines[..4],
        [
            &*format!("artifact {uri}"),
            "name a b.txt",
            "size 5 bytes",
            "type text/plain",
        ]
    );
    assert_eq!(lines.len(), 7, "{lines:?}");

    let usage = client(&server, &["usage"]).succeeded();
    assert_eq!(usage.stdout(), "admin\t2\t15\ntotal\t2\t15\n");
    let usage = client(&server, &["usage", "--json"]).succeeded();
    let usage: Value = serde_json::from_str(usage.stdout()).unwrap();
    let own = json!({ "created_by": "admin", "artifacts": 2, "bytes": 15 });
    assert_eq!(
        usage,
        json!({ "artifacts": 2, "bytes": 15, "principals": [own], "quota": null })
    );
}

#[test]
fn deleted_artifacts_and_their_bytes_are_gone() {
    let server = Server::start(&[]);
    // The layout and the store id.
    let other_files = server.blobs().len();
    let blobs = || server.blobs().len() - other_files;
    let uris: Vec<_> = ["one", "two", "three"]
        .iter()
        .map(|name| put(&server, name, name, &[]))
        .collect();
    let [one, two, three] = &uris[..] else {
        unreachable!()
    };
    assert_eq!(blobs(), 3);
    client(&server, &["get", one]).succeeded();
    let held = client(&server, &["hold", two, two]).succeeded();
    assert_eq!(held.stdout(), format!("held {two}\nheld {two}\n"));
    let info = client(&server, &["info", two]).succeeded();
    let last = info.stdout().lines().last().unwrap().to_owned();
    assert!(
        last.starts_with("held since 2") && last.ends_with(" by admin"),
        "{last}"
    );

    let absent = "eden://artifacts/00000000000000000000000000000000";
    let all = [one, two, absent, "not-a-uri", three];
    let dry = client(&server, &[&["delete", "--dry-run"], &all[..]].concat());
    assert_eq!(dry.code, Some(1), "{dry:?}");
    let expected = format!("would delete {one} (3 bytes)\nwould delete {three} (5 bytes)\n");
    assert_eq!(dry.stdout(), expected);
    assert_eq!(names(&server, &[]), ["one", "two", "three"]);

    let done = client(&server, &[&["delete"], &all[..]].concat());
    assert_eq!(done.code, Some(1), "{done:?}");
    assert_eq!(done.stdout(), format!("deleted {one}\ndeleted {three}\n"));
    let lines: Vec<_> = done.stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    for (line, (uri, why)) in lines.iter().zip([
        (&**two, "a hold is on the artifact"),
        (absent, "there is no such artifact"),
        ("not-a-uri", "this is not the URI of an artifact"),
    ]) {
        assert!(
            line.starts_with(&format!("error: {uri}: ")) && line.contains(why),
            "{line}"
        );
    }
    assert_eq!(lines[3], "error: 3 of 5 artifacts could not be deleted");
    assert_eq!(names(&server, &[]), ["two"]);
    assert_eq!(blobs(), 1);
    for uri in [one, three] {
        for command in ["get", "info"] {
            let gone = client(&server, &[command, uri]);
            assert_eq!(gone.code, Some(1), "{gone:?}");
            assert!(
                gone.stderr.contains("there is no such artifact"),
                "{gone:?}"
            );
        }
    }
    let released = client(&server, &["release", two]).succeeded();
    assert_eq!(released.stdout(), format!("released {two}\n"));
    client(&server, &["delete", two]).succeeded();
    assert_eq!(blobs(), 0);
    // A restart changes nothing.
    let server = Server::start_in(server.stop("TERM"), &[]);
    assert_eq!(names(&server, &[]), [""; 0]);
    assert_eq!(client(&server, &["get", one]).code, Some(1));
}

#[test]
fn retention_is_shown_and_set() {
    let server = Server::start(&[]);
    let shown = |more: &[&str]| {
        let done = client(&server, &[&["retention"], more].concat()).succeeded();
        done.stdout().to_owned()
    };
    assert_eq!(shown(&[]), "forever\n");
    assert_eq!(shown(&["--set", "48h"]), "2d\n");
    assert_eq!(shown(&[]), "2d\n");
    assert_eq!(shown(&["--json"]), "{\"keep_seconds\":172800}\n");
    assert_eq!(shown(&["--forever", "--json"]), "{\"keep_seconds\":null}\n");
    assert_eq!(shown(&[]), "forever\n");
    for (arguments, said) in [
        (
            &["retention", "--set", "0"][..],
            "--set must be from 1s to 36500d",
        ),
        (
            &["retention", "--set", "1m"],
            "--set must be a time, such as 30d",
        ),
        (&["retention", "--set", "1d", "--forever"], "--forever"),
        (
            &["ls", "--older-than", "soon"],
            "--older-than must be a time",
        ),
        (
            &["ls", "--min-size", "1kB"],
            "--min-size must be a number of bytes",
        ),
        (
            &["put", "-", "--expires-in", "1w"],
            "--expires-in must be a time",
        ),
        (&["delete"], "URI"),
    ] {
        let done = client(&server, arguments);
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.stderr.contains(said), "{arguments:?}: {}", done.stderr);
    }
    assert_eq!(shown(&[]), "forever\n");
    // It may be the title of a collection.
    for command in ["info", "get"] {
        let done = client(&server, &[command, "not-a-uri"]);
        assert_eq!(done.code, Some(1), "{done:?}");
        let said = "error: there is no collection with the id or the title not-a-uri; see artifact collection list\n";
        assert_eq!(done.stderr, said);
    }
}

#[test]
fn workers_see_and_delete_only_their_own() {
    let server = Server::start(&[]);
    let mut add = crate::harness::artifact(server.folder.path());
    add.args([
        "worker",
        "create",
        "--token-file",
        "one",
        "--server",
        &server.url,
    ])
    .args(["--admin-token-file", "artifact-data/admin-token"]);
    run(&mut add).succeeded();
    let theirs = put(&server, "theirs", "x", &[]);
    let worker = |arguments: &[&str]| {
        let mut command = crate::harness::artifact(server.folder.path());
        command
            .args(&arguments[..1])
            .args(["--server", &server.url, "--credential-file", "one"])
            .args(&arguments[1..]);
        command
    };
    let own = run_with(&mut worker(&["put", "-", "--file-name", "own"]), b"xy").succeeded();
    let own = own.stdout().trim_end();
    let list = run(&mut worker(&["ls"])).succeeded();
    assert_eq!(list.stdout().lines().count(), 1);
    assert!(list.stdout().starts_with(own));
    let refused = run(&mut worker(&["ls", "--created-by", "admin"]));
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("only administrators may list"),
        "{}",
        refused.stderr
    );
    let other = run_with(&mut worker(&["put", "-"]), b"xyz").succeeded();
    let other = other.stdout().trim_end();
    client(&server, &["hold", other]).succeeded();
    let dry = run(&mut worker(&["delete", "--dry-run", &theirs, own, other]));
    assert_eq!(dry.code, Some(1));
    assert_eq!(dry.stdout(), format!("would delete {own} (2 bytes)\n"));
    let refused = format!("error: {theirs}: ");
    let why = "only the artifact's depositor and the administrator";
    let line = dry.stderr.lines().find(|line| line.starts_with(&refused));
    assert!(line.unwrap().contains(why), "{}", dry.stderr);
    let held = format!("error: {other}: ");
    let line = dry.stderr.lines().find(|line| line.starts_with(&held));
    assert!(line.unwrap().contains("(status 409)"), "{}", dry.stderr);
    // The administrator may delete both; nothing was deleted so far.
    let dry = client(&server, &["delete", "--dry-run", &theirs, own]).succeeded();
    let both = format!("would delete {theirs} (1 bytes)\nwould delete {own} (2 bytes)\n");
    assert_eq!(dry.stdout(), both);
    client(&server, &["release", other]).succeeded();
    run(&mut worker(&["delete", other])).succeeded();
    let done = run(&mut worker(&["delete", &theirs, own]));
    assert_eq!(done.code, Some(1));
    assert_eq!(done.stdout(), format!("deleted {own}\n"));
    assert!(
        done.stderr
            .contains("only the artifact's depositor and the administrator"),
        "{}",
        done.stderr
    );
    for command in ["hold", "release"] {
        let refused = run(&mut worker(&[command, &theirs]));
        assert_eq!(refused.code, Some(1));
        assert!(
            refused.stderr.contains("(status 403)"),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(names(&server, &[]), ["theirs"]);
}

#[test]
fn an_artifact_of_another_experiment_is_not_found() {
    let server = Server::start(&["--experiment", "default", "--experiment", "other"]);
    let uri = put(&server, "a", "x", &[]);
    for command in ["info", "delete", "hold", "release"] {
        let done = client(&server, &[command, "--experiment", "other", &uri]);
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(
            done.stderr.contains("there is no such artifact"),
            "{}",
            done.stderr
        );
    }
    let list = client(&server, &["ls", "--experiment", "other"]).succeeded();
    assert_eq!(list.stdout(), "");
    assert_eq!(names(&server, &[]), ["a"]);
}

#[test]
fn without_a_server_the_first_artifact_ends_the_command() {
    let server = Server::start(&[]);
    let uri = put(&server, "a", "x", &[]);
    let mut server = server;
    server.signal("TERM");
    server.wait();
    let done = client(&server, &["delete", "--retries", "0", &uri, &uri, &uri]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert_eq!(done.stderr.lines().count(), 1, "{done:?}");
    assert!(done.stderr.contains("cannot reach a server"), "{done:?}");
}
