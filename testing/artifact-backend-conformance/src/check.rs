//! Checks that several cases share.

use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, ByteRange, Error, ErrorKind, Result,
};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::case::{Context, Outcome, Stop, ensure};
use crate::data::noise;
use crate::storage::Storage;

/// Formats an error and its sources in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        text = format!("{text}: {error}");
        below = error.source();
    }
    text
}

/// Returns the value of an operation that must succeed, or fails the case. The label names the operation.
pub(crate) fn ok<T>(result: Result<T>, label: &str) -> Outcome<T> {
    result.map_err(|error| Stop::Failed(format!("{label}: {}", chain(&error))))
}

/// Returns the error of an operation that must fail with this kind, or fails the case.
pub(crate) fn fails<T: Debug>(result: Result<T>, kind: ErrorKind, label: &str) -> Outcome<Error> {
    match result {
        Err(error) if error.kind() == kind => Ok(error),
        Err(error) => Err(Stop::Failed(format!(
            "{label}: expected {:?}, got {:?}: {}",
            kind,
            error.kind(),
            chain(&error)
        ))),
        Ok(_) => Err(Stop::Failed(format!(
            "{label}: expected {kind:?}, but it succeeded"
        ))),
    }
}

/// Compares bytes and fails the case with the position of the first difference.
pub(crate) fn check_bytes(found: &[u8], expected: &[u8], label: &str) -> Outcome {
    if found == expected {
        return Ok(());
    }
    let at = found
        .iter()
        .zip(expected)
        .take_while(|(a, b)| a == b)
        .count();
    Err(Stop::Failed(format!(
        "{label}: expected {} bytes, got {}; the first difference is at byte {at}",
        expected.len(),
        found.len()
    )))
}

/// Stores a blob by an upload of these chunks.
pub(crate) async fn upload(
    backend: &dyn ArtifactBackend,
    id: ArtifactId,
    chunks: impl IntoIterator<Item = Bytes, IntoIter: Send> + Send,
) -> Result<()> {
    let mut upload = backend.upload(id).await?;
    for chunk in chunks {
        upload.write(chunk).await?;
    }
    upload.commit().await
}

/// Reads a range by `download`, without helpers that could hide a fault of the stream.
pub(crate) async fn read(
    backend: &dyn ArtifactBackend,
    id: ArtifactId,
    range: ByteRange,
) -> Result<Bytes> {
    let mut download = backend.download(id, range).await?;
    let mut bytes = BytesMut::new();
    while let Some(chunk) = download.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes.freeze())
}

/// Checks by `load`, `download` and `stat` that the blob exists with these bytes.
pub(crate) async fn check_present(
    backend: &dyn ArtifactInventory,
    id: ArtifactId,
    expected: &[u8],
    label: &str,
) -> Outcome {
    let loaded = ok(backend.load(id).await, &format!("load of {label}"))?;
    check_bytes(&loaded, expected, &format!("load of {label}"))?;
    let streamed = ok(
        read(backend, id, ByteRange::Full).await,
        &format!("download of {label}"),
    )?;
    check_bytes(&streamed, expected, &format!("download of {label}"))?;
    let stat = ok(backend.stat(id).await, &format!("stat of {label}"))?;
    ensure!(stat.id == id, "stat of {label} returns the id {}", stat.id);
    ensure!(
        stat.size == expected.len() as u64,
        "stat of {label} reports {} bytes, but the blob has {}",
        stat.size,
        expected.len()
    );
    Ok(())
}

/// Checks by `load`, `download`, `stat` and `list` that the blob is absent.
pub(crate) async fn check_absent(
    backend: &dyn ArtifactInventory,
    id: ArtifactId,
    label: &str,
) -> Outcome {
    let kind = ErrorKind::NotFound;
    fails(backend.load(id).await, kind, &format!("load of {label}"))?;
    let full = backend.download(id, ByteRange::Full).await;
    fails(full, kind, &format!("download of {label}"))?;
    fails(backend.stat(id).await, kind, &format!("stat of {label}"))?;
    let listed = list(backend).await?;
    ensure!(!listed.contains(&id), "list shows {label}");
    Ok(())
}

/// Returns all ids that `list` returns, including duplicates. A damaged blob fails the case.
pub(crate) async fn list(backend: &dyn ArtifactInventory) -> Outcome<Vec<ArtifactId>> {
    let stream = ok(backend.list().await, "list")?;
    ok(
        stream.map_ok(|blob| blob.id).try_collect().await,
        "the list stream",
    )
}

