//! Credentials of workers, on one server and on two.

use std::sync::Arc;

use artifact_http::{AdminToken, IdentityAuthenticator};
use artifact_store::{Database, SqliteDatabase, WorkerId};
use http::Method;

use crate::support::{Community, HOME, Log, Member};

#[tokio::test]
async fn all_invalid_credentials_get_the_same_answer() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let other = community.register(HOME).await;
    let absent = WorkerId::mint();
    let mut texts = Vec::new();
    for (principal, secret) in [
        (worker.principal.as_str(), other.secret.as_str()),
        (&worker.principal, &worker.secret[1..]),
        (&worker.principal, &format!("{}x", worker.secret)),
        (&worker.principal, crate::support::ADMIN_SECRET),
        (absent.as_str(), &worker.secret),
        ("grp_00000000000000000000000000", &worker.secret),
        ("worker", &worker.secret),
        ("Admin", crate::support::ADMIN_SECRET),
        ("admin", &worker.secret),
    ] {
        for _ in 0..2 {
            let reply = community
                .get("", &Member::new(principal, secret, HOME))
                .await;
            reply.assert_problem(401, "unauthorized", principal);
            assert_eq!(reply.header("www-authenticate"), "Bearer");
            texts.push(reply.text());
        }
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert_eq!(community.get("", &worker).await.status, 200);
}

#[tokio::test]
async fn two_servers_on_one_database_accept_the_same_credentials() {
    // Each has its own connections, like two processes.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let open = async || Database::new(SqliteDatabase::open(&path).await.unwrap());
    let one = Community::on(open().await).await;
    let two = Community::on(open().await).await;
    let worker = one.register(HOME).await;
    assert_eq!(two.get("/whoami", &worker).await.status, 200);

    // Both servers remember the token; reissuing on one invalidates it on the other.
    let path = format!("/workers/{}/reissue-credential", worker.principal);
    let reply = one.admin(Method::POST, &path, "").await.json();
    let fresh = Member::new(
        &worker.principal,
        reply["registration_token"].as_str().unwrap(),
        HOME,
    );
    for server in [&two, &one] {
        let reply = server.get("/whoami", &worker).await;
        reply.assert_problem(401, "unauthorized", "the former token");
        assert_eq!(server.get("/whoami", &fresh).await.status, 200);
    }
    // The same holds for a membership.
    let admins = one.founding(HOME, "admins").await;
    let admin = Member::admin();
    let uri = one.put(&admin).await;
    assert_eq!(one.fetch(&worker, &uri).await, 401);
    assert_eq!(one.fetch(&fresh, &uri).await, 403);
    two.add(HOME, &admins, &worker.principal).await;
    assert_eq!(one.fetch(&fresh, &uri).await, 200);
}

#[tokio::test]
async fn tokens_appear_only_in_the_response_that_issues_them() {
    let log = Log::collect();
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let path = format!("/workers/{}/reissue-credential", worker.principal);
    let reply = community.admin(Method::POST, &path, "").await.json();
    let fresh = reply["registration_token"].as_str().unwrap().to_owned();
    let member = Member::new(&worker.principal, &fresh, HOME);
    let mut texts = Vec::new();
    for who in [&worker, &member] {
        for path in ["", "/workers", "/whoami", "/groups", "/nothing"] {
            let reply = community.get(path, who).await;
            texts.push(format!("{:?} {}", reply.headers, reply.text()));
        }
        let body = format!("{{\"{}\": 1}}", "x".repeat(300));
        let reply = community
            .ask_in(HOME, Method::POST, "/workers", who, body)
            .await;
        texts.push(reply.text());
    }
    let stored = community
        .database
        .identities
        .credential(worker.principal.parse().unwrap());
    let stored = stored.await.unwrap().unwrap();
    let admin = AdminToken::new(crate::support::ADMIN_SECRET).unwrap();
    let identities = Arc::clone(&community.database.identities);
    let identities = IdentityAuthenticator::new(identities, admin);
    texts.push(format!("{stored:?} {identities:?}"));
    texts.push(log.text());
    let texts = texts.concat();
    let phc = stored.hash.as_phc();
    assert!(phc.starts_with("$argon2id$v=19$"), "{phc}");
    for secret in [&worker.secret, &fresh, phc, crate::support::ADMIN_SECRET] {
        assert!(!texts.contains(secret), "{secret} is in {texts}");
        assert!(!phc.contains(&fresh));
    }
    assert!(texts.contains("a valid credential is needed"), "{texts}");
}
