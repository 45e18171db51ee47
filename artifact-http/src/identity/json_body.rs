//! Strict JSON bodies.

use std::collections::BTreeMap;
use std::fmt;

use axum::body::Body;
use http::HeaderMap;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::problem::{Problem, ProblemType};

/// The maximum size of a body in bytes. A group of 10,000 members fits.
const LIMIT: usize = 1 << 20;

/// Reads a body that is exactly one JSON object. An empty body counts as an empty object.
pub(crate) async fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let too_large = || {
        let detail = format!("a JSON body has at most {LIMIT} bytes");
        Problem::new(ProblemType::PayloadTooLarge, detail)
    };
    // The announced length, so that the server does not wait for a body that it refuses.
    if body.size_hint().lower() > LIMIT as u64 {
        return Err(too_large());
    }
    let bytes = match Limited::new(body, LIMIT).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(too_large()),
        Err(error) => return Err(Problem::broken_body(error)),
    };
    if bytes.is_empty() {
        return parse(b"{}");
    }
    if !is_json(headers) {
        return Err(Problem::plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be application/json",
        ));
    }
    parse(&bytes)
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_none_or(|value| {
        let essence = value.to_str().unwrap_or("").split(';').next();
        essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // RFC 8259, section 8.1: JSON is UTF-8.
    let text = str::from_utf8(bytes)
        .map_err(|_| Problem::bad_request("the body must be JSON in UTF-8"))?;
    // serde also reads structs from arrays, which the protocol does not allow.
    let object = text
        .trim_start_matches([' ', '\t', '\r', '\n'])
        .starts_with('{');
    if !object {
        return Err(Problem::bad_request("the body must be one JSON object"));
    }
    // serde_json accepts control characters in strings that are read as bytes, as `Utf8Field` does.
    // So the grammar of the whole text is checked first.
    let well_formed = serde_json::from_str::<IgnoredAny>(text);
    let value = well_formed.and_then(|_| serde_json::from_str(text));
    value.map_err(|error| {
        let mut message = error.to_string();
        // It may contain an unknown key, which may be as long as the body.
        message.truncate(message.floor_char_boundary(200));
        Problem::bad_request(format!("the body is invalid: {message}"))
    })
}

/// Reads a member that may be missing but must not be `null`.
pub(crate) fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// An object of strings without duplicate keys.
#[derive(Debug)]
pub(super) struct StringMap(pub(super) BTreeMap<String, String>);

impl<'de> Deserialize<'de> for StringMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor;

        impl<'de> Visitor<'de> for MapVisitor {
            type Value = StringMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StringMap, A::Error> {
                let mut strings = BTreeMap::new();
                while let Some((key, value)) = map.next_entry()? {
                    if strings.insert(key, value).is_some() {
                        return Err(A::Error::custom("an object has a duplicate key"));
                    }
                }
                Ok(StringMap(strings))
            }
        }

        deserializer.deserialize_map(MapVisitor)
    }
}

#[cfg(test)]
mod tests;
