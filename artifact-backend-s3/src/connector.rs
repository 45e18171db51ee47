//! The HTTP client below `object_store`. It changes six things:
//!
//! - It applies the [`RequestRules`] of the provider. The library has no mode in which completing a
//!   multipart upload fails if the object exists, and no checksums for Google and Azure.
//! - It turns an error response into an [`ErrorResponse`], and a missing response into a
//!   [`NoResponse`], so that [`RequestError`](crate::error::RequestError) can tell them apart.
//! - It looks up host names so that a missing thread is an error.
//! - It records when the bytes of a response arrive, so that time-outs end silence only.
//! - It records in both errors whether they came from the bucket's connection. Only that connection can say
//!   that an object does not exist.
//! - It rejects the response of another server to which the bucket's host redirected a request.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use artifact_backend::{host, random};
use async_trait::async_trait;
use futures_util::StreamExt;
use http::{Method, Uri};
use http_body_util::BodyExt as _;
use object_store::ClientOptions;
use object_store::client::{
    DnsFuture, DnsResolver, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpResponse, HttpResponseBody, HttpService, ReqwestConnector,
};

use tower_http::follow_redirect::RequestUri;

use crate::progress::Progress;
use crate::response::{ErrorResponse, NoResponse, Peer};

/// What a provider's requests need beyond what `object_store` gives them.
#[async_trait]
pub(crate) trait RequestRules: Debug + Send + Sync + 'static {
    /// Changes a request before it is sent: makes the completion of a multipart upload fail if the
    /// object exists, and adds a checksum to uploaded bytes.
    async fn apply(&self, request: &mut HttpRequest) -> Result<(), HttpError>;
}

/// Connects as `object_store` does by default, and adds [`Service`] on top.
///
/// The builders of the library connect once for each service that issues credentials, and last of
/// all to the bucket. So the newest connection is the bucket's, and no list of host names is needed.
#[derive(Debug)]
pub(crate) struct Connector<R> {
    rules: Arc<R>,
    connections: Connections,
}

/// The connections that a [`Connector`] has made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connections {
    count: Arc<AtomicUsize>,
    newest: Arc<Mutex<Option<HttpClient>>>,
}

impl Connections {
    /// Returns the client of the bucket's connection, with all its settings, once the builder has
    /// built a store.
    pub(crate) fn to_bucket(&self) -> Option<HttpClient> {
        let newest = self.newest.lock();
        newest.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<R: RequestRules> Connector<R> {
    pub(crate) fn new(rules: R) -> Self {
        Self {
            rules: Arc::new(rules),
            connections: Connections::default(),
        }
    }

    pub(crate) fn connections(&self) -> Connections {
        self.connections.clone()
    }
}

impl<R: RequestRules> HttpConnector for Connector<R> {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        install_tls();
        let options = options.clone().with_dns_resolver(Arc::new(Resolver));
        let inner = ReqwestConnector::default().connect(&options)?;
        let Connections { count, newest } = &self.connections;
        let client = HttpClient::new(Service {
            inner,
            rules: Arc::clone(&self.rules),
            number: count.fetch_add(1, Ordering::Relaxed) + 1,
            connections: Arc::clone(count),
        });
        *newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
        Ok(client)
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
struct Service<R> {
    inner: HttpClient,
    rules: Arc<R>,
    /// The number of this connection, from 1.
    number: usize,
    /// How many connections the connector has made.
    connections: Arc<AtomicUsize>,
}

impl<R> Service<R> {
    fn peer(&self) -> Peer {
        if self.number == self.connections.load(Ordering::Relaxed) {
            Peer::Storage
        } else {
            Peer::Credentials
        }
    }
}

#[async_trait]
impl<R: RequestRules> HttpService for Service<R> {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.rules.apply(&mut request).await?;
        let progress = Progress::current();
        let uri = request.uri().clone();
        let host = uri.host().unwrap_or_default();
        let peer = self.peer();
        let is_read = is_read(&request);
        let no_response = |source: HttpError| {
            HttpError::new(
                HttpErrorKind::Unknown,
                NoResponse {
                    peer,
                    host: host.to_owned(),
                    not_connected: source.kind() == HttpErrorKind::Connect,
                    source,
                },
            )
        };
        let response = self.inner.execute(request).await.map_err(no_response)?;
        let response = match progress {
            Some(progress) if !is_read => {
                progress.record();
                response.map(|body| recording(body, progress))
            }
            _ => response,
        };
        let redirected = peer == Peer::Storage && was_redirected(&uri, &response);
        // A read verifies what it gets. Everything else must come from the bucket itself: a write that
        // was redirected may have become a read, and a list of another server shows other blobs.
        if response.status().is_success() && (is_read || !redirected) {
            return Ok(response);
        }
        let peer = if redirected { Peer::Redirect } else { peer };
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

/// Whether the request reads an object. The time-outs of its body are those of the reader.
fn is_read(request: &HttpRequest) -> bool {
    let method = request.method();
    (method == Method::GET || method == Method::HEAD) && request.uri().query().is_none()
}

/// Whether the response comes from another address than the request was sent to. The HTTP client
/// follows redirects, and the library cannot turn that off.
fn was_redirected(sent: &Uri, response: &HttpResponse) -> bool {
    let Some(reached) = response.extensions().get::<RequestUri>() else {
        return false;
    };
    // The HTTP client normalizes the address in the same way.
    match reqwest::Url::parse(&sent.to_string()) {
        Ok(sent) => reached.0 != *sent.as_str(),
        Err(_) => false,
    }
}

/// Returns a response body that records when its chunks arrive.
fn recording(body: HttpResponseBody, progress: Progress) -> HttpResponseBody {
    HttpResponseBody::new(body.map_frame(move |frame| {
        progress.record();
        frame
    }))
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
