use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::harness::{Server, files_below};

#[test]
fn a_first_start_creates_its_folder_and_prints_working_commands() {
    let server = Server::start(&[]);
    let mode = |name: &str| server.path(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("artifact-data"), 0o700);
    assert_eq!(mode("artifact-data/blobs"), 0o700);
    assert_eq!(mode("artifact-data/admin-token"), 0o600);
    assert_eq!(mode("artifact-data/rows.sqlite") & 0o077, 0);
    assert_eq!(server.token().len(), 64);
    let said = server.stderr();
    assert!(!said.contains(&server.token()), "{said}");
    let browser = format!("To do it in a browser: {}/ui/\n", server.url);
    assert!(said.contains(&browser), "{said}");

    let lines: Vec<_> = said
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .collect();
    let [put, get, curl] = lines[..] else {
        panic!("{said}");
    };
    // Pasted unchanged, in the server's folder.
    let pasted = Command::new("sh")
        .args(["-c", &format!("set -e; {put}; {get}; {curl}")])
        .current_dir(server.folder.path())
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8(pasted.stdout).unwrap(),
        String::from_utf8(pasted.stderr).unwrap(),
    );
    assert!(pasted.status.success(), "{stderr}");
    assert!(stdout.starts_with("hello\n"), "{stdout}");
    let json: serde_json::Value =
        serde_json::from_str(stdout.strip_prefix("hello\n").unwrap()).unwrap();
    assert_eq!(json["size_bytes"], 6);
    assert!(
        json["artifacts_uri"]
            .as_str()
            .unwrap()
            .starts_with("eden://artifacts/")
    );
}

#[test]
fn the_printed_commands_follow_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(
        folder,
        &[
            "--data-dir",
            "it's here",
            "--experiment",
            "one",
            "--experiment",
            "two",
            "--ui",
            "no",
        ],
    );
    let said = server.stderr();
    let lines: Vec<_> = said
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .collect();
    let pasted = Command::new("sh")
        .args(["-ec", &lines.join("\n")])
        .current_dir(server.folder.path())
        .output()
        .unwrap();
    assert!(
        pasted.status.success(),
        "{}",
        String::from_utf8_lossy(&pasted.stderr)
    );
    assert!(said.contains(" --experiment one "), "{said}");
    assert!(!said.contains("browser"), "{said}");
}

#[test]
fn a_second_start_keeps_existing_data() {
    let server = Server::start(&[]);
    let put = crate::harness::run_with(&mut server.client(&["put", "-"]), b"kept").succeeded();
    let token = server.token();
    let server = Server::start_in(server.stop("TERM"), &[]);
    assert_eq!(server.token(), token);
    let get =
        crate::harness::run(&mut server.client(&["get", put.stdout().trim_end()])).succeeded();
    assert_eq!(get.stdout(), "kept");
    let files = files_below(&server.path("artifact-data"));
    assert!(files.contains(&"lock".to_owned()), "{files:?}");
}
