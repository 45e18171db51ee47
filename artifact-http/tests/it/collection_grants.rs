//! Grants of collections over HTTP.

use std::sync::Arc;

use artifact_http::HttpConfig;
use artifact_store::{BuiltInRule, Database, MemoryDatabase};
use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Community, HOME, Member, Reply};

/// A deployment with the owner of a sealed collection with one file, and another worker.
struct Site {
    community: Community,
    owner: Member,
    other: Member,
    /// The path of the collection.
    path: String,
    /// The id and the URI of the file.
    artifact: String,
    uri: String,
}

impl Site {
    async fn new() -> Self {
        Self::with(HttpConfig::default()).await
    }

    async fn with(config: HttpConfig) -> Self {
        let database = Database::new(MemoryDatabase::new());
        let community = Community::with(database, config).await;
        let (owner, other) = (
            community.register(HOME).await,
            community.register(HOME).await,
        );
        let created = community.manage(Method::POST, "/collections", &owner).await;
        let created = created.json();
        let path = format!("/collections/{}", created["id"].as_str().unwrap());
        let put = format!("{path}/files/runs/a.txt");
        let file = community.manage_in(HOME, Method::PUT, &put, &owner, "some bytes");
        let file = file.await.json();
        let text = |name: &str| file[name].as_str().unwrap().to_owned();
        let seal = format!("{path}/seal");
        assert_eq!(
            community.manage(Method::POST, &seal, &owner).await.status,
            200
        );
        Self {
            artifact: text("id"),
            uri: text("artifacts_uri"),
            community,
            owner,
            other,
            path,
        }
    }

    async fn ask(&self, who: &Member, method: Method, rest: &str, body: Value) -> Reply {
        let path = format!("{}{rest}", self.path);
        let body = match body {
            Value::Null => Body::empty(),
            body => Body::from(body.to_string()),
        };
        self.community
            .manage_in(HOME, method, &path, who, body)
            .await
    }

    /// Returns the distinct statuses of all that reads the collection and its file, on a server of the deployment.
    async fn statuses(&self, server: &Community, who: &Member) -> Vec<u16> {
        let mut statuses = vec![server.fetch(who, &self.uri).await];
        let (path, artifact) = (&self.path, &self.artifact);
        for path in [
            path.clone(),
            format!("{path}/files"),
            format!("{path}/files/runs/a.txt"),
            format!("{path}/manifest"),
            format!("/artifacts/{artifact}"),
            format!("/artifacts/{artifact}/content"),
        ] {
            for method in [Method::GET, Method::HEAD] {
                let reply = server.manage(method, &path, who).await;
                statuses.push(reply.status.as_u16());
            }
        }
        statuses.dedup();
        statuses
    }
}

#[tokio::test]
async fn a_grant_counts_for_every_way_to_read_on_every_server_until_it_is_revoked() {
    let site = Site::new().await;
    let mut second = Community::on(site.community.database.clone()).await;
    second.backend = site.community.backend.clone();
    let statuses = async || site.statuses(&site.community, &site.other).await;
    let path = format!("{}/files", site.path);
    let elsewhere = async || second.manage(Method::GET, &path, &site.other).await.status;
    assert_eq!(statuses().await, [403]);
    assert_eq!(elsewhere().await, 403);
    let new = json!({ "worker": site.other.principal, "expires_in": 60 });
    let reply = site.ask(&site.owner, Method::POST, "/grants", new).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let grant = reply.json();
    let id = grant["id"].as_str().unwrap();
    assert_eq!(
        reply.header("location"),
        format!("/v1/experiments/{HOME}{}/grants/{id}", site.path)
    );
    assert!(grant["expires_at"].is_string());
    let mut expected = grant.clone();
    expected["collection"] = site.path["/collections/".len()..].into();
    expected["worker"] = site.other.principal.clone().into();
    expected["group"] = Value::Null;
    expected["created_by"] = site.owner.principal.clone().into();
    expected["experiment"] = HOME.into();
    assert_eq!(grant, expected);
    assert_eq!(grant.as_object().unwrap().len(), 8);
    assert_eq!(statuses().await, [200]);
    assert_eq!(elsewhere().await, 200);

    let listed = site.ask(&site.owner, Method::GET, "/grants", Value::Null);
    let listed = listed.await.json();
    assert_eq!(listed, json!({ "grants": [grant], "next": null }));
    let rest = format!("/grants/{id}");
    let revoked = site.ask(&site.owner, Method::DELETE, &rest, Value::Null);
    let revoked = revoked.await;
    assert_eq!((revoked.status.as_u16(), revoked.body.len()), (204, 0));
    assert_eq!(statuses().await, [403]);
    assert_eq!(elsewhere().await, 403);
    let again = site.ask(&site.owner, Method::DELETE, &rest, Value::Null);
    again
        .await
        .assert_problem(404, "not-found", "a revoked grant");
}

/// A link to a file is for its owner to make.
#[tokio::test]
async fn a_grantee_of_a_collection_makes_no_links_to_its_files() {
    let site = Site::new().await;
    let new = json!({ "worker": site.other.principal });
    let reply = site.ask(&site.owner, Method::POST, "/grants", new).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let path = format!("/artifacts/{}/links", site.artifact);
    let link = Body::from(json!({ "expires_in": 60 }).to_string());
    let made = site
        .community
        .manage_in(HOME, Method::POST, &path, &site.other, link);
    made.await.assert_problem(403, "forbidden", "a link");
    for method in [Method::GET, Method::POST] {
        let new = json!({ "worker": site.owner.principal });
        let reply = site.ask(&site.other, method, "/grants", new).await;
        reply.assert_problem(403, "forbidden", "the grants");
    }
}

/// With a read policy, which is asked about artifacts only, no grant counts by itself.
#[tokio::test]
async fn a_read_policy_decides_alone() {
    let config = HttpConfig::default().with_read_policy(Arc::new(BuiltInRule));
    let site = Site::with(config).await;
    let new = json!({ "worker": site.other.principal });
    let reply = site.ask(&site.owner, Method::POST, "/grants", new).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let statuses = site.statuses(&site.community, &site.other).await;
    assert_eq!(statuses, [403]);
}
