//! Error responses of other layers become problems.

use std::time::Duration;

use artifact_backend::Operation;
use artifact_backend_conformance::Point;
use artifact_http::{HttpConfig, ProblemLayer};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Method, StatusCode};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::support::{FILE, Site, Who, deposit_as, form, noise, reply, request};

fn layer() -> ProblemLayer {
    ProblemLayer::new(HttpConfig::default().with_public_url("https://files.example"))
}

#[tokio::test]
async fn a_content_length_over_the_limit_of_a_layer_is_a_problem() {
    let site = Site::new().await;
    let app = site
        .router
        .clone()
        .layer(RequestBodyLimitLayer::new(50_000))
        .layer(layer());
    let app = Router::new().nest("/files", app);
    let body = form(&[(FILE, &noise(60_000))]);
    let (mut head, _) = deposit_as(Who::Worker).body(()).unwrap().into_parts();
    head.uri = format!("/files{}", head.uri).parse().unwrap();
    head.headers.insert("content-length", body.len().into());
    let asked = http::Request::from_parts(head, Body::from(body));
    let found = reply(app, asked).await;
    found.assert_problem(413, "payload-too-large", "Content-Length");
    assert_eq!(
        found.json()["instance"],
        "https://files.example/files/v0/experiments/demo/artifacts"
    );
    assert_eq!(found.header("content-length"), found.body.len().to_string());
    site.assert_empty("refused by the layer").await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_a_layer_times_out_is_a_problem() {
    let site = Site::new().await;
    let limit = Duration::from_secs(30);
    let app = site
        .router
        .clone()
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            limit,
        ))
        .layer(layer());
    let _hold = site.backend.hold(Operation::Store, Point::Before);
    let body = Body::from(form(&[(FILE, b"bytes")]));
    let found = reply(app, deposit_as(Who::Worker).body(body).unwrap()).await;
    found.assert_problem(408, "about:blank", "TimeoutLayer");
}

#[tokio::test]
async fn foreign_errors_become_problems_and_others_stay() {
    let foreign = Router::new()
        .route(
            "/busy",
            get(async || {
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    [("x-reason", "load")],
                    "busy",
                )
            }),
        )
        .route(
            "/limited",
            get(async || {
                (
                    StatusCode::TOO_MANY_REQUESTS,
                    [("retry-after", "30")],
                    "slow down",
                )
            }),
        )
        .route(
            "/basic",
            get(async || {
                let field = [("www-authenticate", "Basic")];
                (StatusCode::UNAUTHORIZED, field, "who are you?")
            }),
        )
        .route("/teapot", get(async || StatusCode::IM_A_TEAPOT))
        .route("/ok", get(async || ([("x-own", "1")], "fine")))
        .route(
            "/panic",
            get(async || -> axum::response::Response { panic!("a secret detail") }),
        )
        .layer(CatchPanicLayer::new())
        .layer(layer());
    let ask = async |method: Method, path: &str| {
        let asked = request(method, path, Who::Anonymous, "demo");
        reply(foreign.clone(), asked.body(Body::empty()).unwrap()).await
    };
    let busy = ask(Method::GET, "/busy").await;
    busy.assert_problem(503, "about:blank", "busy");
    assert_eq!(busy.header("x-reason"), "load");
    assert_eq!(busy.header("retry-after"), "1");
    let limited = ask(Method::GET, "/limited").await;
    limited.assert_problem(429, "about:blank", "limited");
    assert_eq!(limited.header("retry-after"), "30");
    let basic = ask(Method::GET, "/basic").await;
    basic.assert_problem(401, "unauthorized", "basic");
    assert_eq!(basic.header("www-authenticate"), "Basic");
    ask(Method::GET, "/teapot")
        .await
        .assert_problem(418, "about:blank", "teapot");
    ask(Method::GET, "/none")
        .await
        .assert_problem(404, "not-found", "none");
    let panicked = ask(Method::GET, "/panic").await;
    panicked.assert_problem(500, "about:blank", "panic");
    assert!(!panicked.text().contains("secret"), "{}", panicked.text());

    let ok = ask(Method::GET, "/ok").await;
    assert_eq!((ok.status, &*ok.text()), (StatusCode::OK, "fine"));
    assert_eq!(ok.header("x-own"), "1");
    let head = ask(Method::HEAD, "/busy").await;
    assert_eq!(head.status, 503);
    assert_eq!(head.header("content-length"), busy.body.len().to_string());
    assert_eq!(head.body, b"");
}

#[tokio::test]
async fn the_problems_of_the_endpoints_are_passed_on_unchanged() {
    let site = Site::new().await;
    let app = site.router.clone().layer(layer());
    for (method, path, who) in [
        (Method::GET, "/v0/experiments/demo/artifacts", Who::Admin),
        (Method::PUT, "/v0/experiments/demo/artifacts", Who::Admin),
        (Method::GET, "/v0/experiments/demo", Who::Anonymous),
        (Method::GET, "/nothing", Who::Anonymous),
    ] {
        let ask = || {
            let asked = request(method.clone(), path, who, "demo");
            asked.body(Body::empty()).unwrap()
        };
        let plain = reply(site.router.clone(), ask()).await;
        let found = reply(app.clone(), ask()).await;
        assert_eq!(found.status, plain.status);
        assert_eq!(
            (&found.headers, &found.body),
            (&plain.headers, &plain.body),
            "{method} {path}"
        );
    }
}
