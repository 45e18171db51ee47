//! The contract of artifact-backend as a suite that any backend can run.
