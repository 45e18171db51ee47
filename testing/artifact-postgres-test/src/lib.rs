#![doc = include_str!("../README.md")]
//! A server has a folder in the temporary folder, listens on a Unix socket in it and on 127.0.0.1, and syncs like a
//! production server. It stops when the process that started it ends, even if that process is killed.
//!
//! PostgreSQL refuses to run as root. If root runs the tests, the server runs as the user `postgres`, or as
//! the unprivileged user 65534.
//!
//! Every failure panics.
#![expect(clippy::missing_panics_doc, reason = "tests fail by panicking")]

mod database;
mod pooler;
mod programs;
mod server;

pub use database::{Database, Psql};
pub use pooler::Pooler;
pub use server::{Server, Stop};
