//! Content codings, which would change the bytes that entity tag, digest and length describe.

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use http::{HeaderMap, HeaderValue};

/// Marks a response as unencoded if the client accepts a content coding, so that a compression layer outside leaves it
/// alone.
///
/// Compressed bytes are another representation (RFC 9110, section 8.8.3.3): the strong entity tag, `Repr-Digest`,
/// `Content-Length` and ranges would describe bytes that the client does not get. tower-http's `CompressionLayer` and
/// actix-web's `Compress` ignore `Cache-Control: no-transform`, but pass on a response that has `Content-Encoding`. Its
/// value here is `identity`, which every client ignores. RFC 9110, section 8.4.1 advises against that value, so
/// responses to clients that accept no coding do not have it.
pub fn keep_unencoded(request: &HeaderMap, response: &mut HeaderMap) {
    if accepts_coding(request) {
        response.insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
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
            let mut response = HeaderMap::new();
            keep_unencoded(&request, &mut response);
            let expected = marked.then(|| HeaderValue::from_static("identity"));
            assert_eq!(
                response.get(CONTENT_ENCODING),
                expected.as_ref(),
                "{accepted:?}"
            );
        }
    }
}
