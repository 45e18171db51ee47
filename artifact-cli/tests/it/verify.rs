//! `artifact verify`: the halves of a store, and its files.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Done, Server, artifact, files_below, run};
use crate::maintained::{blobs_below, deposit, fetch, file, maintain, totals};
use crate::migrate::{QUIET, move_some};

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Returns the kind and the end of the path of each finding, in order. Paths elsewhere are whole.
fn findings(done: &Done) -> Vec<(String, String)> {
    let lines = done.stdout().lines();
    let values = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found = values.filter_map(|value| {
        let kind = value["found"].as_str()?.to_owned();
        let path = value["path"].as_str().unwrap_or_default();
        let name = path.rsplit("artifact-data").next()?.to_owned();
        Some((kind, name))
    });
    let mut found: Vec<_> = found.collect();
    found.sort();
    found
}

#[test]
fn a_store_is_good_beside_its_server() {
    let server = Server::start(&[]);
    deposit(&server, b"an artifact");
    let done = maintain(&server, &["verify", "--json"]).succeeded();
    let totals = totals(&done);
    assert_eq!(done.stdout().lines().count(), 1, "{done:?}");
    assert_eq!(
        (&totals["findings"], &totals["halves_belong_together"]),
        (&0.into(), &true.into())
    );
    // At least the data folder with two files, the database, the marker, the store id, the folders and the blob.
    assert!(totals["checked"].as_u64().unwrap() > 3 + 1 + 2 + 18);
}

