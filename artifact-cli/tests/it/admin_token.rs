//! One admin token for all servers of a database: who generates it, who takes it, and how it is replaced.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{Answer, Server, artifact, run};

const FILE: &str = "artifact-data/admin-token";

/// Returns the status of a request with this admin token.
fn status(server: &Server, token: &str) -> u16 {
    let request = format!(
        "GET /v0/experiments/default HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
         Authorization: Bearer admin:{token}\r\nX-Eden-Experiment-Id: default\r\n\r\n"
    );
    Answer::of(&server.say(request)).status
}

/// Returns a command of a server with this database and this folder of blobs.
fn serve(folder: &Path, database: &str, blobs: &Path) -> Command {
    let mut command = artifact(folder);
    command.args(["serve", "--database", database]);
    command.args(["--backend", blobs.to_str().unwrap()]);
    command
}

fn start(database: &str, blobs: &Path) -> Server {
    restart(TempDir::new().unwrap(), database, blobs)
}

fn restart(folder: TempDir, database: &str, blobs: &Path) -> Server {
    let mut command = serve(folder.path(), database, blobs);
    Server::spawn(folder, &mut command)
}

/// Runs the command with the settings of a server. Returns what it says.
fn rotate_with(server: &Server, database: &str, arguments: &[&str]) -> String {
    let mut command = artifact(server.folder.path());
    command.args(["rotate-admin-token", "--database", database]);
    run(command.args(arguments)).succeeded().stderr
}

/// Replaces the token, and ends the old one at once.
fn rotate(server: &Server, database: &str) {
    let said = rotate_with(server, database, &["--old-valid-for", "0"]);
    let expected = "accept it, and no longer the old one";
    assert!(said.contains("the new admin token is in"), "{said}");
    assert!(said.contains(expected), "{said}");
}

/// Runs two servers on one database while their token is replaced, and sends requests with every token all the time.
fn two_servers_accept_two_tokens_during_the_change(database: &str, blobs: &Path) {
    let a = start(database, blobs);
    let b = start(database, blobs);
    let first = a.token();
    let statuses = |tokens: &[&String]| {
        let of = |server: &Server| -> Vec<u16> {
            tokens.iter().map(|token| status(server, token)).collect()
        };
        [of(&a), of(&b)]
    };
    let said = rotate_with(&a, database, &[]);
    let second = a.token();
    assert!(
        said.contains("accept it, and the old one until 2"),
        "{said}"
    );
    assert!(!said.contains(&first) && !said.contains(&second), "{said}");
    assert_eq!(statuses(&[&first, &second]), [[200, 200], [200, 200]]);
    // A server that starts meanwhile accepts both, and says what its file is worth.
    a.write(FILE, first.as_bytes());
    let a = restart(a.stop("TERM"), database, blobs);
    let said = a.stderr();
    assert!(said.contains("accept it only for a time"), "{said}");
    assert_eq!([&first, &second].map(|token| status(&a, token)), [200, 200]);
    a.write(FILE, second.as_bytes());

    // The end is brought forward, again and again.
    for _ in 0..2 {
        let said = rotate_with(&a, database, &["--end-old"]);
        assert!(
            said.contains("accept the current admin token only"),
            "{said}"
        );
        for server in [&a, &b] {
            assert_eq!(
                [&first, &second].map(|token| status(server, token)),
                [401, 200]
            );
        }
    }
    assert_eq!(a.token(), second);

    // There are never three.
    rotate_with(&a, database, &["--old-valid-for", "7d"]);
    let third = a.token();
    rotate_with(&a, database, &["--old-valid-for", "7d"]);
    let fourth = a.token();
    let all = [&first, &second, &third, &fourth];
    for server in [&a, &b] {
        assert_eq!(all.map(|token| status(server, token)), [401, 401, 200, 200]);
    }

    // The period of the operator ends without a further command.
    rotate_with(&a, database, &["--old-valid-for", "1s"]);
    let fifth = a.token();
    for server in [&a, &b] {
        server.wait_until("the end of the old token", || {
            status(server, &fourth) == 401
        });
        assert_eq!(
            [&third, &fifth].map(|token| status(server, token)),
            [401, 200]
        );
    }
}

#[test]
fn two_servers_on_postgres_accept_two_tokens_during_the_change() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let database = postgres.database();
    let shared = TempDir::new().unwrap();
    let blobs = shared.path().join("blobs");
    two_servers_accept_two_tokens_during_the_change(&database.url(), &blobs);
}

