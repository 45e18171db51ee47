//! Long lists: they are sent page by page, limited per principal, and cut visibly if they cannot be read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use artifact_http::HttpConfig;
use artifact_store::{
    Database, Group, GroupId, MemberId, MemoryDatabase, PrincipalId, Timestamp, Worker, WorkerId,
};
use axum::body::Body;
use futures_util::future::join_all;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;

use crate::support::{Community, GatedIdentities, HOME, Log, Member, Wire};

fn at(second: usize) -> Timestamp {
    Timestamp::from_second(2_000_000_000 + i64::try_from(second).unwrap()).unwrap()
}

/// Adds workers to the database, and returns their ids in the order of lists.
async fn add_workers(database: &Database, count: usize) -> Vec<String> {
    let hash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$x";
    let mut ids = Vec::new();
    for n in 0..count {
        let mut worker = Worker::new(
            WorkerId::mint(),
            HOME.parse().unwrap(),
            at(n),
            PrincipalId::Admin,
        );
        if n % 3 == 0 {
            worker = worker.with_name(Some("same \"name\"".parse().unwrap()));
        }
        database
            .identities
            .register_worker(&worker, &hash.parse().unwrap())
            .await
            .unwrap();
        ids.push(worker.id.to_string());
    }
    ids
}

fn members(count: usize) -> Vec<MemberId> {
    (0..count).map(|_| WorkerId::mint().into()).collect()
}

async fn add_group(database: &Database, second: usize, members: Vec<MemberId>) -> String {
    let home = HOME.parse().unwrap();
    let group = Group::new(GroupId::mint(), home, at(second), PrincipalId::Admin);
    let group = group.with_members(members);
    database.identities.create_group(&group).await.unwrap();
    group.id.to_string()
}

/// Returns the JSON of each record, joined to the answer that a server without pages gives.
async fn whole(community: &Community, list: &str, ids: &[String]) -> String {
    let mut records = Vec::new();
    for id in ids {
        let path = format!("/{list}/{id}");
        let reply = community.get(&path, &Member::admin()).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        records.push(reply.text());
    }
    format!("{{\"{list}\":[{}]}}", records.join(","))
}

fn gated(permits: usize) -> (Database, Arc<GatedIdentities>) {
    let mut database = Database::new(MemoryDatabase::new());
    let gated = GatedIdentities::new(Arc::clone(&database.identities), permits);
    database.identities = gated.clone();
    (database, gated)
}

#[tokio::test]
async fn the_bytes_of_a_list_do_not_show_its_pages() {
    let (database, gated) = gated(1_000);
    let community = Community::on(database).await;
    for count in [0, 1, 255, 1, 255, 256] {
        let mut ids = community.get("/workers", &Member::admin()).await.json()["workers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|worker| worker["worker_id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>();
        let more = add_workers(&community.database, count).await;
        // The times of the new ones begin again, so the whole order is that of the list itself.
        ids.extend(more);
        let before = gated.pages.load(Ordering::SeqCst);
        let reply = community.get("/workers", &Member::admin()).await;
        let pages = gated.pages.load(Ordering::SeqCst) - before;
        assert_eq!(pages, ids.len().div_ceil(256).max(1), "{}", ids.len());
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.header("content-type"),
            "application/json; charset=utf-8"
        );
        assert_eq!(reply.header("cache-control"), "no-store");
        let length = reply.text().len().to_string();
        let expected = if pages == 1 { &*length } else { "" };
        assert_eq!(reply.header("content-length"), expected);
        let mut order: Vec<_> = reply.json()["workers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|worker| worker["worker_id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(reply.text(), whole(&community, "workers", &order).await);
        order.sort();
        ids.sort();
        assert_eq!(order, ids);
    }
    let named = "/workers?name=same+%22name%22";
    let reply = community.get(named, &Member::admin()).await;
    assert_eq!(reply.json()["workers"].as_array().unwrap().len(), 258);
    for path in ["/workers?name=absent", "/workers?name=%00"] {
        let reply = community.get(path, &Member::admin()).await;
        assert_eq!(reply.text(), r#"{"workers":[]}"#);
        assert_eq!(reply.header("content-length"), "14");
    }
    let head = community
        .ask_in(
            HOME,
            Method::HEAD,
            "/workers",
            &Member::admin(),
            Body::empty(),
        )
        .await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), "");
}

#[tokio::test]
async fn groups_of_every_size_are_listed_whole() {
    let community = Community::new().await;
    let founding = community.get("/groups", &Member::admin()).await.json();
    let founding = founding["groups"].as_array().unwrap().iter();
    let mut ids: Vec<_> = founding
        .map(|group| group["group_id"].as_str().unwrap().to_owned())
        .collect();
    // Both founding groups have the same time, and the list orders them.
    for (n, count) in [0, 3, 5_000, 1, 1024, 0]
        .into_iter()
        .chain([7; 300])
        .enumerate()
    {
        ids.push(add_group(&community.database, n, members(count)).await);
    }
    let reply = community.get("/groups", &Member::admin()).await;
    assert_eq!(reply.header("content-length"), "");
    assert_eq!(reply.text(), whole(&community, "groups", &ids).await);
}

