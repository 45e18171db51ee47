//! A deployment with real workers and groups, registered over HTTP.

use std::sync::Arc;

use artifact_backend::{Clock, SystemClock};
use artifact_backend_mem::MemBackend;
use artifact_http::{
    AdminToken, Authenticate, HttpConfig, IdentityAuthenticator, router_with_identities,
};
use artifact_store::artifact_receipt::SigningKey;
use artifact_store::{
    ArtifactStore, CollectionStore, Database, Experiment, ManagedStore, MemoryDatabase,
    ReadinessProbe, ReceiptLog, Sharing, StoreConfig, Timestamp, UploadOptions,
};
use axum::Router;
use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use super::{BOUNDARY, ELSEWHERE, FILE, HOME, Reply, fetch_path, form, log, reply};

pub(crate) const ADMIN_SECRET: &str = "canary-0b7d-admin-51ce";

/// The key that signs the receipts.
pub(crate) fn receipt_key() -> SigningKey {
    SigningKey::from_seed("example.com/http".parse().unwrap(), &[4; 32])
}

/// A principal that sends requests, and its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) principal: String,
    pub(crate) secret: String,
    pub(crate) home: &'static str,
}

impl Member {
    pub(crate) fn admin() -> Self {
        Self::new("admin", ADMIN_SECRET, HOME)
    }

    pub(crate) fn new(principal: &str, secret: &str, home: &'static str) -> Self {
        Self {
            principal: principal.to_owned(),
            secret: secret.to_owned(),
            home,
        }
    }

    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}:{}", self.principal, self.secret)
    }
}

/// A deployment with two experiments and the workers that a test registers.
#[derive(Debug, Clone)]
pub(crate) struct Community {
    pub(crate) database: Database,
    pub(crate) backend: Arc<MemBackend>,
    pub(crate) router: Router,
}

impl Community {
    pub(crate) async fn new() -> Self {
        Self::on(Database::new(MemoryDatabase::new())).await
    }

    /// Creates a server that lets each principal have any number of open uploads.
    pub(crate) async fn with_many_uploads(config: HttpConfig) -> Self {
        let uploads = UploadOptions::default().with_max_open(u32::MAX);
        let config = config.with_uploads(uploads);
        Self::on_with(Database::new(MemoryDatabase::new()), config).await
    }

    /// Creates a server on an existing database, as another process would.
    pub(crate) async fn on(database: Database) -> Self {
        Self::on_with(database, HttpConfig::default()).await
    }

    async fn on_with(database: Database, config: HttpConfig) -> Self {
        // The endpoints are the same beside the page.
        #[cfg(feature = "page")]
        let config = config.with_page();
        Self::with(database, config).await
    }

    pub(crate) async fn with(database: Database, config: HttpConfig) -> Self {
        Self::build(database, config, None, Arc::new(SystemClock)).await
    }

    /// Creates a server with this clock.
    pub(crate) async fn at(clock: Arc<dyn Clock>) -> Self {
        let database = Database::new(MemoryDatabase::new());
        Self::build(database, HttpConfig::default(), None, clock).await
    }

    /// Creates a server whose endpoints the users of another program share.
    pub(crate) async fn with_others(others: Arc<dyn Authenticate>) -> Self {
        let database = Database::new(MemoryDatabase::new());
        let config = HttpConfig::default();
        Self::build(database, config, Some(others), Arc::new(SystemClock)).await
    }

    async fn build(
        database: Database,
        config: HttpConfig,
        others: Option<Arc<dyn Authenticate>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        log::subscribe();
        let founded: Timestamp = "2026-01-02T03:04:05.000006Z".parse().unwrap();
        for name in [HOME, ELSEWHERE] {
            let experiment = Experiment::new(name.parse().unwrap(), founded);
            database
                .catalog
                .create_experiment(&experiment)
                .await
                .unwrap();
        }
        let admin = AdminToken::new(ADMIN_SECRET).unwrap();
        let mut identities = IdentityAuthenticator::new(Arc::clone(&database.identities), admin)
            .with_clock(Arc::clone(&clock));
        if let Some(others) = others {
            identities = identities.with_others(others);
        }
        let backend = Arc::new(MemBackend::default());
        let store = ArtifactStore::new(
            backend.clone(),
            Arc::clone(&database.catalog),
            StoreConfig::default().with_clock(clock),
        );
        let inventory = Arc::clone(&database.inventory);
        let managed = ManagedStore::new(store.clone(), inventory, backend.clone());
        let sharing = Sharing::new(managed.clone(), Arc::clone(&database.sharing));
        let catalog = Arc::clone(&database.collections);
        let collections = CollectionStore::new(managed.clone(), catalog);
        let readiness = ReadinessProbe::new(&store, &database, backend.clone());
        let receipts = ReceiptLog::open(Arc::clone(&database.receipts), receipt_key());
        let config = config
            .with_receipts(receipts.await.unwrap())
            .with_management(managed)
            .with_sharing(sharing)
            .with_collections(collections)
            .with_readiness(readiness);
        let router = router_with_identities(store, Arc::new(identities), config);
        Self {
            database,
            backend,
            router,
        }
    }

    /// Begins an upload of five bytes, and returns its id.
    pub(crate) async fn begin_upload(&self, member: &Member) -> String {
        let request = Request::post(format!("/v1/experiments/{}/uploads", member.home))
            .header("authorization", member.authorization())
            .header("tus-resumable", "1.0.0")
            .header("upload-length", 5)
            .body(Body::empty())
            .unwrap();
        let reply = self.send(request).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        let location = reply.header("location");
        location.rsplit('/').next().unwrap().to_owned()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        reply(self.router.clone(), request).await
    }

