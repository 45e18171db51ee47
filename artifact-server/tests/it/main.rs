//! Tests an in-process server over real sockets, with clients that violate the protocol.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod harness;

mod connection_limit;
mod drain;
mod early_response;
mod framing;
mod half_close;
mod http2;
mod inherited;
mod request_log;
mod slow_reader;
#[cfg(feature = "tls")]
mod tls;
mod unix_socket;
