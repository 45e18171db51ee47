//! Checks everything about a server that can be checked without creating anything.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use artifact_backend::{Ownership, OwnershipError};
use artifact_http::Secret;
use artifact_receipt::SigningKey;
use artifact_server::Tls;
use artifact_store::DatabaseUrl;
use secrecy::ExposeSecret;

use super::admin_token::{OldToken, TokenSource};
use super::audit;
use super::certificate::CertificateFiles;
use super::metrics::MetricsToken;
use super::ready;
use super::receipts;
use crate::failure::{setup, setup_from};
use crate::files;
use crate::output::{self, shell_word};
use crate::settings::{ServeSettings, Sources};

/// The two halves of a store that the settings name.
#[derive(Debug)]
pub(crate) struct StorePlan<'s> {
    pub(crate) settings: &'s ServeSettings,
    pub(crate) sources: &'s Sources,
    /// The database of the settings, with its password.
    pub(crate) database: DatabaseUrl,
}

impl<'s> StorePlan<'s> {
    /// Reads the password of the database. Checks nothing else.
    pub(crate) fn new(settings: &'s ServeSettings, sources: &'s Sources) -> Result<Self> {
        Ok(Self {
            settings,
            sources,
            database: database(settings, sources)?,
        })
    }

    /// Returns the folder of the rows, if they are in a file.
    pub(crate) fn rows_folder(&self) -> Vec<PathBuf> {
        let rows = self.database.path().map(files::parent);
        rows.map(Path::to_path_buf).into_iter().collect()
    }

    /// Returns whether both the rows and the blobs outlive this process.
    pub(crate) fn lasts(&self) -> bool {
        !self.settings.backend.is_memory() && self.database.outlives_the_process()
    }
}

/// A server that can be started as far as the checks could tell.
#[derive(Debug)]
pub(crate) struct ServePlan<'s> {
    pub(crate) store: StorePlan<'s>,
    pub(crate) token: TokenSource<'s>,
    /// The old token of the settings, which is accepted for a time.
    pub(crate) old_token: Option<OldToken>,
    pub(crate) ready_fd: Option<File>,
    /// What programs must send to read the metrics.
    pub(crate) metrics_token: Option<Secret>,
    pub(crate) receipt_key: Option<SigningKey>,
}

impl<'s> ServePlan<'s> {
    pub(crate) fn new(settings: &'s ServeSettings, sources: &'s Sources) -> Result<Self> {
        settings.check(sources)?;
        check_data_dir(&settings.data_dir)?;
        let plan = Self {
            store: StorePlan::new(settings, sources)?,
            token: TokenSource::find(settings, sources)?,
            old_token: OldToken::find(settings, sources)?,
            ready_fd: settings.ready_fd.map(ready::open).transpose()?.flatten(),
            metrics_token: MetricsToken::read(settings, sources)?,
            receipt_key: receipts::read_key(&settings.receipts)?,
        };
        if settings.backend.is_memory() && plan.store.database.outlives_the_process() {
            output::warn("the rows will outlive their blobs, which are in memory only");
        }
        if !settings.backend.is_memory() && !plan.store.database.outlives_the_process() {
            output::warn("the blobs will outlive their rows, which are in memory only");
        }
        plan.check_blobs_folder_holds_nothing_else()?;
        plan.check_can_be_created(settings.backend.path(), "backend")?;
        plan.check_can_be_created(plan.store.database.path(), "database")?;
        audit::check(&settings.audit, &sources.name("audit_log"))?;
        Ok(plan)
    }

    /// Reads the certificate and its key, if the settings name them.
    pub(crate) fn open_tls(&self) -> Result<Option<Tls>> {
        let files = self.store.settings.tls_files()?.map(CertificateFiles::new);
        files.map(|files| files.open()).transpose()
    }

