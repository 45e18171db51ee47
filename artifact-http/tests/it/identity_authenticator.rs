//! Credentials of workers, on one server and on two.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use artifact_backend::{Clock, ManualClock};
use artifact_http::{AdminToken, IdentityAuthenticator};
use artifact_store::{Database, SqliteDatabase, WorkerId};
use http::Method;

use crate::support::{Community, HOME, Log, Member};

const HOUR: Duration = Duration::from_hours(1);

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

/// Registers a worker whose token is valid for this number of seconds.
async fn expiring(community: &Community, seconds: u64) -> Member {
    let body = format!("{{\"expires_in\": {seconds}}}");
    let admin = Member::admin();
    let reply = community
        .manage_in(HOME, Method::POST, "/workers", &admin, body)
        .await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let worker = reply.json();
    let text = |key: &str| worker[key].as_str().unwrap().to_owned();
    Member::new(&text("worker_id"), &text("registration_token"), HOME)
}

#[tokio::test]
async fn tokens_are_valid_until_they_expire_and_not_longer() {
    let clock = Arc::new(ManualClock::new(SystemTime::UNIX_EPOCH + HOUR));
    let community = Community::at(Arc::clone(&clock) as Arc<dyn Clock>).await;
    let expiring = expiring(&community, 60).await;
    let lasting = community.register(HOME).await;
    let status = async |who: &Member| community.get("/whoami", who).await.status.as_u16();
    assert_eq!(
        (status(&expiring).await, status(&lasting).await),
        (200, 200)
    );
    clock.advance(Duration::from_secs(59));
    assert_eq!(status(&expiring).await, 200);
    clock.advance(Duration::from_secs(1));
    // The answer is that to a wrong token, also if the token was never used before.
    for _ in 0..2 {
        let reply = community.get("/whoami", &expiring).await;
        reply.assert_problem(401, "unauthorized", "an expired token");
        let wrong = Member::new(&expiring.principal, "wrong", HOME);
        let wrong = community.get("/whoami", &wrong).await;
        assert_eq!(reply.text(), wrong.text());
    }
    let path = format!("/workers/{}", expiring.principal);
    let worker = community.manage(Method::GET, &path, &lasting).await.json();
    assert_eq!(worker["token_expires_at"], "1970-01-01T01:01:00Z");
    clock.advance(HOUR * 24 * 365);
    assert_eq!(status(&lasting).await, 200);

    let path = format!("/workers/{}/token", expiring.principal);
    let admin = Member::admin();
    let reply = community
        .manage_in(HOME, Method::POST, &path, &admin, "{\"expires_in\": 5}")
        .await;
    let token = reply.json()["registration_token"].clone();
    let fresh = Member::new(&expiring.principal, token.as_str().unwrap(), HOME);
    assert_eq!(status(&fresh).await, 200);
    clock.advance(Duration::from_secs(5));
    assert_eq!(status(&fresh).await, 401);
}

#[tokio::test]
async fn periods_that_no_token_can_have_are_refused() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let token = format!("/workers/{}/token", worker.principal);
    for path in ["/workers", &token] {
        for period in ["0", "-1", "1.5", "\"1\"", "null", "3153600001", "1e3"] {
            let body = format!("{{\"expires_in\": {period}}}");
            let admin = Member::admin();
            let reply = community
                .manage_in(HOME, Method::POST, path, &admin, body)
                .await;
            reply.assert_problem(400, "bad-request", period);
            assert!(reply.text().contains("expires_in") || !period.contains("31"));
        }
    }
    assert_eq!(community.get("/whoami", &worker).await.status, 200);
}

#[tokio::test]
async fn revoked_and_deleted_workers_are_refused_by_every_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let open = async || Database::new(SqliteDatabase::open(&path).await.unwrap());
    let one = Community::on(open().await).await;
    let two = Community::on(open().await).await;
    for rest in ["/token", ""] {
        let worker = one.register(HOME).await;
        assert_eq!(two.get("/whoami", &worker).await.status, 200);
        let path = format!("/workers/{}{rest}", worker.principal);
        let reply = one.manage(Method::DELETE, &path, &Member::admin()).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (204, String::new()));
        for server in [&two, &one] {
            let reply = server.get("/whoami", &worker).await;
            reply.assert_problem(401, "unauthorized", rest);
        }
        let path = format!("/workers/{}", worker.principal);
        let reply = two.manage(Method::GET, &path, &Member::admin()).await;
        if rest.is_empty() {
            reply.assert_problem(404, "not-found", "a deleted worker");
            let reply = two.manage(Method::DELETE, &path, &Member::admin()).await;
            reply.assert_problem(404, "not-found", "a deleted worker");
        } else {
            assert_eq!(reply.json()["token_expires_at"], "1970-01-01T00:00:00Z");
        }
    }
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
