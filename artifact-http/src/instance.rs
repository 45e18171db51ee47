//! The absolute URL of a request, for the member `instance` of a problem.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use artifact_store::{LinkId, LinkSecret};
use axum::extract::OriginalUri;
use http::header::HOST;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, Request, Uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::api::Api;
use crate::config::HttpConfig;

/// Returns the URL that the client requested, as a valid URI (RFC 3986), without the secret of a link. Without a
/// configured `public_url`, the authority is the one that the client sent, if it has only usual characters.
/// `X-Forwarded-*` is ignored, because any client can send it.
pub(crate) fn of<B>(request: &Request<B>, config: &HttpConfig) -> String {
    // An outer router removes its part of the path from the request's URI.
    let uri = request
        .extensions()
        .get::<OriginalUri>()
        .map_or(request.uri(), |original| &original.0);
    let path = match uri.path_and_query().map(PathAndQuery::as_str) {
        // RFC 9112, section 3.3: `*` is the server itself, and so is the target of CONNECT.
        Some("*") => "",
        None if *request.method() == Method::CONNECT => "",
        path => path.unwrap_or("/"),
    };
    let origin = origin(uri, request.headers(), config);
    join(&origin, &without_secrets(path))
}

/// Returns the scheme and authority that the client used.
fn origin(uri: &Uri, headers: &HeaderMap, config: &HttpConfig) -> String {
    if let Some(public_url) = &config.public_url {
        return public_url.clone();
    }
    let authority = uri.authority().map(Authority::as_str);
    let authority = authority.or_else(|| headers.get(HOST)?.to_str().ok());
    let authority = authority.filter(|text| is_usual(text));
    let scheme = if config.https { "https" } else { "http" };
    format!("{scheme}://{}", authority.unwrap_or("localhost"))
}

/// Returns the URL of a link, as the client that makes it reaches this router.
pub(crate) fn link(parts: &Parts, config: &HttpConfig, secret: &LinkSecret) -> String {
    let original = parts.extensions.get::<OriginalUri>();
    let uri = original.map_or(&parts.uri, |original| &original.0);
    let prefix = original.and_then(|original| original.path().strip_suffix(parts.uri.path()));
    let path = format!(
        "{}{}/links/{}",
        prefix.unwrap_or(""),
        config.base_path_of(Api::Management).as_str(),
        secret.expose()
    );
    join(&origin(uri, &parts.headers, config), &path)
}

/// Replaces what follows `/links/` in a path, if it may be the secret of a link. The id of a link is not replaced.
pub(crate) fn without_secrets(path: &str) -> Cow<'_, str> {
    const BEFORE: &str = "/links/";
    let (mut shown, mut rest) = (String::new(), path);
    while let Some(at) = rest.find(BEFORE).map(|at| at + BEFORE.len()) {
        let (before, after) = rest.split_at(at);
        let end = after.find(['/', '?', '#']).unwrap_or(after.len());
        let (segment, after) = after.split_at(end);
        let is_shown = segment.is_empty() || segment.parse::<LinkId>().is_ok();
        shown.push_str(before);
        shown.push_str(if is_shown { segment } else { "secret" });
        rest = after;
    }
    if shown.is_empty() {
        return path.into();
    }
    shown.push_str(rest);
    shown.into()
}

/// Returns the URL that the paths of the endpoints are relative to, for the `servers` of the OpenAPI document: the
/// configured `public_url`, and the prefix under which an outer router mounts the endpoints. `None` if there is neither.
pub(crate) fn base(parts: &Parts, config: &HttpConfig) -> Option<String> {
    let original = parts.extensions.get::<OriginalUri>();
    let prefix = original.and_then(|original| original.path().strip_suffix(parts.uri.path()));
    let base = join(
        config.public_url.as_deref().unwrap_or(""),
        prefix.unwrap_or(""),
    );
    (!base.is_empty()).then_some(base)
}

