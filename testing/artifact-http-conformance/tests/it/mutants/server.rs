//! The router of artifact-http over memory, behind a layer that spoils one thing, on a port of its
//! own.

use std::sync::Arc;

use artifact_backend_mem::MemBackend;
use artifact_http::{AdminToken, HttpConfig, IdentityAuthenticator, router_with_identities};
use artifact_http_conformance::Subject;
use artifact_store::{
    ArtifactStore, Database, Experiment, ExperimentId, MemoryDatabase, StoreConfig, Timestamp,
};
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::Request;
use http::header::CONTENT_LENGTH;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::how::{Answer, How, Memory};

pub(crate) const TOKEN: &str = "conformance-4f1c9a73e2";
const CAP: u64 = 2 << 20;

/// A server that ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    base_url: String,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(how: How) -> Self {
        let database = Database::new(MemoryDatabase::new());
        let founded: Timestamp = "2026-01-02T03:04:05.000006Z".parse().unwrap();
        for name in ["default", "other"] {
            let id: ExperimentId = name.parse().unwrap();
            let experiment = Experiment::new(id, founded);
            database.catalog.create_experiment(&experiment).await.unwrap();
        }
        let cap = if how == How::CapOneMore { CAP + 1 } else { CAP };
        let settings = StoreConfig::default().with_max_artifact_bytes(cap);
        let backend = Arc::new(MemBackend::default());
        let store = ArtifactStore::new(backend, database.catalog, settings);
        let admin = AdminToken::new(TOKEN).unwrap();
        let identities = Arc::new(IdentityAuthenticator::new(database.identities, admin));
        let memory = Arc::new(Memory::default());
        let router = router_with_identities(store, identities, HttpConfig::default())
            .layer(from_fn_with_state((how, memory), spoil));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self { base_url, task }
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    pub(crate) fn subject(&self) -> Subject {
        Subject::new(&self.base_url, TOKEN)
            .unwrap()
            .with_second_experiment("other")
            .with_max_artifact_bytes(CAP)
            .embedded()
    }
}

async fn spoil(
    State((how, memory)): State<(How, Arc<Memory>)>,
    request: Request<Body>,
    next: Next,
) -> Response {
    if how == How::Sound || how == How::CapOneMore {
        return next.run(request).await;
    }
    let (mut asked, body) = request.into_parts();
    let (mut said, body) = if how.reads_body() {
        let said = to_bytes(body, usize::MAX)
            .await
            .unwrap_or_default()
            .to_vec();
        (said, None)
    } else {
        (Vec::new(), Some(body))
    };
    how.before(&mut asked, &mut said, &memory);
    let body = body.unwrap_or_else(|| Body::from(said.clone()));
    let request = Request::from_parts(asked.clone(), body);
    let (mut parts, body) = next.run(request).await.into_parts();
    let mut answer = Answer {
        status: parts.status,
        fields: std::mem::take(&mut parts.headers),
        body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
    };
    let length = answer.body.len();
    how.after(&asked, &said, &mut answer, &memory);
    // A HEAD keeps the length that its GET would have.
    if answer.body.len() != length || answer.fields.contains_key(CONTENT_LENGTH) && length > 0 {
        let length = answer.body.len();
        answer.fields.insert(CONTENT_LENGTH, length.into());
    }
    parts.status = answer.status;
    parts.headers = answer.fields;
    Response::from_parts(parts, Body::from(answer.body))
}
