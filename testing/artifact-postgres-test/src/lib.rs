//! Starts a PostgreSQL server of a test's own, from the programs that the machine has.
//!
//! [`Server::shared`] is one server for all tests of a binary, [`Server::start`] one for a test that
//! stops and starts it. Each test makes its own [`Database`] there. A server lies in a folder below
//! the temporary one, listens on a Unix socket in it and on 127.0.0.1, and syncs as one in earnest
//! does. It ends with the process that started it, however that ends.
//!
//! PostgreSQL refuses to run as root, so for root it runs as the user `postgres`, or `nobody`.
//!
//! Whatever fails here panics, as tests do.
#![expect(
    clippy::missing_panics_doc,
    reason = "all of it helps tests, which fail by panicking"
)]

mod database;
mod programs;
mod server;

pub use database::{Database, Psql};
pub use server::{Server, Stop};
