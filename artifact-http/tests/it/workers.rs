//! Workers over HTTP.

use artifact_store::{PrincipalId, WorkerId};
use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Community, ELSEWHERE, HOME, Member};

async fn register(community: &Community, body: Value) -> Value {
    let reply = community
        .admin(Method::POST, "/workers", body.to_string())
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        reply.header("content-type"),
        "application/json; charset=utf-8"
    );
    assert_eq!(reply.header("cache-control"), "no-store");
    reply.json()
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// Removes the token from a registered worker.
fn public(mut registered: Value) -> Value {
    registered
        .as_object_mut()
        .unwrap()
        .remove("registration_token")
        .unwrap();
    registered
}

#[tokio::test]
async fn tokens_are_returned_only_at_registration() {
    let community = Community::new().await;
    let plain = register(&community, json!({})).await;
    let expected = [
        "experiment_id",
        "registered_at",
        "registered_by",
        "registration_token",
        "worker_id",
    ];
    assert_eq!(keys(&plain), expected);
    assert_eq!(plain["experiment_id"], HOME);
    assert_eq!(plain["registered_by"], PrincipalId::ADMIN);
    plain["worker_id"]
        .as_str()
        .unwrap()
        .parse::<WorkerId>()
        .unwrap();
    let at = plain["registered_at"].as_str().unwrap();
    assert!(
        at.ends_with('Z') && at.parse::<artifact_store::Timestamp>().is_ok(),
        "{at}"
    );
    let token = plain["registration_token"].as_str().unwrap();
    // 43 digits of 6 bits: 256 random bits.
    assert_eq!(token.len(), 43, "{token}");
    let url_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    assert!(token.bytes().all(url_safe), "{token}");

    let given = json!({ "name": "Köln 7", "labels": { "k": "v", "": "\u{0}\"" } });
    let full = register(&community, given.clone()).await;
    assert_eq!(
        (&full["name"], &full["labels"]),
        (&given["name"], &given["labels"])
    );
    assert_ne!(full["registration_token"], plain["registration_token"]);
    let empty = register(&community, json!({ "labels": {} })).await;
    assert_eq!(empty["labels"], json!({}));

    for registered in [plain, full, empty] {
        let worker = public(registered);
        let path = format!("/workers/{}", worker["worker_id"].as_str().unwrap());
        let reply = community.get(&path, &Member::admin()).await;
        assert_eq!((reply.status.as_u16(), reply.json()), (200, worker));
    }
}

