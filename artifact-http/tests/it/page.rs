//! The page at `/ui/`: its files, their header fields, and what must not be in them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use artifact_http::{BasePath, ExperimentHeader, HttpConfig, HttpService};
use artifact_store::{Database, MemoryDatabase};
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request};
use serde_json::json;

use crate::support::{Community, HOME, Member, Reply, Site, Tokens, reply};

const POLICY: [&str; 10] = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
];

/// Returns the files of the page by their paths below `/ui/`.
#[expect(
    clippy::disallowed_methods,
    reason = "the test reads the files that the binary contains"
)]
fn assets() -> BTreeMap<String, Vec<u8>> {
    fn read(folder: &Path, prefix: &str, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                read(&entry.path(), &format!("{path}/"), found);
            } else {
                found.insert(path, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page/assets");
    let mut found = BTreeMap::new();
    read(&folder, "", &mut found);
    assert!(found.len() > 15, "{:?}", found.keys());
    found
}

fn extension(file: &str) -> &str {
    file.rsplit('.').next().unwrap()
}

/// Returns the path of a file.
fn url(file: &str) -> String {
    format!("/ui/{}", file.strip_suffix("index.html").unwrap_or(file))
}

async fn with_page() -> Community {
    let config = HttpConfig::default().with_page();
    Community::with(Database::new(MemoryDatabase::new()), config).await
}

async fn ask(router: &Router, method: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    reply(router.clone(), request.body(Body::empty()).unwrap()).await
}

fn assert_protected(found: &Reply, why: &str) {
    let policy: Vec<_> = found
        .header("content-security-policy")
        .split("; ")
        .collect();
    assert_eq!(policy, POLICY, "{why}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(found.header(name), value, "{why}: {name}");
    }
}

#[tokio::test]
async fn every_file_is_served_without_a_credential() {
    let Community { router, .. } = with_page().await;
    let mut etags = Vec::new();
    for (file, bytes) in assets() {
        let path = url(&file);
        let found = ask(&router, "GET", &path, &[]).await;
        assert_eq!(found.status, 200, "{path}");
        assert!(found.body == bytes, "{path}");
        assert_protected(&found, &path);
        let content_type = match extension(&file) {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("{other} has no media type"),
        };
        assert_eq!(found.header("content-type"), content_type, "{path}");
        assert_eq!(found.header("cache-control"), "no-cache", "{path}");
        assert_eq!(found.header("content-length"), bytes.len().to_string());

        let head = ask(&router, "HEAD", &path, &[]).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0), "{path}");
        assert_eq!(head.headers, found.headers, "{path}");

        let etag = found.header("etag");
        assert!(etag.starts_with('"') && etag.len() > 20, "{path}: {etag}");
        for tags in [etag.to_owned(), format!("\"x\", W/{etag}"), "*".to_owned()] {
            let same = ask(&router, "GET", &path, &[("if-none-match", &tags)]).await;
            assert_eq!((same.status.as_u16(), same.body.len()), (304, 0), "{tags}");
            assert_eq!(same.header("etag"), etag);
            assert_eq!(same.header("cache-control"), "no-cache");
            assert_protected(&same, &tags);
        }
        let other = ask(&router, "GET", &path, &[("if-none-match", "\"x\"")]).await;
        assert_eq!(other.status, 200, "{path}");
        etags.push(etag.to_owned());
    }
    etags.sort();
    etags.dedup();
    assert_eq!(etags.len(), assets().len(), "files with the same tag");
}

#[tokio::test]
async fn every_path_has_only_get_and_head() {
    let Community { router, .. } = with_page().await;
    let admin = Member::admin().authorization();
    let files = assets().into_keys().map(|file| url(&file));
    for path in files.chain(["/ui".to_owned(), "/ui/settings.json".to_owned()]) {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
            for credential in ["Bearer x:y", &admin] {
                let found = ask(&router, method, &path, &[("authorization", credential)]).await;
                found.assert_problem(405, "about:blank", &path);
                assert_eq!(found.header("allow"), "GET, HEAD", "{method} {path}");
            }
        }
        // A credential changes nothing, not even a wrong one.
        let plain = ask(&router, "GET", &path, &[]).await;
        for credential in ["Bearer x:y", "Basic eDp5", &admin] {
            let found = ask(&router, "GET", &path, &[("authorization", credential)]).await;
            assert_eq!(
                (found.status, found.headers),
                (plain.status, plain.headers.clone())
            );
        }
    }
}

