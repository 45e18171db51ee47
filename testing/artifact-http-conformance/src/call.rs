//! One request, written down letter for letter, and sent on a connection of its own.

use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::reply::Reply;
use crate::scenario::{Outcome, Stop};
use crate::site::Credential;
use crate::subject::Subject;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
const EXPERIMENT_HEADER: HeaderName = HeaderName::from_static("x-eden-experiment-id");

/// A request to be. Nothing of its path is normalised: what a scenario writes is what is sent.
#[derive(Debug, Clone)]
pub(crate) struct Call<'s> {
    subject: &'s Subject,
    method: String,
    target: String,
    /// Who asks, for the report.
    asker: String,
    fields: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    http2: bool,
}

impl<'s> Call<'s> {
    pub(crate) fn new(subject: &'s Subject, method: &str, target: String) -> Self {
        Self {
            subject,
            method: method.to_owned(),
            target,
            asker: "nobody".to_owned(),
            fields: Vec::new(),
            body: Bytes::new(),
            http2: false,
        }
    }

    /// With this credential.
    pub(crate) fn by(mut self, credential: &Credential) -> Self {
        self.asker.clone_from(&credential.principal);
        self.with("authorization", credential.bearer())
    }

    /// With this field, beside those that are there.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("scenarios write valid names");
        let value =
            HeaderValue::from_bytes(value.as_ref()).expect("scenarios write values without CR LF");
        self.fields.push((name, value));
        self
    }

    /// Without this field.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(present, _)| present.as_str() != name);
        self
    }

    /// With this experiment in the header, and no other.
    pub(crate) fn experiment(self, experiment: &str) -> Self {
        self.without(EXPERIMENT_HEADER.as_str())
            .with(EXPERIMENT_HEADER.as_str(), experiment)
    }

    /// With this content.
    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// With this JSON as content.
    pub(crate) fn json(self, text: impl Into<Bytes>) -> Self {
        self.with("content-type", "application/json").body(text)
    }

    /// Over HTTP/2, which the server is taken to know.
    pub(crate) fn over_http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// In short, for the report.
    pub(crate) fn describe(&self) -> String {
        let mut text = format!("{} {} by {}", self.method, self.target, self.asker);
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

    fn request(&self) -> Outcome<Request<Full<Bytes>>> {
        let cannot = |what: &str| Stop::failed(self.describe(), "a request", what);
        let method = Method::from_bytes(self.method.as_bytes());
        let target = format!("{}{}", self.subject.prefix, self.target);
        let target = if self.http2 {
            format!("http://{}{target}", self.subject.authority())
        } else {
            target
        };
        let uri: Uri = target
            .parse()
            .map_err(|_| cannot("the path cannot be sent"))?;
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = method.map_err(|_| cannot("the method cannot be sent"))?;
        *request.uri_mut() = uri;
        if !self.http2 {
            let host = HeaderValue::from_str(&self.subject.authority());
            let host = host.map_err(|_| cannot("the host cannot be sent"))?;
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

    /// Sends it and reads the answer to its end.
    pub(crate) async fn send(self) -> Outcome<Reply> {
        let asked = self.describe();
        match timeout(PATIENCE, self.exchange()).await {
            Ok(reply) => reply,
            Err(_) => Err(Stop::failed(
                asked,
                "an answer",
                format!("none within {PATIENCE:?}"),
            )),
        }
    }

    async fn exchange(self) -> Outcome<Reply> {
        let asked = self.describe();
        let broken = |error: &dyn std::error::Error| {
            Stop::failed(
                asked.clone(),
                "an answer",
                format!("none came: {}", chain(error)),
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

/// An error and all that lies under it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| (**error).source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
