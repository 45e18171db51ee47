//! Grants and links: requests and responses.

use std::num::NonZeroU32;
use std::time::Duration;

use artifact_client::{Client, ErrorKind, ExposeSecret as _, Grantee, Operation};

use crate::server::{
    Reply, Request, SECRET, listen, read_request, response, server_replying, server_with_replies,
};
use tokio::io::AsyncWriteExt as _;

const ID: &str = "4f2a9c0de1b83756a0c4d2f19e7b6385";
const URI: &str = "eden://artifacts/4f2a9c0de1b83756a0c4d2f19e7b6385";
const WORKER: &str = "wkr_0123456789abcdefghjkmnpqrs";
const GROUP: &str = "grp_0123456789abcdefghjkmnpqrs";
const GRANT: &str = "gnt_0123456789abcdefghjkmnpqrs";
const LINK: &str = "lnk_0123456789abcdefghjkmnpqrs";

fn grant() -> String {
    format!(
        r#"{{"id":"{GRANT}","experiment":"exp-1","artifact":"{ID}","worker":"{WORKER}","group":null,
            "created_at":"2026-01-02T03:04:05Z","created_by":"admin","expires_at":null,"later":1}}"#
    )
}

fn link(more: &str) -> String {
    format!(
        r#"{{"id":"{LINK}","experiment":"exp-1","artifact":"{ID}","created_at":"2026-01-02T03:04:05Z",
            "created_by":"admin","expires_at":"2026-01-03T03:04:05Z","max_downloads":3,"downloads":1{more}}}"#
    )
}

fn json(status: &str, body: &str) -> String {
    response(status, "content-type: application/json\r\n", body)
}

fn line(request: &Request) -> &str {
    let line = request.head.lines().next().unwrap();
    line.strip_suffix(" HTTP/1.1").unwrap()
}

fn body(request: &Request) -> serde_json::Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[tokio::test]
async fn a_grant_names_a_worker_or_a_group() {
    for (grantee, period, expected) in [
        (
            Grantee::Worker(WORKER),
            None,
            serde_json::json!({ "worker": WORKER }),
        ),
        (
            Grantee::Group(GROUP),
            Some(Duration::from_mins(2)),
            serde_json::json!({ "group": GROUP, "expires_in": 120 }),
        ),
    ] {
        let (client, served) = server_replying(json("201 Created", &grant())).await;
        let made = client.grant(URI, grantee, period).await.unwrap();
        assert_eq!((&*made.id, made.worker.as_deref()), (GRANT, Some(WORKER)));
        let request = served.await.unwrap();
        let path = format!("POST /v1/experiments/exp-1/artifacts/{ID}/grants");
        assert_eq!(line(&request), path);
        assert_eq!(body(&request), expected);
    }
}

