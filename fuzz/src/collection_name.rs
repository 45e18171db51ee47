//! Target `collection_name`: the name of a file in a collection is decoded once, leads nowhere but below the folder that it is
//! joined to, and is the same in every place that reads it.

use std::fmt::Write as _;
use std::path::{Component, Path};

use artifact_http::fuzzing;
use artifact_store::CollectionPath;

/// Checks one input: a name as it is, and as it stands in the path of a request.
///
/// # Panics
///
/// If one of these rules is broken:
///
/// - a text is a name if and only if an independent reading of the rule says so, and it is kept as it is;
/// - a name in a path is accepted if and only if its bytes, decoded once by an independent decoder, are a name, and no
///   encoded byte is a slash; everything else is answered with 400;
/// - a name that is percent-encoded is decoded to itself;
/// - the path of a name below a folder has only ordinary components, as many as the name has segments;
/// - the file name that a download is offered under has no slash, backslash or control character.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let parsed = text.parse::<CollectionPath>();
    assert_eq!(parsed.is_ok(), is_name(text), "{text:?}");
    if let Ok(name) = parsed {
        assert_eq!(name.as_str(), text);
        check_name(&name);
    }
    match fuzzing::name_in_path(text) {
        Ok(name) => {
            assert_eq!(Some(name.as_str()), decode(text).as_deref(), "{text:?}");
            check_name(&name);
        }
        Err(answer) => {
            assert_eq!(answer.status(), 400, "{text:?}");
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}

fn check_name(name: &CollectionPath) {
    let folder = Path::new("/folder");
    let joined = folder.join(name.as_str());
    let below = joined.strip_prefix(folder).expect("it is below the folder");
    let is_ordinary = |component: Component| matches!(component, Component::Normal(_));
    assert!(below.components().all(is_ordinary), "{name:?}");
    assert_eq!(below.components().count(), name.segments().count());
    if let Some(file_name) = name.file_name() {
        let is_bad = |c: char| c.is_control() || matches!(c, '/' | '\\');
        assert!(!file_name.as_str().contains(is_bad), "{name:?}");
    }
    let mut encoded = String::new();
    for byte in name.as_str().bytes() {
        match byte {
            b'/' => encoded.push('/'),
            byte => write!(encoded, "%{byte:02X}").expect("a string takes everything"),
        }
    }
    let decoded = fuzzing::name_in_path(&encoded).map_err(|answer| answer.status());
    assert_eq!(decoded.as_ref(), Ok(name));
}

/// Reads the rule of the documentation of `CollectionPath`.
fn is_name(text: &str) -> bool {
    let mut segments = vec![0_usize];
    let mut dots = true;
    let is_good = |length: usize, dots: bool| (1..=255).contains(&length) && !(dots && length < 3);
    for c in text.chars() {
        let code = u32::from(c);
        if code < 0x20 || (0x7f..=0x9f).contains(&code) || c == '\\' {
            return false;
        }
        if c == '/' {
            if !is_good(segments[segments.len() - 1], dots) {
                return false;
            }
            segments.push(0);
            dots = true;
        } else {
            *segments.last_mut().expect("there is one") += c.len_utf8();
            dots &= c == '.';
        }
    }
    is_good(segments[segments.len() - 1], dots) && segments.len() <= 64 && text.len() <= 1_024
}

/// Decodes what stands in a path, byte by byte. `None` if it is no name.
fn decode(encoded: &str) -> Option<String> {
    let mut bytes = encoded.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        let byte = u8::try_from(16 * high + low).ok()?;
        if byte == b'/' {
            return None;
        }
        decoded.push(byte);
    }
    String::from_utf8(decoded).ok().filter(|text| is_name(text))
}
