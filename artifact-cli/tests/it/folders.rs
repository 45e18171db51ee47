//! `artifact put FOLDER`, `artifact get COLLECTION` and `artifact ls COLLECTION`.

use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::harness::{Done, Server, artifact, files_below, run, run_with};
use crate::maintained::maintain;

fn client(server: &Server, arguments: &[&str]) -> Done {
    let mut command = artifact(server.folder.path());
    command
        .args(arguments)
        .args(["--server", &server.url])
        .args(["--admin-token-file", "artifact-data/admin-token"]);
    run(&mut command)
}

/// Makes a folder with three files.
fn folder(server: &Server) {
    std::fs::create_dir_all(server.path("run/logs/deep")).unwrap();
    server.write("run/a.txt", b"one");
    server.write("run/logs/b.txt", b"two");
    server.write("run/logs/deep/c.csv", b"1,2");
}

/// Deposits, and returns the id of the collection.
fn put(server: &Server, arguments: &[&str]) -> String {
    let done = client(server, &[&["put"], arguments].concat()).succeeded();
    done.stdout().trim_end().to_owned()
}

fn says(done: &Done, text: &str) {
    assert!(done.stderr.contains(text), "{}", done.stderr);
}

#[test]
fn a_folder_is_deposited_under_its_name_and_can_be_repeated() {
    let server = Server::start(&[]);
    folder(&server);
    let first = client(&server, &["put", "run"]).succeeded();
    let id = first.stdout().trim_end().to_owned();
    says(&first, &format!("collection {id}, title run: new"));
    says(&first, "stored 3 files, 9 bytes\n");

    server.write("run/d.txt", b"four");
    let again = client(&server, &["put", "./run/", "--seal", "--json"]).succeeded();
    says(
        &again,
        &format!("collection {id}, title run: open, with 3 files"),
    );
    let json: Value = serde_json::from_str(again.stdout()).unwrap();
    assert_eq!(json["collection"], id);
    assert_eq!((&json["stored"], &json["present"]), (&1.into(), &3.into()));
    assert_eq!(
        (&json["refused"], &json["size_bytes"]),
        (&0.into(), &4.into())
    );
    assert_eq!(json["sha256"].as_str().unwrap().len(), 64);

    // A sealed one takes nothing, so the next command begins another.
    let other = put(&server, &["run"]);
    assert_ne!(other, id);
    let refused = client(&server, &["put", "run", "--collection", &id]);
    assert_eq!(refused.code, Some(2));
    says(&refused, &format!("the collection {id} is sealed"));
}

#[test]
fn files_that_differ_are_conflicts_and_the_others_are_stored() {
    let server = Server::start(&[]);
    folder(&server);
    let id = put(&server, &["run/a.txt", "--collection", "run"]);
    server.write("run/a.txt", b"ONE");
    let done = client(&server, &["put", "run", "--seal"]);
    assert_eq!(done.code, Some(1));
    assert_eq!(done.stdout(), format!("{id}\n"));
    says(
        &done,
        "the file a.txt is not stored: the collection has other bytes under this name",
    );
    says(&done, "stored 2 files, 6 bytes\n");
    says(
        &done,
        &format!("1 of 3 files are not in the collection {id}, so it was not sealed"),
    );
    server.write("run/a.txt", b"one");
    let done = client(&server, &["put", "run", "--seal"]).succeeded();
    says(&done, "stored 0 files, 0 bytes; 3 were there already");
    says(&done, "sealed, sha256 ");
}

#[test]
fn a_name_that_was_given_to_a_deleted_file_is_a_conflict() {
    let server = Server::start(&[]);
    folder(&server);
    let id = put(&server, &["run"]);
    let listed = client(&server, &["ls", &id, "--json"]).succeeded();
    let file = listed.stdout().lines().find(|line| line.contains("a.txt"));
    let file: Value = serde_json::from_str(file.unwrap()).unwrap();
    client(
        &server,
        &["delete", file["artifacts_uri"].as_str().unwrap()],
    )
    .succeeded();
    // A file where a folder was.
    std::fs::create_dir(server.path("more")).unwrap();
    server.write("more/logs", b"1");
    server.write("more/z", b"2");
    let done = client(&server, &["put", "run", "more", "--collection", &id]);
    assert_eq!(done.code, Some(1));
    says(&done, "the file a.txt is not stored: ");
    says(&done, "the file logs is not stored: ");
    says(&done, "stored 1 file, 1 byte; 2 were there already");
}

