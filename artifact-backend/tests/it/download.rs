//! A download counts the bytes that its stream delivers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use artifact_backend::{ArtifactId, Download, Error, ErrorKind, Operation, Result};
use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use proptest::prelude::*;

const ID: ArtifactId = ArtifactId::from_bytes([1; 16]);

type Chunk = Result<&'static [u8], ErrorKind>;

/// Creates a download of `range` of ten bytes from a stream of these chunks.
fn download<const N: usize>(range: std::ops::Range<u64>, chunks: [Chunk; N]) -> Download {
    let chunks: Vec<Result<Bytes>> = chunks
        .into_iter()
        .map(|chunk| match chunk {
            Ok(bytes) => Ok(Bytes::from_static(bytes)),
            Err(kind) => Err(Error::new(kind, Operation::Download)),
        })
        .collect();
    Download::new(ID, 10, range, stream::iter(chunks).boxed())
}

/// Collects everything that a download delivers and checks that it stays at its end.
fn drain(mut download: Download) -> Vec<Result<Bytes, (ErrorKind, String)>> {
    let mut found = Vec::new();
    while let Some(chunk) = download.next().now_or_never().unwrap() {
        found.push(chunk.map_err(|error| (error.kind(), error.detail().to_owned())));
    }
    assert!(download.next().now_or_never().unwrap().is_none());
    assert_eq!(download.size_hint(), (0, Some(0)));
    found
}

fn corrupt(detail: &str) -> Result<Bytes, (ErrorKind, String)> {
    Err((ErrorKind::Corrupt, detail.into()))
}

#[expect(clippy::unnecessary_wraps, reason = "used in lists beside errors")]
fn ok(bytes: &'static [u8]) -> Result<Bytes, (ErrorKind, String)> {
    Ok(Bytes::from_static(bytes))
}

#[test]
fn complete_streams_are_delivered_unchanged() {
    let found = drain(download(2..8, [Ok(b"23"), Ok(b"4567")]));
    assert_eq!(found, [ok(b"23"), ok(b"4567")]);
    assert_eq!(drain(download(3..3, [])), []);
}

#[test]
fn bytes_in_memory_are_one_chunk() {
    let download = Download::in_memory(ID, Bytes::from_static(b"0123"));
    assert_eq!((download.size(), download.range()), (4, 0..4));
    assert_eq!(
        (download.remaining(), download.size_hint()),
        (4, (1, Some(1)))
    );
    assert_eq!(drain(download), [ok(b"0123")]);
    let empty = Download::in_memory(ID, Bytes::new());
    assert_eq!((empty.size(), empty.size_hint()), (0, (0, Some(0))));
    assert_eq!(drain(empty), []);
}

#[test]
fn bytes_in_memory_can_be_taken_once() {
    let mut in_memory = Download::in_memory(ID, Bytes::from_static(b"0123"));
    assert_eq!(in_memory.take_in_memory().as_deref(), Some(&b"0123"[..]));
    assert_eq!(
        (in_memory.remaining(), in_memory.take_in_memory()),
        (0, None)
    );
    assert_eq!(drain(in_memory), []);
    let mut streamed = download(0..2, [Ok(b"01")]);
    assert_eq!(streamed.take_in_memory(), None);
    assert_eq!(drain(streamed), [ok(b"01")]);
}

#[test]
fn empty_chunks_are_skipped() {
    let found = drain(download(
        0..3,
        [Ok(b""), Ok(b"0"), Ok(b""), Ok(b"12"), Ok(b"")],
    ));
    assert_eq!(found, [ok(b"0"), ok(b"12")]);
    assert_eq!(drain(download(0..0, [Ok(b"")])), []);
}

#[test]
fn short_streams_are_reported_as_corrupt() {
    let short = "the blob ended 3 bytes before the end of the range";
    let found = drain(download(0..5, [Ok(b"01")]));
    assert_eq!(found, [ok(b"01"), corrupt(short)]);
    let found = drain(download(0..3, []));
    assert_eq!(found, [corrupt(short)]);
}

#[test]
fn surplus_bytes_are_not_delivered_and_reported_as_corrupt() {
    let surplus = "the backend delivered more bytes than the range";
    let found = drain(download(0..3, [Ok(b"012"), Ok(b"3"), Ok(b"4")]));
    assert_eq!(found, [ok(b"012"), corrupt(surplus)]);
    let found = drain(download(0..3, [Ok(b"0123")]));
    assert_eq!(found, [corrupt(surplus)]);
    let found = drain(download(5..5, [Ok(b"5")]));
    assert_eq!(found, [corrupt(surplus)]);
}

