//! Parsed requests.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;

use super::response::{self, GcsResponse};

/// A request, read completely.
#[derive(Debug)]
pub(super) struct GcsRequest {
    pub(super) method: Method,
    pub(super) bucket: String,
    pub(super) object: Option<String>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl GcsRequest {
    /// Reads and parses a request. Fails if its body is incomplete; then nothing may be done.
    pub(super) async fn read(request: Request<Incoming>) -> Result<Self, String> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?;
        let path = head.uri.path().trim_start_matches('/');
        let (bucket, object) = match path.split_once('/') {
            None | Some((_, "")) => (path.trim_end_matches('/'), None),
            Some((bucket, object)) => (bucket, Some(decode(object))),
        };
        let query = head.uri.query().unwrap_or_default();
        Ok(Self {
            method: head.method,
            bucket: decode(bucket),
            object,
            query: query.split('&').map(pair).collect(),
            headers: head.headers,
            body: body.to_bytes(),
        })
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn has_query(&self, name: &str) -> bool {
        self.query(name).is_some()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the error if the body does not have the checksum that `x-goog-hash` names.
    pub(super) fn mismatch(&self) -> Option<GcsResponse> {
        let hash = self.header("x-goog-hash")?;
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &self.body);
        let bytes = &crc.to_be_bytes()[4..];
        let expected = format!("crc32c={}", BASE64_STANDARD.encode(bytes));
        (hash != expected).then(|| {
            let message = "The CRC32C you specified did not match what we computed.";
            response::error(400, "BadDigest", message)
        })
    }

    /// Returns the headers that describe an object and are stored with it.
    pub(super) fn attributes(&self) -> Vec<(String, String)> {
        const KEPT: [&str; 5] = [
            "cache-control",
            "content-disposition",
            "content-encoding",
            "content-language",
            "content-type",
        ];
        self.headers
            .iter()
            .filter(|(name, _)| {
                KEPT.contains(&name.as_str()) || name.as_str().starts_with("x-goog-meta-")
            })
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect()
    }
}

fn pair(text: &str) -> (String, String) {
    // The library encodes a space in a query as a plus.
    let decode = |text: &str| decode(&text.replace('+', " "));
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    (decode(key), decode(value))
}

/// Decodes `%XX` escapes.
pub(super) fn decode(text: &str) -> String {
    let decoded = percent_decode_str(text).decode_utf8_lossy();
    Cow::into_owned(decoded)
}
