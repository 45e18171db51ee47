//! A server for tests: the router of artifact-http in memory, behind a layer that applies a mutation.

use std::sync::Arc;

use artifact_backend_mem::MemBackend;
use artifact_http::{AdminToken, HttpConfig, IdentityAuthenticator, router_with_identities};
use artifact_http_conformance::Subject;
use artifact_store::{
    ArtifactStore, CollectionStore, Database, Experiment, ExperimentId, ManagedStore,
    MemoryDatabase, ReadinessProbe, ReceiptLog, Sharing, StoreConfig, Timestamp,
};
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use futures_util::StreamExt as _;
use http::Request;
use http::header::CONTENT_LENGTH;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::mutation::{Memory, MutableResponse, Mutation};
use super::receipts;

pub(crate) const TOKEN: &str = "conformance-4f1c9a73e2";
const CAP: u64 = 2 << 20;

/// A running server; stops on drop.
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
    pub(crate) async fn start(mutation: Mutation) -> Self {
        let database = Database::new(MemoryDatabase::new());
        let created_at: Timestamp = "2026-01-02T03:04:05.000006Z".parse().unwrap();
        for name in ["default", "other"] {
            let id: ExperimentId = name.parse().unwrap();
            let experiment = Experiment::new(id, created_at);
            database
                .catalog
                .create_experiment(&experiment)
                .await
                .unwrap();
        }
        let cap = if mutation == Mutation::CapOneMore {
            CAP + 1
        } else {
            CAP
        };
        let settings = StoreConfig::default().with_max_artifact_bytes(cap);
        let backend = Arc::new(MemBackend::default());
        let receipts = ReceiptLog::open(Arc::clone(&database.receipts), receipts::key());
        let receipts = receipts.await.unwrap();
        let catalog = Arc::clone(&database.catalog);
        let store = ArtifactStore::new(backend.clone(), catalog, settings);
        let readiness = ReadinessProbe::new(&store, &database, backend.clone());
        let managed = ManagedStore::new(store.clone(), database.inventory, backend);
        let sharing = Sharing::new(managed.clone(), database.sharing);
        let collections = CollectionStore::new(managed.clone(), database.collections);
        let config = HttpConfig::default()
            .with_management(managed)
            .with_sharing(sharing)
            .with_collections(collections)
            .with_readiness(readiness)
            .with_receipts(receipts)
            .with_page();
        let admin = AdminToken::new(TOKEN).unwrap();
        let identities = Arc::new(IdentityAuthenticator::new(database.identities, admin));
        let memory = Arc::new(Memory::default());
        let router = router_with_identities(store, identities, config)
            .layer(from_fn_with_state((mutation, memory), mutate));
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
            .with_receipt_key(receipts::key().verifier().to_string())
            .embedded()
    }
}

/// Reads a body to its end, or to where it breaks.
async fn until_it_breaks(body: Body) -> Vec<u8> {
    let mut frames = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = frames.next().await {
        bytes.extend_from_slice(&frame);
    }
    bytes
}

async fn mutate(
    State((mutation, memory)): State<(Mutation, Arc<Memory>)>,
    request: Request<Body>,
    next: Next,
) -> Response {
    if mutation == Mutation::Sound || mutation == Mutation::CapOneMore {
        return next.run(request).await;
    }
    let (mut request_parts, body) = request.into_parts();
    let (mut request_body, body) = if mutation == Mutation::CutIsEnd {
        (until_it_breaks(body).await, None)
    } else if mutation.reads_body() {
        let request_body = to_bytes(body, usize::MAX)
            .await
            .unwrap_or_default()
            .to_vec();
        (request_body, None)
    } else {
        (Vec::new(), Some(body))
    };
    mutation.mutate_request(&mut request_parts, &mut request_body, &memory);
    let body = body.unwrap_or_else(|| Body::from(request_body.clone()));
    let request = Request::from_parts(request_parts.clone(), body);
    let (mut parts, body) = next.run(request).await.into_parts();
    let mut response = MutableResponse {
        status: parts.status,
        fields: std::mem::take(&mut parts.headers),
        body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
    };
    let length = response.body.len();
    mutation.mutate_response(&request_parts, &request_body, &mut response, &memory);
    // A HEAD response keeps the length of the GET response.
    if response.body.len() != length || response.fields.contains_key(CONTENT_LENGTH) && length > 0 {
        let length = response.body.len();
        response.fields.insert(CONTENT_LENGTH, length.into());
    }
    parts.status = response.status;
    parts.headers = response.fields;
    Response::from_parts(parts, Body::from(response.body))
}
