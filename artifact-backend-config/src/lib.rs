#![doc = include_str!("../README.md")]

mod bucket;
mod credentials;
mod fs;
mod mem;
mod s3;

pub use bucket::BucketOptions;
pub use credentials::BucketCredentials;
#[doc(hidden)]
pub use credentials::CredentialKind;
pub use fs::{FsConfig, FsProfile};
pub use mem::MemConfig;
pub use s3::S3Config;
