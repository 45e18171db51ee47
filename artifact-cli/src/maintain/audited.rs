//! Records the commands of maintenance in the audit log.

use anyhow::{Context as _, Result};
use artifact_audit::{AuditEvent, AuditField, AuditKind, AuditLog, AuditOutcome};
use artifact_store::ArtifactId;

use super::command::{
    BackupArguments, CopyDatabaseArguments, ExportArguments, GcArguments, ImportArguments,
    MigrateArguments, RestoreArguments, VerifyArguments,
};
use crate::serve::audit;
use crate::settings::{Loaded, ServeSettings};

/// Runs a command, and records it under its name, if it has one and the settings name an audit log. The command gets the log for
/// the lines of its steps.
async fn audited<F>(
    loaded: &Loaded,
    command: Option<&'static str>,
    run: impl FnOnce(Option<AuditLog>) -> F,
) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let settings: ServeSettings = loaded.settings()?;
    let opened = command.map(|name| {
        let log = audit::open_for_command(&settings.audit, name)?;
        anyhow::Ok(log.map(|log| (name, log)))
    });
    let Some((name, log)) = opened.transpose()?.flatten() else {
        return run(None).await;
    };
    let outcome = run(Some(log.clone())).await;
    let kind = match name {
        "rotate-admin-token" => AuditKind::Credential,
        _ => AuditKind::Maintenance,
    };
    let ended = match &outcome {
        Ok(()) => AuditOutcome::Done,
        Err(_) => AuditOutcome::Failed,
    };
    let recorded = log.record(&AuditEvent::new(name, kind, ended)).wait().await;
    let recorded = recorded.and(log.close().await);
    outcome?;
    recorded.context("the command is done, but the audit log has no line about it")
}

/// Removes what no artifact needs any more, and records it with what it removes.
pub(crate) async fn gc(loaded: &Loaded, no_color: bool, arguments: GcArguments) -> Result<()> {
    let name = (!arguments.dry_run).then_some("gc");
    let run = |log| async move {
        let store = super::open(loaded, no_color).await?;
        super::gc::gc(store, arguments, log).await
    };
    audited(loaded, name, run).await
}

/// Writes the archive of an experiment, and records it.
pub(crate) async fn export(
    loaded: &Loaded,
    no_color: bool,
    arguments: ExportArguments,
) -> Result<()> {
    let run = |_| async move {
        let store = super::open(loaded, no_color).await?;
        super::export::export(store, arguments).await
    };
    audited(loaded, Some("export"), run).await
}

/// Takes the archive of an experiment, and records it.
pub(crate) async fn import(
    loaded: &Loaded,
    no_color: bool,
    arguments: ImportArguments,
) -> Result<()> {
    let run = |_| async move {
        let store = super::open(loaded, no_color).await?;
        super::import::import(store, arguments).await
    };
    audited(loaded, Some("import"), run).await
}

/// Backs up a store, and records it.
pub(crate) async fn backup(
    loaded: &Loaded,
    no_color: bool,
    arguments: BackupArguments,
) -> Result<()> {
    let run = |_| super::backup::backup(loaded, no_color, arguments);
    audited(loaded, Some("backup"), run).await
}

/// Copies the rows into another database, and records it.
pub(crate) async fn copy_database(
    loaded: &Loaded,
    no_color: bool,
    arguments: CopyDatabaseArguments,
) -> Result<()> {
    let run = |_| super::copy_database::copy_database(loaded, no_color, arguments);
    audited(loaded, Some("copy-database"), run).await
}

/// Moves the blobs to another backend, and records it.
pub(crate) async fn migrate(
    loaded: &Loaded,
    arguments: MigrateArguments,
    no_color: bool,
) -> Result<()> {
    let run = |_| super::migrate::migrate(loaded, arguments, no_color);
    audited(loaded, Some("migrate"), run).await
}

/// Makes a store from a backup, and records it.
pub(crate) async fn restore(
    loaded: &Loaded,
    no_color: bool,
    arguments: RestoreArguments,
) -> Result<()> {
    let changes = !arguments.list && !arguments.dry_run;
    let run = |_| super::restore::restore(loaded, no_color, arguments);
    audited(loaded, changes.then_some("restore"), run).await
}

/// Checks the files of a store, which can repair some, and records it.
pub(crate) async fn verify(
    loaded: &Loaded,
    no_color: bool,
    arguments: VerifyArguments,
) -> Result<()> {
    let run = |_| super::verify::verify(loaded, no_color, arguments);
    audited(loaded, Some("verify"), run).await
}

/// Replaces the admin token, and records it.
pub(crate) async fn rotate_admin_token(loaded: &Loaded, no_color: bool) -> Result<()> {
    let run = |_| super::rotate_admin_token::rotate_admin_token(loaded, no_color);
    audited(loaded, Some("rotate-admin-token"), run).await
}

/// Records that a collector has removed an artifact, or the bytes of one that has no row.
pub(crate) fn record_removal(log: Option<&AuditLog>, action: &'static str, id: ArtifactId) {
    let Some(log) = log else {
        return;
    };
    let kind = match action {
        EXPIRE => AuditKind::Deletion,
        _ => AuditKind::Maintenance,
    };
    let event = AuditEvent::new(action, kind, AuditOutcome::Done)
        .with(AuditField::Artifact, id.to_string());
    // No request waits for the line.
    drop(log.record(&event));
}

/// The action of the removal of an artifact whose time is over.
pub(crate) const EXPIRE: &str = "expire";
/// The action of the removal of bytes without a row.
pub(crate) const DELETE_ORPHAN: &str = "deleteOrphan";
