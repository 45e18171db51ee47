//! Clauses that cannot be tested from outside.

/// Clauses of `docs/http-api.md` that contain MUST but have no scenario, each with the reason.
pub const BLIND: &[(&str, &str)] = &[
    (
        "A-6",
        "a client cannot cause the failure of a credential check",
    ),
    (
        "A-8",
        "a server that does not start sends no response; `artifact serve` has its own test",
    ),
    (
        "F-14",
        "a client cannot damage stored bytes; the tests of artifact-http and artifact-backend-conformance do",
    ),
    (
        "F-15",
        "a client cannot damage stored bytes; the tests of artifact-http do",
    ),
    (
        "L-1",
        "a client cannot make a read of the database fail; the tests of artifact-http do",
    ),
];
