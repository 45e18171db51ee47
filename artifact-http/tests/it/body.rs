//! Responses with wrong bytes are never completed, on a real connection.

use artifact_backend::ErrorKind;
use artifact_backend_conformance::Fault;
use http::Method;

use crate::support::{Answer, Log, Site, Who, Wire, bearer, fetch_path, noise};

async fn fetch(site: &Site, uri: &str, more: &str) -> Option<Answer> {
    let mut wire = Wire::new(site.router.clone()).await;
    let bearer = bearer(Who::Worker).unwrap();
    wire.say(format!(
        "GET {} HTTP/1.1\r\nHost: h\r\nAuthorization: {bearer}\r\n\
         X-Eden-Experiment-Id: demo\r\nConnection: close\r\n{more}\r\n",
        fetch_path("demo", uri)
    ))
    .await;
    wire.rest().await
}

#[tokio::test]
async fn changed_bytes_abort_the_response() {
    let log = Log::collect();
    for size in [1, 1000, 700_000] {
        let site = Site::new().await;
        let bytes = noise(size);
        let uri = site.put(Who::Worker, &bytes).await;
        let good = fetch(&site, &uri, "").await.unwrap();
        assert_eq!((good.status(), good.body == bytes), (200, true), "{size}");

        for more in ["", "Range: bytes=0-\r\n"] {
            // Each request is the first one after the damage.
            let site = Site::new().await;
            let uri = site.put(Who::Worker, &bytes).await;
            site.corrupt(&uri).await;
            // The response to a small artifact is aborted before its header is sent.
            let bad = fetch(&site, &uri, more).await;
            assert!(size < 100_000 || bad.is_some(), "{size}");
            if let Some(bad) = bad {
                let length = size.to_string();
                assert_eq!(bad.header("content-length"), Some(&*length));
                assert!(bad.body.len() < size, "{} of {size} came", bad.body.len());
            }
        }
    }
    let text = log.text();
    assert!(
        text.contains("ERROR") && text.contains("alarm=\"corrupt-blob\""),
        "{text}"
    );
    assert!(text.contains("not those that were deposited"), "{text}");
}

#[tokio::test]
async fn failed_reads_abort_the_response() {
    let log = Log::collect();
    let bytes = noise(700_000);
    let faults = [
        Fault::cut(300_000, ErrorKind::Unavailable),
        Fault::truncate(300_000),
        Fault::truncate(699_999),
    ];
    for (fault, alarms) in faults.into_iter().zip([0, 2, 2]) {
        let before = log.text().matches("alarm=\"corrupt-blob\"").count();
        for more in ["", "Range: bytes=0-699998\r\n"] {
            let site = Site::new().await;
            let uri = site.put(Who::Worker, &bytes).await;
            let limited = if more.is_empty() {
                fault.clone()
            } else {
                Fault::truncate(100)
            };
            site.backend.inject(limited);
            let answer = fetch(&site, &uri, more).await;
            if !more.is_empty() {
                // A range is verified before its header is sent.
                let answer = answer.unwrap();
                assert_eq!(answer.status(), 500, "{}", answer.head);
            } else if let Some(answer) = answer {
                let length: usize = answer.header("content-length").unwrap().parse().unwrap();
                assert!(
                    answer.body.len() < length,
                    "{} of {length}",
                    answer.body.len()
                );
                assert!(bytes.starts_with(&answer.body));
            }
            assert_eq!(site.backend.pending(), 0);
        }
        let after = log.text().matches("alarm=\"corrupt-blob\"").count();
        // The fault of the second request is always a truncation.
        assert_eq!(after - before, alarms.max(1), "{}", log.text());
    }
    assert!(
        log.text().contains("reading an artifact failed"),
        "{}",
        log.text()
    );
}

#[tokio::test]
async fn lost_blobs_are_server_errors_and_not_404() {
    let log = Log::collect();
    let site = Site::new().await;
    let uri = site.put(Who::Worker, b"bytes").await;
    let id = uri.rsplit('/').next().unwrap().parse().unwrap();
    artifact_backend::ArtifactInventory::delete(&site.mem, id)
        .await
        .unwrap();
    site.get(Who::Worker, &uri, &[])
        .await
        .assert_problem(500, "about:blank", "lost");
    let alarms = log.text();
    assert!(alarms.contains("alarm=\"corrupt-blob\""), "{alarms}");
    assert!(
        alarms.contains("the row exists but its blob is missing"),
        "{alarms}"
    );
    site.get(Who::Neighbour, &uri, &[])
        .await
        .assert_problem(403, "forbidden", "lost");
}

