//! A request, sent exactly as written on its own connection.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::HOST;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::reply::Reply;
use crate::scenario::{Outcome, Stop};
use crate::site::Credential;
use crate::subject::Subject;

/// How long a response may take.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
const EXPERIMENT_HEADER: HeaderName = HeaderName::from_static("x-eden-experiment-id");

/// A request to send. Its path is not normalised: it is sent as the scenario wrote it.
#[derive(Debug, Clone)]
pub(crate) struct Call<'s> {
    subject: &'s Subject,
    method: String,
    target: String,
    /// The principal, for the report.
    principal: String,
    fields: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    chunked: bool,
    http2: bool,
}

impl<'s> Call<'s> {
    pub(crate) fn new(subject: &'s Subject, method: &str, target: String) -> Self {
        Self {
            subject,
            method: method.to_owned(),
            target,
            principal: "no principal".to_owned(),
            fields: Vec::new(),
            body: Bytes::new(),
            chunked: false,
            http2: false,
        }
    }

    /// Sets the credential.
    pub(crate) fn by(mut self, credential: &Credential) -> Self {
        self.principal.clone_from(&credential.principal);
        self.with("authorization", credential.bearer())
    }

    /// Adds a header field and keeps those with the same name.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name =
            HeaderName::from_bytes(name.as_bytes()).expect("scenarios use valid header names");
        let value = HeaderValue::from_bytes(value.as_ref())
            .expect("scenarios use values without CR and LF");
        self.fields.push((name, value));
        self
    }

    /// Removes a header field.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(present, _)| present.as_str() != name);
        self
    }

    /// Sets the experiment header.
    pub(crate) fn experiment(self, experiment: &str) -> Self {
        self.without(EXPERIMENT_HEADER.as_str())
            .with(EXPERIMENT_HEADER.as_str(), experiment)
    }

    /// Sets the body.
    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the body without `Content-Length`, in two pieces if it has more than one byte.
    pub(crate) fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// Sets a JSON body.
    pub(crate) fn json(self, text: impl Into<Bytes>) -> Self {
        self.with("content-type", "application/json").body(text)
    }

    /// Sends the request over HTTP/2, without negotiation.
    pub(crate) fn over_http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Describes the request for the report.
    pub(crate) fn describe(&self) -> String {
        let mut text = format!("{} {} by {}", self.method, self.target, self.principal);
        for (name, value) in &self.fields {
            if name != http::header::AUTHORIZATION && *name != EXPERIMENT_HEADER {
                let value = String::from_utf8_lossy(value.as_bytes());
                text = format!("{text}, {name}: {}", value.escape_debug());
            }
        }
        if self
            .fields
            .iter()
            .any(|(name, _)| *name == EXPERIMENT_HEADER)
        {
            return text;
        }
        format!("{text}, without an experiment header")
    }

    fn content(&self) -> BoxBody<Bytes, Infallible> {
        if !self.chunked {
            return Full::new(self.body.clone()).boxed();
        }
        let (first, second) = self.body.split_at(self.body.len() / 2);
        let pieces = [first, second]
            .into_iter()
            .filter(|piece| !piece.is_empty());
        let pieces = pieces.map(|piece| Ok(Frame::data(self.body.slice_ref(piece))));
        StreamBody::new(stream::iter(pieces.collect::<Vec<_>>())).boxed()
    }

    fn request(&self) -> Outcome<Request<BoxBody<Bytes, Infallible>>> {
        let invalid = |reason: &str| Stop::failed(self.describe(), "a request", reason);
        let method = Method::from_bytes(self.method.as_bytes());
        let target = format!("{}{}", self.subject.prefix, self.target);
        let target = if self.http2 {
            format!("http://{}{target}", self.subject.authority())
        } else {
            target
        };
        let uri: Uri = target
            .parse()
            .map_err(|_| invalid("the path cannot be sent"))?;
        let mut request = Request::new(self.content());
        *request.method_mut() = method.map_err(|_| invalid("the method cannot be sent"))?;
        *request.uri_mut() = uri;
        if !self.http2 {
            let host = HeaderValue::from_str(&self.subject.authority());
            let host = host.map_err(|_| invalid("the host cannot be sent"))?;
            request.headers_mut().insert(HOST, host);
        }
        for (name, value) in &self.fields {
            if *name == HOST {
                request.headers_mut().insert(HOST, value.clone());
            } else {
                request.headers_mut().append(name, value.clone());
            }
        }
        Ok(request)
    }

    /// Sends the request and reads the whole response.
    pub(crate) async fn send(self) -> Outcome<Reply> {
        let asked = self.describe();
        match timeout(RESPONSE_TIMEOUT, self.exchange()).await {
            Ok(reply) => reply,
            Err(_) => Err(Stop::failed(
                asked,
                "a response",
                format!("none within {RESPONSE_TIMEOUT:?}"),
            )),
        }
    }

    async fn exchange(self) -> Outcome<Reply> {
        let asked = self.describe();
        let broken = |error: &dyn std::error::Error| {
            Stop::failed(
                asked.clone(),
                "a response",
                format!("no response: {}", chain(error)),
            )
        };
        let request = self.request()?;
        let stream = TcpStream::connect(self.subject.address())
            .await
            .map_err(|error| broken(&error))?;
        let io = TokioIo::new(stream);
        let answer = if self.http2 {
            let handshake = http2::handshake(TokioExecutor::new(), io).await;
            let (mut sender, connection) = handshake.map_err(|error| broken(&error))?;
            tokio::spawn(connection);
            sender.send_request(request).await
        } else {
            let handshake = http1::handshake(io).await;
            let (mut sender, connection) = handshake.map_err(|error| broken(&error))?;
            tokio::spawn(connection);
            sender.send_request(request).await
        };
        let (parts, body) = answer.map_err(|error| broken(&error))?.into_parts();
        let body = body.collect().await.map_err(|error| broken(&error))?;
        Ok(Reply {
            asked,
            head: self.method == "HEAD",
            version: parts.version,
            status: parts.status.as_u16(),
            fields: parts.headers,
            body: body.to_bytes(),
        })
    }
}

/// Formats an error and its sources in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| (**error).source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
