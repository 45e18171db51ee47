//! Opens the audit log of the settings.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use anyhow::Result;
use artifact_audit::{AuditLog, AuditOptions, AuditSync, OnFailure};
use artifact_http::HttpAudit;

use super::hooks::ClientAddress;
use crate::failure::{setup, setup_from};
use crate::files;
use crate::settings::{AuditFailure, AuditLines, AuditSettings};

/// Opens the log of a server, if the settings name one.
pub(crate) fn open(settings: &AuditSettings) -> Result<Option<AuditLog>> {
    let path = settings.audit_log.as_deref();
    path.map(|path| open_file(settings, path)).transpose()
}

/// Checks that the log of a server can be opened or created, as far as that can be known without opening it.
pub(super) fn check(settings: &AuditSettings, name: &str) -> Result<()> {
    let Some(path) = &settings.audit_log else {
        return Ok(());
    };
    let cannot = |error: io::Error| {
        let path = path.display();
        setup_from(error, format!("{name} cannot be used: {path}"))
    };
    let folder = files::parent(path);
    if !folder.is_dir() {
        let folder = folder.display();
        return Err(setup(format!(
            "{name} cannot be used: the folder {folder} does not exist; create it first"
        )));
    }
    files::check_new_file(path).map_err(cannot)?;
    match path.metadata() {
        Ok(found) if !found.is_file() => Err(cannot(io::Error::other("it is not a regular file"))),
        Ok(_) => files::check_own_file(path).map_err(cannot),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(cannot(error)),
    }
}

/// Opens the log of a command of maintenance, if the settings name one: beside that of the server, which may run.
pub(crate) fn open_for_command(
    settings: &AuditSettings,
    command: &str,
) -> Result<Option<AuditLog>> {
    let Some(path) = &settings.audit_log else {
        return Ok(None);
    };
    let mut name = OsString::from(path);
    name.push(".");
    name.push(command);
    open_file(settings, Path::new(&name)).map(Some)
}

fn open_file(settings: &AuditSettings, path: &Path) -> Result<AuditLog> {
    let sync = match settings.audit_log_sync {
        AuditLines::Changes => AuditSync::Changes,
        AuditLines::All => AuditSync::All,
    };
    let on_failure = match settings.audit_log_on_failure {
        AuditFailure::Refuse => OnFailure::Refuse,
        AuditFailure::Continue => OnFailure::Continue,
    };
    let options = AuditOptions::default()
        .with_sync(sync)
        .with_on_failure(on_failure)
        .with_max_file_bytes(settings.audit_log_max_bytes.0);
    AuditLog::open(path, options).map_err(|error| setup_from(error, "--audit-log cannot be used"))
}

/// Returns what the endpoints record.
pub(super) fn of_requests(log: &AuditLog, settings: &AuditSettings) -> HttpAudit {
    let audit = HttpAudit::new(log.clone());
    if !settings.audit_log_client {
        return audit;
    }
    audit.with_client_address(|extensions| {
        let address = extensions.get::<ClientAddress>()?;
        Some(address.0)
    })
}

/// Writes the last line of the log.
pub(super) async fn close(log: Option<AuditLog>) {
    if let Some(log) = log
        && let Err(error) = log.close().await
    {
        tracing::error!(
            alarm = "audit-log",
            error = &error as &dyn std::error::Error,
            "the last lines of the audit log could not be written"
        );
    }
}
