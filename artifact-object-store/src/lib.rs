#![doc = include_str!("../README.md")]

mod error;
mod path;
mod store;
mod upload;

pub use path::{id_of, new_path, path_of};
pub use store::ArtifactObjectStore;
