//! The settings of every command: flags over the environment over a TOML file over defaults.
//!
//! Each setting is a field of [`ServeSettings`] or [`ClientSettings`], and defined nowhere else: clap
//! derives its flag, variable, default, type and help text from the field. The key in the settings file
//! is the field's name. `--print-config` and docs/configuration.md read the same definitions.

mod client;
mod definition;
mod environment;
mod file;
mod load;
mod print;
#[cfg(test)]
mod reference;
mod secret;
mod serve;
mod source;
mod values;

pub(crate) use client::{ClientSettings, DEFAULT_EXPERIMENT, DEFAULT_SERVER};
pub(crate) use environment::Environment;
pub(crate) use load::{Loaded, load};
pub(crate) use print::effective;
pub(crate) use secret::{Secret, choose};
pub(crate) use serve::ServeSettings;
pub(crate) use source::Sources;
pub(crate) use values::{Addressing, BucketProbe, ListenAddress, LogFormat, text};
