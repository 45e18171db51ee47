//! A wire binding with other names than `/v0`.

use std::sync::Arc;

use artifact_backend::UriPrefix;
use artifact_backend_mem::MemBackend;
use artifact_http::{
    BasePath, ErrorPrefix, ExperimentHeader, HttpConfig, Refusal, RequestInfo, openapi_of,
};
use artifact_store::{
    CollectionStore, Database, MemoryDatabase, ReadinessProbe, ReceiptLog, Sharing,
};
use axum::Router;
use axum::body::{Body, to_bytes};
use http::request::Builder;
use http::{Method, Request};
use serde_json::Value;
use tower::ServiceExt;

use crate::support::{BOUNDARY, FILE, HOME, Reply, Site, Who, bearer, form, receipt_key, reply};

fn config(base: &str) -> HttpConfig {
    HttpConfig::default()
        .with_base_path(BasePath::new(base).unwrap())
        .with_experiment_header(ExperimentHeader::new("X-Tenant").unwrap())
        .with_error_prefix(ErrorPrefix::new("urn:example:error:").unwrap())
        .with_uri_prefix(UriPrefix::new("shop://files/").unwrap())
}

fn bare(method: Method, path: &str) -> Builder {
    let request = Request::builder().method(method).uri(path);
    request.header("authorization", bearer(Who::Worker).unwrap())
}

async fn ask(router: &Router, request: Builder, body: Body) -> Reply {
    reply(router.clone(), request.body(body).unwrap()).await
}

fn kind(reply: &Reply) -> (u16, String) {
    let kind = reply.json()["type"].as_str().unwrap().to_owned();
    (reply.status.as_u16(), kind)
}

#[tokio::test]
async fn deposits_and_fetches_use_the_configured_names() {
    for (base, mount) in [
        ("/files/v1", ""),
        ("/files/v1", "/app"),
        ("", ""),
        ("", "/app"),
        ("/v0/v0", ""),
    ] {
        let site = Site::with(config(base)).await;
        let router = match mount {
            "" => site.router.clone(),
            mount => Router::new().nest(mount, site.router.clone()),
        };
        let path = format!("{mount}{base}/experiments/{HOME}/artifacts");
        let form = Body::from(form(&[(FILE, b"bytes")]));
        let request = bare(Method::POST, &path).header("x-tenant", HOME).header(
            "content-type",
            format!("multipart/form-data; boundary={BOUNDARY}"),
        );
        let stored = ask(&router, request, form).await;
        assert_eq!(stored.status, 201, "{base}: {}", stored.text());
        let uri = stored.json()["artifacts_uri"].as_str().unwrap().to_owned();
        assert!(uri.starts_with("shop://files/"), "{uri}");
        let fetch = bare(Method::GET, &format!("{path}?uri={uri}")).header("x-tenant", HOME);
        assert_eq!(
            ask(&router, fetch, Body::empty()).await.body,
            b"bytes",
            "{base}"
        );

        let refused = bare(Method::PATCH, &path).header("x-tenant", HOME);
        let refused = ask(&router, refused, Body::empty()).await;
        assert_eq!(kind(&refused), (405, "about:blank".to_owned()));
        assert_eq!(refused.header("allow"), "POST, GET, HEAD", "{base}");
        let health = bare(Method::GET, &format!("{mount}/healthz"));
        assert_eq!(
            ask(&router, health, Body::empty()).await.body,
            b"ok",
            "{base}"
        );
    }
}

#[tokio::test]
async fn errors_have_the_configured_prefix_and_name_the_configured_header() {
    let site = Site::with(config("/files/v1")).await;
    let path = "/files/v1/experiments/demo";
    let get = |path: &str| bare(Method::GET, path);
    let cases = [
        (get(path), 400, "experiment-id-mismatch"),
        (
            get(path).header("x-eden-experiment-id", HOME),
            400,
            "experiment-id-mismatch",
        ),
        (
            get(path).header("x-tenant", "other"),
            400,
            "experiment-id-mismatch",
        ),
        (
            get("/files/v1/experiments/demo/x").header("x-tenant", HOME),
            404,
            "not-found",
        ),
        (get("/files/v1/x"), 404, "not-found"),
        (get("/files/v1"), 404, "not-found"),
        // The default names mean nothing here, so no credential is asked for.
        (Request::get("/v0/experiments/demo"), 404, "not-found"),
        (Request::get(path), 401, "unauthorized"),
    ];
    for (request, status, name) in cases {
        let reply = ask(&site.router, request, Body::empty()).await;
        assert_eq!(kind(&reply), (status, format!("urn:example:error:{name}")));
        let text = reply.text();
        assert!(!text.contains("eden:") && !text.contains("Eden"), "{text}");
        assert_eq!(text.contains("X-Tenant"), status == 400, "{text}");
    }
    let refused = Refusal::BodyTooLarge.answer_without_request(&config("/files/v1"));
    let body = to_bytes(refused.into_body(), 1 << 16).await.unwrap();
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["type"], "urn:example:error:payload-too-large");
}