#[test]
fn a_title_names_only_own_open_collections() {
    let server = Server::start(&[]);
    folder(&server);
    let token = server.token();
    let worker = client(&server, &["worker", "create"]).succeeded();
    let credential = worker.stdout().lines().next_back().unwrap().to_owned();
    let of_worker = |arguments: &[&str]| {
        let mut command = artifact(server.folder.path());
        command.args(arguments).args(["--server", &server.url]);
        run(command.env("ARTIFACT_CREDENTIAL", &credential))
    };
    let theirs = of_worker(&["put", "run"]).succeeded();
    let mine = put(&server, &["run"]);
    assert_ne!(theirs.stdout().trim_end(), mine);
    // The administrator sees both.
    let refused = client(&server, &["get", "run", "-o", "out"]);
    assert_eq!(refused.code, Some(1));
    says(&refused, "several collections have the title run");
    says(&refused, &mine);
    assert!(!server.path("out").exists());
    let theirs = of_worker(&["ls", "run"]).succeeded();
    assert_eq!(theirs.stdout().lines().count(), 2);
    let none = of_worker(&["ls", "walk"]);
    assert_eq!(none.code, Some(1));
    says(
        &none,
        "there is no collection with the id or the title walk",
    );
    assert!(!none.stderr.contains(&token));
}

#[test]
fn what_makes_no_sense_for_a_collection_is_refused_before_anything_is_stored() {
    let server = Server::start(&[]);
    folder(&server);
    for (arguments, told) in [
        (&["run", "--file-name", "x"][..], "outside of collections"),
        (&["run", "--idempotency-key", "x"], "outside of collections"),
        (&["run", "run/logs"], "give --collection NAME"),
        (&["-", "--collection", "x"], "standard input"),
        (&["run/a.txt", "--seal"], "--seal is for a collection"),
        (
            &["run", "run/a.txt", "--collection", "x"],
            "two files have the name a.txt",
        ),
    ] {
        let refused = client(&server, &[&["put"], arguments].concat());
        assert_eq!(refused.code, Some(2), "{arguments:?}: {}", refused.stderr);
        says(&refused, told);
    }
    let none = client(&server, &["collection", "list"]).succeeded();
    assert_eq!(none.stdout(), "");
}

#[test]
fn a_collection_is_fetched_into_a_folder_and_the_command_can_be_repeated() {
    let server = Server::start(&[]);
    folder(&server);
    let id = put(&server, &["run", "--collection", "Run 7"]);
    client(&server, &["get", "Run 7"]).succeeded();
    assert_eq!(server.read("Run 7/a.txt"), b"one");
    assert_eq!(server.read("Run 7/logs/deep/c.csv"), b"1,2");
    assert_eq!(files_below(&server.path("Run 7")).len(), 3);

    std::fs::create_dir_all(server.path("half/logs")).unwrap();
    server.write("half/a.txt", b"one");
    server.write("half/logs/b.txt", b"TWO");
    let some = client(&server, &["get", &id, "--output", "half"]);
    assert_eq!(some.code, Some(1));
    let told = "the file logs/b.txt is not written: half/logs/b.txt already exists";
    says(&some, told);
    says(
        &some,
        "wrote 1 file, 3 bytes, into half; 1 was there already",
    );
    assert_eq!(server.read("half/logs/b.txt"), b"TWO");
    assert_eq!(server.read("half/logs/deep/c.csv"), b"1,2");

    client(&server, &["get", &id, "-o", "half", "--force"]).succeeded();
    assert_eq!(server.read("half/logs/b.txt"), b"two");
    // No temporary file is left.
    assert_eq!(files_below(&server.path("half")).len(), 3);
    for flag in [&["-O"][..], &["-o", "-"]] {
        let refused = client(&server, &[&["get", &id], flag].concat());
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    }
}

#[test]
fn names_with_a_colon_are_files() {
    let server = Server::start(&[]);
    std::fs::create_dir(server.path("odd")).unwrap();
    let names = ["log-2026-11-30T13:48:26.txt", "C:a"];
    for name in names {
        server.write(&format!("odd/{name}"), name.as_bytes());
    }
    put(&server, &["odd", "--seal"]);
    let done = client(&server, &["get", "odd", "-o", "out"]).succeeded();
    says(&done, "C:a: 3 bytes, sha256 ");
    for name in names {
        assert_eq!(server.read(&format!("out/{name}")), name.as_bytes());
    }
}

