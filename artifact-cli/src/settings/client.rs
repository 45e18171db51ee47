//! The settings of the client commands: all but `serve`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

use super::common::{retries, seconds, text};

pub(crate) const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";
pub(crate) const DEFAULT_EXPERIMENT: &str = "default";

// The settings of a client, in the order of the help. This is not a doc comment, because clap would make it
// the description of each command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ClientSettings {
    /// Address of the server: a URL, or unix: and the path of its socket
    #[arg(long, env = "ARTIFACT_SERVER", value_name = "URL", default_value = DEFAULT_SERVER)]
    #[arg(value_parser = text)]
    pub(crate) server: String,

    /// Experiment that the command works in
    #[arg(long, env = "ARTIFACT_EXPERIMENT", value_name = "ID")]
    #[arg(default_value = DEFAULT_EXPERIMENT, value_parser = text)]
    pub(crate) experiment: String,

    /// File or pipe with PRINCIPAL:SECRET. It must belong to root or to the user of this process, and others
    /// must not be able to read it
    #[arg(long, env = "ARTIFACT_CREDENTIAL_FILE", value_name = "FILE")]
    pub(crate) credential_file: Option<PathBuf>,

    /// The credential itself, PRINCIPAL:SECRET
    #[arg(long, env = "ARTIFACT_CREDENTIAL", hide = true)]
    pub(crate) credential: Option<SecretString>,

    /// File or pipe with the admin token, with the same owner and mode as --credential-file
    #[arg(long, env = "ARTIFACT_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub(crate) admin_token_file: Option<PathBuf>,

    /// The admin token itself
    #[arg(long, env = "ARTIFACT_ADMIN_TOKEN", hide = true)]
    pub(crate) admin_token: Option<SecretString>,

    /// How many times in a row a request that is safe to repeat is retried, or an interrupted fetch is
    /// resumed, without receiving a new byte. 0 turns retries off
    #[arg(long, env = "ARTIFACT_RETRIES", value_name = "N", default_value = "5")]
    #[arg(value_parser = retries)]
    pub(crate) retries: u32,

    /// How long a transfer may make no progress while it waits for the server. Must be longer than the
    /// server's commit time-out: a deposit that ends without an answer may exist
    #[arg(
        long,
        env = "ARTIFACT_STALL_TIMEOUT",
        value_name = "SECONDS",
        default_value = "120"
    )]
    #[arg(value_parser = seconds)]
    pub(crate) stall_timeout: Duration,

    /// File with the certificates to trust for https://, in PEM form, instead of those that this machine trusts
    #[arg(long, env = "ARTIFACT_CA_FILE", value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,

    /// Settings file, in TOML
    #[arg(long, env = "ARTIFACT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[cfg(test)]
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
mod tests {
    use super::*;
    use crate::cli;
    use crate::settings::{Environment, ServeSettings, load};

    #[test]
    fn a_client_waits_longer_than_a_server_commits() {
        let load = |command| {
            let arguments = ["artifact", command];
            load(&cli::command(), arguments, &Environment::of(&[])).unwrap()
        };
        let serve: ServeSettings = load("serve").settings().unwrap();
        let client: ClientSettings = load("whoami").settings().unwrap();
        assert!(client.stall_timeout >= serve.commit_timeout + Duration::from_secs(30));
    }
}