#[tokio::test]
async fn other_paths_below_the_page_are_not_found() {
    let Community { router, .. } = with_page().await;
    for path in [
        "/ui/index.html",
        "/ui/nothing",
        "/ui/views",
        "/ui/views/",
        "/ui//",
        "/ui/../ui/",
        "/ui/%6dain.js",
        "/ui/main.js/",
        "/uix",
        "/UI/",
        "//ui/",
    ] {
        for method in ["GET", "HEAD", "POST"] {
            let found = ask(&router, method, path, &[]).await;
            assert_eq!(found.status, 404, "{method} {path}");
        }
        let found = ask(&router, "GET", path, &[]).await;
        found.assert_problem(404, "not-found", path);
    }
}

#[tokio::test]
async fn the_folder_leads_to_the_page_under_any_prefix() {
    let Community { router, .. } = with_page().await;
    let nested = Router::new().nest("/files", router.clone());
    for (router, path) in [(&router, "/ui"), (&nested, "/files/ui")] {
        let found = ask(router, "GET", &format!("{path}?x=1"), &[]).await;
        assert_eq!((found.status.as_u16(), found.body.len()), (308, 0));
        // Relative to `/ui` or `/files/ui` (RFC 3986, section 5.2).
        assert_eq!(found.header("location"), "ui/");
        assert_protected(&found, path);
        let page = ask(router, "GET", &format!("{path}/"), &[]).await;
        assert!(page.text().starts_with("<!doctype html>"), "{path}");
    }
}

#[tokio::test]
async fn the_page_learns_the_names_of_the_router() {
    let Community { router, .. } = with_page().await;
    let found = ask(&router, "GET", "/ui/settings.json", &[]).await;
    assert_eq!(found.header("cache-control"), "no-store");
    assert_protected(&found, "settings");
    let expected = json!({
        "base_path": "/v0",
        "management_path": "/v1",
        "experiment_header": "X-Eden-Experiment-Id",
        "features": ["identities", "collections", "sharing", "links"],
    });
    assert_eq!(found.json(), expected);

    let config = HttpConfig::default().with_page().without_links();
    let database = Database::new(MemoryDatabase::new());
    let without_links = Community::with(database, config).await;
    let found = ask(&without_links.router, "GET", "/ui/settings.json", &[]).await;
    let features = &found.json()["features"];
    assert_eq!(*features, json!(["identities", "collections", "sharing"]));

    let site = Site::new().await;
    let config = HttpConfig::default()
        .with_base_path(BasePath::new("/ui").unwrap())
        .with_management_path(BasePath::new("/manage").unwrap())
        .with_experiment_header(ExperimentHeader::new("X-Tenant").unwrap())
        .with_management(site.managed())
        .with_page();
    let router = artifact_http::router(site.store.clone(), Arc::new(Tokens), config);
    let found = ask(&router, "GET", "/ui/settings.json", &[]).await;
    let expected = json!({
        "base_path": "/ui",
        "management_path": "/manage",
        "experiment_header": "X-Tenant",
        "features": [],
    });
    assert_eq!(found.json(), expected);
    // The endpoints below the same path stay.
    let path = format!("/ui/experiments/{HOME}");
    ask(&router, "GET", &path, &[])
        .await
        .assert_problem(401, "unauthorized", &path);
}

#[tokio::test]
async fn there_is_no_page_unless_it_is_turned_on_and_has_its_endpoints() {
    let site = Site::with(HttpConfig::default().with_page()).await;
    let database = Database::new(MemoryDatabase::new());
    let off = Community::with(database, HttpConfig::default()).await;
    for router in [&site.router, &off.router] {
        for path in ["/ui", "/ui/", "/ui/main.js", "/ui/settings.json"] {
            let found = ask(router, "GET", path, &[]).await;
            found.assert_problem(404, "not-found", path);
        }
    }
    let managed = HttpConfig::default()
        .with_management(site.managed())
        .with_page();
    for (config, expected) in [
        (managed, Some("/ui/main.js")),
        (HttpConfig::default().with_page(), None),
    ] {
        let service = HttpService::new(site.store.clone(), Arc::new(Tokens), config);
        assert_eq!(service.matched_path("/ui/main.js"), expected);
    }
}

