//! The server that takes over an experiment at the end of the day.

use std::path::Path;

use artifact_client::Client;
use serde_json::Value;
use tempfile::TempDir;

use super::site::admin;
use crate::harness::{Server, TOKEN, artifact, run};
use crate::maintained::totals;

/// A server with an empty store of its own.
pub(crate) struct SecondServer {
    server: Server,
    database: Vec<String>,
}

impl SecondServer {
    /// Starts the server on a database, or on an SQLite file.
    pub(crate) fn start(database: Option<&str>) -> Self {
        let database = database.map(|url| ["--database".to_owned(), url.to_owned()]);
        let database: Vec<_> = database.into_iter().flatten().collect();
        let arguments: Vec<_> = database.iter().map(String::as_str).collect();
        let secrets = [("ARTIFACT_ADMIN_TOKEN", TOKEN)];
        let server = Server::start_with(TempDir::new().unwrap(), &arguments, &secrets);
        Self { server, database }
    }

    /// Returns a client with the rights of the administrator.
    pub(super) fn admin(&self) -> Client {
        admin(&self.server.url)
    }

    /// Takes in an archive while the server runs. Returns the totals.
    pub(super) fn import(&self, archive: &Path) -> Value {
        let mut command = artifact(self.server.folder.path());
        let import = command.args(["import", "--json"]).arg(archive);
        totals(&run(import.args(&self.database)).succeeded())
    }
}
