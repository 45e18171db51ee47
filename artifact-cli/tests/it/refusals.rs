//! Invalid settings: the server prints one sentence, exits with code 2 and creates nothing.

use std::fs::{Permissions, set_permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{Server, artifact, files_below, run, run_refused};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn serve(folder: &Path) -> Command {
    let mut command = artifact(folder);
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command
}

fn write(folder: &Path, name: &str, mode: u32, text: &str) {
    let path = folder.join(name);
    let mut file = std::fs::File::create_new(&path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    set_permissions(&path, Permissions::from_mode(mode)).unwrap();
}

/// Asserts that the command prints this sentence, exits with code 2 and creates nothing.
#[track_caller]
fn assert_refused(folder: &Path, command: &mut Command, sentence: &str) {
    let before = files_below(folder);
    let done = run_refused(command);
    assert_eq!(done.stderr, format!("error: {sentence}\n"));
    assert_eq!(done.code, Some(2));
    assert_eq!(done.stdout(), "");
    assert_eq!(files_below(folder), before);
    let data = folder.join("artifact-data");
    assert!(
        !data.exists() || !before.is_empty(),
        "an empty folder was left"
    );
}

#[test]
fn an_unknown_flag_is_rejected_with_a_suggestion() {
    let folder = folder();
    let done = run_refused(serve(folder.path()).arg("--listn=x"));
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("'--listen'"), "{}", done.stderr);
    assert_eq!(files_below(folder.path()), [""; 0]);
}

#[test]
fn an_address_in_use_is_rejected() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let folder = folder();
    let sentence = format!(
        "--listen: the address {address} is in use; stop the program that listens there, or choose \
         another address (port 0 takes any free port)"
    );
    let mut command = artifact(folder.path());
    command.args(["serve", "--listen", &address]);
    assert_refused(folder.path(), &mut command, &sentence);
}

#[test]
fn an_invalid_address_is_rejected() {
    let folder = folder();
    let mut command = artifact(folder.path());
    command.args(["serve", "--listen", "8080"]);
    let sentence = "--listen must be an address and a port, such as 127.0.0.1:8080, not '8080'";
    assert_refused(folder.path(), &mut command, sentence);
}

#[test]
fn a_data_folder_in_use_is_rejected() {
    let server = Server::start(&[]);
    let done = run_refused(&mut serve(server.folder.path()));
    let sentence = "error: the data folder ./artifact-data is in use by another server; stop that \
                    server, or give another --data-dir\n";
    assert_eq!((done.code, done.stderr.as_str()), (Some(2), sentence));
    // The first server still works.
    run(&mut server.client(&["put", "stderr"])).succeeded();
}

#[test]
fn an_unusable_data_folder_is_rejected() {
    let folder = folder();
    let path = folder.path();
    write(path, "file", 0o600, "");
    std::fs::create_dir(path.join("open")).unwrap();
    set_permissions(path.join("open"), Permissions::from_mode(0o777)).unwrap();
    for (data_dir, sentence) in [
        ("file", "file is not a folder; give another --data-dir"),
        (
            "open",
            "other users can write to the data folder open; run: chmod 700 open",
        ),
        (
            "missing/folder",
            "cannot create the data folder missing/folder: the folder missing does not exist; create it, \
             or give another --data-dir",
        ),
    ] {
        assert_refused(path, serve(path).args(["--data-dir", data_dir]), sentence);
    }
}

#[test]
fn a_data_folder_without_write_permission_is_rejected() {
    // Even the superuser cannot create a folder there.
    let folder = folder();
    let done = run_refused(serve(folder.path()).args(["--data-dir", "/proc/artifact-data"]));
    assert_eq!(done.code, Some(2));
    let said = "error: cannot ";
    assert!(done.stderr.starts_with(said), "{}", done.stderr);
    assert!(
        done.stderr.contains("give another --data-dir"),
        "{}",
        done.stderr
    );
}

