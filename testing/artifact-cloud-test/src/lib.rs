#![doc = include_str!("../README.md")]

mod error;

// What starts a server and sees that it ends.
mod port;
mod process;
mod tool;

// Where a store is reached, and how clients and buckets are made there.
mod endpoint;

mod balancer;
mod gcs;
mod proxy;
mod servers;

pub use crate::balancer::Balancer;
pub use crate::endpoint::{AzureEndpoint, GcsEndpoint, S3Endpoint};
pub use crate::error::{Error, Result};
pub use crate::gcs::GcsFake;
pub use crate::port::free as free_ports;
pub use crate::proxy::{Answer, Fault, FaultProxy, Loss, Seen};
pub use crate::servers::{Azurite, Rclone, S3sFs, SeaweedCluster, SeaweedFs};
pub use crate::tool::or_skip;
