//! The command: its output and exit codes.

use std::process::{Command, Output};

use artifact_http_conformance::Suite;

use crate::mutants::{Mutation, Server, TOKEN};

/// Runs the command with these arguments and the token in the environment.
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
async fn a_sound_server_passes() {
    let server = Server::start(Mutation::Sound).await;
    let output = run(&["--base-url", server.base_url(), "--filter", "F-12"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let stdout = text(&output.stdout);
    assert!(
        stdout.contains("ok      F-12         ranges::single_ranges_are_returned\n"),
        "{stdout}"
    );
    assert!(
        stdout.ends_with(" passed, 0 failed, 0 skipped\n"),
        "{stdout}"
    );
    assert_eq!(text(&output.stderr), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_server_fails_with_an_explanation() {
    let server = Server::start(Mutation::NoNosniff).await;
    let name = "delivery::every_security_header_is_present";
    let output = run(&["--base-url", server.base_url(), "--filter", name]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stdout = text(&output.stdout);
    assert!(
        stdout.starts_with(&format!("FAILED  F-8          {name}\n")),
        "{stdout}"
    );
    assert!(
        stdout.contains("expected: a field x-content-type-options\n"),
        "{stdout}"
    );
    assert!(stdout.contains("seen:     none\n"), "{stdout}");

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
async fn scenarios_without_their_option_are_skipped_with_a_reason() {
    let server = Server::start(Mutation::Sound).await;
    let output = run(&["--base-url", server.base_url(), "--filter", "F-3"]);
    // No scenario ran, so none passed.
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stdout = text(&output.stdout);
    assert!(
        stdout.contains("needs a second experiment: --second-experiment\n"),
        "{stdout}"
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
fn list_prints_every_scenario() {
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
        "conditionals::if_none_match_with_the_etag_returns_304"
    );
}

#[test]
fn usage_errors_exit_with_2_and_advice() {
    for (arguments, message) in [
        (&["--filter", "F-12"][..], "--base-url"),
        (&["--base-url", "https://h"], "--public-url"),
        (&["--base-url", "h"], "http://HOST"),
        (
            &["--base-url", "http://h", "--filter", "no such"],
            "see --list",
        ),
        (
            &["--base-url", "http://h", "--admin-token-file", "/nothing"],
            "cannot read /nothing",
        ),
        (&["--unknown"], "--unknown"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(text(&output.stdout), "", "{output:?}");
        assert!(text(&output.stderr).contains(message), "{output:?}");
        assert!(!text(&output.stderr).contains(TOKEN), "{output:?}");
    }
}
