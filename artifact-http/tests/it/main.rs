//! The tests of the crate over HTTP, in modules that mirror `src/`.

#![expect(clippy::unwrap_used, reason = "what helps tests is a test too")]

mod conditional;
mod deposit;
mod digest_fields;
mod disposition;
mod experiment;
mod fetch;
mod gate;
mod groups;
mod identity_authenticator;
mod matrix;
mod multipart;
mod multipart_bounds;
mod nested;
mod openapi;
mod range;
mod secrets;
mod support;
mod verified;
mod wire;
mod workers;
