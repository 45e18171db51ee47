//! The tests of the crate, in modules that mirror `src/`.

#![expect(clippy::unwrap_used, reason = "what helps tests is a test too")]

mod authorize;
mod backend_url;
mod content_type;
mod deposit;
mod error;
mod file_name;
mod identities;
mod names;
mod rows;
mod store;
mod support;
#[cfg(feature = "fs")]
mod verified;
