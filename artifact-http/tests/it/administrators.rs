//! Named administrators: their tokens on one server and on two, their lists, and what is recorded of them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use artifact_backend::{Clock, ManualClock};
use artifact_store::{AdministratorId, Database, SqliteDatabase};
use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::{Community, HOME, Log, Member};

const ROOT: &str = "/administrators";

/// Returns the status of a request that every administrator may send.
async fn status(community: &Community, who: &Member) -> u16 {
    let reply = community.deploy(Method::GET, ROOT, who, "").await;
    reply.status.as_u16()
}

fn path_of(administrator: &Member) -> String {
    format!("{ROOT}/{}", administrator.principal)
}

fn credential(answer: &Value) -> Member {
    let text = |key: &str| answer[key].as_str().unwrap();
    Member::new(text("administrator_id"), text("registration_token"), HOME)
}

#[tokio::test]
async fn two_servers_on_one_database_accept_the_same_administrators() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let open = async || Database::new(SqliteDatabase::open(&path).await.unwrap());
    let one = Community::on(open().await).await;
    let two = Community::on(open().await).await;
    let first = one.administrator("first").await;
    assert_eq!(status(&two, &first).await, 200);

    // Both servers remember the token; every change on one counts on the other.
    let token = format!("{}/token", path_of(&first));
    let reply = one.deploy(Method::POST, &token, &first, "").await;
    let second = credential(&reply.json());
    for server in [&two, &one] {
        assert_eq!(status(server, &first).await, 401);
        assert_eq!(status(server, &second).await, 200);
    }
    // An administrator may revoke its own token.
    let reply = one.deploy(Method::DELETE, &token, &second, "").await;
    assert_eq!(reply.status, 204);
    assert_eq!(status(&two, &second).await, 401);
    let admin = Member::admin();
    let reply = two.deploy(Method::POST, &token, &admin, "{}").await;
    let third = credential(&reply.json());
    assert_eq!(status(&one, &third).await, 200);
    let path = path_of(&third);
    let reply = two.deploy(Method::DELETE, &path, &third, "").await;
    assert_eq!(reply.status, 204);
    assert_eq!(status(&one, &third).await, 401);
    assert_eq!(status(&one, &admin).await, 200);
}

#[tokio::test]
async fn tokens_of_administrators_are_valid_until_they_expire() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
    let clock = Arc::new(ManualClock::new(start));
    let community = Community::at(Arc::clone(&clock) as Arc<dyn Clock>).await;
    let body = json!({ "name": "brief", "expires_in": 60 }).to_string();
    let admin = Member::admin();
    let reply = community.deploy(Method::POST, ROOT, &admin, body).await;
    assert_eq!(reply.json()["token_expires_at"], "1970-01-01T01:01:00Z");
    let brief = credential(&reply.json());
    clock.advance(Duration::from_secs(59));
    assert_eq!(status(&community, &brief).await, 200);
    clock.advance(Duration::from_secs(1));
    let expired = community.deploy(Method::GET, ROOT, &brief, "").await;
    expired.assert_problem(401, "unauthorized", "an expired token");
    let wrong = Member::new(&brief.principal, "wrong", HOME);
    let wrong = community.deploy(Method::GET, ROOT, &wrong, "").await;
    assert_eq!(expired.text(), wrong.text());
}

