//! The OpenAPI document: the committed one, complete, and about clauses that exist.

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
    reason = "a test reads its golden file, and writes it when it is told to"
)]
fn it_is_as_committed() {
    let path = in_docs("openapi.json");
    if std::env::var_os("ARTIFACT_REGENERATE").is_some() {
        std::fs::write(&path, openapi()).unwrap();
    }
    let committed = std::fs::read(&path).unwrap_or_default();
    // The order of members depends on what else was built; it means nothing.
    let committed: Value = serde_json::from_slice(&committed).unwrap_or_default();
    assert!(
        committed == document(),
        "docs/openapi.json is old; run: ARTIFACT_REGENERATE=1 cargo test -p artifact-http openapi"
    );
}

#[test]
fn it_has_every_endpoint_and_nothing_else() {
    let mut expected = vec![
        ("/healthz".to_owned(), "get".to_owned()),
        ("/healthz".to_owned(), "head".to_owned()),
        ("/openapi.json".to_owned(), "get".to_owned()),
        ("/openapi.json".to_owned(), "head".to_owned()),
    ];
    for endpoint in endpoints() {
        let path = format!("/v0/experiments/{{E}}{}", endpoint.path);
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
    reason = "a test that reads a page of the repository"
)]
fn every_operation_names_clauses_that_exist() {
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
                let said = operation["description"].as_str().unwrap();
                assert!(method == "head" || said.contains(clause), "{said}");
            }
            seen += 1;
        }
    }
    assert!(seen > 2 * endpoints().len() / 2, "{seen} operations");
}

#[test]
fn every_reference_leads_somewhere() {
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
async fn it_is_served_to_everybody() {
    let site = Site::new().await;
    let ask = async |method: &str| {
        let request = Request::builder().method(method).uri("/openapi.json");
        site.send(request.body(Body::empty()).unwrap()).await
    };
    let reply = ask("GET").await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("content-type"),
        "application/json; charset=utf-8"
    );
    // This router has no identities, so what it would answer from one is not in its document.
    let text = reply.text();
    let served: Value = serde_json::from_str(&text).unwrap();
    for endpoint in endpoints() {
        let path = format!("/v0/experiments/{{E}}{}", endpoint.path);
        let found = served["paths"][path].is_object();
        assert_eq!(found, !endpoint.needs_identities(), "{}", endpoint.path);
    }
    let head = ask("HEAD").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), text.len().to_string());
    let reply = ask("POST").await;
    reply.assert_problem(405, "about:blank", "POST");
    assert_eq!(reply.header("allow"), "GET, HEAD");
}
