//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): marks a deposit that the client may repeat.

use artifact_store::IdempotencyKey;
use http::{HeaderMap, HeaderName};
use sfv::{BareItem, Item, Parser};

use crate::receive_error::ReceiveError;

/// The field with which a client marks a deposit that it may repeat; see [`idempotency_key`].
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Reads `Idempotency-Key`: a string (RFC 9651, section 3.3.3) such as `"8e03978e-40d5-43e8-bc93-6894a57f9324"`, or the same
/// text without quotes if it is a token (RFC 9110, section 5.6.2), because many clients leave the quotes out. The two forms are
/// the same key. Parameters of a string must be well-formed, and have no meaning.
///
/// Give the key to [`NewArtifact::with_idempotency_key`](artifact_store::NewArtifact::with_idempotency_key).
///
/// # Errors
///
/// [`Malformed`](crate::ReceiveErrorKind::Malformed) for every other value, for an empty string and one of more than 255
/// bytes, and for two fields.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ReceiveError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = parse(value.as_bytes()).filter(|_| values.next().is_none());
    key.map(Some).ok_or_else(|| {
        ReceiveError::malformed(
            "Idempotency-Key must be one string of 1 to 255 characters in double quotes, such as \"8e03978e-40d5-43e8\"",
        )
    })
}

fn parse(value: &[u8]) -> Option<IdempotencyKey> {
    if value.trim_ascii_start().starts_with(b"\"") {
        let item = Parser::new(value).parse::<Item>().ok()?;
        let BareItem::String(key) = item.bare_item else {
            return None;
        };
        return key.as_str().parse().ok();
    }
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let token = value.trim_ascii();
    let token = token.iter().all(is_token).then_some(token)?;
    str::from_utf8(token).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn key(value: &[u8]) -> Option<String> {
        let value = HeaderValue::from_bytes(value).unwrap();
        let headers = HeaderMap::from_iter([(IDEMPOTENCY_KEY, value)]);
        let key = idempotency_key(&headers).ok()?;
        Some(key.unwrap().as_str().to_owned())
    }

    #[test]
    fn strings_and_tokens_are_keys() {
        let longest = "x".repeat(255);
        for (value, expected) in [
            (
                "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"",
                "8e03978e-40d5-43e8-bc93-6894a57f9324",
            ),
            (
                "8e03978e-40d5-43e8-bc93-6894a57f9324",
                "8e03978e-40d5-43e8-bc93-6894a57f9324",
            ),
            ("\"a b\"", "a b"),
            ("\" \"", " "),
            (r#""a\"b\\c""#, "a\"b\\c"),
            ("\"a\";p=1", "a"),
            ("  \"a\"  ", "a"),
            ("*", "*"),
            ("?1", ""),
            (&longest, &longest),
            (&format!("\"{longest}\""), &longest),
        ] {
            let expected = Some(expected.to_owned()).filter(|key| !key.is_empty());
            assert_eq!(key(value.as_bytes()), expected, "{value}");
        }
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn other_values_and_two_fields_are_malformed() {
        let (long, quoted) = ("x".repeat(256), format!("\"{}\"", "x".repeat(256)));
        for value in [
            &b""[..],
            b"\"\"",
            b"\"a",
            b"a\"",
            b"\"a\"b",
            b"\"a\", \"b\"",
            b"a b",
            b"a,b",
            b"a;b",
            b"a=b",
            b":YQ==:",
            b"\"\\x\"",
            b"\"a\";",
            b"\"a\tb\"",
            b"caf\xe9",
            b"\"caf\xc3\xa9\"",
            long.as_bytes(),
            quoted.as_bytes(),
        ] {
            assert_eq!(key(value), None, "{}", value.escape_ascii());
        }
        let mut two = HeaderMap::new();
        for _ in 0..2 {
            two.append(IDEMPOTENCY_KEY, HeaderValue::from_static("\"a\""));
        }
        assert_eq!(idempotency_key(&two).unwrap_err().status(), 400);
    }
}
