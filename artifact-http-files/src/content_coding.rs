//! Content codings, which would change the bytes that entity tag, digest and length describe.

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

/// Marks a 200 as unencoded if the client accepts a content coding, so that a compression layer outside leaves it
/// alone.
///
/// Compressed bytes are another representation (RFC 9110, section 8.8.3.3): the strong entity tag, `Repr-Digest`,
/// `Content-Length` and ranges would describe bytes that the client does not get. tower-http's `CompressionLayer` and
/// actix-web's `Compress` ignore `Cache-Control: no-transform`, but pass on a response that has `Content-Encoding`. Its
/// value here is `identity`, which every client ignores. RFC 9110, section 8.4.1 advises against that value, so
/// a response to a client that accepts no coding does not have it, and neither has a 206, which both layers pass on.
pub fn keep_unencoded<B>(request: &HeaderMap, response: &mut Response<B>) {
    if response.status() == StatusCode::OK && accepts_coding(request) {
        let unencoded = HeaderValue::from_static("identity");
        response.headers_mut().insert(CONTENT_ENCODING, unencoded);
    }
}

fn accepts_coding(request: &HeaderMap) -> bool {
    let fields = request.get_all(ACCEPT_ENCODING).iter();
    let mut codings = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b','));
    codings.any(|coding| {
        let name = coding.split(|byte| *byte == b';').next().unwrap_or(coding);
        let name = name.trim_ascii();
        !name.is_empty() && !name.eq_ignore_ascii_case(b"identity")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clients_that_accept_a_coding_get_the_mark() {
        for (accepted, marked) in [
            (&[][..], false),
            (&[""], false),
            (&["identity"], false),
            (&["Identity;q=1", " , "], false),
            (&["gzip"], true),
            (&["identity, br;q=0.5"], true),
            (&["identity", "zstd"], true),
            (&["*"], true),
        ] {
            let mut request = HeaderMap::new();
            for value in accepted {
                request.append(ACCEPT_ENCODING, HeaderValue::from_static(value));
            }
            for (status, is_whole) in [(200, true), (206, false), (304, false)] {
                let mut response = Response::new(());
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                keep_unencoded(&request, &mut response);
                let mark = HeaderValue::from_static("identity");
                let expected = (marked && is_whole).then_some(&mark);
                let found = response.headers().get(CONTENT_ENCODING);
                assert_eq!(found, expected, "{status} {accepted:?}");
            }
        }
    }
}