    /// Sends a request. `path` is relative to the experiment's URL.
    pub(crate) async fn ask_in(
        &self,
        experiment: &str,
        method: Method,
        path: &str,
        who: &Member,
        body: impl Into<Body>,
    ) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(format!("/v0/experiments/{experiment}{path}"))
            .header("authorization", who.authorization())
            .header("x-eden-experiment-id", experiment)
            .header("content-type", "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Sends a request to an endpoint of management, without an experiment header. `path` is relative to the
    /// experiment's URL.
    pub(crate) async fn manage_in(
        &self,
        experiment: &str,
        method: Method,
        path: &str,
        who: &Member,
        body: impl Into<Body>,
    ) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(format!("/v1/experiments/{experiment}{path}"))
            .header("authorization", who.authorization())
            .header("content-type", "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Sends a request to an endpoint of management in the sender's experiment.
    pub(crate) async fn manage(&self, method: Method, path: &str, who: &Member) -> Reply {
        self.manage_in(who.home, method, path, who, Body::empty())
            .await
    }

    /// Sends a request as the administrator, in the first experiment.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: impl Into<Body>) -> Reply {
        self.ask_in(HOME, method, path, &Member::admin(), body)
            .await
    }

    pub(crate) async fn get(&self, path: &str, who: &Member) -> Reply {
        self.ask_in(who.home, Method::GET, path, who, Body::empty())
            .await
    }

    /// Registers a worker.
    pub(crate) async fn register(&self, home: &'static str) -> Member {
        let admin = Member::admin();
        let reply = self
            .ask_in(home, Method::POST, "/workers", &admin, "{}")
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let worker = reply.json();
        let text = |key: &str| worker[key].as_str().unwrap().to_owned();
        Member::new(&text("worker_id"), &text("registration_token"), home)
    }

    /// Sends a request to an endpoint under `/v1` that names no experiment.
    pub(crate) async fn deploy(
        &self,
        method: Method,
        path: &str,
        who: &Member,
        body: impl Into<Body>,
    ) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(format!("/v1{path}"))
            .header("authorization", who.authorization())
            .header("content-type", "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Registers a named administrator.
    pub(crate) async fn administrator(&self, name: &str) -> Member {
        let (admin, body) = (Member::admin(), json!({ "name": name }).to_string());
        let reply = self
            .deploy(Method::POST, "/administrators", &admin, body)
            .await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        let new = reply.json();
        let text = |key: &str| new[key].as_str().unwrap().to_owned();
        Member::new(&text("administrator_id"), &text("registration_token"), HOME)
    }

    /// Registers a group and returns its id.
    pub(crate) async fn group(&self, home: &str, members: &[&str]) -> String {
        let body = json!({ "members": members }).to_string();
        let admin = Member::admin();
        let reply = self
            .ask_in(home, Method::POST, "/groups", &admin, body)
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["group_id"].as_str().unwrap().to_owned()
    }

    /// Returns the id of the group `admins` or `orchestrators`.
    pub(crate) async fn founding(&self, home: &str, name: &str) -> String {
        let path = format!("/groups?name={name}");
        let admin = Member::admin();
        let reply = self
            .ask_in(home, Method::GET, &path, &admin, Body::empty())
            .await;
        let groups = reply.json()["groups"].as_array().unwrap().clone();
        assert_eq!(groups.len(), 1, "{groups:?}");
        groups[0]["group_id"].as_str().unwrap().to_owned()
    }

    /// Adds a member as the administrator and returns the group.
    pub(crate) async fn add(&self, home: &str, group: &str, member: &str) -> Value {
        let path = format!("/groups/{group}/members");
        let body = json!({ "member_id": member }).to_string();
        let admin = Member::admin();
        let reply = self.ask_in(home, Method::POST, &path, &admin, body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    /// Deposits one byte and returns the URI.
    pub(crate) async fn put(&self, who: &Member) -> String {
        self.put_file(who, FILE, b"x", &[]).await
    }

    /// Deposits a file with these header lines, and returns the URI.
    pub(crate) async fn put_file(
        &self,
        who: &Member,
        head: &str,
        bytes: &[u8],
        fields: &[(&str, &str)],
    ) -> String {
        let reply = self.deposit(who, head, bytes, fields).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()["artifacts_uri"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn deposit(
        &self,
        who: &Member,
        head: &str,
        bytes: &[u8],
        fields: &[(&str, &str)],
    ) -> Reply {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("/v0/experiments/{}/artifacts", who.home))
            .header("authorization", who.authorization())
            .header("x-eden-experiment-id", who.home)
            .header(
                "content-type",
                format!("multipart/form-data; boundary={BOUNDARY}"),
            );
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let body = Body::from(form(&[(head, bytes)]));
        self.send(request.body(body).unwrap()).await
    }

    /// Fetches an artifact from the sender's experiment and returns the status.
    pub(crate) async fn fetch(&self, who: &Member, uri: &str) -> u16 {
        let request = Request::builder()
            .uri(fetch_path(who.home, uri))
            .header("authorization", who.authorization())
            .header("x-eden-experiment-id", who.home);
        let reply = self.send(request.body(Body::empty()).unwrap()).await;
        reply.status.as_u16()
    }
}
