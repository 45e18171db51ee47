//! A router with an in-memory store, and helpers that send requests to it.

mod audited;
mod community;
mod gated_identities;
mod house;
mod log;
mod principals;
mod wire;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, Operation};
use artifact_backend_conformance::FaultBackend;
use artifact_backend_mem::MemBackend;
use artifact_http::{Authenticate, HttpConfig};
use artifact_store::{
    ArtifactStore, Catalog, Experiment, ExperimentId, ManagedStore, MemoryDatabase, StoreConfig,
    Timestamp,
};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures_util::TryStreamExt;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

pub(crate) use self::audited::{Audited, ExpectedLine};
pub(crate) use self::community::{ADMIN_SECRET, Community, Member, receipt_key};
pub(crate) use self::gated_identities::GatedIdentities;
pub(crate) use self::house::{Certificate, House};
pub(crate) use self::log::Log;
pub(crate) use self::principals::{Tokens, Who, bearer};
pub(crate) use self::wire::{Answer, Wire};

pub(crate) const HOME: &str = "demo";
pub(crate) const ELSEWHERE: &str = "other";
/// The size limit of every store in these tests, in bytes.
pub(crate) const CAP: u64 = 1 << 20;
/// The maximum size of a deposit that is stored in one call; larger ones are uploaded as a stream.
pub(crate) const SMALL: usize = 64 << 10;
pub(crate) const BOUNDARY: &str = "xXx-boundary-xXx";

/// A deployment with two experiments and every kind of principal.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) mem: MemBackend,
    pub(crate) backend: FaultBackend,
    pub(crate) store: ArtifactStore,
    pub(crate) rows: Arc<MemoryDatabase>,
    pub(crate) router: Router,
}

/// A response with its whole body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::with(HttpConfig::default()).await
    }

    pub(crate) async fn with(config: HttpConfig) -> Self {
        let settings = StoreConfig::default()
            .with_max_artifact_bytes(CAP)
            .with_small_deposit_bytes(SMALL);
        Self::with_store(config, settings, Arc::new(Tokens)).await
    }

    /// Makes a site with the identities of another program.
    pub(crate) async fn with_identities_of(
        authenticate: Arc<dyn Authenticate>,
        config: HttpConfig,
    ) -> Self {
        Self::with_store(config, StoreConfig::default(), authenticate).await
    }

    /// Makes a site whose store has a commit time-out.
    pub(crate) async fn with_commit_timeout(config: HttpConfig, limit: Duration) -> Self {
        let settings = StoreConfig::default().with_commit_timeout(limit);
        Self::with_store(config, settings, Arc::new(Tokens)).await
    }

    async fn with_store(
        config: HttpConfig,
        settings: StoreConfig,
        authenticate: Arc<dyn Authenticate>,
    ) -> Self {
        log::subscribe();
        let rows = Arc::new(MemoryDatabase::new());
        let founded: Timestamp = "2026-01-02T03:04:05.000006Z".parse().unwrap();
        for name in [HOME, ELSEWHERE] {
            let id: ExperimentId = name.parse().unwrap();
            rows.create_experiment(&Experiment::new(id, founded))
                .await
                .unwrap();
        }
        let mem = MemBackend::default();
        let backend = FaultBackend::new(mem.clone());
        let store = ArtifactStore::new(Arc::new(backend.clone()), rows.clone(), settings);
        let router = artifact_http::router(store.clone(), authenticate, config);
        Self {
            mem,
            backend,
            store,
            rows,
            router,
        }
    }

    /// Returns the store with its maintenance. The router of the site does not have it.
    pub(crate) fn managed(&self) -> ManagedStore {
        let backend = Arc::new(self.mem.clone());
        ManagedStore::new(self.store.clone(), self.rows.clone(), backend)
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        reply(self.router.clone(), request).await
    }

    /// Deposits as a principal, in its own experiment, and returns the URI.
    pub(crate) async fn put(&self, who: Who, bytes: &[u8]) -> String {
        self.put_part(who, "filename=\"f.bin\"", "text/plain", bytes)
            .await
    }

    pub(crate) async fn put_part(
        &self,
        who: Who,
        names: &str,
        content_type: &str,
        bytes: &[u8],
    ) -> String {
        let head = format!(
            "Content-Disposition: form-data; name=\"file\"; {names}\r\nContent-Type: {content_type}\r\n"
        );
        let body = form(&[(&head, bytes)]);
        let reply = self
            .send(deposit_as(who).body(Body::from(body)).unwrap())
            .await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text());
        reply.json()["artifacts_uri"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn get(&self, who: Who, uri: &str, fields: &[(&str, &str)]) -> Reply {
        self.ask(Method::GET, who, uri, fields).await
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        who: Who,
        uri: &str,
        fields: &[(&str, &str)],
    ) -> Reply {
        let mut request = request(method, &fetch_path(HOME, uri), who, HOME);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Returns the number of calls to the backend.
    pub(crate) fn calls(&self) -> u64 {
        [
            Operation::Store,
            Operation::Upload,
            Operation::Load,
            Operation::Download,
        ]
        .iter()
        .map(|operation| self.backend.calls(*operation))
        .sum()
    }

    /// Returns the ids of all blobs.
    pub(crate) async fn blobs(&self) -> Vec<ArtifactId> {
        let list = self.mem.list().await.unwrap();
        list.map_ok(|stat| stat.id).try_collect().await.unwrap()
    }

    /// Asserts that there is no blob and no upload in progress.
    pub(crate) async fn assert_empty(&self, why: &str) {
        assert_eq!(self.blobs().await, [], "{why}");
        assert_eq!(self.mem.used_bytes(), 0, "{why}");
    }

    /// Changes the last byte of an artifact.
    pub(crate) async fn corrupt(&self, uri: &str) {
        self.flip(uri, usize::MAX).await;
    }

    /// Changes the byte of an artifact at this position, or its last one.
    pub(crate) async fn flip(&self, uri: &str, at: usize) {
        let id: ArtifactId = uri.rsplit('/').next().unwrap().parse().unwrap();
        let mut bytes = self.mem.load(id).await.unwrap().to_vec();
        let at = at.min(bytes.len() - 1);
        bytes[at] ^= 1;
        self.mem.delete(id).await.unwrap();
        self.mem.store(id, bytes.into()).await.unwrap();
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map_or("", |value| value.to_str().unwrap());
        assert!(values.next().is_none(), "the field {name} occurs twice");
        value
    }

    /// Asserts that this is a problem (RFC 9457) with this status and type.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, kind: &str, why: &str) {
        assert_eq!(self.status, status, "{why}: {}", self.text());
        let json = "application/problem+json; charset=utf-8";
        assert_eq!(self.header("content-type"), json, "{why}");
        let problem = self.json();
        let expected = match kind {
            "about:blank" => kind.to_owned(),
            name => format!("eden://error/{name}"),
        };
        assert_eq!(problem["type"], expected.as_str(), "{why}");
        assert_eq!(problem["status"], status, "{why}");
        for member in ["title", "detail"] {
            assert_ne!(
                problem[member].as_str().unwrap_or(""),
                "",
                "{why}: {member}"
            );
        }
        let instance = problem["instance"].as_str().unwrap();
        assert!(instance.starts_with("http"), "{why}: {instance}");
        assert_eq!(problem.as_object().unwrap().len(), 5, "{why}");
    }
}

