//! The endpoints of collections.

use artifact_http::endpoints;
use artifact_store::Sha256Digest;
use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Community, HOME, Member, Reply};

struct Site {
    community: Community,
    owner: Member,
    /// The path of a collection of the owner.
    path: String,
}

impl Site {
    async fn new() -> Self {
        let community = Community::new().await;
        let owner = community.register(HOME).await;
        let created = community.manage(Method::POST, "/collections", &owner).await;
        assert_eq!(created.status, 201, "{}", created.text());
        let id = created.json()["id"].as_str().unwrap().to_owned();
        Self {
            community,
            owner,
            path: format!("/collections/{id}"),
        }
    }

    async fn ask(&self, method: Method, rest: &str) -> Reply {
        let path = format!("{}{rest}", self.path);
        self.community.manage(method, &path, &self.owner).await
    }

    async fn put(&self, name: &str, bytes: &'static [u8], fields: &[(&str, &str)]) -> Reply {
        let path = format!("/v1/experiments/{HOME}{}/files/{name}", self.path);
        let mut request = Request::builder().method(Method::PUT).uri(path);
        request = request.header("authorization", self.owner.authorization());
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(bytes)).unwrap();
        self.community.send(request).await
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256Digest::from_bytes(Sha256::digest(bytes).into()).to_string()
}

#[tokio::test]
async fn a_file_is_stored_once_and_served_under_its_name() {
    let site = Site::new().await;
    let first = site.put("runs/7/a%20b.csv", b"x,y", &[]).await;
    assert_eq!(first.status, 201, "{}", first.text());
    let file = first.json();
    let expected = json!({
        "name": "runs/7/a b.csv",
        "artifacts_uri": file["artifacts_uri"],
        "id": file["id"],
        "size_bytes": 3,
        "content_type": "text/csv",
        "sha256": digest(b"x,y"),
        "created_at": file["created_at"],
    });
    assert_eq!(file, expected);
    assert!(first.header("repr-digest").starts_with("sha-256=:"));
    for (fields, status, kind) in [
        (&[][..], 409, "already-exists"),
        (&[("if-none-match", "*")][..], 412, "about:blank"),
        (&[("if-match", "*")][..], 412, "about:blank"),
    ] {
        let second = site.put("runs/7/a%20b.csv", b"other", fields).await;
        second.assert_problem(status, kind, "a second PUT");
        if !fields.iter().any(|(name, _)| *name == "if-match") {
            assert!(second.text().contains(&digest(b"x,y")), "{}", second.text());
        }
    }
    let fetched = site.ask(Method::GET, "/files/runs/7/a%20b.csv").await;
    assert_eq!(
        (fetched.status.as_u16(), &fetched.body[..]),
        (200, &b"x,y"[..])
    );
    assert_eq!(fetched.header("content-type"), "text/csv");
    assert_eq!(fetched.header("etag"), format!("\"{}\"", digest(b"x,y")));
    assert_eq!(
        fetched.header("content-disposition"),
        "attachment; filename=\"a b.csv\""
    );
    assert_eq!(
        fetched.header("content-security-policy"),
        "default-src 'none'; sandbox"
    );
    let id = file["id"].as_str().unwrap();
    let content = format!("/artifacts/{id}/content");
    let content = site
        .community
        .manage(Method::GET, &content, &site.owner)
        .await;
    assert_eq!(content.body, fetched.body);
    let head = site.ask(Method::HEAD, "/files/runs/7/a%20b.csv").await;
    assert_eq!(
        (head.status.as_u16(), head.header("content-length")),
        (200, "3")
    );
}