#[tokio::test]
async fn a_script_gets_no_challenge_that_makes_its_browser_ask() {
    let Community { router, .. } = with_page().await;
    let path = format!("/v1/experiments/{HOME}/artifacts");
    let challenges = |headers: &HeaderMap| {
        let fields = headers.get_all("www-authenticate").iter();
        let texts = fields.map(|value| value.to_str().unwrap().to_owned());
        texts.collect::<Vec<_>>()
    };
    for credential in ["Bearer admin:wrong", "Basic eDp5", ""] {
        let script = [
            ("authorization", credential),
            ("x-requested-with", "XMLHttpRequest"),
        ];
        for method in [Method::GET, Method::POST] {
            let plain = ask(&router, method.as_str(), &path, &script[..1]).await;
            assert_eq!(plain.status, 401);
            assert_eq!(challenges(&plain.headers).len(), 2);
            let found = ask(&router, method.as_str(), &path, &script).await;
            found.assert_problem(401, "unauthorized", credential);
            assert_eq!(challenges(&found.headers), ["Bearer"]);
        }
    }
}

/// What would let a text run as a script, or load something from elsewhere.
const FORBIDDEN: &[&str] = &[
    "innerhtml",
    "outerhtml",
    "insertadjacenthtml",
    "document.write",
    "domparser",
    "createcontextualfragment",
    "sethtml",
    "srcdoc",
    "eval(",
    "new function",
    "settimeout('",
    "settimeout(\"",
    "javascript:",
    "localstorage",
    "sessionstorage",
    "indexeddb",
    "document.cookie",
    "postmessage",
    "serviceworker",
    "style=",
    "<style",
    "@import",
    "http://",
    "https://",
];

#[test]
fn the_files_have_no_markup_from_text_and_nothing_from_elsewhere() {
    // Names of a namespace and of a protocol are not loaded.
    const NAMES: [&str; 2] = ["http://www.w3.org/2000/svg", "https://tus.io"];
    for (file, bytes) in assets() {
        let mut lower = String::from_utf8(bytes).unwrap().to_lowercase();
        for name in NAMES {
            lower = lower.replace(name, "");
        }
        for forbidden in FORBIDDEN {
            assert!(!lower.contains(forbidden), "{file} has {forbidden}");
        }
        let extension = extension(&file);
        assert!(extension != "css" || !lower.contains("url("), "{file}");
        if extension == "html" || extension == "svg" {
            // Handlers such as `onclick=`, and scripts that are not files.
            for (at, _) in lower.match_indices(" on") {
                let name = lower[at + 1..].split(['=', ' ', '>']).next().unwrap();
                let follows = lower[at + 1 + name.len()..].starts_with('=');
                assert!(!follows, "{file} has the handler {name}");
            }
            assert_eq!(
                lower.matches("<script").count(),
                lower.matches("></script>").count()
            );
        }
    }
}

#[test]
fn every_file_that_is_named_exists_and_every_file_is_named() {
    let files = assets();
    let mut named = vec!["index.html".to_owned()];
    for (file, bytes) in &files {
        let text = std::str::from_utf8(bytes).unwrap();
        let folder = file.rsplit_once('/').map(|(folder, _)| folder);
        for (before, after) in [("from '", '\''), ("src=\"", '"'), ("href=\"", '"')] {
            for piece in text.split(before).skip(1) {
                let name = piece.split(after).next().unwrap();
                if name.starts_with('#') {
                    continue;
                }
                let path = match (folder, name.strip_prefix("../")) {
                    (Some(_), Some(above)) => above.to_owned(),
                    (Some(folder), None) => {
                        format!("{folder}/{}", name.strip_prefix("./").unwrap())
                    }
                    (None, _) => name.strip_prefix("./").unwrap_or(name).to_owned(),
                };
                assert!(files.contains_key(&path), "{file} names {name}");
                named.push(path);
            }
        }
    }
    for file in files.keys() {
        assert!(named.contains(file), "no file names {file}");
    }
}
