//! Target `bearer`: the credential in `Authorization` is split at one place only, and no answer and no
//! `Debug` output repeats it.

use artifact_http::fuzzing;
use futures_util::FutureExt;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt;

/// Checks one input. Each line is one `Authorization` field.
///
/// # Panics
///
/// If one of these rules is broken:
///
/// - exactly one field of the form `Bearer <principal>:<secret>` is accepted; principal and secret are what
///   an independent parser reads;
/// - several fields are answered with 400, everything else with 401 and `WWW-Authenticate: Bearer`;
/// - the answer depends on the status only;
/// - the `Debug` output does not depend on the secret.
pub fn check(data: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut lines = Vec::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(AUTHORIZATION, value);
            lines.push(line);
        }
    }
    let expected = match lines[..] {
        [line] => expect(line).ok_or(401),
        [] => Err(401),
        _ => Err(400),
    };
    match fuzzing::credential(&headers) {
        Ok(credential) => {
            let (principal, secret) = (credential.principal(), credential.secret().expose());
            let found = (principal.as_bytes(), secret.as_bytes());
            assert_eq!(Ok(found), expected, "{lines:?}");
            let mut other = b"Bearer ".to_vec();
            other.extend_from_slice(principal.as_bytes());
            other.extend_from_slice(b":~");
            let other = HeaderValue::from_bytes(&other).expect("the principal is text");
            let other = HeaderMap::from_iter([(AUTHORIZATION, other)]);
            let other = fuzzing::credential(&other).expect("another secret is accepted too");
            assert_eq!(format!("{credential:?}"), format!("{other:?}"));
        }
        Err(answer) => {
            let status = answer.status().as_u16();
            assert_eq!(Err(status), expected, "{lines:?}");
            let challenge = answer.headers().get(WWW_AUTHENTICATE);
            assert_eq!(
                challenge.is_some_and(|value| value == "Bearer"),
                status == 401
            );
            let mut constant = HeaderMap::new();
            if status == 400 {
                constant.append(AUTHORIZATION, HeaderValue::from_static("a"));
                constant.append(AUTHORIZATION, HeaderValue::from_static("b"));
            }
            let constant = fuzzing::credential(&constant).expect_err("it is no credential");
            assert_eq!(answer.headers(), constant.headers());
            assert_eq!(body_of(*answer), body_of(*constant));
        }
    }
}

/// Reads the scheme, spaces, the principal without colon, a colon and the secret, byte by byte.
fn expect(line: &[u8]) -> Option<(&[u8], &[u8])> {
    if line
        .iter()
        .any(|byte| !(b' '..=b'~').contains(byte) && *byte != b'\t')
    {
        return None;
    }
    let mut bytes = line.iter().enumerate();
    for letter in b"bearer" {
        let (_, byte) = bytes.next()?;
        if byte | 0x20 != *letter {
            return None;
        }
    }
    if line.get(6) != Some(&b' ') {
        return None;
    }
    let first = bytes.find(|(_, byte)| **byte != b' ')?.0;
    let last = line.iter().rposition(|byte| *byte != b' ')?;
    let colon = (first..=last).find(|at| line[*at] == b':')?;
    (first < colon && colon < last).then(|| (&line[first..colon], &line[colon + 1..=last]))
}

fn body_of<B: BodyExt<Error: std::fmt::Debug>>(answer: Response<B>) -> Vec<u8> {
    let body = answer.into_body().collect().now_or_never();
    let body = body
        .expect("the body is in memory")
        .expect("the body is whole");
    body.to_bytes().to_vec()
}
