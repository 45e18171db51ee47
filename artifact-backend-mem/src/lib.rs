#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod backend;
mod download;
mod error;
mod inventory;
mod shared;
mod upload;

pub use artifact_backend_config::MemConfig;
pub use backend::MemBackend;
