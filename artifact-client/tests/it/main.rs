//! The client against a server that says what the test tells it to.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod credential;
mod cuts;
mod deposit;
mod fake;
mod fetch;
mod identities;
mod range;
mod resume;
mod retries;
mod settings;
