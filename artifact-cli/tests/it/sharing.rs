//! Grants and links with a real server: the page, and the commands.

use std::process::Command;

use serde_json::Value;

use crate::harness::{Done, Server, artifact, run, run_with, skip};

const PAGE: &str = include_str!("../../../docs/sharing.md");

/// Returns the text of all shell blocks.
fn commands() -> String {
    let blocks = PAGE.split("\n```sh\n").skip(1);
    blocks
        .map(|block| block.split("\n```\n").next().unwrap().to_owned() + "\n")
        .collect()
}

#[test]
fn the_commands_of_the_page_work() {
    let available = Command::new("curl").arg("version").output().is_ok();
    if skip(available, "curl", "apt install curl") {
        return;
    }
    let server = Server::start(&[]);
    let done = Command::new("bash")
        .args(["-eu", "-o", "pipefail", "-c", &commands()])
        .current_dir(server.folder.path())
        .env("SERVER", &server.url)
        .output()
        .unwrap();
    let stdout = String::from_utf8(done.stdout).unwrap();
    let stderr = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{stdout}{stderr}");
    let statuses: Vec<_> = stdout.lines().filter_map(|line| line.get(..3)).collect();
    let statuses: Vec<_> = statuses
        .into_iter()
        .filter(|status| status.parse::<u16>().is_ok())
        .collect();
    // An artifact without and with a grant, then the collection, then a link that was used up.
    let expected = ["403", "200", "403", "200", "200", "403", "404"];
    assert_eq!(statuses, expected, "{stdout}");
    for expected in [
        "{\"grants\":[{\"id\":\"gnt_",
        "\"next\":null}403",
        "{\"links\":[{\"id\":\"lnk_",
        "404\n",
    ] {
        assert!(stdout.contains(expected), "{expected:?} in {stdout}");
    }
    assert_eq!(server.read("fetched/hello.txt"), b"hello\n");
    let created: Value = serde_json::from_slice(&server.read("link.json")).unwrap();
    let secret = created["url"].as_str().unwrap().rsplit('/').next().unwrap();
    assert!(!stdout.contains(secret) && !server.stderr().contains(secret));
}

fn client(server: &Server, arguments: &[&str]) -> Done {
    run(&mut server.client(arguments))
}

/// Runs a command without any credential.
fn stranger(server: &Server, arguments: &[&str]) -> Done {
    run(artifact(server.folder.path()).args(arguments))
}

