//! The endpoints below the layers of tower-http.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use artifact_http::{HttpConfig, HttpService};
use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request};
use tower::{Layer, Service, ServiceBuilder};
use tower_http::compression::CompressionLayer;
use tower_http::cors::{Any, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::normalize_path::NormalizePathLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::support::{
    Community, FILE, HOME, Member, Reply, Site, Tokens, Who, deposit_as, fetch_path, form, noise,
    reply, request,
};

/// A text that gzip makes shorter.
fn text() -> Vec<u8> {
    b"the same line again\n".repeat(2000)
}

fn get(path: &str, who: Who, fields: &[(&str, &str)]) -> Request<Body> {
    let mut request = request(Method::GET, path, who, HOME);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

/// The bytes, and the fields that describe them.
fn described(reply: &Reply) -> (Vec<u8>, Vec<String>) {
    let names = [
        "content-type",
        "content-length",
        "content-range",
        "accept-ranges",
        "etag",
        "repr-digest",
        "cache-control",
        "vary",
    ];
    let fields = names.map(|name| reply.header(name).to_owned());
    (reply.body.clone(), fields.to_vec())
}

/// Asserts that a fetch through `app` has the bytes and fields of a fetch without layers.
async fn assert_untouched<S, B>(app: S, site: &Site, uri: &str)
where
    S: Service<Request<Body>, Response = http::Response<B>, Error = Infallible> + Clone,
    http::Response<B>: IntoResponse,
{
    for (method, range, status) in [
        (Method::GET, None, 200),
        (Method::GET, Some("bytes=5-24"), 206),
        (Method::GET, Some("bytes=0-"), 206),
        (Method::HEAD, None, 200),
    ] {
        for accepted in ["gzip", "gzip, deflate, br", "*", "identity;q=0.1, gzip"] {
            let ask = |coding: &str| {
                let mut asked = get(&fetch_path(HOME, uri), Who::Worker, &[]);
                *asked.method_mut() = method.clone();
                let headers = asked.headers_mut();
                headers.insert("accept-encoding", coding.parse().unwrap());
                if let Some(range) = range {
                    headers.insert("range", range.parse().unwrap());
                }
                asked
            };
            let plain = site.send(ask("identity")).await;
            assert_eq!(plain.status, status);
            assert_eq!(plain.header("content-encoding"), "");
            let app = app.clone();
            let layered = ServiceBuilder::new().map_response(IntoResponse::into_response);
            let found = reply(layered.service(app), ask(accepted)).await;
            assert_eq!(found.status, status);
            assert_eq!(described(&found), described(&plain), "{method} {accepted}");
            let mark = if status == 200 { "identity" } else { "" };
            assert_eq!(found.header("content-encoding"), mark);
        }
    }
}

#[tokio::test]
async fn compression_leaves_fetches_as_they_are() {
    let site = Site::with(HttpConfig::default().with_below_layers()).await;
    let uri = site.put(Who::Worker, &text()).await;
    let router = site.router.clone().layer(CompressionLayer::new());
    assert_untouched(router, &site, &uri).await;
    // Around the whole app, and around the service without a router.
    let app = Router::new().merge(site.router.clone());
    assert_untouched(app.layer(CompressionLayer::new()), &site, &uri).await;
    let config = HttpConfig::default().with_below_layers();
    let service = HttpService::new(site.store.clone(), Arc::new(Tokens), config);
    assert_untouched(CompressionLayer::new().layer(service), &site, &uri).await;
}

#[tokio::test]
async fn a_304_through_compression_keeps_its_entity_tag() {
    let site = Site::with(HttpConfig::default().with_below_layers()).await;
    let uri = site.put(Who::Worker, &text()).await;
    let plain = site.get(Who::Worker, &uri, &[]).await;
    let app = site.router.clone().layer(CompressionLayer::new());
    let fields = [
        ("accept-encoding", "gzip"),
        ("if-none-match", plain.header("etag")),
    ];
    let found = reply(app, get(&fetch_path(HOME, &uri), Who::Worker, &fields)).await;
    assert_eq!(found.status, 304);
    assert_eq!(found.header("etag"), plain.header("etag"));
    assert_eq!(found.header("content-encoding"), "");
    assert_eq!(found.body, b"");
}

#[tokio::test]
async fn compression_still_applies_to_json() {
    let site = Site::with(HttpConfig::default().with_below_layers()).await;
    let app = site.router.clone().layer(CompressionLayer::new());
    let asked = get(
        "/openapi.json",
        Who::Anonymous,
        &[("accept-encoding", "gzip")],
    );
    let found = reply(app, asked).await;
    assert_eq!(found.header("content-encoding"), "gzip");
    assert_eq!(found.body[..2], [0x1f, 0x8b]);
}

#[tokio::test]
async fn fetches_have_no_content_encoding_without_layers() {
    let site = Site::with(HttpConfig::default().with_below_layers()).await;
    let uri = site.put(Who::Worker, &text()).await;
    let service = HttpService::new(site.store.clone(), Arc::new(Tokens), HttpConfig::default());
    let asked = get(
        &fetch_path(HOME, &uri),
        Who::Worker,
        &[("accept-encoding", "gzip")],
    );
    let found = reply(service, asked).await;
    assert_eq!(found.status, 200);
    assert!(!found.headers.contains_key("content-encoding"));
}

/// A request of the administrator with a body in JSON.
fn post(path: &str, body: Body) -> Request<Body> {
    let request = Request::post(format!("/v0/experiments/{HOME}{path}"))
        .header("authorization", Member::admin().authorization())
        .header("x-eden-experiment-id", HOME)
        .header("content-type", "application/json");
    request.body(body).unwrap()
}

/// A body of unknown length: its chunks, and then nothing more, without an end.
fn unfinished(bytes: &[u8]) -> Body {
    let chunk = Ok::<_, Infallible>(Bytes::copy_from_slice(bytes));
    Body::from_stream(stream::iter([chunk]).chain(stream::pending()))
}

/// A whole body of unknown length.
fn chunked(bytes: &[u8]) -> Body {
    let chunks = bytes.chunks(10_000).map(Bytes::copy_from_slice);
    let chunks: Vec<_> = chunks.map(Ok::<_, Infallible>).collect();
    Body::from_stream(stream::iter(chunks))
}

#[tokio::test]
async fn a_deposit_over_the_limit_of_a_layer_is_413() {
    let site = Site::with(HttpConfig::default().with_below_layers()).await;
    let app = site
        .router
        .clone()
        .layer(RequestBodyLimitLayer::new(50_000));
    for size in [50_001, 200_000] {
        let body = chunked(&form(&[(FILE, &noise(size))]));
        let found = reply(app.clone(), deposit_as(Who::Worker).body(body).unwrap()).await;
        found.assert_problem(413, "payload-too-large", "chunked");
        site.assert_empty("over the limit of the layer").await;
    }
    let body = chunked(&form(&[(FILE, &noise(40_000))]));
    let found = reply(app, deposit_as(Who::Worker).body(body).unwrap()).await;
    assert_eq!(found.status, 201);
}

#[tokio::test]
async fn a_json_body_over_the_limit_of_a_layer_is_413() {
    let community = Community::new().await;
    let app = community
        .router
        .clone()
        .layer(RequestBodyLimitLayer::new(100));
    let body = format!("{{\"name\": \"{}\"}}", "x".repeat(110));
    let asked = post("/workers", chunked(body.as_bytes()));
    let found = reply(app, asked).await;
    found.assert_problem(413, "payload-too-large", "JSON");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_a_layer_times_out_is_408() {
    let site = Site::with(HttpConfig::default().with_below_layers()).await;
    let layer = RequestBodyTimeoutLayer::new(Duration::from_secs(30));
    let app = site.router.clone().layer(layer.clone());
    let whole = form(&[(FILE, &noise(100_000))]);
    for sent in [0, 10, 90_000] {
        let body = unfinished(&whole[..sent]);
        let found = reply(app.clone(), deposit_as(Who::Worker).body(body).unwrap()).await;
        found.assert_problem(408, "about:blank", "deposit");
        site.assert_empty("timed out").await;
    }
    let community = Community::new().await;
    let asked = post("/workers", unfinished(b"{\"name\": "));
    let found = reply(community.router.clone().layer(layer), asked).await;
    found.assert_problem(408, "about:blank", "JSON");
}

#[tokio::test]
async fn layers_that_only_watch_change_nothing() {
    let site = Site::with(HttpConfig::default().with_below_layers()).await;
    let uri = site.put(Who::Worker, &text()).await;
    let cors = CorsLayer::new().allow_origin(Any);
    let app = site
        .router
        .clone()
        .layer(TraceLayer::new_for_http())
        .layer(cors);
    let normalized = NormalizePathLayer::trim_trailing_slash().layer(app);
    let plain = site.get(Who::Worker, &uri, &[]).await;
    let path = fetch_path(HOME, &uri).replace('?', "/?");
    let asked = get(&path, Who::Worker, &[("origin", "https://a.example")]);
    let mut found = reply(normalized.clone(), asked).await;
    assert_eq!(found.header("access-control-allow-origin"), "*");
    let vary: Vec<_> = found.headers.get_all("vary").iter().cloned().collect();
    assert_eq!(vary[0], "Authorization");
    found.headers.insert("vary", vary[0].clone());
    assert_eq!(described(&found), described(&plain));
    // The layer answers a preflight request itself.
    let preflight = Request::options(fetch_path(HOME, &uri))
        .header("origin", "https://a.example")
        .header("access-control-request-method", "GET");
    let found = reply(normalized, preflight.body(Body::empty()).unwrap()).await;
    assert_eq!(found.status, 200);
}
