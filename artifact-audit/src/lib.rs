#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;
mod event;
mod kind;
mod options;

mod hash;
mod line;

mod append_file;
mod appender;
mod log;
mod queue;
mod recovery;
mod rotation;

mod chains;
mod damage;
mod scan;
mod select;
mod verify;

#[cfg(test)]
mod failure_tests;

pub use damage::{Damage, DamageKind};
pub use error::{AuditError, AuditErrorKind};
pub use event::{AuditEvent, AuditField};
pub use hash::{InvalidLineHash, LineHash};
pub use kind::{AuditKind, AuditOutcome};
pub use log::{AuditHead, AuditLog, Recorded};
pub use options::{AuditOptions, AuditSync, OnFailure};
pub use select::{LineFilter, SelectReport, select_lines};
pub use verify::{ChainReport, VerifyReport, verify_files};
