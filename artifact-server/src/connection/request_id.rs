//! The id of a request, in its response and in each log line about it.

use std::cell::RefCell;
use std::fmt;

use artifact_backend::random;
use http::{HeaderMap, HeaderName, HeaderValue};

pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Maximum length of an id that a client chooses.
const MAX_LENGTH: usize = 128;
/// Length of a generated id in bytes, before it is written in hexadecimal.
const RANDOM_BYTES: usize = 16;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// 1 to 128 of the characters `A-Z a-z 0-9 - . _ ~`, which no log or shell interprets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    /// Returns the client's id if it sent exactly one valid id, or else 128 random bits.
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        let mut values = headers.get_all(HEADER).iter();
        match (values.next(), values.next()) {
            (Some(value), None)
                if (1..=MAX_LENGTH).contains(&value.len())
                    && value.as_bytes().iter().all(allowed) =>
            {
                Self(value.clone())
            }
            _ => Self::random(),
        }
    }

    fn random() -> Self {
        let mut text = [0; 2 * RANDOM_BYTES];
        for (digits, byte) in text.chunks_exact_mut(2).zip(random_bytes()) {
            digits[0] = DIGITS[usize::from(byte >> 4)];
            digits[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(HeaderValue::from_bytes(&text).expect("hexadecimal digits are valid in a field"))
    }

    pub(super) fn value(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// Returns random bytes from the operating system, which each thread draws for 32 requests at once:
/// a draw per request took 2 % of the time of a small fetch.
fn random_bytes() -> [u8; RANDOM_BYTES] {
    thread_local! {
        static UNUSED: RefCell<Vec<[u8; RANDOM_BYTES]>> = const { RefCell::new(Vec::new()) };
    }
    UNUSED.with_borrow_mut(|unused| {
        if let Some(bytes) = unused.pop() {
            return bytes;
        }
        let drawn = random::bytes::<{ 32 * RANDOM_BYTES }>();
        let (chunks, _) = drawn.as_chunks();
        unused.extend_from_slice(chunks);
        unused.pop().unwrap_or_else(random::bytes)
    })
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(values: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_str(value).unwrap());
        }
        RequestId::from_headers(&headers).to_string()
    }

    #[test]
    fn valid_ids_are_kept() {
        let longest = "x".repeat(MAX_LENGTH);
        for sent in ["a", "A-1.b_2~c", &longest] {
            assert_eq!(id_for(&[sent]), sent);
        }
    }

    #[test]
    fn missing_invalid_and_repeated_ids_are_replaced_by_random_ids() {
        let too_long = "x".repeat(MAX_LENGTH + 1);
        for sent in [
            &[][..],
            &[""],
            &[&*too_long],
            &["a b"],
            &["a\tb"],
            &["\u{e9}"],
            &["a", "a"],
        ] {
            let id = id_for(sent);
            assert_eq!(id.len(), 32, "{sent:?}");
            assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
            assert_ne!(id, id_for(sent));
        }
    }
}
