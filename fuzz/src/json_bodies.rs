//! Target `json_bodies`: the bodies of the identity endpoints are read as a second JSON parser reads them.

use std::collections::BTreeMap;

use artifact_http::fuzzing::{JsonBody, JsonEndpoint};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

/// Checks one input: a byte that selects the endpoint, a `Content-Type` up to the first line feed, and the
/// body. Without a line feed there is no `Content-Type`.
///
/// # Panics
///
/// If one of these rules is broken:
///
/// - a body is accepted if and only if it is empty or one JSON object in UTF-8 with the members of the
///   endpoint, each at most once, of the right type, in text of RFC 8259;
/// - the members are those that the second parser reads;
/// - `serde_json::Value` accepts each accepted body, and reads the same members;
/// - other bodies are answered with 400, another content type with 415.
pub fn check(data: &[u8]) {
    let Some((selector, rest)) = data.split_first() else {
        return;
    };
    let endpoint = match selector % 3 {
        0 => JsonEndpoint::RegisterWorker,
        1 => JsonEndpoint::RegisterGroup,
        _ => JsonEndpoint::AddMember,
    };
    let mut headers = HeaderMap::new();
    let mut is_json = true;
    let mut body = rest;
    if let Some(end) = rest.iter().position(|byte| *byte == b'\n')
        && let Ok(value) = HeaderValue::from_bytes(&rest[..end])
    {
        let essence = rest[..end].split(|byte| *byte == b';').next();
        let essence = essence.unwrap_or_default().trim_ascii();
        // A field with non-ASCII bytes is not understood.
        is_json = essence.eq_ignore_ascii_case(b"application/json") && rest[..end].is_ascii();
        headers.insert(CONTENT_TYPE, value);
        body = &rest[end + 1..];
    }
    let found = endpoint.read(&headers, Bytes::copy_from_slice(body));
    let expected = if is_json || body.is_empty() {
        expect(endpoint, body).ok_or(400)
    } else {
        Err(415)
    };
    if found.is_ok() && !body.is_empty() {
        check_serde(&expected, body);
    }
    let found = found.map_err(|answer| answer.status().as_u16());
    assert_eq!(found, expected, "{endpoint:?}: {:?}", body.escape_ascii());
}

/// Compares the members with those of `serde_json::Value`.
fn check_serde(expected: &Result<JsonBody, u16>, body: &[u8]) {
    let value: Result<serde_json::Value, _> = serde_json::from_slice(body);
    let Ok(value) = value else {
        // The only texts of RFC 8259 of this depth that it refuses have a lone surrogate.
        let surrogate = Ok(Some(None));
        let name = expected.as_ref().map(|body| match body {
            JsonBody::NewWorker { name, .. } | JsonBody::NewGroup { name, .. } => name.clone(),
            JsonBody::NewMember { .. } => None,
        });
        assert_eq!(name, surrogate);
        return;
    };
    let text = |key: &str| value.get(key).map(|text| text.as_str().map(str::to_owned));
    let serde = match expected {
        Ok(JsonBody::NewWorker { .. }) => JsonBody::NewWorker {
            name: text("name"),
            labels: value.get("labels").map(|labels| {
                let labels = labels.as_object().into_iter().flatten();
                let label = |(key, value): (&String, &serde_json::Value)| {
                    (key.clone(), value.as_str().unwrap_or_default().to_owned())
                };
                labels.map(label).collect()
            }),
        },
        Ok(JsonBody::NewGroup { .. }) => JsonBody::NewGroup {
            name: text("name"),
            members: value.get("members").map(|members| {
                let members = members.as_array().into_iter().flatten();
                members
                    .map(|member| member.as_str().unwrap_or_default().to_owned())
                    .collect()
            }),
        },
        _ => JsonBody::NewMember {
            member_id: text("member_id").flatten().unwrap_or_default(),
        },
    };
    assert_eq!(Ok(serde), *expected, "{:?}", body.escape_ascii());
}

/// Reads a body with the second parser; `None` if it is not acceptable.
fn expect(endpoint: JsonEndpoint, body: &[u8]) -> Option<JsonBody> {
    let body = if body.is_empty() { b"{}" } else { body };
    str::from_utf8(body).ok()?;
    let mut cursor = Cursor(body);
    cursor.skip_blanks();
    let Json::Object(members) = cursor.value(0)? else {
        return None;
    };
    cursor.skip_blanks();
    if !cursor.0.is_empty() {
        return None;
    }
    let mut members = unique(members)?;
    let mut take = |key: &str| members.remove(key);
    let body = match endpoint {
        JsonEndpoint::RegisterWorker => JsonBody::NewWorker {
            name: optional(take("name"), Json::text).ok()?.map(|text| text.0),
            labels: optional(take("labels"), Json::strings_by_string).ok()?,
        },
        JsonEndpoint::RegisterGroup => JsonBody::NewGroup {
            name: optional(take("name"), Json::text).ok()?.map(|text| text.0),
            members: optional(take("members"), Json::strings).ok()?,
        },
        JsonEndpoint::AddMember => JsonBody::NewMember {
            member_id: take("member_id")?.text()?.0?,
        },
    };
    members.is_empty().then_some(body)
}

