//! Named administrators: requests and responses.

use std::time::Duration;

use artifact_client::{ErrorKind, ExposeSecret as _, NewAdministrator, Operation};

use crate::server::{Reply, Request, response, server_replying, server_with_replies};

const ID: &str = "adm_01jz0000000000000000000000";

fn administrator(more: &str) -> String {
    format!(
        r#"{{"administrator_id":"{ID}","name":"Alice","created_at":"2026-01-02T03:04:05Z","created_by":"admin",
            "token_expires_at":null,"later":[]{more}}}"#
    )
}

fn ok(json: &str) -> String {
    response("200 OK", "content-type: application/json\r\n", json)
}

fn line(request: &Request) -> &str {
    let line = request.head.lines().next().unwrap();
    line.strip_suffix(" HTTP/1.1").unwrap()
}

fn body(request: &Request) -> serde_json::Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[tokio::test]
async fn registered_administrators_hide_their_token_in_debug_output() {
    let json = administrator(r#","registration_token":"canary-token""#);
    let created = response("201 Created", "content-type: application/json\r\n", &json);
    let (client, served) = server_replying(created).await;
    let new = NewAdministrator::new("Alice").with_token_expires_in(Duration::from_mins(1));
    let registered = client.register_administrator(&new).await.unwrap();
    assert_eq!(registered.administrator.administrator_id, ID);
    assert_eq!(registered.administrator.name, "Alice");
    assert_eq!(
        registered.registration_token.expose_secret(),
        "canary-token"
    );
    assert_eq!(registered.credential().principal(), Some(ID));
    let shown = format!("{registered:?} {:?}", registered.credential());
    assert!(!shown.contains("canary"), "{shown}");
    let request = served.await.unwrap();
    assert_eq!(line(&request), "POST /v1/administrators");
    let expected = serde_json::json!({"name": "Alice", "expires_in": 60});
    assert_eq!(body(&request), expected);
}

#[tokio::test]
async fn tokens_are_issued_with_and_without_an_expiry() {
    let json = administrator(r#","registration_token":"another""#);
    for (period, expected) in [
        (None, serde_json::json!({})),
        (
            Some(Duration::from_secs(7)),
            serde_json::json!({"expires_in": 7}),
        ),
    ] {
        let (client, served) = server_replying(ok(&json)).await;
        let issued = client.issue_administrator_token(ID, period).await.unwrap();
        assert_eq!(issued.registration_token.expose_secret(), "another");
        let request = served.await.unwrap();
        let path = format!("POST /v1/administrators/{ID}/token");
        assert_eq!((line(&request), body(&request)), (&*path, expected));
    }
}

#[tokio::test]
async fn lists_are_read_page_by_page() {
    let page = |next: &str| {
        let one = administrator("");
        ok(&format!(
            r#"{{"administrators":[{one}],"unreadable":0,"next":{next}}}"#
        ))
    };
    let replies = [page("\"a_b-\""), page("null")].map(Reply::Send);
    let (client, served) = server_with_replies(replies.into()).await;
    let client = client.build().unwrap();
    let all = client.list_administrators().await.unwrap();
    assert_eq!(all.len(), 2);
    let requests = served.await.unwrap();
    let lines: Vec<_> = requests.iter().map(line).collect();
    let expected = [
        "GET /v1/administrators?limit=256",
        "GET /v1/administrators?after=a_b-&limit=256",
    ];
    assert_eq!(lines, expected);
    // A server that repeats a position would never come to an end.
    let replies = [page("\"x\""), page("\"x\"")].map(Reply::Send);
    let (client, _) = server_with_replies(replies.into()).await;
    let client = client.build().unwrap();
    let error = client.list_administrators().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn administrators_are_read_revoked_and_deleted() {
    let (client, served) = server_replying(ok(&administrator(""))).await;
    let found = client.administrator_info(ID).await.unwrap();
    assert_eq!(
        (&*found.created_by, found.token_expires_at),
        ("admin", None)
    );
    let path = format!("GET /v1/administrators/{ID}");
    assert_eq!(line(&served.await.unwrap()), path);
    let empty = || "HTTP/1.1 204 No Content\r\n\r\n".to_owned();
    let (client, served) = server_replying(empty()).await;
    client.revoke_administrator_token(ID).await.unwrap();
    let path = format!("DELETE /v1/administrators/{ID}/token");
    assert_eq!(line(&served.await.unwrap()), path);
    let (client, served) = server_replying(empty()).await;
    client.delete_administrator(ID).await.unwrap();
    let path = format!("DELETE /v1/administrators/{ID}");
    assert_eq!(line(&served.await.unwrap()), path);
    for bad in ["", "..", "a/b", "adm_ x"] {
        let error = client.administrator_info(bad).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
        assert_eq!(error.operation(), Operation::ReadAdministrator);
    }
}
