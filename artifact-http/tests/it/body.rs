//! Responses with wrong bytes are never completed, on a real connection.

use artifact_backend::ErrorKind;
use artifact_backend_conformance::Fault;

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

        site.corrupt(&uri).await;
        for more in ["", "Range: bytes=0-\r\n"] {
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
            if let Some(answer) = fetch(&site, &uri, more).await {
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
