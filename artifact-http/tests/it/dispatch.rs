//! The checks before every endpoint, their order, and the envelope of problems.

use artifact_http::{HttpConfig, endpoints};
use artifact_store::{GrantId, GroupId, LinkId, WorkerId};
use axum::body::Body;
use http::{Method, Request};

use crate::support::{Site, Who, bearer, request};

const PATHS: [&str; 4] = ["", "/artifacts", "/nothing", "/artifacts/"];

fn bare(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path)
}

#[tokio::test]
async fn the_first_failed_check_determines_the_answer() {
    let site = Site::new().await;
    let admin = bearer(Who::Admin).unwrap();
    for rest in PATHS {
        let path = format!("/v0/experiments/demo{rest}");
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
        ] {
            let why = format!("{method} {path}");
            let send = async |request: http::request::Builder| {
                let mut reply = site.send(request.body(Body::empty()).unwrap()).await;
                if method == "HEAD" {
                    // HEAD has the fields of GET and no content.
                    assert_eq!(reply.body, b"", "{why}");
                    reply.body = b"{}".to_vec();
                }
                reply
            };
            let is = |reply: &crate::support::Reply, status: u16, kind: &str| {
                if method == "HEAD" {
                    assert_eq!(reply.status, status, "{why}");
                    assert_ne!(reply.header("content-length"), "0", "{why}");
                } else {
                    reply.assert_problem(status, kind, &why);
                }
            };
            // Everything is wrong: the credential is checked first, then the header.
            let reply = send(bare(method, &path).header("x-eden-experiment-id", "wrong")).await;
            is(&reply, 401, "unauthorized");
            assert_eq!(reply.header("www-authenticate"), "Bearer", "{why}");
            let reply = send(bare(method, &path).header("authorization", &admin)).await;
            is(&reply, 400, "experiment-id-mismatch");

            let right = bare(method, &path)
                .header("authorization", &admin)
                .header("x-eden-experiment-id", "demo");
            let reply = send(right).await;
            let wanted = if method == "HEAD" { "GET" } else { method };
            let mut here = endpoints()
                .iter()
                .filter(|endpoint| endpoint.path == format!("/v0/experiments/{{E}}{rest}"))
                .peekable();
            if here.peek().is_none() {
                is(&reply, 404, "not-found");
            } else if !here.any(|endpoint| endpoint.method == wanted) {
                is(&reply, 405, "about:blank");
                let allow = if rest.is_empty() {
                    "GET, HEAD"
                } else {
                    "POST, GET, HEAD"
                };
                assert_eq!(reply.header("allow"), allow, "{why}");
            } else {
                assert!(
                    ![401, 403, 404, 405].contains(&reply.status.as_u16()),
                    "{why}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_experiment_header_must_equal_the_path_exactly() {
    let site = Site::new().await;
    let long = "e".repeat(200);
    let table: [(&str, &[&str]); 12] = [
        ("demo", &[]),
        ("demo", &["other"]),
        ("demo", &["demo", "demo"]),
        ("demo", &["demo", "other"]),
        ("demo", &["Demo"]),
        ("demo", &[""]),
        ("demo", &["demo,demo"]),
        ("unknown", &["unknown"]),
        ("%64emo", &["%64emo"]),
        ("%64emo", &["demo"]),
        (&long, &[&long]),
        ("..", &[".."]),
    ];
    for (path, headers) in table {
        for rest in PATHS {
            let mut request = bare("GET", &format!("/v0/experiments/{path}{rest}"))
                .header("authorization", bearer(Who::Admin).unwrap());
            for value in headers {
                request = request.header("x-eden-experiment-id", *value);
            }
            let reply = site.send(request.body(Body::empty()).unwrap()).await;
            reply.assert_problem(
                400,
                "experiment-id-mismatch",
                &format!("{path}{rest} {headers:?}"),
            );
        }
    }
}

#[tokio::test]
async fn unusual_paths_are_not_found() {
    let site = Site::new().await;
    let under = [
        "/v0/",
        "/v0/foo",
        "/v0//",
        "/v0/experiments",
        "/v0/experiments/",
        "/v0/experiments//artifacts",
        "/v0/experiments/demo/",
        "/v0/experiments/demo//artifacts",
        "/v0/experiments/demo/%61rtifacts",
        "/v0/experiments/demo/artifacts/",
        "/v0/experiments/demo/artifacts//",
        "/v0/experiments/demo/artifacts/x",
        "/v0/experiments/demo/../demo/artifacts",
        "/v0/experiments/demo/Artifacts",
        "/v0/experiments/demo/artifacts;x=1",
    ];
    for path in under {
        let known = request(Method::GET, path, Who::Admin, "demo");
        let reply = site.send(known.body(Body::empty()).unwrap()).await;
        reply.assert_problem(404, "not-found", path);
        let unknown = request(Method::GET, path, Who::Anonymous, "demo");
        let reply = site.send(unknown.body(Body::empty()).unwrap()).await;
        reply.assert_problem(401, "unauthorized", path);
    }
    for path in [
        "/",
        "/v0",
        "/v1/experiments/demo",
        "//v0/experiments/demo",
        "/healthz/",
        "/readyz/",
        "/V0/x",
        "/%76%30/x",
    ] {
        let reply = site
            .send(bare("GET", path).body(Body::empty()).unwrap())
            .await;
        reply.assert_problem(404, "not-found", path);
    }
}

#[tokio::test]
async fn credentials_must_be_one_well_formed_header() {
    let site = Site::new().await;
    let good = bearer(Who::Admin).unwrap();
    let send = async |values: &[&str], query: &str| {
        let mut request = bare("GET", &format!("/v0/experiments/demo{query}"))
            .header("x-eden-experiment-id", "demo");
        for value in values {
            request = request.header("authorization", *value);
        }
        site.send(request.body(Body::empty()).unwrap()).await
    };
    let token = good.split_once(' ').unwrap().1.to_owned();
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer admin",
        "Bearer :x",
        "Bearer admin:",
        "Basic YTpi",
        &token,
    ] {
        let reply = send(&[value], "").await;
        reply.assert_problem(401, "unauthorized", value);
        assert_eq!(reply.header("www-authenticate"), "Bearer");
    }
    for query in [
        format!("?access_token={token}"),
        format!("?authorization=Bearer%20{token}"),
    ] {
        send(&[], &query)
            .await
            .assert_problem(401, "unauthorized", "a token in the query");
    }
    send(&[&good, &good], "")
        .await
        .assert_problem(400, "bad-request", "twice");
    for value in [
        good.replace("Bearer", "bEARER"),
        good.replace("Bearer ", "Bearer   "),
    ] {
        assert_eq!(send(&[&value], "").await.status, 200, "{value}");
    }
}

#[tokio::test]
async fn failures_of_the_authenticator_are_server_errors() {
    let site = Site::new().await;
    let send = async |principal: &str| {
        let request = bare("GET", "/v0/experiments/demo")
            .header("authorization", format!("Bearer {principal}:x"))
            .header("x-eden-experiment-id", "demo");
        site.send(request.body(Body::empty()).unwrap()).await
    };
    send("panic")
        .await
        .assert_problem(500, "about:blank", "a panic");
    let reply = send("later").await;
    reply.assert_problem(503, "about:blank", "credentials cannot be checked");
    assert_eq!(reply.header("retry-after"), "1");
    assert!(!reply.text().contains("database"), "{}", reply.text());
}

#[tokio::test]
async fn the_instance_is_the_requested_url() {
    let instance = async |config: HttpConfig, host: Option<&str>, path: &str| {
        let site = Site::with(config).await;
        let mut request = bare("GET", path).header("x-forwarded-host", "evil.example");
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let reply = site.send(request.body(Body::empty()).unwrap()).await;
        reply.json()["instance"].as_str().unwrap().to_owned()
    };
    let plain = HttpConfig::default;
    assert_eq!(
        instance(plain(), Some("a.example:8080"), "/x?y=1").await,
        "http://a.example:8080/x?y=1"
    );
    assert_eq!(
        instance(plain(), Some("[::1]:80"), "/x").await,
        "http://[::1]:80/x"
    );
    for host in [None, Some("a\"b"), Some("user@x"), Some("a/b"), Some("")] {
        assert_eq!(
            instance(plain(), host, "/x").await,
            "http://localhost/x",
            "{host:?}"
        );
    }
    let public = plain().with_public_url("https://files.example/");
    assert_eq!(
        instance(public, Some("a.example"), "/v0/x").await,
        "https://files.example/v0/x"
    );
}

#[tokio::test]
async fn health_needs_no_credential() {
    let site = Site::new().await;
    let reply = site
        .send(bare("GET", "/healthz").body(Body::empty()).unwrap())
        .await;
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &b"ok"[..]));
    let reply = site
        .send(bare("POST", "/healthz").body(Body::empty()).unwrap())
        .await;
    reply.assert_problem(405, "about:blank", "POST");
    assert_eq!(reply.header("allow"), "GET, HEAD");
}

#[tokio::test]
async fn endpoints_are_not_found_without_identities_or_a_managed_store() {
    let site = Site::new().await;
    for endpoint in endpoints() {
        let path = endpoint
            .path
            .replace("{E}", "demo")
            .replace("{W}", WorkerId::mint().as_str())
            .replace("{G}", GroupId::mint().as_str())
            .replace("{M}", WorkerId::mint().as_str())
            .replace("{A}", &"0".repeat(32))
            .replace("{N}", GrantId::mint().as_str())
            .replace("{K}", LinkId::mint().as_str())
            .replace("{L}", &"0".repeat(64));
        for method in [endpoint.method.clone(), Method::PUT] {
            let sent = request(method, &path, Who::Admin, "demo");
            let reply = site.send(sent.body(Body::empty()).unwrap()).await;
            if endpoint.needs_identities() || endpoint.needs_management() {
                reply.assert_problem(404, "not-found", &path);
            } else {
                let is_routed = reply.status != 404 && reply.status != 403;
                assert!(is_routed, "{path}: {}", reply.text());
            }
        }
    }
}
