#![doc = include_str!("../README.md")]

mod backend;
mod config;
mod error;
mod state;
mod upload;

pub use backend::MemBackend;
pub use config::MemConfig;
