//! One connection: its limits, its state, and the requests on it.

mod body_rest;
mod guarded_stream;
#[cfg_attr(not(all(unix, not(artifact_not_unix))), path = "no_hangup.rs")]
mod hangup;
mod head_scan;
mod min_throughput;
mod request_body;
mod request_id;
mod request_record;
mod response_body;
mod send_progress;
mod serve;
mod server_state;
mod service;
#[cfg(test)]
mod slow_reader_tests;
mod state;
#[cfg(test)]
mod tests;
mod unsent_body;
mod wait_budget;

pub(crate) use hangup::{SocketRef, socket_of};
pub use request_body::RequestBody;
pub(crate) use serve::{builder, serve};
pub(crate) use server_state::ServerState;
pub(crate) use state::ConnectionState;