#[test]
fn a_file_that_is_gone_is_named_and_leftovers_are_removed() {
    let server = Server::start(&[]);
    folder(&server);
    put(
        &server,
        &["run/a.txt", "--collection", "run", "--expires-in", "1s"],
    );
    let id = put(&server, &["run", "--seal"]);
    server.wait_until("the file has expired", || {
        maintain(&server, &["gc"]).succeeded();
        !client(&server, &["ls", &id]).stdout().contains("a.txt")
    });
    std::fs::create_dir_all(server.path("out/logs")).unwrap();
    server.write("out/logs/.artifact-get-abc123", b"half");
    let some = client(&server, &["get", &id, "-o", "out"]);
    assert_eq!(some.code, Some(1), "{}", some.stderr);
    says(
        &some,
        "the file a.txt is not written: it has expired or was removed",
    );
    says(&some, "wrote 2 files, 6 bytes, into out");
    says(&some, "1 of 3 files are not in out");
    assert_eq!(files_below(&server.path("out")).len(), 2);
    // The folder of an earlier command has it.
    server.write("out/a.txt", b"one");
    client(&server, &["get", &id, "-o", "out"]).succeeded();
}

#[test]
fn collections_are_named_by_their_titles() {
    let server = Server::start(&[]);
    folder(&server);
    let id = put(&server, &["run"]);
    let show = client(&server, &["collection", "show", "run"]).succeeded();
    assert!(show.stdout().starts_with(&format!("collection {id}\n")));
    let info = client(&server, &["info", "run"]).succeeded();
    assert_eq!(info.stdout(), show.stdout());
    let info = client(&server, &["info", "run/a.txt"]).succeeded();
    assert!(info.stdout().contains("path a.txt\n"), "{}", info.stdout());
    let list = client(&server, &["share", "run", "--list"]).succeeded();
    assert_eq!(list.stdout(), "");
    let link = client(&server, &["share", "run/a.txt", "--link"]).succeeded();
    assert!(link.stdout().contains("/v1/links/"), "{}", link.stdout());
    client(&server, &["collection", "seal", "run"]).succeeded();
    client(&server, &["collection", "delete", "run"]).succeeded();
    let none = client(&server, &["collection", "show", "run"]);
    assert_eq!(none.code, Some(1));
    says(&none, "there is no collection with the id or the title run");
}

#[test]
fn a_link_in_the_folder_is_not_followed() {
    let server = Server::start(&[]);
    folder(&server);
    let id = put(&server, &["run"]);
    std::fs::create_dir(server.path("out")).unwrap();
    std::fs::create_dir(server.path("outside")).unwrap();
    symlink("../outside", server.path("out/logs")).unwrap();
    symlink("../outside/a.txt", server.path("out/a.txt")).unwrap();
    let done = client(&server, &["get", &id, "-o", "out", "--force"]);
    assert_eq!(done.code, Some(1));
    says(&done, "out/logs is not a folder");
    says(&done, "out/a.txt is not a regular file");
    assert_eq!(files_below(&server.path("outside")).len(), 0);
    // But the folder itself may be a link.
    symlink("outside", server.path("linked")).unwrap();
    client(&server, &["get", &id, "-o", "linked"]).succeeded();
    assert_eq!(server.read("outside/logs/b.txt"), b"two");
}

#[test]
fn one_file_of_a_collection_is_fetched_by_its_name() {
    let server = Server::start(&[]);
    folder(&server);
    let id = put(&server, &["run"]);
    let file = client(&server, &["get", "run/logs/b.txt", "-o", "-"]).succeeded();
    assert_eq!(file.stdout(), "two");
    client(&server, &["get", &format!("{id}/logs/deep/c.csv"), "-O"]).succeeded();
    assert_eq!(server.read("c.csv"), b"1,2");
    let none = client(&server, &["get", &format!("{id}/logs"), "-o", "-"]);
    assert_eq!(none.code, Some(1));
    let bad = client(&server, &["get", &format!("{id}/../a.txt"), "-o", "-"]);
    assert_eq!(bad.code, Some(2), "{}", bad.stderr);
}

