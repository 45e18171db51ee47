//! The settings of the audit log.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::values::{AuditFailure, AuditLines, ByteSize, yes_or_no};

// Not a doc comment, because clap would make it the description of the command.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_field_names,
    reason = "the names are those of the flags"
)]
pub(crate) struct AuditSettings {
    /// Audit log: a file with one line of JSON for each request below `/v0` and `/v1`, each with the hash of the line before. Its
    /// folder must exist, outside the folder of the blobs. Each server needs a file of its own; a command of maintenance writes to
    /// this path with its name at the end, such as `audit.log.gc`. SIGHUP begins a new file. No audit log if not set
    #[arg(long, env = "ARTIFACT_AUDIT_LOG", value_name = "FILE")]
    pub(crate) audit_log: Option<PathBuf>,

    /// Which lines of the audit log are on disk before their requests are answered: changes, which are those of everything that
    /// changes rights or settings or deletes, or all. Other lines are on disk a second later
    #[arg(
        long,
        env = "ARTIFACT_AUDIT_LOG_SYNC",
        value_name = "changes|all",
        default_value = "changes"
    )]
    #[arg(value_enum, hide_possible_values = true)]
    pub(crate) audit_log_sync: AuditLines,

    /// What happens to requests while the audit log cannot be written, for example on a full disk: refuse them with 503, or
    /// continue, which loses lines once 65,536 of them wait
    #[arg(
        long,
        env = "ARTIFACT_AUDIT_LOG_ON_FAILURE",
        value_name = "MODE",
        default_value = "refuse"
    )]
    #[arg(value_enum, hide_possible_values = true)]
    pub(crate) audit_log_on_failure: AuditFailure,

    /// Size from which on the file of the audit log is renamed, and a new one begun; 0 is no limit. Nothing deletes the renamed files
    #[arg(
        long,
        env = "ARTIFACT_AUDIT_LOG_MAX_BYTES",
        value_name = "N",
        default_value = "64MiB"
    )]
    pub(crate) audit_log_max_bytes: ByteSize,

    /// Whether the audit log has the addresses of clients, which are personal data: yes or no. Behind a proxy, they are those of
    /// the proxy
    #[arg(long, env = "ARTIFACT_AUDIT_LOG_CLIENT", value_name = "YES_OR_NO")]
    #[arg(default_value = "no", value_parser = yes_or_no, action = ArgAction::Set)]
    pub(crate) audit_log_client: bool,
}