#[tokio::test]
async fn a_list_whose_first_page_cannot_be_read_is_a_problem() {
    let (database, gated) = gated(0);
    let community = Community::on(database).await;
    gated.gate.close();
    for path in ["/workers", "/groups", "/workers?name=a", "/groups?name=a"] {
        let reply = community.get(path, &Member::admin()).await;
        reply.assert_problem(503, "about:blank", path);
        assert_eq!(reply.header("retry-after"), "1");
    }
    // Nothing has this name, so nothing is read.
    let reply = community.get("/workers?name=%00", &Member::admin()).await;
    assert_eq!(reply.text(), r#"{"workers":[]}"#);
}

#[tokio::test]
async fn a_list_that_fails_in_the_middle_is_cut() {
    let log = Log::collect();
    let (database, gated) = gated(2);
    let community = Community::on(database).await;
    add_workers(&community.database, 1_000).await;
    let mut wire = Wire::new(community.router.clone()).await;
    wire.say(format!(
        "GET /v0/experiments/{HOME}/workers HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\n\
         X-Eden-Experiment-Id: {HOME}\r\n\r\n",
        Member::admin().authorization(),
    ))
    .await;
    let head = wire.head().await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(
        head.to_lowercase().contains("transfer-encoding: chunked"),
        "{head}"
    );
    gated.gate.close();
    // The server closes the connection without the last chunk, whose length is 0.
    let rest = wire.until_closed().await;
    let text = String::from_utf8_lossy(&rest);
    assert!(text.contains(r#"{"workers":["#));
    assert!(!text.ends_with("0\r\n\r\n"), "the framing is complete");
    assert!(!text.contains("]}"), "the JSON is complete");
    let text = log.text();
    assert!(
        text.contains("reading a list failed while it was sent"),
        "{text}"
    );
}

#[tokio::test]
async fn lists_of_one_worker_do_not_delay_another_worker() {
    let (database, gated) = gated(0);
    let config = HttpConfig::default()
        .with_max_lists(6)
        .with_max_lists_per_principal(4);
    let community = Community::with(database, config).await;
    let (busy, other) = (
        community.register(HOME).await,
        community.register(HOME).await,
    );
    add_workers(&community.database, 1_000).await;
    let list = |worker: &Member| {
        let (community, worker) = (community.clone(), worker.clone());
        tokio::spawn(async move { community.get("/workers", &worker).await })
    };
    let lists: Vec<_> = (0..512).map(|_| list(&busy)).collect();
    // Four lists wait for their first page; the others were refused.
    while gated.pages.load(Ordering::SeqCst) < 4
        || lists.iter().filter(|list| !list.is_finished()).count() > 4
    {
        tokio::task::yield_now().await;
    }
    // Nothing that the other worker does waits for them.
    assert_eq!(community.get("/whoami", &other).await.status, 200);
    let path = format!("/workers/{}", busy.principal);
    assert_eq!(community.get(&path, &other).await.status, 200);
    assert_eq!(community.get("/whoami", &busy).await.status, 200);
    let own: Vec<_> = (0..2).map(|_| list(&other)).collect();
    while gated.pages.load(Ordering::SeqCst) < 6 {
        tokio::task::yield_now().await;
    }
    let reply = community.get("/groups", &other).await;
    reply.assert_problem(503, "about:blank", "the total limit");
    assert_eq!(reply.header("retry-after"), "1");

    gated.gate.add_permits(100);
    let mut whole = None;
    let (mut answered, mut refused) = (0, 0);
    for reply in join_all(lists.into_iter().chain(own)).await {
        let reply = reply.unwrap();
        if reply.status == 429 {
            reply.assert_problem(429, "about:blank", "the limit of the worker");
            assert_eq!(reply.header("retry-after"), "1");
            refused += 1;
        } else {
            assert_eq!(reply.status, 200, "{}", reply.text());
            let workers = reply.json()["workers"].as_array().unwrap().len();
            assert_eq!(workers, 1_002);
            let text = whole.get_or_insert_with(|| reply.text());
            assert!(*text == reply.text());
            answered += 1;
        }
    }
    assert_eq!((answered, refused), (6, 508));
    // All permits were returned.
    for _ in 0..10 {
        assert_eq!(community.get("/workers", &busy).await.status, 200);
    }
}

/// Sends a request, and returns the response without reading its body.
async fn begin(community: &Community, path: &str) -> Response<Body> {
    let admin = Member::admin();
    let request = Request::builder()
        .uri(format!("/v0/experiments/{HOME}{path}"))
        .header("authorization", admin.authorization())
        .header("x-eden-experiment-id", HOME);
    let request = request.body(Body::empty()).unwrap();
    community.router.clone().oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_list_that_no_client_takes_counts_and_reads_no_further_page() {
    let (database, gated) = gated(1_000);
    let config = HttpConfig::default().with_max_lists(1);
    let community = Community::with(database, config).await;
    let admin = Member::admin();
    // One page of about 50 KB; then many pages.
    for count in [200, 2_000] {
        add_workers(&community.database, count).await;
        let before = gated.pages.load(Ordering::SeqCst);
        let response = begin(&community, "/workers").await;
        assert_eq!(gated.pages.load(Ordering::SeqCst), before + 1);
        let reply = community.get("/workers", &admin).await;
        reply.assert_problem(503, "about:blank", "the only permit is taken");
        drop(response);

        // It is handed over in small pieces, and the permit is kept until the last one.
        let mut body = begin(&community, "/workers").await.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            let piece = frame.unwrap().into_data().unwrap().len();
            assert!(piece <= 16 << 10, "{piece} bytes");
            length += piece;
            let reply = community.get("/workers", &admin).await;
            assert_eq!(reply.status, 503);
        }
        drop(body);
        let reply = community.get("/workers", &admin).await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (200, length));
    }
    // A short list needs no permit.
    let response = begin(&community, "/groups").await;
    assert_eq!(community.get("/workers", &admin).await.status, 200);
    drop(response);
}

#[tokio::test]
async fn a_large_group_counts_as_a_list() {
    let config = HttpConfig::default().with_max_lists(1);
    let community = Community::with(Database::new(MemoryDatabase::new()), config).await;
    let large = add_group(&community.database, 1, members(5_000)).await;
    let small = add_group(&community.database, 2, members(5)).await;
    let admin = Member::admin();
    let response = begin(&community, &format!("/groups/{large}")).await;
    assert_eq!(response.status(), 200);
    let (large, small) = (format!("/groups/{large}"), format!("/groups/{small}"));
    let reply = community.get(&large, &admin).await;
    reply.assert_problem(503, "about:blank", "the only permit is taken");
    assert_eq!(community.get(&small, &admin).await.status, 200);
    drop(response);
    let reply = community.get(&large, &admin).await;
    assert_eq!(reply.json()["members"].as_array().unwrap().len(), 5_000);
    let length = reply.text().len().to_string();
    assert_eq!(reply.header("content-length"), length);
}

#[tokio::test]
async fn labels_and_members_are_bounded() {
    let community = Community::new().await;
    let labels = |entries: usize, bytes: usize| {
        let key = |n: usize| format!("{n:02}");
        let mut labels: serde_json::Map<_, _> = (0..entries).map(|n| (key(n), json!(""))).collect();
        labels.insert(key(0), json!("\u{1}".repeat(bytes - 2 * entries)));
        json!({ "labels": labels })
    };
    let list = community.get("/workers", &Member::admin()).await.text();
    for (labels, detail) in [
        (labels(65, 130), "a worker has at most 64 labels, not 65"),
        (
            labels(2, 4097),
            "the keys and values of a worker's labels have at most 4096 bytes in all, not 4097",
        ),
    ] {
        let reply = community
            .admin(Method::POST, "/workers", labels.to_string())
            .await;
        reply.assert_problem(400, "bad-request", detail);
        assert_eq!(reply.json()["detail"], detail);
    }
    assert_eq!(
        community.get("/workers", &Member::admin()).await.text(),
        list
    );
    for labels in [labels(64, 128), labels(64, 4096), labels(1, 4096)] {
        let reply = community
            .admin(Method::POST, "/workers", labels.to_string())
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.json()["labels"], labels["labels"]);
    }

    let full = add_group(&community.database, 1, members(Group::MAX_MEMBERS)).await;
    let path = format!("/groups/{full}/members");
    let body = json!({ "member_id": WorkerId::mint().as_str() }).to_string();
    let reply = community.admin(Method::POST, &path, body).await;
    reply.assert_problem(400, "bad-request", "one too many");
    let detail = "a group has at most 32,768 direct members";
    assert_eq!(reply.json()["detail"], detail);
    // Without further space, a body of 1 MiB has 31,774 members.
    let ids: Vec<_> = members(31_774).iter().map(ToString::to_string).collect();
    let body = json!({ "members": ids }).to_string();
    assert!(body.len() <= 1 << 20);
    let reply = community.admin(Method::POST, "/groups", body).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["members"], json!(ids));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_left_out_of_lists() {
    let log = Log::collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let url = path.to_str().unwrap();
    let database = Database::from_url(url).await.unwrap();
    let community = Community::on(database).await;
    let worker = community.register(HOME).await;
    let broken = community.register(HOME).await;
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute(
            "UPDATE workers SET labels = '{' WHERE id = ?1",
            [&broken.principal],
        )
        .unwrap();
    let reply = community.get("/workers", &worker).await;
    assert_eq!(reply.status, 200);
    let workers = reply.json()["workers"].as_array().unwrap().clone();
    assert_eq!(workers.len(), 1);
    assert_eq!(workers[0]["worker_id"], worker.principal);
    let text = log.text();
    assert!(text.contains("alarm=\"corrupt-rows\""), "{text}");
    assert!(text.contains(&broken.principal), "{text}");
    let reply = community
        .get(&format!("/workers/{}", broken.principal), &worker)
        .await;
    reply.assert_problem(500, "about:blank", "the record itself");
}
