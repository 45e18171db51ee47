//! The name of one request, in its answer and in every line of the log about it.

use std::cell::RefCell;
use std::fmt;

use artifact_backend::random;
use http::{HeaderMap, HeaderName, HeaderValue};

pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The longest that is taken from a client.
const MOST: usize = 128;
/// Of those that are made.
const BYTES: usize = 16;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// 1 to 128 of the characters `A-Z a-z 0-9 - . _ ~`: nothing that a log or a shell would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    /// The client's, where it gave one of that form; else one of 128 random bits.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        let mut given = headers.get_all(HEADER).iter();
        match (given.next(), given.next()) {
            (Some(value), None)
                if (1..=MOST).contains(&value.len()) && value.as_bytes().iter().all(plain) =>
            {
                Self(value.clone())
            }
            _ => Self::made(),
        }
    }

    fn made() -> Self {
        let mut text = [0; 2 * BYTES];
        for (digits, byte) in text.chunks_exact_mut(2).zip(drawn()) {
            digits[0] = DIGITS[usize::from(byte >> 4)];
            digits[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(HeaderValue::from_bytes(&text).expect("digits are a field value"))
    }

    pub(super) fn value(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// Random bytes of the operating system, of which each thread asks for many at once: to ask for every
/// request took two hundredths of the time of a small fetch.
fn drawn() -> [u8; BYTES] {
    thread_local! {
        static LEFT: RefCell<Vec<[u8; BYTES]>> = const { RefCell::new(Vec::new()) };
    }
    LEFT.with_borrow_mut(|left| {
        if let Some(bytes) = left.pop() {
            return bytes;
        }
        let drawn = random::bytes::<{ 32 * BYTES }>();
        let (some, _) = drawn.as_chunks();
        left.extend_from_slice(some);
        left.pop().unwrap_or_else(random::bytes)
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

    fn of(values: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_str(value).unwrap());
        }
        RequestId::of(&headers).to_string()
    }

    #[test]
    fn a_plain_one_is_kept_and_another_replaced() {
        let long = "x".repeat(MOST);
        for given in ["a", "A-1.b_2~c", &long] {
            assert_eq!(of(&[given]), given);
        }
        let longer = "x".repeat(MOST + 1);
        let two = ["a", "a"];
        for given in [
            &[][..],
            &[""],
            &[&*longer],
            &["a b"],
            &["a\tb"],
            &["\u{e9}"],
            &two,
        ] {
            let made = of(given);
            assert_eq!(made.len(), 32, "{given:?}");
            assert!(made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");
            assert_ne!(made, of(given));
        }
    }
}
