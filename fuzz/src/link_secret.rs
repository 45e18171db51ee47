//! Target `link_secret`: the secret of a link has one text, nothing repeats it, and no problem or log line has it.

use artifact_http::fuzzing;
use artifact_store::{LinkId, LinkSecret};
use sha2::{Digest as _, Sha256};

/// Checks one input: a text that may be a secret, and a path that may contain secrets.
///
/// # Panics
///
/// If one of these rules is broken:
///
/// - a text is a secret if and only if it is 64 of the characters 0-9 a-f;
/// - a secret is exposed as the text that it was read from, its digest is the SHA-256 of its bits, and its `Debug` output
///   does not depend on it;
/// - the message of an error does not depend on the text;
/// - a path is shown as an independent reading of the rule says, so a secret after `/links/` is never shown.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match text.parse::<LinkSecret>() {
        Ok(secret) => {
            let bits = decode(text).expect("the parser accepted another text");
            assert_eq!(secret.expose(), text);
            assert_eq!(secret.digest().as_bytes()[..], Sha256::digest(bits)[..]);
            assert_eq!(format!("{secret:?}"), "LinkSecret(..)");
            for path in [
                format!("/v1/links/{text}"),
                format!("/prefix/v1/links/{text}?a=b"),
                format!("/v1/links//links/{text}/content"),
            ] {
                assert!(!fuzzing::shown_path(&path).contains(text), "{path}");
            }
        }
        Err(error) => {
            assert_eq!(decode(text), None, "the parser refused {text:?}");
            let other = "".parse::<LinkSecret>().expect_err("it is no secret");
            assert_eq!(
                (error.to_string(), format!("{error:?}")),
                (other.to_string(), format!("{other:?}"))
            );
        }
    }
    assert_eq!(fuzzing::shown_path(text), shown(text), "{text:?}");
}

/// Reads 64 digits in lower case.
fn decode(text: &str) -> Option<[u8; 32]> {
    let mut bits = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (at, digit) in text.bytes().enumerate() {
        let value = b"0123456789abcdef"
            .iter()
            .position(|known| *known == digit)?;
        let value = u8::try_from(value).ok()?;
        bits[at / 2] |= if at % 2 == 0 { value << 4 } else { value };
    }
    Some(bits)
}

/// Replaces what follows `links` between two slashes, unless it is empty or the id of a link. Goes from piece to piece: a piece
/// is a delimiter and the text up to the next one.
fn shown(path: &str) -> String {
    let mut pieces = vec![String::new()];
    for c in path.chars() {
        if matches!(c, '/' | '?' | '#') {
            pieces.push(String::new());
        }
        pieces.last_mut().expect("there is one").push(c);
    }
    let mut at = 0;
    while at + 1 < pieces.len() {
        if pieces[at] == "/links" && pieces[at + 1].starts_with('/') {
            let segment = &pieces[at + 1][1..];
            if !segment.is_empty() && segment.parse::<LinkId>().is_err() {
                pieces[at + 1] = String::from("/secret");
            }
            // After an empty segment, `/links/` may begin with the slash that follows; a segment itself is not `/links`.
            at += 2;
        } else {
            at += 1;
        }
    }
    pieces.concat()
}