#[tokio::test]
async fn empty_bodies_count_as_empty_objects() {
    let community = Community::new().await;
    let reply = community
        .admin(Method::POST, "/workers", Body::empty())
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let reply = community
        .admin(Method::POST, "/groups", Body::empty())
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn equal_names_register_different_workers() {
    let community = Community::new().await;
    let one = register(&community, json!({ "name": "same" })).await;
    let two = register(&community, json!({ "name": "same" })).await;
    assert_ne!(one["worker_id"], two["worker_id"]);
    assert_ne!(one["registration_token"], two["registration_token"]);
}

#[tokio::test]
async fn invalid_workers_are_refused_and_not_stored() {
    let community = Community::new().await;
    let names = [
        (json!("admin"), 409, "reserved-identifier"),
        (json!("system"), 409, "reserved-identifier"),
        (json!("internal"), 409, "reserved-identifier"),
        (json!(""), 422, "invalid-name"),
        (json!(" a"), 422, "invalid-name"),
        (json!("a\u{0}"), 422, "invalid-name"),
        (json!("e\u{301}"), 422, "invalid-name"),
        (json!("\u{e000}"), 422, "invalid-name"),
        (json!("x".repeat(129)), 422, "invalid-name"),
        (json!(null), 400, "bad-request"),
        (json!(7), 400, "bad-request"),
        (json!(["a"]), 400, "bad-request"),
    ];
    for (name, status, kind) in names {
        let body = json!({ "name": name }).to_string();
        let reply = community
            .admin(Method::POST, "/workers", body.clone())
            .await;
        reply.assert_problem(status, kind, &body);
    }
    let reply = community
        .admin(Method::POST, "/workers", r#"{"name": "\ud800"}"#)
        .await;
    reply.assert_problem(422, "invalid-name", "a lone surrogate");
    for body in [
        r#"{"nme": "a"}"#,
        r#"{"name": "a", "name": "a"}"#,
        r#"{"labels": {"a": 1}}"#,
        r#"{"labels": {"a": "1", "a": "2"}}"#,
        r#"{"labels": null}"#,
        r#"["a"]"#,
        "null",
        "{} {}",
        "{",
        "x",
    ] {
        let reply = community.admin(Method::POST, "/workers", body).await;
        reply.assert_problem(400, "bad-request", body);
    }
    let long = format!("{{\"labels\": {{\"a\": \"{}\"}}}}", "x".repeat(1 << 20));
    let reply = community.admin(Method::POST, "/workers", long).await;
    reply.assert_problem(413, "payload-too-large", "a long body");
    let reply = community.get("/workers", &Member::admin()).await;
    assert_eq!(reply.json(), json!({ "workers": [] }));
}

#[tokio::test]
async fn lists_contain_no_secrets_and_are_filtered_by_exact_name() {
    let community = Community::new().await;
    let mut workers = Vec::new();
    for name in ["a b", "A b", "a+b", "ä", "a b"] {
        workers.push(public(register(&community, json!({ "name": name })).await));
    }
    let worker = community.register(HOME).await;
    community.register(ELSEWHERE).await;
    let reply = community.get("/workers", &worker).await;
    let listed = reply.json()["workers"].as_array().unwrap().clone();
    assert_eq!(listed[..5], workers);
    assert_eq!(listed.len(), 6);
    let text = reply.text();
    for secret in [
        "token",
        "argon2",
        "credential",
        "hash",
        worker.secret.as_str(),
    ] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }

    let both = vec![workers[0].clone(), workers[4].clone()];
    for (query, expected) in [
        ("?name=a%20b", both.clone()),
        ("?name=a+b", both.clone()),
        ("?x=1&name=a%20b&y", both),
        ("?name=A%20b", vec![workers[1].clone()]),
        ("?name=a%2Bb", vec![workers[2].clone()]),
        ("?name=%C3%A4", vec![workers[3].clone()]),
        ("?name=a", vec![]),
        ("?name=", vec![]),
        ("?name=%00", vec![]),
    ] {
        let reply = community.get(&format!("/workers{query}"), &worker).await;
        assert_eq!(reply.json(), json!({ "workers": expected }), "{query}");
    }
    for query in ["?name=a&name=b", "?name=%FF"] {
        let reply = community.get(&format!("/workers{query}"), &worker).await;
        reply.assert_problem(400, "bad-request", query);
    }
}

#[tokio::test]
async fn whoami_is_only_for_workers() {
    let community = Community::new().await;
    let nameless = community.register(HOME).await;
    let reply = community.get("/whoami", &nameless).await;
    assert_eq!(reply.json(), json!({ "worker_id": nameless.principal }));
    let named = register(&community, json!({ "name": "N", "labels": { "a": "b" } })).await;
    let id = named["worker_id"].as_str().unwrap();
    let member = Member::new(id, named["registration_token"].as_str().unwrap(), HOME);
    let reply = community.get("/whoami", &member).await;
    assert_eq!(reply.json(), json!({ "worker_id": id, "name": "N" }));
    let reply = community.get("/whoami", &Member::admin()).await;
    reply.assert_problem(403, "forbidden", "the administrator");
}

#[tokio::test]
async fn reissuing_replaces_only_the_token() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let other = community.register(HOME).await;
    let uri = community.put(&worker).await;
    let path = format!("/workers/{}", worker.principal);
    let before = community.get(&path, &worker).await.json();

    // The endpoint ignores content.
    let reissue = format!("{path}/reissue-credential");
    let mut former = worker.clone();
    for body in ["", "{}", "not JSON"] {
        let reply = community.admin(Method::POST, &reissue, body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let answer = reply.json();
        let token = answer["registration_token"].as_str().unwrap();
        let fresh = Member::new(&worker.principal, token, HOME);
        assert_ne!(fresh.secret, former.secret);
        assert_eq!(public(answer), before);
        let reply = community.get("/whoami", &former).await;
        reply.assert_problem(401, "unauthorized", "the former token");
        assert_eq!(community.get("/whoami", &fresh).await.status, 200);
        assert_eq!(community.fetch(&fresh, &uri).await, 200);
        former = fresh;
    }
    assert_eq!(community.get("/whoami", &other).await.status, 200);
}

#[tokio::test]
async fn requests_with_a_content_type_but_no_body_are_accepted() {
    let community = Community::new().await;
    // Every request of `Community` has the type `application/json`.
    let group = community.group(HOME, &[]).await;
    let path = format!("/groups/{group}");
    assert_eq!(community.get(&path, &Member::admin()).await.status, 200);
    let reply = community.admin(Method::DELETE, &path, Body::empty()).await;
    assert_eq!(reply.status, 204);
    let path = format!("/groups/{}", community.group(HOME, &[]).await);
    let reply = community.admin(Method::DELETE, &path, "{}").await;
    assert_eq!(reply.status, 204);
}
