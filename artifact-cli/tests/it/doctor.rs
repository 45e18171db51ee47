//! `artifact doctor`: what it finds, and that it changes nothing.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Done, Server, artifact, files_below, run};

/// The findings of a doctor, and its exit code.
struct Examined {
    code: Option<i32>,
    findings: Vec<Value>,
}

impl Examined {
    fn of(done: &Done) -> Self {
        let mut findings: Vec<Value> = done
            .stdout()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let totals = findings.pop().unwrap();
        assert_eq!(totals["findings"], findings.len(), "{totals}");
        let count = |status| {
            let is = |finding: &&Value| finding["status"] == status;
            findings.iter().filter(is).count()
        };
        assert_eq!(totals["warnings"], count("warning"), "{totals}");
        assert_eq!(totals["problems"], count("problem"), "{totals}");
        for finding in &findings {
            let is_good = finding["status"] == "ok";
            assert_eq!(finding["advice"].is_null(), is_good, "{finding}");
            assert!(
                !finding["meaning"].as_str().unwrap().is_empty(),
                "{finding}"
            );
        }
        Self {
            code: done.code,
            findings,
        }
    }

    /// Returns the status and the text of each finding of a check.
    fn each(&self, check: &str) -> Vec<(&str, &str)> {
        let of_check = self.findings.iter().filter(|found| found["check"] == check);
        of_check
            .map(|found| {
                let text = |name| found[name].as_str().unwrap();
                (text("status"), text("found"))
            })
            .collect()
    }

    #[track_caller]
    fn assert(&self, check: &str, status: &str, said: &str) {
        let found = self.each(check);
        let is_it = |(found, text): &(&str, &str)| *found == status && text.contains(said);
        assert!(found.iter().any(is_it), "{check}: {found:?}");
    }

    /// Returns the checks with a problem, apart from the file system, which is that of the machine.
    fn problems(&self) -> Vec<&str> {
        let of_store = |found: &&Value| {
            let on_machine = ["file-system", "space"].map(Value::from);
            found["status"] == "problem" && !on_machine.contains(&found["check"])
        };
        let names = self.findings.iter().filter(of_store);
        names
            .map(|found| found["check"].as_str().unwrap())
            .collect()
    }
}

fn doctor(folder: &Path, arguments: &[&str]) -> Examined {
    let done = run(artifact(folder).args(["doctor", "--json"]).args(arguments));
    Examined::of(&done)
}

#[test]
fn before_the_first_start_nothing_is_made() {
    let folder = TempDir::new().unwrap();
    let examined = doctor(folder.path(), &[]);
    examined.assert("settings", "ok", "");
    examined.assert("schema", "ok", "none yet");
    examined.assert("backend", "skipped", "");
    for check in [
        "open-files",
        "file-system",
        "space",
        "sync",
        "clock",
        "database",
    ] {
        assert_eq!(examined.each(check).len(), 1, "{check}");
    }
    assert_eq!(examined.problems(), [""; 0]);
    assert_eq!(files_below(folder.path()), [""; 0]);
    assert!(!folder.path().join("artifact-data").exists());
}

#[test]
fn beside_a_server_everything_is_looked_at_and_nothing_is_changed() {
    let server = Server::start(&[]);
    run(&mut server.client(&["put", "stderr"])).succeeded();
    let before = server.blobs();
    let examined = doctor(server.folder.path(), &[]);
    examined.assert("data-folder", "ok", "artifact-data");
    examined.assert("database", "ok", "rows.sqlite");
    examined.assert("schema", "ok", "version");
    examined.assert("backend", "ok", "no sync has failed");
    examined.assert("halves", "ok", "belong together");
    assert_eq!(examined.problems(), [""; 0]);
    assert_eq!(server.blobs(), before);
    run(&mut server.client(&["put", "stderr"])).succeeded();
}

#[cfg(all(feature = "pack", target_os = "linux"))]
#[test]
fn beside_a_server_the_doctor_skips_blobs_that_one_process_has_open() {
    let folder = tempfile::tempdir().unwrap();
    let backend = format!(
        "--backend=pack://{}",
        folder.path().join("packed").display()
    );
    let server = Server::start_in(folder, &[&backend]);
    run(&mut server.client(&["put", "stderr"])).succeeded();
    let examined = doctor(server.folder.path(), &[&backend]);
    examined.assert("backend", "skipped", "another process has them open");
    assert_eq!(examined.problems(), [""; 0]);
    let folder = server.stop("TERM");
    let examined = doctor(folder.path(), &[&backend]);
    examined.assert("backend", "ok", "");
    let emptied = folder.path().join("packed/segments/00000001");
    std::fs::File::options()
        .write(true)
        .truncate(true)
        .open(&emptied)
        .unwrap();
    doctor(folder.path(), &[&backend]);
    assert_eq!(emptied.metadata().unwrap().len(), 0);
}

#[cfg(all(feature = "pack", target_os = "linux"))]
#[test]
fn commands_on_a_root_that_a_server_has_open_say_why_they_do_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("packed");
    let backend = format!("--backend=pack://{}", root.display());
    let server = Server::start_in(folder, &[&backend]);
    run(&mut server.client(&["put", "stderr"])).succeeded();
    let commands: [&[&str]; 5] = [
        &["gc"],
        &["scrub"],
        &["verify"],
        &["backup", "--to", "backups"],
        &["export", "default", "--to", "all.tar"],
    ];
    for command in commands {
        let mut arguments = artifact(server.folder.path());
        let done = run(arguments.args(command).arg(&backend));
        assert_ne!(done.code, Some(0), "{command:?}");
        for said in ["only one process can use it", "stop it before"] {
            assert!(
                done.stderr.contains(said),
                "{command:?}: {said}: {}",
                done.stderr
            );
        }
    }
    run(&mut server.client(&["put", "stderr"])).succeeded();
    let folder = server.stop("TERM");
    for command in &commands[..4] {
        let mut arguments = artifact(folder.path());
        run(arguments.args(*command).arg(&backend)).succeeded();
    }
}