#[test]
fn a_collection_is_listed_like_a_folder() {
    let server = Server::start(&[]);
    folder(&server);
    let id = put(&server, &["run"]);
    let two = "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3";
    let list = |text: &str, more: &[&str]| client(&server, &[&["ls", text], more].concat());
    let names = |text: &str, more: &[&str]| -> Vec<String> {
        let listed = list(text, more).succeeded();
        let lines = listed.stdout().lines();
        let names = lines.map(|line| line.rsplit('\t').next().unwrap().to_owned());
        names.collect()
    };
    let root = names("run", &[]);
    assert!(root.contains(&"a.txt".to_owned()) && root.contains(&"logs/".to_owned()));
    assert_eq!(root.len(), 2);
    for folder in ["run/logs", "run/logs/", &format!("{id}/logs")] {
        let listed = list(folder, &[]).succeeded();
        let mut lines: Vec<_> = listed.stdout().lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["-\t-\tdeep/", &format!("{two}\t3\tb.txt")]);
    }
    assert_eq!(names("run/logs/b.txt", &[]), ["logs/b.txt"]);
    assert_eq!(names("run/logs", &["-r"]), ["b.txt", "deep/c.csv"]);
    let json = list("run/logs", &["--json"]).succeeded();
    let lines: Vec<Value> = json
        .stdout()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines.contains(&serde_json::json!({ "folder": "logs/deep/" })));
    assert!(
        lines
            .iter()
            .any(|line| line["name"] == "logs/b.txt" && line["sha256"] == two)
    );
    for text in ["run/lo", "run/logs/b", "run/a.txt/b"] {
        assert_eq!(list(text, &[]).code, Some(1), "{text}");
    }
    let refused = client(&server, &["ls", "run", "--min-size", "1"]);
    assert_eq!(refused.code, Some(2));
}

#[test]
fn artifacts_say_which_collection_they_are_in() {
    let server = Server::start(&[]);
    folder(&server);
    let id = put(&server, &["run"]);
    let single = run_with(&mut server.client(&["put", "-"]), b"x").succeeded();
    let all = client(&server, &["ls", "--json"]).succeeded();
    let all: Value = serde_json::from_str(all.stdout()).unwrap();
    let of = |name: &str| {
        let all = all["artifacts"].as_array().unwrap();
        all.iter()
            .find(|found| found["path"] == name)
            .unwrap()
            .clone()
    };
    let file = of("logs/deep/c.csv");
    assert_eq!(
        (&file["collection"], &file["file_name"]),
        (&id.clone().into(), &"c.csv".into())
    );
    let lines = client(&server, &["ls"]).succeeded();
    let homes: Vec<_> = lines
        .stdout()
        .lines()
        .map(|line| line.rsplit('\t').next().unwrap())
        .collect();
    assert_eq!(homes[1], format!("{id}/logs/b.txt"));
    assert_eq!(homes[3], "");
    let uri = file["artifacts_uri"].as_str().unwrap();
    let info = client(&server, &["info", uri]).succeeded();
    let lines: Vec<_> = info.stdout().lines().collect();
    assert!(
        lines.contains(&&*format!("collection {id}")),
        "{}",
        info.stdout()
    );
    assert!(lines.contains(&"path logs/deep/c.csv"), "{}", info.stdout());
    let info = client(&server, &["info", single.stdout().trim_end(), "--json"]).succeeded();
    let info: Value = serde_json::from_str(info.stdout()).unwrap();
    assert_eq!(
        (&info["collection"], &info["path"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn the_true_name_of_a_file_is_recorded() {
    let server = Server::start(&[]);
    for name in ["q\"uote.txt", "100%25.txt", "\u{e9};a=b.txt"] {
        server.write(name, b"x");
        let uri = put(&server, &[name]);
        let info = client(&server, &["info", &uri, "--json"]).succeeded();
        let info: Value = serde_json::from_str(info.stdout()).unwrap();
        assert_eq!(info["file_name"], name);
    }
}

#[test]
fn a_pipe_over_the_cap_is_refused_with_the_cap() {
    let server = Server::start(&["--max-artifact-bytes", "64KiB"]);
    for size in [65_537, 8 << 20] {
        let refused = run_with(&mut server.client(&["put", "-"]), &vec![0; size]);
        assert_eq!(refused.code, Some(1));
        says(&refused, "65536");
    }
}