#[tokio::test]
async fn routes_in_the_request_log_have_the_configured_base_path() {
    for base in ["/files/v1", "", "/v0"] {
        let site = Site::with(config(base)).await;
        let request =
            bare(Method::GET, &format!("{base}/experiments/demo")).header("x-tenant", HOME);
        let request = request.body(Body::empty()).unwrap();
        let response = site.router.oneshot(request).await.unwrap();
        let info = response.extensions().get::<RequestInfo>().unwrap();
        assert_eq!(info.route(), format!("{base}/experiments/{{E}}"));
    }
}

#[tokio::test]
async fn the_document_has_the_configured_names() {
    let config = config("/files/v1");
    let site = Site::with(config.clone()).await;
    let served = ask(&site.router, Request::get("/openapi.json"), Body::empty()).await;
    let text = served.text();
    for name in ["eden:", "Eden", "/v0", "v0/"] {
        assert!(!text.contains(name), "{name}");
    }
    let document = served.json();
    assert!(document["paths"]["/files/v1/experiments/{E}/artifacts"]["post"].is_object());
    assert_eq!(
        document["components"]["parameters"]["ExperimentHeader"]["name"],
        "X-Tenant"
    );
    let types = &document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"];
    assert_eq!(types[0], "urn:example:error:bad-request");
    assert_eq!(text, openapi_of(&config, false));
    // With identities, and by default.
    let whole: Value = serde_json::from_str(&openapi_of(&config, true)).unwrap();
    assert!(whole["paths"]["/files/v1/experiments/{E}/workers"]["post"].is_object());
    let site = Site::with(HttpConfig::default()).await;
    let managed = HttpConfig::default().with_management(site.managed());
    let without = openapi_of(&managed, true);
    assert!(!without.contains("/grants") && !without.contains("/links"));
    let records = Database::new(MemoryDatabase::new()).sharing;
    let with_sharing = managed.with_sharing(Sharing::new(site.managed(), records));
    assert!(!openapi_of(&with_sharing, true).contains("/collections"));
    let collections = CollectionStore::new(site.managed(), site.rows.clone());
    let with_collections = with_sharing.with_collections(collections);
    let without = openapi_of(&with_collections, true);
    assert!(!without.contains("/receipt") && !without.contains("/log/"));
    let records = Database::new(MemoryDatabase::new()).receipts;
    let receipts = ReceiptLog::open(records, receipt_key()).await.unwrap();
    let with_receipts = with_collections.with_receipts(receipts);
    assert!(!openapi_of(&with_receipts, true).contains("/readyz"));
    let probed = Database::new(MemoryDatabase::new());
    let probe = ReadinessProbe::new(&site.store, &probed, Arc::new(MemBackend::default()));
    let all = with_receipts.with_readiness(probe);
    let without = openapi_of(&all.clone().without_links(), true).into_owned();
    assert!(without.contains("/grants") && !without.contains("/links"));
    assert_eq!(openapi_of(&all, true), artifact_http::openapi());
    assert!(!openapi_of(&HttpConfig::default(), true).contains("/v1/"));
}

#[test]
fn a_uri_prefix_with_quotes_leaves_the_document_valid() {
    let config = HttpConfig::default().with_uri_prefix(UriPrefix::new("x:\"\\{}/").unwrap());
    let document: Value = serde_json::from_str(&openapi_of(&config, true)).unwrap();
    let example = document["components"]["parameters"]["Uri"]["example"]
        .as_str()
        .unwrap();
    assert!(example.starts_with("x:\"\\{}/"), "{example}");
}
