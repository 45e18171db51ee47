//! The identities of an embedding program.

use std::sync::Arc;

use artifact_backend::UriPrefix;
use artifact_http::{AuthScheme, HttpConfig, RequestInfo, openapi_of};
use artifact_store::{PrincipalClass, PrincipalId};
use axum::body::Body;
use http::request::Builder;
use http::{HeaderName, Method, Request};
use tower::ServiceExt;

use crate::support::{
    BOUNDARY, Certificate, Community, FILE, HOME, House, Log, Member, Reply, Site, fetch_path, form,
};

/// Users that a program might have, and strings that an attacker might choose as a name.
const USERS: &[&str] = &[
    "alice@example.com",
    "auth0|5f7c8ec7c33c6c004bbafe82",
    "CN=M\u{fc}ller, O=\"Example\"",
    "\" status=200 principal=\"admin",
    "'); DROP TABLE artifacts; --",
    "\\n\\r{}%s",
    "\u{1f980}",
];

/// Adds a user's credential to a request.
type AddCredential = fn(Builder, &str) -> Builder;

/// Begins a request in the experiment of every test.
fn bare(method: Method, path: &str) -> Builder {
    let request = Request::builder().method(method).uri(path);
    request.header("x-eden-experiment-id", HOME)
}

fn deposit() -> Builder {
    let path = format!("/v0/experiments/{HOME}/artifacts");
    let form = format!("multipart/form-data; boundary={BOUNDARY}");
    bare(Method::POST, &path).header("content-type", form)
}

fn file() -> Body {
    Body::from(form(&[(FILE, b"bytes")]))
}

