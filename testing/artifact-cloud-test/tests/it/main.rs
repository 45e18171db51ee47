//! Integration tests of artifact-cloud-test: the doubles do what they are said to do.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod balancer;
mod gcs;
mod proxy;
mod servers;
