//! The store of the day: a server on a folder and SQLite, and what an operator does to it.

use std::path::PathBuf;
use std::time::Duration;

use artifact_client::{Client, Credential};
use artifact_cloud_test::free_ports;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use crate::clients::connect;
use crate::harness::{Server, TOKEN, artifact, run};
use crate::maintained::{age_file, blobs, maintain, totals};

/// A server on a folder and SQLite, and a folder elsewhere for backups.
pub(super) struct Site {
    pub(super) server: Server,
    listen: String,
    elsewhere: TempDir,
}

impl Site {
    pub(super) fn open() -> Self {
        let [port] = free_ports();
        let listen = format!("127.0.0.1:{port}");
        Self {
            server: serve(TempDir::new().unwrap(), &listen),
            listen,
            elsewhere: TempDir::new().unwrap(),
        }
    }

    /// Returns a client with the rights of the administrator.
    pub(super) fn admin(&self) -> Client {
        admin(&self.server.url)
    }

    /// Kills the server with SIGKILL while it works, and starts it again.
    pub(super) fn kill(&mut self) {
        self.stop_with_kill();
        self.server = serve(self.server.take_folder(), &self.listen);
    }

    fn stop_with_kill(&mut self) {
        self.server.signal("KILL");
        assert_eq!(self.server.wait().0, None, "a signal ended it");
    }

    /// Kills the server while the bytes of a deposit are stored and its row is not. Returns the id of the orphan.
    pub(super) fn kill_between_bytes_and_row(&mut self) -> String {
        let path = self.server.path("artifact-data/rows.sqlite");
        let database = Connection::open(path).unwrap();
        database.busy_timeout(Duration::from_secs(10)).unwrap();
        database.execute_batch("BEGIN IMMEDIATE").unwrap();
        let before = blobs(&self.server);
        let new = || {
            let mut now = blobs(&self.server).into_iter();
            now.find(|blob| !before.contains(blob))
        };
        self.server
            .wait_until("the blob of a deposit", || new().is_some());
        let orphan = new().unwrap().1;
        self.stop_with_kill();
        drop(database);
        self.server = serve(self.server.take_folder(), &self.listen);
        orphan
    }

    /// Makes every blob look as old as two days, also that of a deposit in progress.
    pub(super) fn age_all(&self) {
        for (path, _) in blobs(&self.server) {
            // A client may have deleted it since.
            let _ = age_file(&path);
        }
    }

    /// Collects, and returns the ids of the orphans.
    pub(super) fn gc(&self) -> Vec<String> {
        let gc = maintain(&self.server, &["gc", "--json"]).succeeded();
        let totals = totals(&gc);
        let alarms = (&totals["missing"], &totals["failed"]);
        assert_eq!(alarms, (&0.into(), &0.into()));
        let lines = gc.stdout().lines().map(serde_json::from_str::<Value>);
        let found = lines.map(Result::unwrap);
        let orphans = found.filter(|line| line["found"] == "orphan");
        orphans
            .map(|line| line["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Scrubs, which must find nothing wrong. Returns the totals.
    pub(super) fn scrub(&self) -> Value {
        let scrub = maintain(&self.server, &["scrub", "--json"]).succeeded();
        let totals = totals(&scrub);
        assert_eq!(totals["complete"], true);
        totals
    }

    /// Makes a snapshot in the folder elsewhere, and reads it back. Returns the totals of the backup.
    pub(super) fn back_up(&self) -> Value {
        let place = self.elsewhere("backups");
        let to = ["backup", "--json", "--to", place.to_str().unwrap()];
        let backup = maintain(&self.server, &to).succeeded();
        maintain(&self.server, &[&to[..], &["--verify"]].concat()).succeeded();
        totals(&backup)
    }

    /// Kills the server, deletes its folder with everything in it, and restores the newest snapshot into a new one.
    /// Returns the totals of the restore.
    pub(super) fn lose_everything_and_restore(&mut self) -> Value {
        self.stop_with_kill();
        self.server.take_folder().close().unwrap();
        let new = TempDir::new().unwrap();
        let mut command = artifact(new.path());
        let restore = command.args(["restore", "--json", "--from"]);
        let restored = run(restore.arg(self.elsewhere("backups"))).succeeded();
        self.server = serve(new, &self.listen);
        totals(&restored)
    }

    /// Writes the experiment of the clients as an archive in the folder elsewhere. Returns its path.
    pub(super) fn export(&self) -> PathBuf {
        let archive = self.elsewhere("default.tar");
        let to = ["export", "default", "--to", archive.to_str().unwrap()];
        maintain(&self.server, &to).succeeded();
        archive
    }

    fn elsewhere(&self, name: &str) -> PathBuf {
        self.elsewhere.path().join(name)
    }
}

/// Returns a client of a server with the rights of the administrator.
pub(super) fn admin(url: &str) -> Client {
    connect(url, Credential::new("admin", TOKEN).unwrap())
}

/// Starts a server that collects nothing on its own: the collections of this day are those of the operator.
fn serve(folder: TempDir, listen: &str) -> Server {
    let arguments = [
        &["--listen", listen, "--gc-interval", "0"][..],
        &["--log-level", "warn"],
    ];
    let secrets = [("ARTIFACT_ADMIN_TOKEN", TOKEN)];
    Server::start_with(folder, &arguments.concat(), &secrets)
}
