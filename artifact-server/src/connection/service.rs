//! Passes the requests of one connection to the service, and the responses back.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{CONNECTION, EXPECT, HOST};
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body::Body;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tower::Service;
use tracing::Instrument;

use super::body_rest::BodyRest;
use super::min_throughput::MinThroughput;
use super::request_body::RequestBody;
use super::request_id::{self, RequestId};
use super::request_record::RequestRecord;
use super::response_body::ResponseBody;
use super::server_state::ServerState;
use super::state::{ConnectionState, OpenRequest};
use super::unsent_body::UnsentBody;
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
    type Response = Response<UnsentBody<ResponseBody<B>>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        // Now, not when the future is first polled: the stream must know.
        let open = self.state.begin_request();
        let two_framings = self.state.take_two_framings();
        let this = self.clone();
        async move { Ok(this.serve(request, open, two_framings).await) }.boxed()
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
    async fn serve(
        self,
        request: Request<Incoming>,
        open: OpenRequest,
        two_framings: bool,
    ) -> Response<UnsentBody<ResponseBody<B>>>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
    {
        let server = self.server;
        let id = RequestId::from_headers(request.headers());
        let peer = self.peer.ip();
        let version = request.version();
        let mut record = RequestRecord::new(id, request.method(), version, self.peer);
        server.hooks.begin_trace(&record.trace, request.headers());
        let multiplexed = version == Version::HTTP_2;

        let progress = Arc::clone(&record.body);
        let throughput = MinThroughput::new(&server.config);
        let rest =
            (!request.body().is_end_stream()).then(|| BodyRest::new(Arc::clone(open.connection())));
        let expects = request.headers().contains_key(EXPECT);
        let mut request =
            request.map(|body| RequestBody::new(body, throughput, progress, rest.clone()));
        // The service finds the id that the log has, also one that was generated or replaced.
        request
            .headers_mut()
            .insert(request_id::HEADER, record.id.value());
        server.hooks.prepare(peer, request.extensions_mut());
        let target = RequestTarget::of(&request);
        let reject = |rejection| {
            let request = target.into_request();
            let mut response = server.hooks.reject(rejection, Some(&request));
            rejection::complete(&mut response);
            response.map(|body| Either::Right(Full::new(body)))
        };
        let mut service = self.service;
        let (span, trace) = (record.span.clone(), record.trace.clone());
        let mut response = async {
            if two_framings {
                return reject(Rejection::AmbiguousFraming);
            }
            if let Some(rejection) = Rejection::of_header(&request, &server.config) {
                return reject(rejection);
            }
            let answer = async {
                poll_fn(|context| service.poll_ready(context)).await?;
                service.call(request).await
            };
            match AssertUnwindSafe(answer).catch_unwind().await {
                Ok(Ok(response)) => response.map(Either::Left),
                Err(_) => reject(Rejection::Panic),
            }
        }
        .instrument(span)
        .instrument(trace)
        .await;

        let headers = response.headers_mut();
        headers.insert(request_id::HEADER, record.id.value());
        if multiplexed {
            // RFC 9113, section 8.2.2, forbids fields about the connection.
            headers.remove(CONNECTION);
            if let Some(rest) = rest {
                rest.discard(&open);
            }
        } else if let Some(rest) = rest
            && !rest.keeps_connection(expects).await
        {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        record.begin_response(&response, &*server.hooks);
        let config = server.config;
        let connection = multiplexed.then(|| Arc::clone(open.connection()));
        response.map(|body| {
            let body = ResponseBody::new(body, multiplexed, config, record, open);
            UnsentBody::new(body, connection)
        })
    }
}
