//! Strict JSON bodies.

use std::collections::BTreeMap;
use std::fmt;

use axum::body::Body;
use http::HeaderMap;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::problem::{Problem, Type};

/// The most bytes of a body. A group of 10,000 members fits.
const LIMIT: usize = 1 << 20;

/// Reads a body: one JSON object, and nothing but that. An empty body is an object without members.
pub(super) async fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let bytes = match Limited::new(body, LIMIT).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(Problem::new(
                Type::PayloadTooLarge,
                format!("a body of JSON has at most {LIMIT} bytes"),
            ));
        }
        Err(error) => {
            return Err(Problem::bad_request("the body broke off").with_source(error));
        }
    };
    if bytes.is_empty() {
        return parse(b"{}");
    }
    if !is_json(headers) {
        return Err(Problem::plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body is to be application/json",
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
        .map_err(|_| Problem::bad_request("the body is to be JSON in UTF-8"))?;
    // Structs are read from arrays too, which we do not want.
    let object = text
        .trim_start_matches([' ', '\t', '\r', '\n'])
        .starts_with('{');
    if !object {
        return Err(Problem::bad_request("the body is to be one JSON object"));
    }
    // What may hold a surrogate is read as bytes, and then control characters are let in too: so all
    // of it is read for its grammar alone before.
    let well_formed = serde_json::from_str::<IgnoredAny>(text);
    let read = well_formed.and_then(|_| serde_json::from_str(text));
    read.map_err(|error| {
        let mut said = error.to_string();
        // An unknown key stands in it, which may be as long as the body.
        said.truncate(said.floor_char_boundary(200));
        Problem::bad_request(format!("the body is not as it should be: {said}"))
    })
}

/// A field that may be left out, and may not be `null`.
pub(super) fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// An object of texts, in which no key stands twice.
#[derive(Debug)]
pub(super) struct Texts(pub(super) BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
                let mut texts = BTreeMap::new();
                while let Some((key, value)) = map.next_entry()? {
                    if texts.insert(key, value).is_some() {
                        return Err(A::Error::custom("a key of an object stands twice"));
                    }
                }
                Ok(Texts(texts))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests;
