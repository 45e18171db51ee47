//! The endpoints of management: list, read, delete, hold, usage and retention.

use artifact_backend::{ArtifactBackend, ArtifactId};
use artifact_http::{BasePath, HttpConfig};
use artifact_store::{Database, MemoryDatabase, Timestamp};
use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::{Community, ELSEWHERE, FILE, HOME, Member, Reply};

fn id_of(uri: &str) -> &str {
    uri.rsplit('/').next().unwrap()
}

fn path_of(uri: &str) -> String {
    format!("/artifacts/{}", id_of(uri))
}

fn file(name: &str, content_type: &str) -> String {
    format!(
        "Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {content_type}\r\n"
    )
}

fn uris(page: &Value) -> Vec<String> {
    let artifacts = page["artifacts"].as_array().unwrap().iter();
    artifacts
        .map(|artifact| artifact["artifacts_uri"].as_str().unwrap().to_owned())
        .collect()
}

async fn list(community: &Community, query: &str, who: &Member) -> Value {
    let reply = community
        .manage(Method::GET, &format!("/artifacts{query}"), who)
        .await;
    assert_eq!(reply.status, 200, "{query}: {}", reply.text());
    reply.json()
}

/// Reads all pages. Calls `between` after each page that is not the last one.
async fn walk(
    community: &Community,
    limit: u32,
    who: &Member,
    mut between: impl AsyncFnMut(),
) -> Vec<String> {
    let mut all = Vec::new();
    let mut query = format!("?limit={limit}");
    loop {
        let page = list(community, &query, who).await;
        let found = uris(&page);
        assert!(found.len() <= limit as usize);
        all.extend(found);
        let Some(next) = page["next"].as_str() else {
            assert_eq!(page["next"], Value::Null);
            return all;
        };
        query = format!("?limit={limit}&after={next}");
        between().await;
    }
}

fn bare_get(path: &str) -> Request<Body> {
    Request::builder().uri(path).body(Body::empty()).unwrap()
}

fn detail(reply: &Reply) -> String {
    reply.json()["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_artifact_is_described_with_all_that_is_recorded() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let before = Timestamp::now();
    let uri = community
        .put_file(
            &worker,
            &file("a b.txt", "text/plain; charset=utf-8"),
            b"hello",
            &[],
        )
        .await;
    let reply = community.manage(Method::GET, &path_of(&uri), &worker).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("content-type"),
        "application/json; charset=utf-8"
    );
    assert_eq!(reply.header("cache-control"), "no-store");
    let mut found = reply.json();
    let created: Timestamp = found["created_at"].as_str().unwrap().parse().unwrap();
    assert!(created.as_second() >= before.as_second());
    let expected = json!({
        "artifacts_uri": uri,
        "id": id_of(&uri),
        "experiment": HOME,
        "size_bytes": 5,
        "content_type": "text/plain; charset=utf-8",
        "file_name": "a b.txt",
        "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        "created_by": worker.principal,
        "created_at": found["created_at"],
        "expires_at": null,
        "hold": null,
    });
    assert_eq!(found, expected);
    // A list has the same members, apart from the hold.
    let page = list(&community, "", &worker).await;
    found.as_object_mut().unwrap().remove("hold");
    assert_eq!(
        page,
        json!({ "artifacts": [found], "unreadable": 0, "next": null })
    );
    let head = community
        .manage(Method::HEAD, &path_of(&uri), &worker)
        .await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), reply.body.len().to_string());
}

#[tokio::test]
async fn pages_have_every_artifact_once_while_deposits_go_on() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let mut deposited = Vec::new();
    for _ in 0..25 {
        deposited.push(community.put(&worker).await);
    }
    for limit in [1, 7, 24, 25, 26, 1000] {
        let all = walk(&community, limit, &worker, async || {}).await;
        assert_eq!(all, deposited, "pages of {limit}");
    }
    let mut more = Vec::new();
    let all = walk(&community, 10, &worker, async || {
        if more.len() < 12 {
            for _ in 0..4 {
                more.push(community.put(&worker).await);
            }
        }
    })
    .await;
    assert_eq!(all[..25], deposited);
    assert_eq!(all[25..], more[..all.len() - 25]);

    // An artifact that is removed between two pages is on one of them or on none.
    let mut rest = deposited.iter().rev();
    let all = walk(&community, 5, &worker, async || {
        if let Some(uri) = rest.next() {
            let reply = community
                .manage(Method::DELETE, &path_of(uri), &worker)
                .await;
            assert_eq!(reply.status, 204);
        }
    })
    .await;
    let expected: Vec<_> = deposited.iter().chain(&more).collect();
    assert!(all.iter().all(|uri| expected.contains(&uri)));
    assert_eq!(all[..5], deposited[..5]);
}