/// A member has the wrong type.
struct WrongType;

/// Reads a member that may be missing.
fn optional<T>(value: Option<Json>, read: fn(Json) -> Option<T>) -> Result<Option<T>, WrongType> {
    value.map(|value| read(value).ok_or(WrongType)).transpose()
}

/// Returns the members if each key occurs once and has no lone surrogate.
fn unique(members: Vec<(Text, Json)>) -> Option<BTreeMap<String, Json>> {
    let mut all = BTreeMap::new();
    for (key, value) in members {
        if all.insert(key.0?, value).is_some() {
            return None;
        }
    }
    Some(all)
}

/// A JSON string; `None` if it has a lone surrogate.
struct Text(Option<String>);

enum Json {
    Object(Vec<(Text, Json)>),
    Array(Vec<Json>),
    String(Text),
    Other,
}

impl Json {
    fn text(self) -> Option<Text> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    fn strings(self) -> Option<Vec<String>> {
        match self {
            Self::Array(values) => values.into_iter().map(|value| value.text()?.0).collect(),
            _ => None,
        }
    }

    fn strings_by_string(self) -> Option<BTreeMap<String, String>> {
        let Self::Object(members) = self else {
            return None;
        };
        let members = unique(members)?.into_iter();
        members
            .map(|(key, value)| Some((key, value.text()?.0?)))
            .collect()
    }
}

/// Parses JSON by RFC 8259.
struct Cursor<'t>(&'t [u8]);

impl Cursor<'_> {
    fn skip_blanks(&mut self) {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn accept(&mut self, text: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// Parses a value. No acceptable body has a value below the third level.
    fn value(&mut self, depth: usize) -> Option<Json> {
        match self.0.first()? {
            _ if depth > 2 => None,
            b'{' => {
                let member = |cursor: &mut Self| {
                    cursor.accept(b"\"")?;
                    let key = cursor.string()?;
                    cursor.skip_blanks();
                    cursor.accept(b":")?;
                    cursor.skip_blanks();
                    Some((key, cursor.value(depth + 1)?))
                };
                self.list(b"{", b"}", member).map(Json::Object)
            }
            b'[' => {
                let element = |cursor: &mut Self| cursor.value(depth + 1);
                self.list(b"[", b"]", element).map(Json::Array)
            }
            b'"' => {
                self.accept(b"\"")?;
                self.string().map(Json::String)
            }
            // No member is a number or a literal.
            _ => Some(Json::Other),
        }
    }

    fn list<T>(
        &mut self,
        open: &[u8],
        close: &[u8],
        mut element: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut elements = Vec::new();
        self.accept(open)?;
        self.skip_blanks();
        if self.accept(close).is_some() {
            return Some(elements);
        }
        loop {
            elements.push(element(self)?);
            self.skip_blanks();
            if self.accept(close).is_some() {
                return Some(elements);
            }
            self.accept(b",")?;
            self.skip_blanks();
        }
    }

    /// Parses the rest of a string.
    fn string(&mut self) -> Option<Text> {
        let mut units = Vec::new();
        loop {
            let start = self.0;
            let plain = |byte: &&u8| !matches!(**byte, b'"' | b'\\' | 0..=0x1f);
            let length = start.iter().take_while(plain).count();
            let text = str::from_utf8(&start[..length]).ok()?;
            units.extend(text.encode_utf16());
            self.0 = &start[length..];
            match self.next()? {
                b'"' => return Some(Text(String::from_utf16(&units).ok())),
                b'\\' => units.push(self.escape()?),
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<u16> {
        let escapes = b"\"\\/bfnrt";
        let meanings = b"\"\\/\x08\x0c\n\r\t";
        let escape = self.next()?;
        if escape == b'u' {
            let mut unit = 0;
            for _ in 0..4 {
                let digit = char::from(self.next()?).to_digit(16)?;
                unit = unit << 4 | u16::try_from(digit).ok()?;
            }
            return Some(unit);
        }
        let at = escapes.iter().position(|other| *other == escape)?;
        Some(u16::from(meanings[at]))
    }
}
