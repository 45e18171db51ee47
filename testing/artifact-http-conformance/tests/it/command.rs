//! The binary: what it prints, and how it ends.

use std::process::{Command, Output};

use artifact_http_conformance::Suite;

use crate::mutants::{How, Server, TOKEN};

/// Runs it with these arguments, and the token in the environment.
fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_artifact-conformance"))
        .args(arguments)
        .env("ARTIFACT_ADMIN_TOKEN", TOKEN)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_passes_a_sound_server() {
    let server = Server::start(How::Sound).await;
    let output = run(&["--base-url", server.base_url(), "--filter", "F-12"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = text(&output.stdout);
    assert!(
        said.contains("ok      F-12         ranges::one_range_is_answered\n"),
        "{said}"
    );
    assert!(said.ends_with(" passed, 0 failed, 0 skipped\n"), "{said}");
    assert_eq!(text(&output.stderr), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_fails_a_mutant_and_says_why() {
    let server = Server::start(How::NoNosniff).await;
    let name = "delivery::every_protecting_field_is_there";
    let output = run(&["--base-url", server.base_url(), "--filter", name]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stdout);
    assert!(
        said.starts_with(&format!("FAILED  F-8          {name}\n")),
        "{said}"
    );
    assert!(
        said.contains("expected: a field x-content-type-options\n"),
        "{said}"
    );
    assert!(said.contains("seen:     none\n"), "{said}");

    let output = run(&["--base-url", server.base_url(), "--filter", name, "--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let one = &report["scenarios"][0];
    assert_eq!(
        (one["name"].as_str(), one["verdict"].as_str()),
        (Some(name), Some("failed"))
    );
    assert_eq!(one["clauses"], serde_json::json!(["F-8"]));
    assert_eq!(one["seen"], "none");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_was_not_told_is_skipped_with_the_reason() {
    let server = Server::start(How::Sound).await;
    let output = run(&["--base-url", server.base_url(), "--filter", "F-3"]);
    // Nothing was looked at, and so nothing passed.
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stdout);
    assert!(
        said.contains("needs a second experiment: --second-experiment\n"),
        "{said}"
    );
    let output = run(&[
        "--base-url",
        server.base_url(),
        "--filter",
        "F-3",
        "--second-experiment",
        "other",
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn it_lists_every_scenario() {
    let output = run(&["--list"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        text(&output.stdout).lines().count(),
        Suite::scenarios().count()
    );
    let output = run(&["--list", "--json", "--filter", "F-11"]);
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        list[0]["name"],
        "conditionals::a_client_that_has_it_is_told_so"
    );
}

#[test]
fn what_cannot_be_run_is_2_with_what_to_do() {
    for (arguments, said) in [
        (&["--filter", "F-12"][..], "--base-url"),
        (&["--base-url", "https://h"], "--public-url"),
        (&["--base-url", "h"], "http://HOST"),
        (
            &["--base-url", "http://h", "--filter", "no such"],
            "see --list",
        ),
        (
            &["--base-url", "http://h", "--admin-token-file", "/nothing"],
            "/nothing cannot be read",
        ),
        (&["--unknown"], "--unknown"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(text(&output.stdout), "", "{output:?}");
        assert!(text(&output.stderr).contains(said), "{output:?}");
        assert!(!text(&output.stderr).contains(TOKEN), "{output:?}");
    }
}
