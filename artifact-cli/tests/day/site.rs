//! The store of the day: a server on a folder and SQLite, and what an operator does to it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use artifact_client::{Client, Credential};
use artifact_cloud_test::free_ports;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use crate::clients::connect;
use crate::harness::{Done, Server, TOKEN, artifact, run};
use crate::maintained::{age_file, blobs, totals};

/// The backend that the blobs are moved to, and what the server and the operator need for it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    url: String,
    settings: Vec<String>,
    secrets: Vec<(String, String)>,
}

impl Target {
    /// A backend by its URL, with its settings and its credentials, which are in the environment.
    pub(crate) fn new(url: &str, settings: &[&str], secrets: &[(&str, &str)]) -> Self {
        let secrets = secrets.iter();
        Self {
            url: url.to_owned(),
            settings: settings.iter().map(|&text| text.to_owned()).collect(),
            secrets: secrets
                .map(|&(name, secret)| (name.to_owned(), secret.to_owned()))
                .collect(),
        }
    }
}

/// A server on a folder and SQLite, and a folder elsewhere for backups.
pub(crate) struct Site {
    pub(super) server: Server,
    listen: String,
    target: Target,
    /// Whether the settings name the target.
    is_moved: bool,
    elsewhere: TempDir,
}

impl Site {
    pub(super) fn open(target: Target) -> Self {
        let [port] = free_ports();
        let listen = format!("127.0.0.1:{port}");
        Self {
            server: serve(TempDir::new().unwrap(), &listen, &target, false),
            listen,
            target,
            is_moved: false,
            elsewhere: TempDir::new().unwrap(),
        }
    }

    fn serve(&self, folder: TempDir) -> Server {
        serve(folder, &self.listen, &self.target, self.is_moved)
    }

    /// Runs a command of maintenance with the settings of the server.
    fn maintain(&self, arguments: &[&str]) -> Done {
        run(with_settings(
            artifact(self.server.folder.path()).args(arguments),
            &self.target,
            self.is_moved,
        ))
    }

    /// Returns a client with the rights of the administrator.
    pub(super) fn admin(&self) -> Client {
        admin(&self.server.url)
    }

    /// Kills the server with SIGKILL while it works, and starts it again.
    pub(super) fn kill(&mut self) {
        self.stop_with_kill();
        let folder = self.server.take_folder();
        self.server = self.serve(folder);
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
        let folder = self.server.take_folder();
        self.server = self.serve(folder);
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
        let gc = self.maintain(&["gc", "--json"]).succeeded();
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
        let scrub = self.maintain(&["scrub", "--json"]).succeeded();
        let totals = totals(&scrub);
        assert_eq!(totals["complete"], true);
        totals
    }

    /// Makes a snapshot in the folder elsewhere, and reads it back. Returns the totals of the backup.
    pub(super) fn back_up(&self) -> Value {
        let place = self.elsewhere("backups");
        let to = ["backup", "--json", "--to", place.to_str().unwrap()];
        let backup = self.maintain(&to).succeeded();
        self.maintain(&[&to[..], &["--verify"]].concat())
            .succeeded();
        totals(&backup)
    }

    /// Moves the blobs to the target while the server runs. Returns the totals.
    pub(super) fn migrate(&mut self) -> Value {
        let to = self.target.url.clone();
        let moved = self.maintain(&["migrate", "--json", "--to", &to]);
        let moved = totals(&moved.succeeded());
        let found = (&moved["state"], &moved["failed"]);
        assert_eq!(found, (&"done".into(), &0.into()), "{moved}");
        self.is_moved = true;
        moved
    }

    /// Deletes the blobs from the folder that they were moved from. Returns the totals.
    pub(super) fn empty_the_old_backend(&self) -> Value {
        let to = ["migrate", "--json", "--delete-source", "--to"];
        let emptied = self.maintain(&[&to[..], &[&self.target.url]].concat());
        let emptied = totals(&emptied.succeeded());
        assert_eq!(emptied["state"], "emptied", "{emptied}");
        emptied
    }

    /// Checks the files and the halves, which must be good.
    pub(super) fn verify(&self) {
        let verified = self.maintain(&["verify", "--json"]).succeeded();
        assert_eq!(totals(&verified)["halves_belong_together"], true);
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
        self.is_moved = false;
        self.server = self.serve(new);
        totals(&restored)
    }

    /// Writes the experiment of the clients as an archive in the folder elsewhere. Returns its path.
    pub(super) fn export(&self) -> PathBuf {
        let archive = self.elsewhere("default.tar");
        let to = ["export", "default", "--to", archive.to_str().unwrap()];
        self.maintain(&to).succeeded();
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
fn serve(folder: TempDir, listen: &str, target: &Target, is_moved: bool) -> Server {
    let mut command = artifact(folder.path());
    command
        .args(["serve", "--listen", listen, "--gc-interval", "0"])
        .args(["--log-level", "warn"])
        .env("ARTIFACT_LISTEN", listen)
        .env("ARTIFACT_ADMIN_TOKEN", TOKEN);
    Server::spawn(folder, with_settings(&mut command, target, is_moved))
}

/// Gives a command the settings of the target, and names it as the backend if the blobs are there.
fn with_settings<'c>(command: &'c mut Command, target: &Target, is_moved: bool) -> &'c mut Command {
    let secrets = target.secrets.iter();
    command
        .args(&target.settings)
        .envs(secrets.map(|(name, secret)| (name, secret)));
    if is_moved {
        command.args(["--backend", &target.url]);
    }
    command
}
