#![doc = include_str!("../README.md")]
// What only some of the providers use is not told apart for each set of features: the set of all is
// what the lints look at.
#![cfg_attr(
    not(all(feature = "s3", feature = "gcs", feature = "azure")),
    allow(dead_code, unused_imports, unused_variables)
)]

#[cfg(feature = "http")]
mod answer;
mod backend;
mod bucket_url;
mod cleanup;
mod config;
#[cfg(feature = "http")]
mod connector;
mod core;
mod create;
mod download;
mod inventory;
mod layout;
mod load;
mod mark;
mod multipart;
mod opening;
mod part_buffer;
mod part_size;
mod pending;
mod probe;
#[cfg(feature = "http")]
mod provider;
mod readback;
mod sweep;
mod trouble;
mod upload;

pub use backend::ObjectStoreBackend;
pub use bucket_url::{BucketUrl, InvalidBucketUrl, Provider};
pub use config::S3Config;
pub use probe::ProbeReport;
#[cfg(feature = "http")]
pub use provider::BucketOptions;
