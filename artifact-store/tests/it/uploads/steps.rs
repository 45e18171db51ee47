//! A server that ends at any step of an append, of a completion or of the end of an upload.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::ArtifactInventory;
use artifact_store::{ErrorKind, UploadId, Uploads};
use tokio::task::yield_now;

use super::site::{PART, Site, uploads};
use crate::lane::recorder::{Calls, Recorder};
use crate::support::{bytes, experiment, poll_once, worker};

/// Returns the uploads of a server whose every call of the catalog and of the backend can be its last one, before it does
/// anything or after it has done everything.
fn mortal(site: &Site) -> Uploads {
    let calls = Arc::<Calls>::default();
    let catalog = Arc::new(Recorder {
        calls: Arc::clone(&calls),
        inner: site.catalog.clone(),
    });
    let blobs: Arc<dyn ArtifactInventory> = site.blobs.clone();
    let blobs = Arc::new(Recorder {
        calls,
        inner: blobs,
    });
    uploads(catalog, blobs, &site.config)
}

/// Runs a request until its server is killed at the step, and returns its outcome if it ended before.
async fn run_until<T>(step: usize, request: impl Future<Output = T>) -> Option<T> {
    let mut request = pin!(request);
    for _ in 0..step {
        if let std::task::Poll::Ready(done) = poll_once(request.as_mut()) {
            return Some(done);
        }
        yield_now().await;
    }
    None
}

/// Sends the rest of a file to a server that was started now, completes it, and checks that nothing else is left.
async fn resume(site: &Site, id: UploadId, file: &[u8]) {
    let site = site.restarted();
    let session = site.find(id).await.unwrap();
    let offset = usize::try_from(session.offset).unwrap();
    if session.artifact.is_none() {
        site.append(id, session.offset, &file[offset..])
            .await
            .unwrap();
    }
    let row = site.complete(id).await.unwrap();
    assert_eq!(site.complete(id).await.unwrap(), row);
    assert_eq!(site.bytes_of(row.id).await, file);
    assert_eq!(site.artifacts().await, [row]);
    assert_only_artifacts_are_left(&site, 1).await;
}

/// Checks what is left after the collector has come, once every upload has expired and every orphan is old enough.
async fn assert_only_artifacts_are_left(site: &Site, artifacts: usize) {
    site.clock.advance(Duration::from_hours(25));
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    site.collect_at(now + Duration::from_hours(48)).await;
    assert_eq!(site.blobs.len(), artifacts);
    assert_eq!(site.artifacts().await.len(), artifacts);
    assert_eq!(site.catalog.ended_uploads(10).await.unwrap(), []);
}

#[tokio::test]
async fn an_append_that_ends_at_any_step_is_resumed() {
    let file = bytes(11);
    let mut offsets = Vec::new();
    for step in 0.. {
        let site = Site::new().await;
        let id = site.create(11).await;
        let server = mortal(&site);
        let done = run_until(step, async {
            let mut append = server
                .append(&worker(), &experiment(), id, 0)
                .await
                .unwrap();
            for chunk in file.chunks(3) {
                append.write(chunk.to_vec().into()).await.unwrap();
            }
            append.finish().await.unwrap().offset
        });
        let done = done.await;
        let offset = site.find(id).await.unwrap().offset;
        // Whole parts, nothing between.
        assert!(offset.is_multiple_of(PART) || offset == 11, "{offset}");
        offsets.push(offset);
        resume(&site, id, &file).await;
        if let Some(acknowledged) = done {
            assert_eq!((acknowledged, offset), (11, 11));
            break;
        }
    }
    assert!(offsets.is_sorted());
    offsets.dedup();
    assert_eq!(offsets, [0, 4, 8, 11]);
}

#[tokio::test]
async fn a_completion_that_ends_at_any_step_makes_one_artifact() {
    let file = bytes(11);
    let mut made = 0;
    for step in 0.. {
        let site = Site::new().await;
        let id = site.create(11).await;
        site.append(id, 0, &file).await.unwrap();
        let server = mortal(&site);
        let (worker, experiment) = (worker(), experiment());
        let completion = server.complete(&worker, &experiment, id);
        let done = Box::pin(run_until(step, completion)).await;
        made += usize::from(done.is_none() && !site.artifacts().await.is_empty());
        resume(&site, id, &file).await;
        if let Some(done) = done {
            assert_eq!(done.unwrap().size, 11);
            break;
        }
    }
    assert!(made > 3, "{made} servers died after the row was there");
}

#[tokio::test]
async fn an_end_that_ends_at_any_step_leaves_nothing() {
    let mut ended = 0;
    for step in 0.. {
        let site = Site::new().await;
        let id = site.create(20).await;
        site.append(id, 0, &bytes(11)).await.unwrap();
        let server = mortal(&site);
        let done = run_until(step, server.end(&worker(), &experiment(), id)).await;
        match site.find(id).await {
            Ok(session) => assert_eq!(session.offset, 11),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NotFound);
                ended += 1;
            }
        }
        assert_only_artifacts_are_left(&site, 0).await;
        if let Some(done) = done {
            done.unwrap();
            break;
        }
    }
    assert!(ended > 3, "{ended} servers died in the middle");
}
