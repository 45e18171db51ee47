//! A store is backed up beside its server, lost, and restored.

use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;

use crate::harness::{Done, Server, artifact, noise, run, run_refused};
use crate::maintained::{deposit, fetch, flip, maintain, totals};
use crate::workers::{ask, credential, json};

/// Restores into a new folder, which becomes that of a server.
fn restore(folder: &Path, place: &Path, arguments: &[&str]) -> Done {
    let from = place.to_str().unwrap();
    let mut command = artifact(folder);
    run(command.args(["restore", "--from", from]).args(arguments))
}

fn backup(server: &Server, arguments: &[&str]) -> Done {
    let mut all = vec!["backup", "--to", "backups"];
    all.extend(arguments);
    maintain(server, &all)
}

#[test]
fn a_lost_folder_is_restored_with_everything_that_was_acknowledged() {
    let server = Server::start(&["--experiment", "default"]);
    let admin = format!("admin:{}", server.token());
    let workers = json(&ask(
        &server,
        &admin,
        "default",
        "POST /workers",
        r#"{"name":"one"}"#,
    ));
    let worker = credential(&workers);
    let mut artifacts: Vec<_> = (1..12)
        .map(|n| {
            let bytes = noise(n * n * 4_000 + n);
            (deposit(&server, &bytes), bytes)
        })
        .collect();
    let deleted = deposit(&server, b"deleted before the backup");
    run(&mut server.client(&["delete", &format!("eden://artifacts/{deleted}")])).succeeded();

    let dry = totals(&backup(&server, &["--dry-run", "--json"]).succeeded());
    assert_eq!(
        (&dry["copied"], &dry["complete"]),
        (&11.into(), &false.into())
    );
    let first = totals(&backup(&server, &["--json"]).succeeded());
    assert_eq!(
        (&first["snapshot"], &first["copied"]),
        (&1.into(), &11.into())
    );
    let late = deposit(&server, b"between two backups");
    let second = totals(&backup(&server, &["--json", "--rate", "50MiB"]).succeeded());
    assert_eq!(
        (&second["copied"], &second["present"]),
        (&1.into(), &11.into())
    );
    artifacts.push((late.clone(), b"between two backups".to_vec()));
    let checked = totals(&backup(&server, &["--verify", "--json"]).succeeded());
    assert_eq!(
        (&checked["copied"], &checked["complete"]),
        (&12.into(), &true.into())
    );
    let into_full = restore(server.folder.path(), &server.path("backups"), &[]);
    assert_eq!(
        into_full.code,
        Some(2),
        "the server still runs: {into_full:?}"
    );

    let old = server.stop("KILL");
    let place = old.path().join("backups");
    let list = restore(old.path(), &place, &["--list"]).succeeded();
    let numbers: Vec<_> = list
        .stdout()
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(numbers, ["1", "2"]);
    let refused = restore(old.path(), &place, &[]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("not empty"), "{}", refused.stderr);

    let new = TempDir::new().unwrap();
    let dry = totals(&restore(new.path(), &place, &["--dry-run", "--json"]).succeeded());
    assert_eq!(dry["copied"], 12);
    assert!(
        !new.path().join("artifact-data").exists(),
        "a dry run creates nothing"
    );
    let restored = totals(&restore(new.path(), &place, &["--json"]).succeeded());
    assert_eq!(
        (&restored["copied"], &restored["complete"]),
        (&12.into(), &true.into())
    );
    let server = Server::start_in(new, &[]);
    for (id, bytes) in &artifacts {
        assert_eq!(fetch(&server, id).succeeded().stdout, *bytes);
    }
    let gone = fetch(&server, &deleted);
    assert_eq!(gone.code, Some(1));
    assert!(gone.stderr.contains("404"), "{}", gone.stderr);
    let whoami = ask(&server, &worker, "default", "GET /whoami", "");
    assert_eq!(whoami.status, 200, "the token of the worker works");
    maintain(&server, &["scrub"]).succeeded();
    let gc = totals(&maintain(&server, &["gc", "--json"]).succeeded());
    assert_eq!((&gc["missing"], &gc["orphans"]), (&0.into(), &0.into()));

    let older = TempDir::new().unwrap();
    restore(older.path(), &place, &["--snapshot", "1"]).succeeded();
    let server = Server::start_in(older, &[]);
    assert_eq!(
        fetch(&server, &artifacts[0].0).succeeded().stdout,
        artifacts[0].1
    );
    assert_eq!(
        fetch(&server, &late).code,
        Some(1),
        "it was deposited later"
    );
}

