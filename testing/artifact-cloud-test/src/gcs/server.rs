//! The fake's listener, authorization and routing.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Method, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use super::bucket::Bucket;
use super::request::GcsRequest;
use super::response::{self, GcsResponse};
use super::{objects, uploads};
use crate::endpoint::GcsEndpoint;
use crate::error::{Error, Result};

/// A fake of Google Cloud Storage's XML API, in memory. Dropping it stops it.
///
/// It implements:
///
/// - generations as preconditions (`x-goog-if-generation-match`), with 412 if they do not hold;
/// - multipart uploads, which reject a precondition with 400 and overwrite;
/// - rejection of parts below 5 MiB on completion, except the last;
/// - rejection of a body whose CRC-32C is not that of `x-goog-hash`;
/// - copies, including the metadata;
/// - lists of objects and of uploads in pages;
/// - ranges and conditional reads;
/// - 401 without the token, and 404 `NoSuchBucket`.
#[derive(Debug)]
pub struct GcsFake {
    endpoint: GcsEndpoint,
    buckets: Arc<Buckets>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Buckets(Mutex<BTreeMap<String, Bucket>>);

impl GcsFake {
    /// Listens on a loopback port.
    ///
    /// # Errors
    ///
    /// Fails if no port is available.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(Error::io("cannot listen for the fake"))?;
        let address: SocketAddr = listener
            .local_addr()
            .map_err(Error::io("cannot read the fake's port"))?;
        let buckets = Arc::new(Buckets::default());
        let task = tokio::spawn(accept(listener, Arc::clone(&buckets)));
        Ok(Self {
            endpoint: GcsEndpoint::new(address),
            buckets,
            task,
        })
    }

    /// Returns its endpoint.
    pub fn endpoint(&self) -> &GcsEndpoint {
        &self.endpoint
    }

    /// Creates a bucket, unless it exists.
    pub fn create_bucket(&self, bucket: &str) {
        self.buckets.lock().entry(bucket.to_owned()).or_default();
    }

    /// Removes a bucket and its contents.
    pub fn delete_bucket(&self, bucket: &str) {
        self.buckets.lock().remove(bucket);
    }

    /// Sets how many multipart uploads of a bucket a page of a list shows; 1,000 by default.
    pub fn set_page_uploads(&self, bucket: &str, uploads: usize) {
        if let Some(bucket) = self.buckets.lock().get_mut(bucket) {
            bucket.page_uploads = uploads;
        }
    }

    /// Returns how many multipart uploads of a bucket are neither completed nor aborted.
    pub fn unfinished_uploads(&self, bucket: &str) -> usize {
        self.buckets
            .lock()
            .get(bucket)
            .map_or(0, Bucket::unfinished_uploads)
    }
}

impl Drop for GcsFake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Buckets {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, request: &GcsRequest) -> GcsResponse {
        let expected = format!("Bearer {}", GcsEndpoint::TOKEN);
        if request.header(header::AUTHORIZATION.as_str()) != Some(&expected) {
            return response::error(401, "AuthenticationRequired", "a bearer token is required");
        }
        let mut buckets = self.lock();
        let Some(bucket) = buckets.get_mut(&request.bucket) else {
            return response::error(404, "NoSuchBucket", "The specified bucket does not exist.");
        };
        let Some(key) = &request.object else {
            return match request.method {
                Method::GET if request.has_query("uploads") => uploads::list(bucket, request),
                Method::GET => objects::list(bucket, request),
                _ => response::error(
                    405,
                    "MethodNotAllowed",
                    "the method is not allowed on a bucket",
                ),
            };
        };
        if let Some(response) = request.mismatch() {
            return response;
        }
        let upload = request.query("uploadId");
        match (&request.method, upload) {
            (&Method::POST, None) if request.has_query("uploads") => {
                uploads::begin(bucket, key, request)
            }
            (&Method::PUT, Some(upload)) => uploads::part(bucket, upload, request),
            (&Method::POST, Some(upload)) => uploads::complete(bucket, key, upload, request),
            (&Method::GET, Some(upload)) => uploads::parts(bucket, upload),
            (&Method::DELETE, Some(upload)) => uploads::abort(bucket, upload),
            (&Method::PUT, None) => match request.header("x-goog-copy-source") {
                Some(source) => objects::copy(bucket, key, source, request),
                None => objects::put(bucket, key, request),
            },
            (&Method::GET | &Method::HEAD, None) => objects::get(bucket, key, request),
            (&Method::DELETE, None) => objects::delete(bucket, key),
            _ => response::error(
                405,
                "MethodNotAllowed",
                "the method is not allowed on an object",
            ),
        }
    }
}

async fn accept(listener: TcpListener, buckets: Arc<Buckets>) {
    // Dropped with this task, which ends every connection.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let buckets = Arc::clone(&buckets);
        let service = service_fn(move |request: http::Request<Incoming>| {
            let buckets = Arc::clone(&buckets);
            async move {
                let response = match GcsRequest::read(request).await {
                    Ok(request) => buckets.handle(&request),
                    Err(why) => response::error(400, "IncompleteBody", &why),
                };
                Ok::<_, Infallible>(response)
            }
        });
        connections.spawn(async move {
            // Errors of a client that disconnects are ignored.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
