//! The HTTP client below `object_store`. It changes four things:
//!
//! - It makes the request that completes a multipart upload fail if the object exists. The library
//!   has no such mode and would overwrite.
//! - It turns an error response into an [`ErrorResponse`], and a missing response into a
//!   [`NoResponse`], so that [`RequestError`](crate::error::RequestError) can tell them apart.
//! - It looks up host names so that a missing thread is an error.
//! - It records in both whether they came from the bucket's connection. Only that connection can say
//!   that an object does not exist.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use artifact_backend::{host, random};
use async_trait::async_trait;
use futures_util::StreamExt;
use object_store::ClientOptions;
use object_store::client::{
    DnsFuture, DnsResolver, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpResponse, HttpService, ReqwestConnector,
};

use crate::response::{ErrorResponse, NoResponse, Peer};

/// How a provider completes a multipart upload exclusively.
#[async_trait]
pub(crate) trait ExclusiveCompletion: Debug + Send + Sync + 'static {
    /// Whether this request completes a multipart upload.
    fn is_completion(&self, request: &HttpRequest) -> bool;

    /// Makes a completion fail if the object exists.
    async fn make_exclusive(&self, request: &mut HttpRequest) -> Result<(), HttpError>;
}

/// Connects as `object_store` does by default, and adds [`Service`] on top.
///
/// The builders of the library connect once for each service that issues credentials, and last of
/// all to the bucket. So the newest connection is the bucket's, and no list of host names is needed.
#[derive(Debug)]
pub(crate) struct Connector<C> {
    completion: Arc<C>,
    connections: Arc<AtomicUsize>,
}

impl<C: ExclusiveCompletion> Connector<C> {
    pub(crate) fn new(completion: C) -> Self {
        Self {
            completion: Arc::new(completion),
            connections: Arc::default(),
        }
    }
}

impl<C: ExclusiveCompletion> HttpConnector for Connector<C> {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        install_tls();
        let options = options.clone().with_dns_resolver(Arc::new(Resolver));
        let inner = ReqwestConnector::default().connect(&options)?;
        Ok(HttpClient::new(Service {
            inner,
            completion: Arc::clone(&self.completion),
            number: self.connections.fetch_add(1, Ordering::Relaxed) + 1,
            connections: Arc::clone(&self.connections),
        }))
    }
}

/// Looks up host names. The library's own look-up panics if no thread can be started.
#[derive(Debug)]
struct Resolver;

impl DnsResolver for Resolver {
    fn resolve(&self, host: &str) -> DnsFuture {
        let host = host.to_owned();
        Box::pin(async move {
            let mut addresses = host::look_up(host).await?;
            // Spreads the load over the servers of the bucket, as the library does.
            addresses.sort_by_cached_key(|_| random::bytes::<4>());
            Ok(addresses.iter().map(SocketAddr::ip).collect())
        })
    }
}

fn install_tls() {
    // A provider that the program has installed stays. If two tasks race, the first one wins.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// The maximum number of bytes read from the body of an error response. Real ones have less than 1 KiB.
const MAX_ERROR_BODY_BYTES: usize = 64 << 10;

#[derive(Debug)]
struct Service<C> {
    inner: HttpClient,
    completion: Arc<C>,
    /// The number of this connection, from 1.
    number: usize,
    /// How many connections the connector has made.
    connections: Arc<AtomicUsize>,
}

impl<C> Service<C> {
    fn peer(&self) -> Peer {
        if self.number == self.connections.load(Ordering::Relaxed) {
            Peer::Storage
        } else {
            Peer::Credentials
        }
    }
}

#[async_trait]
impl<C: ExclusiveCompletion> HttpService for Service<C> {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if self.completion.is_completion(&request) {
            self.completion.make_exclusive(&mut request).await?;
        }
        let host = request.uri().host().unwrap_or_default().to_owned();
        let peer = self.peer();
        let no_response = |source: HttpError| {
            HttpError::new(
                HttpErrorKind::Unknown,
                NoResponse {
                    peer,
                    host: host.clone(),
                    not_connected: source.kind() == HttpErrorKind::Connect,
                    source,
                },
            )
        };
        let response = self.inner.execute(request).await.map_err(no_response)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let mut body = body.bytes_stream();
        let mut text = Vec::new();
        while text.len() < MAX_ERROR_BODY_BYTES
            && let Some(chunk) = body.next().await
        {
            text.extend_from_slice(&chunk.map_err(no_response)?);
        }
        let header = parts.headers.get("x-ms-error-code");
        let error = ErrorResponse::new(
            peer,
            parts.status.as_u16(),
            header.and_then(|code| code.to_str().ok()),
            &String::from_utf8_lossy(&text),
        );
        // The library does not retry this kind. This backend decides about retries.
        Err(HttpError::new(HttpErrorKind::Unknown, error))
    }
}

/// Whether the query has a parameter with this name.
pub(crate) fn has_query(request: &HttpRequest, name: &str) -> bool {
    query(request, name).is_some()
}

/// Returns the value of the first query parameter with this name, still encoded.
pub(crate) fn query<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    request.uri().query()?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn localhost_is_looked_up() {
        let found = Resolver.resolve("localhost").await.unwrap();
        assert!(!found.is_empty());
        assert!(found.iter().all(std::net::IpAddr::is_loopback));
    }
}
