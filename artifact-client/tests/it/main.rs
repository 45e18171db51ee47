//! Tests of the client against a server with scripted replies.
#![expect(clippy::unwrap_used, reason = "test helpers fail by panicking")]

mod administrators;
mod binding;
mod collections;
mod credential;
mod deposit;
mod faults;
mod fetch;
mod identity;
mod management;
mod range;
mod resume;
mod retries;
mod server;
mod settings;
mod sharing;
