//! Paths, methods, parameters and the experiment header.

use artifact_http::{BasePath, HttpConfig};
use artifact_store::{Database, MemoryDatabase};
use axum::body::Body;
use http::{Method, Request};
use serde_json::Value;

use super::{bare_get, detail, path_of};
use crate::support::{Community, ELSEWHERE, HOME, Member};

#[tokio::test]
async fn malformed_parameters_are_named_in_the_problem() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let uri = community.put(&worker).await;
    for (query, name) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=", "limit"),
        ("limit", "limit"),
        ("limit=%2B1", "limit"),
        ("limit=ten", "limit"),
        ("limit=1&limit=1", "limit"),
        ("after=x", "after"),
        ("after=-1", "after"),
        ("after=9223372036854775808", "after"),
        ("created_by=", "created_by"),
        ("created_by=wkr_x", "created_by"),
        ("created_from=yesterday", "created_from"),
        ("created_before=2026-01-02", "created_before"),
        ("min_size=1KiB", "min_size"),
        ("max_size=-1", "max_size"),
        ("max_size=1.5", "max_size"),
        ("content_type=text", "content_type"),
        ("content_type=text/plain;charset=utf-8", "content_type"),
        ("content_type=/", "content_type"),
        ("name=", "name"),
        ("name=%FF", "name"),
        ("name=a&name=b", "name"),
        ("uri=x", "uri"),
        ("Limit=1", "Limit"),
        ("limit=1&x", "x"),
    ] {
        let reply = community
            .manage(Method::GET, &format!("/artifacts?{query}"), &worker)
            .await;
        reply.assert_problem(400, "bad-request", query);
        assert!(
            detail(&reply).contains(&format!("`{name}`")),
            "{query}: {}",
            reply.text()
        );
    }
    let long = format!("name={}", "x".repeat(256));
    let reply = community
        .manage(Method::GET, &format!("/artifacts?{long}"), &worker)
        .await;
    reply.assert_problem(400, "bad-request", "a long name");
    // The others have no parameters.
    let admin = Member::admin();
    let artifact = path_of(&uri);
    for (method, path) in [
        (Method::GET, artifact.clone()),
        (Method::DELETE, artifact.clone()),
        (Method::PUT, format!("{artifact}/hold")),
        (Method::DELETE, format!("{artifact}/hold")),
        (Method::GET, "/usage".to_owned()),
        (Method::GET, "/retention".to_owned()),
        (Method::PUT, "/retention".to_owned()),
    ] {
        let reply = community
            .manage(method, &format!("{path}?force=1"), &admin)
            .await;
        reply.assert_problem(400, "bad-request", &path);
        assert!(detail(&reply).contains("`force`"), "{}", reply.text());
    }
    assert_eq!(
        community
            .manage(Method::GET, &artifact, &worker)
            .await
            .json()["hold"],
        Value::Null
    );
}

#[tokio::test]
async fn the_path_must_name_the_experiment_of_the_artifact() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let path = path_of(&community.put(&worker).await);
    let admin = Member::admin();
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::DELETE, format!("{path}?dry_run=true")),
        (Method::PUT, format!("{path}/hold")),
        (Method::DELETE, format!("{path}/hold")),
    ] {
        let reply = community
            .manage_in(ELSEWHERE, method, &path, &admin, Body::empty())
            .await;
        reply.assert_problem(404, "not-found", &path);
    }
    assert_eq!(
        community.manage(Method::GET, &path, &worker).await.status,
        200
    );
}

