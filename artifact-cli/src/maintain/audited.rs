//! Records the commands of maintenance in the audit log.

use std::sync::OnceLock;

use anyhow::{Context as _, Result};
use artifact_audit::{AuditEvent, AuditField, AuditKind, AuditLog, AuditOutcome};
use artifact_store::ArtifactId;

use super::command::{
    BackupArguments, CopyDatabaseArguments, ExportArguments, GcArguments, ImportArguments,
    MigrateArguments, RebuildCatalogArguments, RestoreArguments, RotateAdminTokenArguments,
    VerifyArguments,
};
use crate::serve::audit;
use crate::settings::{Loaded, ServeSettings};

/// The audit log of a command, if it has a name and the settings name a log.
///
/// The command opens it when it has opened its store, before its first change. A command that is refused because it runs as the
/// wrong user would otherwise leave files that the right user cannot write.
pub(super) struct CommandLog {
    settings: ServeSettings,
    name: Option<&'static str>,
    opened: OnceLock<AuditLog>,
}

impl CommandLog {
    /// Opens the log. The command calls it once.
    pub(super) fn open(&self) -> Result<Option<AuditLog>> {
        let Some(name) = self.name else {
            return Ok(None);
        };
        let file = match name {
            END_OLD_ADMIN_TOKEN => ROTATE_ADMIN_TOKEN,
            name => name,
        };
        let log = audit::open_for_command(&self.settings.audit, file)?;
        Ok(log.map(|log| self.opened.get_or_init(|| log).clone()))
    }
}

/// Runs a command, and records it under its name if it opens its log.
async fn audited(
    loaded: &Loaded,
    name: Option<&'static str>,
    run: impl AsyncFnOnce(&CommandLog) -> Result<()>,
) -> Result<()> {
    let log = CommandLog {
        settings: loaded.settings()?,
        name,
        opened: OnceLock::new(),
    };
    let outcome = run(&log).await;
    let (Some(name), Some(log)) = (name, log.opened.get()) else {
        return outcome;
    };
    let kind = match name {
        ROTATE_ADMIN_TOKEN | END_OLD_ADMIN_TOKEN => AuditKind::Credential,
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
    audited(loaded, name, async |log| {
        let store = super::open(loaded, no_color).await?;
        super::gc::gc(store, arguments, log.open()?).await
    })
    .await
}

/// Writes the archive of an experiment, and records it.
pub(crate) async fn export(
    loaded: &Loaded,
    no_color: bool,
    arguments: ExportArguments,
) -> Result<()> {
    audited(loaded, Some("export"), async |log| {
        let store = super::open(loaded, no_color).await?;
        log.open()?;
        super::export::export(store, arguments).await
    })
    .await
}

/// Takes the archive of an experiment, and records it.
pub(crate) async fn import(
    loaded: &Loaded,
    no_color: bool,
    arguments: ImportArguments,
) -> Result<()> {
    audited(loaded, Some("import"), async |log| {
        let store = super::open(loaded, no_color).await?;
        log.open()?;
        super::import::import(store, arguments).await
    })
    .await
}

/// Backs up a store, and records it.
pub(crate) async fn backup(
    loaded: &Loaded,
    no_color: bool,
    arguments: BackupArguments,
) -> Result<()> {
    audited(loaded, Some("backup"), async |log| {
        super::backup::backup(loaded, no_color, arguments, log).await
    })
    .await
}

/// Copies the rows into another database, and records it.
pub(crate) async fn copy_database(
    loaded: &Loaded,
    no_color: bool,
    arguments: CopyDatabaseArguments,
) -> Result<()> {
    audited(loaded, Some("copy-database"), async |log| {
        super::copy_database::copy_database(loaded, no_color, arguments, log).await
    })
    .await
}

/// Moves the blobs to another backend, and records it.
pub(crate) async fn migrate(
    loaded: &Loaded,
    arguments: MigrateArguments,
    no_color: bool,
) -> Result<()> {
    audited(loaded, Some("migrate"), async |log| {
        super::migrate::migrate(loaded, arguments, no_color, log).await
    })
    .await
}

/// Makes a store from a backup, and records it.
pub(crate) async fn restore(
    loaded: &Loaded,
    no_color: bool,
    arguments: RestoreArguments,
) -> Result<()> {
    let changes = !arguments.list && !arguments.dry_run;
    audited(loaded, changes.then_some("restore"), async |log| {
        super::restore::restore(loaded, no_color, arguments, log).await
    })
    .await
}

/// Makes a new database from the notes of the backend, and records it.
pub(crate) async fn rebuild_catalog(
    loaded: &Loaded,
    no_color: bool,
    arguments: RebuildCatalogArguments,
) -> Result<()> {
    audited(loaded, Some("rebuild-catalog"), async |log| {
        super::rebuild_catalog::rebuild_catalog(loaded, no_color, arguments, log).await
    })
    .await
}

/// Checks the files of a store, which can repair some, and records it.
pub(crate) async fn verify(
    loaded: &Loaded,
    no_color: bool,
    arguments: VerifyArguments,
) -> Result<()> {
    audited(loaded, Some("verify"), async |log| {
        super::verify::verify(loaded, no_color, arguments, log).await
    })
    .await
}

/// Replaces the admin token or ends the old one, and records it.
pub(crate) async fn rotate_admin_token(
    loaded: &Loaded,
    no_color: bool,
    arguments: RotateAdminTokenArguments,
) -> Result<()> {
    let name = if arguments.end_old {
        END_OLD_ADMIN_TOKEN
    } else {
        ROTATE_ADMIN_TOKEN
    };
    audited(loaded, Some(name), async |log| {
        super::rotate_admin_token::rotate_admin_token(loaded, no_color, &arguments, log).await
    })
    .await
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

/// The command that replaces the admin token.
const ROTATE_ADMIN_TOKEN: &str = "rotate-admin-token";
/// The action of that command with `--end-old`.
const END_OLD_ADMIN_TOKEN: &str = "end-old-admin-token";
/// The action of the removal of an artifact whose time is over.
pub(crate) const EXPIRE: &str = "expire";
/// The action of the removal of bytes without a row.
pub(crate) const DELETE_ORPHAN: &str = "deleteOrphan";
