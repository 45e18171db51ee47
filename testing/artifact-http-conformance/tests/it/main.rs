//! Tests of artifact-http-conformance: its citations, its command, and deliberately wrong servers.

#![expect(clippy::unwrap_used, reason = "test helpers fail by panicking")]

mod clauses;
mod command;
mod mutants;
