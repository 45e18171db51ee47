//! The page at `/ui/`: static files for browsers. The page calls the endpoints with the credential that its user
//! enters; the files themselves need no credential.

mod assets;
mod fields;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, LOCATION};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use self::assets::Asset;
use crate::problem::Problem;
use crate::request_info::RequestInfo;
use crate::response;
use crate::router::Service;

/// The path without its slash, which leads to the page.
const FOLDER: &str = "/ui";
/// What the page must know about the router.
const SETTINGS: &str = "/ui/settings.json";

/// The names that the page needs to call the endpoints.
#[derive(Serialize)]
struct Settings<'s> {
    /// The base path of deposits, fetches and identities, relative to the parent of the page.
    base_path: &'s str,
    /// The base path of management, relative to the parent of the page.
    management_path: &'s str,
    experiment_header: &'s str,
    /// What the router has beside artifacts.
    features: Vec<Feature>,
}

/// A set of endpoints that a router can leave out.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Feature {
    /// Workers, groups and named administrators.
    Identities,
    Collections,
    /// Grants.
    Sharing,
    Links,
}

/// Returns the paths of the page.
pub(crate) fn paths() -> impl Iterator<Item = &'static str> {
    let assets = assets::all().iter().map(|asset| asset.path);
    assets.chain([FOLDER, SETTINGS])
}

/// Answers a request for one of the page's paths, and returns `None` for every other path.
pub(crate) fn answer(
    service: &Service,
    parts: &Parts,
    info: &mut RequestInfo,
) -> Option<Result<Response, Problem>> {
    let path = parts.uri.path();
    if !path.starts_with(FOLDER) || !service.config.has_page() {
        return None;
    }
    let asset = assets::all().iter().find(|asset| asset.path == path);
    info.route = match asset {
        Some(asset) => asset.path,
        None if path == FOLDER => FOLDER,
        None if path == SETTINGS => SETTINGS,
        None => return None,
    };
    let found = || match asset {
        Some(asset) => send(asset, parts),
        None if path == FOLDER => redirect(),
        None => settings(service),
    };
    let checked = crate::dispatch::check_get(&parts.method);
    Some(checked.map(|()| fields::protect(found())))
}

/// Returns an asset, or 304 if the client has it.
fn send(asset: &'static Asset, parts: &Parts) -> Response {
    let mut response = if asset.is_known_to(&parts.headers) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        // A cache asks each time, so a new version of the server is there at once.
        let revalidate = HeaderValue::from_static(assets::REVALIDATE);
        response.headers_mut().insert(CACHE_CONTROL, revalidate);
        response
    } else {
        let bytes = Bytes::from_static(asset.bytes);
        response::with_body(
            StatusCode::OK,
            asset.content_type,
            assets::REVALIDATE,
            bytes,
        )
    };
    let etag = asset.etag.clone();
    response.headers_mut().insert(ETAG, etag);
    response
}

/// Leads to the page. The location is relative, so that it is right under any prefix.
fn redirect() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::from_static("ui/"));
    // Browsers keep a permanent redirect for ever unless the response says otherwise.
    let revalidate = HeaderValue::from_static(assets::REVALIDATE);
    headers.insert(CACHE_CONTROL, revalidate);
    response
}

fn settings(service: &Service) -> Response {
    let config = &service.config;
    let shares = config.sharing().is_some();
    let features = [
        (Feature::Identities, service.identities.is_some()),
        (Feature::Collections, config.collections().is_some()),
        (Feature::Sharing, shares),
        (Feature::Links, shares && config.links),
    ];
    let features = features.into_iter().filter(|(_, is_there)| *is_there);
    let settings = Settings {
        base_path: config.base_path.as_str(),
        management_path: config.management_path.as_str(),
        experiment_header: config.experiment_header.as_str(),
        features: features.map(|(feature, _)| feature).collect(),
    };
    response::json(StatusCode::OK, &settings)
}
