#![doc = include_str!("../README.md")]

#[cfg(not(target_os = "linux"))]
compile_error!("artifact-backend-fs needs Linux: O_TMPFILE, openat2 and linkat of a descriptor");

mod backend;
mod blob;
mod buffers;
mod coop;
mod download;
mod error;
mod failed_syncs;
mod failure_record;
mod fan_out;
mod filesystem;
mod inventory;
mod layout;
mod load;
mod marker;
mod migration;
mod pool;
mod publish;
mod root;
mod shared;
mod staging;
mod store_id;
mod sweep;
mod sync;
mod sys;
mod trial;
mod upload;
mod writer;

pub use artifact_backend_config::FsConfig;
pub use backend::FsBackend;
pub use filesystem::{FileSystemRisk, file_system_risks};
