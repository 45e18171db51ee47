//! Servers whose database and blobs do not belong together: refused with one sentence, unless `--adopt`
//! joins them.

#![expect(clippy::disallowed_methods, reason = "a test changes its own files")]

use std::fs::{create_dir, remove_dir_all, remove_file, rename};
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::harness::{Done, Server, artifact, files_below, run, run_refused, run_with};

/// A stopped server with one artifact.
struct Store {
    folder: TempDir,
    uri: String,
}

impl Store {
    fn new() -> Self {
        let server = Server::start(&[]);
        let uri = put(&server, "kept");
        let folder = server.stop("TERM");
        Self { folder, uri }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("artifact-data").join(name)
    }

    fn database(&self) -> Connection {
        Connection::open(self.path("rows.sqlite")).unwrap()
    }

    /// Returns the id in the folder of blobs.
    fn id(&self) -> String {
        let text = read(&self.path("blobs/artifact-store-id"));
        String::from_utf8(text).unwrap().trim_end().to_owned()
    }

    /// Removes what version 0.1 did not write.
    fn forget_ids(&self) {
        let tables = "DELETE FROM store_id; DELETE FROM proposed_store_ids;";
        self.database().execute_batch(tables).unwrap();
        remove_file(self.path("blobs/artifact-store-id")).unwrap();
    }

    /// Removes the database, as `rm rows.sqlite*` does.
    fn lose_database(&self) {
        for name in ["rows.sqlite", "rows.sqlite-wal", "rows.sqlite-shm"] {
            let _ = remove_file(self.path(name));
        }
    }

    /// Leaves an empty folder where the blobs were, like the mount point of a disk that is not mounted.
    fn unmount(&self) {
        rename(self.path("blobs"), self.path("elsewhere")).unwrap();
        create_dir(self.path("blobs")).unwrap();
    }

    fn serve(&self) -> Command {
        let mut command = artifact(self.folder.path());
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command
    }

    /// Asserts that the start is refused with this sentence, again and again, and that it changes nothing.
    #[track_caller]
    fn assert_refused(&self, arguments: &[&str], sentence: &str) {
        let before = files_below(self.folder.path());
        for _ in 0..2 {
            let done = run_refused(self.serve().args(arguments));
            assert_eq!(done.stdout(), "");
            assert_eq!(last_line(&done), format!("error: {sentence}"));
            assert_eq!(done.code, Some(2));
            let ours = |name: &String| !name.ends_with("-wal") && !name.ends_with("-shm");
            let files = files_below(self.folder.path());
            assert!(
                files
                    .iter()
                    .filter(|name| ours(name))
                    .eq(before.iter().filter(|name| ours(name)))
            );
        }
    }

    fn shown(&self, name: &str) -> String {
        let path = self.folder.path().canonicalize().unwrap();
        path.join("./artifact-data")
            .join(name)
            .components()
            .collect::<PathBuf>()
            .display()
            .to_string()
    }
}

fn last_line(done: &Done) -> &str {
    done.stderr.lines().last().unwrap_or_default()
}

fn put(server: &Server, text: &str) -> String {
    let put = run_with(&mut server.client(&["put", "-"]), text.as_bytes()).succeeded();
    put.stdout().trim_end().to_owned()
}

