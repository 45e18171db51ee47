//! `artifact collection` with a real server.

use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::harness::{Done, Server, artifact, files_below, run};

fn client(server: &Server, arguments: &[&str]) -> Done {
    let mut command = artifact(server.folder.path());
    command
        .args(["collection", arguments[0], "--server", &server.url])
        .args(["--admin-token-file", "artifact-data/admin-token"])
        .args(&arguments[1..]);
    run(&mut command)
}

/// Makes a folder with three files, one of them empty, and a symbolic link.
fn folder(server: &Server) {
    std::fs::create_dir_all(server.path("in/sub/deep")).unwrap();
    server.write("in/a.txt", b"one");
    server.write("in/sub/deep/\u{e9} x.csv", b"1,2");
    server.write("in/sub/empty", b"");
    symlink("/etc/passwd", server.path("in/link")).unwrap();
}

fn put(server: &Server, arguments: &[&str]) -> String {
    let done = client(server, &[&["put"], arguments].concat()).succeeded();
    done.stdout().trim_end().to_owned()
}

#[test]
fn a_folder_is_deposited_listed_sealed_and_fetched() {
    let server = Server::start(&[]);
    folder(&server);
    let done = client(&server, &["put", "in", "--title", "T", "--seal"]).succeeded();
    assert!(
        done.stderr.contains("1 entries of in are left out"),
        "{}",
        done.stderr
    );
    assert!(
        done.stderr.contains("stored 3 files, 6 bytes"),
        "{}",
        done.stderr
    );
    let id = done.stdout().trim_end().to_owned();
    assert!(id.starts_with("col_") && id.len() == 36, "{id}");

    let listed = client(&server, &["ls", &id]).succeeded();
    let names: Vec<_> = listed
        .stdout()
        .lines()
        .map(|line| line.rsplit('\t').next().unwrap())
        .collect();
    assert_eq!(names, ["a.txt", "sub/deep/\u{e9} x.csv", "sub/empty"]);
    let some = client(&server, &["ls", &id, "--prefix", "sub/deep/", "--json"]).succeeded();
    let file: Value = serde_json::from_str(some.stdout()).unwrap();
    assert_eq!(file["content_type"], "text/csv");

    client(&server, &["get", &id, "-o", "out"]).succeeded();
    assert_eq!(server.read("out/a.txt"), b"one");
    assert_eq!(server.read("out/sub/deep/\u{e9} x.csv"), b"1,2");
    assert_eq!(server.read("out/sub/empty"), b"");
    assert_eq!(files_below(&server.path("out")).len(), 3);

    let shown = client(&server, &["show", &id]).succeeded();
    for line in ["title T", "state sealed", "files 3, 6 bytes"] {
        assert!(
            shown.stdout().lines().any(|found| found == line),
            "{}",
            shown.stdout()
        );
    }
    let all = client(&server, &["list"]).succeeded();
    assert_eq!(all.stdout(), format!("{id}\tsealed\t3\t6\tT\n"));
    let refused = client(&server, &["put", "in", "--collection", &id]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("sealed"), "{}", refused.stderr);
    client(&server, &["delete", &id]).succeeded();
    assert_ne!(client(&server, &["ls", &id]).code, Some(0));
}

#[test]
fn a_seal_prints_what_sha256sum_computes() {
    let server = Server::start(&[]);
    folder(&server);
    let id = put(&server, &["in"]);
    server.write("more.txt", b"more");
    assert_eq!(put(&server, &["more.txt", "--collection", &id]), id);
    let sealed = client(&server, &["seal", &id]).succeeded();
    client(&server, &["get", &id, "-o", "out"]).succeeded();
    let script = "cd out && find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum";
    let computed = std::process::Command::new("sh")
        .args(["-c", script])
        .current_dir(server.folder.path())
        .output()
        .unwrap();
    let computed = String::from_utf8(computed.stdout).unwrap();
    assert_eq!(
        computed.split(' ').next().unwrap(),
        sealed.stdout().trim_end()
    );
}

#[test]
fn nothing_is_overwritten_and_nothing_is_written_outside() {
    let server = Server::start(&[]);
    folder(&server);
    let id = put(&server, &["in"]);
    std::fs::create_dir(server.path("out")).unwrap();
    server.write("out/a.txt", b"mine");
    let refused = client(&server, &["get", &id, "-o", "out"]);
    assert_eq!(refused.code, Some(1));
    let told = "the file a.txt is not written: out/a.txt already exists, with other bytes";
    assert!(refused.stderr.contains(told), "{}", refused.stderr);
    assert_eq!(server.read("out/a.txt"), b"mine");
    assert_eq!(server.read("out/sub/deep/\u{e9} x.csv"), b"1,2");

    std::fs::create_dir(server.path("linked")).unwrap();
    std::fs::create_dir(server.path("outside")).unwrap();
    symlink("../outside", server.path("linked/sub")).unwrap();
    let refused = client(&server, &["get", &id, "-o", "linked"]);
    assert_ne!(refused.code, Some(0));
    assert!(
        refused.stderr.contains("is not a folder"),
        "{}",
        refused.stderr
    );
    assert_eq!(files_below(&server.path("outside")).len(), 0);
}

#[test]
fn a_name_that_is_given_is_refused_and_named() {
    let server = Server::start(&[]);
    folder(&server);
    let id = put(&server, &["in"]);
    server.write("in/a.txt", b"other");
    let refused = client(&server, &["put", "in/a.txt", "--collection", &id]);
    assert_ne!(refused.code, Some(0));
    assert!(
        refused.stderr.contains("the file a.txt"),
        "{}",
        refused.stderr
    );
    std::fs::create_dir(server.path("two")).unwrap();
    server.write("two/a.txt", b"1");
    let twice = client(&server, &["put", "in", "two"]);
    assert!(
        twice.stderr.contains("two files have the name a.txt"),
        "{}",
        twice.stderr
    );
}