#[tokio::test]
async fn the_declared_type_and_digest_and_period_count() {
    let site = Site::new().await;
    let declared = site
        .put("a.csv", b"1", &[("content-type", "text/x-own")])
        .await;
    assert_eq!(declared.json()["content_type"], "text/x-own");
    let unknown = site.put("a.unknown-type", b"1", &[]).await;
    assert_eq!(unknown.json()["content_type"], "application/octet-stream");
    let curl = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(
        site.put("b.html", b"1", &curl).await.json()["content_type"],
        "text/html"
    );
    let wrong = [(
        "repr-digest",
        "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
    )];
    let refused = site.put("c", b"1", &wrong).await;
    refused.assert_problem(400, "bad-request", "a wrong digest");
    let form = [("content-type", "multipart/form-data; boundary=x")];
    site.put("c", b"1", &form)
        .await
        .assert_problem(415, "about:blank", "a form");
    let part = [("content-range", "bytes 0-0/2")];
    site.put("c", b"1", &part)
        .await
        .assert_problem(400, "bad-request", "a part");
    let period = [("artifact-expires-in", "0")];
    site.put("c", b"1", &period)
        .await
        .assert_problem(400, "bad-request", "no period");
    let kept = site.put("c", b"1", &[("artifact-expires-in", "60")]).await;
    let artifact = format!("/artifacts/{}", kept.json()["id"].as_str().unwrap());
    let artifact = site
        .community
        .manage(Method::GET, &artifact, &site.owner)
        .await;
    assert!(artifact.json()["expires_at"].is_string());
    // The name does what a key would do.
    let keyed = [("idempotency-key", "\"x\"")];
    assert_eq!(site.put("keyed", b"1", &keyed).await.status, 201);
    site.put("keyed", b"1", &keyed)
        .await
        .assert_problem(409, "already-exists", "a key");
}

#[tokio::test]
async fn artifacts_say_where_they_are_to_those_who_may_see_the_collection() {
    let site = Site::new().await;
    let file = site.put("runs/7/a%20b.csv", b"1", &[]).await.json();
    let path = format!("/artifacts/{}", file["id"].as_str().unwrap());
    let other = site.community.register(HOME).await;
    let grant = json!({ "worker": other.principal }).to_string();
    let grants = format!("{path}/grants");
    let community = &site.community;
    let granted = community.manage_in(HOME, Method::POST, &grants, &site.owner, grant);
    assert_eq!(granted.await.status, 201);
    let id = site.path.rsplit('/').next().unwrap();
    let expected = [json!(id), json!("runs/7/a b.csv")];
    let admin = Member::admin();
    for (who, expected) in [
        (&site.owner, &expected),
        (&admin, &expected),
        (&other, &[Value::Null, Value::Null]),
    ] {
        let info = community.manage(Method::GET, &path, who).await.json();
        assert_eq!([&info["collection"], &info["path"]], expected.each_ref());
    }
    let dry = format!("{path}?dry_run=true");
    let removal = community.manage(Method::DELETE, &dry, &site.owner).await;
    assert_eq!(removal.json()["path"], expected[1]);
    let listed = community
        .manage(Method::GET, "/artifacts", &admin)
        .await
        .json();
    assert_eq!(listed["artifacts"][0]["collection"], expected[0]);
}

