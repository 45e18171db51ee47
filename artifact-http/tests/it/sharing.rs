//! Grants and links over HTTP.

use artifact_http::HttpConfig;
use artifact_store::{Database, LinkSecret, MemoryDatabase};
use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::{Community, FILE, HOME, Log, Member, Reply};

/// A deployment with a depositor, another worker, and an artifact of ten bytes.
struct Site {
    community: Community,
    owner: Member,
    other: Member,
    uri: String,
    id: String,
}

impl Site {
    async fn new() -> Self {
        Self::with(HttpConfig::default()).await
    }

    async fn with(config: HttpConfig) -> Self {
        let database = Database::new(MemoryDatabase::new());
        let community = Community::with(database, config).await;
        let (owner, other) = (
            community.register(HOME).await,
            community.register(HOME).await,
        );
        let uri = community.put_file(&owner, FILE, b"some bytes", &[]).await;
        let id = uri.rsplit('/').next().unwrap().to_owned();
        Self {
            community,
            owner,
            other,
            uri,
            id,
        }
    }

    async fn ask(&self, method: Method, rest: &str, body: Value) -> Reply {
        self.ask_as(&self.owner, method, rest, body).await
    }

    async fn ask_as(&self, who: &Member, method: Method, rest: &str, body: Value) -> Reply {
        let path = format!("/artifacts/{}{rest}", self.id);
        let body = match body {
            Value::Null => Body::empty(),
            body => Body::from(body.to_string()),
        };
        self.community
            .manage_in(HOME, method, &path, who, body)
            .await
    }

    async fn link(&self, body: Value) -> Value {
        let reply = self.ask(Method::POST, "/links", body).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()
    }

    /// Sends a request without a credential to the path of a URL.
    async fn open(&self, method: &str, url: &str, fields: &[(&str, &str)]) -> Reply {
        let path = url.strip_prefix("http://files.example").unwrap_or(url);
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.community
            .send(request.body(Body::empty()).unwrap())
            .await
    }
}

fn url(link: &Value) -> &str {
    link["url"].as_str().unwrap()
}