#[tokio::test]
async fn a_page_has_100_artifacts_by_default() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    for _ in 0..101 {
        community.put(&worker).await;
    }
    let page = list(&community, "", &worker).await;
    assert_eq!(uris(&page).len(), 100);
    let next = page["next"].as_str().unwrap();
    let page = list(&community, &format!("?after={next}"), &worker).await;
    assert_eq!((uris(&page).len(), &page["next"]), (1, &Value::Null));
    assert_eq!(
        uris(&list(&community, "?limit=1000", &worker).await).len(),
        101
    );
}

#[tokio::test]
async fn filters_select_artifacts() {
    let community = Community::new().await;
    let (one, other) = (
        community.register(HOME).await,
        community.register(HOME).await,
    );
    let admin = Member::admin();
    let mut deposited = Vec::new();
    for (who, name, content_type, bytes) in [
        (&one, "a.txt", "text/plain; charset=utf-8", &b"1"[..]),
        (&one, "b.PNG", "image/png", b"12345"),
        (&other, "c+d.jpg", "IMAGE/JPEG", b"1234567890"),
        (&admin, "e f.bin", "application/x", b""),
    ] {
        deposited.push(
            community
                .put_file(who, &file(name, content_type), bytes, &[])
                .await,
        );
    }
    let times: Vec<_> = list(&community, "", &admin).await["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|artifact| artifact["created_at"].as_str().unwrap().to_owned())
        .collect();
    let by = |who: &Member| format!("?created_by={}", who.principal);
    for (query, expected) in [
        (String::new(), &[0, 1, 2, 3][..]),
        ("?".to_owned(), &[0, 1, 2, 3]),
        (by(&one), &[0, 1]),
        (by(&other), &[2]),
        (by(&admin), &[3]),
        ("?min_size=5".to_owned(), &[1, 2]),
        ("?max_size=5".to_owned(), &[0, 1, 3]),
        ("?min_size=5&max_size=5".to_owned(), &[1]),
        ("?min_size=6&max_size=5".to_owned(), &[]),
        ("?content_type=text/plain".to_owned(), &[0]),
        ("?content_type=image%2F*".to_owned(), &[1, 2]),
        ("?content_type=Image/Png".to_owned(), &[1]),
        ("?name=.PNG".to_owned(), &[1]),
        ("?name=c%2Bd".to_owned(), &[2]),
        ("?name=e+f".to_owned(), &[3]),
        ("?name=absent".to_owned(), &[]),
        (format!("?created_from={}", times[2]), &[2, 3]),
        (format!("?created_before={}", times[2]), &[0, 1]),
        (
            format!("?created_from={}&created_before={}", times[1], times[2]),
            &[1],
        ),
        (
            "?created_from=2000-01-01T00:00:00%2B01:00".to_owned(),
            &[0, 1, 2, 3],
        ),
        (format!("{}&min_size=2&name=b", by(&one)), &[1]),
    ] {
        let found = uris(&list(&community, &query, &admin).await);
        let expected: Vec<_> = expected.iter().map(|at| deposited[*at].clone()).collect();
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test]
async fn malformed_parameters_are_named_in_the_problem() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let uri = community.put(&worker).await;
    for (query, name) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=", "limit"),
        ("limit", "limit"),
        ("limit=%2B1", "limit"),
        ("limit=ten", "limit"),
        ("limit=1&limit=1", "limit"),
        ("after=x", "after"),
        ("after=-1", "after"),
        ("after=9223372036854775808", "after"),
        ("created_by=", "created_by"),
        ("created_by=wkr_x", "created_by"),
        ("created_from=yesterday", "created_from"),
        ("created_before=2026-01-02", "created_before"),
        ("min_size=1KiB", "min_size"),
        ("max_size=-1", "max_size"),
        ("max_size=1.5", "max_size"),
        ("content_type=text", "content_type"),
        ("content_type=text/plain;charset=utf-8", "content_type"),
        ("content_type=/", "content_type"),
        ("name=", "name"),
        ("name=%FF", "name"),
        ("name=a&name=b", "name"),
        ("uri=x", "uri"),
        ("Limit=1", "Limit"),
        ("limit=1&x", "x"),
    ] {
        let reply = community
            .manage(Method::GET, &format!("/artifacts?{query}"), &worker)
            .await;
        reply.assert_problem(400, "bad-request", query);
        assert!(
            detail(&reply).contains(&format!("`{name}`")),
            "{query}: {}",
            reply.text()
        );
    }
    let long = format!("name={}", "x".repeat(256));
    let reply = community
        .manage(Method::GET, &format!("/artifacts?{long}"), &worker)
        .await;
    reply.assert_problem(400, "bad-request", "a long name");
    // The others have no parameters.
    let admin = Member::admin();
    let artifact = path_of(&uri);
    for (method, path) in [
        (Method::GET, artifact.clone()),
        (Method::DELETE, artifact.clone()),
        (Method::PUT, format!("{artifact}/hold")),
        (Method::DELETE, format!("{artifact}/hold")),
        (Method::GET, "/usage".to_owned()),
        (Method::GET, "/retention".to_owned()),
        (Method::PUT, "/retention".to_owned()),
    ] {
        let reply = community
            .manage(method, &format!("{path}?force=1"), &admin)
            .await;
        reply.assert_problem(400, "bad-request", &path);
        assert!(detail(&reply).contains("`force`"), "{}", reply.text());
    }
    assert_eq!(
        community
            .manage(Method::GET, &artifact, &worker)
            .await
            .json()["hold"],
        Value::Null
    );
}

