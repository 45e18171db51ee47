//! The tests of the crate, in modules that mirror `src/`.

#![expect(clippy::unwrap_used, reason = "what helps tests is a test too")]

mod backend;
mod backend_url;
mod options;
mod registry;
mod text;
