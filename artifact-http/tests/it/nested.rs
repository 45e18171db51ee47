//! The router inside another app, and the service without a router.

use std::sync::Arc;

use artifact_http::{HttpConfig, HttpService};
use axum::Router;
use axum::routing::get;
use http::Method;

use crate::support::{FILE, Site, Tokens, Who, deposit_as, fetch_path, form, reply, request};
use axum::body::Body;

#[tokio::test]
async fn the_router_can_be_nested() {
    let site = Site::new().await;
    let app = Router::new()
        .route("/hello", get(async || "mine"))
        .nest("/files", site.router.clone());
    let ask = async |method: Method, path: &str, who: Who| {
        let asked = request(method, path, who, "demo").header("host", "h.example");
        reply(app.clone(), asked.body(Body::empty()).unwrap()).await
    };
    assert_eq!(
        ask(Method::GET, "/hello", Who::Anonymous).await.body,
        b"mine"
    );
    let found = ask(Method::GET, "/files/v0/experiments/demo", Who::Admin).await;
    assert_eq!(found.json()["experiment_id"], "demo");
    let lost = ask(Method::GET, "/files/v0/experiments/demo/x?y", Who::Admin).await;
    lost.assert_problem(404, "not-found", "nested");
    // The URL that the client requested, not the path within the router.
    assert_eq!(
        lost.json()["instance"],
        "http://h.example/files/v0/experiments/demo/x?y"
    );
    let refused = ask(Method::GET, "/files/v0/x", Who::Anonymous).await;
    refused.assert_problem(401, "unauthorized", "nested");
}

#[tokio::test]
async fn the_router_can_be_merged() {
    let site = Site::new().await;
    let app = Router::new()
        .route("/hello", get(async || "mine"))
        .merge(site.router.clone());
    let body = Body::from(form(&[(FILE, b"x")]));
    let stored = reply(app.clone(), deposit_as(Who::Worker).body(body).unwrap()).await;
    assert_eq!(stored.status, 201);
    let hello = request(Method::GET, "/hello", Who::Anonymous, "demo")
        .body(Body::empty())
        .unwrap();
    assert_eq!(reply(app, hello).await.body, b"mine");
}

#[tokio::test]
async fn the_service_answers_as_the_router_does() {
    let site = Site::new().await;
    let service = HttpService::new(site.store.clone(), Arc::new(Tokens), HttpConfig::default());
    let body = Body::from(form(&[(FILE, b"the bytes")]));
    let deposit = deposit_as(Who::Worker).body(body).unwrap();
    let stored = reply(service.clone(), deposit).await;
    assert_eq!(stored.status, 201);
    let uri = stored.json()["artifacts_uri"].as_str().unwrap().to_owned();
    for (method, path, who, status) in [
        (Method::GET, fetch_path("demo", &uri), Who::Worker, 200),
        // The second time, the artifact is in the caches.
        (Method::GET, fetch_path("demo", &uri), Who::Worker, 200),
        (Method::HEAD, fetch_path("demo", &uri), Who::Admin, 200),
        (Method::GET, fetch_path("demo", &uri), Who::Anonymous, 401),
        (Method::POST, "/healthz".into(), Who::Anonymous, 405),
        (Method::GET, "/nothing?x".into(), Who::Anonymous, 404),
    ] {
        let ask = || {
            let asked = request(method.clone(), &path, who, "demo").header("host", "h.example");
            asked.body(Body::empty()).unwrap()
        };
        let [ours, theirs] = [
            reply(service.clone(), ask()).await,
            reply(site.router.clone(), ask()).await,
        ];
        assert_eq!(ours.status, status, "{method} {path}");
        assert_eq!(
            (&ours.headers, &ours.body),
            (&theirs.headers, &theirs.body),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn the_document_names_the_prefix_as_its_server() {
    let site = Site::new().await;
    let config = HttpConfig::default().with_public_url("https://files.example/");
    let public = Site::with(config).await;
    let nest = |prefix: &str, site: &Site| Router::new().nest(prefix, site.router.clone());
    for (app, path, servers) in [
        (site.router.clone(), "/openapi.json", None),
        (nest("/files", &site), "/files/openapi.json", Some("/files")),
        (nest("/a/b", &site), "/a/b/openapi.json", Some("/a/b")),
        (
            nest("/of/{tenant}/files", &site),
            "/of/a%22b/files/openapi.json",
            Some("/of/a%22b/files"),
        ),
        (
            Router::new().nest("/outer", nest("/inner", &site)),
            "/outer/inner/openapi.json?x",
            Some("/outer/inner"),
        ),
        (
            public.router.clone(),
            "/openapi.json",
            Some("https://files.example"),
        ),
        (
            nest("/files", &public),
            "/files/openapi.json",
            Some("https://files.example/files"),
        ),
    ] {
        let asked = request(Method::GET, path, Who::Anonymous, "demo");
        let found = reply(app, asked.body(Body::empty()).unwrap()).await;
        assert_eq!(found.status, 200, "{path}");
        let mut document = found.json();
        let found = document.as_object_mut().unwrap().remove("servers");
        let expected = servers.map(|url| serde_json::json!([{ "url": url }]));
        assert_eq!(found, expected, "{path}");
        assert!(document["paths"]["/v0/experiments/{E}"].is_object());
    }
}

#[tokio::test]
async fn the_service_can_be_nested() {
    let site = Site::new().await;
    let service = HttpService::new(site.store.clone(), Arc::new(Tokens), HttpConfig::default());
    let app: Router = Router::new().nest_service("/files", service);
    let ask = async |path: &str| {
        let asked = request(Method::GET, path, Who::Admin, "demo").header("host", "h.example");
        reply(app.clone(), asked.body(Body::empty()).unwrap()).await
    };
    let lost = ask("/files/v0/experiments/demo/x").await;
    lost.assert_problem(404, "not-found", "nested");
    assert_eq!(
        lost.json()["instance"],
        "http://h.example/files/v0/experiments/demo/x"
    );
    let document = ask("/files/openapi.json").await.json();
    assert_eq!(document["servers"][0]["url"], "/files");
}
