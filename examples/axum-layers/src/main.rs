//! Mounts the router under a prefix of an axum app that has state, the usual layers of tower-http, and metrics by matched
//! path. The program tests itself in process and exits. A real one passes `app` to `axum::serve`.
//!
//!     cargo run --manifest-path examples/Cargo.toml -p embed-axum-layers

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use artifact_http::{AdminToken, HttpConfig, ProblemLayer};
use artifact_store::{ArtifactStore, Experiment, Timestamp};
use axum::Router;
use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use embed_common::Failure;
use futures_util::stream;
use serde_json::Value;
use tower::ServiceExt;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{Any, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};
use tower_http::trace::TraceLayer;

const TOKEN: &str = "the-example-token-of-the-admin";
const ARTIFACTS: &str = "/files/v0/experiments/demo/artifacts";
/// The greatest size of a request's body in bytes.
const MAX_BODY: usize = 1 << 20;

/// The state of the app: how many responses each path and status has had.
#[derive(Debug, Clone, Default)]
struct App {
    counts: Arc<Mutex<BTreeMap<(String, u16), u64>>>,
}

/// Counts a response under the template of its path, so that no client can create metrics.
async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>();
    let path = matched.map_or("unknown", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    let mut counts = app.counts.lock().unwrap_or_else(PoisonError::into_inner);
    *counts
        .entry((path, response.status().as_u16()))
        .or_default() += 1;
    response
}

async fn metrics(State(app): State<App>) -> String {
    let counts = app.counts.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = String::new();
    for ((path, status), count) in &*counts {
        let _ = writeln!(
            text,
            "requests{{path=\"{path}\",status=\"{status}\"}} {count}"
        );
    }
    text
}

fn app(store: ArtifactStore, admin: AdminToken) -> Router {
    let config = HttpConfig::default().with_below_layers();
    // The last layer is the outermost.
    let artifacts = artifact_http::router(store, Arc::new(admin), config.clone())
        .layer(RequestBodyTimeoutLayer::new(Duration::from_secs(10)))
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            Duration::from_secs(60),
        ))
        .layer(ProblemLayer::new(config));
    let state = App::default();
    Router::new()
        .route("/metrics", get(metrics))
        .nest("/files", artifacts)
        .layer(CompressionLayer::new())
        .layer(CorsLayer::new().allow_origin(Any))
        .layer(TraceLayer::new_for_http())
        .layer(middleware::from_fn_with_state(state.clone(), count))
        .with_state(state)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let home = Experiment::new("demo".parse()?, Timestamp::UNIX_EPOCH);
    let app = app(embed_common::open(&home).await?, AdminToken::new(TOKEN)?);
    check(&app).await
}

/// Tests the app as its users would use it.
async fn check(app: &Router) -> Result<(), Failure> {
    // Compression leaves the file as it is, because digest and entity tag describe its bytes.
    let text = "the same line again\n".repeat(1000);
    let deposited = send(app, Method::POST, ARTIFACTS, form(&text).into()).await?;
    expect(
        "status of the deposit",
        deposited.status(),
        StatusCode::CREATED,
    )?;
    let deposited = json(deposited).await?;
    let uri = deposited["artifacts_uri"]
        .as_str()
        .ok_or("there is no URI")?;
    let encoded: String = uri.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let path = format!("{ARTIFACTS}?uri={encoded}");
    let fetched = send(app, Method::GET, &path, Body::empty()).await?;
    expect("status of the fetch", fetched.status(), StatusCode::OK)?;
    let length = fetched.headers().get("content-length").cloned();
    expect("length of the file", length, Some(text.len().into()))?;
    expect("file", bytes(fetched).await?, text.into_bytes())?;

    // A body over the limit of the layer is 413, with and without Content-Length.
    let large = form(&"x".repeat(MAX_BODY));
    let chunked = stream::iter([Ok::<_, Failure>(large.clone())]);
    for body in [Body::from(large), Body::from_stream(chunked)] {
        let refused = send(app, Method::POST, ARTIFACTS, body).await?;
        expect("status", refused.status(), StatusCode::PAYLOAD_TOO_LARGE)?;
        let problem = json(refused).await?;
        expect(
            "type",
            &problem["type"],
            &"eden://error/payload-too-large".into(),
        )?;
        let instance = format!("http://files.example{ARTIFACTS}");
        expect("instance", &problem["instance"], &instance.into())?;
    }

    let document = send(app, Method::HEAD, "/files/openapi.json", Body::empty()).await?;
    expect("status of the document", document.status(), StatusCode::OK)?;
    let unknown = send(app, Method::GET, "/files/guessed", Body::empty()).await?;
    expect("status", unknown.status(), StatusCode::NOT_FOUND)?;
    let metrics = send(app, Method::GET, "/metrics", Body::empty()).await?;
    let metrics = String::from_utf8(bytes(metrics).await?)?;
    print!("{metrics}");
    let expected = "{path=\"/files/openapi.json\",status=\"200\"} 1\n\
                    {path=\"/files/v0/experiments/{E}/artifacts\",status=\"200\"} 1\n\
                    {path=\"/files/v0/experiments/{E}/artifacts\",status=\"201\"} 1\n\
                    {path=\"/files/v0/experiments/{E}/artifacts\",status=\"413\"} 2\n\
                    {path=\"unknown\",status=\"404\"} 1\n";
    expect(
        "metrics",
        metrics.replace("requests", ""),
        expected.to_owned(),
    )
}

/// Sends a request as the administrator, who accepts compressed files.
async fn send(app: &Router, method: Method, path: &str, body: Body) -> Result<Response, Failure> {
    let length = body.size_hint().exact();
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "files.example")
        .header("authorization", format!("Bearer admin:{TOKEN}"))
        .header("x-eden-experiment-id", "demo");
    if path.starts_with(ARTIFACTS) {
        request = request
            .header("content-type", "multipart/form-data; boundary=b")
            .header(
                "accept-encoding",
                if length == Some(0) {
                    "gzip"
                } else {
                    "identity"
                },
            );
    }
    if let Some(length) = length {
        request = request.header("content-length", length);
    }
    Ok(app.clone().oneshot(request.body(body)?).await?)
}

async fn bytes(response: Response) -> Result<Vec<u8>, Failure> {
    Ok(to_bytes(response.into_body(), usize::MAX).await?.into())
}

async fn json(response: Response) -> Result<Value, Failure> {
    Ok(serde_json::from_slice(&bytes(response).await?)?)
}

fn form(text: &str) -> Vec<u8> {
    let names = "Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"";
    format!("--b\r\n{names}\r\nContent-Type: text/plain\r\n\r\n{text}\r\n--b--\r\n").into_bytes()
}

fn expect<T: PartialEq + Debug>(what: &str, found: T, right: T) -> Result<(), Failure> {
    if found == right {
        return Ok(());
    }
    Err(format!("{what}: {found:?} instead of {right:?}").into())
}