#[tokio::test]
async fn names_that_are_none_are_refused_with_every_method() {
    let site = Site::new().await;
    for name in [
        "..",
        "%2e%2e",
        "a/../b",
        "a/%2E%2e/b",
        "a//b",
        "a/",
        "%2Fa",
        "a%2Fb",
        "a%5Cb",
        "a%00",
        "a%0d%0ab",
        "a%7f",
        "%ff",
        "a%",
        "a%zz",
        ".",
        "./a",
    ] {
        for method in [Method::PUT, Method::GET, Method::HEAD, Method::DELETE] {
            let path = format!("/v1/experiments/{HOME}{}/files/{name}", site.path);
            let request = Request::builder().method(method.clone()).uri(&path);
            let request = request.header("authorization", site.owner.authorization());
            let reply = site
                .community
                .send(request.body(Body::from("x")).unwrap())
                .await;
            assert_eq!(reply.status, 400, "{method} {name}: {}", reply.text());
            if method != Method::HEAD {
                reply.assert_problem(400, "bad-request", name);
            }
        }
    }
    // One decoding only: these are ordinary names.
    for name in ["%252e%252e", "%252F", "a+b", "%C3%A9/%F0%9F%A6%80", "..%20"] {
        assert_eq!(site.put(name, b"1", &[]).await.status, 201, "{name}");
        assert_eq!(
            site.ask(Method::GET, &format!("/files/{name}"))
                .await
                .status,
            200,
            "{name}"
        );
    }
    let listed = site.ask(Method::GET, "/files").await.json();
    let names: Vec<_> = listed["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["name"].clone())
        .collect();
    assert_eq!(names, ["%2F", "%2e%2e", ".. ", "a+b", "\u{e9}/\u{1f980}"]);
    site.ask(Method::GET, "/files/")
        .await
        .assert_problem(404, "not-found", "no name");
}

#[tokio::test]
async fn a_collection_is_described_listed_and_deleted() {
    let site = Site::new().await;
    let titled = site.community.manage_in(
        HOME,
        Method::POST,
        "/collections",
        &site.owner,
        "{\"title\":\"T\"}",
    );
    let titled = titled.await.json();
    site.put("a", b"12", &[]).await;
    let found = site.ask(Method::GET, "").await.json();
    let expected = json!({
        "id": site.path.rsplit('/').next().unwrap(),
        "experiment": HOME,
        "created_by": site.owner.principal,
        "title": null,
        "created_at": found["created_at"],
        "sealed_at": null,
        "state": "open",
        "files": 1,
        "size_bytes": 2,
    });
    assert_eq!(found, expected);
    let list = async |query: &str, who: &Member| {
        let path = format!("/collections{query}");
        site.community.manage(Method::GET, &path, who).await
    };
    let page = list("?limit=1", &site.owner).await.json();
    assert_eq!(page["collections"], json!([found]));
    let next = page["next"].as_str().unwrap();
    let page = list(&format!("?limit=2&after={next}"), &site.owner)
        .await
        .json();
    assert_eq!(page, json!({ "collections": [titled], "next": null }));
    let stranger = site.community.register(HOME).await;
    assert_eq!(list("", &stranger).await.json()["collections"], json!([]));
    let others = list(&format!("?created_by={}", site.owner.principal), &stranger).await;
    others.assert_problem(403, "forbidden", "the collections of others");
    let all = list("", &Member::admin()).await.json();
    assert_eq!(all["collections"].as_array().unwrap().len(), 2);
    for bad in [
        "?after=1",
        "?after=1.col_x",
        "?limit=0",
        "?x=1",
        "?created_by=",
        "?limit=1&limit=1",
    ] {
        list(bad, &site.owner)
            .await
            .assert_problem(400, "bad-request", bad);
    }
    for bad in ["{\"title\":null}", "{\"title\":1}", "{\"x\":1}", "[]"] {
        let reply = site
            .community
            .manage_in(HOME, Method::POST, "/collections", &site.owner, bad);
        reply.await.assert_problem(400, "bad-request", bad);
    }
    let bad = site.community.manage_in(
        HOME,
        Method::POST,
        "/collections",
        &site.owner,
        "{\"title\":\" \"}",
    );
    bad.await
        .assert_problem(422, "invalid-name", "a blank title");
    assert_eq!(site.ask(Method::DELETE, "").await.status, 204);
    site.ask(Method::GET, "")
        .await
        .assert_problem(404, "not-found", "deleted");
    site.ask(Method::GET, "/files/a")
        .await
        .assert_problem(404, "not-found", "deleted");
}

#[tokio::test]
async fn files_are_listed_by_folder_and_page() {
    let site = Site::new().await;
    for name in ["a", "b/1", "b/2", "b/c/3", "b-", "c/d"] {
        site.put(name, b"1", &[]).await;
    }
    let list = async |query: &str| site.ask(Method::GET, &format!("/files{query}")).await;
    let entries = |page: &Value| {
        let files = page["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| file["name"].clone());
        let mut all: Vec<_> = files
            .chain(page["folders"].as_array().unwrap().clone())
            .collect();
        all.sort_by_key(|name| name.as_str().unwrap().to_owned());
        all
    };
    let page = list("?delimiter=/").await.json();
    assert_eq!(entries(&page), ["a", "b-", "b/", "c/"]);
    assert_eq!(page["next"], Value::Null);
    assert_eq!(
        entries(&list("?prefix=b/&delimiter=/").await.json()),
        ["b/1", "b/2", "b/c/"]
    );
    assert_eq!(
        entries(&list("?prefix=b").await.json()),
        ["b-", "b/1", "b/2", "b/c/3"]
    );
    let (mut found, mut query) = (Vec::new(), "?delimiter=/&limit=1".to_owned());
    loop {
        let page = list(&query).await.json();
        found.extend(entries(&page));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        query = format!("?delimiter=%2F&limit=1&after={next}");
    }
    assert_eq!(found, ["a", "b-", "b/", "c/"]);
    for bad in [
        "?delimiter=,",
        "?delimiter=",
        "?prefix=%00",
        "?prefix=%0A",
        "?after=..",
        "?after=",
        "?cursor=a",
        "?limit=1001",
    ] {
        list(bad).await.assert_problem(400, "bad-request", bad);
    }
}

#[tokio::test]
async fn a_sealed_collection_is_final_and_has_a_manifest() {
    let site = Site::new().await;
    site.put("b", b"2", &[]).await;
    let file = site.put("a/1", b"1", &[]).await.json();
    site.put("gone", b"3", &[]).await;
    assert_eq!(site.ask(Method::DELETE, "/files/gone").await.status, 204);
    site.ask(Method::DELETE, "/files/gone")
        .await
        .assert_problem(404, "not-found", "gone");
    site.ask(Method::GET, "/manifest")
        .await
        .assert_problem(404, "not-found", "open");
    let sealed = site.ask(Method::POST, "/seal").await;
    assert_eq!(sealed.status, 200, "{}", sealed.text());
    let manifest = sealed.json();
    assert_eq!(manifest["collection"]["state"], "sealed");
    let names: Vec<_> = manifest["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| &file["name"])
        .collect();
    assert_eq!(names, ["a/1", "b"]);
    assert_eq!(manifest["files"][0], file);
    let lines = format!("{}  a/1\n{}  b\n", digest(b"1"), digest(b"2"));
    let total = json!({ "files": 2, "size_bytes": 2, "sha256": digest(lines.as_bytes()) });
    assert_eq!(manifest["total"], total);
    for again in [
        site.ask(Method::POST, "/seal").await,
        site.ask(Method::GET, "/manifest").await,
    ] {
        assert_eq!(again.json(), manifest);
    }
    site.put("c", b"3", &[])
        .await
        .assert_problem(409, "sealed", "a new name");
    site.ask(Method::DELETE, "/files/b")
        .await
        .assert_problem(409, "sealed", "a file");
    let artifact = format!("/artifacts/{}", file["id"].as_str().unwrap());
    for who in [&site.owner, &Member::admin()] {
        for query in ["", "?dry_run=true"] {
            let path = format!("{artifact}{query}");
            let reply = site.community.manage(Method::DELETE, &path, who).await;
            reply.assert_problem(409, "sealed", &path);
        }
    }
    assert_eq!(site.ask(Method::GET, "/files/b").await.text(), "2");
}

#[tokio::test]
async fn a_long_manifest_is_sent_in_parts() {
    let site = Site::new().await;
    for number in 0..1_100 {
        assert_eq!(
            site.put(&format!("{number:04}"), b"1", &[]).await.status,
            201
        );
    }
    let sealed = site.ask(Method::POST, "/seal").await;
    assert!(!sealed.headers.contains_key("content-length"));
    let manifest = sealed.json();
    assert_eq!(manifest["files"].as_array().unwrap().len(), 1_100);
    assert_eq!(manifest["files"][1_099]["name"], "1099");
    let lines = (0..1_100).map(|number| format!("{}  {number:04}\n", digest(b"1")));
    let lines = lines.collect::<Vec<_>>().concat();
    assert_eq!(manifest["total"]["sha256"], digest(lines.as_bytes()));
}

#[tokio::test]
async fn a_held_file_prevents_its_deletion_and_that_of_the_collection() {
    let site = Site::new().await;
    let file = site.put("a", b"1", &[]).await.json();
    let hold = format!("/artifacts/{}/hold", file["id"].as_str().unwrap());
    let placed = site
        .community
        .manage(Method::PUT, &hold, &Member::admin())
        .await;
    assert_eq!(placed.status, 204);
    site.ask(Method::DELETE, "/files/a")
        .await
        .assert_problem(409, "held", "a file");
    site.ask(Method::DELETE, "")
        .await
        .assert_problem(409, "held", "the collection");
    assert_eq!(site.ask(Method::GET, "").await.json()["state"], "open");
}

#[tokio::test]
async fn a_router_without_collections_has_no_such_paths() {
    let site = crate::support::Site::new().await;
    let config = artifact_http::HttpConfig::default().with_management(site.managed());
    let document: Value = serde_json::from_str(&artifact_http::openapi_of(&config, true)).unwrap();
    for endpoint in endpoints() {
        let is_there = document["paths"].get(endpoint.path).is_some();
        let is_expected = !endpoint.needs_collections()
            && !endpoint.needs_sharing()
            && !endpoint.needs_receipts();
        assert_eq!(is_there, is_expected, "{}", endpoint.path);
    }
}

#[tokio::test]
async fn a_part_of_a_file_gets_no_name() {
    let site = Site::new().await;
    for field in [
        ("upload-complete", "?0"),
        ("upload-complete", "0"),
        ("upload-incomplete", "?1"),
    ] {
        let reply = site.put("a", b"x", &[field]).await;
        reply.assert_problem(400, "bad-request", &format!("{field:?}"));
    }
    let reply = site.put("a", b"x", &[("upload-complete", "?1")]).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
}