#[tokio::test]
async fn only_administrators_see_what_others_deposited() {
    let community = Community::new().await;
    let (one, other) = (
        community.register(HOME).await,
        community.register(HOME).await,
    );
    let member = community.register(HOME).await;
    let foreigner = community.register(ELSEWHERE).await;
    let admins = community.founding(HOME, "admins").await;
    community.add(HOME, &admins, &member.principal).await;
    let own = community.put(&one).await;
    let theirs = community.put(&other).await;
    community.put(&foreigner).await;
    assert_eq!(
        uris(&list(&community, "", &one).await),
        std::slice::from_ref(&own)
    );
    for who in [&member, &Member::admin()] {
        assert_eq!(
            uris(&list(&community, "", who).await),
            [own.clone(), theirs.clone()]
        );
    }
    let by = format!("/artifacts?created_by={}", other.principal);
    let reply = community.manage(Method::GET, &by, &one).await;
    reply.assert_problem(403, "forbidden", "another depositor");
    assert_eq!(
        detail(&reply),
        "only administrators may list what others deposited"
    );
    let found = uris(&community.manage(Method::GET, &by, &member).await.json());
    assert_eq!(found, [theirs]);

    let usage = async |who: &Member| community.manage(Method::GET, "/usage", who).await.json();
    let of = |who: &Member| json!({ "created_by": who.principal, "artifacts": 1, "bytes": 1 });
    let mut both = [of(&one), of(&other)];
    both.sort_by_key(|usage| usage["created_by"].as_str().unwrap().to_owned());
    for who in [&member, &Member::admin()] {
        let all = json!({ "artifacts": 2, "bytes": 2, "principals": both });
        assert_eq!(usage(who).await, all);
    }
    let mine = json!({ "artifacts": 1, "bytes": 1, "principals": [of(&one)] });
    assert_eq!(usage(&one).await, mine);
}

#[tokio::test]
async fn a_deleted_artifact_is_gone_for_every_operation() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let uri = community.put(&worker).await;
    // It is in the caches of rows and of header fields.
    assert_eq!(community.fetch(&worker, &uri).await, 200);
    let reply = community
        .manage(Method::DELETE, &path_of(&uri), &worker)
        .await;
    assert_eq!((reply.status.as_u16(), reply.body.len()), (204, 0));
    assert_eq!(community.fetch(&worker, &uri).await, 404);
    for method in [Method::GET, Method::HEAD, Method::DELETE] {
        let reply = community.manage(method, &path_of(&uri), &worker).await;
        assert_eq!(reply.status, 404);
    }
    let hold = format!("{}/hold", path_of(&uri));
    for method in [Method::PUT, Method::DELETE] {
        let reply = community.manage(method, &hold, &Member::admin()).await;
        reply.assert_problem(404, "not-found", &hold);
    }
    assert_eq!(uris(&list(&community, "", &worker).await), [""; 0]);
    let id: ArtifactId = id_of(&uri).parse().unwrap();
    let error = community.backend.load(id).await.unwrap_err();
    assert_eq!(error.kind(), artifact_backend::ErrorKind::NotFound);
}

#[tokio::test]
async fn the_path_must_name_the_experiment_of_the_artifact() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let path = path_of(&community.put(&worker).await);
    let admin = Member::admin();
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::PUT, format!("{path}/hold")),
        (Method::DELETE, format!("{path}/hold")),
    ] {
        let reply = community
            .manage_in(ELSEWHERE, method, &path, &admin, Body::empty())
            .await;
        reply.assert_problem(404, "not-found", &path);
    }
    assert_eq!(
        community.manage(Method::GET, &path, &worker).await.status,
        200
    );
}

