//! A small HTTP server whose responses a test decides, and the three providers' builders for it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use artifact_backend_s3::{ObjectStoreBackend, S3Config};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use tokio::net::TcpListener;

/// Starts a server and returns its address. It ends with the test's runtime.
pub(crate) async fn serve(
    respond: impl Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let respond = Arc::new(respond);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let respond = Arc::clone(&respond);
            let service = service_fn(move |request: Request<Incoming>| {
                let respond = Arc::clone(&respond);
                async move {
                    let (head, body) = request.into_parts();
                    // The client may cancel a request.
                    let body = body.collect().await?.to_bytes();
                    let request = Request::from_parts(head, body);
                    Ok::<_, hyper::Error>(respond(&request).map(Full::new))
                }
            });
            let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(serving);
        }
    });
    address
}

/// Returns a response with an error code, in the form of all three providers.
pub(crate) fn error(status: u16, code: &str) -> Response<Bytes> {
    let body = format!("<Error><Code>{code}</Code></Error>");
    Response::builder()
        .status(status)
        .header("x-ms-error-code", code)
        .body(body.into())
        .unwrap()
}

/// Opens a backend of each provider whose bucket is at this address.
pub(crate) fn each_provider(
    address: SocketAddr,
    config: &S3Config,
) -> [(&'static str, ObjectStoreBackend); 3] {
    let url = format!("http://{address}");
    let s3 = AmazonS3Builder::new()
        .with_bucket_name("bucket")
        .with_region("us-east-1")
        .with_endpoint(&url)
        .with_access_key_id("key")
        .with_secret_access_key("secret");
    let gcs = GoogleCloudStorageBuilder::new()
        .with_bucket_name("bucket")
        .with_base_url(&url)
        .with_bearer_token("token");
    let azure = MicrosoftAzureBuilder::new()
        .with_account("account")
        .with_access_key("c2VjcmV0")
        .with_container_name("bucket")
        .with_endpoint(url);
    [
        ("S3", ObjectStoreBackend::s3(s3, "p", config.clone())),
        ("GCS", ObjectStoreBackend::gcs(gcs, "p", config.clone())),
        (
            "Azure",
            ObjectStoreBackend::azure(azure, "p", config.clone()),
        ),
    ]
    .map(|(name, backend)| (name, backend.unwrap()))
}
