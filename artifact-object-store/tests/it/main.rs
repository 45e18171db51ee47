//! Tests of the store: refusals, reads against `object_store`'s own memory store, uploads, lists, and
//! `object_store`'s integration tests.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod integration;
mod lists;
mod named;
mod reads;
mod refusals;
mod uploads;
