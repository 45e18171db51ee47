//! Limits, policies and faults: what a handler must not forget.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use artifact_backend::Operation;
use artifact_backend_conformance::Point;
use artifact_http::{HttpConfig, router};
use artifact_store::{
    ArtifactId, Catalog as _, Database, ManagedStore, MemoryDatabase, Principal, ReadPolicy,
    Result, Row,
};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::{Method, Request};
use serde_json::Value;
use tower::ServiceExt as _;

use super::{detail, file, id_of, list, uris};
use crate::support::{Community, HOME, Member, Site, Tokens, Who, reply, request};

async fn of_admin(community: &Community, path: &str) -> u16 {
    let request = Request::builder()
        .uri(path)
        .header("authorization", Member::admin().authorization());
    let reply = community.send(request.body(Body::empty()).unwrap()).await;
    reply.status.as_u16()
}

#[tokio::test]
async fn lists_usage_and_experiments_need_a_permit() {
    let config = HttpConfig::default().with_max_lists(1);
    let community = Community::with(Database::new(MemoryDatabase::new()), config).await;
    let worker = community.register(HOME).await;
    for _ in 0..200 {
        community.put(&worker).await;
    }
    // The permit is kept until the client has taken the list.
    let paths = [
        format!("/v1/experiments/{HOME}/artifacts?limit=200"),
        format!("/v1/experiments/{HOME}/usage"),
        "/v1/experiments".to_owned(),
    ];
    let whole = Request::builder()
        .uri(&paths[0])
        .header("authorization", worker.authorization());
    let whole = whole.body(Body::empty()).unwrap();
    let response = community.router.clone().oneshot(whole).await.unwrap();
    for path in &paths {
        assert_eq!(of_admin(&community, path).await, 503, "{path}");
    }
    drop(response);
    for path in &paths {
        assert_eq!(of_admin(&community, path).await, 200, "{path}");
    }
}

/// Creates a router with management on the store of a site.
fn managing(site: &Site, config: HttpConfig) -> Router {
    let backend = Arc::new(site.backend.clone());
    let managed = ManagedStore::new(site.store.clone(), site.rows.clone(), backend);
    let config = config.with_management(managed);
    router(site.store.clone(), Arc::new(Tokens), config)
}

fn managed_path(id: ArtifactId) -> String {
    format!("/v1/experiments/{HOME}/artifacts/{id}")
}

#[tokio::test]
async fn a_deletion_is_finished_after_its_client_is_gone() {
    let site = Site::new().await;
    let router = managing(&site, HttpConfig::default());
    let uri = site.put(Who::Worker, b"bytes").await;
    let id: ArtifactId = id_of(&uri).parse().unwrap();
    let hold = site.backend.hold(Operation::Delete, Point::Before);
    let asked = request(Method::DELETE, &managed_path(id), Who::Worker, HOME);
    let mut served = Box::pin(router.oneshot(asked.body(Body::empty()).unwrap()));
    while site.rows.get(id).await.unwrap().is_some() {
        let poll = poll_fn(|context| Poll::Ready(served.as_mut().poll(context))).await;
        assert!(poll.is_pending());
        tokio::task::yield_now().await;
    }
    drop(served);
    hold.release();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    site.assert_empty("the bytes are deleted too").await;
}

/// Denies every read.
#[derive(Debug)]
struct Deny;

#[async_trait]
impl ReadPolicy for Deny {
    async fn may_read(&self, _: &Principal, _: &Row) -> Result<bool> {
        Ok(false)
    }
}

#[tokio::test]
async fn the_policy_of_a_program_decides_who_sees_what_is_recorded() {
    let site = Site::new().await;
    let uri = site.put(Who::Worker, b"bytes").await;
    let path = managed_path(id_of(&uri).parse().unwrap());
    let ask = async |router: &Router, path: &str| {
        let asked = request(Method::GET, path, Who::Worker, HOME);
        reply(router.clone(), asked.body(Body::empty()).unwrap()).await
    };
    let open = managing(&site, HttpConfig::default());
    assert_eq!(ask(&open, &path).await.status, 200);
    let closed = managing(
        &site,
        HttpConfig::default().with_read_policy(Arc::new(Deny)),
    );
    for path in [path.clone(), format!("{path}/content")] {
        let reply = ask(&closed, &path).await;
        reply.assert_problem(403, "forbidden", &path);
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let database = Database::from_url(path.to_str().unwrap()).await.unwrap();
    let community = Community::on(database).await;
    let worker = community.register(HOME).await;
    let good = community.put(&worker).await;
    community
        .put_file(&worker, &file("bad", "text/plain"), b"12345", &[])
        .await;
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch(
            "DROP TRIGGER artifact_rows_never_change; \
             UPDATE artifact_rows SET content_type = 'a' || char(10) WHERE size = 5",
        )
        .unwrap();
    let page = list(&community, "", &worker).await;
    assert_eq!((uris(&page), &page["unreadable"]), (vec![good], &1.into()));
    assert_eq!(page["next"], Value::Null);
}

#[tokio::test]
async fn operations_without_parameters_refuse_them() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let uri = community.put(&worker).await;
    let content = format!(
        "/v1/experiments/{HOME}/artifacts/{}/content?force=1",
        id_of(&uri)
    );
    let artifacts = format!("/v1/experiments/{HOME}/artifacts?force=1");
    let new = r#"{"experiment_id":"new"}"#;
    for (method, path, body) in [
        (Method::GET, &*content, ""),
        (Method::POST, &*artifacts, "bytes"),
        (Method::GET, "/v1/experiments?force=1", ""),
        (Method::POST, "/v1/experiments?force=1", new),
    ] {
        let request = Request::builder()
            .method(&method)
            .uri(path)
            .header("authorization", Member::admin().authorization())
            .header("content-type", "application/json");
        let reply = community
            .send(request.body(Body::from(body)).unwrap())
            .await;
        reply.assert_problem(400, "bad-request", path);
        assert!(detail(&reply).contains("`force`"), "{}", reply.text());
    }
    let all = list(&community, "", &Member::admin()).await;
    assert_eq!(uris(&all), [uri]);
    let found = community.database.catalog.experiments().await.unwrap();
    assert_eq!(found.len(), 2);
}

#[tokio::test]
async fn texts_of_filters_have_up_to_255_bytes() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let name = format!("{}.bin", "n".repeat(251));
    let uri = community
        .put_file(&worker, &file(&name, "text/plain"), b"x", &[])
        .await;
    let found = list(&community, &format!("?name={name}"), &worker).await;
    assert_eq!(uris(&found), [uri]);
    for (parameter, longest, status) in [
        ("name", "n".repeat(256), 400),
        ("content_type", format!("a/{}", "b".repeat(253)), 200),
        ("content_type", format!("a/{}", "b".repeat(254)), 400),
    ] {
        let path = format!("/artifacts?{parameter}={longest}");
        let reply = community.manage(Method::GET, &path, &worker).await;
        assert_eq!(reply.status, status, "{parameter}: {}", longest.len());
    }
}
