#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;
mod path;
mod store;
mod upload;

pub use path::{id_of, new_path, path_of};
pub use store::ArtifactObjectStore;
