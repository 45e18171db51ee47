//! Tests of artifact-http-conformance: its citations, its binary, and servers that are wrong on purpose.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod clauses;
mod command;
mod mutants;
