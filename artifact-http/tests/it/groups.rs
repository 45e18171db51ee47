//! Groups over HTTP.

use artifact_store::{GroupId, WorkerId};
use axum::body::Body;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Community, ELSEWHERE, HOME, Member};

async fn register(community: &Community, body: &Value) -> Value {
    let reply = community
        .admin(Method::POST, "/groups", body.to_string())
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn read(community: &Community, id: &str) -> Value {
    let reply = community
        .get(&format!("/groups/{id}"), &Member::admin())
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[tokio::test]
async fn registered_groups_are_returned_unchanged() {
    let community = Community::new().await;
    let (one, two) = (WorkerId::mint().to_string(), GroupId::mint().to_string());
    let plain = register(&community, &json!({})).await;
    let keys: Vec<_> = plain
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "created_at",
            "created_by",
            "experiment_id",
            "group_id",
            "members"
        ]
    );
    assert_eq!(plain["members"], json!([]));
    assert_eq!(
        (&plain["experiment_id"], &plain["created_by"]),
        (&json!(HOME), &json!("admin"))
    );
    plain["group_id"]
        .as_str()
        .unwrap()
        .parse::<GroupId>()
        .unwrap();
    let at = plain["created_at"].as_str().unwrap();
    assert!(
        at.ends_with('Z') && at.parse::<artifact_store::Timestamp>().is_ok(),
        "{at}"
    );

    let full = register(
        &community,
        &json!({ "name": "crew", "members": [two, one, two] }),
    )
    .await;
    assert_eq!(full["name"], "crew");
    assert_eq!(full["members"], json!([two, one]));
    for group in [plain, full] {
        assert_eq!(
            read(&community, group["group_id"].as_str().unwrap()).await,
            group
        );
    }
}

