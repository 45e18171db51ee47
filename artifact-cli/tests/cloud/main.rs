//! Tests two servers that share a database and a distributed store with three nodes. One node, then one
//! server, is killed and restarted while clients deposit and fetch.
//!
//!     bash .ci/cloud-servers seaweedfs
//!     cargo test -p artifact-cli --features s3,postgres --test cloud

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[path = "../it/harness.rs"]
#[expect(dead_code, reason = "the other tests use the rest of it")]
mod harness;

mod kill_a_node;
mod load;
mod site;
