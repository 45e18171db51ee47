//! One connection: its limits, its state, and the requests on it.

mod guarded_stream;
mod min_throughput;
mod request_body;
mod request_id;
mod request_record;
mod response_body;
mod serve;
mod server_state;
mod service;
mod state;
#[cfg(test)]
mod tests;

pub use request_body::RequestBody;
pub(crate) use serve::{builder, serve};
pub(crate) use server_state::ServerState;
pub(crate) use state::ConnectionState;