#[test]
fn two_servers_on_one_sqlite_file_accept_two_tokens_during_the_change() {
    let shared = TempDir::new().unwrap();
    let database = shared.path().join("rows.sqlite");
    let blobs = shared.path().join("blobs");
    two_servers_accept_two_tokens_during_the_change(database.to_str().unwrap(), &blobs);
}

#[test]
fn a_file_of_the_settings_is_rotated_with_one_sighup() {
    let folder = TempDir::new().unwrap();
    let random = "8c1f0f3e6b1f4a3f9d9a6b0d2f6c7e5a".repeat(2);
    let settings = ["--admin-token-file", "token"];
    crate::reload::write_secret(folder.path(), "token", &random);
    let server = Server::start_in(folder, &settings);
    let mut command = artifact(server.folder.path());
    run(command.arg("rotate-admin-token").args(settings)).succeeded();
    let new = String::from_utf8(server.read("token")).unwrap();
    let statuses = || [&*random, new.trim_end()].map(|token| status(&server, token));
    assert_eq!(statuses(), [200, 401]);
    crate::reload::reload(&server, "reloaded the admin token");
    assert_eq!(statuses(), [200, 200]);
    let mut command = artifact(server.folder.path());
    run(command
        .args(["rotate-admin-token", "--end-old"])
        .args(settings))
    .succeeded();
    assert_eq!(statuses(), [401, 200]);
}

/// Runs two servers on one database through everything.
fn two_servers_have_one_token(database: &str, blobs: &Path) {
    let a = start(database, blobs);
    let first = a.token();
    let b = start(database, blobs);
    assert!(!b.path(FILE).exists());
    assert_eq!([&a, &b].map(|server| status(server, &first)), [200, 200]);
    let said = b.stderr();
    let place = std::fs::canonicalize(a.folder.path()).unwrap();
    let place = format!("{}/{FILE}", place.display());
    let banner = "The admin token is that of the database, which all its servers accept. It is in ";
    assert!(said.contains(banner), "{said}");
    assert!(said.contains(&place), "{place}: {said}");
    assert!(!said.contains(&first), "{said}");

    // Both keep it over a restart.
    let a = restart(a.stop("TERM"), database, blobs);
    let b = restart(b.stop("TERM"), database, blobs);
    assert_eq!(a.token(), first);
    assert!(!b.path(FILE).exists());
    assert_eq!([&a, &b].map(|server| status(server, &first)), [200, 200]);

    // Replaced on one, it counts on both from the answer on.
    rotate(&a, database);
    let second = a.token();
    assert_ne!(second, first);
    assert_eq!([&a, &b].map(|server| status(server, &first)), [401, 401]);
    assert_eq!([&a, &b].map(|server| status(server, &second)), [200, 200]);

    // Also on the machine that has no file so far. The file that was left behind does not bring the old one back.
    rotate(&b, database);
    let third = b.token();
    assert_eq!(a.token(), second);
    assert_eq!([&a, &b].map(|server| status(server, &third)), [200, 200]);
    let a = restart(a.stop("TERM"), database, blobs);
    let said = a.stderr();
    assert!(
        said.contains("was replaced, and no server of this database accepts it"),
        "{said}"
    );
    assert_eq!([&second, &third].map(|token| status(&a, token)), [401, 200]);

    // A token of the settings counts on its server, and there only.
    let own = "canary-9f86d081884c7d65";
    let mut command = serve(a.folder.path(), database, blobs);
    command.env("ARTIFACT_ADMIN_TOKEN", own);
    let a = Server::spawn(a.stop("TERM"), &mut command);
    let said = a.stderr();
    let warning = "this server accepts the admin token in ARTIFACT_ADMIN_TOKEN and no other";
    assert!(said.contains(warning), "{said}");
    assert!(!said.contains(own), "{said}");
    assert_eq!([own, &third].map(|token| status(&a, token)), [200, 401]);
    assert_eq!([own, &third].map(|token| status(&b, token)), [401, 200]);

    // The last file is lost. The token is still accepted, and another one can be made.
    rustix::fs::unlink(b.path(FILE)).unwrap();
    let b = restart(b.stop("TERM"), database, blobs);
    assert!(!b.path(FILE).exists());
    assert!(
        b.stderr().contains("artifact rotate-admin-token"),
        "{}",
        b.stderr()
    );
    assert_eq!(status(&b, &third), 200);
    rotate(&b, database);
    assert_eq!(
        [&third, &b.token()].map(|token| status(&b, token)),
        [401, 200]
    );
}

#[test]
fn two_servers_on_postgres_have_one_token() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let database = postgres.database();
    let shared = TempDir::new().unwrap();
    two_servers_have_one_token(&database.url(), &shared.path().join("blobs"));
}

