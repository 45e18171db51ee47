//! What a black box cannot see.

/// The clauses of `docs/http-api.md` with a MUST that no scenario cites, each with the reason.
pub const BLIND: &[(&str, &str)] = &[
    (
        "A-6",
        "that a credential cannot be checked now is not brought about from outside",
    ),
    (
        "A-8",
        "a server that does not start cannot be asked; `artifact serve` has its own test of it",
    ),
    (
        "F-14",
        "bytes are not damaged from outside; artifact-http and artifact-backend-conformance do that",
    ),
];