    /// Checks that the database, the admin token, the data folder, the audit log and the key of receipts are outside the blobs
    /// folder.
    ///
    /// A user who can read the blobs must not be able to read rows or secrets, and the backend must not
    /// mistake one of these files for a blob.
    fn check_blobs_folder_holds_nothing_else(&self) -> Result<()> {
        let Some(blobs) = self.store.settings.backend.path() else {
            return Ok(());
        };
        let real = |path: &Path| {
            files::real_path(path).map_err(|error| {
                let path = path.display();
                setup_from(error, format!("cannot find out where {path} leads"))
            })
        };
        let real_blobs = real(blobs)?;
        let data_dir = Some(self.store.settings.data_dir.as_path());
        let audit_log = self.store.settings.audit.audit_log.as_deref();
        let receipt_key = self.store.settings.receipts.receipt_key.as_deref();
        for (subject, path, flag) in [
            ("the database", self.store.database.path(), "--database"),
            ("the admin token", self.token.path(), "--admin-token-file"),
            ("the data folder", data_dir, "--data-dir"),
            ("the audit log", audit_log, "--audit-log"),
            ("the key of receipts", receipt_key, "--receipt-key"),
        ] {
            let Some(path) = path else {
                continue;
            };
            if real(path)?.starts_with(&real_blobs) {
                return Err(setup(format!(
                    "{subject} {} lies inside the folder of the blobs, {}; choose another place with \
                     {flag}",
                    path.display(),
                    blobs.display()
                )));
            }
        }
        Ok(())
    }

    /// Checks that a missing file or folder can be created: its parent must be the data folder or a
    /// writable existing folder.
    fn check_can_be_created(&self, path: Option<&Path>, setting: &str) -> Result<()> {
        let Some(path) = path.filter(|path| path.symlink_metadata().is_err()) else {
            return Ok(());
        };
        let parent = files::parent(path);
        let real = |path| files::real_path(path).ok();
        if real(parent) == real(&self.store.settings.data_dir) {
            return Ok(());
        }
        let (name, shown) = (self.store.sources.name(setting), parent.display());
        if !parent.is_dir() {
            return Err(setup(format!(
                "{name} cannot be used: the folder {shown} does not exist; create it first"
            )));
        }
        files::check_writable_ancestor(path).map_err(|error| {
            let sentence = format!("{name} cannot be used: cannot write to the folder {shown}");
            setup_from(error, sentence)
        })
    }
}

/// Returns the database with its password, if there is one. A database without passwords ignores it.
fn database(settings: &ServeSettings, sources: &Sources) -> Result<DatabaseUrl> {
    let database = settings.database.clone();
    let Some((name, password)) = settings.database_password(sources)? else {
        return Ok(database);
    };
    let name = sources.name(name);
    let advice = format!("put the password of the database into it, or leave {name} out");
    let password = password.read(&advice)?;
    Ok(database.with_password(password.expose_secret()))
}

/// Checks that the data folder is private to this user, or can be created.
pub(crate) fn check_data_dir(path: &Path) -> Result<()> {
    let shown = path.display();
    let Ok(found) = path.metadata() else {
        let parent = files::parent(path);
        if !parent.is_dir() {
            let parent = parent.display();
            return Err(setup(format!(
                "cannot create the data folder {shown}: the folder {parent} does not exist; create it, \
                 or give another --data-dir"
            )));
        }
        return files::check_writable_ancestor(path).map_err(|error| {
            setup_from(
                error,
                format!("cannot create the data folder {shown}; give another --data-dir"),
            )
        });
    };
    if !found.is_dir() {
        return Err(setup(format!(
            "{shown} is not a folder; give another --data-dir"
        )));
    }
    let user = rustix::process::geteuid().as_raw();
    let word = shell_word(&path.to_string_lossy());
    match Ownership::new(found.uid(), found.mode(), user).check_trusted() {
        Ok(()) if found.mode() & 0o020 != 0 => output::warn(format_args!(
            "the group {} can write to the data folder {shown}, so its members can remove the database; run: \
             chmod g-w {word}, unless an orchestrator sets this mode",
            found.gid()
        )),
        Ok(()) => {}
        Err(error @ OwnershipError::ForeignOwner { .. }) => {
            return Err(setup(format!(
                "the data folder {shown} {error}, or give another --data-dir"
            )));
        }
        Err(_) if found.uid() == user => {
            return Err(setup(format!(
                "other users can write to the data folder {shown}; run: chmod 700 {word}"
            )));
        }
        Err(_) => {
            return Err(setup(format!(
                "other users can write to the data folder {shown}; run as root: chmod o-w {word}"
            )));
        }
    }
    files::check_writable_ancestor(path).map_err(|error| {
        setup_from(
            error,
            format!("cannot write to the data folder {shown}; give another --data-dir"),
        )
    })
}
