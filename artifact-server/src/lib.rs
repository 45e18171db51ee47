#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
mod hooks;
mod host;
mod metrics;
mod rejection;
mod server;

mod client_timeout;
mod connection;
mod lingering_close;
mod permits;

#[cfg_attr(not(all(unix, not(artifact_not_unix))), path = "no_file_size_limit.rs")]
mod file_size_limit;
mod listener;
mod log_writer;
#[cfg_attr(not(all(unix, not(artifact_not_unix))), path = "no_open_files.rs")]
mod open_files;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
mod tls_error;
#[cfg_attr(not(all(unix, not(artifact_not_unix))), path = "no_unix_socket.rs")]
mod unix_socket;

pub use config::ServerConfig;
pub use connection::RequestBody;
pub use file_size_limit::survive_file_size_limit;
pub use hooks::{DefaultHooks, Hooks, RequestLabels};
pub use listener::{Address, ListenError, Listener};
pub use log_writer::LogWriter;
pub use metrics::METRICS;
pub use open_files::{TooFewOpenFiles, raise_open_file_limit};
pub use rejection::Rejection;
pub use server::{ServeOutcome, Server, ServerHandle};
pub use tls::Tls;
pub use tls_error::TlsError;
