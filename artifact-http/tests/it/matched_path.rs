//! The template of a request's path, for metrics.

use std::sync::{Arc, Mutex};

use artifact_http::{
    Access, AdminToken, HttpConfig, HttpService, IdentityAuthenticator, RequestInfo, endpoints,
    router,
};
use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use http::Method;
use tower::ServiceExt;

use crate::support::{
    ADMIN_SECRET, Community, FILE, Site, Tokens, Who, deposit_as, form, reply, request,
};

/// The labels that the middleware of an app counts, and the app's own state.
#[derive(Debug, Clone, Default)]
struct App {
    labels: Arc<Mutex<Vec<String>>>,
}

async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>();
    let label = matched.map_or("none", MatchedPath::as_str).to_owned();
    app.labels.lock().unwrap().push(label);
    next.run(request).await
}

/// An id for each letter of a template.
fn filled(template: &str) -> String {
    template
        .replace("{E}", "demo")
        .replace("{W}", "wkr_0123456789abcdefghjkmnpqrs")
        .replace("{G}", "grp_0123456789abcdefghjkmnpqrs")
        .replace("{M}", "wkr_0123456789abcdefghjkmnpqrs")
}

#[tokio::test]
async fn middleware_of_an_app_with_state_sees_the_matched_path() {
    let site = Site::new().await;
    let app = App::default();
    let artifacts = router(site.store.clone(), Arc::new(Tokens), HttpConfig::default());
    let nested = Router::new()
        .route(
            "/count",
            get(async |State(app): State<App>| app.labels.lock().unwrap().len().to_string()),
        )
        .nest("/files", artifacts)
        .layer(middleware::from_fn_with_state(app.clone(), count))
        .with_state(app.clone());
    for (path, who, status, label) in [
        (
            "/files/v0/experiments/demo",
            Who::Admin,
            200,
            "/files/v0/experiments/{E}",
        ),
        (
            "/files/v0/experiments/demo/artifacts?uri=x",
            Who::Admin,
            404,
            "/files/v0/experiments/{E}/artifacts",
        ),
        // Also if the request is refused before routing.
        (
            "/files/v0/experiments/a%20b/artifacts",
            Who::Anonymous,
            401,
            "/files/v0/experiments/{E}/artifacts",
        ),
        ("/files/healthz", Who::Anonymous, 200, "/files/healthz"),
        (
            "/files/openapi.json",
            Who::Anonymous,
            200,
            "/files/openapi.json",
        ),
        (
            "/files/v0/experiments/demo/artifacts/",
            Who::Admin,
            404,
            "none",
        ),
        ("/files/v0/unknown", Who::Anonymous, 401, "none"),
        ("/files", Who::Anonymous, 404, "none"),
        ("/files/", Who::Anonymous, 404, "none"),
        ("/count", Who::Anonymous, 200, "/count"),
    ] {
        let asked = request(Method::GET, path, who, "demo").body(Body::empty());
        let found = reply(nested.clone(), asked.unwrap()).await;
        assert_eq!(found.status, status, "{path}");
        let seen = app.labels.lock().unwrap().pop();
        assert_eq!(seen.as_deref(), Some(label), "{path}");
    }
}

#[tokio::test]
async fn every_endpoint_has_a_matched_path() {
    let community = Community::new().await;
    let app = App::default();
    let layer = middleware::from_fn_with_state(app.clone(), count);
    let router = community.router.clone().layer(layer);
    let identities = Arc::clone(&community.database.identities);
    let identities = IdentityAuthenticator::new(identities, AdminToken::new(ADMIN_SECRET).unwrap());
    let store = Site::new().await.store;
    let service = HttpService::with_identities(store, Arc::new(identities), HttpConfig::default());
    for endpoint in endpoints() {
        let path = filled(endpoint.path);
        for method in [&endpoint.method, &Method::PATCH] {
            let asked = request(method.clone(), &path, Who::Anonymous, "demo");
            let found = reply(router.clone(), asked.body(Body::empty()).unwrap()).await;
            // A link needs no credential, so nothing hides whether the path has the method.
            let expected = match (endpoint.access, method) {
                (Access::Anyone, &Method::PATCH) => 405,
                (Access::Anyone, _) => 404,
                _ => 401,
            };
            assert_eq!(found.status, expected, "{path}");
            let seen = app.labels.lock().unwrap().pop();
            // axum has a form of its own for the rest of a path.
            let label = endpoint.path.replace("{F}", "{*F}");
            assert_eq!(seen.as_deref(), Some(&*label));
        }
        // This service has no managed store.
        let matched = (!endpoint.needs_management()).then_some(endpoint.path);
        assert_eq!(service.matched_path(&path), matched);
    }
}

#[tokio::test]
async fn the_service_names_the_matched_path_without_a_router() {
    let site = Site::new().await;
    let service = HttpService::new(site.store.clone(), Arc::new(Tokens), HttpConfig::default());
    for (path, template) in [
        ("/healthz", Some("/healthz")),
        ("/openapi.json", Some("/openapi.json")),
        ("/v0/experiments/x", Some("/v0/experiments/{E}")),
        (
            "/v0/experiments/x/artifacts",
            Some("/v0/experiments/{E}/artifacts"),
        ),
        // Without identities there are no workers.
        ("/v0/experiments/x/workers", None),
        ("/v0/experiments/x/artifacts/", None),
        ("/v0/experiments//artifacts", None),
        ("/v0/experiments/", None),
        ("/v0", None),
        ("", None),
        ("/", None),
    ] {
        assert_eq!(service.matched_path(path), template, "{path}");
    }
    let body = Body::from(form(&[(FILE, b"bytes")]));
    let response = service
        .oneshot(deposit_as(Who::Worker).body(body).unwrap())
        .await;
    let response = response.unwrap();
    let info = response.extensions().get::<RequestInfo>().unwrap();
    assert_eq!(info.route(), "/v0/experiments/{E}/artifacts");
}

#[tokio::test]
async fn an_app_keeps_its_own_health_check_when_it_merges_the_router() {
    let site = Site::new().await;
    let app = Router::new()
        .route("/healthz", get(async || "mine"))
        .merge(site.router.clone());
    let ask = async |method: Method, path: &str| {
        let asked = request(method, path, Who::Admin, "demo");
        reply(app.clone(), asked.body(Body::empty()).unwrap()).await
    };
    assert_eq!(ask(Method::GET, "/healthz").await.body, b"mine");
    assert_eq!(ask(Method::GET, "/v0/experiments/demo").await.status, 200);
}