#[test]
fn other_files_inside_the_blob_folder_are_rejected() {
    let folder = folder();
    let path = folder.path();
    std::fs::create_dir(path.join("blobs")).unwrap();
    std::fs::create_dir(path.join("blobs/inner")).unwrap();
    symlink("blobs/inner", path.join("link")).unwrap();
    let blobs = path.join("blobs");
    let inside = |what: &str, where_: &Path, flag: &str| {
        let (where_, blobs) = (where_.display(), blobs.display());
        format!(
            "{what} {where_} lies inside the folder of the blobs, {blobs}; choose another place with {flag}"
        )
    };
    // Directly, through a symlink, through dots, and in a folder that does not exist.
    for database in [
        "blobs/rows.sqlite",
        "link/rows.sqlite",
        "link/../rows.sqlite",
        "blobs/new/x",
    ] {
        let sentence = inside("the database", &path.join(database), "--database");
        let mut command = serve(path);
        command.args(["--backend", "blobs", "--database", database]);
        assert_refused(path, &mut command, &sentence);
    }
    write(
        &path.join("blobs/inner"),
        "token",
        0o600,
        "9f86d081884c7d659a2feaa0c55ad015\n",
    );
    let mut command = serve(path);
    command.args(["--backend", "blobs", "--admin-token-file", "link/token"]);
    let sentence = inside(
        "the admin token",
        Path::new("link/token"),
        "--admin-token-file",
    );
    assert_refused(path, &mut command, &sentence);
    let mut command = serve(path);
    command.args([
        "--backend",
        "blobs",
        "--data-dir",
        "blobs",
        "--database",
        "x",
    ]);
    command.env("ARTIFACT_ADMIN_TOKEN", crate::harness::TOKEN);
    let sentence = inside("the data folder", Path::new("blobs"), "--data-dir");
    assert_refused(path, &mut command, &sentence);
}

#[test]
fn a_guessable_admin_token_is_rejected() {
    let folder = folder();
    let path = folder.path();
    write(path, "empty", 0o600, "\n");
    write(path, "short", 0o600, "fifteen-letters\n");
    write(path, "known", 0o600, "changemechangeme\n");
    for (name, what) in [
        ("empty", "is empty"),
        ("short", "has fewer than 16 characters"),
        ("known", "is easy to guess"),
    ] {
        let sentence =
            format!("the admin token in {name} {what}; use at least 16 random characters");
        assert_refused(
            path,
            serve(path).args(["--admin-token-file", name]),
            &sentence,
        );
    }
    let sentence = "the admin token in ARTIFACT_ADMIN_TOKEN has fewer than 16 characters; use at \
                    least 16 random characters";
    assert_refused(
        path,
        serve(path).env("ARTIFACT_ADMIN_TOKEN", "canary"),
        sentence,
    );
}

#[test]
fn an_exposed_or_missing_admin_token_file_is_rejected() {
    let folder = folder();
    let path = folder.path();
    write(path, "open", 0o644, "9f86d081884c7d659a2feaa0c55ad015\n");
    let sentence = "other users can read or change the secret in open; run: chmod 600 open";
    assert_refused(
        path,
        serve(path).args(["--admin-token-file", "open"]),
        sentence,
    );
    let sentence = "there is no file gone; put a token of at least 16 characters into it, or leave \
                    --admin-token-file out to have one generated";
    assert_refused(
        path,
        serve(path).args(["--admin-token-file", "gone"]),
        sentence,
    );
    let sentence = "ARTIFACT_ADMIN_TOKEN_FILE and ARTIFACT_ADMIN_TOKEN are both set; unset one of \
                    them";
    let mut command = serve(path);
    command
        .env("ARTIFACT_ADMIN_TOKEN_FILE", "x")
        .env("ARTIFACT_ADMIN_TOKEN", "y");
    assert_refused(path, &mut command, sentence);
}

