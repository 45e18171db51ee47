//! SIGHUP: the settings that a running server reloads. The certificate is tested with TLS.

use std::os::unix::fs::PermissionsExt;

use crate::harness::{Answer, Server};

const FIRST: &str = "canary-9f86d081884c7d65";
const SECOND: &str = "canary-f3a9c1d27b6e4805";

/// Writes a file that only its owner can read.
pub(crate) fn write_secret(folder: &std::path::Path, name: &str, text: &str) {
    let path = folder.join(name);
    #[expect(clippy::disallowed_methods, reason = "a test writes its own files")]
    std::fs::write(&path, text).unwrap();
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path, mode).unwrap();
}

fn start(config: &str) -> Server {
    let folder = tempfile::tempdir().unwrap();
    write_secret(folder.path(), "token", FIRST);
    write_secret(folder.path(), "settings.toml", config);
    Server::start_in(folder, &["--config", "settings.toml"])
}

/// Returns the status of a request with this admin token.
fn status(server: &Server, token: &str) -> u16 {
    let request = format!(
        "GET /v0/experiments/default HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
         Authorization: Bearer admin:{token}\r\nX-Eden-Experiment-Id: default\r\n\r\n"
    );
    Answer::of(&server.say(request)).status
}

/// Sends SIGHUP and waits for another line with this text in the log.
#[track_caller]
pub(crate) fn reload(server: &Server, line: &str) {
    let so_far = server.stderr().matches(line).count();
    server.signal("HUP");
    server.wait_until(line, || server.stderr().matches(line).count() > so_far);
}

#[test]
fn sighup_reloads_the_admin_token_and_keeps_it_if_the_file_is_invalid() {
    let server = start("admin_token_file = 'token'\n");
    let statuses = || [FIRST, SECOND].map(|token| status(&server, token));
    assert_eq!(statuses(), [200, 401]);
    write_secret(server.folder.path(), "token", SECOND);
    reload(
        &server,
        "INFO artifact::serve::reload: reloaded the admin token",
    );
    assert_eq!(statuses(), [401, 200]);

    let failed = "WARN artifact::serve::reload: cannot reload the admin token";
    for weak in ["", "canary", "changemechangeme"] {
        write_secret(server.folder.path(), "token", weak);
        reload(&server, failed);
        assert_eq!(statuses(), [401, 200], "{weak}");
    }
    write_secret(server.folder.path(), "token", FIRST);
    let everyone = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(server.path("token"), everyone).unwrap();
    reload(&server, failed);
    assert_eq!(statuses(), [401, 200]);
    rustix::fs::unlink(server.path("token")).unwrap();
    reload(&server, failed);
    assert_eq!(statuses(), [401, 200]);

    // The settings may name another file.
    write_secret(server.folder.path(), "other", FIRST);
    server.write("settings.toml", b"admin_token_file = 'other'\n");
    reload(
        &server,
        "INFO artifact::serve::reload: reloaded the admin token",
    );
    assert_eq!(statuses(), [200, 401]);
    assert!(!server.stderr().contains("canary"), "{}", server.stderr());
}

/// The old token of the settings is accepted until its time is over or its file is gone, also after a restart.
#[test]
fn sighup_reloads_the_old_admin_token_of_the_settings() {
    let (old, new) = (FIRST, SECOND);
    let settings = "admin_token_file = 'token'\nold_admin_token_file = 'old'\n";
    let server = start(settings);
    let folder = server.folder.path().to_owned();
    let statuses = |server: &Server| [old, new].map(|token| status(server, token));
    assert_eq!(statuses(&server), [200, 401]);
    let reloaded = "INFO artifact::serve::reload: reloaded the admin token";
    write_secret(&folder, "old", &format!("{old} 2199-01-01T00:00:00Z"));
    write_secret(&folder, "token", new);
    reload(&server, reloaded);
    assert_eq!(statuses(&server), [200, 200]);
    assert!(
        server.stderr().contains("is accepted too"),
        "{}",
        server.stderr()
    );

    let failed = "WARN artifact::serve::reload: cannot reload the admin token";
    for invalid in [old, "canary 2199-01-01T00:00:00Z"] {
        write_secret(&folder, "old", invalid);
        reload(&server, failed);
        assert_eq!(statuses(&server), [200, 200], "{invalid}");
    }
    write_secret(&folder, "old", &format!("{old} 2001-01-01T00:00:00Z"));
    reload(&server, reloaded);
    assert_eq!(statuses(&server), [401, 200]);
    write_secret(&folder, "old", &format!("{old} 2199-01-01T00:00:00Z"));
    let said = server.stderr();
    let server = Server::start_in(server.stop("TERM"), &["--config", "settings.toml"]);
    assert_eq!(statuses(&server), [200, 200]);
    rustix::fs::unlink(server.path("old")).unwrap();
    reload(&server, reloaded);
    assert_eq!(statuses(&server), [401, 200]);
    assert!(!said.contains("canary"), "{said}");
}

#[test]
fn a_generated_token_that_was_deleted_is_not_generated_again() {
    let server = Server::start(&[]);
    let token = server.token();
    rustix::fs::unlink(server.path("artifact-data/admin-token")).unwrap();
    reload(&server, "reloaded the admin token");
    let lost = "artifact-data/admin-token, which does not exist any more";
    assert!(server.stderr().contains(lost), "{}", server.stderr());
    assert!(!server.path("artifact-data/admin-token").exists());
    assert_eq!(status(&server, &token), 200);
}

#[test]
fn sighup_reloads_the_log_filter_and_keeps_it_if_the_settings_are_invalid() {
    for format in ["text", "json"] {
        let with = |log: &str| {
            format!("admin_token_file = 'token'\nlog_format = '{format}'\nlog = '{log}'\n")
        };
        let server = start(&with("info"));
        let debug_lines = || server.stderr().matches("DEBUG").count();
        // The response is a problem, which the level debug shows.
        status(&server, SECOND);
        assert_eq!(debug_lines(), 0);
        server.write("settings.toml", with("debug").as_bytes());
        reload(&server, "reloaded the log filter");
        status(&server, SECOND);
        server.wait_until("a line of the level debug", || debug_lines() > 0);

        for invalid in [with("a=b=c").as_str(), "log = ", "lag = 'info'\n"] {
            server.write("settings.toml", invalid.as_bytes());
            reload(&server, "cannot reload the settings");
            let so_far = debug_lines();
            status(&server, SECOND);
            server.wait_until("another line of the level debug", || debug_lines() > so_far);
        }
        server.write("settings.toml", with("error").as_bytes());
        server.signal("HUP");
        server.wait_until("no more lines", || {
            let before = server.stderr();
            status(&server, SECOND);
            before == server.stderr()
        });
    }
}