fn get(server: &Server, uri: &str) -> Option<String> {
    let get = run(&mut server.client(&["get", "--retries", "0", uri]));
    (get.code == Some(0)).then(|| get.stdout().to_owned())
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn both_halves_of_a_new_store_keep_the_same_id() {
    let store = Store::new();
    let id: [u8; 16] = store
        .database()
        .query_row("SELECT id FROM store_id", [], |row| row.get(0))
        .unwrap();
    let digits = format!("{:032x}", u128::from_be_bytes(id));
    assert_eq!(store.id(), format!("store-{digits}"));
    let server = Server::start_in(store.folder, &[]);
    assert_eq!(get(&server, &store.uri).as_deref(), Some("kept"));
}

#[test]
fn an_empty_folder_of_blobs_is_refused_and_not_changed() {
    let store = Store::new();
    let id = store.id();
    store.unmount();
    let sentence = format!(
        "the folder of the blobs {} holds no blobs, but the database {} belongs to {id}, whose blobs are \
         elsewhere: is a disk not mounted? Mount or restore the blobs, or give --adopt once to go on \
         without them",
        store.shown("blobs"),
        store.shown("rows.sqlite"),
    );
    store.assert_refused(&[], &sentence);
    assert_eq!(files_below(&store.path("blobs")), [""; 0]);
    // The same for a folder that is gone, and for a mount point that an older version has written to.
    std::fs::remove_dir(store.path("blobs")).unwrap();
    store.assert_refused(&[], &sentence);
    assert!(!store.path("blobs").exists());
    let other = Server::start(&["--data-dir", "other"]).stop("TERM");
    rename(other.path().join("other/blobs"), store.path("blobs")).unwrap();
    remove_file(store.path("blobs/artifact-store-id")).unwrap();
    store.assert_refused(&[], &sentence);

    remove_dir_all(store.path("blobs")).unwrap();
    rename(store.path("elsewhere"), store.path("blobs")).unwrap();
    let server = Server::start_in(store.folder, &[]);
    assert_eq!(get(&server, &store.uri).as_deref(), Some("kept"));
}

#[test]
fn a_missing_database_is_refused_and_not_created() {
    let store = Store::new();
    let id = store.id();
    store.lose_database();
    let sentence = format!(
        "the database {} is missing or has no rows, but the folder of the blobs {} belongs to {id}, whose \
         rows are elsewhere; restore the database, or give --adopt once to go on without its rows",
        store.shown("rows.sqlite"),
        store.shown("blobs"),
    );
    store.assert_refused(&[], &sentence);
    assert!(!store.path("rows.sqlite").exists());

    // The same for an empty file, which is what a copy without the log is.
    drop(std::fs::File::create_new(store.path("rows.sqlite")).unwrap());
    store.assert_refused(&[], &sentence);
}

#[test]
fn the_blobs_of_another_store_are_refused() {
    let (one, two) = (Store::new(), Store::new());
    let blobs = two.path("blobs").canonicalize().unwrap();
    let blobs = blobs.to_str().unwrap();
    let sentence = format!(
        "the database {} belongs to {}, but the folder of the blobs {blobs} belongs to {}, another store; \
         check --backend and database, or give --adopt once to use this database for these blobs from \
         now on",
        one.shown("rows.sqlite"),
        one.id(),
        two.id(),
    );
    one.assert_refused(&["--backend", blobs], &sentence);
    // The halves still belong to their own stores.
    for store in [one, two] {
        let server = Server::start_in(store.folder, &[]);
        assert_eq!(get(&server, &store.uri).as_deref(), Some("kept"));
    }
}

#[test]
fn two_servers_with_two_databases_on_one_folder_are_refused() {
    let first = Server::start(&[]);
    let blobs = first.path("artifact-data/blobs");
    let blobs = blobs.to_str().unwrap();
    let second = TempDir::new().unwrap();
    for database in [&[][..], &["--database", "mem:"]] {
        // Also before the first deposit.
        let mut command = artifact(second.path());
        command.args(["serve", "--listen", "127.0.0.1:0", "--backend", blobs]);
        let done = run_refused(command.args(database));
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.stderr.contains("whose rows are elsewhere"), "{done:?}");
        assert_eq!(files_below(second.path()), [""; 0]);
    }
    let uri = put(&first, "served");
    assert_eq!(get(&first, &uri).as_deref(), Some("served"));
}

#[test]
fn two_servers_that_start_at_once_on_one_store_both_start() {
    for _ in 0..3 {
        let shared = TempDir::new().unwrap();
        let [rows, blobs] = ["rows.sqlite", "blobs"].map(|name| shared.path().join(name));
        let options = [
            "--database",
            rows.to_str().unwrap(),
            "--backend",
            blobs.to_str().unwrap(),
        ];
        let servers = std::thread::scope(|scope| {
            let start = || scope.spawn(|| Server::start(&options));
            [start(), start(), start()].map(|started| started.join().unwrap())
        });
        Server::share_token(&servers);
        let uri = put(&servers[0], "of the first");
        for server in &servers {
            assert_eq!(get(server, &uri).as_deref(), Some("of the first"));
        }
    }
}