#[tokio::test]
async fn the_experiment_header_may_be_left_out_but_not_be_wrong() {
    let community = Community::new().await;
    let admin = Member::admin();
    let ask = async |path: &str, headers: &[&str]| {
        let mut request = Request::builder()
            .uri(path)
            .header("authorization", admin.authorization());
        for value in headers {
            request = request.header("x-eden-experiment-id", *value);
        }
        community.send(request.body(Body::empty()).unwrap()).await
    };
    let path = "/v1/experiments/demo/usage";
    for headers in [&[][..], &["demo"]] {
        assert_eq!(ask(path, headers).await.status, 200, "{headers:?}");
    }
    for headers in [&["other"][..], &["Demo"], &[""], &["demo", "demo"]] {
        let reply = ask(path, headers).await;
        reply.assert_problem(400, "experiment-id-mismatch", path);
    }
    // The order of checks is that of /v0: credential, experiment, route, method.
    let reply = ask("/v1/experiments/absent/nothing", &[]).await;
    reply.assert_problem(400, "experiment-id-mismatch", "absent");
    for path in [
        "/v1/",
        "/v1/x",
        "/v1/experiments/",
        "/v1/experiments/demo",
        "/v1/experiments/demo/",
        "/v1/experiments/demo/usage/",
        "/v1/experiments/demo/groups",
        "/v1//experiments/demo/usage",
        "/v1/experiments/demo/%75sage",
    ] {
        let reply = ask(path, &[]).await;
        reply.assert_problem(404, "not-found", path);
        let anonymous = community.send(bare_get(path)).await;
        anonymous.assert_problem(401, "unauthorized", path);
    }
    for path in [
        "/v1",
        "/v2/experiments/demo/usage",
        "/V1/experiments/demo/usage",
    ] {
        community
            .send(bare_get(path))
            .await
            .assert_problem(404, "not-found", path);
    }
    // /v0 still needs the header, and does not have these paths.
    let reply = ask("/v0/experiments/demo/usage", &[]).await;
    reply.assert_problem(400, "experiment-id-mismatch", "/v0");
    let reply = ask("/v0/experiments/demo/usage", &["demo"]).await;
    reply.assert_problem(404, "not-found", "/v0");
}

#[tokio::test]
async fn a_405_lists_the_methods_of_the_path() {
    let community = Community::new().await;
    let admin = Member::admin();
    let artifact = format!("/artifacts/{}", "0".repeat(32));
    for (path, allow) in [
        ("/artifacts", "GET, HEAD, POST, OPTIONS"),
        (&*artifact, "GET, HEAD, DELETE"),
        (&*format!("{artifact}/content"), "GET, HEAD"),
        (&*format!("{artifact}/hold"), "PUT, DELETE"),
        ("/usage", "GET, HEAD"),
        ("/retention", "GET, HEAD, PUT"),
    ] {
        for method in [Method::POST, Method::OPTIONS, Method::PATCH] {
            if allow.contains(method.as_str()) {
                continue;
            }
            let reply = community.manage(method, path, &admin).await;
            reply.assert_problem(405, "about:blank", path);
            assert_eq!(reply.header("allow"), allow, "{path}");
        }
    }
}

#[tokio::test]
async fn the_path_of_management_can_be_another_one() {
    let config = HttpConfig::default().with_management_path(BasePath::new("/admin/api").unwrap());
    let community = Community::with(Database::new(MemoryDatabase::new()), config).await;
    let admin = Member::admin();
    let get = async |path: &str| {
        let request = Request::builder()
            .uri(path)
            .header("authorization", admin.authorization())
            .header("x-eden-experiment-id", HOME);
        community.send(request.body(Body::empty()).unwrap()).await
    };
    assert_eq!(get("/admin/api/experiments/demo/usage").await.status, 200);
    assert_eq!(get("/v1/experiments/demo/usage").await.status, 404);
    assert_eq!(get("/v0/experiments/demo").await.status, 200);
    let document = get("/openapi.json").await.json();
    assert!(document["paths"]["/admin/api/experiments/{E}/usage"].is_object());
    assert!(document["paths"]["/v0/experiments/{E}/artifacts"].is_object());

    // Of two equal paths, the one of the other endpoints counts.
    let config = HttpConfig::default().with_management_path(BasePath::new("/v0").unwrap());
    let community = Community::with(Database::new(MemoryDatabase::new()), config).await;
    let reply = community.admin(Method::GET, "/usage", Body::empty()).await;
    reply.assert_problem(404, "not-found", "/v0");
    assert_eq!(
        community.admin(Method::GET, "", Body::empty()).await.status,
        200
    );
}
