//! The `Host` field.

use std::net::Ipv6Addr;

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Version};

/// Whether a request has the `Host` fields that it must have (RFC 9112, section 3.2): one over HTTP/1.1, at
/// most one otherwise, and with a valid value.
pub(crate) fn is_acceptable(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => version != Version::HTTP_11,
        (Some(host), None) => is_valid(host),
        (Some(_), Some(_)) => false,
    }
}

/// Whether a value is `uri-host [ ":" port ]` (RFC 9110, section 7.2). It may be empty.
fn is_valid(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else {
        return false;
    };
    let (is_host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']').unwrap_or((rest, "missing"));
        (address.parse::<Ipv6Addr>().is_ok(), port)
    } else {
        let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        (is_name(name), port)
    };
    let is_number = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = |port: &str| port.is_empty() || is_number(port) && port.parse::<u16>().is_ok();
    is_host && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// Whether text is a `reg-name` (RFC 3986, section 3.2.2).
fn is_name(text: &str) -> bool {
    text.split('%').enumerate().all(|(at, part)| {
        let bytes = part.as_bytes();
        let digits = bytes.get(..2);
        let is_escape = digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let is_letter =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte);
        (at == 0 || is_escape) && bytes.iter().all(is_letter)
    })
}
