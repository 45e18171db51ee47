//! Tests that the committed OpenAPI document is current and complete, and refers to existing clauses.

use std::path::{Path, PathBuf};

use artifact_http::{endpoints, openapi};
use axum::body::Body;
use http::{Method, Request};
use serde_json::Value;

use crate::support::Site;

fn in_docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name)
}

fn document() -> Value {
    serde_json::from_str(openapi()).unwrap()
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test reads its golden file, and writes it on demand"
)]
fn the_committed_document_is_current() {
    let path = in_docs("openapi.json");
    if std::env::var_os("ARTIFACT_REGENERATE").is_some() {
        std::fs::write(&path, openapi()).unwrap();
    }
    let committed = std::fs::read(&path).unwrap_or_default();
    // The order of members depends on the features of other crates in the build and has no meaning.
    let committed: Value = serde_json::from_slice(&committed).unwrap_or_default();
    assert!(
        committed == document(),
        "docs/openapi.json is out of date; run: ARTIFACT_REGENERATE=1 cargo test -p artifact-http openapi"
    );
}

#[test]
fn every_endpoint_is_documented_and_nothing_else() {
    let mut expected = vec![
        ("/healthz".to_owned(), "get".to_owned()),
        ("/healthz".to_owned(), "head".to_owned()),
        ("/openapi.json".to_owned(), "get".to_owned()),
        ("/openapi.json".to_owned(), "head".to_owned()),
        ("/readyz".to_owned(), "get".to_owned()),
        ("/readyz".to_owned(), "head".to_owned()),
        ("/log/checkpoint".to_owned(), "get".to_owned()),
        ("/log/checkpoint".to_owned(), "head".to_owned()),
        ("/log/tile/{F}".to_owned(), "get".to_owned()),
        ("/log/tile/{F}".to_owned(), "head".to_owned()),
    ];
    for endpoint in endpoints() {
        let path = endpoint.path.to_owned();
        expected.push((path.clone(), endpoint.method.as_str().to_lowercase()));
        if endpoint.method == Method::GET {
            expected.push((path, "head".to_owned()));
        }
    }
    let mut found = Vec::new();
    for (path, item) in document()["paths"].as_object().unwrap() {
        let methods = item.as_object().unwrap().keys();
        let methods = methods.filter(|member| *member != "parameters");
        found.extend(methods.map(|method| (path.clone(), method.clone())));
    }
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test reads a page of the repository"
)]
fn operations_name_existing_clauses() {
    let page = std::fs::read_to_string(in_docs("http-api.md")).unwrap();
    let mut seen = 0;
    for (path, item) in document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(clauses) = operation["x-clauses"].as_array() else {
                assert_eq!(method, "parameters", "{method} {path} names no clause");
                continue;
            };
            assert!(!clauses.is_empty(), "{method} {path} names no clause");
            for clause in clauses {
                let clause = clause.as_str().unwrap();
                assert!(
                    page.contains(&format!("\n- **[{clause}]** ")),
                    "{method} {path} names {clause}"
                );
                let description = operation["description"].as_str().unwrap();
                assert!(
                    method == "head" || description.contains(clause),
                    "{description}"
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 2 * endpoints().len() / 2, "{seen} operations");
}

#[test]
fn references_resolve() {
    fn walk(value: &Value, document: &Value, seen: &mut usize) {
        match value {
            Value::Object(members) => {
                if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                    let pointer = target.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{target}");
                    *seen += 1;
                }
                members
                    .values()
                    .for_each(|value| walk(value, document, seen));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, document, seen)),
            _ => {}
        }
    }
    let document = document();
    let mut seen = 0;
    walk(&document, &document, &mut seen);
    assert!(seen > 50, "{seen} references");
}

#[tokio::test]
async fn the_document_is_served_without_a_credential() {
    let site = Site::new().await;
    let send = async |method: &str| {
        let request = Request::builder().method(method).uri("/openapi.json");
        site.send(request.body(Body::empty()).unwrap()).await
    };
    let reply = send("GET").await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("content-type"),
        "application/json; charset=utf-8"
    );
    // This router has neither identities nor a managed store, so its document has no endpoints that need them.
    let text = reply.text();
    let served: Value = serde_json::from_str(&text).unwrap();
    for endpoint in endpoints() {
        let found = served["paths"][endpoint.path].is_object();
        let has_all = !endpoint.needs_identities() && !endpoint.needs_management();
        assert_eq!(found, has_all, "{}", endpoint.path);
    }
    let head = send("HEAD").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), text.len().to_string());
    let reply = send("POST").await;
    reply.assert_problem(405, "about:blank", "POST");
    assert_eq!(reply.header("allow"), "GET, HEAD");
}
