//! The balancer.

use std::net::SocketAddr;

use artifact_cloud_test::{Balancer, FaultProxy, GcsFake};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, RetryConfig};

#[tokio::test]
async fn connections_go_to_each_address_in_turn_and_skip_dead_ones() {
    let fake = GcsFake::start().await.unwrap();
    fake.create_bucket("blobs");
    let store = fake.endpoint().address();
    let first = FaultProxy::start(store).await.unwrap();
    let second = FaultProxy::start(store).await.unwrap();
    let dead = SocketAddr::from(([127, 0, 0, 1], 1));
    let targets = vec![first.address(), dead, second.address()];
    let balancer = Balancer::start(targets).await.unwrap();
    for key in 0..6 {
        // A new client opens a new connection.
        let endpoint = fake.endpoint().at(balancer.address());
        let retry = RetryConfig {
            max_retries: 0,
            ..RetryConfig::default()
        };
        let client = endpoint.builder("blobs").with_retry(retry).build().unwrap();
        client
            .put(&Path::from(key.to_string()), "x".into())
            .await
            .unwrap();
    }
    assert_eq!(first.requests().len(), 2);
    assert_eq!(
        second.requests().len(),
        4,
        "its own turns and those of the dead address"
    );
}
