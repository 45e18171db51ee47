//! Embeds the store in an actix-web server. The program serves on a free port, tests itself and exits.
//!
//!     cargo run --manifest-path examples/Cargo.toml -p embed-actix-web

use std::fmt;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, ResponseError, web};
use artifact_backend::UriPrefix;
use artifact_store::{
    ArtifactStore, ByteRange, ContentType, Experiment, NewArtifact, Principal, Timestamp, authorize,
};
use embed_common::{DELIVERY, Failure, KEY_HEADER, Keys, discard, round_trip};
use futures_util::StreamExt;
use std::sync::Arc;

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

impl Shop {
    fn who(&self, request: &HttpRequest) -> Result<&Principal, Refused> {
        let key = request.headers().get(KEY_HEADER);
        let key = key.map(actix_web::http::header::HeaderValue::as_bytes);
        self.keys.principal(key).ok_or(Refused(401))
    }
}

/// Deposits a file and passes each chunk on to the store as it arrives. Nothing remains stored if the client disconnects,
/// `write` fails, or actix drops this future.
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
    let declared = request.headers().get("content-type");
    let declared = declared.and_then(|value| value.to_str().ok());
    let new = NewArtifact::new(shop.home.id.clone(), principal)
        .with_content_type(ContentType::clean(declared.unwrap_or("")));
    let mut deposit = shop.store.deposit(new);
    while let Some(piece) = body.next().await {
        deposit.write(piece.map_err(|_| Refused(400))?).await?;
    }
    let row = deposit.finish().await?; // durable from here on
    Ok(HttpResponse::Created().body(shop.uris.uri(row.id).to_string()))
}

/// Fetches a file. Only `authorize` gives access to the bytes. They are read as fast as the client reads.
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
    let grant = authorize(principal, Arc::clone(&row))?;
    let bytes = shop.store.read(&grant, ByteRange::Full).await?;

    let mut answer = HttpResponse::Ok();
    for field in DELIVERY {
        answer.insert_header(field);
    }
    answer.content_type(row.content_type.as_str());
    // A failed read aborts the connection, so that no client mistakes a part for the whole file.
    Ok(answer.body(SizedStream::new(row.size, bytes)))
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
            .route(web::get().to(fetch));
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