#[tokio::test]
async fn invalid_groups_are_refused_and_not_stored() {
    let community = Community::new().await;
    let before = community.get("/groups", &Member::admin()).await.json();
    for (body, status, kind) in [
        (r#"{"name": "admins"}"#, 409, "reserved-identifier"),
        (r#"{"name": "orchestrators"}"#, 409, "reserved-identifier"),
        (r#"{"name": "a\n"}"#, 422, "invalid-name"),
        (r#"{"name": null}"#, 400, "bad-request"),
        (r#"{"members": null}"#, 400, "bad-request"),
        (r#"{"members": ["x"]}"#, 400, "bad-request"),
        (r#"{"members": ["admin"]}"#, 400, "bad-request"),
        (r#"{"members": [null]}"#, 400, "bad-request"),
        (
            r#"{"members": "wkr_00000000000000000000000000"}"#,
            400,
            "bad-request",
        ),
        (r#"{"x": 1}"#, 400, "bad-request"),
    ] {
        let reply = community.admin(Method::POST, "/groups", body).await;
        reply.assert_problem(status, kind, body);
    }
    assert_eq!(
        community.get("/groups", &Member::admin()).await.json(),
        before
    );
    assert_eq!(before["groups"].as_array().unwrap().len(), 2);
    // Names that are reserved for workers are allowed for groups.
    register(&community, &json!({ "name": "admin" })).await;
}

#[tokio::test]
async fn groups_are_filtered_by_exact_name() {
    let community = Community::new().await;
    let crew = register(
        &community,
        &json!({ "name": "crew", "members": [WorkerId::mint().as_str()] }),
    )
    .await;
    let other = register(&community, &json!({ "name": "Crew" })).await;
    community.group(ELSEWHERE, &[]).await;
    let worker = community.register(HOME).await;
    let all = community.get("/groups", &worker).await.json();
    assert_eq!(all["groups"].as_array().unwrap().len(), 4);
    assert_eq!(
        all["groups"].as_array().unwrap()[2..],
        [crew.clone(), other]
    );
    let found = community.get("/groups?name=crew", &worker).await.json();
    assert_eq!(found, json!({ "groups": [crew] }));
    for name in ["admins", "orchestrators"] {
        let found = community
            .get(&format!("/groups?name={name}"), &worker)
            .await
            .json();
        assert_eq!(found["groups"].as_array().unwrap().len(), 1, "{name}");
        assert_eq!(found["groups"][0]["name"], name);
        assert_eq!(
            found["groups"][0]["created_at"],
            "2026-01-02T03:04:05.000006Z"
        );
    }
}

#[tokio::test]
async fn adding_and_removing_members_is_idempotent() {
    let community = Community::new().await;
    let group = community.group(HOME, &[]).await;
    let ids = [WorkerId::mint().to_string(), GroupId::mint().to_string()];
    for id in [&ids[0], &ids[1], &ids[0]] {
        community.add(HOME, &group, id).await;
    }
    let both = read(&community, &group).await;
    assert_eq!(both["members"], json!(ids));
    assert_eq!(community.add(HOME, &group, &ids[0]).await, both);
    for _ in 0..2 {
        let path = format!("/groups/{group}/members/{}", ids[0]);
        let reply = community.admin(Method::DELETE, &path, Body::empty()).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["members"]),
            (200, &json!([ids[1]]))
        );
    }
    let path = format!("/groups/{group}/members");
    for body in [
        "",
        "{}",
        "[]",
        r#"{"member_id": null}"#,
        r#"{"member_id": "x"}"#,
        r#"{"member_id": "admin"}"#,
        r#"{"member_id": "wkr_00000000000000000000000000", "x": 1}"#,
        r#"{"member": "wkr_00000000000000000000000000"}"#,
    ] {
        let reply = community.admin(Method::POST, &path, body).await;
        reply.assert_problem(400, "bad-request", body);
    }
    assert_eq!(read(&community, &group).await["members"], json!([ids[1]]));
}

#[tokio::test]
async fn cycles_are_refused_and_change_nothing() {
    let community = Community::new().await;
    let inner = community.group(HOME, &[]).await;
    let middle = community.group(HOME, &[&inner]).await;
    let outer = community.group(HOME, &[&middle]).await;
    for member in [&inner, &middle, &outer] {
        let path = format!("/groups/{inner}/members");
        let body = json!({ "member_id": member }).to_string();
        let reply = community.admin(Method::POST, &path, body).await;
        reply.assert_problem(409, "cycle-detected", member);
    }
    assert_eq!(read(&community, &inner).await["members"], json!([]));
}

#[tokio::test]
async fn concurrent_edges_cannot_form_a_cycle() {
    let community = Community::new().await;
    for _ in 0..10 {
        let groups = [
            community.group(HOME, &[]).await,
            community.group(HOME, &[]).await,
        ];
        let adding = [0, 1].map(|n| {
            let community = community.clone();
            let path = format!("/groups/{}/members", groups[n]);
            let body = json!({ "member_id": groups[1 - n] }).to_string();
            tokio::spawn(async move { community.admin(Method::POST, &path, body).await })
        });
        let replies = join_all(adding).await;
        let mut statuses: Vec<_> = replies
            .iter()
            .map(|reply| reply.as_ref().unwrap().status.as_u16())
            .collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
    }
}

#[tokio::test]
async fn groups_can_be_deleted_except_founding_groups() {
    let community = Community::new().await;
    let group = community.group(HOME, &[]).await;
    let path = format!("/groups/{group}");
    let reply = community.admin(Method::DELETE, &path, Body::empty()).await;
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (204, &b""[..]));
    let reply = community.admin(Method::DELETE, &path, Body::empty()).await;
    reply.assert_problem(404, "not-found", "deleted twice");
    let reply = community.get(&path, &Member::admin()).await;
    reply.assert_problem(404, "not-found", "read after");
    for name in ["admins", "orchestrators"] {
        let path = format!("/groups/{}", community.founding(HOME, name).await);
        let reply = community.admin(Method::DELETE, &path, Body::empty()).await;
        reply.assert_problem(409, "reserved-identifier", name);
    }
}

#[tokio::test]
async fn membership_takes_effect_with_the_next_request() {
    let community = Community::new().await;
    let admins = community.founding(HOME, "admins").await;
    let worker = community.register(HOME).await;
    let uri = community.put(&Member::admin()).await;
    assert_eq!(community.fetch(&worker, &uri).await, 403);
    let inner = community.group(HOME, &[&worker.principal]).await;
    let outer = community.group(HOME, &[&inner]).await;
    for _ in 0..2 {
        community.add(HOME, &admins, &outer).await;
        assert_eq!(community.fetch(&worker, &uri).await, 200);
        let path = format!("/groups/{admins}/members/{outer}");
        community.admin(Method::DELETE, &path, Body::empty()).await;
        assert_eq!(community.fetch(&worker, &uri).await, 403);
    }
    community.add(HOME, &admins, &outer).await;
    assert_eq!(community.fetch(&worker, &uri).await, 200);
    // A member may read every artifact, but must not use admin endpoints.
    let reply = community
        .ask_in(HOME, Method::POST, "/workers", &worker, "{}")
        .await;
    reply.assert_problem(403, "forbidden", "a member of admins");
    community
        .admin(Method::DELETE, &format!("/groups/{inner}"), Body::empty())
        .await;
    assert_eq!(community.fetch(&worker, &uri).await, 403);
}
