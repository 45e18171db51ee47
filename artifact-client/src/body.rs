//! The bytes of a deposit.

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
/// Only bytes in memory know their size; for the others,
/// [`DepositOptions::with_size`](crate::DepositOptions::with_size) tells it. Only bytes in memory and a
/// [`repeatable`](Self::repeatable) body can be sent again where the server refuses a deposit for now.
pub struct Body {
    source: Source,
    size: Option<u64>,
}

pub(crate) type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// Makes the stream anew.
pub(crate) type MakePieces = Arc<dyn Fn() -> Pieces + Send + Sync>;

/// What a body is made of.
pub(crate) enum Source {
    Once(Pieces),
    Repeatable(MakePieces),
}

impl Body {
    /// All that a stream gives, until it ends. An error of the stream gives the deposit up.
    pub fn from_stream(stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self {
            source: Source::Once(stream.boxed()),
            size: None,
        }
    }

    /// All that a reader gives, until it ends, 256 KiB at a time.
    pub fn from_reader(reader: impl AsyncRead + Send + 'static) -> Self {
        Self::from_stream(ReaderStream::with_capacity(reader, READ_SIZE))
    }

    /// What `make` makes, which is called once for each try. Each stream begins at the first byte; the
    /// one before it may still be alive, so they must not share a position.
    ///
    /// ```
    /// use artifact_client::Body;
    /// use bytes::Bytes;
    /// use futures_util::stream;
    ///
    /// let body = Body::repeatable(|| stream::iter([Ok(Bytes::from("hello"))]));
    /// # drop(body);
    /// ```
    pub fn repeatable<S>(make: impl Fn() -> S + Send + Sync + 'static) -> Self
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        Self {
            source: Source::Repeatable(Arc::new(move || make().boxed())),
            size: None,
        }
    }

    pub(crate) fn into_parts(self) -> (Source, Option<u64>) {
        (self.source, self.size)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        let size = bytes.len() as u64;
        let body = Self::repeatable(move || {
            let pieces = (!bytes.is_empty()).then(|| Ok(bytes.clone()));
            stream::iter(pieces)
        });
        Self {
            size: Some(size),
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
