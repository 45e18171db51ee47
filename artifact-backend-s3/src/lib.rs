#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Builds without all three providers leave some shared code unused. The lints look at the full build.
#![cfg_attr(
    not(all(feature = "s3", feature = "gcs", feature = "azure")),
    allow(dead_code, unused_imports, unused_variables)
)]

mod backend;
mod bucket_url;
mod config;
mod error;
mod probe;

// State that every operation uses.
mod cleanup;
mod layout;
mod progress;
mod retry;
mod shard_list;
mod shared;
mod store_id;
mod write_id;

// Writing.
mod create;
mod multipart;
mod part_buffer;
mod part_size;
mod part_upload;
mod readback;
mod upload;
mod upload_strategy;

// Reading.
mod download;
mod load;
mod open;

// Maintenance.
mod incomplete;
mod inventory;
mod sweep;

// HTTP and the three providers.
#[cfg(feature = "http")]
mod connector;
#[cfg(feature = "http")]
mod provider;
#[cfg(feature = "http")]
mod response;

pub use artifact_backend_config::{BucketCredentials, BucketOptions, S3Config};
pub use backend::ObjectStoreBackend;
pub use bucket_url::{BucketUrl, InvalidBucketUrl, Provider};
pub use probe::ProbeReport;