#[tokio::test]
async fn a_held_artifact_is_not_deleted() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let admin = Member::admin();
    let path = path_of(&community.put(&worker).await);
    let hold = format!("{path}/hold");
    for _ in 0..2 {
        let reply = community.manage(Method::PUT, &hold, &admin).await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (204, 0));
    }
    let info = community.manage(Method::GET, &path, &worker).await.json();
    assert_eq!(info["hold"]["placed_by"], "admin");
    let placed = info["hold"]["placed_at"].as_str().unwrap().to_owned();
    placed.parse::<Timestamp>().unwrap();
    for who in [&worker, &admin] {
        let reply = community.manage(Method::DELETE, &path, who).await;
        reply.assert_problem(409, "held", "a hold is there");
    }
    community.manage(Method::PUT, &hold, &admin).await;
    let info = community.manage(Method::GET, &path, &worker).await.json();
    assert_eq!(info["hold"]["placed_at"], placed.as_str());
    for _ in 0..2 {
        assert_eq!(
            community.manage(Method::DELETE, &hold, &admin).await.status,
            204
        );
    }
    let info = community.manage(Method::GET, &path, &worker).await.json();
    assert_eq!(info["hold"], Value::Null);
    assert_eq!(
        community
            .manage(Method::DELETE, &path, &worker)
            .await
            .status,
        204
    );
}

#[tokio::test]
async fn retention_is_set_and_read() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let admin = Member::admin();
    let read = async || {
        community
            .manage(Method::GET, "/retention", &worker)
            .await
            .json()
    };
    let set = async |body: &str| {
        let body = body.to_owned();
        community
            .manage_in(HOME, Method::PUT, "/retention", &admin, body)
            .await
    };
    assert_eq!(read().await, json!({ "keep_seconds": null }));
    for keep in ["1", "2592000", "3153600000", "null"] {
        let reply = set(&format!("{{\"keep_seconds\":{keep}}}")).await;
        assert_eq!(reply.status, 204, "{keep}: {}", reply.text());
        let expected: Value = serde_json::from_str(keep).unwrap();
        assert_eq!(read().await, json!({ "keep_seconds": expected }));
    }
    set("{\"keep_seconds\":60}").await;
    for body in [
        "",
        "{}",
        "null",
        "{\"keep_seconds\":0}",
        "{\"keep_seconds\":-1}",
        "{\"keep_seconds\":1.5}",
        "{\"keep_seconds\":3153600001}",
        "{\"keep_seconds\":\"60\"}",
        "{\"keep_seconds\":60,\"keep_seconds\":60}",
        "{\"keep_seconds\":60,\"more\":1}",
        "60",
    ] {
        set(body).await.assert_problem(400, "bad-request", body);
    }
    assert_eq!(read().await, json!({ "keep_seconds": 60 }));
    let elsewhere = community
        .manage_in(ELSEWHERE, Method::GET, "/retention", &admin, "")
        .await;
    assert_eq!(elsewhere.json(), json!({ "keep_seconds": null }));
}

#[tokio::test]
async fn a_deposit_can_say_how_long_it_is_kept() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    for seconds in [1, 604_800, 3_153_600_000_i64] {
        let text = seconds.to_string();
        let field = [("artifact-expires-in", &*text)];
        let uri = community.put_file(&worker, FILE, b"x", &field).await;
        let info = community
            .manage(Method::GET, &path_of(&uri), &worker)
            .await
            .json();
        let time = |member: &str| -> Timestamp { info[member].as_str().unwrap().parse().unwrap() };
        let kept = time("expires_at").as_microsecond() - time("created_at").as_microsecond();
        assert_eq!(kept, seconds * 1_000_000);
    }
    let before = uris(&list(&community, "", &worker).await);
    for value in [
        "",
        "0",
        "-1",
        "+1",
        "1.5",
        "7d",
        " ",
        "3153600001",
        "99999999999999999999",
    ] {
        let field = [("artifact-expires-in", value)];
        let reply = community.deposit(&worker, FILE, b"x", &field).await;
        reply.assert_problem(400, "bad-request", value);
        assert!(
            detail(&reply).contains("Artifact-Expires-In"),
            "{}",
            reply.text()
        );
    }
    let twice = [("artifact-expires-in", "1"), ("artifact-expires-in", "1")];
    let reply = community.deposit(&worker, FILE, b"x", &twice).await;
    reply.assert_problem(400, "bad-request", "two fields");
    assert_eq!(uris(&list(&community, "", &worker).await), before);
}

