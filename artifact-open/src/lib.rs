#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod backend;
mod backend_url;
#[doc(hidden)]
pub mod location;
mod options;
mod registry;
#[cfg(feature = "serde")]
mod serde_impl;

pub use artifact_backend_config::{
    BucketCredentials, BucketOptions, FsConfig, MemConfig, PackConfig, S3Config,
};
pub use backend::Backend;
pub use backend_url::BackendUrl;
pub use options::BackendOptions;
pub use registry::SchemeRegistry;
