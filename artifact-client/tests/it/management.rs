//! Management: requests and responses.

use std::time::Duration;

use artifact_client::{Client, ErrorKind, ListFilter, Operation};

use crate::server::{
    Reply, Request, immediate_retries, listen, response, server_replying, server_with_replies,
};

const ID: &str = "4f2a9c0de1b83756a0c4d2f19e7b6385";
const URI: &str = "eden://artifacts/4f2a9c0de1b83756a0c4d2f19e7b6385";
const EMPTY: &str = "HTTP/1.1 204 No Content\r\n\r\n";

fn artifact(more: &str) -> String {
    format!(
        r#"{{"artifacts_uri":"{URI}","id":"{ID}","experiment":"exp-1","size_bytes":5,"content_type":"text/plain",
            "file_name":null,"sha256":"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            "created_by":"admin","created_at":"2026-01-02T03:04:05.000006Z","expires_at":null,"later":[]{more}}}"#
    )
}

fn ok(json: &str) -> String {
    response("200 OK", "content-type: application/json\r\n", json)
}

fn problem(status: &str, name: &str) -> String {
    let number = &status[..3];
    let body = format!(
        r#"{{"type":"eden://error/{name}","title":"t","status":{number},"detail":"the detail","instance":"/"}}"#
    );
    response(status, "content-type: application/problem+json\r\n", &body)
}

fn line(request: &Request) -> &str {
    let line = request.head.lines().next().unwrap();
    line.strip_suffix(" HTTP/1.1").unwrap()
}

#[tokio::test]
async fn a_page_is_listed_with_its_filter() {
    let json = format!(
        r#"{{"artifacts":[{0},{0}],"unreadable":3,"next":"17"}}"#,
        artifact("")
    );
    let (client, served) = server_replying(ok(&json)).await;
    let filter = ListFilter::default()
        .with_created_by("admin")
        .with_created_from("2026-01-02T03:04:05Z")
        .with_created_before("2026-02-02T03:04:05Z")
        .with_min_size(1)
        .with_min_size(2)
        .with_max_size(3)
        .with_content_type("image/*")
        .with_name("a b&c")
        .with_limit(7);
    let page = client.list(&filter, Some("16")).await.unwrap();
    assert_eq!((page.artifacts.len(), page.unreadable), (2, 3));
    assert_eq!(page.next.as_deref(), Some("17"));
    let found = &page.artifacts[0];
    assert_eq!((&*found.uri, &*found.id, found.size_bytes), (URI, ID, 5));
    assert_eq!((&found.file_name, &found.expires_at), (&None, &None));
    let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(found.sha256.to_string(), sha256);
    let request = served.await.unwrap();
    let expected = "GET /v1/experiments/exp-1/artifacts?created_by=admin&created_from=2026-01-02T03%3A04%3A05Z\
                    &created_before=2026-02-02T03%3A04%3A05Z&min_size=2&max_size=3&content_type=image%2F%2A\
                    &name=a%20b%26c&limit=7&after=16";
    assert_eq!(line(&request), expected);
    // The JSON that a program writes is that of the server.
    let written: serde_json::Value = serde_json::to_value(&page).unwrap();
    assert_eq!(written["artifacts"][1]["sha256"], sha256);
    assert_eq!(
        written["artifacts"][1]["file_name"],
        serde_json::Value::Null
    );
}

