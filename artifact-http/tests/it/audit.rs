//! The audit log of requests that end in an unusual way. The matrix has the others.

use std::io::Write as _;

use artifact_audit::{AuditLog, AuditOptions};
use artifact_http::{HttpAudit, HttpConfig};
use artifact_store::{Database, MemoryDatabase};
use axum::body::{Body, Bytes};
use futures_util::stream;
use http::{Method, Request};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::support::{Community, HOME, House, Member, reply};

struct Site {
    _folder: TempDir,
    log: AuditLog,
    community: Community,
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = AuditLog::open(&folder.path().join("log"), AuditOptions::default()).unwrap();
        let audit = HttpAudit::new(log.clone());
        let config = HttpConfig::default().with_audit(audit);
        let database = Database::new(MemoryDatabase::new());
        Self {
            community: Community::with(database, config).await,
            log,
            _folder: folder,
        }
    }

    /// Closes the log and returns its actions with their outcomes and problems.
    async fn actions(&self) -> Vec<(String, String, Value)> {
        self.log.close().await.unwrap();
        let lines = text(&self.log);
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let actions = lines.filter(|line| line["event"] == "action");
        let part = |line: &Value, name: &str| line[name].as_str().unwrap_or("-").to_owned();
        actions
            .map(|line| {
                let problem = line["problem"].clone();
                (part(&line, "action"), part(&line, "outcome"), problem)
            })
            .collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "a test reads its own file")]
fn text(log: &AuditLog) -> String {
    std::fs::read_to_string(log.path()).unwrap()
}

#[tokio::test]
async fn the_line_of_a_deposit_says_that_a_receipt_was_signed() {
    let site = Site::new().await;
    let admin = Member::admin();
    let path = format!("/v1/experiments/{HOME}/artifacts");
    let send = async |method: Method, path: &str, fields: &[(&str, &str)], body: &'static str| {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.header("authorization", admin.authorization());
        let reply = site.community.send(request.body(Body::from(body)).unwrap());
        let reply = reply.await;
        assert!(reply.status.is_success(), "{}", reply.text());
        reply
    };
    let wanted = ("artifact-receipt", "?1");
    send(Method::POST, &path, &[wanted], "abc").await;
    send(Method::POST, &path, &[], "abc").await;
    send(Method::POST, &path, &[("artifact-receipt", "?0")], "abc").await;
    let tus = ("tus-resumable", "1.0.0");
    let uploads = format!("/v1/experiments/{HOME}/uploads");
    let fields = [tus, wanted, ("upload-length", "3")];
    let begun = send(Method::POST, &uploads, &fields, "").await;
    let octets = ("content-type", "application/offset+octet-stream");
    let fields = [tus, octets, wanted, ("upload-offset", "0")];
    send(Method::PATCH, begun.header("location"), &fields, "abc").await;

    site.log.close().await.unwrap();
    let lines = text(&site.log);
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["event"] == "action");
    let found: Vec<_> = lines
        .map(|line| (line["action"].clone(), line.get("receipt").cloned()))
        .collect();
    let expected = [
        ("depositContent", Some(json!("signed"))),
        ("depositContent", None),
        ("depositContent", None),
        // It begins, and signs nothing.
        ("createUpload", None),
        ("appendUpload", Some(json!("signed"))),
    ];
    assert_eq!(
        found,
        expected.map(|(action, receipt)| (json!(action), receipt))
    );
    let verified = artifact_audit::verify_files(&[site.log.path()], &[]).unwrap();
    assert!(verified.is_good(), "{verified:?}");
}

fn line(action: &str, outcome: &str, problem: impl Into<Value>) -> (String, String, Value) {
    (action.to_owned(), outcome.to_owned(), problem.into())
}

#[tokio::test]
async fn a_request_whose_client_is_gone_leaves_a_line() {
    let site = Site::new().await;
    let admin = Member::admin();
    let (report, body_is_read) = tokio::sync::oneshot::channel();
    let body = stream::once(async move {
        report.send(()).unwrap();
        std::future::pending::<std::io::Result<Bytes>>().await
    });
    let request = Request::post(format!("/v1/experiments/{HOME}/artifacts"))
        .header("authorization", admin.authorization())
        .body(Body::from_stream(body))
        .unwrap();
    let mut answer = Box::pin(site.community.router.clone().oneshot(request));
    tokio::select! {
        _ = &mut answer => panic!("the body has no end"),
        read = body_is_read => read.unwrap(),
    }
    drop(answer);
    assert_eq!(
        site.actions().await,
        [line("depositContent", "unknown", Value::Null)]
    );
}