#[test]
fn two_servers_on_one_sqlite_file_have_one_token() {
    let shared = TempDir::new().unwrap();
    let database = shared.path().join("rows.sqlite");
    two_servers_have_one_token(database.to_str().unwrap(), &shared.path().join("blobs"));
}

#[test]
fn servers_that_start_at_once_have_one_token() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let database = postgres.database();
    let (url, shared) = (database.url(), TempDir::new().unwrap());
    let blobs = shared.path().join("blobs");
    // One of them makes the store first, and its token is removed again, so that only the tokens race.
    drop(start(&url, &blobs));
    database.sql("TRUNCATE artifact.admin_token");
    let servers: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| start(&url, &blobs)))
            .collect();
        all.into_iter().map(|each| each.join().unwrap()).collect()
    });
    let with_file: Vec<_> = servers
        .iter()
        .filter(|server| server.path(FILE).exists())
        .collect();
    assert_eq!(with_file.len(), 1);
    let token = with_file[0].token();
    for server in &servers {
        assert_eq!(status(server, &token), 200);
    }
}

#[test]
fn the_token_of_an_older_version_is_taken_over_and_a_text_of_an_operator_is_not() {
    let shared = TempDir::new().unwrap();
    let (database, blobs) = (
        shared.path().join("rows.sqlite"),
        shared.path().join("blobs"),
    );
    let database = database.to_str().unwrap();
    let a = start(database, &blobs);
    let token = a.token();
    let folder = a.stop("TERM");
    let rows = rusqlite::Connection::open(database).unwrap();
    let forget = || {
        rows.execute("DELETE FROM admin_token", []).unwrap();
        rows.execute("DELETE FROM replaced_admin_tokens", [])
            .unwrap();
    };
    forget();
    let a = restart(folder, database, &blobs);
    let b = start(database, &blobs);
    assert_eq!([&a, &b].map(|server| status(server, &token)), [200, 200]);
    drop(b);

    forget();
    let own = "canary-f3a9c1d27b6e4805";
    a.write(FILE, own.as_bytes());
    let a = restart(a.stop("TERM"), database, &blobs);
    assert_eq!(status(&a, own), 200);
    let count = || rows.query_row("SELECT count(*) FROM admin_token", [], |row| row.get(0));
    assert_eq!(count(), Ok(0), "a text that may be guessed is not recorded");
    // So a second server generates one of its own.
    let b = start(database, &blobs);
    assert_eq!(count(), Ok(1));
    assert_eq!([own, &b.token()].map(|token| status(&b, token)), [401, 200]);
}

#[test]
fn a_rotation_that_was_interrupted_is_completed() {
    let server = Server::start(&[]);
    let first = server.token();
    let next = format!("{FILE}.next");
    let token = "8c1f0f3e6b1f4a3f9d9a6b0d2f6c7e5a".repeat(2);
    server.write(&next, token.as_bytes());
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::chmod(server.path(&next), mode).unwrap();
    let at_once = ["rotate-admin-token", "--old-valid-for", "0"];
    run(artifact(server.folder.path()).args(at_once)).succeeded();
    assert_eq!(server.token(), token);
    assert!(!server.path(&next).exists());
    assert_eq!(
        [&first, &token].map(|token| status(&server, token)),
        [401, 200]
    );

    let mut command = artifact(server.folder.path());
    command
        .arg("rotate-admin-token")
        .env("ARTIFACT_ADMIN_TOKEN", &token);
    let refused = run(&mut command);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("unset ARTIFACT_ADMIN_TOKEN"),
        "{refused:?}"
    );
    let done =
        run(artifact(server.folder.path()).args(["rotate-admin-token", "--database", "mem:"]));
    assert_eq!(done.code, Some(2), "{done:?}");
}

#[test]
fn a_restored_backup_has_no_admin_token_until_its_server_makes_one() {
    let server = Server::start(&[]);
    let first = server.token();
    let folder = server.folder.path();
    run(artifact(folder).args(["backup", "--to", "backup"])).succeeded();
    let restore = ["restore", "--from", "backup", "--data-dir", "restored"];
    run(artifact(folder).args(restore)).succeeded();
    let restored = Server::start_in(server.stop("TERM"), &["--data-dir", "restored"]);
    let token = String::from_utf8(restored.read("restored/admin-token")).unwrap();
    assert_ne!(token.trim_end(), first);
    assert_eq!(
        [&*first, token.trim_end()].map(|token| status(&restored, token)),
        [401, 200]
    );
}
