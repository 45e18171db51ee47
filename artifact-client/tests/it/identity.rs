//! Workers, groups and the experiment: requests and responses.

use artifact_client::{Client, ErrorKind, ExposeSecret as _, NewGroup, NewWorker, Operation};

use crate::server::{Reply, Request, listen, response, server_replying, server_with_replies};

const WORKER: &str = "wkr_01jz0000000000000000000000";
const GROUP: &str = "grp_01jz0000000000000000000000";

fn worker(more: &str) -> String {
    format!(
        r#"{{"worker_id":"{WORKER}","name":"w","experiment_id":"exp-1","registered_at":"2026-01-02T03:04:05Z",
            "registered_by":"admin","labels":{{"os":"linux"}},"later":[]{more}}}"#
    )
}

fn group(members: &str) -> String {
    format!(
        r#"{{"group_id":"{GROUP}","experiment_id":"exp-1","members":[{members}],
            "created_at":"2026-01-02T03:04:05Z","created_by":"admin"}}"#
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
    assert_eq!(request.header("content-type"), Some("application/json"));
    serde_json::from_slice(&request.body).unwrap()
}

#[tokio::test]
async fn registered_workers_hide_their_token_in_debug_output() {
    let json = worker(r#","registration_token":"canary-token""#);
    let (client, served) = server_replying(ok(&json)).await;
    let new = NewWorker::default()
        .with_name("w")
        .with_label("os", "linux");
    let registered = client.register_worker(&new).await.unwrap();
    assert_eq!(registered.worker.worker_id, WORKER);
    assert_eq!(registered.worker.name.as_deref(), Some("w"));
    assert_eq!(registered.worker.labels["os"], "linux");
    assert_eq!(
        registered.registration_token.expose_secret(),
        "canary-token"
    );
    assert_eq!(registered.credential().principal(), Some(WORKER));
    let shown = format!("{registered:?} {:?}", registered.credential());
    assert!(!shown.contains("canary"), "{shown}");
    let request = served.await.unwrap();
    assert_eq!(line(&request), "POST /v0/experiments/exp-1/workers");
    assert_eq!(
        body(&request),
        serde_json::json!({"name": "w", "labels": {"os": "linux"}})
    );
    // Unset fields are not sent.
    let (client, served) = server_replying(ok(&json)).await;
    client.register_worker(&NewWorker::default()).await.unwrap();
    assert_eq!(body(&served.await.unwrap()), serde_json::json!({}));
}

#[tokio::test]
async fn reissue_sends_an_empty_body() {
    let json = worker(r#","registration_token":"another""#);
    let (client, served) = server_replying(ok(&json)).await;
    let registered = client.reissue_credential(WORKER).await.unwrap();
    assert_eq!(registered.registration_token.expose_secret(), "another");
    let request = served.await.unwrap();
    let path = format!("POST /v0/experiments/exp-1/workers/{WORKER}/reissue-credential");
    assert_eq!(line(&request), path);
    assert!(request.body.is_empty());
}

#[tokio::test]
async fn workers_can_be_listed_by_name_and_read() {
    let list = format!(r#"{{"workers":[{}]}}"#, worker(""));
    for (name, query) in [(None, ""), (Some("a b&c=é"), "?name=a%20b%26c%3D%C3%A9")] {
        let (client, served) = server_replying(ok(&list)).await;
        let workers = client.list_workers(name).await.unwrap();
        assert_eq!(workers[0].registered_by, "admin");
        let path = format!("GET /v0/experiments/exp-1/workers{query}");
        assert_eq!(line(&served.await.unwrap()), path);
    }
    let (client, served) = server_replying(ok(&worker(""))).await;
    let found = client.read_worker(WORKER).await.unwrap();
    assert_eq!(found.registered_at, "2026-01-02T03:04:05Z");
    let path = format!("GET /v0/experiments/exp-1/workers/{WORKER}");
    assert_eq!(line(&served.await.unwrap()), path);
}

#[tokio::test]
async fn groups_can_be_registered_listed_read_changed_and_deleted() {
    let member = format!("\"{WORKER}\"");
    let (client, served) = server_replying(ok(&group(&member))).await;
    let new = NewGroup::default().with_name("g").with_member(WORKER);
    let registered = client.register_group(&new).await.unwrap();
    assert_eq!(
        (registered.group_id.as_str(), registered.name),
        (GROUP, None)
    );
    assert_eq!(registered.members, [WORKER]);
    let request = served.await.unwrap();
    assert_eq!(line(&request), "POST /v0/experiments/exp-1/groups");
    assert_eq!(
        body(&request),
        serde_json::json!({"name": "g", "members": [WORKER]})
    );

    let list = format!(r#"{{"groups":[{}]}}"#, group(""));
    let (client, served) = server_replying(ok(&list)).await;
    let groups = client.list_groups(Some("admins")).await.unwrap();
    assert_eq!(groups.len(), 1);
    let path = "GET /v0/experiments/exp-1/groups?name=admins";
    assert_eq!(line(&served.await.unwrap()), path);

    let (client, served) = server_replying(ok(&group(""))).await;
    assert_eq!(client.read_group(GROUP).await.unwrap().members, [""; 0]);
    let path = format!("GET /v0/experiments/exp-1/groups/{GROUP}");
    assert_eq!(line(&served.await.unwrap()), path);

    let (client, served) = server_replying(ok(&group(&member))).await;
    client.add_member(GROUP, WORKER).await.unwrap();
    let request = served.await.unwrap();
    assert_eq!(
        line(&request),
        format!("POST /v0/experiments/exp-1/groups/{GROUP}/members")
    );
    assert_eq!(body(&request), serde_json::json!({"member_id": WORKER}));

    let (client, served) = server_replying(ok(&group(""))).await;
    client.remove_member(GROUP, WORKER).await.unwrap();
    let path = format!("DELETE /v0/experiments/exp-1/groups/{GROUP}/members/{WORKER}");
    assert_eq!(line(&served.await.unwrap()), path);

    let (client, served) = server_replying("HTTP/1.1 204 No Content\r\n\r\n").await;
    client.delete_group(GROUP).await.unwrap();
    let path = format!("DELETE /v0/experiments/exp-1/groups/{GROUP}");
    assert_eq!(line(&served.await.unwrap()), path);
}

#[tokio::test]
async fn read_experiment_and_whoami_parse_the_response() {
    let json = r#"{"experiment_id":"exp-1","state":"running","created_at":"2026-01-02T03:04:05Z","imported_from":null}"#;
    let (client, served) = server_replying(ok(json)).await;
    let experiment = client.read_experiment().await.unwrap();
    assert_eq!(experiment.state, "running");
    assert_eq!(experiment.imported_from, None);
    assert_eq!(line(&served.await.unwrap()), "GET /v0/experiments/exp-1");

    let (client, served) = server_replying(ok(&format!(r#"{{"worker_id":"{WORKER}"}}"#))).await;
    let whoami = client.whoami().await.unwrap();
    assert_eq!((whoami.worker_id.as_str(), whoami.name), (WORKER, None));
    let path = "GET /v0/experiments/exp-1/whoami";
    assert_eq!(line(&served.await.unwrap()), path);
}

async fn client_of_server_rejecting(status: &str, name: &str) -> Client {
    let json = format!(
        r#"{{"type":"eden://error/{name}","title":"T","status":1,"detail":"d","instance":"x"}}"#
    );
    let (client, _served) = server_replying(response(status, "", &json)).await;
    client
}

#[tokio::test]
async fn each_problem_type_maps_to_its_error_kind() {
    for (status, name, kind) in [
        (
            "409 Conflict",
            "reserved-identifier",
            ErrorKind::ReservedName,
        ),
        ("409 Conflict", "cycle-detected", ErrorKind::Cycle),
        ("409 Conflict", "already-exists", ErrorKind::AlreadyExists),
        ("409 Conflict", "unknown-name", ErrorKind::BadRequest),
        ("422 Unprocessable", "invalid-name", ErrorKind::InvalidName),
        (
            "400 Bad Request",
            "experiment-id-mismatch",
            ErrorKind::WrongExperiment,
        ),
        (
            "403 Forbidden",
            "worker-not-registered",
            ErrorKind::Forbidden,
        ),
        // A type with another status than its own has no effect.
        ("500 Fault", "cycle-detected", ErrorKind::ServerFault),
    ] {
        let client = client_of_server_rejecting(status, name).await;
        let error = client
            .register_group(&NewGroup::default())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {name}");
        assert_eq!(error.operation(), Operation::RegisterGroup);
        assert_eq!(error.problem().unwrap().detail, "d");
    }
    let client = client_of_server_rejecting("404 Not Found", "not-found").await;
    let error = client.read_group(GROUP).await.unwrap_err();
    let message = "read group: there is no such group (status 404): d";
    assert_eq!(error.to_string(), message);
}

#[tokio::test]
async fn ids_that_would_change_the_path_are_rejected_before_sending() {
    let (builder, listener) = listen().await;
    let client = builder.build().unwrap();
    for id in [
        "",
        "..",
        ".",
        "a/b",
        "a?b",
        "a#b",
        "%2e",
        "a b",
        "wkr_\u{e9}",
        "a\r\nb",
    ] {
        let errors = [
            client.read_worker(id).await.unwrap_err(),
            client.reissue_credential(id).await.unwrap_err(),
            client.read_group(id).await.unwrap_err(),
            client.delete_group(id).await.unwrap_err(),
            client.add_member(id, WORKER).await.unwrap_err(),
            client.remove_member(id, WORKER).await.unwrap_err(),
            client.remove_member(GROUP, id).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{id:?}");
        }
    }
    let listener = listener.into_std().unwrap();
    assert_eq!(
        listener.accept().unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
}

#[tokio::test]
async fn malformed_responses_are_protocol_errors_and_never_repeat_a_token() {
    let other_id = worker(r#","registration_token":"canary""#).replace(WORKER, r"w\u001b[2J");
    for json in [
        "",
        "[]",
        r#"{"registration_token":"canary"}"#,
        r#"{"registration_token":["canary"]}"#,
        &worker(r#","registration_token":"can ary""#),
        &other_id,
    ] {
        let (client, _served) = server_replying(ok(json)).await;
        let error = client.register_worker(&NewWorker::default()).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{json}");
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains("canary") && !shown.contains("can ary"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn reads_are_retried_but_changes_only_if_not_processed() {
    let close = |text: String| text.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    let short = || close(ok(&worker(""))).replace("\"later\":[]}", "");
    for failure in [
        String::new(),
        close(response("503 Busy", "retry-after: 0\r\n", "")),
        short(),
    ] {
        let replies = vec![
            Reply::Send(failure.clone()),
            Reply::Send(close(ok(&worker("")))),
        ];
        let (builder, served) = server_with_replies(replies).await;
        builder.build().unwrap().read_worker(WORKER).await.unwrap();
        assert_eq!(served.await.unwrap().len(), 2);

        let replies = vec![Reply::Send(failure), Reply::Send(close(ok(&worker(""))))];
        let (builder, served) = server_with_replies(replies).await;
        let client = builder.build().unwrap();
        let error = client.add_member(GROUP, WORKER).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert!(!served.is_finished());
        served.abort();
    }
    let replies = vec![
        Reply::Send(close(response("429 Too Many", "retry-after: 0\r\n", ""))),
        Reply::Send(close(ok(&group("")))),
    ];
    let (builder, served) = server_with_replies(replies).await;
    builder
        .build()
        .unwrap()
        .add_member(GROUP, WORKER)
        .await
        .unwrap();
    assert_eq!(served.await.unwrap().len(), 2);
}
