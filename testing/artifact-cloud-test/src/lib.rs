#![doc = include_str!("../README.md")]

mod error;

// Starting and stopping servers.
mod port;
mod process;
mod tool;

// Endpoints, clients and buckets.
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
pub use crate::proxy::{CannedResponse, Fault, FaultProxy, Loss, RecordedRequest};
pub use crate::servers::{Azurite, Rclone, S3sFs, SeaweedCluster, SeaweedFs};
pub use crate::tool::or_skip;