#[test]
fn a_start_that_crashed_between_the_two_halves_is_completed() {
    // Proposed in the database, and not yet in the folder.
    let store = Store::new();
    store
        .database()
        .execute_batch("DELETE FROM store_id")
        .unwrap();
    remove_file(store.path("blobs/artifact-store-id")).unwrap();
    let server = Server::start_in(store.folder, &[]);
    assert_eq!(get(&server, &store.uri).as_deref(), Some("kept"));

    // In the folder, and not yet confirmed.
    let store = Store::new();
    let id = store.id();
    store
        .database()
        .execute_batch("DELETE FROM store_id")
        .unwrap();
    let server = Server::start_in(store.folder, &[]);
    assert_eq!(get(&server, &store.uri).as_deref(), Some("kept"));
    let kept = server.read("artifact-data/blobs/artifact-store-id");
    assert_eq!(kept, format!("{id}\n").as_bytes());

    // The same for a store without artifacts.
    for is_in_folder in [false, true] {
        let server = Server::start(&[]);
        let folder = server.stop("TERM");
        let rows = folder.path().join("artifact-data/rows.sqlite");
        let database = Connection::open(rows).unwrap();
        database.execute_batch("DELETE FROM store_id").unwrap();
        drop(database);
        if !is_in_folder {
            remove_dir_all(folder.path().join("artifact-data/blobs")).unwrap();
        }
        put(&Server::start_in(folder, &[]), "first");
    }
}

#[test]
fn a_store_of_version_0_1_starts_without_adopt() {
    let store = Store::new();
    store.forget_ids();
    // Without what later versions of the schema have added.
    let older = "\
        CREATE TABLE older (id BLOB NOT NULL PRIMARY KEY, experiment TEXT NOT NULL, created_by TEXT NOT NULL, \
            size INTEGER NOT NULL, content_type TEXT NOT NULL, file_name TEXT, sha256 BLOB NOT NULL, \
            created_at INTEGER NOT NULL) STRICT, WITHOUT ROWID; \
        INSERT INTO older SELECT * FROM artifacts; \
        DROP VIEW artifacts; DROP TABLE artifact_rows; \
        DROP TABLE collection_files; DROP TABLE collections; \
        DROP TABLE holds; DROP TABLE retention; DROP TABLE leases; DROP TABLE scrubs; DROP TABLE staged_rows; DROP TABLE imports; \
         DROP TABLE placement; DROP TABLE former_backends; \
         DROP TABLE chunk_digests; DROP TABLE idempotency_keys; DROP TABLE upload_parts; DROP TABLE uploads; \
         DROP TRIGGER workers_lose_links; DROP TABLE access_grants; DROP TABLE access_links; \
         DROP TABLE quotas; DROP TABLE quota_usage; DROP TABLE quota_reservations; DROP TABLE note_position; DROP TABLE receipt_log; DROP TABLE receipt_nodes; DROP TABLE receipt_queue; \
         DROP TABLE administrators; DROP TABLE admin_token; DROP TABLE replaced_admin_tokens; ALTER TABLE workers DROP COLUMN credential_expires_at; \
        ALTER TABLE older RENAME TO artifacts; \
        DROP TABLE store_id; DROP TABLE proposed_store_ids; DROP TABLE rights; \
        DROP TRIGGER workers_replaced; DROP TRIGGER workers_updated; DROP TRIGGER workers_deleted; \
        DROP TRIGGER groups_inserted; DROP TRIGGER groups_updated; DROP TRIGGER groups_deleted; \
        DROP TRIGGER members_inserted; DROP TRIGGER members_updated; DROP TRIGGER members_deleted; \
        DROP INDEX workers_by_name; DROP INDEX groups_by_name; DROP INDEX members_in_order; \
        PRAGMA user_version = 2;";
    store.database().execute_batch(older).unwrap();
    let server = Server::start_in(store.folder, &[]);
    assert_eq!(get(&server, &store.uri).as_deref(), Some("kept"));
    assert!(
        server.stderr().contains("have a store id now"),
        "{}",
        server.stderr()
    );
    let store = Store {
        folder: server.stop("TERM"),
        uri: store.uri,
    };
    store.lose_database();
    let done = run_refused(&mut store.serve());
    assert_eq!(done.code, Some(2), "{done:?}");
}

#[test]
fn a_store_of_version_0_1_that_lost_a_half_is_refused() {
    let store = Store::new();
    store.forget_ids();
    store.unmount();
    let sentence = format!(
        "1 of 1 artifacts that were looked up in the database {} have no blob in the folder of the blobs \
         {}: is a disk not mounted? Mount or restore the blobs, or give --adopt once to go on without \
         them",
        store.shown("rows.sqlite"),
        store.shown("blobs"),
    );
    store.assert_refused(&[], &sentence);
    assert_eq!(files_below(&store.path("blobs")), [""; 0]);

    let store = Store::new();
    store.forget_ids();
    store.lose_database();
    let sentence = format!(
        "the folder of the blobs {} holds blobs, but the database {} is missing or has no rows; restore \
         the database, or give --adopt once to go on without its rows",
        store.shown("blobs"),
        store.shown("rows.sqlite"),
    );
    store.assert_refused(&[], &sentence);
    assert!(!store.path("rows.sqlite").exists());
}

