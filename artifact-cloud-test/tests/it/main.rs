//! Integration tests of artifact-cloud-test: the doubles do what they are said to do.

mod balancer;
mod gcs;
mod proxy;
mod servers;
