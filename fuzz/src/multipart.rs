//! Target `multipart`: the split into chunks never changes the result, and an accepted body has only one
//! interpretation.

use artifact_multipart::{Boundary, Error, Event, MAX_OVERHEAD, Parser, PartHead};
use bytes::Bytes;

/// A parsed body: the part's header and the file's bytes.
pub type Parsed = Result<(PartHead, Vec<u8>), Error>;

/// Uses the text before the first line feed as a `Content-Type` and the rest as a body. Panics if any of
/// these does not hold:
///
/// - chunks of one byte, of other lengths, and the whole body have the same result;
/// - the parser never holds more than its limit for bytes outside the file and one delimiter;
/// - an accepted body is a header without bare line breaks and other control characters than tabs, an empty line, the file, the
///   last delimiter and white space, and no line of the file is a delimiter with any line break;
/// - an accepted part that is encoded in the simplest form parses to the same part.
pub fn check(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n');
    let (content_type, body) = match end {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[][..]),
    };
    let boundary = match Boundary::from_content_type(content_type) {
        Ok(boundary) => boundary,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let parsed = parse(&boundary, &[body]);
    let bytes: Vec<&[u8]> = body.chunks(1).collect();
    assert_eq!(parse(&boundary, &bytes), parsed, "in chunks of one byte");
    // The length depends on the input, so that a fuzzer can move the cuts.
    let length = 2 + data.iter().fold(0, |sum, byte| sum ^ usize::from(*byte)) % 31;
    let chunks: Vec<&[u8]> = body.chunks(length).collect();
    assert_eq!(parse(&boundary, &chunks), parsed, "in chunks of {length}");
    if let Ok((head, file)) = &parsed {
        check_reading(&boundary, body, file);
        check_encoding(&boundary, head, file);
    }
}

/// Parses a body in these chunks and checks the invariants after each.
pub fn parse(boundary: &Boundary, chunks: &[&[u8]]) -> Parsed {
    let mut parser = Parser::new(boundary);
    let (mut head, mut file, mut ended) = (None, Vec::new(), false);
    let mut fed = 0;
    for chunk in chunks {
        fed += chunk.len();
        let mut input = Bytes::copy_from_slice(chunk);
        loop {
            match parser.parse(&mut input) {
                Ok(None) => break,
                Ok(Some(Event::Head(new))) => {
                    assert!(head.replace(new).is_none(), "two headers");
                }
                Ok(Some(Event::Data(bytes))) => {
                    assert!(head.is_some() && !ended && !bytes.is_empty());
                    file.extend_from_slice(&bytes);
                }
                Ok(Some(Event::End)) => {
                    assert!(head.is_some() && !ended, "an unexpected end event");
                    ended = true;
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    assert_eq!(parser.parse(&mut Bytes::from_static(b"x")), Err(error));
                    assert_eq!(parser.finish(), Err(error));
                    return Err(error);
                }
            }
        }
        assert!(input.is_empty(), "the parser left input unread");
        let overhead = fed - file.len();
        let limit = MAX_OVERHEAD + Boundary::MAX_LEN + 4;
        assert!(
            overhead <= limit,
            "{overhead} bytes outside the file were accepted"
        );
    }
    parser.finish()?;
    assert!(ended, "a body is complete before its end");
    Ok((head.expect("a complete body has a header"), file))
}

/// Checks the file of an accepted body without the parser's code.
fn check_reading(boundary: &Boundary, body: &[u8], file: &[u8]) {
    let dashed = [b"--", boundary.as_bytes()].concat();
    let tail = [b"\r\n", &dashed[..], b"--"].concat();
    let before = body.trim_ascii_end().strip_suffix(&tail[..]);
    let before = before.expect("an accepted body ends with its last boundary");
    let after = &body[before.len() + tail.len()..];
    let is_blank = after.iter().all(|byte| b" \t\r\n".contains(byte));
    assert!(is_blank, "another character after the last boundary");
    let head = before.strip_suffix(file).expect("the file comes before it");
    assert!(head.ends_with(b"\r\n\r\n"), "the header ends elsewhere");
    let start = head.windows(dashed.len()).position(|at| at == dashed);
    let start = start.expect("a part starts with a boundary");
    assert!(start == 0 || head[..start].ends_with(b"\r\n"));
    let lines = head[start..].split(|byte| *byte == b'\n');
    for line in lines.filter(|line| !line.is_empty()) {
        let first_cr = line.iter().position(|byte| *byte == b'\r');
        assert_eq!(first_cr, Some(line.len() - 1), "a bare line break");
        let mut text = line[..line.len() - 1].iter();
        let control = text.find(|byte| byte.is_ascii_control() && **byte != b'\t');
        assert_eq!(control, None, "a control character in the header");
    }
    let lines = [b"\n", file].concat();
    let mut windows = lines.windows(dashed.len() + 2);
    let delimiter = windows.find(|at| {
        matches!(at[0], b'\r' | b'\n')
            && at[1..].starts_with(&dashed)
            && b"-\r\n \t".contains(&at[at.len() - 1])
    });
    assert_eq!(delimiter, None, "a delimiter in the file");
}

fn check_encoding(boundary: &Boundary, head: &PartHead, file: &[u8]) {
    let name = head.file_name().replace('\\', "\\\\").replace('"', "\\\"");
    let dashed = [b"--", boundary.as_bytes()].concat();
    let disposition =
        format!("\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n");
    let mut encoded = [&dashed[..], disposition.as_bytes()].concat();
    for (name, value) in head.fields() {
        if name != "content-disposition" {
            encoded.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
    }
    for part in [&b"\r\n"[..], file, b"\r\n", &dashed, b"--\r\n"] {
        encoded.extend_from_slice(part);
    }
    match parse(boundary, &[&encoded]) {
        Ok((reparsed, bytes)) => {
            assert_eq!(reparsed.file_name(), head.file_name());
            assert_eq!(reparsed.content_type(), head.content_type());
            assert_eq!(bytes, file);
        }
        // The escapes may make the header too long.
        Err(error) => assert_eq!(error, Error::TooMuchOverhead),
    }
}
