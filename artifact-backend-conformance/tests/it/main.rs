//! Integration tests of artifact-backend-conformance: the suite, tested on itself.

mod passing;
mod subjects;