#[tokio::test]
async fn the_experiment_header_may_be_left_out_but_not_be_wrong() {
    let community = Community::new().await;
    let admin = Member::admin();
    let ask = async |path: &str, headers: &[&str]| {
        let mut request = Request::builder()
            .uri(path)
            .header("authorization", admin.authorization());
        for value in headers {
            request = request.header("x-eden-experiment-id", *value);
        }
        community.send(request.body(Body::empty()).unwrap()).await
    };
    let path = "/v1/experiments/demo/usage";
    for headers in [&[][..], &["demo"]] {
        assert_eq!(ask(path, headers).await.status, 200, "{headers:?}");
    }
    for headers in [&["other"][..], &["Demo"], &[""], &["demo", "demo"]] {
        let reply = ask(path, headers).await;
        reply.assert_problem(400, "experiment-id-mismatch", path);
    }
    // The order of checks is that of /v0: credential, experiment, route, method.
    let reply = ask("/v1/experiments/absent/nothing", &[]).await;
    reply.assert_problem(400, "experiment-id-mismatch", "absent");
    for path in [
        "/v1/",
        "/v1/x",
        "/v1/experiments/",
        "/v1/experiments/demo",
        "/v1/experiments/demo/",
        "/v1/experiments/demo/usage/",
        "/v1/experiments/demo/workers",
        "/v1//experiments/demo/usage",
        "/v1/experiments/demo/%75sage",
    ] {
        let reply = ask(path, &[]).await;
        reply.assert_problem(404, "not-found", path);
        let anonymous = community.send(bare_get(path)).await;
        anonymous.assert_problem(401, "unauthorized", path);
    }
    for path in [
        "/v1",
        "/v2/experiments/demo/usage",
        "/V1/experiments/demo/usage",
    ] {
        community
            .send(bare_get(path))
            .await
            .assert_problem(404, "not-found", path);
    }
    // /v0 still needs the header, and does not have these paths.
    let reply = ask("/v0/experiments/demo/usage", &[]).await;
    reply.assert_problem(400, "experiment-id-mismatch", "/v0");
    let reply = ask("/v0/experiments/demo/usage", &["demo"]).await;
    reply.assert_problem(404, "not-found", "/v0");
}

#[tokio::test]
async fn a_405_lists_the_methods_of_the_path() {
    let community = Community::new().await;
    let admin = Member::admin();
    let artifact = format!("/artifacts/{}", "0".repeat(32));
    for (path, allow) in [
        ("/artifacts", "GET, HEAD, POST"),
        (&*artifact, "GET, HEAD, DELETE"),
        (&*format!("{artifact}/content"), "GET, HEAD"),
        (&*format!("{artifact}/hold"), "PUT, DELETE"),
        ("/usage", "GET, HEAD"),
        ("/retention", "GET, HEAD, PUT"),
    ] {
        for method in [Method::POST, Method::OPTIONS, Method::PATCH] {
            if allow.contains(method.as_str()) {
                continue;
            }
            let reply = community.manage(method, path, &admin).await;
            reply.assert_problem(405, "about:blank", path);
            assert_eq!(reply.header("allow"), allow, "{path}");
        }
    }
}

#[tokio::test]
async fn the_path_of_management_can_be_another_one() {
    let config = HttpConfig::default().with_management_path(BasePath::new("/admin/api").unwrap());
    let community = Community::with(Database::new(MemoryDatabase::new()), config).await;
    let admin = Member::admin();
    let get = async |path: &str| {
        let request = Request::builder()
            .uri(path)
            .header("authorization", admin.authorization())
            .header("x-eden-experiment-id", HOME);
        community.send(request.body(Body::empty()).unwrap()).await
    };
    assert_eq!(get("/admin/api/experiments/demo/usage").await.status, 200);
    assert_eq!(get("/v1/experiments/demo/usage").await.status, 404);
    assert_eq!(get("/v0/experiments/demo").await.status, 200);
    let document = get("/openapi.json").await.json();
    assert!(document["paths"]["/admin/api/experiments/{E}/usage"].is_object());
    assert!(document["paths"]["/v0/experiments/{E}/artifacts"].is_object());

    // Of two equal paths, the one of the other endpoints counts.
    let config = HttpConfig::default().with_management_path(BasePath::new("/v0").unwrap());
    let community = Community::with(Database::new(MemoryDatabase::new()), config).await;
    let reply = community.admin(Method::GET, "/usage", Body::empty()).await;
    reply.assert_problem(404, "not-found", "/v0");
    assert_eq!(
        community.admin(Method::GET, "", Body::empty()).await.status,
        200
    );
}
