//! Deletions, their dry runs, and holds.

use artifact_backend::{ArtifactBackend, ArtifactId};
use artifact_store::Timestamp;
use http::Method;
use serde_json::Value;

use super::{id_of, list, path_of, uris};
use crate::support::{Community, ELSEWHERE, HOME, Member};

#[tokio::test]
async fn a_deleted_artifact_is_gone_for_every_operation() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let uri = community.put(&worker).await;
    // It is in the caches of rows and of header fields.
    assert_eq!(community.fetch(&worker, &uri).await, 200);
    let reply = community
        .manage(Method::DELETE, &path_of(&uri), &worker)
        .await;
    assert_eq!((reply.status.as_u16(), reply.body.len()), (204, 0));
    assert_eq!(community.fetch(&worker, &uri).await, 404);
    for method in [Method::GET, Method::HEAD, Method::DELETE] {
        let reply = community.manage(method, &path_of(&uri), &worker).await;
        assert_eq!(reply.status, 404);
    }
    let hold = format!("{}/hold", path_of(&uri));
    for method in [Method::PUT, Method::DELETE] {
        let reply = community.manage(method, &hold, &Member::admin()).await;
        reply.assert_problem(404, "not-found", &hold);
    }
    assert_eq!(uris(&list(&community, "", &worker).await), [""; 0]);
    let id: ArtifactId = id_of(&uri).parse().unwrap();
    let error = community.backend.load(id).await.unwrap_err();
    assert_eq!(error.kind(), artifact_backend::ErrorKind::NotFound);
}

#[tokio::test]
async fn a_dry_run_has_the_outcome_of_the_deletion_and_deletes_nothing() {
    let community = Community::new().await;
    let (worker, stranger) = (
        community.register(HOME).await,
        community.register(HOME).await,
    );
    let foreigner = community.register(ELSEWHERE).await;
    let admins = community.founding(HOME, "admins").await;
    let member = community.register(HOME).await;
    community.add(HOME, &admins, &member.principal).await;
    let admin = Member::admin();
    let path = path_of(&community.put(&worker).await);
    let (dry, hold) = (format!("{path}?dry_run=true"), format!("{path}/hold"));
    let delete = async |path: &str, who: &Member| community.manage(Method::DELETE, path, who).await;
    let described = community.manage(Method::GET, &path, &worker).await.json();
    for who in [&worker, &admin] {
        let reply = delete(&dry, who).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let mut found = reply.json();
        found["hold"] = Value::Null;
        assert_eq!(found, described);
    }
    for who in [&stranger, &member] {
        let (dry, wet) = (delete(&dry, who).await, delete(&path, who).await);
        dry.assert_problem(403, "forbidden", "another worker");
        assert_eq!(dry.json()["detail"], wet.json()["detail"]);
    }
    delete(&dry, &foreigner)
        .await
        .assert_problem(404, "not-found", "another experiment");
    community.manage(Method::PUT, &hold, &admin).await;
    for who in [&worker, &admin] {
        let (dry, wet) = (delete(&dry, who).await, delete(&path, who).await);
        dry.assert_problem(409, "held", "a hold is there");
        assert_eq!(dry.json()["detail"], wet.json()["detail"]);
    }
    delete(&hold, &admin).await;
    for query in [
        "dry_run",
        "dry_run=",
        "dry_run=1",
        "dry_run=True",
        "dryrun=true",
    ] {
        let reply = delete(&format!("{path}?{query}"), &worker).await;
        reply.assert_problem(400, "bad-request", query);
    }
    let reply = delete(&format!("{path}?dry_run=true&dry_run=false"), &worker).await;
    reply.assert_problem(400, "bad-request", "twice");
    assert_eq!(
        community.manage(Method::GET, &path, &worker).await.status,
        200
    );
    let reply = delete(&format!("{path}?dry_run=false"), &worker).await;
    assert_eq!(reply.status, 204);
    delete(&dry, &worker)
        .await
        .assert_problem(404, "not-found", "deleted");
}

#[tokio::test]
async fn a_held_artifact_is_not_deleted() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let admin = Member::admin();
    let path = path_of(&community.put(&worker).await);
    let hold = format!("{path}/hold");
    for _ in 0..2 {
        let reply = community.manage(Method::PUT, &hold, &admin).await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (204, 0));
    }
    let info = community.manage(Method::GET, &path, &worker).await.json();
    assert_eq!(info["hold"]["placed_by"], "admin");
    let placed = info["hold"]["placed_at"].as_str().unwrap().to_owned();
    placed.parse::<Timestamp>().unwrap();
    for who in [&worker, &admin] {
        let reply = community.manage(Method::DELETE, &path, who).await;
        reply.assert_problem(409, "held", "a hold is there");
    }
    community.manage(Method::PUT, &hold, &admin).await;
    let info = community.manage(Method::GET, &path, &worker).await.json();
    assert_eq!(info["hold"]["placed_at"], placed.as_str());
    for _ in 0..2 {
        assert_eq!(
            community.manage(Method::DELETE, &hold, &admin).await.status,
            204
        );
    }
    let info = community.manage(Method::GET, &path, &worker).await.json();
    assert_eq!(info["hold"], Value::Null);
    assert_eq!(
        community
            .manage(Method::DELETE, &path, &worker)
            .await
            .status,
        204
    );
}
