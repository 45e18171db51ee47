//! The body of a deposit.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

/// How much is read from a reader at a time, in bytes.
const READ_SIZE: usize = 256 * 1024;

/// The bytes of a deposit: in memory, from a reader, or from a stream.
///
/// The size is known for bytes in memory; for the others, set
/// [`DepositOptions::with_size`](crate::DepositOptions::with_size). Only bytes in memory and a
/// [`repeatable`](Self::repeatable) body can be sent again when a deposit is retried.
pub struct Body {
    source: Source,
    size: Option<u64>,
    /// All bytes, if they are in memory.
    bytes: Option<Bytes>,
}

pub(crate) type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// Opens a new stream from the first byte.
pub(crate) type OpenStream = Arc<dyn Fn() -> ByteStream + Send + Sync>;

/// The source of a body's bytes.
pub(crate) enum Source {
    Once(ByteStream),
    Repeatable(OpenStream),
}

impl Body {
    /// Makes a body from a stream, which is read to its end. If the stream returns an error, the
    /// deposit is aborted.
    pub fn from_stream(stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self {
            source: Source::Once(stream.boxed()),
            size: None,
            bytes: None,
        }
    }

    /// Makes a body from a reader, which is read to its end in chunks of 256 KiB.
    pub fn from_reader(reader: impl AsyncRead + Send + 'static) -> Self {
        Self::from_stream(ReaderStream::with_capacity(reader, READ_SIZE))
    }

    /// Makes a body that can be sent again: `open` is called once for each attempt.
    ///
    /// Each stream starts at the first byte. The previous stream may still be alive, so two streams
    /// must not share a position.
    ///
    /// ```
    /// use artifact_client::Body;
    /// use bytes::Bytes;
    /// use futures_util::stream;
    ///
    /// let body = Body::repeatable(|| stream::iter([Ok(Bytes::from("hello"))]));
    /// # drop(body);
    /// ```
    pub fn repeatable<S>(open: impl Fn() -> S + Send + Sync + 'static) -> Self
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        Self {
            source: Source::Repeatable(Arc::new(move || open().boxed())),
            size: None,
            bytes: None,
        }
    }

    pub(crate) fn into_parts(self) -> (Source, Option<u64>, Option<Bytes>) {
        (self.source, self.size, self.bytes)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        let size = bytes.len() as u64;
        let all = bytes.clone();
        let body = Self::repeatable(move || {
            let chunk = (!bytes.is_empty()).then(|| Ok(bytes.clone()));
            stream::iter(chunk)
        });
        Self {
            size: Some(size),
            bytes: Some(all),
            ..body
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repeatable = matches!(self.source, Source::Repeatable(_));
        f.debug_struct("Body")
            .field("size", &self.size)
            .field("repeatable", &repeatable)
            .finish_non_exhaustive()
    }
}
