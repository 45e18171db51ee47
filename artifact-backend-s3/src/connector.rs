//! The HTTP client below `object_store`. It changes four things:
//!
//! - It makes the request that completes a multipart upload fail if the object exists. The library
//!   has no such mode and would overwrite.
//! - It turns an error response into an [`ErrorResponse`], and a missing response into a
//!   [`NoResponse`], so that [`RequestError`](crate::error::RequestError) can tell them apart.
//! - It records when the bytes of a response arrive, so that time-outs end silence only.
//! - It records in both errors whether they came from the bucket's connection. Only that connection can say
//!   that an object does not exist.

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::StreamExt;
use http::Method;
use http_body_util::BodyExt as _;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService, ReqwestConnector,
};

use crate::progress::Progress;
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

impl<C: ExclusiveCompletion> Connector<C> {
    pub(crate) fn new(completion: C) -> Self {
        Self {
            completion: Arc::new(completion),
            connections: Connections::default(),
        }
    }

    pub(crate) fn connections(&self) -> Connections {
        self.connections.clone()
    }
}

impl<C: ExclusiveCompletion> HttpConnector for Connector<C> {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        install_tls();
        let inner = ReqwestConnector::default().connect(options)?;
        let Connections { count, newest } = &self.connections;
        let client = HttpClient::new(Service {
            inner,
            completion: Arc::clone(&self.completion),
            number: count.fetch_add(1, Ordering::Relaxed) + 1,
            connections: Arc::clone(count),
        });
        *newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
        Ok(client)
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
        let progress = Progress::current();
        let host = request.uri().host().unwrap_or_default().to_owned();
        let peer = self.peer();
        let is_read = is_read(&request);
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
        let response = match progress {
            Some(progress) if !is_read => {
                progress.record();
                response.map(|body| recording(body, progress))
            }
            _ => response,
        };
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

/// Whether the request reads an object. The time-outs of its body are those of the reader.
fn is_read(request: &HttpRequest) -> bool {
    let method = request.method();
    (method == Method::GET || method == Method::HEAD) && request.uri().query().is_none()
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