#[test]
fn errors_end_the_stream() {
    let chunks: [Chunk; 3] = [Ok(b"01"), Err(ErrorKind::Unavailable), Ok(b"234")];
    let found = drain(download(0..5, chunks));
    assert_eq!(
        found,
        [ok(b"01"), Err((ErrorKind::Unavailable, String::new()))]
    );
    // Also after the last byte.
    let found = drain(download(0..2, [Ok(b"01"), Err(ErrorKind::Unavailable)]));
    assert_eq!(
        found,
        [ok(b"01"), Err((ErrorKind::Unavailable, String::new()))]
    );
}

#[test]
fn corrupt_errors_name_the_blob() {
    let mut short = download(0..1, []);
    let error = short.next().now_or_never().unwrap().unwrap().unwrap_err();
    assert_eq!(
        (error.id(), error.operation()),
        (Some(ID), Operation::Download)
    );
}

#[test]
fn into_bytes_returns_all_bytes_or_the_error() {
    let all = |download: Download| {
        let bytes = download.into_bytes().now_or_never().unwrap();
        bytes.map_err(|error| error.kind())
    };
    let cases: [(Download, Result<&[u8], ErrorKind>); 8] = [
        (download(0..0, []), Ok(b"")),
        (download(0..3, [Ok(b"012")]), Ok(b"012")),
        (
            download(0..5, [Ok(b"01"), Ok(b"2"), Ok(b"34")]),
            Ok(b"01234"),
        ),
        (
            download(0..3, [Ok(b"012"), Err(ErrorKind::Unavailable)]),
            Err(ErrorKind::Unavailable),
        ),
        (
            download(0..3, [Ok(b"012"), Ok(b"3")]),
            Err(ErrorKind::Corrupt),
        ),
        (download(0..3, [Ok(b"01")]), Err(ErrorKind::Corrupt)),
        (download(0..3, []), Err(ErrorKind::Corrupt)),
        (
            download(0..3, [Err(ErrorKind::Unavailable)]),
            Err(ErrorKind::Unavailable),
        ),
    ];
    for (download, expected) in cases {
        assert_eq!(all(download), expected.map(Bytes::from_static));
    }
}

#[test]
fn downloads_report_size_range_and_remaining_bytes() {
    let mut download = download(2..8, [Ok(b"23"), Ok(b"4567")]);
    assert_eq!(
        (download.size(), download.range(), download.remaining()),
        (10, 2..8, 6)
    );
    assert_eq!(download.size_hint(), (1, Some(7)));
    let _ = download.next().now_or_never().unwrap();
    assert_eq!(
        (download.size(), download.range(), download.remaining()),
        (10, 2..8, 4)
    );
    let text = "Download { id: ArtifactId(01010101010101010101010101010101), size: 10, \
                range: 2..8, remaining: 4, .. }";
    assert_eq!(format!("{download:?}"), text);
}

#[test]
#[should_panic(expected = "5..11 is not inside 0..10")]
fn ranges_outside_the_blob_panic() {
    drop(download(5..11, []));
}

#[test]
fn dropping_a_download_drops_its_stream() {
    struct Work(Arc<AtomicBool>);

    impl Drop for Work {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    let dropped = Arc::new(AtomicBool::new(false));
    let work = Work(Arc::clone(&dropped));
    let stream = stream::pending::<Result<Bytes>>().map(move |chunk| {
        let _captured = &work;
        chunk
    });
    let mut download = Download::new(ID, 1, 0..1, stream.boxed());
    assert!(
        download.next().now_or_never().is_none(),
        "the stream is pending"
    );
    assert!(!dropped.load(Ordering::SeqCst));
    drop(download);
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test]
async fn dropping_the_future_of_a_chunk_loses_nothing() {
    let chunks = stream::iter([&b"01"[..], b"234"]).then(|chunk| async move {
        tokio::task::yield_now().await;
        Ok(Bytes::from_static(chunk))
    });
    let mut download = Download::new(ID, 5, 0..5, chunks.boxed());
    // Polled once and dropped while pending.
    assert!(download.next().now_or_never().is_none());
    assert_eq!(download.remaining(), 5);
    assert_eq!(download.into_bytes().await.unwrap(), "01234");
}

proptest! {
    #[test]
    fn streams_without_an_error_deliver_exactly_the_range(
        length in 0..40_u64,
        chunks in proptest::collection::vec(0..12_usize, 0..8),
    ) {
        let stream = chunks.clone().into_iter().map(|length| Ok(Bytes::from(vec![7; length])));
        let stream = stream::iter(stream.collect::<Vec<_>>()).boxed();
        let found = Download::new(ID, length, 0..length, stream);
        let found = found.into_bytes().now_or_never().unwrap();
        let sum: usize = chunks.iter().sum();
        prop_assert_eq!(found.is_ok(), sum as u64 == length);
        if let Ok(found) = found {
            prop_assert_eq!(found.len() as u64, length);
        }
    }
}
