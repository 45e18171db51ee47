//! The HTTP client below `object_store`: what the library does not do, done to its requests.
//!
//! - The request that completes a multipart upload becomes one that creates only where there is
//!   nothing. The library has no such mode, and would overwrite.
//! - An answer that is no success becomes an [`Answer`], and silence an [`Unreached`], so that the
//!   difference between them reaches [`Trouble`](crate::trouble::Trouble).

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};

use crate::answer::{Answer, Peer, Unreached};

/// How a provider's requests are changed before they are sent.
#[async_trait]
pub(crate) trait Adjust: Debug + Send + Sync + 'static {
    /// Makes the request that completes a multipart upload create only where there is nothing.
    async fn make_exclusive(&self, request: &mut HttpRequest) -> Result<(), HttpError>;

    /// Whether this is the request that completes a multipart upload.
    fn completes_upload(&self, request: &HttpRequest) -> bool;
}

/// Connects as `object_store` does by itself, with our layer above.
#[derive(Debug)]
pub(crate) struct Connector<A> {
    adjust: Arc<A>,
}

impl<A: Adjust> Connector<A> {
    pub(crate) fn new(adjust: A) -> Self {
        Self {
            adjust: Arc::new(adjust),
        }
    }
}

impl<A: Adjust> HttpConnector for Connector<A> {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        install_tls();
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Service {
            inner,
            adjust: Arc::clone(&self.adjust),
        }))
    }
}

fn install_tls() {
    // Who has installed a provider for the process keeps it; the loser of a race uses the winner's.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// How much of the body of an error is read. The real ones have less than a KiB.
const MOST_OF_AN_ERROR: usize = 64 << 10;

#[derive(Debug)]
struct Service<A> {
    inner: HttpClient,
    adjust: Arc<A>,
}

#[async_trait]
impl<A: Adjust> HttpService for Service<A> {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if self.adjust.completes_upload(&request) {
            self.adjust.make_exclusive(&mut request).await?;
        }
        let host = request.uri().host().unwrap_or_default().to_owned();
        let peer = Peer::of_host(&host);
        let silence = |source: HttpError| {
            HttpError::new(
                HttpErrorKind::Unknown,
                Unreached {
                    peer,
                    host: host.clone(),
                    not_connected: source.kind() == HttpErrorKind::Connect,
                    source,
                },
            )
        };
        let response = self.inner.execute(request).await.map_err(silence)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let mut body = body.bytes_stream();
        let mut text = Vec::new();
        while text.len() < MOST_OF_AN_ERROR
            && let Some(piece) = body.next().await
        {
            text.extend_from_slice(&piece.map_err(silence)?);
        }
        let header = parts.headers.get("x-ms-error-code");
        let answer = Answer::new(
            peer,
            parts.status.as_u16(),
            header.and_then(|code| code.to_str().ok()),
            &String::from_utf8_lossy(&text),
        );
        // No kind of error that the library would try again: that is ours to decide.
        Err(HttpError::new(HttpErrorKind::Unknown, answer))
    }
}

/// Whether the query has a pair of this name.
pub(crate) fn has_query(request: &HttpRequest, name: &str) -> bool {
    query(request, name).is_some()
}

/// The value of the first pair of this name, as it was encoded.
pub(crate) fn query<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    request.uri().query()?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}
