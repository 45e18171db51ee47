//! Bodies, and the parser in chunks of several lengths.

use artifact_multipart::{Boundary, Error, Event, Parser, PartHead};
use bytes::Bytes;

/// The boundary of every body here.
pub(crate) const BOUNDARY: &str = "b0undary";
/// The header of a valid part.
pub(crate) const FILE: &str =
    "Content-Disposition: form-data; name=\"file\"; filename=\"f.bin\"\r\n";

/// A body with one part: these header lines, these bytes.
pub(crate) fn body(header: &str, file: &[u8]) -> Vec<u8> {
    let start = format!("--{BOUNDARY}\r\n{header}\r\n");
    let end = format!("\r\n--{BOUNDARY}--\r\n");
    [start.as_bytes(), file, end.as_bytes()].concat()
}

/// A part with this `Content-Disposition`.
pub(crate) fn disposition(value: impl AsRef<[u8]>) -> Vec<u8> {
    let start = format!("--{BOUNDARY}\r\nContent-Disposition: ");
    let end = format!("\r\n\r\nbytes\r\n--{BOUNDARY}--\r\n");
    [start.as_bytes(), value.as_ref(), end.as_bytes()].concat()
}

/// Parses a body whole and in short chunks, and checks that the results are the same.
pub(crate) fn parse(body: &[u8]) -> Result<(PartHead, Vec<u8>), Error> {
    let whole = parse_chunks(body, body.len().max(1));
    for length in [1, 2, 7] {
        assert_eq!(parse_chunks(body, length), whole, "in chunks of {length}");
    }
    whole
}

fn parse_chunks(body: &[u8], length: usize) -> Result<(PartHead, Vec<u8>), Error> {
    let mut parser = Parser::new(&Boundary::new(BOUNDARY.as_bytes()).unwrap());
    let (mut head, mut file) = (None, Vec::new());
    for chunk in body.chunks(length) {
        let mut chunk = Bytes::copy_from_slice(chunk);
        while let Some(event) = parser.parse(&mut chunk)? {
            match event {
                Event::Head(new) => head = Some(new),
                Event::Data(bytes) => file.extend_from_slice(&bytes),
                Event::End => {}
            }
        }
    }
    parser.finish()?;
    Ok((head.unwrap(), file))
}
