//! The fake's listener: who may ask, and which part of the interface is meant.

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

use super::answer::{self, Answered};
use super::bucket::Bucket;
use super::request::Asked;
use super::{objects, uploads};
use crate::endpoint::GcsEndpoint;
use crate::error::{Error, Result};

/// A fake of Google Cloud Storage's XML interface, in memory. It ends when this is dropped.
///
/// Right are: generations as preconditions (`x-goog-if-generation-match`), with 412 where they do not
/// hold; multipart uploads, which refuse a precondition with 400 and overwrite; parts under 5 MiB
/// refused on completion, the last apart; copies, with the metadata; lists in pages, with prefix and
/// delimiter; ranges and conditional reads; 401 without the token; 404 `NoSuchBucket`.
#[derive(Debug)]
pub struct GcsFake {
    endpoint: GcsEndpoint,
    buckets: Arc<Buckets>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Buckets(Mutex<BTreeMap<String, Bucket>>);

impl GcsFake {
    /// Listens on a port of the loopback.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(Error::io("listen as a fake"))?;
        let address: SocketAddr = listener
            .local_addr()
            .map_err(Error::io("ask for the fake's port"))?;
        let buckets = Arc::new(Buckets::default());
        let task = tokio::spawn(accept(listener, Arc::clone(&buckets)));
        Ok(Self {
            endpoint: GcsEndpoint::new(address),
            buckets,
            task,
        })
    }

    /// Where it is reached.
    pub fn endpoint(&self) -> &GcsEndpoint {
        &self.endpoint
    }

    /// Makes a bucket; what is in one of that name stays.
    pub fn create_bucket(&self, bucket: &str) {
        self.buckets.lock().entry(bucket.to_owned()).or_default();
    }

    /// Removes a bucket and all that is in it.
    pub fn delete_bucket(&self, bucket: &str) {
        self.buckets.lock().remove(bucket);
    }

    /// How many multipart uploads of a bucket are neither completed nor aborted.
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

    fn answer(&self, asked: &Asked) -> Answered {
        let expected = format!("Bearer {}", GcsEndpoint::TOKEN);
        if asked.header(header::AUTHORIZATION.as_str()) != Some(&expected) {
            return answer::error(401, "AuthenticationRequired", "a bearer token is needed");
        }
        let mut buckets = self.lock();
        let Some(bucket) = buckets.get_mut(&asked.bucket) else {
            return answer::error(404, "NoSuchBucket", "The specified bucket does not exist.");
        };
        let Some(key) = &asked.object else {
            return match asked.method {
                Method::GET if asked.has("uploads") => uploads::list(bucket, asked),
                Method::GET => objects::list(bucket, asked),
                _ => answer::error(405, "MethodNotAllowed", "not of a bucket"),
            };
        };
        let upload = asked.query("uploadId");
        match (&asked.method, upload) {
            (&Method::POST, None) if asked.has("uploads") => uploads::begin(bucket, key, asked),
            (&Method::PUT, Some(upload)) => uploads::part(bucket, upload, asked),
            (&Method::POST, Some(upload)) => uploads::complete(bucket, key, upload, asked),
            (&Method::GET, Some(upload)) => uploads::parts(bucket, upload),
            (&Method::DELETE, Some(upload)) => uploads::abort(bucket, upload),
            (&Method::PUT, None) => match asked.header("x-goog-copy-source") {
                Some(source) => objects::copy(bucket, key, source, asked),
                None => objects::put(bucket, key, asked),
            },
            (&Method::GET | &Method::HEAD, None) => objects::get(bucket, key, asked),
            (&Method::DELETE, None) => objects::delete(bucket, key),
            _ => answer::error(405, "MethodNotAllowed", "not of an object"),
        }
    }
}

async fn accept(listener: TcpListener, buckets: Arc<Buckets>) {
    // It ends with this task, and every connection with it.
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
                let answer = match Asked::read(request).await {
                    Ok(asked) => buckets.answer(&asked),
                    Err(why) => answer::error(400, "IncompleteBody", &why),
                };
                Ok::<_, Infallible>(answer)
            }
        });
        connections.spawn(async move {
            // A client that goes away is its own affair.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
