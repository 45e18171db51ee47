//! The settings of every command: flags over the environment over a TOML file over defaults.
//!
//! Each setting is a field of [`ServeSettings`] or [`ClientSettings`], and defined nowhere else: clap
//! derives its flag, variable, default, type and help text from the field. The key in the settings file
//! is the field's name. `--print-config` and docs/configuration.md read the same definitions.

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
mod audit;
mod client;
mod common;
mod definition;
mod environment;
mod file;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
mod headings;
mod load;
mod print;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
mod receipts;
#[cfg(test)]
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
mod reference;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
mod schedule;
mod secret;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
mod serve;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
mod serve_rules;
mod source;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
mod values;

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
pub(crate) use audit::AuditSettings;
pub(crate) use client::ClientSettings;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
pub(crate) use client::{DEFAULT_EXPERIMENT, DEFAULT_SERVER};
pub(crate) use common::{ByteSize, Period, downloads, text, whole_number};
pub(crate) use environment::Environment;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
pub(crate) use headings::with_headings;
pub(crate) use load::{Loaded, load};
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
pub(crate) use print::effective;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
pub(crate) use receipts::ReceiptSettings;
pub(crate) use secret::{Secret, choose};
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
pub(crate) use serve::ServeSettings;
pub(crate) use source::Sources;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
pub(crate) use values::{
    Addressing, AuditFailure, AuditLines, BucketProbe, ListenAddress, LogFormat, at_least_one,
    backend, database,
};
