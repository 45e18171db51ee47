//! The arguments of the commands of maintenance.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use artifact_store::{BackendUrl, DatabaseUrl};
use clap::{Args, Subcommand};

use super::doctor::DoctorArguments;
use crate::settings::{self, ByteSize, Period, text};

/// What works on the database and the backend of a store.
#[derive(Debug, Subcommand)]
pub(crate) enum MaintenanceCommand {
    /// Remove expired artifacts, blobs without a row, and leftovers, also while servers run
    Gc(GcArguments),
    /// Move all blobs to another backend, also while servers run. Give the same command again to go on with it
    Migrate(MigrateArguments),
    /// Read every stored byte and compare it with its row, also while servers run
    Scrub(ScrubArguments),
    /// Check that the database and the blobs belong together, and the modes, owners and names of the files, also while
    /// servers run. Of a root of `pack:`, which needs its server stopped, also the seals, indexes and frames of the segments
    Verify(VerifyArguments),
    /// Look at everything that a server needs: settings, limits, folders, file systems, database, clock and bucket. Says what each
    /// finding means and what to do, and changes nothing, also while servers run
    Doctor(DoctorArguments),
    /// Back up a store into a folder or a bucket, also while servers run
    Backup(BackupArguments),
    /// Make a store from a backup
    Restore(RestoreArguments),
    /// Make a new database from the blobs of a `pack:` backend, if the database is lost. Workers, groups, administrators and
    /// whatever else only the database has are not in it. Stop the server first
    RebuildCatalog(RebuildCatalogArguments),
    /// Move the rows, workers, groups and administrators into another database, such as from SQLite to PostgreSQL. Stop the servers first
    CopyDatabase(CopyDatabaseArguments),
    /// Write an experiment as one archive that tar can read, also while servers run
    Export(ExportArguments),
    /// Take the archive of an experiment into this store, all of it or nothing, also while servers run
    Import(ImportArguments),
    /// Replace the admin token that the servers of a database share, also while servers run. They accept the old one too, until it
    /// is over
    RotateAdminToken(RotateAdminTokenArguments),
}

/// How long the old token of `rotate-admin-token` is accepted.
#[derive(Debug, Args)]
pub(crate) struct RotateAdminTokenArguments {
    /// How long servers accept the old token beside the new one: such as 90s, 45min, 12h or 7d. 0 ends it at once
    #[arg(long, value_name = "PERIOD", default_value = "1h", value_parser = period_or_zero)]
    pub(crate) old_valid_for: Duration,

    /// Make no new token, and end the old one now. The current one stays
    #[arg(long, conflicts_with = "old_valid_for")]
    pub(crate) end_old: bool,
}

/// Parses a period, which may be 0.
fn period_or_zero(text: &str) -> Result<Duration, String> {
    match text {
        "0" => Ok(Duration::ZERO),
        _ => text.parse().map(|Period(period)| period),
    }
}

/// What `gc` removes.
#[derive(Debug, Args)]
pub(crate) struct GcArguments {
    /// Report what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Delete orphans even if they are more than half of all blobs, or more than 10 and more than a tenth. Check first
    /// that the database is complete: neither an old copy nor a new one
    #[arg(long)]
    pub(crate) many_orphans: bool,

    /// Remove at most N rows or blobs per second
    #[arg(long, value_name = "N", value_parser = settings::whole_number)]
    pub(crate) rate: Option<u64>,

    #[command(flatten)]
    pub(crate) json: JsonLines,
}

/// What `scrub` reads.
#[derive(Debug, Args)]
pub(crate) struct ScrubArguments {
    /// Read at most N bytes per second, for example 50MiB
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<ByteSize>,

    /// Continue after this position, which an earlier scrub printed
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = settings::whole_number)]
    pub(crate) after: u64,

    /// Record the digests of the chunks of artifacts that older versions stored without them, once their bytes were
    /// verified, so that ranges of them are verified too
    #[arg(long)]
    pub(crate) add_digests: bool,

    #[command(flatten)]
    pub(crate) json: JsonLines,
}

/// What `migrate` moves, and where.
#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    /// Where the blobs are moved to, in the forms of --backend. It must be empty. All servers open it by this URL, with
    /// their own settings and credentials
    #[arg(long, value_name = "URL", value_parser = settings::backend, required_unless_present = "status")]
    pub(crate) to: Option<BackendUrl>,

    /// Where the blobs are [default: where the database says, at first the --backend of the settings]
    #[arg(long, value_name = "URL", value_parser = settings::backend)]
    pub(crate) from: Option<BackendUrl>,

    /// Read at most N bytes per second, for example 50MiB
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<ByteSize>,

    /// Count what would be copied, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// At the end, delete each blob from --from, once its copy was read back. The blobs cannot be moved back then
    #[arg(long)]
    pub(crate) delete_source: bool,

    /// Print where the blobs are and how far a migration is
    #[arg(long, conflicts_with_all = ["to", "from", "rate", "dry_run", "delete_source"])]
    pub(crate) status: bool,

    #[command(flatten)]
    pub(crate) json: JsonLines,
}

