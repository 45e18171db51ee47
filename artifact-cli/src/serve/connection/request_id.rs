//! The name of one request, in its answer and in every line of the log about it.

use std::fmt;
use std::fmt::Write as _;

use artifact_backend::random;
use http::{HeaderMap, HeaderName, HeaderValue};

pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The longest that is taken from a client.
const MOST: usize = 128;

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
        let mut text = String::with_capacity(32);
        for byte in random::bytes::<16>() {
            let _ = write!(text, "{byte:02x}");
        }
        Self(HeaderValue::from_str(&text).expect("digits are a field value"))
    }

    pub(super) fn value(&self) -> HeaderValue {
        self.0.clone()
    }
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