/// Requests of every kind that a client may send after a response was cut.
const LATER: [(Method, &[(&str, &str)]); 7] = [
    (Method::GET, &[]),
    (Method::HEAD, &[]),
    (Method::GET, &[("range", "bytes=500000-")]),
    (Method::GET, &[("range", "bytes=0-0")]),
    (Method::GET, &[("range", "bytes=700000-")]),
    (Method::GET, &[("if-none-match", "*")]),
    (Method::GET, &[("if-match", "\"x\"")]),
];

async fn assert_damaged(site: &Site, uri: &str) {
    for (method, fields) in LATER {
        let reply = site.ask(method.clone(), Who::Worker, uri, fields).await;
        let why = format!("{method} {fields:?}");
        assert_eq!(reply.status, 500, "{why}");
        if method != Method::HEAD {
            reply.assert_problem(500, "about:blank", &why);
        }
    }
    let etag = format!("\"{}\"", "0".repeat(64));
    let fields = [("range", "bytes=1-"), ("if-range", &*etag)];
    let reply = site.get(Who::Worker, uri, &fields).await;
    reply.assert_problem(500, "about:blank", "If-Range");
    let other = site
        .get(Who::Neighbour, uri, &[("range", "bytes=1-")])
        .await;
    other.assert_problem(403, "forbidden", "damaged");
}

fn alarms(log: &Log) -> usize {
    log.text().matches("alarm=\"corrupt-blob\"").count()
}

#[tokio::test]
async fn a_damaged_artifact_is_a_server_error_for_every_later_request_until_it_is_restored() {
    let log = Log::collect();
    let site = Site::new().await;
    let bytes = noise(700_000);
    let uri = site.put(Who::Worker, &bytes).await;
    let range = [("range", "bytes=500000-")];
    site.corrupt(&uri).await;
    // The chunks of this range are sound.
    let sound = [("range", "bytes=500000-600000")];
    let reply = site.get(Who::Worker, &uri, &sound).await;
    assert_eq!(reply.status, 206);
    assert!(reply.body == bytes[500_000..=600_000]);
    let cut = fetch(&site, &uri, "").await.unwrap();
    assert!(cut.body.len() < bytes.len());
    for _ in 0..2 {
        assert_damaged(&site, &uri).await;
    }
    assert_eq!(alarms(&log), 1, "{}", log.text());

    site.corrupt(&uri).await;
    let reply = site.get(Who::Worker, &uri, &range).await;
    assert_eq!(
        (reply.status, &*reply.body),
        (206.try_into().unwrap(), &bytes[500_000..])
    );
    assert_eq!(
        site.ask(Method::HEAD, Who::Worker, &uri, &[]).await.status,
        200
    );
    let whole = fetch(&site, &uri, "").await.unwrap();
    assert!(whole.status() == 200 && whole.body == bytes);
}

#[tokio::test]
async fn a_lost_blob_and_one_of_another_size_are_server_errors_for_every_later_request() {
    use artifact_backend::{ArtifactBackend as _, ArtifactInventory as _};

    for stored in [None, Some(699_999), Some(700_001), Some(0)] {
        let log = Log::collect();
        let site = Site::new().await;
        let bytes = noise(700_000);
        let uri = site.put(Who::Worker, &bytes).await;
        let id = uri.rsplit('/').next().unwrap().parse().unwrap();
        site.mem.delete(id).await.unwrap();
        if let Some(length) = stored {
            site.mem.store(id, noise(length).into()).await.unwrap();
        }
        let reply = site.get(Who::Worker, &uri, &[("range", "bytes=0-9")]).await;
        reply.assert_problem(500, "about:blank", "the first request");
        assert_damaged(&site, &uri).await;
        assert_eq!(alarms(&log), 1, "{}", log.text());

        site.mem.delete(id).await.unwrap();
        site.mem.store(id, bytes.clone().into()).await.unwrap();
        assert_eq!(
            site.ask(Method::HEAD, Who::Worker, &uri, &[]).await.status,
            200
        );
    }
}
