//! Tests of artifact-http-conformance: its citations.

mod clauses;
