#![doc = include_str!("../README.md")]

#[cfg(not(target_os = "linux"))]
compile_error!("artifact-backend-fs needs Linux: O_TMPFILE, openat2 and linkat of a descriptor");

mod backend;
mod buffers;
mod config;
mod doubt;
mod download;
mod error;
mod layout;
mod list;
mod load;
mod marker;
mod pace;
mod pool;
mod publish;
mod reading;
mod root;
mod staging;
mod sweep;
mod sync;
mod sys;
mod upload;

pub use backend::FsBackend;
pub use config::FsConfig;
