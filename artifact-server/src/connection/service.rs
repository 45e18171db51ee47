//! Passes the requests of one connection to the service, and the responses back.

use std::convert::Infallible;
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body::Body;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tower::{Service, ServiceExt};
use tracing::Instrument;

use super::min_throughput::MinThroughput;
use super::request_body::RequestBody;
use super::request_id::{self, RequestId};
use super::request_record::RequestRecord;
use super::response_body::ResponseBody;
use super::server_state::ServerState;
use super::state::{ConnectionState, OpenRequest};
use crate::listener::Peer;
use crate::rejection::{self, Rejection};

/// The service of one connection.
#[derive(Debug, Clone)]
pub(super) struct ConnectionService<S> {
    pub(super) service: S,
    pub(super) server: Arc<ServerState>,
    pub(super) state: Arc<ConnectionState>,
    pub(super) peer: Peer,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for ConnectionService<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    type Response = Response<ResponseBody<B>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        // Now, not when the future is first polled: the stream must know.
        let open = self.state.begin_request();
        let this = self.clone();
        async move { Ok(this.serve(request, open).await) }.boxed()
    }
}

/// What a rejection needs of a request, kept because the service consumes the request.
struct RequestTarget {
    uri: Uri,
    host: Option<HeaderValue>,
}

impl RequestTarget {
    fn of<B>(request: &Request<B>) -> Self {
        Self {
            uri: request.uri().clone(),
            host: request.headers().get(HOST).cloned(),
        }
    }

    fn into_request(self) -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = self.uri;
        if let Some(host) = self.host {
            request.headers_mut().insert(HOST, host);
        }
        request
    }
}

impl<S, B> ConnectionService<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
{
    async fn serve(self, request: Request<Incoming>, open: OpenRequest) -> Response<ResponseBody<B>>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
    {
        let server = self.server;
        let id = RequestId::from_headers(request.headers());
        let mut record = RequestRecord::new(id, request.method(), self.peer);
        let multiplexed = request.version() == Version::HTTP_2;

        let bytes_in = Arc::clone(&record.bytes_in);
        let throughput = MinThroughput::new(&server.config);
        let request = request.map(|body| RequestBody::new(body, throughput, bytes_in));
        let target = RequestTarget::of(&request);
        let reject = |rejection| {
            let request = target.into_request();
            let mut response = server.hooks.reject(rejection, Some(&request));
            rejection::complete(&mut response);
            response.map(|body| Either::Right(Full::new(body)))
        };
        let service = self.service;
        let span = record.span.clone();
        let mut response = async {
            if let Some(rejection) = Rejection::of_header(&request, &server.config) {
                return reject(rejection);
            }
            match AssertUnwindSafe(service.oneshot(request))
                .catch_unwind()
                .await
            {
                Ok(Ok(response)) => response.map(Either::Left),
                Err(_) => reject(Rejection::Panic),
            }
        }
        .instrument(span)
        .await;

        let headers = response.headers_mut();
        headers.insert(request_id::HEADER, record.id.value());
        if multiplexed {
            // RFC 9113, section 8.2.2, forbids fields about the connection.
            headers.remove(CONNECTION);
        }
        record.begin_response(&response, &*server.hooks);
        let config = server.config;
        response.map(|body| ResponseBody::new(body, multiplexed, config, record, open))
    }
}
