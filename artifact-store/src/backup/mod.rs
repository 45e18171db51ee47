//! Backups of a store in any backend, and restores from them.

mod copy;
mod manifest;
mod options;
mod place;
mod prune;
mod reader;
mod report;
mod restore;
mod rows;
mod run;
mod verify;

pub use manifest::{BackupManifest, LeftOut, LeftOutReason};
pub use options::BackupOptions;
pub use place::BackupPlace;
pub use report::{BackupEvent, BackupReport};
pub use restore::Restore;
pub use run::Backup;
