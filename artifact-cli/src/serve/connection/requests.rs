//! The requests of one connection on their way to the router, and the answers back.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use artifact_http::{HttpConfig, Refusal};
use axum::Router;
use axum::body::Body;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::CONNECTION;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use tower::ServiceExt;
use tracing::Instrument;

use super::answer_body::AnswerBody;
use super::limits::Limits;
use super::pulse::{InFlight, Pulse};
use super::record::Record;
use super::request_body::RequestBody;
use super::request_id::{self, RequestId};
use crate::serve::listen::Peer;

/// What every connection is served with.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) router: Router,
    pub(crate) config: HttpConfig,
    pub(crate) limits: Limits,
}

/// The service of one connection.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    pub(super) front: Arc<Front>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) peer: Peer,
}

impl hyper::service::Service<Request<Incoming>> for Requests {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        // At once, not when the future is first polled: the stream must know.
        let in_flight = self.pulse.begin();
        let this = self.clone();
        async move { Ok(this.serve(request, in_flight).await) }.boxed()
    }
}

impl Requests {
    async fn serve(self, request: Request<Incoming>, in_flight: InFlight) -> Response<AnswerBody> {
        let front = self.front;
        let id = RequestId::of(request.headers());
        let mut record = Record::new(id, request.method(), self.peer);
        let multiplexed = request.version() == Version::HTTP_2;

        let bytes_in = Arc::clone(&record.bytes_in);
        let request =
            request.map(|body| Body::new(RequestBody::new(body, front.limits.inbound(), bytes_in)));
        // What a problem must be told of the request, should the router panic.
        let mut outline = Request::new(());
        request.uri().clone_into(outline.uri_mut());
        if let Some(host) = request.headers().get(http::header::HOST) {
            outline
                .headers_mut()
                .insert(http::header::HOST, host.clone());
        }
        let span = record.span.clone();
        let mut response = async {
            if let Some(refusal) = front.limits.refuses(&request) {
                return refusal.answer(&outline, &front.config);
            }
            let served = AssertUnwindSafe(front.router.clone().oneshot(request));
            match served.catch_unwind().await {
                Ok(Ok(response)) => response,
                Err(_) => Refusal::Internal.answer(&outline, &front.config),
            }
        }
        .instrument(span)
        .await;

        let headers = response.headers_mut();
        headers.insert(request_id::HEADER, record.id.value());
        if multiplexed {
            // RFC 9113, section 8.2.2: no fields about the connection.
            headers.remove(CONNECTION);
        }
        record.answered(&response);
        response.map(|body| AnswerBody::new(body, multiplexed, front.limits, record, in_flight))
    }
}