#[test]
fn invalid_settings_are_rejected() {
    let folder = folder();
    let path = folder.path();
    write(path, "bad.toml", 0o644, "listen = \n");
    write(path, "unknown.toml", 0o644, "data-dir = 'x'\n");
    for (arguments, beginning) in [
        (
            ["--backend", "ftp://host/x"],
            "--backend cannot be used: the scheme ftp: is not known",
        ),
        (
            ["--backend", "s3://u:canary@b"],
            "--backend cannot be used: ",
        ),
        (
            ["--database", "mysql://host/x"],
            "--database cannot be used: ",
        ),
        (["--experiment", "a/b"], "--experiment cannot be used: "),
        (
            ["--max-artifact-bytes", "1.5GB"],
            "--max-artifact-bytes must be a number of bytes",
        ),
        (
            ["--drain-timeout", "soon"],
            "--drain-timeout must be a whole number, not 'soon'",
        ),
        (
            ["--log-level", "info=loud=x"],
            "--log-level cannot be used: ",
        ),
        (
            ["--log-format", "xml"],
            "--log-format must be one of text, json, not 'xml'",
        ),
        (
            ["--max-connections", "0"],
            "--max-connections must be 1 or more, not 0",
        ),
        (
            ["--max-header-bytes", "100"],
            "--max-header-bytes must be from 1KiB to 1MiB",
        ),
        (
            ["--min-throughput", "fast"],
            "--min-throughput must be a number of bytes",
        ),
        (
            ["--idle-timeout", "0"],
            "--idle-timeout must be from 1 to 31536000 seconds, not 0",
        ),
        (
            ["--socket-mode", "rw"],
            "--socket-mode must be a mode in octal, such as 0660, not 'rw'",
        ),
        (
            ["--public-url", "files.example"],
            "--public-url must be a URL such as https://files.example",
        ),
        (
            ["--public-url", "https://h/\r\nx: y"],
            "--public-url must be a URL such as https://files.example",
        ),
        (
            ["--ready-fd", "99"],
            "--ready-fd 99 is not a pipe or file that can be written to",
        ),
        (
            ["--config", "gone.toml"],
            "cannot read the settings file gone.toml: ",
        ),
        (
            ["--config", "bad.toml"],
            "the settings file bad.toml is not valid TOML, line 1: ",
        ),
        (
            ["--config", "unknown.toml"],
            "the settings file unknown.toml has an unknown key data-dir; did you mean data_dir?",
        ),
    ] {
        let before = files_below(path);
        let done = run_refused(serve(path).args(arguments));
        assert!(
            done.stderr.starts_with(&format!("error: {beginning}")),
            "{}",
            done.stderr
        );
        assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
        assert!(!done.stderr.contains("canary"), "{}", done.stderr);
        assert_eq!(done.code, Some(2));
        assert_eq!(files_below(path), before);
        assert!(!path.join("artifact-data").exists());
    }
}

#[test]
fn print_config_rejects_invalid_settings() {
    let folder = folder();
    let path = folder.path();
    write(path, "bad.toml", 0o644, "max_artifact_bytes = 'banana'\n");
    for (arguments, sentence) in [
        (
            &["--config", "bad.toml"][..],
            "max_artifact_bytes in bad.toml must be a number of bytes, such as 104857600 or 100MiB, \
             not 'banana'",
        ),
        (
            &["--listen", "8080"],
            "--listen must be an address and a port, such as 127.0.0.1:8080, not '8080'",
        ),
        (
            &["--tls-cert", "x"],
            "--tls-cert is set and --tls-key is not; give both",
        ),
        (
            &["--request-burst", "5"],
            "--request-burst is set and --request-rate is not; give both",
        ),
        (
            &["--request-rate", "0"],
            "--request-rate must be from 1 to 1000000, not 0",
        ),
    ] {
        let mut command = artifact(path);
        command.args(["serve", "--print-config"]).args(arguments);
        assert_refused(path, &mut command, sentence);
    }
    let mut command = artifact(path);
    command.args(["serve", "--print-config"]);
    let done = run(command.args(["--database", "postgres://user:canary@host/db"]));
    assert_eq!(done.code, Some(2));
    assert!(
        done.stderr
            .starts_with("error: --database cannot be used: ")
    );
    assert!(!done.stderr.contains("canary"), "{}", done.stderr);
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_is_rejected_in_a_build_without_it() {
    let folder = folder();
    let path = folder.path();
    let sentence = "this build has no TLS; leave --tls-cert and --tls-key out, or build it with \
                    --features tls";
    let files = ["--tls-cert", "cert.pem", "--tls-key", "cert.key"];
    assert_refused(path, serve(path).args(files), sentence);
}

#[test]
fn a_database_of_a_newer_version_is_rejected() {
    let server = Server::start(&[]);
    let folder = server.stop("TERM");
    let path = folder.path();
    // SQLite keeps the number that the version of the schema is in at bytes 60 to 63 of the file.
    let rows = path.join("artifact-data/rows.sqlite");
    let mut file = std::fs::OpenOptions::new().write(true).open(rows).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &9999_u32.to_be_bytes(), 60).unwrap();
    file.flush().unwrap();
    drop(file);
    let new = TempDir::new().unwrap();
    let rows = path.join("artifact-data/rows.sqlite");
    let done = run_refused(serve(new.path()).arg("--database").arg(&rows));
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(
        done.stderr
            .starts_with("error: --database cannot be used: "),
        "{}",
        done.stderr
    );
    assert!(done.stderr.contains("newer"), "{}", done.stderr);
    assert_eq!(files_below(new.path()), [""; 0]);
    assert!(!new.path().join("artifact-data").exists());
}

