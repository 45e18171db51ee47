//! Tests of the crate over HTTP, in modules that mirror `src/`.

#![expect(clippy::unwrap_used, reason = "test helpers may panic like tests")]

mod admin_tokens;
mod administrators;
mod audit;
mod authenticate;
mod binding;
mod body;
mod collection_grants;
mod collections;
mod conditional;
mod content;
mod deposit;
mod digest_fields;
mod dispatch;
mod disposition;
mod experiment;
mod fetch;
mod fuzz_replay;
mod groups;
mod identity_authenticator;
mod json_body;
mod keys;
mod layers;
mod lists;
mod management;
mod matched_path;
mod matrix;
mod multipart;
mod multipart_bounds;
mod nested;
mod openapi;
#[cfg(feature = "page")]
mod page;
mod problem_layer;
mod range;
mod read_policy;
mod secrets;
mod sharing;
mod support;
mod uploads;
mod uploads_by_draft;
mod uploads_verified;
mod verified_range;
mod wire;
mod workers;