#[test]
fn adopt_joins_two_halves_for_all_later_starts() {
    type Loss = fn(&Store);
    let losses: [Loss; 4] = [
        Store::unmount,
        Store::lose_database,
        |store| {
            store.forget_ids();
            store.unmount();
        },
        |store| remove_file(store.path("blobs/artifact-store-id")).unwrap(),
    ];
    for (number, lose) in losses.into_iter().enumerate() {
        let store = Store::new();
        lose(&store);
        let refused = run_refused(&mut store.serve());
        assert_eq!(refused.code, Some(2), "{number}: {refused:?}");
        let server = Server::start_in(store.folder, &["--adopt"]);
        let uri = put(&server, "new");
        let server = Server::start_in(server.stop("TERM"), &[]);
        assert_eq!(get(&server, &uri).as_deref(), Some("new"));
        let is_kept = get(&server, &store.uri).is_some();
        // Only the last store lost nothing but the id.
        assert_eq!(is_kept, number == 3);
    }
}

#[test]
fn adopt_moves_a_database_to_other_blobs() {
    let (one, two) = (Store::new(), Store::new());
    let blobs = two.path("blobs").canonicalize().unwrap();
    let options = ["--backend", blobs.to_str().unwrap()];
    let id = two.id();
    let adopting = [&options[..], &["--adopt"]].concat();
    let server = Server::start_in(one.folder, &adopting);
    let uri = put(&server, "moved");
    let server = Server::start_in(server.stop("TERM"), &options);
    assert_eq!(get(&server, &uri).as_deref(), Some("moved"));
    assert_eq!(two.id(), id);
    // Its former blobs are those of another store now.
    let one = Store {
        folder: server.stop("TERM"),
        uri: one.uri,
    };
    let done = run_refused(&mut one.serve());
    assert_eq!(done.code, Some(2), "{done:?}");
}

#[test]
fn a_half_in_memory_is_refused_beside_a_half_that_belongs_to_a_store() {
    let store = Store::new();
    for (arguments, sentence) in [
        (
            ["--backend", "mem:"],
            "the backend in memory holds no blobs, but the database ",
        ),
        (
            ["--database", "mem:"],
            "the database in memory is missing or has no rows, but the folder ",
        ),
    ] {
        let data = ["--database", "artifact-data/rows.sqlite"];
        let mut command = store.serve();
        command.args(arguments);
        if arguments[0] == "--backend" {
            command.args(data);
        }
        let done = run_refused(&mut command);
        assert_eq!(done.code, Some(2), "{done:?}");
        let line = last_line(&done);
        assert!(line.starts_with(&format!("error: {sentence}")), "{line}");
    }
}

#[test]
fn a_half_in_memory_needs_no_id() {
    let warning = "the blobs will outlive their rows";
    let mut folder = TempDir::new().unwrap();
    for _ in 0..2 {
        let server = Server::start_in(folder, &["--database", "mem:"]);
        put(&server, "orphan later");
        assert!(server.stderr().contains(warning), "{}", server.stderr());
        assert!(
            !server
                .path("artifact-data/blobs/artifact-store-id")
                .exists()
        );
        folder = server.stop("TERM");
    }
    let warning = "the rows will outlive their blobs";
    let mut folder = TempDir::new().unwrap();
    for _ in 0..2 {
        let server = Server::start_in(folder, &["--backend", "mem:", "--database", "rows.sqlite"]);
        put(&server, "lost later");
        assert!(server.stderr().contains(warning), "{}", server.stderr());
        folder = server.stop("TERM");
    }
}

#[test]
fn a_damaged_store_id_is_refused() {
    let store = Store::new();
    let file = store.path("blobs/artifact-store-id");
    remove_file(&file).unwrap();
    std::io::Write::write_all(&mut std::fs::File::create_new(&file).unwrap(), b"store-0\n")
        .unwrap();
    for arguments in [&[][..], &["--adopt"]] {
        let done = run_refused(store.serve().args(arguments));
        assert_eq!(done.code, Some(2), "{done:?}");
        let line = last_line(&done);
        assert!(
            line.contains("artifact-store-id in the root does not contain a store id"),
            "{line}"
        );
        assert!(line.contains("restore the file from a backup"), "{line}");
    }
}
