//! `/readyz`: 200 or 503 with the parts that are not ready, and nothing else.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use artifact_audit::{AuditLog, AuditOptions};
use artifact_backend::{ArtifactInventory as _, ErrorKind, Operation};
use artifact_backend_conformance::Fault;
use artifact_http::{HttpAudit, HttpConfig, router};
use artifact_store::{Database, MemoryDatabase, ReadinessProbe, StoreId};
use axum::Router;
use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::{Reply, Site, Tokens, reply};

const ID: StoreId = StoreId::from_bytes([7; 16]);

fn asked(method: Method, path: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    request.body(Body::empty()).unwrap()
}

struct Probed {
    site: Site,
    probe: ReadinessProbe,
    router: Router,
}

impl Probed {
    async fn new(config: HttpConfig) -> Self {
        let site = Site::new().await;
        let database = Database::new(MemoryDatabase::new());
        database.store_id.confirm_store_id(ID).await.unwrap();
        site.backend.create_store_id(ID).await.unwrap();
        let backend = Arc::new(site.backend.clone());
        let probe =
            ReadinessProbe::new(&site.store, &database, backend).with_cache_period(Duration::ZERO);
        let config = config.with_readiness(probe.clone());
        let router = router(site.store.clone(), Arc::new(Tokens), config);
        Self {
            site,
            probe,
            router,
        }
    }

    async fn ask(&self, method: Method) -> Reply {
        reply(self.router.clone(), asked(method, "/readyz")).await
    }
}

fn assert_reply(reply: &Reply, status: u16, body: &Value) {
    assert_eq!(reply.status, status);
    assert_eq!(
        reply.header("content-type"),
        "application/json; charset=utf-8"
    );
    assert_eq!(reply.header("cache-control"), "no-store");
    let retry = reply.headers.get("retry-after");
    let retry = retry.map(|value| value.to_str().unwrap());
    assert_eq!(retry, (status == 503).then_some("5"));
    let found: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(found, *body);
}

#[tokio::test]
async fn readiness_needs_no_credential_and_names_the_parts() {
    let probed = Probed::new(HttpConfig::default()).await;
    let ready = json!({ "ready": true, "reasons": [] });
    assert_reply(&probed.ask(Method::GET).await, 200, &ready);
    for (operation, kind, reason) in [
        (
            Operation::ReadStoreId,
            ErrorKind::Unavailable,
            "cannot be read",
        ),
        (
            Operation::CreateStoreId,
            ErrorKind::Unexpected,
            "refuses writes",
        ),
    ] {
        probed.site.backend.inject(Fault::before(operation, kind));
        let unready = json!({
            "ready": false,
            "reasons": [{ "part": "backend", "reason": reason }],
        });
        assert_reply(&probed.ask(Method::GET).await, 503, &unready);
        assert_reply(&probed.ask(Method::GET).await, 200, &ready);
    }
    probed.probe.shut_down();
    let unready = json!({
        "ready": false,
        "reasons": [{ "part": "server", "reason": "is shutting down" }],
    });
    assert_reply(&probed.ask(Method::GET).await, 503, &unready);
    let head = probed.ask(Method::HEAD).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (503, 0));
    let post = probed.ask(Method::POST).await;
    post.assert_problem(405, "about:blank", "POST");
    assert_eq!(post.header("allow"), "GET, HEAD");
    // The health check is about the process alone.
    let health = asked(Method::GET, "/healthz");
    assert_eq!(reply(probed.router.clone(), health).await.status, 200);
}

#[tokio::test]
async fn an_audit_log_that_cannot_be_written_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let log = AuditLog::open(&path, AuditOptions::default()).unwrap();
    let config = HttpConfig::default().with_audit(HttpAudit::new(log.clone()));
    let probed = Probed::new(config).await;
    let ready = json!({ "ready": true, "reasons": [] });
    assert_reply(&probed.ask(Method::GET).await, 200, &ready);
    // A line of another program stops the log.
    let mut file = std::fs::OpenOptions::new();
    let mut file = file.append(true).open(&path).unwrap();
    file.write_all(b"x").unwrap();
    let request = asked(Method::GET, "/v0/experiments/demo");
    reply(probed.router.clone(), request).await;
    log.flush().await.unwrap_err();
    let unready = json!({
        "ready": false,
        "reasons": [{ "part": "audit-log", "reason": "cannot be written" }],
    });
    assert_reply(&probed.ask(Method::GET).await, 503, &unready);
    log.close().await.unwrap_err();
}

#[tokio::test]
async fn without_a_probe_there_is_no_such_path() {
    let site = Site::new().await;
    let reply = site.send(asked(Method::GET, "/readyz")).await;
    reply.assert_problem(404, "not-found", "/readyz");
}