#[test]
fn put_and_get_reject_bad_arguments_before_sending() {
    let folder = folder();
    let path = folder.path();
    write(path, "token", 0o600, "secret\n");
    write(path, "open", 0o644, "secret\n");
    let token = ["--admin-token-file", "token"];
    for (arguments, sentence) in [
        (
            &["put", "-"][..],
            "there is no credential; give --admin-token-file, --credential-file, \
                             ARTIFACT_ADMIN_TOKEN or ARTIFACT_CREDENTIAL",
        ),
        (
            &["put", "gone", token[0], token[1]],
            "cannot read gone: No such file or directory (os error 2)",
        ),
        (
            &["put", ".", token[0], token[1]],
            ". is a folder; give a file, or pipe an archive into -",
        ),
        (
            &["put", "-", "--admin-token-file", "open"],
            "other users can read or change the secret in open; run: chmod 600 open",
        ),
        (
            &["put", "-", "--credential-file", "token"],
            "--credential-file does not hold a credential: write a credential as \
             <principal>:<secret>, with a colon",
        ),
        (
            &["put", "-", "--credential-file", "token", token[0], token[1]],
            "--admin-token-file and --credential-file are both set; unset one of them",
        ),
        (
            &["put", "-", "--server", "localhost", token[0], token[1]],
            "--server cannot be used: write the server's address like http://127.0.0.1:8080",
        ),
        (
            &["put", "-", "--experiment", "a/b", token[0], token[1]],
            "--experiment cannot be used: an experiment id has 1 to 128 characters from A-Z a-z \
             0-9 - . _ ~ and is not . or ..",
        ),
        (
            &["get", "x", "-o", ".", token[0], token[1]],
            ". is a folder; give the name of a file in it",
        ),
        (
            &["get", "x", "-o", "gone/x", token[0], token[1]],
            "the folder gone does not exist; create it first",
        ),
    ] {
        assert_refused(path, artifact(path).args(arguments), sentence);
    }
}

#[test]
fn check_accepts_usable_settings_and_opens_and_creates_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let folder = folder();
    let path = folder.path();
    write(path, "token", 0o600, "canary-9f86d081884c7d65");
    // The address is in use, and no database answers.
    let done = run(artifact(path)
        .args(["serve", "--check", "--listen", &address])
        .args(["--admin-token-file", "token"])
        .args(["--database", "postgres://u@127.0.0.1:1/db"]));
    assert_eq!(done.stdout(), "the settings can be used\n");
    assert_eq!((done.code, &*done.stderr), (Some(0), ""));
    assert_eq!(files_below(path), ["token"]);
    assert!(!path.join("artifact-data").exists());
}

#[test]
fn check_rejects_what_a_start_rejects() {
    let folder = folder();
    let path = folder.path();
    write(path, "token", 0o644, "canary-9f86d081884c7d65");
    write(path, "key", 0o600, "not a key");
    for (arguments, said) in [
        (&["--admin-token-file", "token"][..], "chmod 600 token"),
        (&["--data-dir", "token"], "token is not a folder"),
        (&["--tls-cert", "key", "--tls-key", "key"], "TLS"),
        (
            &["--database", "missing/rows.sqlite"],
            "missing does not exist; create it first",
        ),
    ] {
        let before = files_below(path);
        let done = run(artifact(path).args(["serve", "--check"]).args(arguments));
        assert_eq!((done.code, done.stdout()), (Some(2), ""), "{done:?}");
        assert!(done.stderr.contains(said), "{done:?}");
        assert!(!done.stderr.contains("canary"), "{done:?}");
        assert_eq!(files_below(path), before);
    }
}

#[test]
fn a_start_with_far_too_few_open_files_is_rejected() {
    let folder = folder();
    let limited = |arguments: &[&str]| {
        let mut command = Command::new("prlimit");
        command
            .args(["--nofile=80:80", crate::harness::BINARY, "serve"])
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .env_clear()
            .current_dir(folder.path());
        command
    };
    let sentence = "this process may have 80 open files and needs 96 at least: raise the hard limit (ulimit -Hn, or \
                    LimitNOFILE= of a systemd unit)";
    assert_refused(folder.path(), &mut limited(&[]), sentence);
    assert_refused(folder.path(), &mut limited(&["--check"]), sentence);
    // As many as were asked for.
    let done = run(&mut limited(&["--check", "--max-connections", "8"]));
    assert_eq!(done.code, Some(0), "{done:?}");
}
