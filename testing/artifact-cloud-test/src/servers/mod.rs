//! Real servers, each with the settings that keep it on the loopback and off the network.

mod azurite;
mod cluster;
mod rclone;
mod s3s_fs;
mod seaweed;

pub use azurite::Azurite;
pub use cluster::SeaweedCluster;
pub use rclone::Rclone;
pub use s3s_fs::S3sFs;
pub use seaweed::SeaweedFs;

use std::net::{Ipv4Addr, SocketAddr};

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};

use crate::endpoint::S3Endpoint;
use crate::error::{Error, Result};
use crate::process::chain;

/// How often a server is started again with other ports: another process may take one meanwhile.
const STARTS: usize = 3;

/// The bucket that a server proves itself with.
const READY: &str = "ready";

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Starts a server, with other ports when it did not come up.
async fn start<T, F>(mut once: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut tries = 1;
    loop {
        match once().await {
            Err(Error::NotReady { .. }) if tries < STARTS => tries += 1,
            done => return done,
        }
    }
}

/// One real write and read: what a server says of its own health is not asked.
async fn serves_s3(endpoint: S3Endpoint) -> Result<(), String> {
    let made = endpoint.create_bucket(READY).await;
    made.map_err(|error| chain(&error))?;
    let store = endpoint
        .builder(READY)
        .with_retry(no_retries())
        .build()
        .map_err(|error| chain(&error))?;
    serves(&store, &format!("ready-{}", endpoint.address().port())).await
}

async fn serves(store: &dyn ObjectStore, key: &str) -> Result<(), String> {
    let key = Path::from(key);
    let put = store.put(&key, PutPayload::from_static(b"ready")).await;
    put.map_err(|error| chain(&error))?;
    let got = store.get(&key).await.map_err(|error| chain(&error))?;
    let bytes = got.bytes().await.map_err(|error| chain(&error))?;
    match bytes.as_ref() {
        b"ready" => Ok(()),
        _ => Err("it gave back other bytes than it was given".into()),
    }
}

fn no_retries() -> object_store::RetryConfig {
    object_store::RetryConfig {
        max_retries: 0,
        ..Default::default()
    }
}
