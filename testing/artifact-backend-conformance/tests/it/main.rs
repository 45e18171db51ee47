//! Integration tests of artifact-backend-conformance: the suite, tested on itself.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod each_case;
mod faults;
mod mutants;
mod passing;
mod subjects;
