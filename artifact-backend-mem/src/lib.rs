#![doc = include_str!("../README.md")]

mod backend;
mod config;
mod download;
mod error;
mod inventory;
mod shared;
mod upload;

pub use backend::MemBackend;
pub use config::MemConfig;
