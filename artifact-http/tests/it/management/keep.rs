//! Retention and the expiry of one artifact.

use artifact_store::Timestamp;
use http::Method;
use serde_json::{Value, json};

use super::{detail, list, path_of, uris};
use crate::support::{Community, ELSEWHERE, FILE, HOME, Member};

#[tokio::test]
async fn retention_is_set_and_read() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let admin = Member::admin();
    let read = async || {
        community
            .manage(Method::GET, "/retention", &worker)
            .await
            .json()
    };
    let set = async |body: &str| {
        let body = body.to_owned();
        community
            .manage_in(HOME, Method::PUT, "/retention", &admin, body)
            .await
    };
    assert_eq!(read().await, json!({ "keep_seconds": null }));
    for keep in ["1", "2592000", "3153600000", "null"] {
        let reply = set(&format!("{{\"keep_seconds\":{keep}}}")).await;
        assert_eq!(reply.status, 204, "{keep}: {}", reply.text());
        let expected: Value = serde_json::from_str(keep).unwrap();
        assert_eq!(read().await, json!({ "keep_seconds": expected }));
    }
    set("{\"keep_seconds\":60}").await;
    for body in [
        "",
        "{}",
        "null",
        "{\"keep_seconds\":0}",
        "{\"keep_seconds\":-1}",
        "{\"keep_seconds\":1.5}",
        "{\"keep_seconds\":3153600001}",
        "{\"keep_seconds\":\"60\"}",
        "{\"keep_seconds\":60,\"keep_seconds\":60}",
        "{\"keep_seconds\":60,\"more\":1}",
        "60",
    ] {
        set(body).await.assert_problem(400, "bad-request", body);
    }
    assert_eq!(read().await, json!({ "keep_seconds": 60 }));
    let elsewhere = community
        .manage_in(ELSEWHERE, Method::GET, "/retention", &admin, "")
        .await;
    assert_eq!(elsewhere.json(), json!({ "keep_seconds": null }));
}

#[tokio::test]
async fn a_deposit_can_say_how_long_it_is_kept() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    for seconds in [1, 604_800, 3_153_600_000_i64] {
        let text = seconds.to_string();
        let field = [("artifact-expires-in", &*text)];
        let uri = community.put_file(&worker, FILE, b"x", &field).await;
        let info = community
            .manage(Method::GET, &path_of(&uri), &worker)
            .await
            .json();
        let time = |member: &str| -> Timestamp { info[member].as_str().unwrap().parse().unwrap() };
        let kept = time("expires_at").as_microsecond() - time("created_at").as_microsecond();
        assert_eq!(kept, seconds * 1_000_000);
    }
    let before = uris(&list(&community, "", &worker).await);
    for value in [
        "",
        "0",
        "-1",
        "+1",
        "1.5",
        "7d",
        " ",
        "3153600001",
        "99999999999999999999",
    ] {
        let field = [("artifact-expires-in", value)];
        let reply = community.deposit(&worker, FILE, b"x", &field).await;
        reply.assert_problem(400, "bad-request", value);
        assert!(
            detail(&reply).contains("Artifact-Expires-In"),
            "{}",
            reply.text()
        );
    }
    let twice = [("artifact-expires-in", "1"), ("artifact-expires-in", "1")];
    let reply = community.deposit(&worker, FILE, b"x", &twice).await;
    reply.assert_problem(400, "bad-request", "two fields");
    assert_eq!(uris(&list(&community, "", &worker).await), before);
}
