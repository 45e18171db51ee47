//! An importer that is killed at each step that changes something: nothing of its archive is visible then, or all of it.
//!
//! A step is a system call on a file of the store that writes, syncs, or changes a name. Of the steps of one kind, some are
//! tried: the first, the last, and others between them.

use std::collections::BTreeMap;
use std::path::Path;

use artifact_crash_test::syscalls::{self, Call, Fault};
use artifact_crash_test::{RunOutcome, Subject};
use artifact_store::{
    ArtifactId, ArtifactStore, Backend, Database, Experiment, ExperimentId, ExportOptions,
    Exporter, Hold, NewArtifact, Principal, Row, RowFilter, RowPosition, StoreConfig, StoreHalves,
    Timestamp,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{BINARY, Done, artifact, noise, run};
use crate::maintained::{age_file, blobs_below, totals};
use crate::traced::{is_untraceable, kind_of};

/// The sizes of the artifacts in the archive. A large one is stored while it is read, and its chunks have digests.
const SIZES: [usize; 5] = [0, 700, 200_000, 5, 65_536];
/// How many steps of one kind an importer is killed at.
const OF_ONE_KIND: u32 = 4;
/// The folder of the blobs, and the database.
const HALVES: [&str; 2] = ["blobs", "rows.sqlite"];

fn moved() -> ExperimentId {
    "moved".parse().unwrap()
}

/// A store that no process has open. Its folder has both halves.
struct Closed(TempDir);

/// An open store.
struct Open {
    database: Database,
    backend: Backend,
}

impl Open {
    async fn at(folder: &Path) -> Self {
        let [blobs, rows] = HALVES.map(|half| folder.join(half).to_str().unwrap().to_owned());
        Self {
            database: Database::from_url(&rows).await.unwrap(),
            backend: Backend::from_url(&blobs).await.unwrap(),
        }
    }

    async fn close(self) {
        self.database.close().await.unwrap();
        self.backend.close().await;
    }

    async fn deposit(&self, experiment: &ExperimentId, bytes: Vec<u8>) -> ArtifactId {
        let new = Experiment::new(experiment.clone(), Timestamp::now());
        let catalog = self.database.catalog.clone();
        catalog.create_experiment(&new).await.unwrap();
        let store = ArtifactStore::new(self.backend.backend(), catalog, StoreConfig::default());
        let new = NewArtifact::new(experiment.clone(), &Principal::admin());
        let mut deposit = store.deposit(new);
        deposit.write(bytes.into()).await.unwrap();
        deposit.finish().await.unwrap().id
    }

    /// Returns the rows of an experiment, in order.
    async fn rows(&self, experiment: &ExperimentId) -> Vec<Row> {
        let filter = RowFilter::of_experiment(experiment.clone());
        let page = self
            .database
            .inventory
            .scan(&filter, RowPosition::START, 100);
        let page = page.await.unwrap();
        assert_eq!((page.unreadable, page.next), (0, None));
        page.rows.iter().map(|row| Row::clone(row)).collect()
    }
}

/// An archive, and what it has.
struct Archive {
    file: std::path::PathBuf,
    artifacts: Vec<(Row, Vec<u8>)>,
    hold: Hold,
}

impl Archive {
    /// Exports an experiment of another store.
    #[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
    async fn create(folder: &Path) -> Self {
        let from = Open::at(folder).await;
        let mut contents = Vec::new();
        for size in SIZES {
            contents.push(noise(size));
            from.deposit(&moved(), noise(size)).await;
        }
        let rows = from.rows(&moved()).await;
        let hold = Hold::new(rows[2].id, Principal::admin().id(), Timestamp::now());
        let inventory = &from.database.inventory;
        inventory.place_hold(&hold).await.unwrap();
        let exporter = Exporter::new(
            inventory.clone(),
            from.backend.inventory(),
            ExportOptions::default(),
        );
        let mut archive = Vec::new();
        exporter.run(&moved(), &mut archive, |_| {}).await.unwrap();
        from.close().await;
        let file = folder.join("moved.tar");
        std::fs::write(&file, archive).unwrap();
        Self {
            file,
            artifacts: rows.into_iter().zip(contents).collect(),
            hold,
        }
    }

    /// Returns whether a store has all artifacts of the archive, and not nothing of it. Fails if it has some, or without their
    /// bytes.
    async fn is_in(&self, store: &Open, when: &str) -> bool {
        let rows = store.rows(&moved()).await;
        let inventory = &store.database.inventory;
        let hold = inventory.find_hold(self.hold.id).await.unwrap();
        if rows.is_empty() {
            assert_eq!(hold, None, "{when}");
            return false;
        }
        let expected: Vec<_> = self.artifacts.iter().map(|(row, _)| row.clone()).collect();
        assert_eq!(rows, expected, "{when}");
        assert_eq!(hold.as_ref(), Some(&self.hold), "{when}");
        for (row, bytes) in &self.artifacts {
            let stored = store.backend.backend().load(row.id).await;
            assert!(
                stored.unwrap() == *bytes,
                "{when}: {} has other bytes",
                row.id
            );
            let digests = inventory.chunk_digests(row.id).await.unwrap();
            assert_eq!(digests.is_some(), bytes.len() > 65_536, "{when}");
        }
        true
    }
}

impl Closed {
    /// Creates a store with an artifact and an orphan. Returns it with the id of the artifact.
    async fn create() -> (Self, ArtifactId) {
        let folder = tempfile::tempdir().unwrap();
        let open = Open::at(folder.path()).await;
        let halves = StoreHalves::new(&open.database, &open.backend);
        halves.join().await.unwrap();
        let kept = open.deposit(&"kept".parse().unwrap(), b"kept".into()).await;
        let orphan = open.backend.backend();
        orphan
            .store(ArtifactId::mint(), "orphan".into())
            .await
            .unwrap();
        open.close().await;
        (Self(folder), kept)
    }

    /// Copies the whole store.
    fn copy(&self) -> Self {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(self.0.path(), copy.path());
        Self(copy)
    }

    fn halves(&self) -> [String; 4] {
        let [blobs, rows] = HALVES.map(|half| self.0.path().join(half).display().to_string());
        ["--backend".to_owned(), blobs, "--database".to_owned(), rows]
    }

    /// Returns the importer as a subject of the tracer.
    fn importer(&self, archive: &Archive) -> Subject {
        let halves = self.halves().join("' '");
        let file = archive.file.display();
        let script = format!("echo BEGIN; exec env -i '{BINARY}' import '{file}' '{halves}'");
        Subject::new("/bin/sh").with_arg("-c").with_arg(script)
    }

    /// Imports. Calls `decide` before each step that changes something.
    fn trace(
        &self,
        archive: &Archive,
        mut decide: impl FnMut(String) -> Option<Fault>,
    ) -> RunOutcome {
        let folder = self.0.path();
        let traced = syscalls::trace(&self.importer(archive), folder, |call| {
            let is_change = call.target.starts_with(folder.to_str().unwrap()) && changes(call);
            is_change.then(|| decide(kind_of(call, folder)))?
        });
        traced.unwrap().outcome
    }

    fn maintain(&self, arguments: &[&str]) -> Done {
        run(artifact(self.0.path()).args(arguments).args(self.halves()))
    }

    /// Collects after all blobs have become old. Returns the totals.
    #[track_caller]
    fn collect(&self) -> Value {
        for (path, _) in blobs_below(&self.0.path().join("blobs")) {
            age_file(&path).unwrap();
        }
        let gc = self
            .maintain(&["gc", "--many-orphans", "--json"])
            .succeeded();
        let totals = totals(&gc);
        assert_eq!(
            (&totals["missing"], &totals["failed"]),
            (&0.into(), &0.into()),
            "{gc:?}"
        );
        totals
    }

    /// Returns the ids of all blobs, in order.
    fn blobs(&self) -> Vec<String> {
        let blobs = blobs_below(&self.0.path().join("blobs"));
        let mut ids: Vec<_> = blobs.into_iter().map(|(_, id)| id).collect();
        ids.sort();
        ids
    }

    /// Makes the catalog believe that each import was over for more than a week.
    fn let_imports_expire(&self) {
        let database = rusqlite::Connection::open(self.0.path().join("rows.sqlite")).unwrap();
        let eight_days = 8_i64 * 24 * 3_600 * 1_000_000;
        let changed = database.execute(
            "UPDATE imports SET renewed_at = renewed_at - ?1",
            [eight_days],
        );
        changed.unwrap();
    }
}

/// Copies what is in a folder into another one.
#[expect(clippy::disallowed_methods, reason = "a test copies its own files")]
fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Returns whether a call changes something, so that a kill before it leaves another state than one before the next call.
fn changes(call: &Call) -> bool {
    call.lasting || call.name.contains("write") || call.name == "fallocate"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_importer_killed_at_any_step_leaves_all_or_nothing_and_can_be_repeated() {
    if is_untraceable() {
        return;
    }
    let source = tempfile::tempdir().unwrap();
    let archive = Archive::create(source.path()).await;
    let (template, kept) = Closed::create().await;
    let mut steps: BTreeMap<String, u32> = BTreeMap::new();
    let whole = template.copy();
    let outcome = tokio::task::block_in_place(|| {
        whole.trace(&archive, |kind| {
            *steps.entry(kind).or_default() += 1;
            None
        })
    });
    assert_eq!(outcome, RunOutcome::Success);
    let mut kills = 0;
    let mut seen = [0; 2];
    for (kind, number) in steps {
        for nth in chosen(number) {
            let when = format!("killed before {kind}, number {nth} of {number}");
            let store = template.copy();
            let mut count = 0;
            let outcome = tokio::task::block_in_place(|| {
                store.trace(&archive, |now| {
                    count += u32::from(now == kind);
                    (now == kind && count == nth).then_some(Fault::KillBefore)
                })
            });
            match outcome {
                RunOutcome::Killed => kills += 1,
                // Threads make their calls in another order each time.
                outcome => assert_eq!(outcome, RunOutcome::Success, "{when}"),
            }
            let abandoned = store.copy();
            let is_there = check_repeated(&store, &archive, &kept, &when).await;
            check_abandoned(&abandoned, &archive, &kept, is_there, &when).await;
            seen[usize::from(is_there)] += 1;
        }
    }
    println!(
        "{kills} kills; {} left nothing visible, {} everything",
        seen[0], seen[1]
    );
    assert!(
        kills > 30 && seen[0] > 20 && seen[1] > 0,
        "{kills} kills, {seen:?}"
    );
}

/// Chooses steps among those with the numbers from 1 to `last`, in order.
fn chosen(last: u32) -> impl Iterator<Item = u32> {
    let number = last.min(OF_ONE_KIND);
    (0..number).map(move |place| 1 + place * (last - 1) / (number - 1).max(1))
}

/// Repeats the import of a killed importer. Returns whether its artifacts were visible before.
async fn check_repeated(store: &Closed, archive: &Archive, kept: &ArtifactId, when: &str) -> bool {
    let open = Open::at(store.0.path()).await;
    let is_there = archive.is_in(&open, when).await;
    open.close().await;
    let file = archive.file.to_str().unwrap();
    let again = store.maintain(&["import", file, "--json"]).succeeded();
    let all = SIZES.len();
    let expected = if is_there { (0, all) } else { (all, 0) };
    let totals = totals(&again);
    assert_eq!(totals["new"], expected.0, "{when}");
    assert_eq!(totals["already_here"], expected.1, "{when}");
    assert_eq!(store.collect()["orphans"], 1, "{when}");
    let open = Open::at(store.0.path()).await;
    assert!(archive.is_in(&open, when).await, "{when}");
    let stored = open.backend.backend().load(*kept).await.unwrap();
    assert_eq!(stored, "kept", "{when}");
    open.close().await;
    is_there
}

/// Collects after a killed import that is never repeated, once it has expired.
async fn check_abandoned(
    store: &Closed,
    archive: &Archive,
    kept: &ArtifactId,
    is_there: bool,
    when: &str,
) {
    store.let_imports_expire();
    store.collect();
    let mut expected = vec![kept.to_string()];
    if is_there {
        expected.extend(archive.artifacts.iter().map(|(row, _)| row.id.to_string()));
    }
    expected.sort();
    assert_eq!(store.blobs(), expected, "{when}");
    let open = Open::at(store.0.path()).await;
    assert_eq!(archive.is_in(&open, when).await, is_there, "{when}");
    open.close().await;
}