#[test]
fn the_modes_of_a_foreign_restore_are_named_and_repaired() {
    let server = Server::start(&[]);
    let id = deposit(&server, b"an artifact");
    let blob = file(&server, &id);
    let folder = server.stop("TERM");
    let data = folder.path().join("artifact-data");
    for name in files_below(&data) {
        set_mode(&data.join(name), 0o644);
    }
    set_mode(&data, 0o777);
    let blobs = data.join("blobs");
    set_mode(&blobs, 0o777);
    let run_verify = |options: &[&str]| run(artifact(folder.path()).arg("verify").args(options));

    let done = run_verify(&["--json"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let found = findings(&done);
    assert!(found.iter().all(|(kind, _)| kind == "mode"), "{found:?}");
    let names: Vec<_> = found.iter().map(|(_, name)| name.as_str()).collect();
    for expected in [
        "",
        "/admin-token",
        "/lock",
        "/rows.sqlite",
        "/blobs",
        "/blobs/artifact-format",
        "/blobs/artifact-store-id",
    ] {
        assert!(names.contains(&expected), "{expected}: {names:?}");
    }
    assert_eq!(mode(&blob), 0o644, "nothing was changed");
    // A folder that others can write to is not opened, so the halves are not compared.
    assert_eq!(totals(&done)["halves_belong_together"], Value::Null);
    let text = run_verify(&[]);
    let line = format!(
        "mode {}: it has the mode 0644 instead of 0400\n",
        blob.display()
    );
    let is_there = text
        .stdout()
        .contains(line.split("artifact-data").nth(1).unwrap());
    assert!(is_there, "{text:?}");

    let done = run_verify(&["--repair", "--json"]).succeeded();
    assert_eq!(findings(&done), found);
    let totals = totals(&done);
    assert_eq!(totals["repaired"], found.len());
    assert_eq!(totals["halves_belong_together"], true);
    let modes = [&data, &blobs, &data.join("rows.sqlite"), &blob].map(|path| mode(path));
    assert_eq!(modes, [0o700, 0o700, 0o600, 0o400]);
    let again = run_verify(&[]).succeeded();
    assert_eq!(again.stdout(), "");
    let server = Server::start_in(folder, &[]);
    assert_eq!(fetch(&server, &id).succeeded().stdout, b"an artifact");
}

#[test]
fn a_symlink_and_a_foreign_file_are_named_and_not_repaired() {
    let server = Server::start(&[]);
    let id = deposit(&server, b"an artifact");
    let blob = file(&server, &id);
    server.write("moved", b"an artifact");
    std::fs::remove_dir(server.path("artifact-data/blobs/staging")).unwrap();
    symlink("../../moved", server.path("artifact-data/blobs/staging")).unwrap();
    server.write("artifact-data/blobs/notes", b"");
    let done = maintain(&server, &["verify", "--repair", "--json"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let expected = [
        ("symlink", "/blobs/staging"),
        ("unexpected", "/blobs/notes"),
    ];
    let expected = expected.map(|(kind, path)| (kind.to_owned(), path.to_owned()));
    assert_eq!(findings(&done), expected);
    assert!(blob.exists() && server.path("artifact-data/blobs/notes").exists());
}

#[test]
fn a_wrong_mode_in_either_folder_is_named_and_repaired_while_blobs_are_moved() {
    let server = Server::start(QUIET);
    let ids: Vec<_> = (0..8)
        .map(|n| deposit(&server, format!("artifact {n}").as_bytes()))
        .collect();
    move_some(&server);
    let (old, new) = (server.path("artifact-data/blobs"), server.path("moved"));
    let wrong = [&old, &new].map(|folder| blobs_below(folder).swap_remove(0).0);
    for name in &wrong {
        set_mode(name, 0o644);
    }
    for backend in ["artifact-data/blobs", "moved"] {
        let done = maintain(&server, &["verify", "--json", "--backend", backend]);
        assert_eq!(done.code, Some(1), "{done:?}");
        assert_eq!(totals(&done)["findings"], 2, "{done:?}");
        assert_eq!(totals(&done)["halves_belong_together"], true);
        for name in &wrong {
            assert!(done.stdout().contains(name.to_str().unwrap()), "{done:?}");
        }
    }
    let done = maintain(&server, &["verify", "--json", "--repair"]).succeeded();
    assert_eq!(totals(&done)["repaired"], 2, "{done:?}");
    assert_eq!([mode(&wrong[0]), mode(&wrong[1])], [0o400, 0o400]);
    for (n, id) in ids.iter().enumerate() {
        let fetched = fetch(&server, id).succeeded();
        assert_eq!(fetched.stdout(), format!("artifact {n}"));
    }
}

#[test]
fn after_a_migration_verify_says_which_backend_to_set() {
    let server = Server::start(QUIET);
    deposit(&server, b"an artifact");
    maintain(&server, &["migrate", "--to", "moved"]).succeeded();
    for emptied in [false, true] {
        if emptied {
            let delete = ["migrate", "--to", "moved", "--delete-source"];
            maintain(&server, &delete).succeeded();
        }
        let done = maintain(&server, &["verify"]);
        assert_eq!((done.code, done.stdout()), (Some(2), ""), "{done:?}");
        let text = "the blobs of this store were moved from file:";
        assert!(done.stderr.contains(text), "{done:?}");
        let set = format!(
            "set the backend to file://{}",
            server.path("moved").display()
        );
        assert!(done.stderr.contains(&set), "{done:?}");
        let done = maintain(&server, &["verify", "--json", "--backend", "moved"]).succeeded();
        assert_eq!(totals(&done)["findings"], 0);
        assert_eq!(totals(&done)["halves_belong_together"], true);
    }
}

#[test]
fn the_mount_point_of_a_lost_disk_stays_empty() {
    let server = Server::start(QUIET);
    deposit(&server, b"an artifact");
    let folder = server.stop("TERM");
    let blobs = folder.path().join("artifact-data/blobs");
    rustix::fs::rename(&blobs, folder.path().join("the-disk")).unwrap();
    std::fs::create_dir(&blobs).unwrap();
    set_mode(&blobs, 0o755);
    for options in [&["--json"][..], &["--json", "--repair"]] {
        let done = run(artifact(folder.path()).arg("verify").args(options));
        assert_eq!(done.code, Some(1), "{done:?}");
        let expected = [
            ("missing", "/blobs/artifact-format"),
            ("missing", "/blobs/blobs"),
            ("mode", "/blobs"),
        ];
        let expected = expected.map(|(kind, path)| (kind.to_owned(), path.to_owned()));
        assert_eq!(findings(&done), expected);
        assert_eq!(totals(&done)["halves_belong_together"], Value::Null);
        assert!(done.stderr.contains("is a disk not mounted?"), "{done:?}");
    }
    for command in ["gc", "scrub"] {
        let done = run(artifact(folder.path()).arg(command));
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.stderr.contains("is a disk not mounted?"), "{done:?}");
    }
    assert_eq!(files_below(&blobs), [""; 0]);
    assert_eq!(std::fs::read_dir(&blobs).unwrap().count(), 0);
    assert_eq!(mode(&blobs), 0o755, "it may be any folder");
}

#[test]
fn a_repair_with_wrong_settings_changes_no_foreign_file() {
    let server = Server::start(QUIET);
    deposit(&server, b"an artifact");
    let folder = server.stop("TERM");
    let foreign = TempDir::new().unwrap();
    let notes = foreign.path().join("notes");
    let mut file = std::fs::File::create_new(&notes).unwrap();
    writeln!(file, "notes of another program").unwrap();
    set_mode(&notes, 0o644);
    set_mode(foreign.path(), 0o755);
    let path = foreign.path().to_str().unwrap();
    let rows = folder.path().join("artifact-data/rows.sqlite");
    let rows = rows.to_str().unwrap();
    let notes_path = notes.to_str().unwrap();
    for settings in [
        &["--backend", path][..],
        &[
            "--data-dir",
            path,
            "--database",
            rows,
            "--backend",
            "artifact-data/blobs",
        ],
        &["--database", notes_path],
    ] {
        let mut command = artifact(folder.path());
        let done = run(command.args(["verify", "--repair"]).args(settings));
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.stdout().contains("mode "), "{done:?}");
        assert!(!done.stdout().contains("; repaired"), "{done:?}");
        assert_eq!((mode(foreign.path()), mode(&notes)), (0o755, 0o644));
        assert_eq!(files_below(foreign.path()), ["notes"]);
    }
}

#[test]
fn halves_of_two_stores_are_a_finding() {
    let (one, two) = (Server::start(&[]), Server::start(&[]));
    let blobs = two.path("artifact-data/blobs");
    let blobs = blobs.to_str().unwrap();
    for options in [&["--backend", blobs][..], &["--backend", blobs, "--json"]] {
        let mut command = artifact(one.folder.path());
        let done = run(command.arg("verify").args(options));
        assert_eq!(done.code, Some(1), "{done:?}");
        let text = done.stdout();
        assert!(text.contains("another store"), "{done:?}");
        assert!(
            text.starts_with("halves: ") || text.contains("\"found\":\"halves\""),
            "{done:?}"
        );
    }
}

#[test]
fn what_cannot_be_verified_is_refused() {
    let empty = TempDir::new().unwrap();
    let done = run(artifact(empty.path()).arg("verify"));
    assert_eq!((done.code, done.stdout()), (Some(2), ""), "{done:?}");
    assert!(done.stderr.contains("does not exist"), "{done:?}");
    let done = run(artifact(empty.path()).args(["verify", "--backend", "mem:"]));
    assert_eq!(done.code, Some(2), "{done:?}");
    assert_eq!(files_below(empty.path()), [""; 0]);
}

#[cfg(all(feature = "pack", target_os = "linux"))]
#[test]
fn the_segments_of_a_stopped_server_are_checked() {
    let folder = TempDir::new().unwrap();
    let packed = folder.path().join("packed");
    let backend = format!("--backend=pack://{}", packed.display());
    let verify = |folder: &Path, options: &[&str]| {
        let mut command = artifact(folder);
        run(command.args(["verify", &backend]).args(options))
    };
    let server = Server::start_in(folder, &[&backend, "--gc-interval", "0"]);
    for number in 0..3 {
        let mut bytes = b"a packed artifact ".to_vec();
        bytes.push(b'0' + number);
        deposit(&server, &bytes);
    }
    // Whatever opens the store says what to do.
    for command in ["verify", "gc", "scrub"] {
        let done = run(artifact(server.folder.path()).args([command, &backend]));
        assert_eq!((done.code, done.stdout()), (Some(2), ""), "{done:?}");
        let said = "cannot be used while a server runs, because only one process can open a root of pack:; stop the server";
        assert!(done.stderr.contains(said), "{done:?}");
    }
    let folder = server.stop("TERM");
    let done = verify(folder.path(), &["--json"]).succeeded();
    assert_eq!(done.stdout().lines().count(), 1, "{done:?}");
    assert_eq!(totals(&done)["halves_belong_together"], true);

    let segment = packed.join("segments/00000001");
    set_mode(&segment, 0o644);
    set_mode(&packed.join("segments"), 0o755);
    let done = verify(folder.path(), &["--json"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert_eq!(done.stdout().matches("\"mode\"").count(), 2, "{done:?}");
    let done = verify(folder.path(), &["--json", "--repair"]).succeeded();
    assert_eq!(totals(&done)["repaired"], 2);
    assert_eq!(
        (mode(&segment), mode(&packed.join("segments"))),
        (0o600, 0o700)
    );

    let bytes = read(&segment);
    let wanted = b"a packed artifact 0";
    let at = bytes.windows(wanted.len()).position(|part| part == wanted);
    let file = std::fs::OpenOptions::new().write(true).open(&segment);
    let at = at.unwrap() as u64;
    std::os::unix::fs::FileExt::write_all_at(&file.unwrap(), b"A", at).unwrap();
    let notes = packed.join("segments/notes");
    std::fs::File::create_new(notes).unwrap();
    set_mode(&packed.join("large/blobs"), 0o755);
    let done = verify(folder.path(), &[]);
    assert_eq!(done.code, Some(1), "{done:?}");
    for said in [
        format!(
            "blobs {}: the frame at the offset 4096 has damaged blobs",
            segment.display()
        ),
        format!("unexpected {}: ", packed.join("segments/notes").display()),
        format!(
            "mode {}: it has the mode 0755",
            packed.join("large/blobs").display()
        ),
    ] {
        assert!(done.stdout().contains(&said), "{said}: {done:?}");
    }
}

#[cfg(all(feature = "pack", target_os = "linux"))]
#[expect(clippy::disallowed_methods, reason = "a test looks at its own files")]
fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}
