//! Who may own the data folder, the database and secrets: root, the user of the process, and groups by their
//! rights.

use std::fs::{DirBuilder, Permissions, set_permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, Mode};
use tempfile::TempDir;

use crate::harness::{
    BINARY, Done, Server, TOKEN, artifact, files_below, run, run_refused, run_with, skip,
};

/// Two users who have no account.
const USER: u32 = 1_234_500;
const OTHER: u32 = 1_234_501;
/// The group that an orchestrator gives to the processes of a user.
const GROUP: u32 = 1_234_600;

/// Returns whether the test must be skipped because it cannot change owners.
fn skip_unless_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    skip(is_root, "files of other users", "run the tests as root")
}

fn mode(path: &Path, mode: u32) {
    set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn write(path: &Path, bits: u32, text: &str) {
    let mut file = std::fs::File::create_new(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    mode(path, bits);
}

/// A folder that [`USER`] can reach, with the program.
#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
fn place() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    mode(folder.path(), 0o755);
    let program = folder.path().join("artifact");
    std::fs::copy(BINARY, &program).unwrap();
    mode(&program, 0o755);
    folder
}

/// Returns a command of [`USER`] with this group in the folder.
fn as_user(folder: &Path, group: u32, arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args([format!("--reuid={USER}"), format!("--regid={USER}")])
        .arg(format!("--groups={group}"))
        .arg(folder.join("artifact"))
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

/// The arguments of a server with its data in `data`.
const SERVE: [&str; 5] = ["serve", "--listen", "127.0.0.1:0", "--data-dir", "data"];

#[track_caller]
fn assert_refused(done: &Done, parts: &[&str]) {
    assert_eq!((done.code, done.stdout()), (Some(2), ""), "{done:?}");
    let line = done.stderr.lines().last().unwrap();
    assert!(line.starts_with("error: "), "{done:?}");
    for part in parts {
        assert!(line.contains(part), "{part}: {done:?}");
    }
}

#[test]
fn a_data_folder_of_another_user_is_refused_with_the_token_that_is_planted_in_it() {
    if skip_unless_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("artifact-data");
    let mut builder = DirBuilder::new();
    builder.mode(0o700).create(&data).unwrap();
    write(&data.join("admin-token"), 0o600, TOKEN);
    for path in [&data, &data.join("admin-token")] {
        chown(path, Some(OTHER), Some(OTHER)).unwrap();
    }
    let serve = || {
        let mut command = artifact(folder.path());
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command
    };
    let owner = format!("belongs to user {OTHER}, but this process is user 0");
    let refused = run_refused(&mut serve());
    let advice = "chown the file to 0, or give another --data-dir";
    assert_refused(
        &refused,
        &["the data folder ./artifact-data", &owner, advice],
    );
    // The folder alone is taken over: its token is still the other user's.
    chown(&data, Some(0), Some(0)).unwrap();
    let refused = run_refused(&mut serve());
    let token = "the secret in ./artifact-data/admin-token";
    assert_refused(&refused, &[token, &owner, "chown the file to 0"]);
    assert!(!data.join("rows.sqlite").exists());
    chown(data.join("admin-token"), Some(0), Some(0)).unwrap();
    drop(Server::start_in(folder, &[]));
}

#[test]
fn a_database_of_another_user_is_refused() {
    if skip_unless_root() {
        return;
    }
    let mut folder = Server::start(&[]).stop("TERM");
    let data = folder.path().join("artifact-data");
    for name in [
        "rows.sqlite",
        "rows.sqlite-wal",
        "rows.sqlite-shm",
        "rows.sqlite-journal",
    ] {
        let path = data.join(name);
        let is_planted = !path.exists();
        if is_planted {
            write(&path, 0o600, "");
        }
        chown(&path, Some(OTHER), None).unwrap();
        let serve = || {
            let mut command = artifact(folder.path());
            command.args(["serve", "--listen", "127.0.0.1:0"]);
            run_refused(&mut command)
        };
        let owner = format!("{name} belongs to user {OTHER}, but this process is user 0");
        assert_refused(
            &serve(),
            &["database cannot be used", &owner, "chown the file to 0"],
        );
        chown(&path, Some(0), None).unwrap();
        mode(&path, 0o602);
        assert_refused(
            &serve(),
            &[name, "can be changed by every user", "chmod o-w it"],
        );
        if is_planted {
            rustix::fs::unlink(&path).unwrap();
        } else {
            mode(&path, 0o600);
        }
    }
    folder = Server::start_in(folder, &[]).stop("TERM");
    drop(folder);
}

/// A Secret volume of Kubernetes (symlinks, files of root with `defaultMode: 0440` and `fsGroup`) and a
/// volume of root whose modes the kubelet widens before each start.
#[test]
fn volumes_of_an_orchestrator_are_accepted() {
    if skip_unless_root() {
        return;
    }
    let folder = place();
    let secrets = folder.path().join("secrets");
    let version = secrets.join("..2026_11_28");
    DirBuilder::new().recursive(true).create(&version).unwrap();
    write(&version.join("token"), 0o440, &format!("{TOKEN}\n"));
    symlink("..2026_11_28", secrets.join("..data")).unwrap();
    symlink("..data/token", secrets.join("token")).unwrap();
    let data = folder.path().join("data");
    DirBuilder::new().create(&data).unwrap();
    for path in [&version, &version.join("token"), &data] {
        chown(path, Some(0), Some(GROUP)).unwrap();
    }
    mode(&data, 0o2775);
    let token = ["--admin-token-file", "secrets/token"];
    let mut serve = as_user(folder.path(), GROUP, &[&SERVE[..], &token].concat());
    let server = Server::spawn(folder, &mut serve);
    write(&server.folder.path().join("bytes"), 0o644, "bytes");
    let client = ["--server", &server.url, "put", "bytes"];
    let client = [&client[2..], &client[..2], &token].concat();
    run(&mut as_user(server.folder.path(), GROUP, &client)).succeeded();
    let folder = server.stop("TERM");

    // The token in the data folder, too.
    let mut serve = as_user(folder.path(), GROUP, &SERVE);
    let folder = Server::spawn(folder, &mut serve).stop("TERM");
    run(Command::new("chmod")
        .args(["-R", "ug+rwX,g+s"])
        .arg(folder.path().join("data")))
    .succeeded();
    let server = Server::spawn(folder, &mut serve);
    let log = server.stderr();
    assert!(log.contains("can write to the data folder data"), "{log}");
}

/// systemd gives a service its credentials as files of root with an access control list.
#[test]
fn secrets_with_an_access_control_list_are_accepted() {
    let has_lists = Command::new("setfacl").arg("--version").output().is_ok();
    if skip_unless_root() || skip(has_lists, "access control lists", "install the package acl") {
        return;
    }
    let folder = place();
    let token = folder.path().join("token");
    write(&token, 0o400, TOKEN);
    let entry = format!("u:{USER}:r");
    run(Command::new("setfacl").args(["-m", &entry]).arg(&token)).succeeded();
    assert_eq!(
        token.metadata().unwrap().permissions().mode() & 0o777,
        0o440
    );
    let data = folder.path().join("data");
    DirBuilder::new().mode(0o700).create(&data).unwrap();
    chown(&data, Some(USER), Some(USER)).unwrap();
    let arguments = [&SERVE[..], &["--admin-token-file", "token"]].concat();
    let mut serve = as_user(folder.path(), GROUP, &arguments);
    drop(Server::spawn(folder, &mut serve));
}

/// Follows the advice of a refusal, and then the server starts.
#[test]
fn the_advice_for_an_exposed_secret_leaves_it_readable_for_the_server() {
    if skip_unless_root() {
        return;
    }
    let mut folder = place();
    let data = folder.path().join("data");
    DirBuilder::new().mode(0o700).create(&data).unwrap();
    chown(&data, Some(USER), Some(USER)).unwrap();
    for (owner, group, bits) in [
        (0, 0, 0o644),
        (0, 0, 0o404),
        (0, GROUP, 0o444),
        (0, GROUP, 0o646),
        (USER, GROUP, 0o644),
        (USER, GROUP, 0o446),
        (USER, USER, 0o602),
        (OTHER, GROUP, 0o440),
    ] {
        let token = folder.path().join("token");
        write(&token, bits, TOKEN);
        chown(&token, Some(owner), Some(group)).unwrap();
        let arguments = [&SERVE[..], &["--admin-token-file", "token"]].concat();
        let mut serve = as_user(folder.path(), GROUP, &arguments);
        let refused = run_refused(&mut serve);
        assert_refused(&refused, &["the secret in token"]);
        let line = refused.stderr.trim_end();
        let advice = match line.rsplit_once(": ") {
            _ if owner == OTHER => format!("chown {USER} token"),
            Some((_, command)) => command.split(" (").next().unwrap().to_owned(),
            None => panic!("{line}"),
        };
        let mut shell = Command::new("sh");
        run(shell.args(["-c", &advice]).current_dir(folder.path())).succeeded();
        let server = Server::spawn(folder, &mut serve);
        rustix::fs::unlink(server.path("token")).unwrap();
        folder = server.stop("TERM");
    }
}

#[test]
fn secrets_come_from_pipes_too() {
    let server = Server::start(&[]);
    let token = server.token();
    // `sh -c` gives the program a descriptor of a pipe, as `<(...)` of other shells does.
    let put = |script: &str| {
        let mut command = Command::new("/bin/sh");
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .current_dir(server.folder.path())
            .args([
                "-c",
                script,
                "sh",
                BINARY,
                "put",
                "stderr",
                "--server",
                &server.url,
            ]);
        command
    };
    let stdin = "exec \"$@\" --admin-token-file /dev/stdin";
    run_with(&mut put(stdin), format!("{token}\n").as_bytes()).succeeded();
    // The writer is slower than the program.
    for path in ["/dev/fd/3", "/proc/self/fd/3"] {
        let script = format!(
            "{{ sleep 0.1; cat artifact-data/admin-token; }} | \
             {{ exec \"$@\" --admin-token-file {path} 3<&0 0</dev/null; }}"
        );
        run(&mut put(&script)).succeeded();
    }
    let fifo = server.path("fifo");
    rustix::fs::mkfifoat(CWD, &fifo, Mode::RUSR | Mode::WUSR).unwrap();
    // Nothing writes into it: no wait.
    let refused = run(&mut put("exec \"$@\" --admin-token-file fifo"));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let writer = {
        let (fifo, token) = (fifo.clone(), token.clone());
        // Waits for the reader.
        std::thread::spawn(move || {
            let mut fifo = std::fs::OpenOptions::new().write(true).open(fifo).unwrap();
            fifo.write_all(token.as_bytes()).unwrap();
        })
    };
    // A reader that comes before the writer finds the pipe empty.
    server.wait_until("the writer", || {
        run(&mut put("exec \"$@\" --admin-token-file fifo")).code == Some(0)
    });
    writer.join().unwrap();
    mode(&fifo, 0o644);
    let refused = run(&mut put("exec \"$@\" --admin-token-file fifo"));
    assert_refused(
        &refused,
        &["other users can read or change the secret in fifo"],
    );
    let refused = run(&mut put("exec \"$@\" --admin-token-file artifact-data"));
    assert_refused(&refused, &["neither a regular file nor a pipe"]);
}

#[test]
fn a_data_folder_with_the_sticky_bit_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("artifact-data");
    DirBuilder::new().create(&data).unwrap();
    mode(&data, 0o1777);
    drop(Server::start_in(folder, &[]));
}

#[test]
fn a_doctor_does_not_take_what_it_cannot_look_at_for_missing() {
    if skip_unless_root() {
        return;
    }
    let folder = place();
    let data = folder.path().join("data");
    DirBuilder::new().mode(0o700).create(&data).unwrap();
    write(&data.join("rows.sqlite"), 0o600, "");
    let arguments = ["doctor", "--json", "--data-dir", "data"];
    let done = run(&mut as_user(folder.path(), USER, &arguments));
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(!done.stdout().contains("none yet"), "{done:?}");
    assert!(done.stdout().contains("it cannot be looked at"), "{done:?}");
    assert!(!done.stdout().contains("O_TMPFILE"), "{done:?}");
}

#[test]
fn a_command_of_another_user_leaves_no_file_of_an_audit_log() {
    if skip_unless_root() {
        return;
    }
    let folder = Server::start(&[]).stop("TERM");
    chown(folder.path().join("artifact-data"), Some(OTHER), None).unwrap();
    for command in [&["gc"][..], &["verify"], &["rotate-admin-token"]] {
        let mut artifact = artifact(folder.path());
        let done = run(artifact.args(command).args(["--audit-log", "a.log"]));
        assert_ne!(done.code, Some(0), "{done:?}");
        let names = files_below(folder.path());
        assert!(
            !names.iter().any(|name| name.contains("a.log")),
            "{command:?}: {names:?}"
        );
    }
}
