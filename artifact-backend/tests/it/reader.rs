//! A download as `AsyncRead`, and as a body.

use std::io;

use artifact_backend::{ArtifactId, Download, Error, ErrorKind, Operation};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncBufReadExt, AsyncReadExt};

const ID: ArtifactId = ArtifactId::from_bytes([1; 16]);

type Chunks = Vec<Result<Bytes, Error>>;

fn chunks(texts: &[&'static str]) -> Chunks {
    texts.iter().map(|text| Ok(Bytes::from(*text))).collect()
}

/// A download of ten bytes.
fn download(chunks: Chunks) -> Download {
    Download::new(ID, 10, 0..10, stream::iter(chunks).boxed())
}

#[tokio::test]
async fn a_reader_returns_every_byte_whatever_the_buffer() {
    for size in [1, 3, 4, 100] {
        let mut reader = download(chunks(&["0", "123", "", "456789"])).into_reader();
        let (mut all, mut buffer) = (Vec::new(), vec![0; size]);
        loop {
            let read = reader.read(&mut buffer).await.unwrap();
            all.extend_from_slice(&buffer[..read]);
            if read == 0 {
                break;
            }
        }
        assert_eq!(all, b"0123456789");
        assert_eq!(reader.read(&mut buffer).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_reader_reads_lines() {
    let reader = download(chunks(&["ab\nc", "d\n", "\nxyz"])).into_reader();
    assert_eq!(reader.download().size(), 10);
    let mut lines = reader.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        found.push(line);
    }
    assert_eq!(found, ["ab", "cd", "", "xyz"]);
}

#[tokio::test]
async fn an_empty_buffer_reads_nothing_and_does_not_end_the_reader() {
    let mut reader = download(chunks(&["0123456789"])).into_reader();
    assert_eq!(reader.read(&mut []).await.unwrap(), 0);
    assert_eq!(reader.read_u8().await.unwrap(), b'0');
}

#[tokio::test]
async fn an_error_is_never_followed_by_an_end() {
    // A blob that ends early, and an error of the backend.
    let failed = Error::new(ErrorKind::Unavailable, Operation::Download);
    let mut broken = chunks(&["01234"]);
    broken.push(Err(failed));
    for (chunks, kind) in [
        (chunks(&["01234"]), io::ErrorKind::InvalidData),
        (broken, io::ErrorKind::ResourceBusy),
    ] {
        let mut reader = download(chunks).into_reader();
        let mut all = Vec::new();
        let error = reader.read_to_end(&mut all).await.unwrap_err();
        assert_eq!((error.kind(), &*all), (kind, &b"01234"[..]));
        assert!(reader.read(&mut [0; 9]).await.is_err());
        assert!(reader.fill_buf().await.is_err());
    }
}

#[cfg(feature = "http-body")]
mod body {
    use std::future::poll_fn;
    use std::pin::Pin;

    use http_body::Body;

    use super::*;

    async fn frame(download: &mut Download) -> Option<Result<Bytes, Error>> {
        let frame = poll_fn(|context| Pin::new(&mut *download).poll_frame(context)).await?;
        Some(frame.map(|frame| frame.into_data().unwrap()))
    }

    #[tokio::test]
    async fn a_body_has_the_exact_size_until_its_end() {
        let mut body = download(chunks(&["0123", "456789"]));
        let sizes = |body: &Download| (Body::size_hint(body).exact(), body.is_end_stream());
        assert_eq!(sizes(&body), (Some(10), false));
        assert_eq!(frame(&mut body).await.unwrap().unwrap(), "0123");
        assert_eq!(sizes(&body), (Some(6), false));
        assert_eq!(frame(&mut body).await.unwrap().unwrap(), "456789");
        assert_eq!(Body::size_hint(&body).exact(), Some(0));
        assert!(frame(&mut body).await.is_none());
        assert_eq!(sizes(&body), (Some(0), true));
    }

    #[tokio::test]
    async fn a_body_in_memory_is_one_frame() {
        let mut body = Download::in_memory(ID, "01".into());
        assert!(!body.is_end_stream());
        assert_eq!(frame(&mut body).await.unwrap().unwrap(), "01");
        assert!(body.is_end_stream());
        assert!(Download::in_memory(ID, Bytes::new()).is_end_stream());
    }

    #[tokio::test]
    async fn a_body_that_ends_early_is_an_error() {
        let mut body = download(chunks(&["0123"]));
        frame(&mut body).await.unwrap().unwrap();
        let error = frame(&mut body).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
}
