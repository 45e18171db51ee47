//! Mounts the endpoints in another app that has its own authenticator. Serves on a free port, deposits a file,
//! fetches it back, and exits.
//!
//!     cargo run -p artifact-http --example embed_axum

use std::error::Error;
use std::sync::Arc;

use artifact_backend_mem::MemBackend;
use artifact_http::{Authenticate, AuthenticateError, Credential, HttpConfig};
use artifact_store::{
    ArtifactStore, Catalog, Experiment, MemoryDatabase, Principal, StoreConfig, Timestamp,
};
use async_trait::async_trait;
use axum::Router;
use axum::http::request::Parts;
use axum::routing::get;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const WORKER: &str = "wkr_00000000000000000000000001";
const SECRET: &str = "an-example-secret-of-the-worker";

/// The identities of the program: one worker.
#[derive(Debug)]
struct OneWorker;

#[async_trait]
impl Authenticate for OneWorker {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthenticateError> {
        let credential = Credential::from_headers(&request.headers)?;
        // The same work for an unknown principal as for a wrong secret, in constant time.
        let given = Sha256::digest(credential.secret().expose());
        let is_valid = given.ct_eq(&Sha256::digest(SECRET));
        let id = WORKER.parse();
        let home = "demo".parse();
        match (id, home) {
            (Ok(id), Ok(home)) if bool::from(is_valid) && credential.principal() == WORKER => {
                Ok(Principal::worker(id, home))
            }
            _ => Err(AuthenticateError::Rejected),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let rows = Arc::new(MemoryDatabase::new());
    let founded = Experiment::new("demo".parse()?, Timestamp::UNIX_EPOCH);
    rows.create_experiment(&founded).await?;
    let backend = Arc::new(MemBackend::default());
    let store = ArtifactStore::new(backend, rows, StoreConfig::default());

    let artifacts = artifact_http::router(store, Arc::new(OneWorker), HttpConfig::default());
    let app = Router::new()
        .route("/", get(async || "the program's own page"))
        .nest("/files", artifacts);

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });

    let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"hello.txt\"\r\n\
                Content-Type: text/plain\r\n\r\nhello, artifact\r\n--b--\r\n";
    let deposit = format!(
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let path = "/files/v0/experiments/demo/artifacts";
    let answer = send(address, "POST", path, &deposit).await?;
    let answer: serde_json::Value = serde_json::from_str(&answer)?;
    let uri = answer["artifacts_uri"]
        .as_str()
        .ok_or("the response has no URI")?;

    // The URI is opaque: send it back unchanged, percent-encoded.
    let uri = percent_encoding::utf8_percent_encode(uri, percent_encoding::NON_ALPHANUMERIC);
    let file = send(address, "GET", &format!("{path}?uri={uri}"), "\r\n").await?;
    if file == "hello, artifact" {
        Ok(())
    } else {
        Err(format!("the fetched file differs: {file}").into())
    }
}

/// Sends a request and returns the content of the response.
async fn send(
    address: std::net::SocketAddr,
    method: &str,
    path: &str,
    rest: &str,
) -> Result<String, Box<dyn Error>> {
    let mut socket = TcpStream::connect(address).await?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Authorization: Bearer {WORKER}:{SECRET}\r\nX-Eden-Experiment-Id: demo\r\n{rest}"
    );
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or("the response is incomplete")?;
    if head.starts_with("HTTP/1.1 2") {
        Ok(body.to_owned())
    } else {
        Err(answer.into())
    }
}
