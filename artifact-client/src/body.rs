//! The bytes of a deposit.

use std::fmt;
use std::io;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

/// How much is read from a reader at a time, in bytes.
const READ_SIZE: usize = 256 * 1024;

/// The bytes of a deposit: in memory, from a reader, or from a stream.
///
/// Only bytes in memory know their size; for the others,
/// [`DepositOptions::with_size`](crate::DepositOptions::with_size) tells it.
pub struct Body {
    pub(crate) stream: BoxStream<'static, io::Result<Bytes>>,
    pub(crate) size: Option<u64>,
}

impl Body {
    /// All that a stream gives, until it ends. An error of the stream gives the deposit up.
    pub fn from_stream(stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self {
            stream: stream.boxed(),
            size: None,
        }
    }

    /// All that a reader gives, until it ends, 256 KiB at a time.
    pub fn from_reader(reader: impl AsyncRead + Send + 'static) -> Self {
        Self::from_stream(ReaderStream::with_capacity(reader, READ_SIZE))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        let size = bytes.len() as u64;
        let pieces = (!bytes.is_empty()).then_some(Ok(bytes));
        Self {
            stream: stream::iter(pieces).boxed(),
            size: Some(size),
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
        f.debug_struct("Body")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
