//! The commands of `docs/collections.md`, run as they stand.

use std::process::Command;

use crate::harness::{Server, skip};

const PAGE: &str = include_str!("../../../docs/collections.md");

/// Returns the text of all shell blocks.
fn commands() -> String {
    let blocks = PAGE.split("\n```sh\n").skip(1);
    blocks
        .map(|block| block.split("\n```\n").next().unwrap().to_owned() + "\n")
        .collect()
}

#[test]
fn the_commands_of_the_page_work() {
    let found = Command::new("curl").arg("--version").output().is_ok();
    if skip(found, "curl", "apt install curl") {
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

    let recomputed = stdout.split("  -\n").next().unwrap();
    let recomputed = &recomputed[recomputed.len() - 64..];
    for expected in [
        "\"title\":\"Run 7\"",
        "\"name\":\"loss.csv\"",
        "\"content_type\":\"text/csv\"",
        "409\nSHA-256 ",
        "0.5\n0.",
        "HTTP/1.1 200 OK",
        "\"folders\":[\"logs/\"]",
        "\"state\":\"sealed\"",
        &format!("\"total\":{{\"files\":2,\"size_bytes\":12,\"sha256\":\"{recomputed}\"}}"),
    ] {
        assert!(stdout.contains(expected), "{expected:?} in {stdout}");
    }
    let refused = stdout.split("SHA-256 ").nth(1).unwrap();
    let stored = stdout.split("  run/loss.csv").next().unwrap();
    assert!(
        stored.ends_with(refused.lines().next().unwrap()),
        "{stdout}"
    );
}
