//! Uploads over a slow link, and parts that are never answered.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_backend::{ArtifactBackend, ArtifactId, Upload};
use artifact_backend_s3::{ObjectStoreBackend, S3Config};
use artifact_cloud_test::{Fault, FaultProxy, GcsFake, Loss, RecordedRequest};
use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep_until};

const BUCKET: &str = "bucket";
const MIB: usize = 1 << 20;

async fn fake() -> GcsFake {
    let fake = GcsFake::start().await.unwrap();
    fake.create_bucket(BUCKET);
    fake
}

/// Opens a backend on the fake, through another address.
fn open(fake: &GcsFake, address: SocketAddr, config: S3Config) -> ObjectStoreBackend {
    let builder = fake.endpoint().at(address).builder(BUCKET);
    ObjectStoreBackend::gcs(builder, "p", config).unwrap()
}

/// Uploads a blob in chunks of 1 MiB and returns its id.
async fn upload(
    backend: &ObjectStoreBackend,
    blob: &Bytes,
) -> artifact_backend::Result<ArtifactId> {
    let id = ArtifactId::mint();
    let mut upload: Box<dyn Upload> = backend.upload(id).await?;
    for at in (0..blob.len()).step_by(MIB) {
        let end = blob.len().min(at + MIB);
        upload.write(blob.slice(at..end)).await?;
    }
    upload.commit().await?;
    Ok(id)
}

/// A link to a server. All connections share its rate toward the server.
fn slow_link(server: SocketAddr, bytes_per_second: u64) -> SocketAddr {
    let socket = TcpSocket::new_v4().unwrap();
    // A small window, so that the bytes wait at the client and not here.
    socket.set_recv_buffer_size(256 << 10).unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(16).unwrap();
    let address = listener.local_addr().unwrap();
    let busy_until = Arc::new(Mutex::new(Instant::now()));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let busy_until = Arc::clone(&busy_until);
            tokio::spawn(carry(client, server, bytes_per_second, busy_until));
        }
    });
    address
}

async fn carry(
    client: TcpStream,
    server: SocketAddr,
    bytes_per_second: u64,
    busy_until: Arc<Mutex<Instant>>,
) {
    let (mut from_client, mut to_client) = client.into_split();
    let server = TcpStream::connect(server).await.unwrap();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
        let time = Duration::from_micros(length as u64 * 1_000_000 / bytes_per_second);
        let arrives = {
            let mut busy_until = busy_until.lock().unwrap();
            *busy_until = Instant::now().max(*busy_until) + time;
            *busy_until
        };
        sleep_until(arrives).await;
        if to_server.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_parts_on_a_slow_link_arrive() {
    let fake = fake().await;
    // Four parts of 16 MiB take 8 s together, and each takes as long, because they share the link.
    let address = slow_link(fake.endpoint().address(), 8 << 20);
    // A part that must arrive within 4 s in all would fail.
    let config = S3Config::default()
        .with_part_bytes(16 << 20)
        .with_answer_timeout(Duration::from_secs(3))
        .with_min_upload_rate(16 << 20)
        .with_deadline(Duration::ZERO);
    let backend = open(&fake, address, config);
    let blob = Bytes::from(vec![7; 64 * MIB]);
    let began = Instant::now();
    let id = upload(&backend, &blob).await.unwrap();
    assert!(began.elapsed() > Duration::from_secs(7), "the link is slow");
    assert_eq!(backend.load(id).await.unwrap(), blob);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_survives_a_part_that_is_never_answered() {
    let is_part = |request: &RecordedRequest| {
        request.method == Method::PUT && request.query.contains("partNumber=2")
    };
    for fault in [
        Fault::RequestLost(Loss::Silent),
        Fault::ResponseLost(Loss::Silent),
    ] {
        let fake = fake().await;
        let proxy = FaultProxy::start(fake.endpoint().address()).await.unwrap();
        proxy.fail_next(is_part, fault);
        // The first attempt lasts longer than the deadline of the retries.
        let config = S3Config::default()
            .with_part_bytes(5 << 20)
            .with_answer_timeout(Duration::from_secs(2))
            .with_min_upload_rate(50 << 20)
            .with_deadline(Duration::from_secs(1));
        let backend = open(&fake, proxy.address(), config);
        let blob = Bytes::from(vec![7; 11 * MIB]);
        let id = upload(&backend, &blob).await.unwrap();
        assert_eq!(backend.load(id).await.unwrap(), blob);
        let requests = proxy.requests();
        let parts = requests.iter().filter(|request| is_part(request));
        assert_eq!(parts.count(), 2);
    }
}
