//! Deposits and fetches under `/v1`, whose bodies are the files themselves, and experiments.

use artifact_http::{AuthScheme, BasePath, HttpConfig};
use artifact_store::{Database, MemoryDatabase};
use axum::Router;
use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::{Community, ELSEWHERE, HOME, Member, Reply, reply};

const SHA256: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const DIGEST: &str = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";
const WRONG: &str = "sha-256=:MPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";

async fn deposit(
    community: &Community,
    who: &Member,
    fields: &[(&str, &str)],
    bytes: impl Into<Body>,
) -> Reply {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(format!("/v1/experiments/{}/artifacts", who.home))
        .header("authorization", who.authorization());
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    community.send(request.body(bytes.into()).unwrap()).await
}

#[tokio::test]
async fn the_body_is_the_file_and_the_answer_describes_it() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let fields = [
        ("content-type", "text/plain; charset=utf-8"),
        (
            "content-disposition",
            "attachment; filename=\"x\"; filename*=UTF-8''a%20%C3%B6.txt",
        ),
        ("content-digest", DIGEST),
        ("repr-digest", DIGEST),
        ("artifact-expires-in", "60"),
    ];
    let stored = deposit(&community, &worker, &fields, "hello").await;
    assert_eq!(stored.status, 201, "{}", stored.text());
    assert_eq!(stored.header("repr-digest"), DIGEST);
    let body = stored.json();
    let id = body["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/experiments/{HOME}/artifacts/{id}");
    assert_eq!(stored.header("location"), path);
    let expected = json!({
        "artifacts_uri": format!("eden://artifacts/{id}"),
        "id": id,
        "experiment": HOME,
        "size_bytes": 5,
        "content_type": "text/plain; charset=utf-8",
        "file_name": "a \u{f6}.txt",
        "sha256": SHA256,
        "created_by": worker.principal,
        "created_at": body["created_at"],
        "expires_at": body["expires_at"],
        "collection": null,
        "path": null,
    });
    assert_eq!(body, expected);
    assert!(body["expires_at"].is_string());
    // What is recorded, under `Location`, is the same.
    let mut info = community
        .manage(Method::GET, &format!("/artifacts/{id}"), &worker)
        .await
        .json();
    info.as_object_mut().unwrap().remove("hold");
    assert_eq!(info, body);

    let content = format!("/artifacts/{id}/content");
    let fetched = community.manage(Method::GET, &content, &worker).await;
    assert_eq!(
        (fetched.status.as_u16(), &*fetched.body),
        (200, &b"hello"[..])
    );
    let head = community.manage(Method::HEAD, &content, &worker).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    for reply in [&fetched, &head] {
        assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(reply.header("content-length"), "5");
        assert_eq!(reply.header("repr-digest"), DIGEST);
        assert_eq!(reply.header("etag"), format!("\"{SHA256}\""));
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert!(
            reply
                .header("content-disposition")
                .starts_with("attachment; filename=")
        );
    }
    let range = Request::builder()
        .uri(format!("{path}/content"))
        .header("authorization", worker.authorization())
        .header("range", "bytes=1-2");
    let range = community.send(range.body(Body::empty()).unwrap()).await;
    assert_eq!((range.status.as_u16(), &*range.body), (206, &b"el"[..]));
}

#[tokio::test]
async fn properties_that_are_not_declared_have_defaults() {
    let community = Community::new().await;
    let admin = Member::admin();
    // What curl sends with --data-binary.
    let curl = [("content-type", "application/x-www-form-urlencoded")];
    for fields in [&[][..], &curl] {
        let stored = deposit(&community, &admin, fields, "").await;
        assert_eq!(stored.status, 201, "{}", stored.text());
        let body = stored.json();
        assert_eq!(body["content_type"], "application/octet-stream");
        assert_eq!(body["size_bytes"], 0);
        assert_eq!(body["file_name"], Value::Null);
        assert_eq!(body["expires_at"], Value::Null);
        assert_eq!(body["created_by"], "admin");
    }
}

#[tokio::test]
async fn deposits_that_break_a_rule_leave_nothing() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    for (status, field, value) in [
        (400, "content-digest", WRONG),
        (400, "repr-digest", WRONG),
        (400, "repr-digest", "sha-256=x"),
        (400, "content-disposition", "attachment; filename=\"a"),
        (
            400,
            "content-disposition",
            "attachment; filename*=UTF-8''%FF",
        ),
        (400, "artifact-expires-in", "0"),
        (415, "content-encoding", "gzip"),
        (415, "content-type", "multipart/form-data; boundary=b"),
        (415, "content-type", "Multipart/Form-Data"),
        (415, "content-type", "multipart/form-data ;boundary=b"),
        (413, "content-length", "1099511627777"),
    ] {
        let reply = deposit(&community, &worker, &[(field, value)], "hello").await;
        let kind = match status {
            400 => "bad-request",
            413 => "payload-too-large",
            _ => "about:blank",
        };
        reply.assert_problem(status, kind, &format!("{field}: {value}"));
    }
    for field in ["content-type", "content-disposition"] {
        let two = [(field, "text/plain"), (field, "text/plain")];
        let reply = deposit(&community, &worker, &two, "hello").await;
        reply.assert_problem(400, "bad-request", field);
    }
    let list = community.manage(Method::GET, "/artifacts", &worker).await;
    assert_eq!(list.json()["artifacts"], json!([]));
    assert_eq!(community.backend.used_bytes(), 0);
}