#[tokio::test]
async fn a_grant_counts_for_every_way_to_read_until_it_is_revoked() {
    let site = Site::new().await;
    let statuses = async || {
        let mut statuses = vec![site.community.fetch(&site.other, &site.uri).await];
        for rest in ["", "/content"] {
            for method in [Method::GET, Method::HEAD] {
                let reply = site.ask_as(&site.other, method, rest, Value::Null).await;
                statuses.push(reply.status.as_u16());
            }
        }
        statuses.dedup();
        statuses
    };
    assert_eq!(statuses().await, [403]);
    let new = json!({ "worker": site.other.principal });
    let reply = site.ask(Method::POST, "/grants", new).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let grant = reply.json();
    let id = grant["id"].as_str().unwrap();
    assert_eq!(
        reply.header("location"),
        format!("/v1/experiments/{HOME}/artifacts/{}/grants/{id}", site.id)
    );
    assert_eq!(grant["worker"], site.other.principal);
    assert_eq!(grant["created_by"], site.owner.principal);
    assert_eq!(grant["artifact"], site.id);
    assert_eq!(
        (&grant["group"], &grant["expires_at"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(statuses().await, [200]);

    let listed = site.ask(Method::GET, "/grants", Value::Null).await.json();
    assert_eq!(listed, json!({ "grants": [grant], "next": null }));
    let path = format!("/grants/{id}");
    let revoked = site.ask(Method::DELETE, &path, Value::Null).await;
    assert_eq!((revoked.status.as_u16(), revoked.body.len()), (204, 0));
    assert_eq!(statuses().await, [403]);
    let again = site.ask(Method::DELETE, &path, Value::Null).await;
    again.assert_problem(404, "not-found", "a grant that was revoked");
}

#[tokio::test]
async fn a_grantee_finds_no_other_right_and_no_entry_in_its_list() {
    let site = Site::new().await;
    let new = json!({ "worker": site.other.principal, "expires_in": 60 });
    let grant = site.ask(Method::POST, "/grants", new.clone()).await.json();
    assert!(grant["expires_at"].is_string());
    for (method, rest, body) in [
        (Method::DELETE, String::new(), Value::Null),
        (Method::POST, "/grants".to_owned(), new),
        (Method::GET, "/grants".to_owned(), Value::Null),
        (
            Method::POST,
            "/links".to_owned(),
            json!({ "expires_in": 1 }),
        ),
        (Method::GET, "/links".to_owned(), Value::Null),
        (
            Method::DELETE,
            format!("/grants/{}", grant["id"].as_str().unwrap()),
            Value::Null,
        ),
        (Method::PUT, "/hold".to_owned(), Value::Null),
    ] {
        let reply = site.ask_as(&site.other, method, &rest, body).await;
        reply.assert_problem(403, "forbidden", &rest);
    }
    let list = site
        .community
        .manage(Method::GET, "/artifacts", &site.other);
    assert_eq!(list.await.json()["artifacts"], json!([]));
}

#[tokio::test]
async fn malformed_grants_and_links_are_refused() {
    let site = Site::new().await;
    let worker = &site.other.principal;
    let group = site.community.group(HOME, &[worker]).await;
    for (rest, body) in [
        ("/grants", json!({})),
        ("/grants", json!({ "worker": worker, "group": group })),
        ("/grants", json!({ "worker": group })),
        ("/grants", json!({ "group": worker })),
        ("/grants", json!({ "worker": null })),
        ("/grants", json!({ "worker": worker, "until": 1 })),
        ("/grants", json!({ "worker": worker, "expires_in": 0 })),
        ("/grants", json!({ "worker": worker, "expires_in": "1d" })),
        (
            "/grants",
            json!({ "worker": worker, "expires_in": 3_153_600_001_u64 }),
        ),
        (
            "/grants",
            json!({ "worker": worker, "expires_at": "tomorrow" }),
        ),
        (
            "/grants",
            json!({ "worker": worker, "expires_at": "2020-01-01T00:00:00Z" }),
        ),
        (
            "/grants",
            json!({ "worker": worker, "expires_in": 9, "expires_at": "2999-01-01T00:00:00Z" }),
        ),
        ("/grants?x=1", json!({ "worker": worker })),
        ("/links", json!({})),
        ("/links", json!({ "expires_in": 0 })),
        ("/links", json!({ "expires_in": -1 })),
        ("/links", json!({ "expires_in": 60, "max_downloads": 0 })),
        (
            "/links",
            json!({ "expires_in": 60, "max_downloads": 4_294_967_296_u64 }),
        ),
        ("/links", json!({ "expires_in": 60, "max_downloads": null })),
        ("/links", json!({ "expires_in": 60, "secret": "x" })),
    ] {
        let reply = site.ask(Method::POST, rest, body.clone()).await;
        reply.assert_problem(400, "bad-request", &body.to_string());
    }
    for query in [
        "limit=0",
        "limit=1001",
        "after=x",
        "after=wkr_0",
        "limit=1&limit=1",
    ] {
        for rest in ["/grants", "/links"] {
            let path = format!("{rest}?{query}");
            let reply = site.ask(Method::GET, &path, Value::Null).await;
            reply.assert_problem(400, "bad-request", &path);
        }
    }
    let unknown = json!({ "worker": "wkr_0123456789abcdefghjkmnpqrs" });
    let reply = site.ask(Method::POST, "/grants", unknown).await;
    reply.assert_problem(404, "not-found", "an unknown worker");
    assert_eq!(reply.json()["detail"], "the worker does not exist");
    let listed = site.ask(Method::GET, "/grants", Value::Null).await.json();
    assert_eq!(listed["grants"], json!([]));
}

#[tokio::test]
async fn grants_and_links_are_listed_in_pages() {
    let site = Site::new().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let worker = site.community.register(HOME).await.principal;
        let grant = site.ask(Method::POST, "/grants", json!({ "worker": worker }));
        let grant = grant.await.json();
        ids.push(grant["id"].as_str().unwrap().to_owned());
        site.link(json!({ "expires_in": 60 })).await;
    }
    ids.sort();
    for (rest, member) in [("/grants", "grants"), ("/links", "links")] {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("{rest}?limit=2{after}");
            let page = site.ask(Method::GET, &path, Value::Null).await.json();
            let records = page[member].as_array().unwrap().clone();
            assert!(records.len() <= 2);
            found.extend(records);
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(found.len(), 5, "{member}");
        if member == "grants" {
            let found: Vec<_> = found
                .iter()
                .map(|grant| grant["id"].as_str().unwrap())
                .collect();
            assert_eq!(found, ids);
        }
        for record in &found {
            assert_eq!(record.get("url"), None, "a list has no secret");
        }
    }
}

#[tokio::test]
async fn a_link_fetches_without_a_credential_like_the_content_endpoint() {
    let site = Site::with(HttpConfig::default().with_public_url("http://files.example")).await;
    let link = site.link(json!({ "expires_in": 60 })).await;
    assert_eq!(link["created_by"], site.owner.principal);
    assert_eq!(
        (&link["max_downloads"], &link["downloads"]),
        (&Value::Null, &Value::Null)
    );
    let url = url(&link);
    let secret = url.strip_prefix("http://files.example/v1/links/").unwrap();
    assert!(secret.parse::<LinkSecret>().is_ok(), "{secret}");

    let content = site.ask(Method::GET, "/content", Value::Null).await;
    for credential in [None, Some("Bearer admin:wrong")] {
        let fields: Vec<_> = credential
            .iter()
            .map(|value| ("authorization", *value))
            .collect();
        let whole = site.open("GET", url, &fields).await;
        assert_eq!((whole.status.as_u16(), &*whole.text()), (200, "some bytes"));
        let mut headers = whole.headers.clone();
        assert_eq!(headers.remove("referrer-policy").unwrap(), "no-referrer");
        assert_eq!(headers, content.headers);
    }
    assert_eq!(content.header("cache-control"), "private, no-store");
    assert!(
        content
            .header("content-disposition")
            .starts_with("attachment")
    );
    assert_eq!(
        content.header("content-security-policy"),
        "default-src 'none'; sandbox"
    );

    let head = site.open("HEAD", url, &[]).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    let part = site.open("GET", url, &[("range", "bytes=5-7")]).await;
    assert_eq!((part.status.as_u16(), &*part.text()), (206, "byt"));
    let etag = content.header("etag");
    let same = site.open("GET", url, &[("if-none-match", etag)]).await;
    assert_eq!(same.status, 304);
    let failed = site.open("GET", url, &[("if-match", "\"x\"")]).await;
    failed.assert_problem(412, "about:blank", "If-Match");
    let outside = site.open("GET", url, &[("range", "bytes=10-")]).await;
    outside.assert_problem(416, "about:blank", "a range outside");
    let with_query = site.open("GET", &format!("{url}?x=1"), &[]).await;
    with_query.assert_problem(400, "bad-request", "a parameter");
    for method in ["PUT", "POST", "DELETE", "PATCH"] {
        let reply = site.open(method, url, &[]).await;
        reply.assert_problem(405, "about:blank", method);
        assert_eq!(reply.header("allow"), "GET, HEAD");
    }
}

#[tokio::test]
async fn only_answers_with_content_count_as_downloads() {
    let site = Site::new().await;
    let link = site
        .link(json!({ "expires_in": 60, "max_downloads": 3 }))
        .await;
    let path = url(&link).strip_prefix("http://localhost").unwrap();
    let downloads = async || {
        let listed = site.ask(Method::GET, "/links", Value::Null).await.json();
        listed["links"][0]["downloads"].as_u64()
    };
    let etag = site.ask(Method::HEAD, "/content", Value::Null).await;
    let etag = etag.header("etag").to_owned();
    for (method, fields, status, counted) in [
        ("HEAD", vec![], 200, 0),
        ("GET", vec![("if-none-match", &*etag)], 304, 0),
        ("GET", vec![("if-match", "\"x\"")], 412, 0),
        ("GET", vec![("range", "bytes=10-")], 416, 0),
        ("GET", vec![("range", "bytes=0-0")], 206, 1),
        ("GET", vec![], 200, 2),
    ] {
        let reply = site.open(method, path, &fields).await;
        assert_eq!(reply.status, status, "{method} {fields:?}");
        assert_eq!(downloads().await, Some(counted), "{method} {fields:?}");
    }
    assert_eq!(site.open("GET", path, &[]).await.status, 200);
    assert_eq!(downloads().await, None, "it is no longer listed");
    let etag = [("if-none-match", &*etag)];
    for (method, fields) in [("GET", &[][..]), ("HEAD", &[]), ("GET", &etag)] {
        assert_eq!(site.open(method, path, fields).await.status, 404);
    }
}

#[tokio::test]
async fn links_that_do_not_work_have_one_answer() {
    let site = Site::new().await;
    let used_up = site
        .link(json!({ "expires_in": 60, "max_downloads": 1 }))
        .await;
    let path = |link: &Value| {
        url(link)
            .strip_prefix("http://localhost")
            .unwrap()
            .to_owned()
    };
    assert_eq!(site.open("GET", &path(&used_up), &[]).await.status, 200);
    let revoked = site.link(json!({ "expires_in": 60 })).await;
    let rest = format!("/links/{}", revoked["id"].as_str().unwrap());
    let done = site.ask(Method::DELETE, &rest, Value::Null).await;
    assert_eq!(done.status, 204);
    let of_removed = site.link(json!({ "expires_in": 60 })).await;
    let of_removed_and_held = site.ask(Method::DELETE, "", Value::Null).await;
    assert_eq!(of_removed_and_held.status, 204);
    let mut answers = Vec::new();
    for path in [
        format!("/v1/links/{}", LinkSecret::mint().expose()),
        format!(
            "/v1/links/{}",
            revoked["id"].as_str().unwrap().to_uppercase()
        ),
        "/v1/links/x".to_owned(),
        path(&used_up),
        path(&revoked),
        path(&of_removed),
    ] {
        for method in ["GET", "HEAD"] {
            let reply = site.open(method, &path, &[]).await;
            assert_eq!(reply.status, 404, "{path}");
            if method == "GET" {
                reply.assert_problem(404, "not-found", &path);
                answers.push((reply.text(), format!("{:?}", reply.headers)));
            }
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(answers[0].0.contains("there is no such link"));
    assert!(answers[0].0.contains("/v1/links/secret"));
}

#[tokio::test]
async fn the_secret_of_a_link_is_neither_logged_nor_returned() {
    let log = Log::collect();
    let site = Site::new().await;
    let link = site.link(json!({ "expires_in": 60 })).await;
    let path = url(&link).strip_prefix("http://localhost").unwrap();
    let secret = path.rsplit('/').next().unwrap();
    let unknown = LinkSecret::mint().expose();
    for (method, fields) in [
        ("GET", vec![]),
        ("GET", vec![("if-match", "\"x\"")]),
        ("GET", vec![("range", "bytes=10-")]),
        ("PUT", vec![]),
    ] {
        let unknown = format!("/v1/links/{unknown}");
        for path in [path, &unknown, &format!("{path}?x=1"), &format!("{path}/x")] {
            let reply = site.open(method, path, &fields).await;
            let shown = format!("{} {:?}", reply.text(), reply.headers);
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    let text = log.text();
    assert!(!text.contains(secret) && !text.contains(&unknown), "{text}");
    assert!(text.contains("there is no such link"), "nothing was logged");
}

#[tokio::test]
async fn without_links_there_are_only_grants() {
    let site = Site::with(HttpConfig::default().without_links()).await;
    let new = json!({ "worker": site.other.principal });
    assert_eq!(site.ask(Method::POST, "/grants", new).await.status, 201);
    assert_eq!(site.community.fetch(&site.other, &site.uri).await, 200);
    for (method, body) in [
        (Method::POST, json!({ "expires_in": 60 })),
        (Method::GET, Value::Null),
    ] {
        let reply = site.ask(method, "/links", body).await;
        reply.assert_problem(404, "not-found", "no links");
    }
    let path = format!("/v1/links/{}", LinkSecret::mint().expose());
    let reply = site.open("GET", &path, &[]).await;
    reply.assert_problem(401, "unauthorized", "a path like any other");
}

/// Deletes and revocations on one server count on another one with its own caches.
#[tokio::test]
async fn another_server_on_the_database_applies_each_change_at_once() {
    let site = Site::new().await;
    let mut second = Community::on(site.community.database.clone()).await;
    second.backend = site.community.backend.clone();
    let new = json!({ "worker": site.other.principal });
    let forbidden = second.fetch(&site.other, &site.uri).await;
    assert_eq!(forbidden, 403);
    let grant = site.ask(Method::POST, "/grants", new).await.json();
    let path = format!("/artifacts/{}", site.id);
    let read = async || second.manage(Method::GET, &path, &site.other).await.status;
    assert_eq!(read().await, 200);
    let rest = format!("/grants/{}", grant["id"].as_str().unwrap());
    site.ask(Method::DELETE, &rest, Value::Null).await;
    assert_eq!(read().await, 403);
}
