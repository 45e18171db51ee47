//! Checksums of request bodies. The storage compares them with the bytes that it receives, and stores
//! nothing if a bit was changed on the way.
//!
//! `object_store` computes none for Google and Azure. Azure also accepts a CRC-64, which costs less
//! than MD5, but the emulators do not check it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::TryStreamExt as _;
use http::HeaderValue;
use http_body_util::BodyExt as _;
use object_store::client::{HttpError, HttpErrorKind, HttpRequestBody};
use tokio::task::yield_now;

/// How many bytes are hashed without giving other tasks a turn: less than half a millisecond.
const BYTES_PER_TURN: usize = 256 << 10;

/// Returns the value of `x-goog-hash` with the CRC-32C of a body.
#[cfg(feature = "gcs")]
pub(super) async fn x_goog_hash(body: &HttpRequestBody) -> Result<HeaderValue, HttpError> {
    let mut crc = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    for_each_chunk(body, |chunk| crc.update(chunk)).await?;
    let bytes = crc.finalize().to_be_bytes();
    // A CRC-32 is in the lower half.
    let text = format!("crc32c={}", BASE64_STANDARD.encode(&bytes[4..]));
    header(&text)
}

/// Returns the value of `Content-MD5` of a body.
#[cfg(feature = "azure")]
pub(super) async fn content_md5(body: &HttpRequestBody) -> Result<HeaderValue, HttpError> {
    use md5::Digest as _;
    let mut md5 = md5::Md5::new();
    for_each_chunk(body, |chunk| md5.update(chunk)).await?;
    header(&BASE64_STANDARD.encode(md5.finalize()))
}

async fn for_each_chunk(
    body: &HttpRequestBody,
    mut hash: impl FnMut(&[u8]) + Send,
) -> Result<(), HttpError> {
    // Shares the bytes, which are all in memory.
    let mut chunks = body.clone().into_data_stream();
    while let Some(chunk) = chunks.try_next().await? {
        for piece in chunk.chunks(BYTES_PER_TURN) {
            hash(piece);
            if piece.len() == BYTES_PER_TURN {
                yield_now().await;
            }
        }
    }
    Ok(())
}

fn header(text: &str) -> Result<HeaderValue, HttpError> {
    HeaderValue::from_str(text).map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))
}

#[cfg(test)]
mod tests {
    use object_store::PutPayload;

    use super::*;

    /// The digits "123456789", in chunks: the check value of every catalogue of checksums.
    fn body() -> HttpRequestBody {
        let chunks = ["1234", "", "56789"].map(bytes::Bytes::from);
        PutPayload::from_iter(chunks).into()
    }

    #[cfg(feature = "gcs")]
    #[tokio::test]
    async fn the_crc_is_that_of_the_catalogue() {
        // CRC-32/ISCSI: e3069283.
        assert_eq!(x_goog_hash(&body()).await.unwrap(), "crc32c=4waSgw==");
        let empty = HttpRequestBody::empty();
        assert_eq!(x_goog_hash(&empty).await.unwrap(), "crc32c=AAAAAA==");
    }

    #[cfg(feature = "azure")]
    #[tokio::test]
    async fn the_md5_is_that_of_the_catalogue() {
        // 25f9e794323b453885f5181f1b624d0b.
        let expected = "JfnnlDI7RTiF9RgfG2JNCw==";
        assert_eq!(content_md5(&body()).await.unwrap(), expected);
        // RFC 1321, appendix A.5: d41d8cd98f00b204e9800998ecf8427e.
        let empty = HttpRequestBody::empty();
        let expected = "1B2M2Y8AsgTpgAmY7PhCfg==";
        assert_eq!(content_md5(&empty).await.unwrap(), expected);
    }
}
