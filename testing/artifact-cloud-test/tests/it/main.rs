//! Integration tests: servers, fake, proxy and balancer behave as documented.
#![expect(
    clippy::unwrap_used,
    reason = "tests and their helpers fail by panicking"
)]

mod balancer;
mod gcs;
mod proxy;
mod servers;
