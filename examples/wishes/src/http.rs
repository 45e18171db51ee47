//! The endpoints in a foreign program.

use std::sync::Arc;

use artifact_backend::async_trait;
use artifact_http::{
    AuthScheme, Authenticate, AuthenticateError, Credential, HttpConfig, Secret, bearer_token,
};
use artifact_store::{Experiment, ExperimentId, Principal, PrincipalId, Timestamp};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::http::request::Parts;
use axum::routing::get;
use tower::ServiceExt;

use crate::{Outcome, expect};

/// A token with a valid form. This program has no key to verify it.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";

/// Knows one user, whose token it recognises as a whole.
#[derive(Debug)]
struct Users(ExperimentId);

#[async_trait]
impl Authenticate for Users {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthenticateError> {
        if bearer_token(&request.headers)? != Secret::new(TOKEN) {
            return Err(AuthenticateError::Rejected);
        }
        let user = "alice@example.com"
            .parse()
            .map_err(|_| AuthenticateError::Rejected)?;
        Ok(Principal::external(user, self.0.clone()))
    }
}

#[derive(Debug, Clone)]
struct App {
    name: &'static str,
}

async fn app() -> Result<Router, Box<dyn std::error::Error + Send + Sync>> {
    let home = Experiment::new("demo".parse()?, Timestamp::UNIX_EPOCH);
    let store = embed_common::open(&home).await?;
    let config = HttpConfig::default().with_auth_scheme(AuthScheme::bearer("JWT"));
    let files = artifact_http::router(store, Arc::new(Users(home.id)), config);
    let name = |State(app): State<App>| async move { app.name };
    let app = Router::new()
        .route("/name", get(name))
        .nest("/files", files);
    Ok(app.with_state(App { name: "the app" }))
}

/// Returns the status of a request for the experiment.
async fn status(token: &str) -> Result<u16, Box<dyn std::error::Error + Send + Sync>> {
    let request = Request::get("/files/v0/experiments/demo")
        .header("authorization", format!("Bearer {token}"))
        .header("x-eden-experiment-id", "demo");
    let response = app().await?.oneshot(request.body(Body::empty())?).await?;
    Ok(response.status().as_u16())
}

pub async fn credential_in_a_test() -> Outcome {
    let credential = Credential::new("admin", Secret::new("9f86d081884c7d65"));
    expect(credential.principal(), "admin")?;
    expect(format!("{credential:?}").contains("9f86"), false)
}

pub async fn json_web_token_in_authenticate() -> Outcome {
    expect(status(TOKEN).await?, 200)?;
    expect(status("eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl").await?, 401)
}

pub async fn principal_with_an_opaque_name() -> Outcome {
    let id: PrincipalId = Principal::external("alice@example.com".parse()?, "demo".parse()?).id();
    expect(id.to_string().ends_with("alice@example.com"), true)
}

pub async fn router_in_an_app_with_state() -> Outcome {
    let request = Request::get("/name").body(Body::empty())?;
    let response = app().await?.oneshot(request).await?;
    let body = axum::body::to_bytes(response.into_body(), 1024).await?;
    expect(body, "the app".into())
}
