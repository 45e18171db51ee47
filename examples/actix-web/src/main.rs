//! Embeds the store in an actix-web server. The program serves on a free port, tests itself and exits.
//!
//!     cargo run --manifest-path examples/Cargo.toml -p embed-actix-web

use std::fmt;

use actix_web::body::{None as NoBody, SizedStream};
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, ResponseError, web};
use artifact_backend::UriPrefix;
use artifact_http_files::{FileBody, ReceiveError, ReceivedFile, check_head, respond};
use artifact_store::{ArtifactStore, Experiment, NewArtifact, Principal, Timestamp, authorize};
use embed_common::{Failure, KEY_HEADER, Keys, discard, round_trip};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use http_body_util::BodyDataStream;

/// The state of every handler. All actix threads share one instance.
#[derive(Debug)]
struct Shop {
    store: ArtifactStore,
    home: Experiment,
    keys: Keys,
    uris: UriPrefix,
}

/// An error response. The cause goes to the program's log, not to the client.
#[derive(Debug)]
struct Refused(u16);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused: {}", self.0)
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

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
    fn who(&self, request: &HttpRequest) -> Result<&Principal, Refused> {
        let key = request.headers().get(KEY_HEADER);
        let key = key.map(actix_web::http::header::HeaderValue::as_bytes);
        self.keys.principal(key).ok_or(Refused(401))
    }
}

/// Deposits a file and passes each chunk on to the store as it arrives. Nothing remains stored if the client disconnects,
/// a check fails, or actix drops this future.
async fn deposit(
    shop: web::Data<Shop>,
    request: HttpRequest,
    mut body: web::Payload,
) -> Result<HttpResponse, Refused> {
    let answer = receive(&shop, &request, &mut body).await;
    if answer.is_err() {
        discard(body).await;
    }
    answer
}

async fn receive(
    shop: &Shop,
    request: &HttpRequest,
    body: &mut web::Payload,
) -> Result<HttpResponse, Refused> {
    let principal = shop.who(request)?;
    let headers = headers_of(request);
    let length = check_head(&headers, shop.store.config().max_artifact_bytes())?;
    let mut file = ReceivedFile::open(&headers, body).await?;
    let new = NewArtifact::new(shop.home.id.clone(), principal).with_size_hint(length);
    let mut deposit = shop.store.deposit(file.describe(new));
    while let Some(chunk) = file.next().await? {
        deposit.write(chunk).await?;
    }
    let row = deposit.finish().await?; // durable from here on
    Ok(HttpResponse::Created().body(shop.uris.uri(row.id).to_string()))
}

/// Fetches a file, or the range of it that the client wants. Only `authorize` gives access to the bytes. They are read as
/// fast as the client reads. A failed read aborts the connection, so that no client mistakes a part for the whole file.
async fn fetch(
    shop: web::Data<Shop>,
    request: HttpRequest,
    asked: web::Query<Vec<(String, String)>>,
) -> Result<HttpResponse, Refused> {
    let principal = shop.who(&request)?;
    let uri = asked.iter().find(|(name, _)| name == "uri");
    let (_, uri) = uri.ok_or(Refused(400))?;
    let uri = shop.uris.parse(uri).map_err(|_| Refused(404))?;
    let row = shop.store.row(&shop.home.id, uri.id()).await?;
    let grant = authorize(principal, row)?;
    let method = Method::from_bytes(request.method().as_str().as_bytes());
    let method = method.map_err(|_| Refused(400))?;
    let answer = respond(&shop.store, &grant, &method, &headers_of(&request)).await?;
    Ok(to_actix(answer))
}

/// Copies the header fields of a request. actix-web has types of its own, from an older `http` crate.
fn headers_of(request: &HttpRequest) -> HeaderMap {
    let fields = request.headers().iter();
    let fields = fields.filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    });
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, value);
    }
    headers
}

/// Converts a response. actix-web writes `Content-Length` itself, from the size of the body.
fn to_actix(answer: Response<FileBody>) -> HttpResponse {
    let (head, body) = answer.into_parts();
    let status = StatusCode::from_u16(head.status.as_u16());
    let mut converted = HttpResponse::build(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    for (name, value) in head
        .headers
        .iter()
        .filter(|(name, _)| **name != CONTENT_LENGTH)
    {
        converted.append_header((name.as_str(), value.as_bytes()));
    }
    let length = head.headers.get(CONTENT_LENGTH);
    match length.and_then(|length| length.to_str().ok()?.parse().ok()) {
        Some(length) => converted.body(SizedStream::new(length, BodyDataStream::new(body))),
        None => converted.body(NoBody::new()),
    }
}

#[actix_web::main]
async fn main() -> Result<(), Failure> {
    let home = Experiment::new("demo".parse()?, Timestamp::UNIX_EPOCH);
    let shop = web::Data::new(Shop {
        store: embed_common::open(&home).await?,
        keys: Keys::of_the_house(&home.id),
        uris: UriPrefix::new("shop://files/")?,
        home,
    });
    let app = move || {
        let files = web::resource("/files")
            .route(web::post().to(deposit))
            .route(web::get().to(fetch))
            .route(web::head().to(fetch));
        App::new().app_data(web::Data::clone(&shop)).service(files)
    };
    let server = HttpServer::new(app).workers(2).bind("127.0.0.1:0")?;
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    let serving = actix_web::rt::spawn(server);
    let tried = round_trip(address).await;
    handle.stop(true).await;
    serving.await??;
    tried
}