#[tokio::test]
async fn paths_without_an_endpoint_leave_a_line_below_the_base_paths_only() {
    let site = Site::new().await;
    let admin = Member::admin();
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/openapi.json", 200),
        ("/nothing", 404),
        ("/v0/nothing", 404),
    ] {
        let request = Request::get(path)
            .header("authorization", admin.authorization())
            .body(Body::empty());
        let found = site.community.send(request.unwrap()).await;
        assert_eq!(found.status, status, "{path}");
    }
    let other = site.community.manage(Method::PUT, "/usage", &admin).await;
    assert_eq!(other.status, 405);
    assert_eq!(
        site.actions().await,
        [
            line("none", "refused", "not-found"),
            line("none", "refused", Value::Null)
        ]
    );
}

#[tokio::test]
async fn requests_are_refused_while_the_log_cannot_be_written() {
    let site = Site::new().await;
    let admin = Member::admin();
    let body = json!({ "experiment_id": "made" }).to_string();
    let create = async || {
        let body = body.clone();
        site.community
            .deploy(Method::POST, "/experiments", &admin, body)
            .await
    };
    assert_eq!(create().await.status, 200);
    // A line of another program stops the log.
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(site.log.path())
        .unwrap();
    file.write_all(b"x").unwrap();
    let failed = create().await;
    failed.assert_problem(503, "about:blank", "the line of the change");
    assert!(failed.text().contains("may have been made"));
    assert_eq!(failed.header("retry-after"), "1");
    let refused = site.community.get("", &admin).await;
    refused.assert_problem(503, "about:blank", "a read");
    assert!(!refused.text().contains("may have been made"));
    // Without a credential, too: nothing else is checked before.
    let anonymous = Request::get(format!("/v0/experiments/{HOME}"));
    let anonymous = site.community.send(anonymous.body(Body::empty()).unwrap());
    assert_eq!(anonymous.await.status, 503);
    let health = Request::get("/healthz").body(Body::empty()).unwrap();
    assert_eq!(site.community.send(health).await.status, 200);
    site.log.close().await.unwrap_err();
}

#[tokio::test]
async fn a_handler_that_panics_leaves_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let log = AuditLog::open(&folder.path().join("log"), AuditOptions::default()).unwrap();
    let config = HttpConfig::default().with_audit(HttpAudit::new(log.clone()));
    let site = crate::support::Site::with(config).await;
    let request = Request::get(format!("/v0/experiments/{HOME}"))
        .header("authorization", "Bearer panic:x")
        .body(Body::empty())
        .unwrap();
    assert_eq!(reply(site.router.clone(), request).await.status, 500);
    log.close().await.unwrap();
    let text = text(&log);
    assert!(text.contains("\"action\":\"readExperiment\""), "{text}");
    assert!(
        text.contains("\"outcome\":\"failed\",\"status\":500"),
        "{text}"
    );
}

#[tokio::test]
async fn the_principals_of_another_program_and_their_addresses_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let log = AuditLog::open(&folder.path().join("log"), AuditOptions::default()).unwrap();
    let audit = HttpAudit::new(log.clone())
        .with_client_address(|extensions| extensions.get::<std::net::IpAddr>().copied());
    let config = HttpConfig::default().with_audit(audit);
    let house = std::sync::Arc::new(House::default());
    let site = crate::support::Site::with_identities_of(house, config).await;
    let mut request = House::sign(Request::get(format!("/v0/experiments/{HOME}")), "alice")
        .header("x-eden-experiment-id", HOME)
        .header("x-forwarded-for", "192.0.2.9")
        .body(Body::empty())
        .unwrap();
    let address: std::net::IpAddr = "192.0.2.1".parse().unwrap();
    request.extensions_mut().insert(address);
    assert_eq!(reply(site.router.clone(), request).await.status, 200);
    log.close().await.unwrap();
    let text = text(&log);
    assert!(text.contains("\"principal\":\"alice\""), "{text}");
    assert!(text.contains("\"client\":\"192.0.2.1\""), "{text}");
    assert!(
        !text.contains("signature") && !text.contains("192.0.2.9"),
        "{text}"
    );
}
