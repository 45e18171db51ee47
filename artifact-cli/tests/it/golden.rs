use std::path::Path;

use crate::harness::{TOKEN, artifact, run};

/// Compares text with a golden file, or writes the file if `ARTIFACT_REGENERATE` is set.
#[expect(
    clippy::disallowed_methods,
    reason = "a test reads its golden file, and writes it on request"
)]
fn assert_golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("ARTIFACT_REGENERATE").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let committed = std::fs::read(&path).unwrap_or_default();
    assert_eq!(
        found,
        String::from_utf8(committed).unwrap(),
        "{name} is outdated; run: ARTIFACT_REGENERATE=1 cargo test -p artifact-cli"
    );
}

#[test]
fn the_help_matches_the_golden_files() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, name) in [
        (&["--help"][..], "help.txt"),
        (&["serve", "--help"], "help-serve.txt"),
        (&["gc", "--help"], "help-gc.txt"),
        (&["migrate", "--help"], "help-migrate.txt"),
        (&["scrub", "--help"], "help-scrub.txt"),
        (&["verify", "--help"], "help-verify.txt"),
        (&["doctor", "--help"], "help-doctor.txt"),
        (&["backup", "--help"], "help-backup.txt"),
        (&["restore", "--help"], "help-restore.txt"),
        (&["copy-database", "--help"], "help-copy-database.txt"),
        (&["rebuild-catalog", "--help"], "help-rebuild-catalog.txt"),
        (
            &["rotate-admin-token", "--help"],
            "help-rotate-admin-token.txt",
        ),
        (&["export", "--help"], "help-export.txt"),
        (&["import", "--help"], "help-import.txt"),
        (&["put", "--help"], "help-put.txt"),
        (&["share", "--help"], "help-share.txt"),
        (&["get", "--help"], "help-get.txt"),
        (&["ls", "--help"], "help-ls.txt"),
        (&["info", "--help"], "help-info.txt"),
        (&["usage", "--help"], "help-usage.txt"),
        (&["delete", "--help"], "help-delete.txt"),
        (&["hold", "--help"], "help-hold.txt"),
        (&["release", "--help"], "help-release.txt"),
        (&["retention", "--help"], "help-retention.txt"),
        (&["quota", "--help"], "help-quota.txt"),
        (&["quota", "set", "--help"], "help-quota-set.txt"),
        (&["quota", "show", "--help"], "help-quota-show.txt"),
        (&["quota", "list", "--help"], "help-quota-list.txt"),
        (&["quota", "delete", "--help"], "help-quota-delete.txt"),
        (&["receipt", "--help"], "help-receipt.txt"),
        (&["receipt", "get", "--help"], "help-receipt-get.txt"),
        (&["receipt", "verify", "--help"], "help-receipt-verify.txt"),
        (&["receipt", "keygen", "--help"], "help-receipt-keygen.txt"),
        (
            &["receipt", "public-key", "--help"],
            "help-receipt-public-key.txt",
        ),
        (&["whoami", "--help"], "help-whoami.txt"),
        (&["worker", "--help"], "help-worker.txt"),
        (&["worker", "create", "--help"], "help-worker-create.txt"),
        (&["worker", "list", "--help"], "help-worker-list.txt"),
        (&["worker", "show", "--help"], "help-worker-show.txt"),
        (&["worker", "reissue", "--help"], "help-worker-reissue.txt"),
        (&["worker", "revoke", "--help"], "help-worker-revoke.txt"),
        (&["worker", "delete", "--help"], "help-worker-delete.txt"),
        (&["administrator", "--help"], "help-administrator.txt"),
        (
            &["administrator", "create", "--help"],
            "help-administrator-create.txt",
        ),
        (
            &["administrator", "list", "--help"],
            "help-administrator-list.txt",
        ),
        (
            &["administrator", "show", "--help"],
            "help-administrator-show.txt",
        ),
        (
            &["administrator", "reissue", "--help"],
            "help-administrator-reissue.txt",
        ),
        (
            &["administrator", "revoke", "--help"],
            "help-administrator-revoke.txt",
        ),
        (
            &["administrator", "delete", "--help"],
            "help-administrator-delete.txt",
        ),
        (&["group", "--help"], "help-group.txt"),
        (&["group", "create", "--help"], "help-group-create.txt"),
        (&["group", "list", "--help"], "help-group-list.txt"),
        (&["group", "show", "--help"], "help-group-show.txt"),
        (&["group", "delete", "--help"], "help-group-delete.txt"),
        (
            &["group", "add-member", "--help"],
            "help-group-add-member.txt",
        ),
        (
            &["group", "remove-member", "--help"],
            "help-group-remove-member.txt",
        ),
    ] {
        let help = run(artifact(folder.path()).args(arguments)).succeeded();
        assert_eq!(help.stderr, "");
        assert_golden(name, help.stdout());
    }
}

