//! Embeds the store in a plain hyper service. The program serves on a free port, tests itself and exits.
//!
//!     cargo run --manifest-path examples/Cargo.toml -p embed-hyper

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::UriPrefix;
use artifact_http_files::{ReceiveError, ReceivedFile, check_head, respond};
use artifact_store::{ArtifactStore, Experiment, NewArtifact, Principal, Timestamp, authorize};
use bytes::Bytes;
use embed_common::{Failure, KEY_HEADER, Keys, discard, round_trip};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyDataStream, BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

type Body = UnsyncBoxBody<Bytes, artifact_backend::Error>;

/// The state that every request uses.
#[derive(Debug)]
struct Shop {
    store: ArtifactStore,
    home: Experiment,
    keys: Keys,
    uris: UriPrefix,
}

/// The status of an error response. The cause goes to the program's log, not to the client.
struct Refused(u16);

impl From<artifact_store::Error> for Refused {
    fn from(error: artifact_store::Error) -> Self {
        Self(embed_common::status(error.kind()))
    }
}

impl From<ReceiveError> for Refused {
    fn from(error: ReceiveError) -> Self {
        Self(error.status().as_u16())
    }
}

impl Shop {
    async fn serve(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        let answer = match (request.method(), request.uri().path()) {
            (&Method::POST, "/files") => self.deposit(request).await,
            (&Method::GET | &Method::HEAD, "/files") => self.fetch(&request).await,
            (_, "/files") => Err(Refused(405)),
            _ => Err(Refused(404)),
        };
        Ok(answer.unwrap_or_else(|Refused(status)| {
            let status = StatusCode::from_u16(status);
            text(
                status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                "refused\n",
            )
        }))
    }

    fn who(&self, headers: &HeaderMap) -> Result<&Principal, Refused> {
        let key = headers.get(KEY_HEADER).map(HeaderValue::as_bytes);
        self.keys.principal(key).ok_or(Refused(401))
    }

    /// Deposits a file and passes each chunk on to the store as it arrives. Nothing remains stored if the client
    /// disconnects, a check fails, or hyper drops this future.
    async fn deposit(&self, request: Request<Incoming>) -> Result<Response<Body>, Refused> {
        let (head, body) = request.into_parts();
        let mut body = BodyDataStream::new(body);
        let answer = self.receive(&head.headers, &mut body).await;
        if answer.is_err() {
            discard(body).await;
        }
        answer
    }

    async fn receive(
        &self,
        headers: &HeaderMap,
        body: &mut BodyDataStream<Incoming>,
    ) -> Result<Response<Body>, Refused> {
        let principal = self.who(headers)?;
        let length = check_head(headers, self.store.config().max_artifact_bytes())?;
        let mut file = ReceivedFile::open(headers, body).await?;
        let new = NewArtifact::new(self.home.id.clone(), principal).with_size_hint(length);
        let mut deposit = self.store.deposit(file.describe(new));
        while let Some(chunk) = file.next().await? {
            deposit.write(chunk).await?;
        }
        let row = deposit.finish().await?; // durable from here on
        Ok(text(StatusCode::CREATED, self.uris.uri(row.id).to_string()))
    }

    /// Fetches a file, or the range of it that the client wants. Only `authorize` gives access to the bytes. They are
    /// read as fast as the client reads. A failed read aborts the connection, so that no client mistakes a part for the
    /// whole file.
    async fn fetch(&self, request: &Request<Incoming>) -> Result<Response<Body>, Refused> {
        let principal = self.who(request.headers())?;
        let query = request.uri().query().unwrap_or("");
        let uri = query.split('&').find_map(|pair| pair.strip_prefix("uri="));
        let uri = decoded(uri.ok_or(Refused(400))?).ok_or(Refused(404))?;
        let uri = self.uris.parse(&uri).map_err(|_| Refused(404))?;
        let row = self.store.row(&self.home.id, uri.id()).await?;
        let grant = authorize(principal, row)?;
        let answer = respond(&self.store, &grant, request.method(), request.headers()).await?;
        Ok(answer.map(BodyExt::boxed_unsync))
    }
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(text.into()).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = status;
    answer
}

/// Decodes percent-encoding once.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let home = Experiment::new("demo".parse()?, Timestamp::UNIX_EPOCH);
    let shop = Arc::new(Shop {
        store: embed_common::open(&home).await?,
        keys: Keys::of_the_house(&home.id),
        uris: UriPrefix::new("shop://files/")?,
        home,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let shop = Arc::clone(&shop);
            let service = service_fn(move |request| Arc::clone(&shop).serve(request));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    round_trip(address).await
}