#[tokio::test]
async fn the_location_is_under_the_prefix_of_an_outer_router() {
    let path = BasePath::new("/store").unwrap();
    let config = HttpConfig::default().with_management_path(path);
    let community = Community::with(Database::new(MemoryDatabase::new()), config).await;
    let outer: Router = Router::new().nest("/files", community.router.clone());
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/files/store/experiments/{HOME}/artifacts"))
        .header("authorization", Member::admin().authorization());
    let stored = reply(outer, request.body(Body::from("x")).unwrap()).await;
    let id = stored.json()["id"].as_str().unwrap().to_owned();
    let expected = format!("/files/store/experiments/{HOME}/artifacts/{id}");
    assert_eq!(stored.header("location"), expected);
}

#[tokio::test]
async fn a_new_experiment_is_there_at_once_on_every_server() {
    let database = Database::new(MemoryDatabase::new());
    let first = Community::on(database.clone()).await;
    let second = Community::on(database).await;
    let admin = Member::admin();
    let usage = async |server: &Community| {
        let reply = server
            .manage_in("new-1", Method::GET, "/usage", &admin, Body::empty())
            .await;
        reply.status.as_u16()
    };
    assert_eq!((usage(&first).await, usage(&second).await), (400, 400));
    let create = async |body: &str| {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/v1/experiments")
            .header("authorization", admin.authorization());
        first
            .send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    };
    let created = create(r#"{"experiment_id":"new-1"}"#).await;
    assert_eq!(created.status, 200, "{}", created.text());
    let expected = json!({
        "experiment_id": "new-1",
        "state": "running",
        "created_at": created.json()["created_at"],
        "imported_from": null,
    });
    assert_eq!(created.json(), expected);
    assert_eq!((usage(&first).await, usage(&second).await), (200, 200));
    let again = create(r#"{"experiment_id":"new-1"}"#).await;
    assert_eq!((again.status.as_u16(), again.json()), (200, expected));
    second.founding("new-1", "admins").await;
    for body in [
        "",
        "{}",
        r#"{"experiment_id":""}"#,
        r#"{"experiment_id":".."}"#,
        r#"{"experiment_id":"a/b"}"#,
        r#"{"experiment_id":null}"#,
        r#"{"experiment_id":"x","more":1}"#,
    ] {
        create(body).await.assert_problem(400, "bad-request", body);
    }
    let list = Request::builder()
        .uri("/v1/experiments")
        .header("authorization", admin.authorization());
    let list = second.send(list.body(Body::empty()).unwrap()).await.json();
    let names = list["experiments"].as_array().unwrap().iter();
    let names: Vec<_> = names
        .map(|each| each["experiment_id"].as_str().unwrap())
        .collect();
    assert_eq!(names, [HOME, "new-1", ELSEWHERE]);
}

fn basic(who: &Member) -> String {
    use base64::Engine;
    let pair = format!("{}:{}", who.principal, who.secret);
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    format!("Basic {encoded}")
}

async fn ask(
    community: &Community,
    path: &str,
    authorization: &str,
    fields: &[(&str, &str)],
) -> Reply {
    let mut request = Request::builder()
        .uri(path)
        .header("authorization", authorization)
        .header("x-eden-experiment-id", HOME);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    community.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn basic_credentials_are_accepted_under_v1_only() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let usage = format!("/v1/experiments/{HOME}/usage");
    let home = format!("/v0/experiments/{HOME}");
    for who in [&worker, &Member::admin()] {
        for credential in [basic(who), who.authorization()] {
            let reply = ask(&community, &usage, &credential, &[]).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        let reply = ask(&community, &home, &basic(who), &[]).await;
        reply.assert_problem(401, "unauthorized", "/v0");
        assert_eq!(reply.header("www-authenticate"), "Bearer");
        let cross = [("sec-fetch-site", "cross-site")];
        let reply = ask(&community, &usage, &basic(who), &cross).await;
        reply.assert_problem(401, "unauthorized", "another site");
    }
}

#[tokio::test]
async fn every_wrong_credential_under_v1_gets_the_same_answer() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let usage = format!("/v1/experiments/{HOME}/usage");
    let wrong = |principal: &str, secret: &str| Member::new(principal, secret, HOME);
    let mut answers = Vec::new();
    for credential in [
        "Basic".to_owned(),
        "Basic !".to_owned(),
        "Digest x".to_owned(),
        basic(&wrong(&worker.principal, "wrong")),
        basic(&wrong("wkr_00000000000000000000000000", &worker.secret)),
        basic(&wrong("admin", &worker.secret)),
        basic(&wrong("root", &worker.secret)),
        wrong(&worker.principal, "wrong").authorization(),
    ] {
        let reply = ask(&community, &usage, &credential, &[]).await;
        let mut fields = reply.headers.get_all("www-authenticate").iter();
        assert_eq!(fields.next().unwrap(), "Bearer");
        assert_eq!(
            fields.next().unwrap(),
            "Basic realm=\"artifact\", charset=\"UTF-8\""
        );
        assert!(fields.next().is_none());
        answers.push((reply.status, reply.text()));
    }
    assert_eq!(answers[0].0, 401);
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn a_program_with_its_own_credentials_has_no_basic() {
    let config = HttpConfig::default().with_auth_scheme(AuthScheme::bearer("JWT"));
    let community = Community::with(Database::new(MemoryDatabase::new()), config).await;
    let usage = format!("/v1/experiments/{HOME}/usage");
    let reply = ask(&community, &usage, &basic(&Member::admin()), &[]).await;
    reply.assert_problem(401, "unauthorized", "Basic");
    assert_eq!(reply.header("www-authenticate"), "Bearer");
    let document = ask(&community, "/openapi.json", "", &[]).await.text();
    assert!(document.contains(&usage.replace(HOME, "{E}")));
    assert!(!document.contains("\"basic\""), "{document}");
    let document = artifact_http::openapi();
    assert!(document.contains("\"basic\""), "{document}");
}