#[test]
fn problems_are_named_with_what_to_do_and_the_exit_code_is_1() {
    let server = Server::start(&[]);
    run(&mut server.client(&["put", "stderr"])).succeeded();
    let folder = server.stop("TERM");
    let path = folder.path();
    let mode = |name: &str, mode| {
        let name = path.join("artifact-data").join(name);
        std::fs::set_permissions(name, Permissions::from_mode(mode)).unwrap();
    };
    mode("admin-token", 0o644);
    mode("", 0o750);
    std::fs::File::create_new(path.join("artifact-data/blobs/failed-sync")).unwrap();
    let examined = doctor(path, &[]);
    examined.assert("settings", "problem", "chmod 600");
    examined.assert("data-folder", "warning", "artifact-data");
    examined.assert("failed-sync", "problem", "a sync has failed");
    examined.assert("backend", "problem", "a sync of this root failed earlier");
    assert_eq!(examined.problems(), ["settings", "failed-sync", "backend"]);
    assert_eq!(examined.code, Some(1));

    let done = run(artifact(path).arg("doctor"));
    assert_eq!(done.code, Some(1));
    for said in [
        "problem  settings: ",
        "         meaning: the server does not start\n",
        "         to do: ",
        "ok       schema: version",
    ] {
        assert!(done.stdout().contains(said), "{said}: {}", done.stdout());
    }
    assert!(done.stderr.contains(", problems: "), "{}", done.stderr);
}

#[test]
fn two_stores_that_do_not_belong_together_are_a_problem() {
    let other = Server::start(&[]);
    run(&mut other.client(&["put", "stderr"])).succeeded();
    let other = other.stop("TERM");
    let server = Server::start(&[]);
    run(&mut server.client(&["put", "stderr"])).succeeded();
    let database = other.path().join("artifact-data/rows.sqlite");
    let examined = doctor(
        server.folder.path(),
        &["--database", database.to_str().unwrap()],
    );
    examined.assert("halves", "problem", "another store");
    assert_eq!(examined.problems(), ["halves"]);
    assert_eq!(examined.code, Some(1));
}

#[test]
fn an_older_schema_is_a_warning_and_is_not_migrated() {
    let folder = Server::start(&[]).stop("TERM");
    let database = folder.path().join("artifact-data/rows.sqlite");
    let version = || {
        let rows = Connection::open(&database).unwrap();
        let version = rows.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
        version.unwrap()
    };
    let newest = version();
    let set = |version: i64| {
        let rows = Connection::open(&database).unwrap();
        rows.pragma_update(None, "user_version", version).unwrap();
    };
    set(newest - 1);
    let examined = doctor(folder.path(), &[]);
    let said = format!("version {}, and this program needs {newest}", newest - 1);
    examined.assert("schema", "warning", &said);
    examined.assert("backend", "skipped", "");
    assert_eq!(examined.problems(), [""; 0]);
    assert_eq!(version(), newest - 1);

    set(newest + 1);
    let examined = doctor(folder.path(), &[]);
    examined.assert("database", "problem", "use the newer program");
    assert_eq!(examined.problems(), ["database"]);
}

#[cfg(feature = "postgres")]
#[test]
fn a_postgres_server_is_described_and_its_new_database_stays_empty() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let database = postgres.database();
    let folder = TempDir::new().unwrap();
    let examined = doctor(folder.path(), &["--database", &database.url()]);
    examined.assert("database", "ok", "PostgreSQL ");
    examined.assert("schema", "ok", "none yet");
    examined.assert("clock", "ok", "seconds");
    assert_eq!(examined.problems(), [""; 0]);
    assert_eq!(
        database.sql("SELECT to_regnamespace('artifact') IS NULL"),
        "t"
    );

    let away = ["--database", "postgres://u@127.0.0.1:1/db"];
    let examined = doctor(folder.path(), &away);
    examined.assert("database", "problem", "cannot be reached");
    assert_eq!(examined.problems(), ["database"]);
    assert_eq!(examined.code, Some(1));
}

#[test]
fn blobs_without_their_database_are_a_problem_as_for_a_server() {
    let server = Server::start(&[]);
    run(&mut server.client(&["put", "stderr"])).succeeded();
    let folder = server.stop("TERM");
    let rows = folder.path().join("artifact-data/rows.sqlite");
    let emptied = std::fs::OpenOptions::new().write(true).open(&rows);
    emptied.unwrap().set_len(0).unwrap();
    for is_there in [true, false] {
        if !is_there {
            #[expect(clippy::disallowed_methods, reason = "a test removes its own file")]
            std::fs::remove_file(&rows).unwrap();
        }
        let examined = doctor(folder.path(), &[]);
        examined.assert("schema", "ok", "none yet");
        examined.assert("halves", "problem", "is missing or has no rows");
        assert_eq!(examined.problems(), ["halves"]);
        assert_eq!(examined.code, Some(1));
        assert_eq!(rows.exists(), is_there);
        let mut serve = artifact(folder.path());
        let done = run(serve.args(["serve", "--listen", "127.0.0.1:0"]));
        assert_eq!(done.code, Some(2), "{done:?}");
        let found = examined.each("halves")[0].1;
        assert!(done.stderr.contains(found), "{found}: {done:?}");
    }
    let adopted = doctor(folder.path(), &["--adopt"]);
    assert_eq!(adopted.problems(), [""; 0]);
}
