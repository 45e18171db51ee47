//! Real servers, configured to use only the loopback interface.

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
use crate::process::error_chain;

/// How many times a server is started, each time with other ports: another process may take one first.
const MAX_STARTS: usize = 3;

/// The bucket of the readiness check.
const READY: &str = "ready";

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Starts a server, and retries with other ports if it did not become ready.
async fn start<T, F>(mut once: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut tries = 1;
    loop {
        match once().await {
            Err(Error::NotReady { .. }) if tries < MAX_STARTS => tries += 1,
            done => return done,
        }
    }
}

/// Checks that the server stores and returns an object. Its own health endpoint is not trusted.
async fn check_s3(endpoint: S3Endpoint) -> Result<(), String> {
    let made = endpoint.create_bucket(READY).await;
    made.map_err(|error| error_chain(&error))?;
    let store = endpoint
        .builder(READY)
        .with_retry(no_retries())
        .build()
        .map_err(|error| error_chain(&error))?;
    check_store(&store, &format!("ready-{}", endpoint.address().port())).await
}

async fn check_store(store: &dyn ObjectStore, key: &str) -> Result<(), String> {
    let key = Path::from(key);
    let put = store.put(&key, PutPayload::from_static(b"ready")).await;
    put.map_err(|error| error_chain(&error))?;
    let got = store.get(&key).await.map_err(|error| error_chain(&error))?;
    let bytes = got.bytes().await.map_err(|error| error_chain(&error))?;
    match bytes.as_ref() {
        b"ready" => Ok(()),
        _ => Err("it did not return the stored bytes".into()),
    }
}

fn no_retries() -> object_store::RetryConfig {
    object_store::RetryConfig {
        max_retries: 0,
        ..Default::default()
    }
}
