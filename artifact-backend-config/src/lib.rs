#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bucket;
mod credentials;
mod fs;
mod mem;
mod pack;
mod s3;

pub use bucket::BucketOptions;
pub use credentials::BucketCredentials;
#[doc(hidden)]
pub use credentials::CredentialKind;
pub use fs::{FsConfig, FsProfile};
pub use mem::MemConfig;
pub use pack::PackConfig;
pub use s3::S3Config;