/// What `verify` does.
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// Set the modes right, as after a restore by a program that does not keep them. Nothing else is changed
    #[arg(long)]
    pub(crate) repair: bool,

    #[command(flatten)]
    pub(crate) json: JsonLines,
}

/// Where `backup` writes, and what.
#[derive(Debug, Args)]
pub(crate) struct BackupArguments {
    /// Where the backups of this store are: a folder or a bucket of its own, in the forms of --backend
    #[arg(long, value_name = "FOLDER|URL", value_parser = settings::backend)]
    pub(crate) to: BackendUrl,

    /// Keep the N newest snapshots, and remove the older ones with the blobs that only they need [default: keep all]
    #[arg(long, value_name = "N", value_parser = settings::at_least_one)]
    pub(crate) keep: Option<NonZeroUsize>,

    /// Write nothing. Read the backup back and compare every blob with its row
    #[arg(long, conflicts_with_all = ["keep", "dry_run"])]
    pub(crate) verify: bool,

    /// Verify this snapshot [default: all]
    #[arg(long, value_name = "N", requires = "verify", value_parser = settings::whole_number)]
    pub(crate) snapshot: Option<u64>,

    /// Read at most N bytes per second, for example 50MiB
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<ByteSize>,

    /// Report what would be copied, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) json: JsonLines,
}

/// What `restore` reads.
#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// Where the backup is: what backup had as --to
    #[arg(long, value_name = "FOLDER|URL", value_parser = settings::backend)]
    pub(crate) from: BackendUrl,

    /// List the snapshots, and restore nothing
    #[arg(long, conflicts_with_all = ["snapshot", "dry_run", "without_damaged"])]
    pub(crate) list: bool,

    /// Restore this snapshot [default: the newest]
    #[arg(long, value_name = "N", value_parser = settings::whole_number)]
    pub(crate) snapshot: Option<u64>,

    /// Leave out artifacts whose blob is damaged in the backup. Their ids count as removed
    #[arg(long)]
    pub(crate) without_damaged: bool,

    /// Read at most N bytes per second, for example 50MiB
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<ByteSize>,

    /// Report what would be copied, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) json: JsonLines,
}

/// How `rebuild-catalog` reports.
#[derive(Debug, Args)]
pub(crate) struct RebuildCatalogArguments {
    #[command(flatten)]
    pub(crate) json: JsonLines,
}

/// Where `copy-database` writes.
#[derive(Debug, Args)]
pub(crate) struct CopyDatabaseArguments {
    /// New database, which must be empty, in the forms of --database
    #[arg(long, value_name = "FILE|URL", value_parser = settings::database)]
    #[arg(required_unless_present = "undo")]
    pub(crate) to: Option<DatabaseUrl>,

    /// File with the password of the new database
    #[arg(long, value_name = "FILE", requires = "to")]
    pub(crate) to_password_file: Option<PathBuf>,

    /// Let the old database accept writes again, if the copy is not used
    #[arg(long, conflicts_with = "to")]
    pub(crate) undo: bool,

    #[command(flatten)]
    pub(crate) json: JsonLines,
}

/// What `export` writes.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// Id of the experiment
    #[arg(value_name = "EXPERIMENT", value_parser = text)]
    pub(crate) experiment: String,

    /// File to create, or - for standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,

    /// Replace FILE if it already exists
    #[arg(long)]
    pub(crate) force: bool,

    /// Read at most N bytes per second, for example 50MiB
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<ByteSize>,

    #[command(flatten)]
    pub(crate) json: JsonLines,
}

/// What `import` takes.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// Archive of artifact export, or - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) from: PathBuf,

    /// Import into this experiment [default: that of the archive]
    #[arg(long = "as", value_name = "EXPERIMENT", value_parser = text)]
    pub(crate) into_experiment: Option<String>,

    /// Leave out the artifacts that were removed from this store, whose ids are never used again
    #[arg(long)]
    pub(crate) skip_removed: bool,

    /// Check the whole archive and the ids in it, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Read at most N bytes per second, for example 50MiB
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<ByteSize>,

    #[command(flatten)]
    pub(crate) json: JsonLines,
}

/// The flag of the commands that print each of their findings.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct JsonLines {
    /// Write JSON to standard output: a line for each id, then a line with the totals
    #[arg(long)]
    pub(crate) json: bool,
}
