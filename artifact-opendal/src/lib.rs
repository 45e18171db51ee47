#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod deleter;
mod error;
mod lister;
mod path;
mod reader;
mod service;
mod writer;

pub use builder::ArtifactBuilder;
pub use path::new_path;
pub use service::{ArtifactService, SCHEME};