#[test]
fn artifacts_are_shared_by_grants() {
    let server = Server::start(&[]);
    let put = run_with(&mut server.client(&["put", "-"]), b"shared").succeeded();
    let uri = put.stdout().trim_end();
    let mut add = artifact(server.folder.path());
    add.args([
        "worker",
        "create",
        "--token-file",
        "reader",
        "--server",
        &server.url,
    ]);
    add.args(["--admin-token-file", "artifact-data/admin-token"]);
    run(&mut add).succeeded();
    let credential = String::from_utf8(server.read("reader")).unwrap();
    let worker = credential.split(':').next().unwrap();
    let get = || {
        let mut command = artifact(server.folder.path());
        command.args([
            "get",
            "--server",
            &server.url,
            "--credential-file",
            "reader",
        ]);
        run(command.args(["--retries", "0", uri]))
    };
    assert_eq!(get().code, Some(1));
    let shared = client(
        &server,
        &["share", uri, "--worker", worker, "--expires-in", "1h"],
    );
    let shared = shared.succeeded();
    let grant = shared.stdout().trim_end();
    assert!(grant.starts_with("gnt_"), "{grant}");
    assert_eq!(get().succeeded().stdout(), "shared");
    // The id of an artifact will do.
    let id = uri.rsplit('/').next().unwrap();
    let listed = client(&server, &["share", id, "--list"]).succeeded();
    let expected = format!("{grant}\t{worker}\tuntil 2");
    assert!(
        listed.stdout().starts_with(&expected),
        "{}",
        listed.stdout()
    );
    client(&server, &["share", uri, "--revoke", grant]).succeeded();
    assert_eq!(get().code, Some(1));
    let again = client(&server, &["share", uri, "--revoke", grant]);
    assert_eq!(again.code, Some(1), "{again:?}");
    let neither = client(&server, &["share", uri, "--revoke", worker]);
    assert_eq!(neither.code, Some(2), "{neither:?}");
    let nothing = client(&server, &["share", uri]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
}

#[test]
fn collections_are_shared_by_grants() {
    let server = Server::start(&[]);
    std::fs::create_dir(server.path("run")).unwrap();
    server.write("run/a.txt", b"shared");
    let mut put = artifact(server.folder.path());
    put.args(["collection", "put", "run", "--server", &server.url]);
    put.args(["--admin-token-file", "artifact-data/admin-token"]);
    let put = run(&mut put).succeeded();
    let id = put.stdout().trim_end();
    assert!(id.starts_with("col_"), "{id}");
    let mut add = artifact(server.folder.path());
    add.args(["worker", "create", "--token-file", "reader"]);
    add.args(["--server", &server.url]);
    add.args(["--admin-token-file", "artifact-data/admin-token"]);
    run(&mut add).succeeded();
    let credential = String::from_utf8(server.read("reader")).unwrap();
    let worker = credential.split(':').next().unwrap();
    let read = |name: &str| {
        let mut command = artifact(server.folder.path());
        command.args(["collection", "get", id, "-o", name, "--retries", "0"]);
        command.args(["--server", &server.url, "--credential-file", "reader"]);
        run(&mut command)
    };
    assert_eq!(read("before").code, Some(1));
    let shared = client(&server, &["share", id, "--worker", worker]).succeeded();
    let grant = shared.stdout().trim_end();
    assert!(grant.starts_with("gnt_"), "{grant}");
    read("copy").succeeded();
    assert_eq!(server.read("copy/a.txt"), b"shared");
    let listed = client(&server, &["share", id, "--list"]).succeeded();
    let expected = format!("{grant}\t{worker}\tuntil revoked\n");
    assert_eq!(listed.stdout(), expected);
    let listed = client(&server, &["share", id, "--list", "--json"]).succeeded();
    let listed: Value = serde_json::from_str(listed.stdout()).unwrap();
    assert_eq!(listed["grants"][0]["collection"], id);
    let link = client(&server, &["share", id, "--link"]);
    assert_eq!(link.code, Some(2), "{link:?}");
    let link = "lnk_0123456789abcdefghjkmnpqrs";
    let link = client(&server, &["share", id, "--revoke", link]);
    assert_eq!(link.code, Some(2), "{link:?}");
    client(&server, &["share", id, "--revoke", grant]).succeeded();
    assert_eq!(read("after").code, Some(1));
    let again = client(&server, &["share", id, "--revoke", grant]);
    assert_eq!(again.code, Some(1), "{again:?}");
}

#[test]
fn links_are_fetched_without_a_credential_and_not_logged() {
    let server = Server::start(&["--log-level", "trace", "--log-format", "json"]);
    let put = run_with(
        &mut server.client(&["put", "-", "--file-name", "a.txt"]),
        b"linked",
    );
    let put = put.succeeded();
    let uri = put.stdout().trim_end();
    let link = client(&server, &["share", uri, "--link", "--max-downloads", "2"]).succeeded();
    let url = link.stdout().trim_end();
    let secret = url.rsplit('/').next().unwrap();
    let got = stranger(&server, &["get", url]).succeeded();
    assert_eq!(got.stdout(), "linked");
    assert!(got.stderr.contains("verified"), "{}", got.stderr);
    stranger(&server, &["get", url, "-O"]).succeeded();
    assert_eq!(server.read("a.txt"), b"linked");
    let used_up = stranger(&server, &["get", "--retries", "0", url]);
    assert_eq!(used_up.code, Some(1), "{used_up:?}");
    let without = stranger(&server, &["get", "--retries", "0", uri]);
    assert_eq!(without.code, Some(2), "a URI needs a credential");

    let json = client(&server, &["share", uri, "--link", "--json"]).succeeded();
    let json: Value = serde_json::from_str(json.stdout()).unwrap();
    let listed = client(&server, &["share", uri, "--list", "--json"]).succeeded();
    let listed: Value = serde_json::from_str(listed.stdout()).unwrap();
    assert_eq!(listed["links"][0]["id"], json["id"]);
    assert_eq!(listed["links"][0].get("url"), None);
    let id = json["id"].as_str().unwrap();
    client(&server, &["share", uri, "--revoke", id]).succeeded();
    let second = json["url"].as_str().unwrap();
    let revoked = stranger(&server, &["get", "--retries", "0", second]);
    assert_eq!(revoked.code, Some(1), "{revoked:?}");
    assert!(!revoked.stderr.contains(second), "{}", revoked.stderr);

    // Everything that could show a path: the request log, spans, the trace of hyper.
    let head = format!("/v1/links/{secret}");
    for request in [
        format!("GET {head} HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"),
        format!("GET {head} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
        format!("BREW {head} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
    ] {
        let answer = String::from_utf8_lossy(&server.say(request)).into_owned();
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert!(!answer.contains(secret), "{answer}");
    }
    let second = second.rsplit('/').next().unwrap();
    let log = server.stderr();
    assert!(log.contains("/v1/links/{L}"), "the route is logged");
    for line in log.lines() {
        assert!(!line.contains(secret) && !line.contains(second), "{line}");
    }
}

#[test]
fn a_file_that_cannot_be_created_uses_up_no_download() {
    let server = Server::start(&[]);
    let put = |more: &[&str]| {
        let put = run_with(server.client(&["put", "-"]).args(more), b"linked").succeeded();
        let uri = put.stdout().trim_end().to_owned();
        let link = client(&server, &["share", &uri, "--link", "--max-downloads", "1"]);
        link.succeeded().stdout().trim_end().to_owned()
    };
    server.write("a.txt", b"mine");
    for (url, told) in [
        (put(&["--file-name", "a.txt"]), "a.txt already exists"),
        (put(&["--file-name", ".hidden"]), "give -o FILE"),
    ] {
        let refused = stranger(&server, &["get", &url, "-O"]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
        let got = stranger(&server, &["get", &url, "-o", "-"]).succeeded();
        assert_eq!(got.stdout(), "linked");
    }
}

#[test]
fn downloads_are_only_of_links() {
    let server = Server::start(&[]);
    for (arguments, told) in [
        (
            &["--worker", "wrk_x", "--max-downloads", "3"][..],
            "cannot be used with",
        ),
        (&["--list", "--max-downloads", "3"], "cannot be used with"),
        (
            &["--link", "--max-downloads", "0"],
            "must be from 1 to 4294967295, not 0",
        ),
    ] {
        let refused = client(&server, &[&["share", "x:y"], arguments].concat());
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
    }
}

#[test]
fn links_can_be_switched_off() {
    let server = Server::start(&[]);
    let put = run_with(&mut server.client(&["put", "-"]), b"x").succeeded();
    let uri = put.stdout().trim_end();
    let link = client(&server, &["share", uri, "--link"]).succeeded();
    let path = link.stdout().trim_end().to_owned();
    let path = path.split_once("/v1/").unwrap().1.to_owned();
    let server = Server::start_in(server.stop("TERM"), &["--links", "no"]);
    let url = format!("{}/v1/{path}", server.url);
    let got = stranger(&server, &["get", "--retries", "0", &url]);
    assert_eq!(got.code, Some(1), "{got:?}");
    let made = client(&server, &["share", uri, "--link"]);
    assert_eq!(made.code, Some(1), "{made:?}");
    client(&server, &["share", uri, "--list"]).succeeded();
}