/// Returns all ids that `list` returns, including duplicates: of whole blobs, and of damaged blobs.
pub(crate) async fn list_with_damage(
    backend: &dyn ArtifactInventory,
) -> Outcome<(Vec<ArtifactId>, Vec<ArtifactId>)> {
    let mut stream = ok(backend.list().await, "list")?;
    let (mut whole, mut damaged) = (Vec::new(), Vec::new());
    while let Some(item) = stream.next().await {
        match item.map_err(|error| (error.damaged_blob(), error)) {
            Ok(blob) => whole.push(blob.id),
            Err((Some(id), _)) => damaged.push(id),
            Err((None, error)) => return ok(Err(error), "the list stream"),
        }
    }
    Ok((whole, damaged))
}

/// Sweeps until no leftover remains.
///
/// The work of a dropped future may continue for a while and keep a leftover in use. The sweep is therefore
/// repeated for up to a quarter of the case's time limit.
pub(crate) async fn check_swept(context: &Context, storage: &Storage) -> Outcome {
    let backend = storage.backend();
    let mut seen = String::from("the first sweep did not return");
    let clean = async {
        loop {
            let report = ok(backend.sweep(Duration::ZERO).await, "sweep")?;
            let counted = storage.count_leftovers().await?;
            if report.kept == 0 && report.removed == 0 && counted == 0 {
                return Ok(());
            }
            seen = format!("{report:?}; the storage holds {counted} leftovers");
            yield_now().await;
        }
    };
    match timeout(context.time_limit / 4, clean).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Stop::Failed(format!(
            "sweep does not remove all leftovers although nothing is in use: {seen}"
        ))),
    }
}

/// Polls a future until it has been pending `polls` times, then drops it. Returns its output if it completed
/// before. With zero, it is never polled.
pub(crate) async fn poll_then_drop<F: Future + Send>(future: F, polls: u32) -> Option<F::Output> {
    if polls == 0 {
        return None;
    }
    let mut future = pin!(future);
    let mut pending = 0;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => {
            pending += 1;
            if pending == polls {
                Poll::Ready(None)
            } else {
                Poll::Pending
            }
        }
    })
    .await
}

/// Checks the state after a dropped create of `id` with `bytes`: the blob is absent or complete, this does not
/// change later, and a new create returns a result that fits.
pub(crate) async fn check_absent_or_whole(
    backend: &dyn ArtifactInventory,
    id: ArtifactId,
    bytes: &Bytes,
    label: &str,
) -> Outcome {
    let seen = whole_is_visible(backend, id, bytes, label).await?;
    let other_bytes = noise(u64::MAX, 100);
    let mut other_may_exist = false;
    match backend.store(id, other_bytes.clone()).await {
        Ok(()) => {
            ensure!(
                !seen,
                "{label}: the whole blob was visible, then another store replaced it"
            );
            return check_present(
                backend,
                id,
                &other_bytes,
                &format!("the store after {label}"),
            )
            .await;
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let found = ok(backend.load(id).await, &format!("load after {label}"))?;
            check_bytes(
                &found,
                bytes,
                &format!("the blob that already existed after {label}"),
            )?;
        }
        Err(error) if error.kind() == ErrorKind::Ambiguous => other_may_exist = true,
        Err(error) => {
            let text = chain(&error);
            return Err(Stop::Failed(format!("the store after {label}: {text}")));
        }
    }
    if !other_may_exist {
        check_present(backend, id, bytes, label).await?;
    }
    let fresh = ArtifactId::mint();
    let stored = backend.store(fresh, other_bytes.clone()).await;
    ok(stored, &format!("store of another id after {label}"))?;
    check_present(
        backend,
        fresh,
        &other_bytes,
        &format!("another id after {label}"),
    )
    .await
}

/// Returns whether the complete blob exists. Anything other than the complete blob or `NotFound` fails the
/// case.
pub(crate) async fn whole_is_visible(
    backend: &dyn ArtifactBackend,
    id: ArtifactId,
    bytes: &Bytes,
    label: &str,
) -> Outcome<bool> {
    let mut seen = false;
    for found in [
        backend.load(id).await,
        read(backend, id, ByteRange::Full).await,
    ] {
        match found {
            Ok(found) => {
                check_bytes(&found, bytes, &format!("the visible blob of {label}"))?;
                seen = true;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                ensure!(!seen, "{label}: the whole blob was visible, then NotFound");
            }
            Err(error) => {
                let text = chain(&error);
                return Err(Stop::Failed(format!("a read of {label}: {text}")));
            }
        }
    }
    Ok(seen)
}