#[tokio::test]
async fn the_last_page_has_no_next() {
    let (client, served) =
        server_replying(ok(r#"{"artifacts":[],"unreadable":0,"next":null}"#)).await;
    let page = client.list(&ListFilter::default(), None).await.unwrap();
    assert_eq!((page.artifacts.len(), page.next), (0, None));
    let request = served.await.unwrap();
    assert_eq!(line(&request), "GET /v1/experiments/exp-1/artifacts");
}

#[tokio::test]
async fn info_has_the_hold() {
    let held = r#","hold":{"placed_by":"admin","placed_at":"2026-01-03T00:00:00Z"}"#;
    for (more, holder) in [(held, Some("admin")), (r#","hold":null"#, None)] {
        let (client, served) = server_replying(ok(&artifact(more))).await;
        let info = client.info(URI).await.unwrap();
        assert_eq!(info.artifact.uri, URI);
        assert_eq!(info.hold.as_ref().map(|hold| &*hold.placed_by), holder);
        let path = format!("GET /v1/experiments/exp-1/artifacts/{ID}");
        assert_eq!(line(&served.await.unwrap()), path);
    }
}

#[tokio::test]
async fn changes_are_answered_without_content() {
    async fn sent(call: impl AsyncFnOnce(&Client) -> artifact_client::Result<()>) -> Request {
        let (client, served) = server_replying(EMPTY).await;
        call(&client).await.unwrap();
        served.await.unwrap()
    }
    let request = sent(async |client| client.remove(URI).await).await;
    let path = format!("/v1/experiments/exp-1/artifacts/{ID}");
    assert_eq!(line(&request), format!("DELETE {path}"));
    let request = sent(async |client| client.place_hold(URI).await).await;
    assert_eq!(line(&request), format!("PUT {path}/hold"));
    let request = sent(async |client| client.release_hold(URI).await).await;
    assert_eq!(line(&request), format!("DELETE {path}/hold"));
    for (keep, body) in [
        (Some(Duration::from_mins(1)), r#"{"keep_seconds":60}"#),
        (None, r#"{"keep_seconds":null}"#),
    ] {
        let request = sent(async |client| client.set_retention(keep).await).await;
        assert_eq!(line(&request), "PUT /v1/experiments/exp-1/retention");
        assert_eq!(String::from_utf8(request.body).unwrap(), body);
    }
}

#[tokio::test]
async fn a_removal_is_checked_without_removing() {
    let cut_off = || Reply::Send("HTTP/1.1 ".to_owned());
    let good = Reply::Send(ok(&artifact("")));
    let (client, served) = with_replies(vec![cut_off(), good]).await;
    let artifact = client.check_removal(URI).await.unwrap();
    assert_eq!((&*artifact.uri, &*artifact.id), (URI, ID));
    let path = format!("DELETE /v1/experiments/exp-1/artifacts/{ID}?dry_run=true");
    let requests = served.await.unwrap();
    assert_eq!(requests.iter().map(line).collect::<Vec<_>>(), [&*path; 2]);
    // Unlike after a removal, an artifact that is not there is not the success of an earlier attempt.
    let gone = Reply::Send(problem("404 Not Found", "not-found"));
    let (client, _served) = with_replies(vec![cut_off(), gone]).await;
    let error = client.check_removal(URI).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let (client, _served) = server_replying(problem("409 Conflict", "held")).await;
    let error = client.check_removal(URI).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Held, "{error}");
}

#[tokio::test]
async fn usage_and_retention_are_read() {
    let json = r#"{"artifacts":2,"bytes":7,"principals":[{"created_by":"admin","artifacts":2,"bytes":7}]}"#;
    let (client, served) = server_replying(ok(json)).await;
    let usage = client.usage().await.unwrap();
    assert_eq!((usage.artifacts, usage.bytes), (2, 7));
    assert_eq!(usage.principals[0].created_by, "admin");
    assert_eq!(
        line(&served.await.unwrap()),
        "GET /v1/experiments/exp-1/usage"
    );
    for (json, keep) in [
        (r#"{"keep_seconds":60}"#, Some(Duration::from_mins(1))),
        (r#"{"keep_seconds":null}"#, None),
    ] {
        let (client, _) = server_replying(ok(json)).await;
        assert_eq!(client.retention().await.unwrap(), keep);
    }
}

#[tokio::test]
async fn other_texts_than_uris_are_refused_before_a_request() {
    let (builder, _listener) = listen().await;
    let client = builder.build().unwrap();
    for uri in [
        "",
        ID,
        &URI[..URI.len() - 1],
        &URI.to_uppercase(),
        &format!("{URI}0"),
        &format!("{URI}/hold"),
        "other://artifacts/4f2a9c0de1b83756a0c4d2f19e7b6385",
        "eden://artifacts/../usage",
    ] {
        for error in [
            client.info(uri).await.unwrap_err(),
            client.remove(uri).await.unwrap_err(),
            client.check_removal(uri).await.unwrap_err(),
            client.place_hold(uri).await.unwrap_err(),
            client.release_hold(uri).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{uri}");
            assert!(error.detail().contains("eden://artifacts/"), "{error}");
        }
    }
}

#[tokio::test]
async fn the_names_of_another_server_are_used() {
    let (builder, listener) = listen().await;
    let client = builder
        .with_management_path("/admin/api")
        .with_uri_prefix("blob://x/")
        .build()
        .unwrap();
    let sent = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        crate::server::read_request(&mut stream).await.unwrap()
    });
    // There is no response.
    client.remove(&format!("blob://x/{ID}")).await.unwrap_err();
    let path = format!("DELETE /admin/api/experiments/exp-1/artifacts/{ID}");
    assert_eq!(line(&sent.await.unwrap()), path);
}

#[tokio::test]
async fn problems_become_kinds() {
    for (reply, kind, text) in [
        (
            problem("409 Conflict", "held"),
            ErrorKind::Held,
            "a hold is on the artifact (status 409)",
        ),
        (
            problem("404 Not Found", "not-found"),
            ErrorKind::NotFound,
            "there is no such artifact (status 404)",
        ),
        (
            problem("403 Forbidden", "forbidden"),
            ErrorKind::Forbidden,
            "(status 403)",
        ),
    ] {
        let (client, _served) = server_replying(reply).await;
        let error = client.remove(URI).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (kind, Operation::RemoveArtifact)
        );
        let shown = error.to_string();
        assert!(
            shown.starts_with("delete artifact: ") && shown.contains(text),
            "{shown}"
        );
        assert!(shown.ends_with(": the detail"), "{shown}");
    }
}

#[tokio::test]
async fn responses_with_unusable_names_are_not_passed_on() {
    let good = artifact(r#","hold":null"#);
    for bad in [
        good.replace(URI, "eden://artifacts/\u{202e}"),
        good.replace(URI, "has space"),
        good.replace(&format!("\"id\":\"{ID}\""), "\"id\":\"../x\""),
        good.replace("2cf24d", "2cf24"),
    ] {
        let (client, _served) = server_replying(ok(&bad)).await;
        let error = client.info(URI).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{bad}");
    }
}

/// Returns a client whose requests get these replies, and the requests.
async fn with_replies(replies: Vec<Reply>) -> (Client, tokio::task::JoinHandle<Vec<Request>>) {
    let (builder, served) = server_with_replies(replies).await;
    let retries = immediate_retries(3);
    (builder.with_retry_policy(retries).build().unwrap(), served)
}

#[tokio::test]
async fn requests_are_repeated_after_a_lost_response() {
    let lost = || {
        vec![
            Reply::Send("HTTP/1.1 ".to_owned()),
            Reply::Send(EMPTY.to_owned()),
        ]
    };
    let (client, served) = with_replies(lost()).await;
    client.place_hold(URI).await.unwrap();
    assert_eq!(served.await.unwrap().len(), 2);
    let (client, served) = with_replies(lost()).await;
    client.remove(URI).await.unwrap();
    assert_eq!(served.await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_artifact_that_is_gone_after_a_lost_response_was_removed() {
    let gone = || Reply::Send(problem("404 Not Found", "not-found"));
    let unavailable = Reply::Send(problem("503 Service Unavailable", "unavailable"));
    for first in [Reply::Send("HTTP/1.1 ".to_owned()), unavailable] {
        let (client, served) = with_replies(vec![first, gone()]).await;
        client.remove(URI).await.unwrap();
        assert_eq!(served.await.unwrap().len(), 2);
    }
    // The server has not processed this one.
    let busy = Reply::Send(problem("429 Too Many Requests", "too-many-requests"));
    let (client, _served) = with_replies(vec![busy, gone()]).await;
    let error = client.remove(URI).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    // Another answer after a lost response is the answer.
    let held = Reply::Send(problem("409 Conflict", "held"));
    let (client, _served) = with_replies(vec![Reply::Send("HTTP/1.1 ".to_owned()), held]).await;
    let error = client.remove(URI).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Held, "{error}");
}

#[tokio::test]
async fn a_deposit_can_expire() {
    use artifact_client::DepositOptions;

    let json = format!(r#"{{"artifacts_uri":"{URI}","size_bytes":5,"content_type":"text/plain"}}"#);
    let reply = response("201 Created", "content-type: application/json\r\n", &json);
    let (client, served) = server_replying(reply.clone()).await;
    let options = DepositOptions::default().with_expires_in(Duration::from_mins(2));
    client.deposit("hello", options).await.unwrap();
    let request = served.await.unwrap();
    assert_eq!(request.header("artifact-expires-in"), Some("120"));
    let (client, served) = server_replying(reply).await;
    client
        .deposit("hello", DepositOptions::default())
        .await
        .unwrap();
    assert_eq!(served.await.unwrap().header("artifact-expires-in"), None);

    let (builder, _listener) = listen().await;
    let client = builder.build().unwrap();
    for period in [
        Duration::ZERO,
        Duration::from_millis(999),
        Duration::from_secs(3_153_600_001),
    ] {
        let options = DepositOptions::default().with_expires_in(period);
        let error = client.deposit("hello", options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{period:?}");
    }
}