fn uri_of(reply: &Reply) -> String {
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()["artifacts_uri"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn tokens_keys_and_extensions_are_credentials_if_the_authenticator_accepts_them() {
    let house = Arc::new(House::default());
    let site = Site::with_identities_of(house.clone(), HttpConfig::default()).await;
    let credentials: [(&str, AddCredential); 3] = [
        ("token", House::sign),
        ("key", |request, user| {
            request.header("x-api-key", format!("key-of-{user}"))
        }),
        ("certificate", |request, user| {
            request.extension(Certificate(user.to_owned()))
        }),
    ];
    for (kind, with) in credentials {
        let stored = site.send(with(deposit(), kind).body(file()).unwrap()).await;
        let path = fetch_path(HOME, &uri_of(&stored));
        for method in [Method::GET, Method::HEAD] {
            for (user, status) in [(kind, 200), ("mallory", 403)] {
                let request = with(bare(method.clone(), &path), user);
                let reply = site.send(request.body(Body::empty()).unwrap()).await;
                assert_eq!(reply.status, status, "{kind}: {method} by {user}");
            }
        }
    }
    for value in [
        "Bearer",
        "Bearer header.zz.signature",
        "Bearer admin:x",
        "Basic YTpi",
    ] {
        let request = bare(Method::GET, "/v0/experiments/demo").header("authorization", value);
        let reply = site.send(request.body(Body::empty()).unwrap()).await;
        reply.assert_problem(401, "unauthorized", value);
    }
}

#[tokio::test]
async fn the_authenticator_sees_every_request_to_a_protected_path_and_no_other() {
    let house = Arc::new(House::default());
    let site = Site::with_identities_of(house.clone(), HttpConfig::default()).await;
    for (path, seen) in [
        ("/v0/experiments/demo?x=1", true),
        ("/v0/experiments/demo/unknown", true),
        ("/v0/unknown", true),
        ("/v0", false),
        ("/unknown", false),
        ("/healthz", false),
        ("/readyz", false),
        ("/openapi.json", false),
    ] {
        let request = House::sign(bare(Method::DELETE, path), "alice");
        site.send(request.body(Body::empty()).unwrap()).await;
        let heads = std::mem::take(&mut *house.seen.lock().unwrap());
        assert_eq!(heads.len(), usize::from(seen), "{path}");
        for head in heads {
            assert!(head.contains("DELETE") && head.contains(path), "{head}");
            // The token is marked, so that `Debug` does not show it.
            assert!(!head.contains("signature"), "{head}");
        }
    }
}

#[tokio::test]
async fn two_authorization_fields_are_refused_before_the_authenticator_sees_them() {
    let house = Arc::new(House::default());
    let site = Site::with_identities_of(house.clone(), HttpConfig::default()).await;
    let request = House::sign(bare(Method::GET, "/v0/experiments/demo"), "alice");
    let request = House::sign(request, "mallory").extension(Certificate("alice".to_owned()));
    let reply = site.send(request.body(Body::empty()).unwrap()).await;
    reply.assert_problem(400, "bad-request", "two credentials");
    assert_eq!(house.seen.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn ids_of_users_reach_rows_and_request_logs_unchanged_and_tear_no_log_line() {
    let site = Site::with_identities_of(Arc::new(House::default()), HttpConfig::default()).await;
    let log = Log::collect();
    for user in USERS {
        let request = House::sign(deposit(), user).body(file()).unwrap();
        let response = site.router.clone().oneshot(request).await.unwrap();
        let info = response.extensions().get::<RequestInfo>().unwrap().clone();
        let id: PrincipalId = user.parse().unwrap();
        assert_eq!(info.principal(), Some(&id));
        tracing::info!(
            principal = info.principal().map(PrincipalId::as_str),
            ?info,
            "request"
        );

        let again = site
            .send(House::sign(deposit(), user).body(file()).unwrap())
            .await;
        let uri = uri_of(&again);
        let uri = UriPrefix::default().parse(&uri).unwrap();
        let row = site
            .store
            .row(&HOME.parse().unwrap(), uri.id())
            .await
            .unwrap();
        assert_eq!(row.created_by.as_str(), *user);
    }
    let text = log.text();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.contains(" request "))
        .collect();
    assert_eq!(lines.len(), USERS.len(), "{text}");
    for (line, user) in lines.iter().zip(USERS) {
        assert!(line.contains(&format!("principal={user:?}")), "{line}");
    }
}

#[tokio::test]
async fn a_401_and_the_document_describe_the_credential_of_the_program() {
    let key = HeaderName::from_static("x-api-key");
    for (scheme, challenge, hint, security) in [
        (AuthScheme::bearer("JWT"), "Bearer", "Bearer <token>", "JWT"),
        (
            AuthScheme::api_key(&key),
            "ApiKey header=\"x-api-key\"",
            "header x-api-key",
            "apiKey",
        ),
    ] {
        let config = HttpConfig::default().with_auth_scheme(scheme);
        let site = Site::with_identities_of(Arc::new(House::default()), config.clone()).await;
        let request = bare(Method::GET, "/v0/experiments/demo");
        let reply = site.send(request.body(Body::empty()).unwrap()).await;
        reply.assert_problem(401, "unauthorized", challenge);
        assert_eq!(reply.header("www-authenticate"), challenge);
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.ends_with(hint), "{detail}");

        let document = openapi_of(&config, false).into_owned();
        assert!(!document.contains("<principal>:<secret>"));
        let served = site
            .send(
                bare(Method::GET, "/openapi.json")
                    .body(Body::empty())
                    .unwrap(),
            )
            .await;
        assert_eq!(served.text(), document);
        let document = served.json();
        let described = document["components"]["securitySchemes"]["principal"].to_string();
        assert!(described.contains(security), "{described}");
        let value = &document["components"]["headers"]["WWW-Authenticate"]["schema"]["const"];
        assert_eq!(value, challenge);
    }
}

#[tokio::test]
async fn users_of_a_program_share_the_endpoints_with_workers() {
    let house = Arc::new(House::default());
    let community = Community::with_others(house.clone()).await;
    let worker = community.register(HOME).await;
    let users = || House::sign(deposit(), "alice");
    let uri = uri_of(&community.send(users().body(file()).unwrap()).await);
    let seen = house.seen.lock().unwrap().len();

    // Neither reads the other's file; the administrator reads both.
    assert_eq!(community.fetch(&worker, &uri).await, 403);
    assert_eq!(community.fetch(&Member::admin(), &uri).await, 200);
    let workers = community.put(&worker).await;
    for (uri, status) in [(&uri, 200), (&workers, 403)] {
        let request = House::sign(bare(Method::GET, &fetch_path(HOME, uri)), "alice");
        let reply = community.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(reply.status, status, "{uri}");
    }
    // The program does not decide about credentials of the store, valid or not.
    let wrong = Member::new(&worker.principal, "wrong", HOME);
    let unknown = Member::new("wkr_unknown", "wrong", HOME);
    for member in [&wrong, &unknown, &Member::new("admin", "wrong", HOME)] {
        assert_eq!(community.get("", member).await.status, 401, "{member:?}");
    }
    assert_eq!(house.seen.lock().unwrap().len(), seen + 2);
    // A user is no worker, and no administrator.
    for (method, path) in [
        (Method::GET, "whoami"),
        (Method::POST, "workers"),
        (Method::POST, "groups"),
    ] {
        let path = format!("/v0/experiments/{HOME}/{path}");
        let request = House::sign(bare(method, &path), "alice");
        let reply = community.send(request.body(Body::empty()).unwrap()).await;
        reply.assert_problem(403, "forbidden", &path);
    }
    let user: PrincipalId = "alice".parse().unwrap();
    let principal =
        artifact_store::Principal::external("alice".parse().unwrap(), HOME.parse().unwrap());
    assert_eq!(
        (principal.id(), principal.class()),
        (user, PrincipalClass::External)
    );
}
