//! The spans that a subscriber sees.

use std::io;
use std::sync::{Arc, Mutex, Once};

use artifact_backend::{
    ArtifactBackend, ArtifactBackendExt, ArtifactId, ArtifactInventory, ByteRange, ErrorKind,
    Operation,
};
use artifact_backend_conformance::{Fault, Point};
use artifact_layers::Trace;
use bytes::Bytes;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::support::backend;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Takes the closed spans, each as its name and fields, without the times that `FmtSpan::CLOSE` adds.
    fn take(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| line.split(": close").next().unwrap().trim().to_owned())
            .collect()
    }
}

/// A subscriber of the whole process that records nothing. Without one, a thread that has no subscriber may decide for all
/// threads that a span is not wanted, at the moment in which the subscriber of another thread is set.
static WANTED: Once = Once::new();

/// Writes a line for each span of this thread that closes.
fn subscribe() -> (Lines, tracing::subscriber::DefaultGuard) {
    WANTED.call_once(|| {
        let registry = tracing_subscriber::registry();
        tracing::subscriber::set_global_default(registry).unwrap();
    });
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_level(false)
        .with_target(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    (lines, tracing::subscriber::set_default(subscriber))
}

#[tokio::test]
async fn each_call_is_a_span_with_its_outcome() {
    let inner = backend();
    let backend = inner.clone().layer(Trace::new());
    let id = ArtifactId::mint();
    let (lines, _guard) = subscribe();
    backend.store(id, Bytes::from_static(b"abc")).await.unwrap();
    backend.load(id).await.unwrap();
    let absent = ArtifactId::mint();
    backend.stat(absent).await.unwrap_err();
    backend.store_id().await.unwrap();
    assert_eq!(
        lines.take(),
        [
            format!(r#"backend{{operation="store" id={id} bytes=3 outcome="ok"}}"#),
            format!(r#"backend{{operation="load" id={id} bytes=3 outcome="ok"}}"#),
            format!(
                r#"backend{{operation="stat" id={absent} outcome="not found" error=stat of artifact {absent}: not found}}"#
            ),
            r#"backend{operation="read store id" outcome="ok"}"#.to_owned(),
        ]
    );
    let other = ArtifactId::mint();
    let mut upload = backend.upload(other).await.unwrap();
    upload.write(Bytes::from_static(b"abcd")).await.unwrap();
    upload.commit().await.unwrap();
    assert_eq!(
        lines.take(),
        [
            format!(r#"backend{{operation="upload" id={other} outcome="ok"}}"#),
            format!(r#"backend{{operation="write" id={other} bytes=4 outcome="ok"}}"#),
            format!(r#"backend{{operation="commit" id={other} outcome="ok"}}"#),
        ]
    );
}

#[tokio::test]
async fn a_stream_is_a_span_that_counts_its_bytes() {
    let inner = backend();
    let backend = inner.clone().layer(Trace::new());
    let id = ArtifactId::mint();
    inner
        .store(id, Bytes::from_static(b"0123456789"))
        .await
        .unwrap();
    let (lines, _guard) = subscribe();
    backend.load_range(id, ByteRange::Suffix(4)).await.unwrap();
    let stream = |rest: &str| format!(r#"backend_stream{{operation="download" id={id}{rest}}}"#);
    let opened = format!(r#"backend{{operation="download" id={id} outcome="ok"}}"#);
    assert_eq!(
        lines.take(),
        [opened.clone(), stream(r#" bytes=4 outcome="ok""#)]
    );

    inner.inject(Fault::cut(4, ErrorKind::Unavailable));
    backend.load_range(id, ByteRange::Full).await.unwrap_err();
    let error = format!("download of artifact {id}: unavailable: injected by a test");
    let expected = stream(&format!(r#" bytes=4 outcome="unavailable" error={error}"#));
    assert_eq!(lines.take(), [opened.clone(), expected]);

    drop(backend.download(id, ByteRange::Full).await.unwrap());
    assert_eq!(lines.take(), [opened, stream("")]);
}

#[tokio::test]
async fn a_dropped_call_has_no_outcome() {
    let inner = backend();
    let backend = inner.clone().layer(Trace::new());
    let (lines, _guard) = subscribe();
    let _hold = inner.hold(Operation::List, Point::Before);
    let list = tokio::time::timeout(std::time::Duration::ZERO, backend.list()).await;
    assert!(list.is_err());
    assert_eq!(lines.take(), [r#"backend{operation="list"}"#]);
}
