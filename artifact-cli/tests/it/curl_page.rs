//! The commands of `docs/curl.md`, run as they stand.

use std::process::Command;

use crate::harness::{Server, skip};

const PAGE: &str = include_str!("../../../docs/curl.md");

/// Returns the text of all shell blocks.
fn commands() -> String {
    let blocks = PAGE.split("\n```sh\n").skip(1);
    blocks
        .map(|block| block.split("\n```\n").next().unwrap().to_owned() + "\n")
        .collect()
}

#[test]
fn the_commands_of_the_page_work() {
    let found = |program: &str| {
        let run = Command::new(program).arg("version").output();
        run.is_ok()
    };
    let available = found("curl") && found("openssl");
    if skip(available, "curl and openssl", "apt install curl openssl") {
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

    // What the page shows: three deposits of one file, its bytes, a part of them, and the header.
    let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    let described = stdout.matches(&format!("\"sha256\":\"{sha256}\"")).count();
    assert!(described >= 6, "{described} in {stdout}");
    for expected in [
        "\"file_name\":\"hello.txt\",",
        "\"content_type\":\"text/plain\",",
        "}hello\nhell",
        "HTTP/1.1 200 OK",
        "\"artifacts\":3,\"bytes\":18,",
        "\"hold\":null}",
        "eden://error/held",
        "{\"keep_seconds\":null}",
        "\"max_artifacts\":1000,",
        "\"artifacts_left\":998",
        "\"experiment_id\":\"trial-7\"",
        "\"experiment\":\"trial-7\"",
    ] {
        assert!(stdout.contains(expected), "{expected:?} in {stdout}");
    }
    let token = server.token();
    assert!(!stdout.contains(&token) && !server.stderr().contains(&token));
    assert_eq!(server.read("fetched/hello.txt"), b"hello\n");
}