#[tokio::test]
async fn a_grant_is_repeated_after_a_lost_response_and_a_link_is_not() {
    let lost = || Reply::Send(String::new());
    let made = Reply::Send(json("201 Created", &grant()));
    let (builder, served) = server_with_replies(vec![lost(), made]).await;
    let client = builder.build().unwrap();
    let grant = client.grant(URI, Grantee::Worker(WORKER), None).await;
    assert_eq!(grant.unwrap().id, GRANT);
    assert_eq!(served.await.unwrap().len(), 2);

    let (builder, served) = server_with_replies(vec![lost()]).await;
    let client = builder.build().unwrap();
    let made = client.create_link(URI, Duration::from_mins(1), None).await;
    assert_eq!(made.unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(served.await.unwrap().len(), 1);
}

#[tokio::test]
async fn pages_are_listed_and_records_revoked() {
    let page = format!(r#"{{"grants":[{}],"next":"{GRANT}"}}"#, grant());
    let (client, served) = server_replying(json("200 OK", &page)).await;
    let page = client.grants(URI, Some("gnt_before")).await.unwrap();
    assert_eq!((page.grants.len(), page.next.as_deref()), (1, Some(GRANT)));
    let path = format!("GET /v1/experiments/exp-1/artifacts/{ID}/grants?after=gnt_before");
    assert_eq!(line(&served.await.unwrap()), path);

    let page = format!(r#"{{"links":[{}],"next":null}}"#, link(""));
    let (client, served) = server_replying(json("200 OK", &page)).await;
    let page = client.links(URI, None).await.unwrap();
    assert_eq!((page.links[0].downloads, page.next), (Some(1), None));
    let path = format!("GET /v1/experiments/exp-1/artifacts/{ID}/links");
    assert_eq!(line(&served.await.unwrap()), path);

    let (client, served) = server_replying("HTTP/1.1 204 No Content\r\n\r\n").await;
    client.revoke_grant(URI, GRANT).await.unwrap();
    let path = format!("DELETE /v1/experiments/exp-1/artifacts/{ID}/grants/{GRANT}");
    assert_eq!(line(&served.await.unwrap()), path);
    let (client, served) = server_replying("HTTP/1.1 204 No Content\r\n\r\n").await;
    client.revoke_link(URI, LINK).await.unwrap();
    let path = format!("DELETE /v1/experiments/exp-1/artifacts/{ID}/links/{LINK}");
    assert_eq!(line(&served.await.unwrap()), path);
}

#[tokio::test]
async fn collections_are_shared_under_their_own_path() {
    const COLLECTION: &str = "col_4f2a9c0de1b83756a0c4d2f19e7b6385";
    let grant = grant().replace("\"artifact\"", "\"collection\"");
    let grant = grant.replace(ID, COLLECTION);
    let path = format!("/v1/experiments/exp-1/collections/{COLLECTION}/grants");
    let lost = Reply::Send(String::new());
    let made = Reply::Send(json("201 Created", &grant));
    let (builder, served) = server_with_replies(vec![lost, made]).await;
    let client = builder.build().unwrap();
    let period = Some(Duration::from_mins(2));
    let made = client.grant_collection(COLLECTION, Grantee::Group(GROUP), period);
    let made = made.await.unwrap();
    assert_eq!((&*made.id, &*made.collection), (GRANT, COLLECTION));
    for request in served.await.unwrap() {
        assert_eq!(line(&request), format!("POST {path}"));
        let expected = serde_json::json!({ "group": GROUP, "expires_in": 120 });
        assert_eq!(body(&request), expected);
    }

    let page = format!(r#"{{"grants":[{grant}],"next":"{GRANT}"}}"#);
    let (client, served) = server_replying(json("200 OK", &page)).await;
    let page = client.collection_grants(COLLECTION, Some("gnt_before"));
    let page = page.await.unwrap();
    assert_eq!((page.grants.len(), page.next.as_deref()), (1, Some(GRANT)));
    assert_eq!(page.grants[0].worker.as_deref(), Some(WORKER));
    let expected = format!("GET {path}?after=gnt_before");
    assert_eq!(line(&served.await.unwrap()), expected);

    let (client, served) = server_replying("HTTP/1.1 204 No Content\r\n\r\n").await;
    let revoked = client.revoke_collection_grant(COLLECTION, GRANT).await;
    revoked.unwrap();
    assert_eq!(
        line(&served.await.unwrap()),
        format!("DELETE {path}/{GRANT}")
    );
}

#[tokio::test]
async fn the_url_of_a_link_is_not_shown() {
    let url = format!("http://files.example/v1/links/{}", "5e".repeat(32));
    let reply = json("201 Created", &link(&format!(r#","url":"{url}""#)));
    let (client, served) = server_replying(reply).await;
    let created = client
        .create_link(URI, Duration::from_mins(1), NonZeroU32::new(3))
        .await
        .unwrap();
    assert_eq!(created.url.expose_secret(), url);
    assert_eq!(created.link.id, LINK);
    assert!(!format!("{created:?}").contains("5e5e"), "{created:?}");
    let expected = serde_json::json!({ "expires_in": 60, "max_downloads": 3 });
    assert_eq!(body(&served.await.unwrap()), expected);
}

#[tokio::test]
async fn ids_that_no_server_mints_are_not_sent() {
    let (builder, _listener) = listen().await;
    let client = builder.build().unwrap();
    for outcome in [
        client.revoke_grant(URI, "../x").await,
        client.revoke_link(URI, "").await,
        client.revoke_link("x", LINK).await,
        client
            .grant(URI, Grantee::Worker("a/b"), None)
            .await
            .map(drop),
        client.revoke_collection_grant("../x", GRANT).await,
        client
            .grant_collection("a/b", Grantee::Worker(WORKER), None)
            .await
            .map(drop),
    ] {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[tokio::test]
async fn a_link_is_fetched_without_a_credential_and_an_experiment() {
    let secret = "5e".repeat(32);
    for is_anonymous in [false, true] {
        let (builder, listener) = listen().await;
        let url = format!(
            "http://{}/v1/links/{secret}",
            listener.local_addr().unwrap()
        );
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read_request(&mut stream).await.unwrap();
            let reply = response("200 OK", "content-type: text/plain\r\n", "hello");
            stream.write_all(reply.as_bytes()).await.unwrap();
            request
        });
        let builder = if is_anonymous {
            Client::builder_of_link(&url).unwrap()
        } else {
            builder
        };
        let client = builder.build().unwrap();
        let fetched = client.fetch_link(&url).await.unwrap();
        assert_eq!(&*fetched.into_bytes(10).await.unwrap(), b"hello");
        let request = served.await.unwrap();
        assert_eq!(line(&request), format!("GET /v1/links/{secret}"));
        assert!(!request.head.contains(SECRET), "{}", request.head);
        assert_eq!(request.header("authorization"), None);
        assert_eq!(request.header("x-eden-experiment-id"), None);
    }
}

#[tokio::test]
async fn a_link_that_does_not_work_is_not_found_and_not_shown() {
    let secret = "5e".repeat(32);
    let (builder, listener) = listen().await;
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await.unwrap();
        let reply = response("404 Not Found", "", "");
        stream.write_all(reply.as_bytes()).await.unwrap();
    });
    let client = builder.build().unwrap();
    let error = client
        .fetch_link(&format!("http://{address}/v1/links/{secret}"))
        .await
        .unwrap_err();
    served.await.unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.operation(), Operation::FetchLink);
    let other = format!("http://files.example/v1/links/{secret}");
    let refused = client.fetch_link(&other).await.unwrap_err();
    // Nothing listens there any more.
    let gone = client
        .fetch_link(&format!("http://{address}/v1/links/{secret}"))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    for error in [&error, &refused, &gone] {
        let mut shown = format!("{error} {error:?}");
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            shown = format!("{shown} {cause} {cause:?}");
            source = cause.source();
        }
        assert!(!shown.contains(&secret), "{shown}");
    }
    for url in [
        "http://files.example/v1/links/x".to_owned(),
        format!("http://files.example/v1/{secret}"),
        format!("ftp://files.example/v1/links/{secret}"),
        format!("http://user@files.example/v1/links/{secret}"),
        format!("http://files.example/v1/links/{secret}?x"),
        secret.clone(),
    ] {
        let error = Client::builder_of_link(&url).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
        assert!(!format!("{error} {error:?}").contains(&secret));
    }
}
