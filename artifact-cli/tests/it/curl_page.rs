//! The commands of `docs/curl.md`, `docs/resumable-uploads.md` and `docs/receipts.md`, run as they stand.

use std::process::Command;

use crate::harness::{Server, skip};

const PAGE: &str = include_str!("../../../docs/curl.md");
const RECEIPTS: &str = include_str!("../../../docs/receipts.md");
const UPLOADS: &str = include_str!("../../../docs/resumable-uploads.md");

/// Returns the text of all shell blocks.
fn commands(page: &str) -> String {
    let blocks = page.split("\n```sh\n").skip(1);
    blocks
        .map(|block| block.split("\n```\n").next().unwrap().to_owned() + "\n")
        .collect()
}

/// Runs the commands of a page, and returns what they print. `None` without the programs that they need.
fn run(page: &str, server: &Server) -> Option<String> {
    let found = |program: &str| {
        let run = Command::new(program).arg("version").output();
        run.is_ok()
    };
    let available = found("curl") && found("openssl");
    if skip(available, "curl and openssl", "apt install curl openssl") {
        return None;
    }
    let done = Command::new("bash")
        .args(["-eu", "-o", "pipefail", "-c", &commands(page)])
        .current_dir(server.folder.path())
        .env("SERVER", &server.url)
        .output()
        .unwrap();
    let stdout = String::from_utf8(done.stdout).unwrap();
    let stderr = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{stdout}{stderr}");
    let token = server.token();
    assert!(!stdout.contains(&token) && !server.stderr().contains(&token));
    Some(stdout)
}

#[test]
fn the_commands_of_the_page_work() {
    let server = Server::start(&[]);
    let Some(stdout) = run(PAGE, &server) else {
        return;
    };

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
    assert_eq!(server.read("fetched/hello.txt"), b"hello\n");
}

#[test]
fn the_commands_of_the_page_of_uploads_work() {
    let server = Server::start(&[]);
    let Some(stdout) = run(UPLOADS, &server) else {
        return;
    };
    let lower = stdout.to_lowercase();
    for expected in [
        "http/1.1 201 created",
        "upload-offset: 4000",
        "\"offset\":8893,\"length\":8893,",
        "\"file_name\":\"numbers.txt\",\"sha256\":",
        "artifact-location: /v1/experiments/default/artifacts/",
        "http/1.1 460",
        "eden://error/checksum-mismatch",
        "\"file_name\":\"draft.txt\",\"sha256\":",
    ] {
        assert!(lower.contains(expected), "{expected:?} in {stdout}");
    }
    assert_eq!(
        lower.matches("http/1.1 204 no content").count(),
        4,
        "{stdout}"
    );
    assert_eq!(lower.matches("upload-complete: ?1").count(), 3, "{stdout}");
}

#[test]
fn the_commands_of_the_page_of_receipts_work() {
    let (server, key) = crate::receipts::start(&[]);
    let Some(stdout) = run(RECEIPTS, &server) else {
        return;
    };
    let sha256 = "sha256 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    assert_eq!(stdout.matches(sha256).count(), 2, "{stdout}");
    for expected in [
        "\nsize 6\n",
        "\nc2sp.org/tlog-proof@v1\nindex 0\n",
        "\nexample.com/test\n1\n",
    ] {
        assert!(stdout.contains(expected), "{expected:?} in {stdout}");
    }
    assert!(stdout.ends_with("\n32\n"), "{stdout}");
    // What curl has fetched, our own command verifies.
    let verify = |arguments: &[&str]| {
        let mut command = crate::harness::artifact(server.folder.path());
        command.args(["receipt", "verify", "--key", &key]);
        crate::harness::run(command.args(arguments)).succeeded()
    };
    verify(&["hello.receipt", "hello.txt"]);
    verify(&["--without-proof", "signed.receipt", "hello.txt"]);
}