/// Sends a request to a router or another service and reads the whole response.
pub(crate) async fn reply<S>(service: S, request: Request<Body>) -> Reply
where
    S: tower::Service<Request<Body>, Response = Response, Error = Infallible>,
{
    let response = service.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Reply {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

/// Begins a request with a credential and an experiment header.
pub(crate) fn request(
    method: Method,
    path: &str,
    who: Who,
    experiment: &str,
) -> http::request::Builder {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(value) = bearer(who) {
        request = request.header("authorization", value);
    }
    request.header("x-eden-experiment-id", experiment)
}

/// Begins a deposit by a principal in its own experiment. The caller adds the body.
pub(crate) fn deposit_as(who: Who) -> http::request::Builder {
    let home = who.home();
    let path = format!("/v0/experiments/{home}/artifacts");
    request(Method::POST, &path, who, home).header(
        "content-type",
        format!("multipart/form-data; boundary={BOUNDARY}"),
    )
}

pub(crate) fn fetch_path(experiment: &str, uri: &str) -> String {
    let uri = percent_encoding::utf8_percent_encode(uri, percent_encoding::NON_ALPHANUMERIC);
    format!("/v0/experiments/{experiment}/artifacts?uri={uri}")
}

/// The header lines of a valid file part.
pub(crate) const FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"f.bin\"\r\nContent-Type: text/plain\r\n";

/// Encodes a multipart form. Each part is its header lines and its content.
pub(crate) fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (head, bytes) in parts {
        body.extend_from_slice(format!("--{BOUNDARY}\r\n{head}\r\n").as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// Returns varied bytes that contain beginnings of delimiters.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let pattern = format!("\r\n--{}\r\r\n--x\0\u{ff}", &BOUNDARY[..BOUNDARY.len() - 1]);
    let counted = (0..=length / 8).flat_map(|n| {
        let mut piece = pattern.as_bytes()[..n % pattern.len()].to_vec();
        piece.extend_from_slice(&n.to_le_bytes());
        piece
    });
    counted.take(length).collect()
}