#[test]
fn the_help_of_collections_matches_the_golden_files() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, name) in [
        (&["collection", "--help"][..], "help-collection.txt"),
        (
            &["collection", "create", "--help"],
            "help-collection-create.txt",
        ),
        (
            &["collection", "list", "--help"],
            "help-collection-list.txt",
        ),
        (
            &["collection", "show", "--help"],
            "help-collection-show.txt",
        ),
        (&["collection", "put", "--help"], "help-collection-put.txt"),
        (&["collection", "get", "--help"], "help-collection-get.txt"),
        (&["collection", "ls", "--help"], "help-collection-ls.txt"),
        (
            &["collection", "seal", "--help"],
            "help-collection-seal.txt",
        ),
        (
            &["collection", "delete", "--help"],
            "help-collection-delete.txt",
        ),
    ] {
        let help = run(artifact(folder.path()).args(arguments)).succeeded();
        assert_eq!(help.stderr, "");
        assert_golden(name, help.stdout());
    }
}

#[test]
fn the_short_help_matches_the_golden_files() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, name) in [
        (&["-h"][..], "help-short.txt"),
        (&["serve", "-h"], "help-short-serve.txt"),
        (&["put", "-h"], "help-short-put.txt"),
        (&["audit", "--help"], "help-audit.txt"),
        (&["audit", "verify", "--help"], "help-audit-verify.txt"),
        (&["audit", "show", "--help"], "help-audit-show.txt"),
        (&["completions", "--help"], "help-completions.txt"),
        (&["man", "--help"], "help-man.txt"),
        (&["version", "--help"], "help-version.txt"),
    ] {
        let help = run(artifact(folder.path()).args(arguments)).succeeded();
        assert_eq!(help.stderr, "");
        assert_golden(name, help.stdout());
    }
}

#[test]
fn print_config_shows_values_with_sources_and_hides_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("settings.toml");
    let text = "drain_timeout = 5\nmax_artifact_bytes = '1GiB'\nlog = 'debug'\n";
    std::io::Write::write_all(
        &mut std::fs::File::create_new(config).unwrap(),
        text.as_bytes(),
    )
    .unwrap();
    let mut command = artifact(folder.path());
    command
        .args([
            "serve",
            "--print-config",
            "--config",
            "settings.toml",
            "--listen",
            "[::1]:0",
        ])
        .args(["--experiment", "a", "--experiment", "b", "--ready-fd", "1"])
        .args(["--bucket-endpoint", "https://user:canary@host"])
        .env("ARTIFACT_ADMIN_TOKEN", TOKEN)
        .env("ARTIFACT_LOG", "warn")
        .env("ARTIFACT_DRAIN_TIMOUT", "x");
    let done = run(&mut command).succeeded();
    assert!(
        !done.stdout().contains("canary") && !done.stderr.contains("canary"),
        "{done:?}"
    );
    let warned = "warning: the environment variable ARTIFACT_DRAIN_TIMOUT is not a setting; did \
                  you mean ARTIFACT_DRAIN_TIMEOUT?\n";
    assert_eq!(done.stderr, warned);
    assert_golden("print-config.txt", done.stdout());
    // It does nothing else.
    assert_eq!(
        crate::harness::files_below(folder.path()),
        ["settings.toml"]
    );
}

#[test]
fn the_output_of_print_config_is_a_valid_settings_file() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(artifact(folder.path()).args(["serve", "--print-config"])).succeeded();
    let path = folder.path().join("again.toml");
    std::io::Write::write_all(&mut std::fs::File::create_new(path).unwrap(), &first.stdout)
        .unwrap();
    let mut command = artifact(folder.path());
    command.args(["serve", "--print-config", "--config", "again.toml"]);
    let again = run(&mut command).succeeded();
    let values = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with("# config"));
        lines
            .map(|line| line.rsplit_once(" # ").unwrap_or((line, "")).0.to_owned())
            .collect()
    };
    assert_eq!(values(again.stdout()), values(first.stdout()));
}
