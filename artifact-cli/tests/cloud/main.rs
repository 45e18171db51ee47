//! Tests servers with real object stores: two that share a database and a distributed store with three nodes, of which one,
//! then one server, is killed and restarted while clients deposit and fetch; and stores that move to a bucket and back.
//!
//!     bash .ci/cloud-servers seaweedfs
//!     cargo test -p artifact-cli --features s3,postgres --test cloud

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[path = "../clients/mod.rs"]
mod clients;
#[path = "../day/mod.rs"]
mod day;
#[path = "../it/harness.rs"]
#[expect(dead_code, reason = "the other tests use the rest of it")]
mod harness;
#[path = "../it/maintained.rs"]
#[expect(dead_code, reason = "the other tests use the rest of it")]
mod maintained;

mod day_in_the_life;
mod kill_a_node;
mod load;
mod migrate;
mod site;
