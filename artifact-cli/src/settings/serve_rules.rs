//! The rules between the settings of `artifact serve`, and which of them maintenance uses.

use std::path::Path;

use anyhow::Result;
use artifact_http::RequestRate;
use clap::{Args as _, Command};

use super::ServeSettings;
use super::secret::{Secret, choose};
use super::source::Sources;
use super::values::ListenAddress;
use crate::failure::setup;

/// The settings that commands of maintenance use. They accept the others too, so that the command line of the server
/// works for them.
const OF_MAINTENANCE: &[&str] = &[
    "data_dir",
    "backend",
    "bucket_endpoint",
    "bucket_region",
    "bucket_addressing",
    "bucket_allow_http",
    "bucket_part_bytes",
    "bucket_parallel_parts",
    "bucket_deadline",
    "bucket_probe",
    "database",
    "database_password_file",
    "grace_period",
    "audit_log",
    "audit_log_sync",
    "audit_log_max_bytes",
    "log",
    "log_format",
    "config",
];

impl ServeSettings {
    /// Adds the settings to a command of maintenance. Its help shows those that it uses.
    pub(crate) fn augment_maintenance(command: Command) -> Command {
        let own: Vec<_> = command
            .get_arguments()
            .map(|arg| arg.get_id().clone())
            .collect();
        Self::augment_args(command).mut_args(|arg| {
            let is_shown = OF_MAINTENANCE.contains(&arg.get_id().as_str());
            let hide = arg.is_hide_set() || !(is_shown || own.contains(arg.get_id()));
            arg.hide(hide)
        })
    }

    /// Checks the rules between settings. Opens no file, folder or socket.
    pub(crate) fn check(&self, sources: &Sources) -> Result<()> {
        self.tls_files()?;
        self.admin_token(sources)?;
        self.old_admin_token(sources)?;
        self.database_password(sources)?;
        self.rate_of_requests()?;
        Ok(())
    }

    /// Returns how many requests a principal may send, if that is limited.
    pub(crate) fn rate_of_requests(&self) -> Result<Option<RequestRate>> {
        match (self.request_rate, self.request_burst) {
            (Some(rate), burst) => {
                let burst = burst.unwrap_or(rate.saturating_mul(10));
                Ok(RequestRate::new(rate, burst))
            }
            (None, None) => Ok(None),
            (None, Some(_)) => Err(setup(
                "--request-burst is set and --request-rate is not; give both",
            )),
        }
    }

    /// Returns the files of the certificate and of its key: both, or neither.
    pub(crate) fn tls_files(&self) -> Result<Option<(&Path, &Path)>> {
        let files = (self.tls_cert.as_deref(), self.tls_key.as_deref());
        let sentence = match files {
            (None, None) => return Ok(None),
            (Some(_), _) if matches!(self.listen, ListenAddress::Unix(_)) => {
                "a Unix socket has no TLS; leave out --tls-cert and --tls-key"
            }
            (Some(certificate), Some(key)) => return Ok(Some((certificate, key))),
            (Some(_), None) => "--tls-cert is set and --tls-key is not; give both",
            (None, Some(_)) => "--tls-key is set and --tls-cert is not; give both",
        };
        Err(setup(sentence))
    }

    /// Returns the admin token, with the name of its setting.
    pub(crate) fn admin_token(
        &self,
        sources: &Sources,
    ) -> Result<Option<(&'static str, Secret<'_>)>> {
        let file = self.admin_token_file.as_deref().map(Secret::File);
        let text = self.admin_token.as_ref().map(Secret::Text);
        choose([("admin_token_file", file), ("admin_token", text)], sources)
    }

    /// Returns the old admin token with its end, with the name of its setting.
    pub(crate) fn old_admin_token(
        &self,
        sources: &Sources,
    ) -> Result<Option<(&'static str, Secret<'_>)>> {
        let file = self.old_admin_token_file.as_deref().map(Secret::File);
        let text = self.old_admin_token.as_ref().map(Secret::Text);
        choose(
            [("old_admin_token_file", file), ("old_admin_token", text)],
            sources,
        )
    }

    /// Returns the password of the database, with the name of its setting.
    pub(crate) fn database_password(
        &self,
        sources: &Sources,
    ) -> Result<Option<(&'static str, Secret<'_>)>> {
        let file = self.database_password_file.as_deref().map(Secret::File);
        let text = self.database_password.as_ref().map(Secret::Text);
        choose(
            [
                ("database_password_file", file),
                ("database_password", text),
            ],
            sources,
        )
    }
}