/// The characters that a path and query contain only percent-encoded (RFC 3986, sections 3.3 and 3.4). `%`
/// itself is treated apart.
const NOT_IN_URI: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Whether an authority is a name or an address, and perhaps a port.
fn is_usual(authority: &str) -> bool {
    let port = if let Some(rest) = authority.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        if address.parse::<Ipv6Addr>().is_err() {
            return false;
        }
        port
    } else {
        let (name, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if name.is_empty() || name.len() > 255 || !name.bytes().all(is_letter) {
            return false;
        }
        port
    };
    let Some(digits) = port.strip_prefix(':') else {
        return port.is_empty();
    };
    digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Appends a path and query, percent-encoded where RFC 3986 requires it.
fn join(base: &str, path: &str) -> String {
    let mut url = String::with_capacity(base.len() + path.len());
    url.push_str(base);
    for (at, part) in path.split('%').enumerate() {
        if at > 0 {
            let digits = part.as_bytes().get(..2);
            let is_escape = digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
            url.push_str(if is_escape { "%" } else { "%25" });
        }
        url.extend(utf8_percent_encode(part, NOT_IN_URI));
    }
    url
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{Request, Uri};

    use super::of;
    use crate::config::HttpConfig;

    fn instance(method: &str, target: &str, host: &str) -> String {
        let request = Request::builder().method(method).uri(target);
        let request = request.header("host", host).body(Body::empty()).unwrap();
        of(&request, &HttpConfig::default())
    }

    #[test]
    fn paths_are_percent_encoded_where_a_uri_requires_it() {
        for (target, expected) in [
            ("/a/b?c=d&e", "/a/b?c=d&e"),
            ("/%41%2f?u=eden%3A%2F", "/%41%2f?u=eden%3A%2F"),
            ("/na\u{ef}ve?\u{1f980}", "/na%C3%AFve?%F0%9F%A6%80"),
            ("/%", "/%25"),
            ("/%2", "/%252"),
            ("/%zz%20", "/%25zz%20"),
            ("/%%41", "/%25%41"),
            ("/{a}|b^c`d\\e\"f", "/%7Ba%7D%7Cb%5Ec%60d%5Ce%22f"),
            ("/[x]?[y]", "/%5Bx%5D?%5By%5D"),
            ("/:@!$&'()*+,;=~-._", "/:@!$&'()*+,;=~-._"),
            ("//evil.example/x", "//evil.example/x"),
        ] {
            // The server passes on every target that `Uri` accepts.
            if target.parse::<Uri>().is_ok() {
                let found = instance("GET", target, "a.example");
                assert_eq!(found, format!("http://a.example{expected}"), "{target}");
            } else {
                assert_eq!(super::join("", target), expected, "{target}");
            }
        }
    }

    #[test]
    fn a_target_without_a_path_is_the_server() {
        for (method, target, expected) in [
            ("OPTIONS", "*", "http://a.example:8080"),
            ("GET", "*", "http://a.example:8080"),
            ("CONNECT", "b.example:443", "http://b.example:443"),
            ("GET", "http://b.example", "http://b.example/"),
            ("GET", "http://b.example:1/x?y", "http://b.example:1/x?y"),
            (
                "GET",
                "http://user:secret@b.example/x",
                "http://localhost/x",
            ),
        ] {
            let found = instance(method, target, "a.example:8080");
            assert_eq!(found, expected, "{method} {target}");
            let config = HttpConfig::default().with_public_url("https://files.example");
            let request = Request::builder().method(method).uri(target);
            let request = request.body(()).unwrap();
            let authority = expected.split('/').nth(2).unwrap();
            let path = expected.split_once(authority).unwrap().1;
            let expected = format!("https://files.example{path}");
            assert_eq!(of(&request, &config), expected, "{method} {target}");
        }
    }

    #[test]
    fn secrets_of_links_are_replaced() {
        let secret = "5e".repeat(32);
        let id = "lnk_0123456789abcdefghjkmnpqrs";
        for (target, expected) in [
            (format!("/v1/links/{secret}"), "/v1/links/secret".to_owned()),
            (
                format!("/prefix/v1/links/{secret}?x=y"),
                "/prefix/v1/links/secret?x=y".to_owned(),
            ),
            (
                format!("/v1/links/{secret}/links/{secret}"),
                "/v1/links/secret/links/secret".to_owned(),
            ),
            (
                format!("/v1/links/%35e{}/", &secret[2..]),
                "/v1/links/secret/".to_owned(),
            ),
            (format!("/a/links/{id}"), format!("/a/links/{id}")),
            ("/a/links/".to_owned(), "/a/links/".to_owned()),
            (
                format!("/a/links/{id}/links/{secret}"),
                format!("/a/links/{id}/links/secret"),
            ),
            (
                format!("/links//links/{secret}"),
                "/links//links/secret".to_owned(),
            ),
            ("/a/links".to_owned(), "/a/links".to_owned()),
        ] {
            let found = instance("GET", &target, "a.example");
            assert_eq!(found, format!("http://a.example{expected}"));
        }
    }

    #[test]
    fn only_a_usual_authority_is_repeated() {
        for host in [
            "a",
            "A.b-c_d:1",
            "127.0.0.1:65535",
            "[::1]",
            "[2001:db8::1]:8080",
            "a:",
        ] {
            assert_eq!(instance("GET", "/", host), format!("http://{host}/"));
        }
        for host in [
            "", ":80", "a b", "a/b", "user@a", "a:b", "a:1:2", "a:123456", "[", "[]", "]", "[::1",
            "[::1]x", "[zz]", "::1", "a\"", "a%zz", "<a>", "a?b", "a#b",
        ] {
            assert_eq!(instance("GET", "/", host), "http://localhost/", "{host}");
        }
    }
}