#[tokio::test]
async fn invalid_credentials_of_administrators_get_the_same_answer() {
    let community = Community::new().await;
    let administrator = community.administrator("a").await;
    let worker = community.register(HOME).await;
    let absent = AdministratorId::mint();
    let mut texts = Vec::new();
    for (principal, secret) in [
        (administrator.principal.as_str(), worker.secret.as_str()),
        (&administrator.principal, &administrator.secret[1..]),
        (&administrator.principal, crate::support::ADMIN_SECRET),
        ("admin", &administrator.secret),
        (&worker.principal, &administrator.secret),
        (absent.as_str(), &administrator.secret),
        (
            &administrator.principal.to_uppercase(),
            &administrator.secret,
        ),
        (&administrator.principal[1..], &administrator.secret),
    ] {
        for _ in 0..2 {
            let who = Member::new(principal, secret, HOME);
            let reply = community.get("", &who).await;
            reply.assert_problem(401, "unauthorized", principal);
            texts.push(reply.text());
        }
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert_eq!(community.get("", &administrator).await.status, 200);
}

#[tokio::test]
async fn what_an_administrator_does_is_recorded_under_its_id() {
    let community = Community::new().await;
    let alice = community.administrator("Alice").await;
    let log = Log::collect();
    let uri = community.put(&alice).await;
    let id = uri.rsplit('/').next().unwrap();
    let path = format!("/artifacts/{id}");
    let read = community.manage(Method::GET, &path, &alice).await.json();
    assert_eq!(read["created_by"], alice.principal);
    let hold = format!("{path}/hold");
    let placed = community.manage(Method::PUT, &hold, &alice).await;
    assert_eq!(placed.status, 204);
    let read = community.manage(Method::GET, &path, &Member::admin()).await;
    assert_eq!(read.json()["hold"]["placed_by"], alice.principal);
    let body = "{}";
    let worker = community
        .ask_in(HOME, Method::POST, "/workers", &alice, body)
        .await;
    assert_eq!(worker.json()["registered_by"], alice.principal);
    let group = community
        .ask_in(HOME, Method::POST, "/groups", &alice, body)
        .await;
    assert_eq!(group.json()["created_by"], alice.principal);
    let usage = community.manage(Method::GET, "/usage", &alice).await.json();
    assert_eq!(usage["principals"][0]["created_by"], alice.principal);
    assert!(!log.text().contains(&alice.secret));
}

#[tokio::test]
async fn lists_have_pages_and_no_secrets() {
    let community = Community::new().await;
    let mut expected = Vec::new();
    for number in 0..5 {
        let name = format!("number {number}");
        expected.push(community.administrator(&name).await.principal);
    }
    let admin = Member::admin();
    let (mut seen, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let path = format!("{ROOT}{query}");
        let reply = community.deploy(Method::GET, &path, &admin, "").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        for secret in ["argon2", "registration_token", "credential"] {
            assert!(!reply.text().contains(secret), "{}", reply.text());
        }
        let page = reply.json();
        let listed = page["administrators"].as_array().unwrap();
        assert!(listed.len() <= 2);
        seen.extend(listed.iter().map(|each| {
            assert_eq!(each["token_expires_at"], Value::Null);
            each["administrator_id"].as_str().unwrap().to_owned()
        }));
        match page["next"].as_str() {
            Some(next) => query = format!("?limit=2&after={next}"),
            None => break,
        }
    }
    let by_time = |ids: &mut Vec<String>| ids.sort();
    by_time(&mut seen);
    by_time(&mut expected);
    assert_eq!(seen, expected);
    for query in [
        "?limit=0",
        "?limit=257",
        "?after=x",
        "?after=",
        "?name=a",
        "?limit=1&limit=2",
    ] {
        let path = format!("{ROOT}{query}");
        let reply = community.deploy(Method::GET, &path, &admin, "").await;
        reply.assert_problem(400, "bad-request", query);
    }
}

#[tokio::test]
async fn malformed_registrations_change_nothing() {
    let community = Community::new().await;
    let admin = Member::admin();
    for (body, status, kind) in [
        ("", 400, "bad-request"),
        ("{}", 400, "bad-request"),
        (r#"{"name":null}"#, 400, "bad-request"),
        (r#"{"name":7}"#, 400, "bad-request"),
        (r#"{"name":"a","labels":{}}"#, 400, "bad-request"),
        (r#"{"name":"a","name":"b"}"#, 400, "bad-request"),
        (r#"{"name":"a","expires_in":0}"#, 400, "bad-request"),
        (
            r#"{"name":"a","expires_in":3153600001}"#,
            400,
            "bad-request",
        ),
        (r#"{"name":" a"}"#, 422, "invalid-name"),
        (r#"{"name":"\ud800"}"#, 422, "invalid-name"),
        (r#"{"name":"admin"}"#, 409, "reserved-identifier"),
        (r#"{"name":"system"}"#, 409, "reserved-identifier"),
    ] {
        let reply = community.deploy(Method::POST, ROOT, &admin, body).await;
        reply.assert_problem(status, kind, body);
    }
    let reply = community.deploy(Method::GET, ROOT, &admin, "").await;
    let empty = json!({ "administrators": [], "unreadable": 0, "next": null });
    assert_eq!(reply.json(), empty);
}

#[tokio::test]
async fn ill_formed_ids_and_other_methods_are_answered_in_the_usual_order() {
    let community = Community::new().await;
    let administrator = community.administrator("a").await;
    let worker = community.register(HOME).await;
    let id = &administrator.principal;
    for bad in [
        &id[1..],
        &id.to_uppercase(),
        &format!("{id}0"),
        &worker.principal,
        "admin",
        "%61dm_",
        "",
    ] {
        for path in [format!("{ROOT}/{bad}"), format!("{ROOT}/{bad}/token")] {
            for method in [Method::GET, Method::DELETE, Method::POST, Method::PATCH] {
                for who in [&administrator, &worker] {
                    let reply = community.deploy(method.clone(), &path, who, "").await;
                    reply.assert_problem(404, "not-found", &path);
                }
            }
            let request = Request::builder().uri(format!("/v1{path}"));
            let reply = community.send(request.body(Body::empty()).unwrap()).await;
            reply.assert_problem(401, "unauthorized", &path);
        }
    }
    for (path, allowed) in [
        (ROOT.to_owned(), "POST, GET, HEAD"),
        (format!("{ROOT}/{id}"), "GET, HEAD, DELETE"),
        (format!("{ROOT}/{id}/token"), "POST, DELETE"),
    ] {
        let reply = community.deploy(Method::PUT, &path, &worker, "").await;
        reply.assert_problem(405, "about:blank", &path);
        assert_eq!(reply.header("allow"), allowed);
    }
    for path in ["/administrator", "/administrators/x/y/z"] {
        let reply = community.deploy(Method::GET, path, &worker, "").await;
        reply.assert_problem(404, "not-found", path);
    }
    // Under /v0 there is no such path.
    let reply = community.get(ROOT, &administrator).await;
    reply.assert_problem(404, "not-found", "/v0");
}
