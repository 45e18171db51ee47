//! Reads forms from standard input and prints the file of each, for comparison with other parsers.
//!
//! A form is its length in bytes as a decimal number, a line feed, and that many bytes: the request's
//! `Content-Type`, a line feed, the body. The output has a line for each: `accepted`, the file name
//! and the file in hexadecimal digits, or `refused` and the reason.

#![expect(clippy::print_stdout, reason = "a program for the command line")]

use std::io::{self, BufRead, Read};

use artifact_multipart::{Boundary, Error, Event, Parser};
use bytes::Bytes;

fn main() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        let length = line.trim_end().parse().map_err(io::Error::other)?;
        let mut form = vec![0; length];
        input.read_exact(&mut form)?;
        match read(&form) {
            Ok((name, file)) => println!("accepted {} {}", hex(name.as_bytes()), hex(&file)),
            Err(error) => println!("refused {error}"),
        }
        line.clear();
    }
    Ok(())
}

/// Parses one form and returns its file name and its file.
fn read(form: &[u8]) -> Result<(String, Vec<u8>), Error> {
    let end = form.iter().position(|byte| *byte == b'\n');
    let (content_type, rest) = form.split_at(end.unwrap_or(form.len()));
    let boundary = Boundary::from_content_type(content_type)?;
    let mut parser = Parser::new(&boundary);
    let mut body = Bytes::copy_from_slice(rest.get(1..).unwrap_or_default());
    let (mut name, mut file) = (String::new(), Vec::new());
    while let Some(event) = parser.parse(&mut body)? {
        match event {
            Event::Head(head) => name = head.file_name().to_owned(),
            Event::Data(bytes) => file.extend_from_slice(&bytes),
            Event::End => {}
        }
    }
    parser.finish()?;
    Ok((name, file))
}

/// Hexadecimal digits, at least the two hyphens of an empty text.
fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "--".to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