#[test]
fn a_backup_and_a_restore_that_are_killed_are_continued() {
    let server = Server::start(&[]);
    let artifacts: Vec<_> = (0..40)
        .map(|n| {
            let bytes = noise(20_000 + n);
            (deposit(&server, &bytes), bytes)
        })
        .collect();
    let kill = |command: &mut std::process::Command, blobs: &Path| {
        let slow = command.args(["--rate", "100KiB"]).stderr(Stdio::null());
        let mut child = slow.spawn().unwrap();
        // `find` does not mind files that disappear meanwhile.
        let files = || {
            let mut find = std::process::Command::new("find");
            let found = run(find
                .arg(blobs)
                .args(["-type", "f", "-not", "-path", "*staging*"]));
            found.stdout().lines().count()
        };
        server.wait_until("the first blobs", || files() > 10);
        child.kill().unwrap();
        child.wait().unwrap();
    };
    let place = server.path("backups");
    kill(
        artifact(server.folder.path()).args(["backup", "--to", "backups"]),
        &place,
    );
    let list = restore(server.folder.path(), &place, &["--list"]).succeeded();
    assert_eq!(list.stdout(), "", "it is not complete");
    let report = totals(&backup(&server, &["--json"]).succeeded());
    assert_eq!(report["complete"], true);
    assert!(report["present"].as_u64().unwrap() > 0, "{report}");

    let new = TempDir::new().unwrap();
    let data = new.path().join("artifact-data/blobs");
    let from = place.to_str().unwrap();
    kill(
        artifact(new.path()).args(["restore", "--from", from]),
        &data,
    );
    let mut half = artifact(new.path());
    let refused = run_refused(half.args(["serve", "--listen", "127.0.0.1:0"]));
    assert_eq!(
        refused.code,
        Some(2),
        "no server starts on half a store: {refused:?}"
    );
    restore(new.path(), &place, &[]).succeeded();
    let server = Server::start_in(new, &[]);
    for (id, bytes) in &artifacts {
        assert_eq!(fetch(&server, id).succeeded().stdout, *bytes);
    }
}

#[test]
fn damage_has_an_exit_code_and_is_named() {
    let server = Server::start(&[]);
    let (sound, damaged) = (
        deposit(&server, &noise(9_000)),
        deposit(&server, &noise(10_000)),
    );
    flip(&server, &damaged);
    let found = backup(&server, &[]);
    assert_eq!(found.code, Some(1), "{found:?}");
    assert!(
        found.stdout().starts_with(&format!("corrupt {damaged}: ")),
        "{found:?}"
    );
    let new = TempDir::new().unwrap();
    restore(new.path(), &server.path("backups"), &[]).succeeded();
    let restored = Server::start_in(new, &[]);
    fetch(&restored, &sound).succeeded();
    assert_eq!(fetch(&restored, &damaged).code, Some(1));

    let refused = backup(&server, &["--verify", "--snapshot", "9"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let nothing = maintain(&server, &["backup", "--verify", "--to", "elsewhere"]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    assert!(
        nothing.stderr.contains("does not exist"),
        "{}",
        nothing.stderr
    );
    let itself = maintain(&server, &["backup", "--to", "artifact-data/blobs"]);
    assert_eq!(itself.code, Some(2), "{itself:?}");
    assert!(
        itself.stderr.contains("this store itself"),
        "{}",
        itself.stderr
    );
}

#[test]
fn a_database_is_moved_and_the_old_one_is_refused() {
    let server = Server::start(&[]);
    let id = deposit(&server, b"before the move");
    let running = maintain(&server, &["copy-database", "--to", "new.sqlite"]);
    assert_eq!(running.code, Some(2), "the server runs: {running:?}");
    let folder = server.stop("TERM");
    let copy =
        |to: &str| run(artifact(folder.path()).args(["copy-database", "--json", "--to", to]));
    assert_eq!(totals(&copy("new.sqlite").succeeded())["artifacts"], 1);
    assert_eq!(
        totals(&copy("new.sqlite").succeeded())["was_complete"],
        true
    );
    let mut old = artifact(folder.path());
    let refused = run_refused(old.args(["serve", "--listen", "127.0.0.1:0"]));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("was moved to sqlite:"),
        "{}",
        refused.stderr
    );
    let server = Server::start_in(folder, &["--database", "new.sqlite"]);
    assert_eq!(fetch(&server, &id).succeeded().stdout(), "before the move");
    deposit(&server, b"after the move");
    let folder = server.stop("TERM");
    run(artifact(folder.path()).args(["copy-database", "--undo"])).succeeded();
    let server = Server::start_in(folder, &[]);
    fetch(&server, &id).succeeded();
}
