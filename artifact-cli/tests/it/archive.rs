//! `artifact export` and `artifact import`, beside running servers.

use std::io::Write as _;
use std::process::Stdio;

use crate::harness::{Server, artifact, noise, run, run_with};
use crate::maintained::{blobs, deposit, fetch, flip, maintain, totals};

#[test]
fn an_experiment_moves_to_another_server_and_its_uris_work_there() {
    let from = Server::start(&[]);
    let contents = [noise(300_000), Vec::new(), b"three".to_vec()];
    let ids = contents.each_ref().map(|content| deposit(&from, content));
    let export = maintain(&from, &["export", "default", "--to", "a.tar", "--json"]).succeeded();
    assert_eq!(totals(&export)["artifacts"], 3);
    assert_eq!(totals(&export)["bytes"], 300_005);
    let archive = from.read("a.tar");
    let piped = maintain(&from, &["export", "default", "--to", "-"]).succeeded();
    assert!(
        piped.stdout == archive,
        "standard output has the same archive"
    );
    assert!(
        piped.stderr.contains("exported 3 artifacts"),
        "{}",
        piped.stderr
    );

    let to = Server::start(&[]);
    to.write("a.tar", &archive);
    let dry = maintain(&to, &["import", "a.tar", "--dry-run"]).succeeded();
    assert!(
        dry.stderr.contains("would import 3 artifacts into default"),
        "{}",
        dry.stderr
    );
    assert_eq!(fetch(&to, &ids[0]).code, Some(1));
    let import = ["import", "-", "--json", "--rate", "100MiB"];
    let import = run_with(artifact(to.folder.path()).args(import), &archive).succeeded();
    assert_eq!(totals(&import)["new"], 3);
    for (id, content) in ids.iter().zip(&contents) {
        assert!(fetch(&to, id).succeeded().stdout == *content, "{id}");
    }
    let again = maintain(&to, &["import", "a.tar", "--json"]).succeeded();
    assert_eq!(
        (&totals(&again)["new"], &totals(&again)["already_here"]),
        (&0.into(), &3.into())
    );

    let uri = format!("eden://artifacts/{}", ids[2]);
    run(&mut to.client(&["delete", &uri])).succeeded();
    let refused = maintain(&to, &["import", "a.tar"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused
            .stdout()
            .starts_with(&format!("refused {}: ", ids[2])),
        "{refused:?}"
    );
    assert!(
        refused.stdout().contains("was removed from this store"),
        "{refused:?}"
    );
    let skipped = maintain(&to, &["import", "a.tar", "--skip-removed"]).succeeded();
    assert_eq!(skipped.stdout(), format!("skipped {}\n", ids[2]));
}

#[test]
fn an_importer_that_was_killed_leaves_nothing_visible() {
    let from = Server::start(&[]);
    let ids = [1, 2, 3].map(|n| deposit(&from, &noise(100_000 * n)));
    maintain(&from, &["export", "default", "--to", "a.tar"]).succeeded();
    let archive = from.read("a.tar");
    let to = Server::start(&[]);
    // Up to the middle of the third artifact, after it, and before the last block.
    for (stored, length) in [
        (2, archive.len() - 150_000),
        (3, archive.len() - 2_000),
        (3, archive.len() - 512),
    ] {
        let mut command = artifact(to.folder.path());
        command.args(["import", "-"]).stdin(Stdio::piped());
        let mut importer = command.spawn().unwrap();
        importer
            .stdin
            .as_mut()
            .unwrap()
            .write_all(&archive[..length])
            .unwrap();
        to.wait_until("the blobs", || blobs(&to).len() >= stored);
        importer.kill().unwrap();
        importer.wait().unwrap();
        let listed = run(&mut to.client(&["ls"])).succeeded();
        assert_eq!(listed.stdout(), "", "after {length} bytes");
        assert_eq!(fetch(&to, &ids[0]).code, Some(1));
    }
    to.write("a.tar", &archive);
    maintain(&to, &["import", "a.tar"]).succeeded();
    for id in &ids {
        assert!(fetch(&to, id).succeeded().stdout == fetch(&from, id).succeeded().stdout);
    }
}

#[test]
fn a_damaged_artifact_is_named_and_no_archive_is_created() {
    let server = Server::start(&[]);
    deposit(&server, b"sound");
    let flipped = deposit(&server, &noise(200_000));
    flip(&server, &flipped);
    let export = maintain(&server, &["export", "default", "--to", "a.tar"]);
    assert_eq!(export.code, Some(1), "{export:?}");
    assert!(export.stderr.contains(&flipped), "{export:?}");
    assert!(
        export.stderr.contains("a.tar was not created"),
        "{export:?}"
    );
    assert!(!server.path("a.tar").exists());
    let piped = maintain(&server, &["export", "default", "--to", "-"]);
    assert_eq!(piped.code, Some(1), "{:?}", piped.stderr);
    let other = Server::start(&[]);
    let import = run_with(
        artifact(other.folder.path()).args(["import", "-"]),
        &piped.stdout,
    );
    assert_eq!(import.code, Some(1), "{import:?}");
    assert!(import.stderr.contains("cut off"), "{import:?}");
}

#[test]
fn what_cannot_begin_has_the_exit_code_2() {
    let server = Server::start(&[]);
    server.write("there.tar", b"mine");
    for (arguments, expected) in [
        (
            &["export", "default", "--to", "there.tar"][..],
            "already exists",
        ),
        (
            &["export", "other", "--to", "a.tar"],
            "there is no experiment other",
        ),
        (&["export", "a/b", "--to", "a.tar"], "an experiment id is"),
        (
            &["export", "default", "--to", "-", "--json"],
            "give --to FILE with --json",
        ),
        (&["import", "missing.tar"], "cannot read missing.tar"),
        (
            &["import", "there.tar", "--as", ".."],
            "an experiment id is",
        ),
    ] {
        let refused = maintain(&server, arguments);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(expected), "{refused:?}");
    }
    assert_eq!(server.read("there.tar"), b"mine");
    let foreign = maintain(&server, &["import", "there.tar"]);
    assert_eq!(foreign.code, Some(1), "{foreign:?}");
    assert!(
        foreign
            .stderr
            .contains("it is not an archive of artifact export"),
        "{foreign:?}"
    );
}
