//! Real servers behave as documented, and end when dropped.

use std::net::SocketAddr;

use artifact_cloud_test::{Azurite, Rclone, S3Endpoint, S3sFs, SeaweedCluster, SeaweedFs, or_skip};
use artifact_postgres_test::Server as Postgres;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutMode};

async fn create_twice(store: &dyn ObjectStore) -> (Result<(), Error>, Result<(), Error>) {
    let key = Path::from("twice");
    let create = |bytes: &'static str| async {
        let options = PutMode::Create.into();
        store.put_opts(&key, bytes.into(), options).await.map(drop)
    };
    (create("first").await, create("second").await)
}

async fn s3(endpoint: &S3Endpoint) -> impl ObjectStore + use<> {
    endpoint.create_bucket("blobs").await.unwrap();
    // A second creation succeeds too.
    endpoint.create_bucket("blobs").await.unwrap();
    endpoint.builder("blobs").build().unwrap()
}

fn listens(address: SocketAddr) -> bool {
    std::net::TcpStream::connect(address).is_ok()
}

#[tokio::test]
async fn seaweedfs_creates_exclusively_and_ends_when_dropped() {
    let Some(server) = or_skip("SeaweedFS", SeaweedFs::start().await) else {
        return;
    };
    let store = s3(server.endpoint()).await;
    let (first, second) = create_twice(&store).await;
    first.unwrap();
    assert!(
        matches!(second, Err(Error::AlreadyExists { .. })),
        "{second:?}"
    );

    let stranger = server.endpoint().builder("blobs");
    let stranger = stranger.with_secret_access_key("wrong").build().unwrap();
    let refused = stranger.head(&Path::from("twice")).await;
    assert!(
        matches!(refused, Err(Error::PermissionDenied { .. })),
        "{refused:?}"
    );

    let address = server.endpoint().address();
    assert!(address.ip().is_loopback() && address.port() < 32_768);
    drop(server);
    assert!(!listens(address));
}

#[tokio::test]
async fn azurite_creates_exclusively_and_ends_when_dropped() {
    let Some(server) = or_skip("Azure", Azurite::start().await) else {
        return;
    };
    server.endpoint().create_container("blobs").await.unwrap();
    server.endpoint().create_container("blobs").await.unwrap();
    let store = server.endpoint().builder("blobs").build().unwrap();
    let (first, second) = create_twice(&store).await;
    first.unwrap();
    assert!(
        matches!(second, Err(Error::AlreadyExists { .. })),
        "{second:?}"
    );
    let address = server.endpoint().address();
    assert!(address.ip().is_loopback() && address.port() < 32_768);
    drop(server);
    assert!(!listens(address));
}

#[tokio::test]
async fn a_second_create_on_s3s_fs_fails() {
    let Some(server) = or_skip("s3s-fs", S3sFs::start().await) else {
        return;
    };
    let (first, second) = create_twice(&s3(server.endpoint()).await).await;
    first.unwrap();
    assert!(
        matches!(second, Err(Error::AlreadyExists { .. })),
        "{second:?}"
    );
}

#[tokio::test]
async fn a_second_create_on_rclone_overwrites() {
    let Some(server) = or_skip("rclone", Rclone::start().await) else {
        return;
    };
    let store = s3(server.endpoint()).await;
    let (first, second) = create_twice(&store).await;
    first.unwrap();
    second.unwrap();
    let kept = store.get(&Path::from("twice")).await.unwrap();
    assert_eq!(kept.bytes().await.unwrap(), "second");
}

#[tokio::test]
async fn a_cluster_serves_without_one_node_and_after_its_return() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let cluster = SeaweedCluster::start(&postgres.database()).await;
    let Some(mut cluster) = or_skip("three nodes", cluster) else {
        return;
    };
    let endpoints = cluster.endpoints();
    let store = s3(&endpoints[0]).await;
    store.put(&Path::from("a"), "bytes".into()).await.unwrap();

    cluster.kill(0);
    assert!(!listens(endpoints[0].address()));
    let others = endpoints[1].builder("blobs").build().unwrap();
    let got = others.get(&Path::from("a")).await.unwrap();
    assert_eq!(got.bytes().await.unwrap(), "bytes");

    cluster.revive(0).await.unwrap();
    let got = store.get(&Path::from("a")).await.unwrap();
    assert_eq!(got.bytes().await.unwrap(), "bytes");

    drop(cluster);
    assert!(!endpoints.iter().any(|endpoint| listens(endpoint.address())));
}
